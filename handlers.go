package sluice

import "github.com/sluice-rtc/sluice/datachannel"

// peerConnectionEvents are the application's callbacks; nil ones are skipped.
type peerConnectionEvents struct {
	dataChannel       func(*datachannel.Channel)
	iceCandidate      func(*ICECandidateInit)
	negotiationNeeded func()
	signaling         func(SignalingState)
	connection        func(ConnectionState)
	ice               func(ICEConnectionState)
	gathering         func(ICEGatheringState)
}

// OnDataChannel sets what receives the channels that the peer opens, each already
// open. Nothing happens on the channel before it has returned: callbacks set in
// it miss nothing. Channels that came before wait for Accept.
func (pc *PeerConnection) OnDataChannel(f func(*datachannel.Channel)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.dataChannel = f
}

// OnICECandidate sets what is called with each local candidate, to be sent to
// the peer, and with nil when gathering has ended.
func (pc *PeerConnection) OnICECandidate(f func(*ICECandidateInit)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.iceCandidate = f
}

// OnNegotiationNeeded sets what is called when an offer should be made: after
// the first channel was created, and after RestartICE.
func (pc *PeerConnection) OnNegotiationNeeded(f func()) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.negotiationNeeded = f
}

// OnSignalingStateChange sets what is called with each new signaling state.
func (pc *PeerConnection) OnSignalingStateChange(f func(SignalingState)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.signaling = f
}

// OnConnectionStateChange sets what is called with each new connection state.
func (pc *PeerConnection) OnConnectionStateChange(f func(ConnectionState)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.connection = f
}

// OnICEConnectionStateChange sets what is called with each new state of ICE.
func (pc *PeerConnection) OnICEConnectionStateChange(f func(ICEConnectionState)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.ice = f
}

// OnICEGatheringStateChange sets what is called with each new gathering state.
func (pc *PeerConnection) OnICEGatheringStateChange(f func(ICEGatheringState)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.on.gathering = f
}
