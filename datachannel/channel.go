package datachannel

import (
	"github.com/sluice-rtc/sluice/dcep"
)

// ReadyState is the state of a channel (W3C webrtc-pc, RTCDataChannelState).
type ReadyState uint8

// The states, in the only order in which a channel takes them. It may skip some.
const (
	Connecting ReadyState = iota
	Open
	Closing
	Closed
)

func (s ReadyState) String() string {
	return [...]string{"connecting", "open", "closing", "closed"}[s&3]
}

// MarshalText returns the name of the state.
func (s ReadyState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Message is a message of the peer.
type Message struct {
	// Data belongs to the receiver. In a text message it is UTF-8: each run of
	// bytes that is not has been replaced by U+FFFD.
	Data   []byte
	IsText bool
}

// Channel is a data channel: a pair of streams with the same identifier, and the
// properties of the messages on them. Its methods may be called from any
// goroutine, and from callbacks.
type Channel struct {
	s      *Session
	serial uint64 // the session's first channel has 1

	label, protocol string
	kind            dcep.ChannelType
	reliability     uint16 // retransmissions or milliseconds, as kind says
	priority        uint16
	negotiated      bool
	incoming        bool // the peer opened it

	// Guarded by s.mu.

	attachment // to what the channel runs over: stream.go, or the browser's object
	state      ReadyState
	local      bool      // closed by a call of Close
	failure    *RTCError // with which the channel ended

	out    sender   // send.go
	in     inbox    // read.go
	face   face     // callbacks.go
	stages stages   // wait.go
	sum    counters // stats.go
}

// Label returns the label.
func (ch *Channel) Label() string { return ch.label }

// Protocol returns the subprotocol.
func (ch *Channel) Protocol() string { return ch.protocol }

// Ordered reports whether messages arrive in order.
func (ch *Channel) Ordered() bool { return !ch.kind.Unordered() }

// MaxPacketLifeTime returns how long a message is sent and retransmitted, in
// milliseconds; false if that is not limited.
func (ch *Channel) MaxPacketLifeTime() (uint16, bool) {
	if !ch.kind.LimitsLifetime() {
		return 0, false
	}
	return ch.reliability, true
}

// MaxRetransmits returns how often a message is retransmitted; false if that is
// not limited.
func (ch *Channel) MaxRetransmits() (uint16, bool) {
	if !ch.kind.LimitsRetransmits() {
		return 0, false
	}
	return ch.reliability, true
}

// Negotiated reports whether the application agreed on the channel with the peer
// by other means than the association.
func (ch *Channel) Negotiated() bool { return ch.negotiated }

// Priority returns the priority (RFC 8831, section 6.4).
func (ch *Channel) Priority() uint16 { return ch.priority }

// ID returns the stream identifier; false until the DTLS role is known.
func (ch *Channel) ID() (uint16, bool) {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.id()
}

// ReadyState returns the state.
func (ch *Channel) ReadyState() ReadyState {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.state
}

// Err returns the error with which the channel failed, or nil.
func (ch *Channel) Err() error {
	ch.s.lock()
	defer ch.s.unlock()
	if ch.failure == nil {
		return nil
	}
	return ch.failure
}

// stateError is what a call returns that the state does not allow.
func (ch *Channel) stateError(op string) error {
	return &InvalidStateError{op, "the channel is " + ch.state.String(), ch.state >= Closing}
}

// nameBytes is the memory of label and protocol.
func (ch *Channel) nameBytes() int { return len(ch.label) + len(ch.protocol) }
