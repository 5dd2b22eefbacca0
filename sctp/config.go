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

	// TagShard is the part of all verification tags from which those of this side are
	// chosen. Default: all of them.
	TagShard TagShard

	// MTU is the largest SCTP packet, in bytes, common header included, lower layers
	// excluded, that every path is taken to carry; MaxMTU may be more. Default 1188: what fits a 1280-byte IPv6 packet
	// under UDP, DTLS and a TURN channel header. At least 512.
	MTU int

	// MaxMTU is the largest packet, in bytes as MTU, that is tried to find out what
	// the path carries (RFC 8899), beginning from MTU. Default 1432, which fits a
	// 1500-byte IPv4 packet under UDP and DTLS, or MTU if that is more; with MTU
	// or less, such as -1, nothing is tried. Whoever sends the packets must heed
	// Transmit.Whole.
	MaxMTU int

	// ReceiveBuffer bounds, in bytes, what is held for the application and in
	// reassembly; it is the window advertised to the peer. The last chunk of an
	// open window may exceed it by a packet, and chunks that fill gaps, which the
	// peer sent before the window closed, may take as much again and one packet. A chunk counts
	// as at least 64 bytes. Default 2 MiB, at least 4096.
	//
	// Beside what is held, memory is kept for reuse while it is used now and then: one and a half
	// times what ReceiveBuffer and SendBuffer allow together, and on an Endpoint, whose associations
	// share it, eight times that.
	ReceiveBuffer int

	// SendBuffer bounds, in bytes, what Send accepts and the peer has not yet
	// acknowledged. A message counts as at least 128 bytes. One that is larger than the
	// buffer counts as half of it, so that it keeps no others out; there is one at a
	// time. What waits behind a message in parts that has to end first (SendMore) keeps none
	// of it out: together they may take twice as much. Default 2 MiB.
	SendBuffer int

	// Frugal makes ReceiveBuffer and SendBuffer bound the memory in use, for devices that
	// have little: a chunk received counts as at least 256 bytes, a message to send
	// as at least 384 and until all of it is acknowledged, which is what they take;
	// nothing is kept for reuse, and nothing is taken beyond ReceiveBuffer but the one
	// chunk without which nothing might be readable. Not with NRSACK. SmallConfig sets it.
	// Default false.
	Frugal bool

	// Scheduler says which stream sends next. Default WeightedFairQueueing.
	Scheduler Scheduler

	// NoInterleaving gives up user message interleaving (RFC 8260, section 2), which
	// else is used if the peer supports it, too: a large message on one stream then
	// does not hold up those on others, of either side.
	NoInterleaving bool

	// OutboundStreams and InboundStreams are what INIT asks for and allows. Default
	// 65535 (RFC 8831, section 6.2).
	OutboundStreams, InboundStreams uint16

	// PeerReconfig says what the peer may change about the streams.
	PeerReconfig ReconfigPolicy

	// RTOInitial, RTOMin and RTOMax bound the retransmission timeout.
	// Defaults 1 s, 1 s, 60 s. RTOInitial and RTOMax are at least 1 ms, RTOMax at
	// most 24 hours.
	RTOInitial, RTOMin, RTOMax time.Duration

	// MaxInitRetransmits limits retransmissions of INIT and COOKIE ECHO, and
	// new tries after the peer called its cookie stale,
	// MaxRetransmits the consecutive ones of everything else, after which the
	// peer counts as unreachable; timeouts that are not longer than the one before count as
	// one. Defaults 8 and 10; no number is too high.
	MaxInitRetransmits, MaxRetransmits int

	// CongestionControl finds out how much the path can take. Default CUBIC.
	CongestionControl CongestionControl

	// InitialWindow is the congestion window to begin with, in bytes of DATA chunks.
	// Default: what RFC 9260, section 7.2.1, says, 4404 with the default MTU. RFC 6928 allows TCP
	// ten packets. At least 512.
	InitialWindow int

	// MaxBurst limits the new data sent at one opportunity, in full packets:
	// when the peer is heard of, and a millisecond or more later. Once data is
	// paced (CUBIC and BBR, when a round trip was measured) it limits what goes at once after a
	// pause, where a millisecond's worth is not more; where a round trip is shorter than a
	// millisecond 64 KiB may go at once. Default 4, at most 16384.
	MaxBurst int

	// LossDetection is how lost DATA is found. Default RACK.
	LossDetection LossDetection

	// CookieLife is how long a State Cookie stays valid; up to twice as long if the
	// peer asks for it. Default 60 s, at most 24 hours.
	CookieLife time.Duration

	// HeartbeatInterval is the idle time on a path, beyond its RTO, after which
	// a HEARTBEAT is sent. Default 30 s, at most 24 hours; negative switches
	// heartbeats off. Where nothing came in either, memory kept for reuse is given back
	// with it; without heartbeats it is not.
	HeartbeatInterval time.Duration

	// SackDelay is the longest delay of an acknowledgement. Default 200 ms, at
	// most 500 ms.
	SackDelay time.Duration

	// ECN takes part in Explicit Congestion Notification if the peer does. Whoever
	// carries the packets must set what Transmit.ECN says and pass on what comes in
	// (HandlePacketECN); over DTLS there is usually no way to. BBR, which does not heed
	// marks, sends nothing that may be marked. Default false.
	ECN bool

	// NRSACK offers the peer to acknowledge with NR-SACK
	// (draft-natarajan-tsvwg-sctp-nrsack): what has come in, even out of order, is
	// never dropped to make room, and leaves the sender's buffer at once. Default
	// false: only senders whose buffer is small for the path gain by it.
	NRSACK bool

	// ZeroChecksum names the error detection method of the lower layer under
	// which packets with a zero checksum are acceptable (RFC 9653). Default
	// NoZeroChecksum: the CRC32c is always sent and verified.
	ZeroChecksum ErrorDetection

	// Trace, if set, is told what happens: packets, losses, timers, changes of state
	// and of the congestion window, what is dropped and given up, and why. Package
	// sctptrace has Tracers that write files. Default: nothing is told, at no cost.
	Trace Tracer
}

// ReconfigPolicy says which requests of the peer are granted (RFC 6525). That it
// resets its own outgoing streams always is: data channels are closed so (RFC 8831,
// section 6.7).
type ReconfigPolicy struct {
	// DenyResets denies requests to reset outgoing streams of ours.
	DenyResets bool
	// DenyStreams denies requests for more streams in either direction. Firefox used
	// to begin with 256 and ask for more.
	DenyStreams bool
	// OutboundStreams and InboundStreams are how many there may be by requests of the
	// peer. Default as in Config.
	OutboundStreams, InboundStreams uint16
	// AllowAssociationReset grants SSN/TSN resets. No data channel needs one, and data that the
	// peer has outstanding the other way may be lost with a peer less careful than this
	// package, so the default is to deny them.
	AllowAssociationReset bool
}

// complete fills in the defaults.
func (p *ReconfigPolicy) complete(c *Config) {
	set(&p.OutboundStreams, c.OutboundStreams)
	set(&p.InboundStreams, c.InboundStreams)
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

// defaultMTU is the default of Config.MTU.
const defaultMTU = 1188

// What is longer than maxDuration, or more than maxBurst packets, is a slip; sums and
// products of what is not do not overflow. A time-out below minTimeout is over before
// an answer can come.
const (
	maxDuration = 24 * time.Hour
	maxBurst    = 1 << 14
	minTimeout  = time.Millisecond
)

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	set(&c.LocalPort, 5000)
	set(&c.RemotePort, 5000)
	set(&c.MTU, defaultMTU)
	set(&c.MaxMTU, max(c.MTU, 1432))
	set(&c.ReceiveBuffer, 2<<20)
	set(&c.SendBuffer, 2<<20)
	set(&c.OutboundStreams, 65535)
	set(&c.InboundStreams, 65535)
	c.PeerReconfig.complete(c)
	set(&c.RTOInitial, time.Second)
	set(&c.RTOMin, time.Second)
	set(&c.RTOMax, 60*time.Second)
	set(&c.MaxInitRetransmits, 8)
	set(&c.MaxRetransmits, 10)
	set(&c.MaxBurst, 4)
	set(&c.CookieLife, 60*time.Second)
	set(&c.HeartbeatInterval, 30*time.Second)
	set(&c.SackDelay, 200*time.Millisecond)
	if field, rule := c.broken(); field != "" {
		return &ConfigError{field, rule}
	}
	return nil
}

// broken returns the first field that is out of its range, and the rule for it; "" if there
// is none.
func (c *Config) broken() (field, rule string) {
	switch {
	case c.TagShard.Bits > maxShardBits || c.TagShard.Index>>c.TagShard.Bits != 0:
		return "TagShard", "must have at most 12 bits, and an index that fits them"
	case c.MTU < 512 || c.MTU > 65535:
		return "MTU", "must be 512 to 65535 bytes"
	case c.MaxMTU > 65535:
		return "MaxMTU", "must be at most 65535 bytes"
	case c.ReceiveBuffer < 4096 || c.ReceiveBuffer > 1<<30:
		return "ReceiveBuffer", "must be 4 KiB to 1 GiB"
	case c.SendBuffer < 1 || c.SendBuffer > 1<<30:
		return "SendBuffer", "must be 1 byte to 1 GiB"
	case c.Scheduler > FairCapacity:
		return "Scheduler", "is not a known scheduler"
	case c.RTOMax < minTimeout || c.RTOMax > maxDuration:
		return "RTOMax", "must be 1 ms to 24 hours"
	case c.RTOMin < 0 || c.RTOMin > c.RTOMax:
		return "RTOMin", fmt.Sprintf("must be 0 to RTOMax, %v, but is %v", c.RTOMax, c.RTOMin)
	case c.RTOInitial < minTimeout || c.RTOInitial > c.RTOMax:
		return "RTOInitial", fmt.Sprintf("must be 1 ms to RTOMax, %v, but is %v", c.RTOMax, c.RTOInitial)
	case c.MaxInitRetransmits < 0:
		return "MaxInitRetransmits", "must not be negative"
	case c.MaxRetransmits < 0:
		return "MaxRetransmits", "must not be negative"
	case c.MaxBurst < 1 || c.MaxBurst > maxBurst:
		return "MaxBurst", "must be 1 to 16384 packets"
	case c.LossDetection > MissIndications:
		return "LossDetection", "is not a known method"
	case c.CongestionControl > BBR:
		return "CongestionControl", "is not a known one"
	case c.InitialWindow != 0 && c.InitialWindow < 512 || c.InitialWindow > maxWindow:
		return "InitialWindow", "must be 512 bytes to 1 GiB"
	case c.CookieLife < 0 || c.CookieLife > maxDuration:
		return "CookieLife", "must be at most 24 hours, and not negative"
	case c.HeartbeatInterval > maxDuration:
		return "HeartbeatInterval", "must be at most 24 hours"
	case c.SackDelay < 0 || c.SackDelay > 500*time.Millisecond:
		return "SackDelay", "must be at most 500 ms (RFC 9260, section 6.2)"
	case c.ZeroChecksum > DTLSDetection:
		return "ZeroChecksum", "is not a known method"
	case c.NRSACK && c.Frugal:
		return "NRSACK", "must be off with Frugal: who drops nothing that was acknowledged may have no room for what comes next"
	}
	return "", ""
}

// set replaces a zero value by the default.
func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
