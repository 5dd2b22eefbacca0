package sluice

import (
	"syscall/js"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/webjs"
)

// This file turns the events of the browser's RTCPeerConnection into those of
// PeerConnection. The handlers run while the browser waits.

// handleChannel takes a channel from the session.
func (pc *PeerConnection) handleChannel(ch *datachannel.Channel) {
	pc.mu.Lock()
	f := pc.on.dataChannel
	pc.mu.Unlock()
	pc.waiting.deliver(ch, f)
}

// fire posts the callback that which selects, looked up when its turn comes.
func fire[T any](pc *PeerConnection, which func(*peerConnectionEvents) func(T), v T) {
	post(pc, func() func(T) { return which(&pc.on) }, v)
}

// post posts the callback that which returns when its turn comes, unless the connection is
// closed by then.
func post[T any](pc *PeerConnection, which func() func(T), v T) {
	pc.events.post(func() {
		pc.mu.Lock()
		f := which()
		if pc.closed {
			f = nil
		}
		pc.mu.Unlock()
		if f != nil {
			f(v)
		}
	})
}

func (pc *PeerConnection) handleCandidate(ev js.Value) {
	which := func(on *peerConnectionEvents) func(*ICECandidateInit) { return on.iceCandidate }
	v := ev.Get("candidate")
	if !webjs.Is(v) {
		fire(pc, which, nil)
		return
	}
	c := &ICECandidateInit{Candidate: webjs.Text(v.Get("candidate"))}
	if c.Candidate == "" {
		return // the end of one generation; that of all gathering follows
	}
	if mid := v.Get("sdpMid"); webjs.Is(mid) {
		s := mid.String()
		c.SDPMid = &s
	}
	if index := v.Get("sdpMLineIndex"); webjs.Is(index) {
		n := uint16(index.Int())
		c.SDPMLineIndex = &n
	}
	if ufrag := v.Get("usernameFragment"); webjs.Is(ufrag) {
		s := ufrag.String()
		c.UsernameFragment = &s
	}
	fire(pc, which, c)
}

func (pc *PeerConnection) handleState(ev js.Value) {
	switch ev.Get("type").String() {
	case "signalingstatechange":
		fire(pc, func(on *peerConnectionEvents) func(SignalingState) { return on.signaling },
			SignalingState(pc.pc.Get("signalingState").String()))
	case "negotiationneeded":
		fire(pc, func(on *peerConnectionEvents) func(struct{}) {
			if f := on.negotiationNeeded; f != nil {
				return func(struct{}) { f() }
			}
			return nil
		}, struct{}{})
	case "icegatheringstatechange":
		pc.updateGathering(ICEGatheringState(pc.pc.Get("iceGatheringState").String()))
	case "iceconnectionstatechange":
		pc.updateICE(ICEConnectionState(pc.pc.Get("iceConnectionState").String()))
	case "connectionstatechange":
		pc.updateConnection()
	}
}

func (pc *PeerConnection) updateGathering(s ICEGatheringState) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed || s == pc.gathering {
		return
	}
	if pc.gathering == ICEGatheringStateComplete {
		if !pc.regathers {
			pc.gathered = make(chan struct{})
		}
		pc.regathers = false
		pc.gatherings++
	}
	if pc.gathering = s; s == ICEGatheringStateComplete {
		close(pc.gathered)
	}
	fire(pc, func(on *peerConnectionEvents) func(ICEGatheringState) { return on.gathering }, s)
}

func (pc *PeerConnection) updateICE(s ICEConnectionState) {
	if s == "completed" {
		s = ICEConnectionStateConnected
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if s == pc.ice {
		return
	}
	pc.ice = s
	fire(pc, func(on *peerConnectionEvents) func(ICEConnectionState) { return on.ice }, s)
}

// updateConnection reports the connection state. A connection that the peer has closed
// counts as closed, which browsers leave to the state of DTLS.
func (pc *PeerConnection) updateConnection() {
	s := ConnectionState(pc.pc.Get("connectionState").String())
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if t := pc.transport(); t != nil && t.dtls.object.Get("state").String() == "closed" && s != ConnectionStateFailed {
		s = ConnectionStateClosed
	}
	if s == pc.connection {
		return
	}
	pc.connection = s
	fire(pc, func(on *peerConnectionEvents) func(ConnectionState) { return on.connection }, s)
}

// handleNegotiated looks at what a description has changed.
func (pc *PeerConnection) handleNegotiated() {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed {
		return
	}
	pc.updateLimit()
}
