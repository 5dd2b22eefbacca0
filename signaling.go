package sluice

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

// An OfferOption changes what CreateOffer offers.
type OfferOption uint8

// ICERestart offers new ICE credentials, as the iceRestart of W3C's
// RTCOfferOptions does. The restart begins when the offer is set; see
// PeerConnection.RestartICE, which asks for it in whatever offer comes next.
const ICERestart OfferOption = 1

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
