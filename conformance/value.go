package conformance

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// maxDepth bounds how deep values stand in values.
const maxDepth = 50

// list reads values up to the closing mark.
func (p *parser) list(end string) ([]*Value, error) {
	var values []*Value
	for !p.accept(end) {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if p.peek().is(end) {
			continue
		}
		if !p.accept(",") && !p.accept(";") {
			return nil, p.errorf(p.peek(), "%q or %q expected, not %v", ",", end, p.peek())
		}
	}
	return values, nil
}

// value reads a value with what is joined to it by = and |.
func (p *parser) value() (*Value, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.errorf(p.peek(), "values stand too deep in values")
	}
	v, err := p.single()
	if err != nil {
		return nil, err
	}
	switch {
	case (v.Kind == Word || v.Kind == Func) && p.peek().is("="):
		p.next()
		right, err := p.value()
		if err != nil {
			return nil, err
		}
		return &Value{Pos: v.Pos, Kind: Pair, Text: v.Text, Args: append([]*Value{right}, v.Args...)}, nil
	case p.peek().is("|"):
		or := &Value{Pos: v.Pos, Kind: Or, Args: []*Value{v}}
		for p.accept("|") {
			right, err := p.single()
			if err != nil {
				return nil, err
			}
			or.Args = append(or.Args, right)
		}
		return or, nil
	}
	return v, nil
}

// single reads a value without joints.
func (p *parser) single() (*Value, error) {
	t := p.next()
	v := &Value{Pos: t.pos, Text: t.text}
	var err error
	switch {
	case t.kind == tokEllipsis:
		v.Kind = Ellipsis
	case t.kind == tokString:
		v.Kind = Text
		if e := p.peek(); e.kind == tokEllipsis && !e.first { // "abc"..., which goes on
			p.next()
		}
	case t.kind == tokAddr:
		v.Kind = Address
	case t.kind == tokNumber:
		return p.number(t)
	case t.is("-") && p.peek().kind == tokNumber:
		if v, err = p.number(p.next()); err != nil {
			return nil, err
		}
		v.Num, v.Text = -v.Num, "-"+v.Text
	case t.is("&") && p.peek().kind == tokWord: // &sin6_addr
		v.Kind, v.Text = Word, p.next().text
	case t.is("["):
		v.Kind, v.Text = List, ""
		v.Args, err = p.nested("]")
	case t.is("{"):
		v.Kind, v.Text = Struct, ""
		v.Args, err = p.nested("}")
	case t.kind == tokWord:
		v.Kind = Word
		switch {
		case p.accept("["):
			v.Kind, v.Text = Item, strings.ReplaceAll(t.text, "-", "_")
			v.Args, err = p.nested("]")
		case p.peek().is("(") && !p.peek().first:
			p.next()
			v.Kind = Func
			v.Args, err = p.nested(")")
		}
	default:
		return nil, p.errorf(t, "a value expected, not %v", t)
	}
	return v, err
}

// nested is list one level deeper.
func (p *parser) nested(end string) ([]*Value, error) {
	p.depth++
	defer func() { p.depth-- }()
	return p.list(end)
}

// number reads a number, or two with a colon between them.
func (p *parser) number(t token) (*Value, error) {
	v := &Value{Pos: t.pos, Kind: Number, Text: t.text}
	n, err := strconv.ParseInt(t.text, 0, 64)
	if err != nil { // 08 is eight here
		n, err = strconv.ParseInt(t.text, 10, 64)
	}
	switch {
	case err == nil:
		v.Num = n
	case strings.Contains(t.text, "."):
		if _, err := strconv.ParseFloat(t.text, 64); err != nil {
			return nil, p.errorf(t, "a number expected, not %v", t)
		}
		v.Kind = Float
		return v, nil
	default:
		return nil, p.errorf(t, "a number expected, not %v", t)
	}
	if p.peek().is(":") && p.after(1).kind == tokNumber {
		p.next()
		right, err := p.number(p.next())
		if err != nil {
			return nil, err
		}
		return &Value{Pos: v.Pos, Kind: Span, Args: []*Value{v, right}}, nil
	}
	return v, nil
}

// A valueError says that a value is not what its place asks for.
type valueError struct {
	pos Pos
	msg string
}

func (e *valueError) Error() string { return e.msg }

func badValue(v *Value, format string, args ...any) error {
	return &valueError{v.Pos, fmt.Sprintf(format, args...)}
}

// integer evaluates a value to a number: literals, names of constants, sums by |,
// and htons and htonl, which swap bytes as on a little-endian machine.
func integer(v *Value) (int64, error) {
	switch v.Kind {
	case Number:
		return v.Num, nil
	case Word:
		if n, ok := constants[v.Text]; ok {
			return n, nil
		}
		if l := chunkTable.byName(strings.ReplaceAll(v.Text, "-", "_")); l != nil { // I-DATA
			return int64(l.code), nil
		}
		return 0, badValue(v, "unknown constant %s", v.Text)
	case Or:
		var sum int64
		for _, a := range v.Args {
			n, err := integer(a)
			if err != nil {
				return 0, err
			}
			sum |= n
		}
		return sum, nil
	case Func:
		if len(v.Args) != 1 {
			break
		}
		n, err := integer(v.Args[0])
		switch {
		case err != nil:
			return 0, err
		case v.Text == "htonl":
			return int64(bits.ReverseBytes32(uint32(n))), nil
		case v.Text == "htons":
			return int64(bits.ReverseBytes16(uint16(n))), nil
		}
	}
	return 0, badValue(v, "a number expected, not %v", v)
}

// unsigned evaluates a value to a number of at most size bytes.
func unsigned(v *Value, size int) (uint64, error) {
	n, err := integer(v)
	if err != nil {
		return 0, err
	}
	if n == -1 && size == 4 { // the TSN before 0
		n = 1<<32 - 1
	}
	if n < 0 || uint64(n)>>(8*size) != 0 {
		return 0, badValue(v, "%d does not fit %d bits", n, 8*size)
	}
	return uint64(n), nil
}

// networkOrder evaluates a 32-bit number that the application gives in network
// byte order, as a payload protocol identifier, and returns it in host order.
func networkOrder(v *Value) (uint32, error) {
	n, err := unsigned(v, 4)
	return bits.ReverseBytes32(uint32(n)), err
}

// byteList evaluates [0x01, 2, ...].
func byteList(v *Value) ([]byte, error) {
	if v.Kind != List {
		return nil, badValue(v, "a list of bytes expected, not %v", v)
	}
	b := make([]byte, 0, len(v.Args))
	for _, a := range v.Args {
		n, err := unsigned(a, 1)
		if err != nil {
			return nil, err
		}
		b = append(b, byte(n))
	}
	return b, nil
}

// appendUint appends n in size bytes.
func appendUint(b []byte, n uint64, size int) []byte {
	var tmp [8]byte
	binary.BigEndian.PutUint64(tmp[:], n)
	return append(b, tmp[8-size:]...)
}

// readUint reads a number of size bytes.
func readUint(b []byte, size int) uint64 {
	var n uint64
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	return n
}
