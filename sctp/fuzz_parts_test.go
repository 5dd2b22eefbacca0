package sctp

import (
	"bytes"
	"encoding/binary"
)

// Messages in parts, and loans, in FuzzCommands.

// fuzzLoan is what was borrowed and not returned.
type fuzzLoan struct {
	l   Loan
	was []byte
}

// sendPart begins a message in parts on a stream, or goes on with the one that was begun, or gives
// it up; or has the stream read in parts from now on.
func (p *fuzzPair) sendPart(x *fuzzSide, s *script) {
	b, n := s.byte(), 1+int(s.byte())*8
	id := uint16(b & 7)
	st := &x.stream[id]
	if b>>4&3 == 3 {
		n *= 16
	}
	more := b>>6&1 == 0
	switch m := st.open; {
	case b>>4&7 == 6:
		x.a.Cancel(p.now, id)
	case b>>4&7 == 7:
		x.a.DeliverParts(id, b&8 != 0)
	case m == nil:
		number := uint32(len(x.sent))
		payload := make([]byte, 4+n)
		binary.BigEndian.PutUint32(payload, number)
		fillPart(payload[4:], 0)
		if x.a.Send(p.now, Message{Stream: id, Unordered: b&8 != 0, ID: uint64(number) + 1, More: true, Payload: payload}) == nil {
			st.open = &fuzzMessage{n: len(payload), stream: id, ordered: b&8 == 0, reliable: true, open: true}
			x.sent[number] = st.open
		}
	default:
		payload := make([]byte, n)
		fillPart(payload, m.n-4)
		if x.a.SendMore(p.now, id, payload, more) != nil {
			return
		}
		clear(payload) // it was copied
		m.n += n
		if !more {
			m.open, st.open = false, nil
		}
	}
}

// fillPart makes the content of a message from an offset on.
func fillPart(b []byte, from int) {
	for i := range b {
		b[i] = byte((from + i) * 7)
	}
}

// gone takes note that a message in parts was given up: nobody may read it.
func (x *fuzzSide) gone(e Event) {
	if e.Message == 0 {
		return
	}
	m := x.sent[uint32(e.Message-1)]
	m.reliable = false
	if st := &x.stream[e.Stream]; st.open == m {
		st.open = nil
	}
}

// borrow reads by way of a loan, and returns the one of before.
func (p *fuzzPair) borrow(x *fuzzSide, stream uint16) {
	if len(x.lent) > 0 {
		l := x.lent[0]
		x.lent = x.lent[1:]
		if !bytes.Equal(l.l.Bytes(), l.was) {
			p.t.Fatal("what was lent has changed")
		}
		x.a.Return(l.l)
	}
	l, info, err := x.a.Borrow(p.now, stream)
	was := bytes.Clone(l.Bytes())
	if err != nil {
		x.a.Return(l) // nothing
	} else {
		x.lent = append(x.lent, fuzzLoan{l, was})
	}
	p.took(x, stream, was, info, err)
}
