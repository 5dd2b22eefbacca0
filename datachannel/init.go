package datachannel

import (
	"cmp"
	"fmt"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice/dcep"
)

// maxID is the greatest stream identifier; 65535 is reserved, as INIT can ask
// for no more than 65535 streams (RFC 8832, section 3).
const maxID = 65534

// Init are the properties of a channel to create (W3C webrtc-pc,
// RTCDataChannelInit). The zero value is a reliable, ordered channel.
type Init struct {
	// Unordered lets messages overtake each other.
	Unordered bool

	// MaxPacketLifeTime limits, in milliseconds, how long a message is sent and
	// retransmitted, MaxRetransmits how often it is retransmitted. At most one
	// may be set; without both the channel is reliable.
	MaxPacketLifeTime *uint16
	MaxRetransmits    *uint16

	// Protocol names the subprotocol; at most 65535 bytes of UTF-8.
	Protocol string

	// Negotiated says that the peer creates the channel, too, with the same ID,
	// so that it is open as soon as the association is. Both sides have to create
	// it before the other one uses it: a message on a stream without a channel
	// has the stream closed (RFC 8832, section 6).
	Negotiated bool

	// ID is the stream identifier of a negotiated channel, up to 65534. It is
	// ignored in others, as the W3C has it.
	ID *uint16

	// Priority is the weight of the channel: 128 is below normal, 256 normal, 512
	// high, 1024 extra high (RFC 8831, section 6.4). Channels with much to send share
	// the way in proportion to it, in both directions; sctp.Config.Scheduler can change
	// that. Packets are marked by the greatest priority of the open channels that this side
	// created (RFC 8837), where the transport can. Default 256.
	Priority uint16
}

func (in *Init) check(op, label string) error {
	switch {
	case len(label) > dcep.MaxFieldLen:
		return &TypeError{op, fmt.Sprintf("the label has %d bytes, more than 65535", len(label))}
	case !utf8.ValidString(label):
		return &TypeError{op, "the label is not UTF-8"}
	case len(in.Protocol) > dcep.MaxFieldLen:
		return &TypeError{op, fmt.Sprintf("the protocol has %d bytes, more than 65535", len(in.Protocol))}
	case !utf8.ValidString(in.Protocol):
		return &TypeError{op, "the protocol is not UTF-8"}
	case in.Negotiated && in.ID == nil:
		return &TypeError{op, "a negotiated channel needs an ID"}
	case in.MaxPacketLifeTime != nil && in.MaxRetransmits != nil:
		return &TypeError{op, "MaxPacketLifeTime and MaxRetransmits exclude each other"}
	case in.Negotiated && *in.ID > maxID:
		return &TypeError{op, "the greatest ID is 65534"}
	}
	return nil
}

func (s *Session) newChannel(label string, init *Init) *Channel {
	ch := &Channel{
		s: s, label: label, protocol: init.Protocol, negotiated: init.Negotiated,
		priority: cmp.Or(init.Priority, dcep.PriorityNormal),
	}
	switch {
	case init.MaxRetransmits != nil:
		ch.kind, ch.reliability = dcep.PartialReliableRexmit, *init.MaxRetransmits
	case init.MaxPacketLifeTime != nil:
		ch.kind, ch.reliability = dcep.PartialReliableTimed, *init.MaxPacketLifeTime
	}
	if init.Unordered {
		ch.kind |= dcep.ReliableUnordered
	}
	return ch
}
