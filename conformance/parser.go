package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A parser reads tokens into a Script.
type parser struct {
	file  string
	toks  []token
	i     int
	depth int // of values in values
}

// Parse reads a script. File names it in errors; defined are the names that its
// #ifdef blocks may ask for. The error is a *SyntaxError.
func Parse(file string, src []byte, defined ...string) (*Script, error) {
	toks, err := lex(file, string(src), defined)
	if err != nil {
		return nil, err
	}
	p := &parser{file: file, toks: toks}
	s := &Script{File: file}
	for p.peek().kind == tokOption {
		t := p.next()
		name, value, _ := strings.Cut(t.text, "=")
		s.Options = append(s.Options, Option{t.pos, strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)})
	}
	if t := p.peek(); t.kind == tokShell { // the init command has no time
		p.next()
		s.Events = append(s.Events, Event{Pos: t.pos, Shell: &t.text})
	}
	for p.peek().kind != tokEOF {
		e, err := p.event()
		if err != nil {
			return nil, err
		}
		s.Events = append(s.Events, e)
	}
	return s, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

// after returns the token n behind the next one.
func (p *parser) after(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

func (p *parser) errorf(at token, format string, args ...any) error {
	return &SyntaxError{p.file, at.pos, fmt.Sprintf(format, args...)}
}

// accept takes the punctuation mark if it comes next.
func (p *parser) accept(punct string) bool {
	if p.peek().is(punct) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(punct string) error {
	if !p.accept(punct) {
		return p.errorf(p.peek(), "%q expected, not %v", punct, p.peek())
	}
	return nil
}

// event reads a time and what happens then.
func (p *parser) event() (Event, error) {
	first := p.peek()
	e := Event{Pos: first.pos}
	var err error
	if e.When, err = p.when(); err != nil {
		return e, err
	}
	t := p.peek()
	switch {
	case t.kind == tokShell:
		p.next()
		e.Shell = &t.text
	case t.kind == tokCode:
		p.next()
		e.Code = &t.text
	case t.is("<") || t.is(">"):
		e.Packet, err = p.packet()
	case t.kind == tokWord:
		e.Call, err = p.call()
	default:
		err = p.errorf(t, "a packet, a call or a command expected, not %v", t)
	}
	if err != nil {
		return e, err
	}
	out := e.Packet != nil && !e.Packet.Inbound
	switch {
	case (e.When.Any || e.When.Range) && !out:
		return e, p.errorf(first, "only a packet that goes out may have a time that is not exact")
	case e.When.Range && e.When.Until < e.When.At:
		return e, p.errorf(first, "the end of the range of time is before its start")
	case e.When.Blocks && e.Call == nil:
		return e, p.errorf(first, "only a call has an end")
	case e.When.Blocks && e.When.End < e.When.At:
		return e, p.errorf(first, "the call ends before it begins")
	}
	return e, nil
}

// when reads a time: 0.1, +0.1, *, 0.1~0.2, +0.1~+0.2 or 0.1...0.2.
func (p *parser) when() (When, error) {
	var w When
	var err error
	if p.accept("*") {
		w.Any = true
		return w, nil
	}
	w.Relative = p.accept("+")
	if w.At, err = p.seconds(); err != nil {
		return w, err
	}
	switch {
	case p.accept("~"):
		w.Range = true
		p.accept("+")
		w.Until, err = p.seconds()
	case p.peek().kind == tokEllipsis:
		p.next()
		w.Blocks = true
		p.accept("+")
		w.End, err = p.seconds()
	}
	return w, err
}

// maxSeconds bounds times, so that sums of them are exact.
const maxSeconds = 1e6

func (p *parser) seconds() (time.Duration, error) {
	t := p.next()
	if t.kind == tokNumber {
		if s, err := strconv.ParseFloat(t.text, 64); err == nil && s >= 0 && s <= maxSeconds {
			return time.Duration(s*1e6+0.5) * time.Microsecond, nil
		}
	}
	return 0, p.errorf(t, "a time in seconds expected, not %v", t)
}

// call reads name(arguments) = result ERRNO (remark).
func (p *parser) call() (*Call, error) {
	t := p.next()
	c := &Call{Pos: t.pos, Name: t.text}
	var err error
	if err = p.expect("("); err != nil {
		return nil, err
	}
	if c.Args, err = p.list(")"); err != nil {
		return nil, err
	}
	if err = p.expect("="); err != nil {
		return nil, err
	}
	if c.Result, err = p.value(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == tokWord && !t.first {
		c.Errno = p.next().text
	}
	if p.peek().is("(") { // (flags O_RDWR), (Operation now in progress)
		for !p.peek().is(")") {
			if p.next().kind == tokEOF {
				return nil, p.errorf(p.peek(), "%q is missing", ")")
			}
		}
		p.next()
	}
	return c, nil
}

// packet reads a packet line from its direction on.
func (p *parser) packet() (*Packet, error) {
	t := p.next()
	pk := &Packet{Pos: t.pos, Inbound: t.is("<")}
	if err := p.outer(pk); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokWord || t.text != "sctp" {
		return pk, p.other(pk)
	}
	p.next()
	if err := p.header(pk); err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	if t := p.peek(); t.is("[") {
		p.next()
		args, err := p.list("]")
		if err != nil {
			return nil, err
		}
		pk.Raw = &Value{Pos: t.pos, Kind: List, Args: args}
		_, err = byteList(pk.Raw)
		return pk, p.located(err)
	}
	for p.peek().kind == tokWord || len(pk.Chunks) > 0 {
		c, err := p.value()
		if err != nil {
			return nil, err
		}
		if c.Kind != Item {
			return nil, &SyntaxError{p.file, c.Pos, "a chunk expected, not " + c.String()}
		}
		if err := check(c, chunkTable, pk.Inbound); err != nil {
			return nil, p.located(err)
		}
		pk.Chunks = append(pk.Chunks, c)
		if !p.accept(";") || p.peek().kind != tokWord && (p.peek().first || p.peek().kind == tokEOF) {
			break
		}
	}
	return pk, nil
}

// located puts the name of the script into an error of a value.
func (p *parser) located(err error) error {
	if e, ok := err.(*valueError); ok {
		return &SyntaxError{p.file, e.pos, e.msg}
	}
	return err
}

// outer reads what stands in front of the transport's header: other headers, fields
// of the IP header, ports.
func (p *parser) outer(pk *Packet) error {
	for {
		t := p.peek()
		switch {
		case t.kind == tokWord && slices.Contains([]string{"ipv4", "ipv6", "gre", "mpls"}, t.text):
			p.next()
			pk.Outer = append(pk.Outer, t.text)
			if err := p.through(":"); err != nil {
				return err
			}
		case t.kind == tokWord && t.text == "addr" && p.after(1).is("["):
			p.next()
			pk.Outer = append(pk.Outer, t.text)
			if err := p.through("]"); err != nil {
				return err
			}
			p.accept(":")
		case (t.is("[") || t.is("(")) && p.after(1).kind == tokWord && !p.after(2).is("("):
			if err := p.ipFields(pk); err != nil {
				return err
			}
		case t.kind == tokNumber && p.after(1).is(">") && p.after(2).kind == tokNumber:
			p.next()
			p.next()
			p.next()
			pk.Ports = true
		default:
			return nil
		}
	}
}

// ipFields reads fields of the IP header: [ect0], [tos 0x02], (dscp cs1, ecn ce, ttl 63).
func (p *parser) ipFields(pk *Packet) error {
	end := ")"
	if p.next().is("[") {
		end = "]"
	}
	for {
		t := p.next()
		name := t.text
		if slices.Contains([]string{"ecn", "tos", "class", "dscp", "ttl", "hlim", "flowlabel"}, name) {
			t = p.next()
		}
		switch {
		case t.kind == tokWord && (name == t.text || name == "ecn"):
			if _, known := marks[t.text]; !known {
				return p.errorf(t, "unknown ECN field %q", t.text)
			}
			pk.ECN = t.text
		case t.kind == tokWord && name == "dscp":
			pk.Unseen = append(pk.Unseen, name)
		default:
			n, err := strconv.ParseUint(t.text, 0, 20)
			if err != nil || name == t.text || name == "ecn" {
				return p.errorf(t, "a field of the IP header expected, not %v", t)
			}
			if name == "tos" || name == "class" {
				pk.ECN = ecnFields[n&3]
			}
			pk.Unseen = append(pk.Unseen, name)
		}
		if p.accept(end) {
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// through passes everything up to the punctuation mark, which stands on the same
// line.
func (p *parser) through(punct string) error {
	for {
		t := p.peek()
		if t.kind == tokEOF || t.first {
			return p.errorf(t, "%q is missing", punct)
		}
		p.next()
		if t.is(punct) {
			return nil
		}
	}
}

// other passes a packet that is not of SCTP: up to a line that begins with a time.
func (p *parser) other(pk *Packet) error {
	begin := p.peek()
	for {
		t := p.peek()
		starts := t.first && (t.is("+") || t.is("*") || t.kind == tokNumber)
		if t.kind == tokEOF || starts && t != begin {
			break
		}
		if t.kind == tokWord && slices.Contains([]string{"icmp", "udp", "udplite"}, t.text) {
			pk.Other = t.text
		}
		p.next()
	}
	if begin == p.peek() {
		return p.errorf(begin, "a packet expected, not %v", begin)
	}
	if pk.Other == "" {
		pk.Other = "tcp"
	}
	return nil
}

// header reads what follows sctp: (bad_crc32c, tag=1)/udp(9899>9899).
func (p *parser) header(pk *Packet) error {
	if p.accept("(") {
		args, err := p.list(")")
		if err != nil {
			return err
		}
		for _, a := range args {
			switch {
			case a.Kind == Word && a.Text == "bad_crc32c":
				pk.BadCRC = true
			case a.Kind == Pair && a.Text == "tag" && (a.Args[0].Kind == Number || a.Args[0].Kind == Ellipsis):
				pk.Tag = a.Args[0]
			default:
				return &SyntaxError{p.file, a.Pos, "unknown property of the common header: " + a.String()}
			}
		}
	}
	if p.accept("/") {
		pk.Encaps = true
		return p.through(")")
	}
	return nil
}
