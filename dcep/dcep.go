// Package dcep is the codec of the WebRTC Data Channel Establishment Protocol
// (RFC 8832): the two messages OPEN and ACK with which an in-band data channel
// is set up, and the SCTP payload protocol identifiers of data channels.
//
// It knows no association: package datachannel decides when to send which
// message on which stream.
package dcep

import "fmt"

// Payload protocol identifiers of data channels (RFC 8831, section 8). The
// partial ones are deprecated and listed to be recognised.
const (
	PPIDControl       uint32 = 50 // a DCEP message
	PPIDString        uint32 = 51 // non-empty UTF-8 text
	PPIDBinaryPartial uint32 = 52 // deprecated
	PPIDBinary        uint32 = 53 // non-empty binary data
	PPIDStringPartial uint32 = 54 // deprecated
	PPIDStringEmpty   uint32 = 56 // empty text; the payload is one ignored byte
	PPIDBinaryEmpty   uint32 = 57 // empty binary data; the payload is one ignored byte
)

// MessageType is the first byte of a DCEP message (RFC 8832, section 8.2.1).
type MessageType uint8

// The message types. 0x00, 0x01 and 0xff are reserved, the others unassigned.
const (
	MessageAck  MessageType = 0x02
	MessageOpen MessageType = 0x03
)

func (t MessageType) String() string {
	switch t {
	case MessageAck:
		return "DATA_CHANNEL_ACK"
	case MessageOpen:
		return "DATA_CHANNEL_OPEN"
	}
	return fmt.Sprintf("DCEP message type %#02x", uint8(t))
}

// ChannelType says how the messages of a channel are delivered (RFC 8832,
// section 8.2.2).
type ChannelType uint8

// The channel types. 0x7f and 0xff are reserved, the others unassigned.
const (
	Reliable                       ChannelType = 0x00
	PartialReliableRexmit          ChannelType = 0x01
	PartialReliableTimed           ChannelType = 0x02
	ReliableUnordered              ChannelType = 0x80
	PartialReliableRexmitUnordered ChannelType = 0x81
	PartialReliableTimedUnordered  ChannelType = 0x82
	unorderedBit                   ChannelType = 0x80
	reliabilityKind                ChannelType = 0x7f
)

// Valid reports whether t is one of the six assigned types.
func (t ChannelType) Valid() bool { return t&reliabilityKind <= PartialReliableTimed }

// Unordered reports whether messages may overtake each other.
func (t ChannelType) Unordered() bool { return t&unorderedBit != 0 }

// LimitsRetransmits reports whether the reliability parameter is a number of
// retransmissions.
func (t ChannelType) LimitsRetransmits() bool { return t&reliabilityKind == PartialReliableRexmit }

// LimitsLifetime reports whether the reliability parameter is a lifetime in
// milliseconds.
func (t ChannelType) LimitsLifetime() bool { return t&reliabilityKind == PartialReliableTimed }

func (t ChannelType) String() string {
	switch t {
	case Reliable:
		return "DATA_CHANNEL_RELIABLE"
	case ReliableUnordered:
		return "DATA_CHANNEL_RELIABLE_UNORDERED"
	case PartialReliableRexmit:
		return "DATA_CHANNEL_PARTIAL_RELIABLE_REXMIT"
	case PartialReliableRexmitUnordered:
		return "DATA_CHANNEL_PARTIAL_RELIABLE_REXMIT_UNORDERED"
	case PartialReliableTimed:
		return "DATA_CHANNEL_PARTIAL_RELIABLE_TIMED"
	case PartialReliableTimedUnordered:
		return "DATA_CHANNEL_PARTIAL_RELIABLE_TIMED_UNORDERED"
	}
	return fmt.Sprintf("channel type %#02x", uint8(t))
}

// The priorities that WebRTC uses (RFC 8831, section 6.4). A priority is a
// weight: a channel of 512 gets twice the share of one of 256.
const (
	PriorityBelowNormal uint16 = 128
	PriorityNormal      uint16 = 256
	PriorityHigh        uint16 = 512
	PriorityExtraHigh   uint16 = 1024
)
