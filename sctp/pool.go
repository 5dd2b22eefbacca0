package sctp

import "math/bits"

// pools are what is kept for reuse of the messages and payloads of both directions, until
// nobody has taken any for a while. An association has its own; those of an Endpoint share
// one: what one of them is done with is still in the cache of the processor when the next
// needs it, so that of the memory of many associations a packet touches no more than their state.
// nil keeps nothing, and what it makes is as large as needed.
type pools struct {
	segments segmentPool
	in       inPool
	out      outPool
	shared   bool // an Endpoint looks after it
	touched  bool // something was taken since trim was called last
}

// maxKept bounds what a pool keeps of payloads, in bytes, whatever the buffers are.
const maxKept = 1 << 29

// init lets pools keep as much as the buffers of so many associations take, and half as much again.
func (p *pools) init(cfg *Config, associations int) {
	limit := int(min(int64(associations)*(int64(cfg.ReceiveBuffer)+int64(cfg.SendBuffer))*3/2, maxKept))
	p.segments.limit, p.in.limit, p.out.limit = limit, limit/messageBytes, limit/sentBytes
}

// segment returns a segment that holds a copy of payload.
func (p *pools) segment(payload []byte) *segment {
	if p == nil {
		return &segment{buf: append([]byte(nil), payload...)}
	}
	p.touched = true
	return p.segments.segment(payload)
}

func (p *pools) freeSegment(s *segment) {
	if p != nil {
		p.segments.free(s)
	}
}

// received returns a message for what comes in.
func (p *pools) received(info inInfo) *inMessage {
	if p == nil {
		return &inMessage{info: info}
	}
	p.touched = true
	return p.in.take(info)
}

func (p *pools) freeReceived(m *inMessage) {
	if p != nil {
		p.in.give(m)
	}
}

// toSend returns a message with arbitrary contents for what goes out.
func (p *pools) toSend() *outMessage {
	if p == nil {
		return new(outMessage)
	}
	p.touched = true
	return p.out.take()
}

func (p *pools) freeSent(m *outMessage) {
	if p != nil {
		p.out.give(m)
	}
}

// forgetSent says that so many messages to send will not be given back.
func (p *pools) forgetSent(n int) {
	if p != nil {
		p.out.used -= n
	}
}

// rest says that the association is idle.
func (p *pools) rest() {
	if p != nil && !p.shared {
		p.trim()
	}
}

// trim gives back all that is kept, unless something was taken since the last call.
func (p *pools) trim() {
	if p != nil && !p.touched {
		p.segments.trim()
		p.in.first, p.in.n = nil, 0
		p.out.first, p.out.n = nil, 0
	}
	if p != nil {
		p.touched = false
	}
}

// clear gives back all that is kept: nobody is left who might need it.
func (p *pools) clear() {
	if p != nil {
		p.touched = false
		p.trim()
	}
}

// segmentPool keeps segments by size class, up to a bound.
type segmentPool struct {
	limit    int                    // bytes
	bytes    int                    // in segments
	segments *[poolClasses]*segment // nil: none are kept
	turn     int                    // the class that gives way next
}

const (
	poolClasses = 49 // 64 bytes to 256 KiB, four to a doubling: a packet's payload fits well

	// A payload may have a segment up to so many classes larger than its own, of twice the
	// size, rather than another one is made: how many of each size are on their way changes all the time.
	poolStretch = 4
)

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
	if c >= poolClasses {
		return &segment{buf: append([]byte(nil), payload...)}
	}
	s := p.take(c)
	if s == nil {
		s = &segment{buf: make([]byte, 0, classSize(c))}
	}
	s.buf = append(s.buf[:0], payload...)
	s.off = 0
	return s
}

// take returns a segment that is kept, of a class or somewhat larger; nil if there is none.
func (p *segmentPool) take(c int) *segment {
	if p.bytes == 0 {
		return nil
	}
	for end := min(c+poolStretch+1, poolClasses); c < end; c++ {
		if s := p.segments[c]; s != nil {
			p.remove(c, s)
			return s
		}
	}
	return nil
}

// remove takes the first segment of a class off its list.
func (p *segmentPool) remove(c int, s *segment) {
	p.segments[c], s.next = s.next, nil
	p.bytes -= cap(s.buf)
}

// free keeps a segment. Where that is too much others give way, of all sizes in turn: those
// in use come back.
func (p *segmentPool) free(s *segment) {
	c := class(cap(s.buf))
	if c >= poolClasses || cap(s.buf) > p.limit {
		return
	}
	if p.segments == nil {
		p.segments = new([poolClasses]*segment)
	}
	for p.bytes+cap(s.buf) > p.limit {
		if other := p.segments[p.turn]; other != nil {
			p.remove(p.turn, other)
		}
		p.turn = (p.turn + 1) % poolClasses
	}
	p.bytes += cap(s.buf)
	s.next, p.segments[c] = p.segments[c], s
}

// trim gives back all that is kept.
func (p *segmentPool) trim() { p.bytes, p.segments = 0, nil }

// inPool keeps messages that came in.
type inPool struct {
	limit int // messages
	first *inMessage
	n     int
}

const (
	messageBytes = 128 // about the size of an inMessage
	sentBytes    = 256 // and of an outMessage
)

func (p *inPool) take(info inInfo) *inMessage {
	m := p.first
	if m == nil {
		return &inMessage{info: info}
	}
	p.first = m.next
	p.n--
	*m = inMessage{}
	m.info = info
	return m
}

func (p *inPool) give(m *inMessage) {
	if p.n >= p.limit {
		return
	}
	p.n++
	m.head, m.tail = nil, nil
	m.next, p.first = p.first, m
}

// outPool keeps messages to send while many are on their way again and again.
type outPool struct {
	limit int // messages
	first *outMessage
	n     int
	used  int // on their way
	use   ringUse
}

// take returns a message with arbitrary contents.
func (p *outPool) take() *outMessage {
	p.used++
	p.use.holds(p.used)
	m := p.first
	if m == nil {
		return new(outMessage)
	}
	p.first = m.next
	p.n--
	return m
}

// give takes back a message that nothing refers to.
func (p *outPool) give(m *outMessage) {
	m.stream, m.parts = nil, nil
	if p.n < p.limit {
		m.next, p.first = p.first, m
		p.n++
	}
	if p.used--; p.used == 0 && p.use.emptied(p.n) {
		p.first, p.n = nil, 0
	}
}
