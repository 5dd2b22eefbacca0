package sluice

import (
	"net"

	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// secureTransport is all that the layers above know of DTLS and ICE: a
// connection that carries datagrams, and what the handshake established. No
// type of the ICE or DTLS library crosses it, so that others can stand here.
//
// It brings packets rather than have them read, and protects those to send where they
// lie. Nothing waits for the peer: what cannot be sent is lost, as in a network.
type secureTransport interface {
	net.Conn
	sctpnet.PacketSource
	sctpnet.InPlaceWriter

	// SetDontFragment says whether the network may fragment what is written from
	// now on; it returns an error if there is no saying so.
	SetDontFragment(on bool) error

	// PeerCertificates returns the peer's certificates in DER, the leaf first.
	// The leaf has been compared with the announced fingerprints.
	PeerCertificates() [][]byte

	// ExportKeyingMaterial derives n bytes for the label (RFC 5705).
	ExportKeyingMaterial(label string, n int) ([]byte, error)

	// Dropped counts what was received and came to nothing.
	Dropped() DroppedRecords

	// Info returns what was negotiated.
	Info() secureInfo
}

// secureInfo describes a finished handshake.
type secureInfo struct {
	Version uint16 // protocol version as on the wire: 0xFEFD is DTLS 1.2
	Cipher  string // IANA name of the cipher suite
	Role    DTLSRole
}

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
