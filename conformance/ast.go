package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Script is a parsed script.
type Script struct {
	File    string
	Options []Option
	Events  []Event
}

// An Option is a line --name=value at the head of a script.
type Option struct {
	Pos         Pos
	Name, Value string
}

// An Event is one step of a script. Exactly one of Packet, Call, Shell and Code is
// set.
type Event struct {
	Pos    Pos
	When   When
	Packet *Packet
	Call   *Call
	Shell  *string // a command line
	Code   *string // a program
}

// A When is the time of an event.
type When struct {
	Relative bool // to the event before
	Any      bool // *: whenever it happens
	At       time.Duration
	// Until, if Range is set, is the latest time, of which At is the earliest.
	Range bool
	Until time.Duration
	// End, if Blocks is set, is when a call that begins at At returns.
	Blocks bool
	End    time.Duration
}

// A Packet is a packet that comes in or must go out.
type Packet struct {
	Pos     Pos
	Inbound bool
	// Outer are headers around the packet in the order of the script: ipv4, ipv6,
	// gre, mpls, addr.
	Outer []string
	// ECN is the ECN field, "" if the script does not name it.
	ECN string
	// Unseen are other fields of the IP header, which mean nothing here: tos, ttl, ...
	Unseen []string
	// Ports says that the packet has ports of its own.
	Ports bool
	// Other names what the packet is if not SCTP: tcp, udp, udplite, icmp.
	Other string

	BadCRC bool
	Tag    *Value // nil: the one that belongs
	Encaps bool   // in UDP

	Chunks []*Value
	// Raw, if not nil, are the bytes behind the common header.
	Raw *Value
}

// A Call is a call of the application.
type Call struct {
	Pos    Pos
	Name   string
	Args   []*Value
	Result *Value
	Errno  string // "" if the script names none
}

// A ValueKind says what a Value is.
type ValueKind uint8

// The kinds of values.
const (
	Ellipsis ValueKind = iota // ...
	Number                    // Num
	Float                     // Text
	Text                      // Text, a quoted string
	Word                      // Text
	Address                   // Text, an IP address
	Pair                      // Text=Args[0], or Text(Args[1:])=Args[0]
	Func                      // Text(Args...)
	Item                      // Text[Args...]: a chunk, parameter or cause
	List                      // [Args...]
	Struct                    // {Args...}
	Or                        // Args joined by |
	Span                      // Args[0]:Args[1]
)

// A Value is an argument, a field, or a chunk with all that is in it.
type Value struct {
	Pos  Pos
	Kind ValueKind
	Text string
	Num  int64
	Args []*Value

	raw []byte // of a decoded Item: its bytes on the wire, header included
}

// field returns the value of key=... among the arguments, nil if there is none.
func (v *Value) field(key string) *Value {
	for _, a := range v.Args {
		if a.Kind == Pair && a.Text == key {
			return a.Args[0]
		}
	}
	return nil
}

// items returns the arguments that are chunks, parameters or causes, and whether
// an ellipsis stands among them.
func (v *Value) items() (items []*Value, open bool) {
	for _, a := range v.Args {
		switch a.Kind {
		case Item:
			items = append(items, a)
		case Ellipsis:
			open = true
		}
	}
	return items, open
}

// maxShown is how many members of a list messages show.
const maxShown = 32

// brief returns the value with long lists cut.
func brief(v *Value) *Value {
	out := *v
	out.Args = make([]*Value, 0, len(v.Args))
	for i, a := range v.Args {
		if v.Kind == List && len(v.Args) > maxShown && i == maxShown/2 {
			out.Args = append(out.Args, &Value{Kind: Word, Text: fmt.Sprintf("... %d more", len(v.Args)-i)})
			break
		}
		out.Args = append(out.Args, brief(a))
	}
	return &out
}

// String returns the value as a script says it.
func (v *Value) String() string {
	switch v.Kind {
	case Ellipsis:
		return "..."
	case Number:
		if v.Text != "" {
			return v.Text
		}
		return strconv.FormatInt(v.Num, 10)
	case Text:
		return `"` + v.Text + `"`
	case Pair:
		if len(v.Args) > 1 {
			return v.Text + "(" + join(v.Args[1:], ", ") + ")=" + v.Args[0].String()
		}
		return v.Text + "=" + v.Args[0].String()
	case Func:
		return v.Text + "(" + join(v.Args, ", ") + ")"
	case Item:
		return v.Text + "[" + join(v.Args, ", ") + "]"
	case List:
		return "[" + join(v.Args, ", ") + "]"
	case Struct:
		return "{" + join(v.Args, ", ") + "}"
	case Or:
		return join(v.Args, "|")
	case Span:
		return join(v.Args, ":")
	}
	return v.Text
}

func join(values []*Value, sep string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, sep)
}

// num returns a number as a value; text, if not empty, is how it is shown.
func num(n int64, text string) *Value { return &Value{Kind: Number, Num: n, Text: text} }

// pair returns key=value.
func pair(key string, value *Value) *Value {
	return &Value{Kind: Pair, Text: key, Args: []*Value{value}}
}
