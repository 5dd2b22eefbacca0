package sctp

import (
	"fmt"
	"time"
)

// Config holds the parameters of an association. The zero value of each field
// but Seed selects the default named in its comment; the protocol parameters
// default to RFC 9260, section 16.
type Config struct {
	// Seed is the only source of randomness: verification tags, initial TSN,
	// cookie key and heartbeat nonces come from it. It must be unpredictable to
	// the peer (the driver fills it from crypto/rand) and never used twice.
	Seed [32]byte

	// LocalPort and RemotePort are the SCTP ports. Default 5000 (RFC 8841).
	LocalPort, RemotePort uint16

	// MTU is the largest SCTP packet to send in bytes, common header included,
	// lower layers excluded. Default 1188: what fits a 1280-byte IPv6 packet
	// under UDP, DTLS and a TURN channel header. At least 512.
	MTU int

	// ReceiveBuffer bounds, in bytes, what is held for the application and in
	// reassembly; it is the window advertised to the peer. Default 2 MiB, at
	// least 4096.
	ReceiveBuffer int

	// SendBuffer bounds, in bytes, what Send accepts and the peer has not yet
	// acknowledged. A single larger message is accepted when the buffer is
	// empty. Default 2 MiB.
	SendBuffer int

	// OutboundStreams and InboundStreams are what INIT asks for and allows.
	// Default 65535 (RFC 8831, section 6.2).
	OutboundStreams, InboundStreams uint16

	// RTOInitial, RTOMin and RTOMax bound the retransmission timeout.
	// Defaults 1 s, 1 s, 60 s.
	RTOInitial, RTOMin, RTOMax time.Duration

	// MaxInitRetransmits limits retransmissions of INIT and COOKIE ECHO,
	// MaxRetransmits the consecutive ones of everything else, after which the
	// peer counts as unreachable. Defaults 8 and 10.
	MaxInitRetransmits, MaxRetransmits int

	// MaxBurst limits the packets of new data sent at one opportunity.
	// Default 4.
	MaxBurst int

	// CookieLife is how long a State Cookie stays valid. Default 60 s.
	CookieLife time.Duration

	// HeartbeatInterval is the idle time on a path, beyond its RTO, after which
	// a HEARTBEAT is sent. Default 30 s; negative switches heartbeats off.
	HeartbeatInterval time.Duration

	// SackDelay is the longest delay of an acknowledgement. Default 200 ms, at
	// most 500 ms.
	SackDelay time.Duration

	// ZeroChecksum names the error detection method of the lower layer under
	// which packets with a zero checksum are acceptable (RFC 9653). Default
	// NoZeroChecksum: the CRC32c is always sent and verified.
	ZeroChecksum ErrorDetection
}

// ErrorDetection is an error detection method identifier (EDMID) of RFC 9653.
type ErrorDetection uint32

// The error detection methods that stand in for the CRC32c.
const (
	NoZeroChecksum ErrorDetection = 0 // the CRC32c is required
	DTLSDetection  ErrorDetection = 1 // SCTP over DTLS, RFC 8261
)

// A ConfigError reports a Config field whose value is out of its range.
type ConfigError struct {
	Field string // name of the field
	Rule  string // what the value must satisfy
}

func (e *ConfigError) Error() string { return fmt.Sprintf("sctp: Config.%s: %s", e.Field, e.Rule) }
