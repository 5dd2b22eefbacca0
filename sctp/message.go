package sctp

import "time"

// A Message is one user message to send.
type Message struct {
	Stream    uint16 // outgoing stream identifier
	PPID      uint32 // payload protocol identifier, carried opaquely
	Unordered bool   // deliver as soon as complete, whatever the order
	// ID, if not 0, names the message in events: EventMessageSent,
	// EventMessageDelivered and EventMessageAbandoned. It need not be unique.
	ID uint64
	// Immediate asks the peer not to delay its acknowledgement of the message: the
	// I bit of its last chunk (RFC 7053, section 5). It is of use where nothing
	// follows for long and the send buffer is to be free, or the round-trip time known.
	Immediate bool
	// Reliability limits how long the message is worth sending. The zero value
	// is fully reliable.
	Reliability Reliability
	// More says that Payload is only the beginning of the message: SendMore goes on
	// with it, so that no more of it need be in memory than the send buffer holds
	// (RFC 6458, section 8.1.26). It goes with a Reliability of zero only, and up to 16384 such
	// messages may be open at a time.
	More bool
	// Payload is not copied: it belongs to the association from a successful
	// Send until the message is acknowledged or abandoned, and must not change.
	// It must not be empty (RFC 9260, section 6.2), and is shorter than 2 GiB.
	Payload []byte
}

// Reliability is a partial reliability policy (RFC 7496). At most one of its
// limits may be set.
type Reliability struct {
	// LimitRetransmits says that each fragment is retransmitted at most
	// MaxRetransmits times; 0 sends it once.
	LimitRetransmits bool
	MaxRetransmits   uint16
	// Lifetime, if positive, is how long after Send the message may still be
	// sent or retransmitted. LimitLifetime makes a Lifetime of 0 count.
	LimitLifetime bool
	Lifetime      time.Duration
	// LimitPriority says that the message may be given up to make room in a full
	// send buffer for one that is more important: a reliable one, or one with
	// LimitPriority and a lower Priority (0 is the most important). The least
	// important ones go first, among equals those of which nothing was sent and
	// then the oldest. One that was sent completely is not sent again.
	LimitPriority bool
	Priority      uint32
}

// MessageInfo describes a message, or the piece of it, that Read returns.
type MessageInfo struct {
	Stream    uint16
	PPID      uint32
	Unordered bool
	// Size is, from Peek, the number of bytes that Read can return now without
	// crossing the end of the message.
	Size int
	// Complete says that these bytes end the message. It is false when dst was
	// too short, and when a message larger than the association is willing to
	// hold is being delivered in pieces (RFC 9260, section 6.9).
	Complete bool
}
