//go:build !js

package sluice

import (
	"slices"
	"strconv"
)

// This file is the offer/answer side of PeerConnection: JSEP (RFC 8829) for one
// data section. Methods with a lower-case name are called with pc.mu held.

// CreateOffer returns an offer of what is wanted now: a data section if a channel
// was created or one is in use. If the association has ended, an offer that restarts ICE
// is one of another; channels can be created on that once it is answered. In the signaling states other than stable and
// have-local-offer it is an *InvalidStateError.
func (pc *PeerConnection) CreateOffer(options ...OfferOption) (SessionDescription, error) {
	const op = "CreateOffer"
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable(op); err != nil {
		return SessionDescription{}, err
	}
	if pc.signaling != SignalingStateStable && pc.signaling != SignalingStateHaveLocalOffer {
		return SessionDescription{}, &InvalidStateError{Op: op, Reason: "signaling state " + string(pc.signaling)}
	}
	return pc.createOffer(op, slices.Contains(options, ICERestart))
}

// passing reports whether the association is over, or to be replaced, so that an ICE restart
// is to bring another.
func (pc *PeerConnection) passing() bool { return pc.peer != nil && (pc.returned || pc.core.over()) }

// CreateAnswer returns the answer to the offer that was set: the data section
// accepted, media declined. Without an offer to answer it is an *InvalidStateError.
func (pc *PeerConnection) CreateAnswer() (SessionDescription, error) {
	const op = "CreateAnswer"
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable(op); err != nil {
		return SessionDescription{}, err
	}
	if pc.signaling != SignalingStateHaveRemoteOffer && pc.signaling != SignalingStateHaveLocalPranswer {
		return SessionDescription{}, &InvalidStateError{Op: op, Reason: "signaling state " + string(pc.signaling)}
	}
	return pc.createAnswer(), nil
}

func (pc *PeerConnection) createOffer(op string, restart bool) (SessionDescription, error) {
	about, heir := pc.link, (*link)(nil)
	restart = restart && pc.local() != nil || slices.Contains(pc.outdated, pc.core.localCredentials().ufrag)
	switch {
	case !restart && pc.pendingLocal != nil && pc.pendingLocal.heir != nil: // it stays offered
		about, heir = pc.spare, pc.spare
	case restart && pc.passing(): // then another association is wanted, too
		if pc.spare == nil {
			var err error
			if pc.spare, err = pc.newHeir(false); err != nil {
				return SessionDescription{}, &OperationError{Op: op, Reason: "another association", Err: err}
			}
		}
		about, heir = pc.spare, pc.spare
	}
	l := pc.newDescription(about)
	l.tlsID = about.tlsID // RFC 8829, section 5.2.1
	if restart {
		l.iceCredentials = newICECredentials(pc.core.cfg.ICEUfragPrefix)
	}
	l.setup = setupActpass // 8829-5.2-a
	l.initToken = about.initTokenToSay()
	l.bundle = true
	l.iceOptions = []string{"trickle", "ice2"} // RFC 8829, section 5.2.1
	l.sections, l.carrier = slices.Clone(pc.sections), pc.carrier
	if pc.pendingLocal != nil {
		l.sections, l.carrier = slices.Clone(pc.pendingLocal.desc.sections), pc.pendingLocal.desc.carrier
	}
	if i := dataIndex(l.sections); i >= 0 {
		// The profile of RFC 8841, whatever the peer offered (RFC 8829, section 5.1.2).
		l.sections[i] = dataSection(l.sections[i].mid)
	} else if pc.wantData {
		// A section with port 0 is used again before one is added (RFC 8829, section 5.2.2), but not
		// one of media, which Firefox refuses.
		i := slices.IndexFunc(l.sections, func(s localSection) bool { return s.use == sectionRejected && s.media == "application" })
		s := dataSection(unusedMid(l.sections))
		if i < 0 {
			i = len(l.sections)
			l.sections = append(l.sections, s)
		}
		l.sections[i], l.carrier = s, i
	}
	text := pc.textOf(l)
	pc.created.offer = &createdDescription{l, text, heir}
	return SessionDescription{SDPTypeOffer, text}, nil
}

func (pc *PeerConnection) createAnswer() SessionDescription {
	offer, peer := pc.pendingRemote.desc, pc.pendingRemote.peer
	from := pc.link
	if next := pc.pendingRemote.next; next != nil {
		from = next
	}
	l := pc.newDescription(from)
	if renewed := pc.pendingRemote.renewed; renewed != nil {
		l.iceCredentials = *renewed
	}
	if peer != nil && peer.sctp.port != 0 {
		l.carrier = peer.index
	}
	l.sections = answerSections(offer, l.carrier)
	if peer != nil {
		l.setup = from.answerSetup(peer.dtls.setup)
		if peer.dtls.tlsID != "" {
			l.tlsID = from.tlsID // 8842-4-a
		}
		l.bundle = offer.bundleOf(offer.data) != nil
		switch {
		case peer.sctp.legacy: // such a section has no a=sctp-init
			l.sections[offer.data].formats = []string{strconv.Itoa(l.sctpPort)} // the port of this side
		case peer.sctp.initToken != nil: // snap-b
			l.initToken = from.initTokenToSay()
		}
		for _, option := range []string{"trickle", "ice2"} {
			if slices.Contains(peer.ice.options, option) {
				l.iceOptions = append(l.iceOptions, option) // RFC 8829, section 5.3.1
			}
		}
	}
	text := pc.textOf(l)
	pc.created.answer = &createdDescription{desc: l, text: text}
	return SessionDescription{SDPTypeAnswer, text}
}

// newDescription returns a description of ours without sections, about a link, with the
// next version number (RFC 8829, section 5.2.2).
func (pc *PeerConnection) newDescription(about *link) *localDescription {
	pc.origin.version++
	c := about.core
	return &localDescription{
		origin:         pc.origin,
		carrier:        -1,
		iceCredentials: c.localCredentials(),
		iceLite:        c.cfg.ICELite,
		fingerprints:   c.fingerprints(),
		sctpPort:       int(c.localPort()),
		maxMessageSize: max(0, c.cfg.MaxMessageSize), // 0 is any size
	}
}

// initTokenToSay returns what to announce as a=sctp-init, nil if nothing. It is always
// the same, and once there is an association it comes or stays away as it did when
// that began: a new one would mean another association (snap-d).
func (l *link) initTokenToSay() []byte {
	if l.peer != nil && !l.snap {
		return nil
	}
	return l.core.initToken
}

// answerSetup returns our role for the role that the peer offers: its opposite,
// active where it leaves the choice (8842-5-a), and that of the DTLS association
// where one exists (RFC 8829, section 5.3.2).
func (l *link) answerSetup(offered setupRole) setupRole {
	client := offered != setupActive
	if l.peer != nil {
		client = l.dtlsClient
	}
	if client {
		return setupActive
	}
	return setupPassive
}

// dataIndex returns the index of the data section, -1 without one.
func dataIndex(sections []localSection) int {
	return slices.IndexFunc(sections, func(s localSection) bool { return s.use == sectionData })
}

// unusedMid returns the smallest number that is no mid yet.
func unusedMid(sections []localSection) string {
	for n := 0; ; n++ {
		mid := strconv.Itoa(n)
		if !slices.ContainsFunc(sections, func(s localSection) bool { return s.mid == mid }) {
			return mid
		}
	}
}

// SetLocalDescription applies what CreateOffer or CreateAnswer returned last,
// unchanged; an answer may be set as a pranswer. With an empty SDP it takes that by
// itself, and makes a description if there is none, or another offer is due by now;
// with an empty Type, too, it is the type that is due. A rollback returns to the last
// stable state. Setting a description with a data section starts gathering; setting an
// answer starts the connection.
//
// Errors, in this order: *TypeError for a type that is none; *InvalidStateError after
// Close; *InvalidModificationError for a text that is not the one created last;
// *InvalidStateError for a type that the signaling state does not allow;
// *OperationError if it cannot be carried out. After any of them the state is what it was.
func (pc *PeerConnection) SetLocalDescription(d SessionDescription) error {
	const op = "SetLocalDescription"
	if d.Type != "" {
		if err := d.Type.check(op); err != nil {
			return err
		}
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable(op); err != nil {
		return err
	}
	if d.Type == "" {
		d.Type = pc.dueType()
	}
	if d.Type == SDPTypeRollback {
		return pc.rollback(op, SignalingStateHaveLocalOffer)
	}
	if c := pc.lastCreated(d.Type); d.SDP != "" && (c == nil || c.text != d.SDP) {
		return &InvalidModificationError{Op: op, Reason: "not the description created last"}
	}
	next, err := pc.signaling.next(op, signalingStep{true, d.Type})
	if err != nil {
		return err
	}
	created, err := pc.toSet(op, d.Type, d.SDP != "")
	if err != nil {
		return err
	}
	local := &appliedLocal{typ: d.Type, desc: created.desc, heir: created.heir}
	if d.Type == SDPTypeOffer {
		if err := pc.renewICE(op, local.desc); err != nil {
			return err
		}
		pc.pendingLocal = local
		pc.setSignaling(next)
		return pc.gather(op, local.desc)
	}
	agreed, err := pc.agree(op, local, pc.pendingRemote, false)
	if err != nil {
		return err
	}
	if agreed.next == nil {
		if err := pc.renewICE(op, local.desc); err != nil {
			return err
		}
	}
	if d.Type == SDPTypeAnswer {
		pc.settle(local, pc.pendingRemote)
	} else {
		pc.pendingLocal = local
	}
	pc.follow(agreed)
	pc.setSignaling(next)
	if err := pc.gather(op, local.desc); err != nil {
		return err
	}
	return pc.connect(op, agreed)
}

// gather starts gathering for a description with a transport, and reports what
// was gathered before it.
func (pc *PeerConnection) gather(op string, desc *localDescription) error {
	if desc.carrier < 0 {
		return nil
	}
	if err := pc.core.gather(); err != nil {
		return &OperationError{Op: op, Reason: "gathering candidates", Err: err}
	}
	if len(pc.held) > 0 {
		pc.events.post(pc.reportCandidates)
	}
	return nil
}

// dueType is the type that an implicit SetLocalDescription means.
func (pc *PeerConnection) dueType() SDPType {
	switch pc.signaling {
	case SignalingStateHaveRemoteOffer, SignalingStateHaveLocalPranswer:
		return SDPTypeAnswer
	}
	return SDPTypeOffer
}

// lastCreated returns what was created last of that type, or nil.
func (pc *PeerConnection) lastCreated(typ SDPType) *createdDescription {
	if typ == SDPTypeOffer {
		return pc.created.offer
	}
	return pc.created.answer
}

// toSet returns the description to set: what was created last of that type. If that
// was not given, and there is none or another offer is due now, it makes a new one.
func (pc *PeerConnection) toSet(op string, typ SDPType, given bool) (*createdDescription, error) {
	var err error
	switch last := pc.lastCreated(typ); {
	case given:
	case typ != SDPTypeOffer && last == nil:
		pc.createAnswer()
	case typ == SDPTypeOffer && last == nil:
		_, err = pc.createOffer(op, false)
	case typ == SDPTypeOffer && pc.outOfDate(last):
		_, err = pc.createOffer(op, pc.restarts(last))
	}
	return pc.lastCreated(typ), err
}

// restarts reports whether an offer restarts ICE.
func (pc *PeerConnection) restarts(offer *createdDescription) bool {
	return offer.desc.iceCredentials != pc.core.localCredentials()
}

// outOfDate reports whether an offer lacks what is wanted since it was created, or restarts ICE
// for an association that has ended since.
func (pc *PeerConnection) outOfDate(offer *createdDescription) bool {
	return pc.wantData && dataIndex(offer.desc.sections) < 0 || slices.Contains(pc.outdated, offer.desc.ufrag) ||
		offer.heir == nil && pc.restarts(offer) && pc.passing()
}

// SetRemoteDescription applies a description of the peer. An offer that meets an
// offer of ours rolls ours back. An answer starts the connection.
//
// A description that has the data section no more, or without an SCTP port, ends the
// association when it is answered: channels close, and those created afterwards ask
// for a new negotiation. An offer with other certificates, tls-id or DTLS role, and other ICE
// credentials, too, begins a new association; and so does an answer with another certificate
// or tls-id to an offer that restarted ICE: then another peer may be there. The channels of
// before close. A peer that was left so, and answers again as if it had not been, is refused
// (*OperationError); the next offer that restarts ICE begins a new association with it, too, unless it knows nothing of tls-id:
// then it has to make another connection.
//
// Errors, in this order: *TypeError for a type that is none; *InvalidStateError after
// Close, and for a type that the signaling state does not allow; *RTCError
// (SDPSyntaxError) for a text that is no SDP; *InvalidAccessError for one that breaks a
// rule, or does not fit what was negotiated; *OperationError for changes of the transport
// that are not supported. After any of them the state is what it was.
func (pc *PeerConnection) SetRemoteDescription(d SessionDescription) error {
	const op = "SetRemoteDescription"
	if err := d.Type.check(op); err != nil {
		return err
	}
	var desc *description
	var parseErr error
	if d.Type != SDPTypeRollback {
		desc, parseErr = parseDescription(d.SDP)
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable(op); err != nil {
		return err
	}
	if d.Type == SDPTypeRollback {
		return pc.rollback(op, SignalingStateHaveRemoteOffer)
	}
	collision := d.Type == SDPTypeOffer && pc.signaling == SignalingStateHaveLocalOffer
	from := pc.signaling
	if collision {
		from = SignalingStateStable
	}
	next, err := from.next(op, signalingStep{false, d.Type})
	switch {
	case err != nil:
		return err
	case parseErr != nil:
		return descriptionError(op, parseErr)
	}
	remote := &appliedRemote{typ: d.Type, text: d.SDP, desc: desc}
	if desc.data >= 0 {
		if remote.peer, err = desc.peer(d.Type != SDPTypeOffer, pc.carrierMid(d.Type)); err != nil {
			return descriptionError(op, err)
		}
	}
	if d.Type == SDPTypeOffer {
		err = pc.setRemoteOffer(op, remote, next, collision)
	} else {
		err = pc.setRemoteAnswer(op, remote, next)
	}
	return descriptionError(op, err)
}

// carrierMid returns the mid of the section that carries the transport in use, or
// in the offer that a description of that type answers.
func (pc *PeerConnection) carrierMid(typ SDPType) string {
	sections, carrier := pc.sections, pc.carrier
	if typ != SDPTypeOffer {
		sections, carrier = pc.pendingLocal.desc.sections, pc.pendingLocal.desc.carrier
	}
	if carrier < 0 {
		return ""
	}
	return sections[carrier].mid
}

func (pc *PeerConnection) setRemoteOffer(op string, remote *appliedRemote, next SignalingState, collision bool) error {
	if err := pc.checkReoffer(op, remote); err != nil {
		return err
	}
	if collision {
		if err := pc.rollback(op, SignalingStateHaveLocalOffer); err != nil {
			return err
		}
	}
	pc.dropRemoteOffer()
	pc.pendingRemote, pc.created.answer = remote, nil
	pc.setSignaling(next)
	return nil
}

func (pc *PeerConnection) setRemoteAnswer(op string, remote *appliedRemote, next SignalingState) error {
	if err := remote.desc.checkAnswer(pc.pendingLocal.desc.sections); err != nil {
		return err
	}
	agreed, err := pc.agree(op, pc.pendingLocal, remote, true)
	if err != nil {
		return err
	}
	if remote.typ == SDPTypeAnswer {
		pc.settle(pc.pendingLocal, remote)
	} else {
		pc.pendingRemote = remote
	}
	pc.follow(agreed)
	pc.setSignaling(next)
	return pc.connect(op, agreed)
}

// checkReoffer verifies that an offer continues the session: sections keep their
// place (RFC 3264, section 8), and the transport in use stays or is properly replaced: that
// of an association that is over by any offer that restarts ICE.
func (pc *PeerConnection) checkReoffer(op string, remote *appliedRemote) error {
	if len(remote.desc.sections) < len(pc.sections) {
		return contentError(0, "fewer sections than in the last description (RFC 3264, section 8)")
	}
	for i := range pc.sections {
		s, old := &remote.desc.sections[i], &pc.sections[i]
		if old.use != sectionRejected && !s.rejected() && (s.media != old.media || s.mid != old.mid) {
			return contentError(s.line, "media type and mid of a section in use must stay (RFC 3264, section 8.3)")
		}
	}
	if err := pc.checkGone(op, remote.peer); err != nil {
		return err
	}
	if pc.peer == nil || remote.peer == nil || remote.peer.sctp.port == 0 {
		return nil
	}
	restarts, data := pc.peer.restarts(remote.peer), dataIndex(pc.sections)
	switch c := pc.changeOf(remote.peer, remote.peer.dtls.setup == setupPassive); {
	case c == changeDTLS && !restarts:
		return errNoRestart(remote.desc)
	case data >= 0 && data != remote.desc.data:
		return opError(op, "the data section moved")
	case c == changeSCTP:
		return opError(op, "%s on a running connection is not supported", c)
	case c == changeDTLS, restarts && pc.core.over():
		next, err := pc.newLink()
		if err != nil {
			return &OperationError{Op: op, Reason: "another transport", Err: err}
		}
		remote.next = next
	case restarts:
		renewed := newICECredentials(pc.core.cfg.ICEUfragPrefix)
		remote.renewed = &renewed
	}
	return nil
}

// settle makes the descriptions current: the negotiation is complete. What the
// answer rejects is gone, and so is a data section without an SCTP port.
func (pc *PeerConnection) settle(local *appliedLocal, remote *appliedRemote) {
	pc.sections, pc.carrier = slices.Clone(local.desc.sections), -1
	if remote.peer != nil && remote.peer.sctp.port != 0 {
		pc.carrier = remote.peer.index
	}
	for i := range pc.sections {
		s := &pc.sections[i]
		answered := remote.typ == SDPTypeAnswer && remote.desc.sections[i].rejected()
		if answered || s.use == sectionData && pc.carrier < 0 {
			s.use = sectionRejected
		}
	}
	pc.currentLocal, pc.currentRemote = local, remote
	pc.returned = false // somebody else has answered
	pc.pendingLocal, pc.pendingRemote = nil, nil
	pc.created = createdDescriptions{}
	if !slices.Contains(pc.outdated, local.desc.ufrag) {
		pc.outdated = nil
	}
}

// follow goes on with another link if that was agreed. What was negotiated is settled.
func (pc *PeerConnection) follow(a agreement) {
	if a.next == nil {
		return
	}
	why := errReplaced
	if a.peer == nil {
		why = errRefused
		pc.wantData = false
		// The peer hears of the end by signalling, and not before that as of a failure. (Chromium
		// could not set up another association after it.)
		pc.core.ice.mute()
	}
	if a.peer != nil && pc.peer != nil && pc.peer.dtls.tlsID == "" && !pc.peer.is(a.peer) && pc.core.begun() {
		pc.gone = append(pc.gone[max(0, len(pc.gone)+1-maxLeft):], pc.peer)
	}
	pc.replaceLink(a.next, why)
}

// rollback abandons the negotiation in the state that allows it: an offer is taken back
// where it was set, and no more once there is a provisional answer. (RFC 8829, section 5.7,
// would have both; W3C has not.) Candidates already gathered are kept for the next
// description, which will list them: gathering again would only take time, and credentials
// that the peer did not take up bind nobody. An offer that was created and not set is
// still good.
func (pc *PeerConnection) rollback(op string, from SignalingState) error {
	if pc.signaling != from {
		return &InvalidStateError{Op: op, Reason: "rollback in signaling state " + string(pc.signaling)}
	}
	if o := pc.created.offer; o != nil && pc.pendingLocal != nil && o.desc == pc.pendingLocal.desc {
		pc.created.offer = nil
	}
	pc.created.answer = nil
	pc.core.rollbackICE()
	pc.pendingLocal = nil
	pc.dropRemoteOffer()
	pc.setSignaling(SignalingStateStable)
	return nil
}

// setSignaling changes the signaling state and says so.
func (pc *PeerConnection) setSignaling(s SignalingState) {
	if pc.signaling != s {
		pc.signaling = s
		fire(pc, func(on *peerConnectionEvents) func(SignalingState) { return on.signaling }, s)
	}
	if s == SignalingStateStable {
		pc.needed = false
		pc.updateNegotiationNeeded()
	}
}

// updateNegotiationNeeded fires negotiationneeded if it is due and was not fired
// since the last time the state was stable.
func (pc *PeerConnection) updateNegotiationNeeded() {
	if pc.closed || pc.signaling != SignalingStateStable || pc.needed || !pc.negotiationDue() {
		return
	}
	pc.needed = true
	pc.events.post(func() {
		pc.mu.Lock()
		f := pc.on.negotiationNeeded
		due := !pc.closed && pc.needed && pc.signaling == SignalingStateStable && pc.negotiationDue()
		pc.mu.Unlock()
		if f != nil && due {
			f()
		}
	})
}

// negotiationDue reports whether channels are wanted and no section is there for
// them, or an ICE restart is.
func (pc *PeerConnection) negotiationDue() bool {
	return pc.wantData && dataIndex(pc.sections) < 0 ||
		pc.currentLocal != nil && slices.Contains(pc.outdated, pc.currentLocal.desc.ufrag)
}

// fire posts the callback that which selects, looked up when its turn comes.
func fire[T any](pc *PeerConnection, which func(*peerConnectionEvents) func(T), v T) {
	pc.events.post(func() {
		pc.mu.Lock()
		f := which(&pc.on)
		pc.mu.Unlock()
		if f != nil {
			f(v)
		}
	})
}
