package sctp

import (
	"math/bits"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

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
	size       int  // bytes not read yet
	complete   bool // the last fragment is here
	begun      bool // Read has returned a piece of it
	aborted    bool // the rest will not come
	resets     int  // not a message if > 0: the peer reset its stream here so often

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

// segmentPool keeps segments for reuse, by size class, up to a bound, until the
// association is idle. With a bound of 0 there is nothing to reuse, and what is made is as
// large as needed.
type segmentPool struct {
	limit    int                    // bytes
	bytes    int                    // in segments
	segments *[poolClasses]*segment // nil: none are kept
}

const poolClasses = 49 // 64 bytes to 256 KiB, four to a doubling: a packet's payload fits well

// bound sets how much is kept: as much as a buffer of so many bytes takes, or nothing where
// memory is short.
func (p *segmentPool) bound(buffer int, frugal bool) {
	if !frugal {
		p.limit = buffer + buffer/2
	}
}

// class returns the smallest size class that holds n bytes; from poolClasses on there
// are none.
func class(n int) int {
	if n <= 64 {
		return 0
	}
	octave := bits.Len(uint(n-1)) - 7
	return 4*octave + (n-1)>>(octave+4) - 3
}

// classSize returns how many bytes a segment of a class holds.
func classSize(c int) int {
	if c == 0 {
		return 64
	}
	return ((c-1)%4 + 5) << ((c-1)/4 + 4)
}

// segment returns a segment that holds a copy of payload.
func (p *segmentPool) segment(payload []byte) *segment {
	c := class(len(payload))
	if c >= poolClasses || p.limit == 0 {
		return &segment{buf: append([]byte(nil), payload...)}
	}
	var s *segment
	if p.segments != nil {
		s = p.segments[c]
	}
	if s == nil {
		if p.bytes > p.limit/2 {
			p.purge() // of sizes in use no more, which would keep this one out
		}
		s = &segment{buf: make([]byte, 0, classSize(c))}
	} else {
		p.segments[c], s.next = s.next, nil
		p.bytes -= cap(s.buf)
	}
	s.buf = append(s.buf[:0], payload...)
	s.off = 0
	return s
}

// purge lets go of all segments.
func (p *segmentPool) purge() {
	clear(p.segments[:])
	p.bytes = 0
}

func (p *segmentPool) freeSegment(s *segment) {
	c := class(cap(s.buf))
	if c >= poolClasses || p.bytes+cap(s.buf) > p.limit {
		return
	}
	if p.segments == nil {
		p.segments = new([poolClasses]*segment)
	}
	p.bytes += cap(s.buf)
	s.next, p.segments[c] = p.segments[c], s
}

// trim gives back all that is kept.
func (p *segmentPool) trim() { *p = segmentPool{limit: p.limit} }

// inPool keeps messages of inbound besides, up to the same bound.
type inPool struct {
	segmentPool
	messages *inMessage
	count    int
}

const messageBytes = 128 // about the size of an inMessage

func (p *inPool) message(info inInfo) *inMessage {
	m := p.messages
	if m == nil {
		return &inMessage{info: info}
	}
	p.messages = m.next
	p.count--
	*m = inMessage{}
	m.info = info
	return m
}

func (p *inPool) freeMessage(m *inMessage) {
	if (p.count+1)*messageBytes > p.limit {
		return
	}
	p.count++
	m.head, m.tail = nil, nil
	m.next, p.messages = p.messages, m
}

// trim gives back all that is kept.
func (p *inPool) trim() {
	p.segmentPool.trim()
	p.messages, p.count = nil, 0
}
