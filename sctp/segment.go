package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// segment is the payload of one received DATA or I-DATA chunk, or of a message to send.
type segment struct {
	next *segment
	buf  []byte // of the capacity of its size class, if it has one
	off  int32  // bytes of buf that were read already
	tsn  wire.TSN
}

// inMessage is a received message, or as much of it as came in.
type inMessage struct {
	next       *inMessage
	head, tail *segment
	info       inInfo
	size       int   // bytes not read yet
	complete   bool  // the last fragment is here
	begun      bool  // Read has returned a piece of it
	aborted    bool  // the rest will not come
	place      int32 // in inbound.beyond, from 1
	resets     int   // not a message if > 0: the peer reset its stream here so often

	// While it is a run of fragments that the reader has not seen.
	first        wire.FSN // number of its first fragment
	low, high    wire.TSN // of its fragments
	older, newer *inMessage
	listed       bool // in the recency list
}

// inInfo is what the fragments of a message have in common.
type inInfo struct {
	stream    uint16
	unordered bool
	mid       wire.MID
	ppid      uint32
}

func (m *inMessage) append(s *segment) {
	if m.tail == nil {
		m.head = s
	} else {
		m.tail.next = s
	}
	m.tail = s
	m.size += len(s.buf)
}

func (m *inMessage) prepend(s *segment) {
	if m.tail == nil {
		m.tail = s
	}
	s.next, m.head = m.head, s
	m.size += len(s.buf)
}

// join appends all of n, which is empty afterwards.
func (m *inMessage) join(n *inMessage) {
	if n.head == nil {
		return
	}
	if m.tail == nil {
		m.head = n.head
	} else {
		m.tail.next = n.head
	}
	m.tail = n.tail
	m.size += n.size
	n.head, n.tail, n.size = nil, nil, 0
}

// A Loan is a part of a received message that Association.Borrow lent. Its bytes are valid,
// and must not change, until Return. The zero value, which comes with an error, lends nothing.
type Loan struct{ s *segment }

// Bytes returns the part; it is never empty, but for the zero value.
func (l Loan) Bytes() []byte {
	if l.s == nil {
		return nil
	}
	return l.s.buf[l.s.off:]
}
