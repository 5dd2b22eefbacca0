//go:build !js

package sluice

import (
	"errors"
	"slices"
)

// This file joins the negotiation of a PeerConnection to its core. Methods are
// called with pc.mu held, the event handlers excepted.

// Why channels end in a negotiation that were never connected.
var (
	errRefused  = errors.New("sluice: the peer's description has no data channels")
	errReplaced = errors.New("sluice: the peer's description is about another association")
)

// An agreement is what an answer, provisional or not, settles.
type agreement struct {
	peer       *peerDescription // nil if there are to be no channels
	remote     *appliedRemote
	localOffer bool // who made the offer
	dtlsClient bool
	snap       bool  // our description had a=sctp-init
	next       *link // takes the place of the one in use; nil: that stays
}

// agree works out what local and remote descriptions settle, and verifies that
// a running transport can go on with it, or another begin in its place. It changes nothing; of an answer
// that it refuses for pc.left it notes that (pc.returned).
func (pc *PeerConnection) agree(op string, local *appliedLocal, remote *appliedRemote, localOffer bool) (agreement, error) {
	a := agreement{
		remote: remote, localOffer: localOffer,
		dtlsClient: local.desc.setup == setupActive,
		snap:       local.desc.initToken != nil,
		next:       remote.next,
	}
	if localOffer {
		a.next = local.heir
	}
	offered := dataIndex(local.desc.sections) >= 0
	final := local.typ == SDPTypeAnswer || remote.typ == SDPTypeAnswer
	if localOffer && pc.goesOn(remote.peer) {
		a.next = nil
	}
	if a.next != nil && !final {
		return a, errProvisional(op)
	}
	if remote.peer == nil || remote.peer.sctp.port == 0 || !offered {
		if !final || pc.peer == nil && !(localOffer && offered) {
			return a, nil
		}
		var err error
		if a.next, err = pc.newLink(); err != nil {
			err = &OperationError{Op: op, Reason: "another transport", Err: err}
		}
		return a, err
	}
	if err := pc.checkGone(op, remote.peer); err != nil {
		return a, err
	}
	a.peer = remote.peer
	if localOffer {
		a.dtlsClient = a.peer.dtls.setup == setupPassive
	}
	switch {
	case pc.peer == nil:
		return a, nil
	case localOffer:
		return pc.agreeAnswer(op, local, a, final)
	case a.next != nil:
		return a, nil
	}
	switch c := pc.changeOf(a.peer, a.dtlsClient); {
	case c == changeDTLS && !pc.peer.restarts(a.peer):
		return a, errNoRestart(remote.desc)
	case c != changeNone:
		return a, opError(op, "%s on a running connection is not supported", c)
	}
	return a, nil
}

// agreeAnswer is agree for an answer, where there was an association before. If the offer
// restarts ICE another peer may answer, or the same with another association (RFC 8829,
// section 5.11).
func (pc *PeerConnection) agreeAnswer(op string, local *appliedLocal, a agreement, final bool) (agreement, error) {
	c := pc.peer.changed(a.peer)
	if a.next == nil && c == changeDTLS && !pc.peer.restarts(a.peer) {
		return a, errNoRestart(a.remote.desc)
	}
	if err := pc.checkAnsweredRestart(op, local, a.peer); err != nil || a.next != nil {
		return a, err
	}
	var err error
	switch {
	case c == changeDTLS && !final:
		err = errProvisional(op)
	case c == changeDTLS && slices.Contains(pc.left, a.peer.dtls.tlsID):
		pc.returned = true
		err = opError(op, "the peer goes on with an association that has been replaced here; another is in the next offer that restarts ICE")
	case c == changeDTLS:
		if a.next, err = pc.newHeir(true); err != nil {
			err = &OperationError{Op: op, Reason: "another association", Err: err}
		}
	case c != changeNone:
		err = opError(op, "%s on a running connection is not supported", c)
	case a.dtlsClient != pc.dtlsClient:
		// Firefox answers "active" whoever it was (against RFC 8829, section 5.3.2),
		// and goes on with the association.
		pc.core.log.Infof("%s: a=setup of the answer is not the role in use, which stays", op)
		a.dtlsClient = pc.dtlsClient
	}
	return a, err
}

// checkGone refuses a peer whose association was replaced by that of another, and that cannot be told of a new one, as it knows
// nothing of tls-id: it would go on with the old one, of which nothing is left here. peer may be nil.
func (pc *PeerConnection) checkGone(op string, peer *peerDescription) error {
	if peer == nil || !slices.ContainsFunc(pc.gone, peer.is) {
		return nil
	}
	return opError(op, "the peer goes on with an association that has been replaced here; as it does not use a=tls-id only another connection of it can begin one")
}

// goesOn reports whether an answer is of the peer that is there, which knows nothing of tls-id (as browsers): it
// cannot tell an offer of another association from a restart of ICE, and goes on with the one that it has
// (RFC 8842, section 3.1).
func (pc *PeerConnection) goesOn(answer *peerDescription) bool {
	return pc.peer != nil && !pc.core.over() &&
		answer != nil && answer.dtls.tlsID == "" && pc.peer.changed(answer) == changeNone
}

// errProvisional is for another association by a provisional answer, which frees nothing
// (RFC 8829, section 4.1.10).
func errProvisional(op string) error {
	return opError(op, "a provisional answer cannot replace a DTLS association")
}

// checkAnsweredRestart verifies that the answer restarts ICE if the offer did.
func (pc *PeerConnection) checkAnsweredRestart(op string, local *appliedLocal, peer *peerDescription) error {
	offered := pc.currentLocal != nil && pc.currentLocal.desc.iceCredentials != local.desc.iceCredentials && !pc.restartRuns()
	switch restarts := pc.peer.restarts(peer); {
	case restarts && !offered:
		return opError(op, "an ICE restart that was not offered (RFC 8829, section 5.10)")
	case offered && !restarts:
		return opError(op, "no ICE restart, though one was offered (RFC 8839, section 4.4.1.1.1)")
	}
	return nil
}

// changeOf compares a description of the peer with the transport in use, which there
// is. client is the DTLS role that it gives us, unless it is actpass.
func (pc *PeerConnection) changeOf(peer *peerDescription, client bool) associationChange {
	if peer.dtls.setup != setupActpass && client != pc.dtlsClient {
		return changeDTLS
	}
	return pc.peer.changed(peer)
}

// errNoRestart is for a new DTLS association over the same path.
func errNoRestart(d *description) error {
	return contentError(d.sections[d.data].line,
		"fingerprint, tls-id or role of the DTLS association change only with an ICE restart (RFC 8842, section 3.1)")
}

// restartRuns reports whether a provisional answer has begun an ICE restart.
func (pc *PeerConnection) restartRuns() bool {
	return pc.peer != nil && pc.currentRemote != nil && pc.currentRemote.peer != nil && pc.currentRemote.peer.restarts(pc.peer)
}

// renewICE begins a new generation of ICE if the description has credentials for
// one.
func (pc *PeerConnection) renewICE(op string, desc *localDescription) error {
	if desc.carrier < 0 || desc.iceCredentials == pc.core.localCredentials() {
		return nil
	}
	if err := pc.core.restartICE(desc.iceCredentials); err != nil {
		return &OperationError{Op: op, Reason: "ICE restart", Err: err}
	}
	return nil
}

// connect starts the transport, or lets it go on. The events that follow come
// after that of the signaling state.
func (pc *PeerConnection) connect(op string, a agreement) error {
	if a.peer == nil {
		return nil
	}
	if pc.peer == nil {
		remote := remoteParameters{
			iceCredentials: a.peer.credentials(),
			fingerprints:   a.peer.dtls.fingerprints,
			sctpPort:       uint16(a.peer.sctp.port),
			maxMessageSize: a.peer.sctp.maxMessageSize,
			wantsSRTP:      a.peer.wantsSRTP,
		}
		if a.snap {
			remote.initToken = a.peer.sctp.initToken
		}
		err := pc.core.start(startParameters{
			remote:      remote,
			controlling: controlling(a.localOffer, pc.core.cfg.ICELite, a.peer.lite),
			dtlsClient:  a.dtlsClient,
		})
		if err != nil {
			return &OperationError{Op: op, Reason: "starting the transport", Err: err}
		}
		pc.dtlsClient, pc.snap = a.dtlsClient, a.snap
	} else {
		if pc.peer.restarts(a.peer) {
			if err := pc.core.continueICE(a.peer.credentials()); err != nil {
				return &OperationError{Op: op, Reason: "ICE restart", Err: err}
			}
			pc.passed = nil
		}
		pc.core.session.SetRemoteMaxMessageSize(a.peer.sctp.maxMessageSize) // w3c-sctp-b
	}
	pc.peer = a.peer
	for _, line := range a.remote.candidates() {
		if err := pc.passCandidate(op, line); err != nil {
			pc.core.log.Infof("%v", err) // one bad candidate is no reason to fail
		}
	}
	return nil
}

// controlling returns our ICE role: the offerer controls, unless exactly one
// side is lite, which never does (RFC 8445, section 6.1.1).
func controlling(offerer, lite, peerLite bool) bool {
	if lite != peerLite {
		return peerLite
	}
	return offerer
}

// candidates returns those for the transport that came with a description, and
// those that were added to it since.
func (r *appliedRemote) candidates() []string {
	lines := slices.Clone(r.peer.ice.candidates)
	for _, c := range r.trickled {
		if c.section < 0 || c.section == r.peer.index {
			lines = append(lines, c.line)
		}
	}
	if r.peer.ice.endOfCandidates {
		lines = append(lines, "")
	}
	return lines
}

// handleLocalCandidate takes a candidate from the core.
func (pc *PeerConnection) handleLocalCandidate(l *link, c localCandidate) {
	if c.line == "" {
		return // handleGatheringState reports the end, after the state
	}
	pc.mu.Lock()
	l = pc.owner(l)
	l.held = append(l.held, c)
	pc.mu.Unlock()
	pc.reportCandidates()
}

// handleGatheringState reports the state, and after the last candidate the end.
func (pc *PeerConnection) handleGatheringState(l *link, s ICEGatheringState) {
	pc.mu.Lock()
	if pc.closed || pc.link != pc.owner(l) || pc.gathering == s {
		pc.mu.Unlock()
		return
	}
	pc.gathering = s
	f := pc.on.gathering
	if s == ICEGatheringStateComplete {
		pc.held = append(pc.held, localCandidate{})
	}
	pc.mu.Unlock()
	if f != nil {
		f(s)
	}
	pc.reportCandidates()
}

// reportCandidates calls the application with the candidates not yet reported.
// While no local description names a section for them, after a rollback, they
// wait; those of an ICE restart that was given up are dropped. It runs in the event queue, without pc.mu.
func (pc *PeerConnection) reportCandidates() {
	for {
		pc.mu.Lock()
		local, f := pc.local(), pc.on.iceCandidate
		if len(pc.held) == 0 || local == nil || local.desc.carrier < 0 {
			pc.mu.Unlock()
			return
		}
		held := pc.held[0]
		pc.held = pc.held[1:]
		known := held.line == "" || held.ufrag == local.desc.ufrag || pc.currentLocal != nil && held.ufrag == pc.currentLocal.desc.ufrag
		c := local.desc.candidateInit(held)
		pc.mu.Unlock()
		if f != nil && known {
			f(c)
		}
	}
}

// candidateInit describes a local candidate of the carrier; nil for the end of them.
func (l *localDescription) candidateInit(held localCandidate) *ICECandidateInit {
	if held.line == "" {
		return nil
	}
	index := uint16(l.carrier)
	c := &ICECandidateInit{Candidate: held.line, SDPMLineIndex: &index, UsernameFragment: &held.ufrag}
	if mid := l.sections[l.carrier].mid; mid != "" {
		c.SDPMid = &mid
	}
	return c
}

func (pc *PeerConnection) handleICEState(l *link, s ICEConnectionState) {
	pc.mu.Lock()
	if pc.closed || pc.link != l || pc.ice == s {
		pc.mu.Unlock()
		return
	}
	pc.ice = s
	f := pc.on.ice
	pc.mu.Unlock()
	if f != nil {
		f(s)
	}
	pc.updateConnectionState()
}

func (pc *PeerConnection) handleDTLSState(l *link, s DTLSState) {
	pc.mu.Lock()
	over := pc.closed || pc.link != l
	if !over {
		pc.dtls = s
	}
	pc.mu.Unlock()
	if !over {
		pc.updateConnectionState()
	}
}

// updateConnectionState reports the connection state if it changed.
func (pc *PeerConnection) updateConnectionState() {
	pc.mu.Lock()
	s := connectionState(pc.ice, pc.dtls)
	if pc.closed || pc.connection == s {
		pc.mu.Unlock()
		return
	}
	pc.connection = s
	f := pc.on.connection
	pc.mu.Unlock()
	if f != nil {
		f(s)
	}
}

// connectionState combines the states of ICE and DTLS as W3C's
// RTCPeerConnectionState does, but for ConnectionStateClosed.
func connectionState(ice ICEConnectionState, dtls DTLSState) ConnectionState {
	switch {
	case ice == ICEConnectionStateFailed || dtls == DTLSStateFailed:
		return ConnectionStateFailed
	case dtls == DTLSStateClosed || ice == ICEConnectionStateClosed:
		return ConnectionStateClosed
	case ice == ICEConnectionStateDisconnected:
		return ConnectionStateDisconnected
	case ice == ICEConnectionStateNew && dtls == DTLSStateNew:
		return ConnectionStateNew
	case ice == ICEConnectionStateConnected && dtls == DTLSStateConnected:
		return ConnectionStateConnected
	}
	return ConnectionStateConnecting
}
