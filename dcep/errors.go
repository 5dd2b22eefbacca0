package dcep

import "fmt"

// Rule names a rule of RFC 8832 that a message breaks.
type Rule uint8

// The rules.
const (
	RuleMessageEmpty   Rule = iota + 1 // a message starts with its type (section 5)
	RuleMessageType                    // the type is DATA_CHANNEL_ACK or DATA_CHANNEL_OPEN (section 8.2.1)
	RuleOpenHeader                     // an OPEN has a header of 12 bytes (section 5.1)
	RuleOpenLength                     // an OPEN ends with its protocol (section 5.1)
	RuleChannelType                    // the channel type is one of six (section 8.2.2)
	RuleReliability                    // the reliability parameter of a reliable channel is sent as 0 (section 5.1)
	RuleLabelLength                    // a label has at most 65535 bytes (section 5.1)
	RuleProtocolLength                 // a protocol has at most 65535 bytes (section 5.1)
	RuleLabelUTF8                      // a label is UTF-8 (section 5.1)
	RuleProtocolUTF8                   // a protocol is UTF-8 (section 5.1)
)

func (r Rule) String() string {
	switch r {
	case RuleMessageEmpty:
		return "a message starts with its type (RFC 8832, section 5)"
	case RuleMessageType:
		return "a message is DATA_CHANNEL_ACK or DATA_CHANNEL_OPEN (RFC 8832, section 8.2.1)"
	case RuleOpenHeader:
		return "DATA_CHANNEL_OPEN has a header of 12 bytes (RFC 8832, section 5.1)"
	case RuleOpenLength:
		return "DATA_CHANNEL_OPEN is as long as its header, label and protocol (RFC 8832, section 5.1)"
	case RuleChannelType:
		return "the channel type is one of the six assigned (RFC 8832, section 8.2.2)"
	case RuleReliability:
		return "a reliable channel is sent with reliability parameter 0 (RFC 8832, section 5.1)"
	case RuleLabelLength:
		return "a label has at most 65535 bytes (RFC 8832, section 5.1)"
	case RuleProtocolLength:
		return "a protocol has at most 65535 bytes (RFC 8832, section 5.1)"
	case RuleLabelUTF8:
		return "a label is UTF-8 (RFC 8832, section 5.1)"
	case RuleProtocolUTF8:
		return "a protocol is UTF-8 (RFC 8832, section 5.1)"
	}
	return fmt.Sprintf("rule %d", uint8(r))
}

// An Error says which rule a message breaks, and what it has instead.
type Error struct {
	Rule Rule
	Got  int // the offending type, length in bytes or parameter; 0 for a rule about UTF-8
}

func (e *Error) Error() string {
	if e.Rule == RuleLabelUTF8 || e.Rule == RuleProtocolUTF8 {
		return fmt.Sprintf("dcep: %v", e.Rule)
	}
	return fmt.Sprintf("dcep: %v, got %d", e.Rule, e.Got)
}
