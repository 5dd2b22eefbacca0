//go:build !js

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

	// SetDSCP sets the codepoint of Differentiated Services of what is written from now
	// on; it returns an error if there is no setting it.
	SetDSCP(codepoint uint8) error

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
