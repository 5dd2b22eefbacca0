package sluice

// DTLSRole says who sends the ClientHello. Values are those of W3C and ORTC.
type DTLSRole string

// The DTLS roles.
const (
	DTLSRoleAuto   DTLSRole = "auto"   // decided by both sides' parameters, see Transport
	DTLSRoleClient DTLSRole = "client" // a=setup:active
	DTLSRoleServer DTLSRole = "server" // a=setup:passive
)

func (r DTLSRole) valid() bool {
	return r == DTLSRoleAuto || r == DTLSRoleClient || r == DTLSRoleServer
}

// DTLSState is the state of the DTLS association, as W3C's RTCDtlsTransportState.
type DTLSState string

// The DTLS states.
const (
	DTLSStateNew        DTLSState = "new"
	DTLSStateConnecting DTLSState = "connecting"
	DTLSStateConnected  DTLSState = "connected"
	DTLSStateClosed     DTLSState = "closed"
	DTLSStateFailed     DTLSState = "failed"
)

// ICEConnectionState is the state of ICE, as W3C's RTCIceConnectionState.
type ICEConnectionState string

// The ICE connection states. W3C's "completed" is never reported: it would say
// that no better path is looked for any more, which nobody can act upon.
const (
	ICEConnectionStateNew          ICEConnectionState = "new"
	ICEConnectionStateChecking     ICEConnectionState = "checking"
	ICEConnectionStateConnected    ICEConnectionState = "connected"
	ICEConnectionStateDisconnected ICEConnectionState = "disconnected"
	ICEConnectionStateFailed       ICEConnectionState = "failed"
	ICEConnectionStateClosed       ICEConnectionState = "closed"
)

// ICEGatheringState is W3C's RTCIceGatheringState.
type ICEGatheringState string

// The gathering states.
const (
	ICEGatheringStateNew       ICEGatheringState = "new"
	ICEGatheringStateGathering ICEGatheringState = "gathering"
	ICEGatheringStateComplete  ICEGatheringState = "complete"
)

// SCTPTransportState is W3C's RTCSctpTransportState.
type SCTPTransportState string

// The states of the association, in order.
const (
	SCTPTransportStateConnecting SCTPTransportState = "connecting"
	SCTPTransportStateConnected  SCTPTransportState = "connected"
	SCTPTransportStateClosed     SCTPTransportState = "closed"
)
