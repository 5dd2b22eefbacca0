package sluice

import (
	"fmt"
	"slices"
)

// SDPType is the type of a SessionDescription (RFC 8829, section 4.1.10).
type SDPType string

// The types of descriptions. SetLocalDescription also takes the empty type.
const (
	SDPTypeOffer    SDPType = "offer"
	SDPTypePranswer SDPType = "pranswer"
	SDPTypeAnswer   SDPType = "answer"
	SDPTypeRollback SDPType = "rollback"
)

// A SessionDescription is W3C's RTCSessionDescription; its JSON is what toJSON
// of a browser gives.
type SessionDescription struct {
	Type SDPType `json:"type"`
	SDP  string  `json:"sdp"`
}

// An ICECandidateInit is W3C's RTCIceCandidateInit; its JSON is what toJSON of
// a browser's RTCIceCandidate gives.
type ICECandidateInit struct {
	// Candidate is a candidate-attribute of RFC 8839: "candidate:...". The empty
	// string says that no more follow.
	Candidate string `json:"candidate"`
	// SDPMid and SDPMLineIndex name the media section that the candidate belongs
	// to. The first that is not nil decides.
	SDPMid        *string `json:"sdpMid"`
	SDPMLineIndex *uint16 `json:"sdpMLineIndex"`
	// UsernameFragment names the ICE generation; nil is the latest.
	UsernameFragment *string `json:"usernameFragment"`
}

// SignalingState is W3C's RTCSignalingState.
type SignalingState string

// The signaling states.
const (
	SignalingStateStable             SignalingState = "stable"
	SignalingStateHaveLocalOffer     SignalingState = "have-local-offer"
	SignalingStateHaveRemoteOffer    SignalingState = "have-remote-offer"
	SignalingStateHaveLocalPranswer  SignalingState = "have-local-pranswer"
	SignalingStateHaveRemotePranswer SignalingState = "have-remote-pranswer"
	SignalingStateClosed             SignalingState = "closed"
)

// ConnectionState is W3C's RTCPeerConnectionState.
type ConnectionState string

// The connection states. Beyond W3C, a connection that the peer has closed
// counts as closed, too: it does not come back.
const (
	ConnectionStateNew          ConnectionState = "new"
	ConnectionStateConnecting   ConnectionState = "connecting"
	ConnectionStateConnected    ConnectionState = "connected"
	ConnectionStateDisconnected ConnectionState = "disconnected"
	ConnectionStateFailed       ConnectionState = "failed"
	ConnectionStateClosed       ConnectionState = "closed"
)

// signalingStep is a description being set: by which side, of which type.
type signalingStep struct {
	local bool
	typ   SDPType
}

// transitions is the state machine of RFC 8829, section 3.2, without rollback.
var transitions = map[signalingStep]struct {
	from []SignalingState
	to   SignalingState
}{
	{true, SDPTypeOffer}: {
		[]SignalingState{SignalingStateStable, SignalingStateHaveLocalOffer}, SignalingStateHaveLocalOffer,
	},
	{true, SDPTypePranswer}: {
		[]SignalingState{SignalingStateHaveRemoteOffer, SignalingStateHaveLocalPranswer}, SignalingStateHaveLocalPranswer,
	},
	{true, SDPTypeAnswer}: {
		[]SignalingState{SignalingStateHaveRemoteOffer, SignalingStateHaveLocalPranswer}, SignalingStateStable,
	},
	{false, SDPTypeOffer}: {
		[]SignalingState{SignalingStateStable, SignalingStateHaveRemoteOffer}, SignalingStateHaveRemoteOffer,
	},
	{false, SDPTypePranswer}: {
		[]SignalingState{SignalingStateHaveLocalOffer, SignalingStateHaveRemotePranswer}, SignalingStateHaveRemotePranswer,
	},
	{false, SDPTypeAnswer}: {
		[]SignalingState{SignalingStateHaveLocalOffer, SignalingStateHaveRemotePranswer}, SignalingStateStable,
	},
}

// next returns the state after the step, or why it is not allowed now.
func (s SignalingState) next(op string, step signalingStep) (SignalingState, error) {
	t, known := transitions[step]
	if !known {
		return s, &TypeError{Op: op, Reason: fmt.Sprintf("unknown type %q", step.typ)}
	}
	if !slices.Contains(t.from, s) {
		return s, &InvalidStateError{Op: op, Reason: fmt.Sprintf("%s in signaling state %s", step.typ, s)}
	}
	return t.to, nil
}
