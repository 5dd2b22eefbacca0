package dcep

import (
	"encoding/binary"
	"unicode/utf8"
)

// Open is a DATA_CHANNEL_OPEN message (RFC 8832, section 5.1):
//
//	 0                   1                   2                   3
//	|  Message Type |  Channel Type |            Priority           |
//	|                    Reliability Parameter                      |
//	|         Label Length          |       Protocol Length         |
//	|                      Label, then Protocol                     |
type Open struct {
	ChannelType ChannelType
	Priority    uint16 // weight of the channel; 256 is normal
	// Reliability is a number of retransmissions or a lifetime in milliseconds,
	// as ChannelType says; 0 for a reliable channel.
	Reliability uint32
	Label       string // UTF-8, at most 65535 bytes
	Protocol    string // UTF-8, at most 65535 bytes
}

const openHeaderLen = 12

// MaxFieldLen is the greatest length of a label and of a protocol in bytes.
const MaxFieldLen = 65535

// MaxOpenLen is the greatest length of a DCEP message in bytes.
const MaxOpenLen = openHeaderLen + 2*MaxFieldLen

// AppendOpen appends the message to b. It returns b unchanged and an *Error if
// a field of o breaks a rule.
func AppendOpen(b []byte, o Open) ([]byte, error) {
	if err := o.check(); err != nil {
		return b, err
	}
	b = append(b, byte(MessageOpen), byte(o.ChannelType))
	b = binary.BigEndian.AppendUint16(b, o.Priority)
	b = binary.BigEndian.AppendUint32(b, o.Reliability)
	b = binary.BigEndian.AppendUint16(b, uint16(len(o.Label)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(o.Protocol)))
	b = append(b, o.Label...)
	return append(b, o.Protocol...), nil
}

func (o *Open) check() error {
	switch {
	case !o.ChannelType.Valid():
		return &Error{RuleChannelType, int(o.ChannelType)}
	case o.reliable() && o.Reliability != 0:
		return &Error{RuleReliability, int(o.Reliability)}
	case len(o.Label) > MaxFieldLen:
		return &Error{RuleLabelLength, len(o.Label)}
	case len(o.Protocol) > MaxFieldLen:
		return &Error{RuleProtocolLength, len(o.Protocol)}
	case !utf8.ValidString(o.Label):
		return &Error{RuleLabelUTF8, 0}
	case !utf8.ValidString(o.Protocol):
		return &Error{RuleProtocolUTF8, 0}
	}
	return nil
}

func (o *Open) reliable() bool {
	return !o.ChannelType.LimitsRetransmits() && !o.ChannelType.LimitsLifetime()
}

// AppendAck appends a DATA_CHANNEL_ACK message to b.
func AppendAck(b []byte) []byte { return append(b, byte(MessageAck)) }

// Parse returns the type of the message, after checking that it is an assigned
// one. An OPEN goes to ParseOpen. Of an ACK the type is all there is; bytes behind it, of which pion/webrtc
// sends three, mean nothing. The error is an *Error.
func Parse(b []byte) (MessageType, error) {
	if len(b) == 0 {
		return 0, &Error{RuleMessageEmpty, 0}
	}
	switch t := MessageType(b[0]); t {
	case MessageOpen, MessageAck:
		return t, nil
	default:
		return t, &Error{RuleMessageType, int(t)}
	}
}

// ParseOpen decodes a DATA_CHANNEL_OPEN message. The reliability parameter of a
// reliable channel, which a receiver has to ignore, comes out as 0. The error is
// an *Error.
func ParseOpen(b []byte) (Open, error) {
	switch {
	case len(b) == 0:
		return Open{}, &Error{RuleMessageEmpty, 0}
	case MessageType(b[0]) != MessageOpen:
		return Open{}, &Error{RuleMessageType, int(b[0])}
	case len(b) < openHeaderLen:
		return Open{}, &Error{RuleOpenHeader, len(b)}
	}
	o := Open{
		ChannelType: ChannelType(b[1]),
		Priority:    binary.BigEndian.Uint16(b[2:]),
		Reliability: binary.BigEndian.Uint32(b[4:]),
	}
	labelEnd := openHeaderLen + int(binary.BigEndian.Uint16(b[8:]))
	protocolEnd := labelEnd + int(binary.BigEndian.Uint16(b[10:]))
	if len(b) != protocolEnd {
		return Open{}, &Error{RuleOpenLength, len(b)}
	}
	if !o.ChannelType.Valid() {
		return Open{}, &Error{RuleChannelType, int(o.ChannelType)}
	}
	if o.reliable() {
		// "MUST be ignored on the receiving side", RFC 8832, section 5.1.
		o.Reliability = 0
	}
	label, protocol := b[openHeaderLen:labelEnd], b[labelEnd:protocolEnd]
	if !utf8.Valid(label) {
		return Open{}, &Error{RuleLabelUTF8, 0}
	}
	if !utf8.Valid(protocol) {
		return Open{}, &Error{RuleProtocolUTF8, 0}
	}
	o.Label, o.Protocol = string(label), string(protocol)
	return o, nil
}
