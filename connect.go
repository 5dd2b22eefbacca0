package sluice

// This file joins the negotiation of a PeerConnection to its core. Methods are
// called with pc.mu held, the event handlers excepted.

// connect starts the transport that a negotiation yields, or verifies that it is
// the one that runs. localOffer says who made the offer of this negotiation.
func (pc *PeerConnection) connect(op string, local *appliedLocal, remote *appliedRemote, localOffer bool) error {
	peer := remote.peer
	if peer == nil || peer.sctp.port == 0 || dataIndex(local.desc.sections) < 0 {
		pc.refuse()
		return nil
	}
	client := local.desc.setup == setupActive
	if localOffer {
		client = peer.dtls.setup == setupPassive
	}
	if pc.peer != nil {
		if err := pc.continues(op, peer, client); err != nil {
			return err
		}
	} else {
		err := pc.core.start(startParameters{
			remote: remoteParameters{
				ufrag: peer.ice.ufrag, pwd: peer.ice.pwd,
				fingerprints:   peer.dtls.fingerprints,
				sctpPort:       uint16(peer.sctp.port),
				maxMessageSize: peer.sctp.maxMessageSize,
			},
			controlling: controlling(localOffer, pc.core.cfg.ICELite, peer.lite),
			dtlsClient:  client,
		})
		if err != nil {
			return &OperationError{Op: op, Reason: "starting the transport", Err: err}
		}
		pc.dtlsClient = client
	}
	pc.peer = peer
	return pc.passCandidates(op, remote)
}

// controlling returns our ICE role: the offerer controls, unless exactly one
// side is lite, which never does (RFC 8445, section 6.1.1).
func controlling(offerer, lite, peerLite bool) bool {
	if lite != peerLite {
		return peerLite
	}
	return offerer
}

// passCandidates gives ICE the candidates that came with a description or waited
// for the transport to start.
func (pc *PeerConnection) passCandidates(op string, remote *appliedRemote) error {
	lines := append([]string(nil), remote.peer.ice.candidates...)
	for _, c := range remote.trickled {
		if c.section < 0 || c.section == remote.peer.index {
			lines = append(lines, c.line)
		}
	}
	if remote.peer.ice.endOfCandidates {
		lines = append(lines, "")
	}
	for _, line := range lines {
		if err := pc.passCandidate(op, line); err != nil {
			return err
		}
	}
	return nil
}

// handleLocalCandidate takes a candidate from the core.
func (pc *PeerConnection) handleLocalCandidate(line string) {
	if line == "" {
		return // handleGatheringState reports the end, after the state
	}
	pc.mu.Lock()
	pc.held = append(pc.held, line)
	pc.mu.Unlock()
	pc.reportCandidates()
}

// handleGatheringState reports the state, and after the last candidate the end.
func (pc *PeerConnection) handleGatheringState(s ICEGatheringState) {
	pc.mu.Lock()
	if pc.closed || pc.gathering == s {
		pc.mu.Unlock()
		return
	}
	pc.gathering = s
	f := pc.on.gathering
	if s == ICEGatheringStateComplete {
		pc.held = append(pc.held, "")
	}
	pc.mu.Unlock()
	if f != nil {
		f(s)
	}
	pc.reportCandidates()
}

// releaseCandidates reports candidates that waited for a description.
func (pc *PeerConnection) releaseCandidates() {
	if len(pc.held) > 0 {
		pc.core.events.post(pc.reportCandidates)
	}
}

// reportCandidates calls the application with the candidates not yet reported.
// While no local description names a section for them, after a rollback, they
// wait. It runs in the event queue, without pc.mu.
func (pc *PeerConnection) reportCandidates() {
	for {
		pc.mu.Lock()
		local, f := pc.local(), pc.on.iceCandidate
		if len(pc.held) == 0 || local == nil || local.desc.carrier < 0 {
			pc.mu.Unlock()
			return
		}
		line := pc.held[0]
		pc.held = pc.held[1:]
		c := local.desc.candidateInit(line)
		pc.mu.Unlock()
		if f != nil {
			f(c)
		}
	}
}

// candidateInit describes a local candidate of the carrier; nil for the end of them.
func (l *localDescription) candidateInit(line string) *ICECandidateInit {
	if line == "" {
		return nil
	}
	index, ufrag := uint16(l.carrier), l.ufrag
	c := &ICECandidateInit{Candidate: line, SDPMLineIndex: &index, UsernameFragment: &ufrag}
	if mid := l.sections[l.carrier].mid; mid != "" {
		c.SDPMid = &mid
	}
	return c
}

func (pc *PeerConnection) handleICEState(s ICEConnectionState) {
	pc.mu.Lock()
	if pc.closed || pc.ice == s {
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

func (pc *PeerConnection) handleDTLSState(s DTLSState) {
	pc.mu.Lock()
	closed := pc.closed
	if !closed {
		pc.dtls = s
	}
	pc.mu.Unlock()
	if !closed {
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

func (pc *PeerConnection) refuse() {}
