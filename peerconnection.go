//go:build !js

package sluice

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"weak"

	"github.com/sluice-rtc/sluice/datachannel"
)

// A PeerConnection negotiates a connection by offer and answer, as W3C's
// RTCPeerConnection does, for data channels only: media sections of the peer are
// declined. Its methods may be called from any goroutine, and from its events;
// none waits for the network.
//
// Events run one at a time, in order, on a goroutine of their own. As in a
// browser, none follows Close.
type PeerConnection struct {
	cfg      Config // with a Certificate
	events   eventQueue
	retiring sync.WaitGroup // links that are being closed

	mu     sync.Mutex
	closed bool
	on     peerConnectionEvents
	*link
	links  int                                 // made so far
	former []weak.Pointer[datachannel.Session] // of links that were replaced, as long as somebody holds on to them
	spare  *link                               // that an offer describes, or did: an heir for an association that is over; or nil
	past   PeerConnectionStats                 // of links that were replaced
	gone   []*peerDescription                  // peers without tls-id that another has taken the place of

	unaccepted acceptQueue   // has a lock of its own
	over       chan struct{} // closed with Close

	// negotiation: see negotiate.go
	signaling     SignalingState
	origin        sdpOrigin // of the descriptions created last
	created       createdDescriptions
	currentLocal  *appliedLocal
	pendingLocal  *appliedLocal
	currentRemote *appliedRemote
	pendingRemote *appliedRemote
	sections      []localSection // as the last complete negotiation left them
	carrier       int            // index in sections, -1 without a data section
	wantData      bool           // a channel was created
	needed        bool           // negotiationneeded is due, or was fired
	outdated      []string       // user fragments that RestartICE wants replaced

	connection ConnectionState // as last reported
}

// createdDescriptions are the results of the last CreateOffer and CreateAnswer
// of the present negotiation.
type createdDescriptions struct {
	offer, answer *createdDescription
}

type createdDescription struct {
	desc *localDescription
	text string
	heir *link // of an offer: as of appliedLocal
}

// appliedLocal is a local description that was set.
type appliedLocal struct {
	typ  SDPType
	desc *localDescription
	text string // once the link that it is about is gone, else ""
	heir *link  // that an offer describes: the association is over; else nil
}

// appliedRemote is a remote description that was set.
type appliedRemote struct {
	typ      SDPType
	text     string
	desc     *description
	peer     *peerDescription  // nil if it has no data section
	trickled []remoteCandidate // accepted by AddICECandidate
	renewed  *iceCredentials   // for the answer to an offer that restarts ICE
	next     *link             // for an offer of another DTLS association
}

// remoteCandidate is a candidate of a section.
type remoteCandidate struct {
	section int
	line    string // "candidate:...", "" for end-of-candidates
}

// NewPeerConnection returns a PeerConnection that has not negotiated yet. The
// error is a *ConfigError, or of the system.
func NewPeerConnection(cfg Config) (*PeerConnection, error) {
	pc := &PeerConnection{
		cfg:        cfg,
		unaccepted: newAcceptQueue(),
		over:       make(chan struct{}),
		signaling:  SignalingStateStable,
		carrier:    -1,
		connection: ConnectionStateNew,
	}
	var id [8]byte
	rand.Read(id[:])                                          // never fails
	pc.origin.sessionID = binary.BigEndian.Uint64(id[:]) >> 1 // 63 random bits: RFC 8829, section 5.2.1
	l, err := pc.newLink()
	if err != nil {
		return nil, err
	}
	pc.link = l
	pc.cfg.Certificate = l.core.cert // that of all links
	return pc, nil
}

// Close ends the connection at once: every channel is closed without further
// events, the peer gets an ABORT and a DTLS close_notify, and no goroutine or
// socket is left. Closing again does nothing.
//
// What was sent and the peer does not have yet is lost. To have it delivered first, close the
// channels, and wait until each is Done.
func (pc *PeerConnection) Close() error {
	pc.mu.Lock()
	l := pc.link
	if !pc.closed {
		pc.closed = true
		pc.signaling = SignalingStateClosed
		l.ice = ICEConnectionStateClosed
		l.dtls = DTLSStateClosed
		pc.connection = ConnectionStateClosed
		close(pc.over)
		pc.on = peerConnectionEvents{}
		l.core.silence()
		pc.events.close()
		if pc.pendingRemote != nil {
			pc.retire(pc.pendingRemote.next)
		}
		pc.retire(pc.spare)
	}
	former := pc.former
	pc.former = nil
	pc.mu.Unlock()
	for _, session := range former {
		if s := session.Value(); s != nil {
			s.Abort("") // it is over, and may have something to tell still
		}
	}
	l.core.close()
	pc.retiring.Wait()
	return nil
}

// CreateDataChannel creates a channel; a nil init is a reliable, ordered one. It
// connects when the connection does; the first one asks for a negotiation
// (OnNegotiationNeeded). The errors are those of W3C's createDataChannel:
// *InvalidStateError, *TypeError, *OperationError.
func (pc *PeerConnection) CreateDataChannel(label string, init *datachannel.Init) (*datachannel.Channel, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable("CreateDataChannel"); err != nil {
		return nil, err
	}
	ch, err := pc.core.session.CreateChannel(label, init)
	if err != nil {
		return nil, err
	}
	pc.wantData = true
	pc.updateNegotiationNeeded()
	return ch, nil
}

// RestartICE asks for new candidates and a new path (W3C's restartIce), for
// instance when the network has changed: the next offer has new ICE credentials,
// whoever asks for it, and OnNegotiationNeeded is called. Until the new path is
// found everything goes on over the old one. Before the first negotiation, and
// after Close, it does nothing.
func (pc *PeerConnection) RestartICE() {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed {
		return
	}
	pc.outdated = nil
	for _, l := range []*appliedLocal{pc.currentLocal, pc.pendingLocal} {
		if l != nil && l.desc.carrier >= 0 {
			pc.outdated = append(pc.outdated, l.desc.ufrag)
		}
	}
	pc.updateNegotiationNeeded()
}

// SetICEServers replaces Config.ICEServers for the candidates that are gathered after the next ICE restart, by either side
// (W3C's setConfiguration): credentials of TURN servers are often good for some hours only. Those of the first
// negotiation are those of Config. The error is an *InvalidStateError after Close, or a *ConfigError, and then nothing has changed.
func (pc *PeerConnection) SetICEServers(servers []ICEServer) error {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable("SetICEServers"); err != nil {
		return err
	}
	uris, err := pc.cfg.serverURIs(servers)
	if err != nil {
		return err
	}
	pc.cfg.ICEServers = copyServers(servers) // of links to come
	links := []*link{pc.link, pc.spare}
	if pc.pendingRemote != nil {
		links = append(links, pc.pendingRemote.next)
	}
	for _, l := range links {
		if l != nil {
			l.core.ice.setServers(uris) // the error says that it is over
		}
	}
	return nil
}

// Accept waits for a channel that the peer opens while OnDataChannel is not set, and
// returns it open, unless it was closed while it waited. Up to 1024 wait; further ones are closed. The
// error is that of ctx or, after Close and when none is left, an *InvalidStateError. The end of an association is not the end: a
// negotiation may bring another.
func (pc *PeerConnection) Accept(ctx context.Context) (*datachannel.Channel, error) {
	if ch, err := pc.unaccepted.accept(ctx, pc.over); ch != nil || err != nil {
		return ch, err
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return nil, pc.usable("Accept")
}

// handleChannel takes a channel from the session.
func (pc *PeerConnection) handleChannel(ch *datachannel.Channel) {
	pc.mu.Lock()
	f, log := pc.on.dataChannel, pc.core.log
	pc.mu.Unlock()
	if !pc.unaccepted.deliver(ch, f) {
		log.Warnf("closed a channel of the peer: %d wait for Accept", maxUnaccepted)
	}
}

// usable returns the error for a closed connection. The caller holds pc.mu.
func (pc *PeerConnection) usable(op string) error {
	if pc.closed {
		return &InvalidStateError{Op: op, Reason: "the connection is closed"}
	}
	return nil
}

// SignalingState returns the signaling state.
func (pc *PeerConnection) SignalingState() SignalingState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.signaling
}

// ConnectionState returns the state of ICE and DTLS together.
func (pc *PeerConnection) ConnectionState() ConnectionState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.connection
}

// ICEConnectionState returns the state of ICE.
func (pc *PeerConnection) ICEConnectionState() ICEConnectionState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.ice
}

// ICEGatheringState returns the state of gathering local candidates.
func (pc *PeerConnection) ICEGatheringState() ICEGatheringState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.gathering
}

// GatheringComplete returns a channel that is closed when all local candidates
// are known: LocalDescription then needs no trickled candidates beside it. Ask
// for it after SetLocalDescription, which starts gathering. It is closed, too, when there will be none: after the
// rollback of an ICE restart, and after Close. A description without a data
// section has no candidates, and the channel is closed at once.
func (pc *PeerConnection) GatheringComplete() <-chan struct{} {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if l := pc.local(); l != nil && l.desc.carrier < 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	return pc.core.gathered()
}

// currentCore returns the core of the link in use.
func (pc *PeerConnection) currentCore() *core {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.core
}

// RemoteCertificates returns the peer's certificates in DER, the leaf first, once
// DTLS is connected.
func (pc *PeerConnection) RemoteCertificates() [][]byte {
	return pc.currentCore().sctp.dtls.RemoteCertificates()
}

// LocalDescription returns the description that was set last, with the
// candidates gathered since; nil before SetLocalDescription.
func (pc *PeerConnection) LocalDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.describeLocal(pc.local())
}

// CurrentLocalDescription returns the local description of the last negotiation
// that completed, or nil.
func (pc *PeerConnection) CurrentLocalDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.describeLocal(pc.currentLocal)
}

// PendingLocalDescription returns the local description being negotiated, or nil.
func (pc *PeerConnection) PendingLocalDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.describeLocal(pc.pendingLocal)
}

// RemoteDescription returns the description that was set last, with the
// candidates added since; nil before SetRemoteDescription.
func (pc *PeerConnection) RemoteDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.remote().describe()
}

// CurrentRemoteDescription returns the remote description of the last
// negotiation that completed, or nil.
func (pc *PeerConnection) CurrentRemoteDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.currentRemote.describe()
}

// PendingRemoteDescription returns the remote description being negotiated, or nil.
func (pc *PeerConnection) PendingRemoteDescription() *SessionDescription {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.pendingRemote.describe()
}

// remote returns the remote description set last. The caller holds pc.mu.
func (pc *PeerConnection) remote() *appliedRemote {
	if pc.pendingRemote != nil {
		return pc.pendingRemote
	}
	return pc.currentRemote
}

// local returns the local description set last. The caller holds pc.mu.
func (pc *PeerConnection) local() *appliedLocal {
	if pc.pendingLocal != nil {
		return pc.pendingLocal
	}
	return pc.currentLocal
}

// describeLocal writes a local description. The caller holds pc.mu.
func (pc *PeerConnection) describeLocal(l *appliedLocal) *SessionDescription {
	switch {
	case l == nil:
		return nil
	case l.text != "":
		return &SessionDescription{Type: l.typ, SDP: l.text}
	}
	return &SessionDescription{Type: l.typ, SDP: pc.textOf(l.desc)}
}

// textOf writes a description with what gathering has found for its generation of
// ICE. The caller holds pc.mu.
func (pc *PeerConnection) textOf(l *localDescription) string {
	var c localCandidates
	c.lines, c.complete = pc.core.localCandidates(l.ufrag)
	return l.text(c)
}

// describe writes a remote description with its trickled candidates.
func (r *appliedRemote) describe() *SessionDescription {
	if r == nil {
		return nil
	}
	return &SessionDescription{Type: r.typ, SDP: insertCandidates(r.text, r.trickled)}
}

// opError says that op cannot be carried out.
func opError(op, format string, args ...any) error {
	return &OperationError{Op: op, Reason: fmt.Sprintf(format, args...)}
}
