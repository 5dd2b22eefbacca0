package sctp

import (
	"io"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// inbound holds what came in and was not read yet: fragments waiting for the
// rest of their message, messages waiting for their turn, and messages ready
// for the application. It bounds all of it, which is the receive window.
type inbound struct {
	// readable lists streams that turned readable since it was last emptied, mostly in few.
	readable    []uint16
	few         [4]uint16
	pool        *pools
	limit       int      // receive buffer, bytes
	bytes       int      // payload held
	entries     int32    // chunks held
	cum         wire.TSN // the cumulative TSN, as long as fragments are held
	frugal      bool     // it bounds the memory in use
	interleaved bool     // it is I-DATA that comes in
	reads       uint64   // messages completed, for statistics
	fragments   runList  // of all streams, without interleaving
	streams     streamTable[inStream]
	recent      recency
	beyond      beyond
	touched     []uint16 // streams with inStream.listed
}

// inStream is an incoming stream that has been used.
type inStream struct {
	id        uint16
	announced bool     // the application knows that there is something to read
	ahead     bool     // chunks of after a deferred reset were refused
	eager     bool     // what is there of the next message is read before the rest comes
	next      wire.MID // of the ordered message to deliver next
	floor     wire.MID // unordered messages before it will not come any more
	head      *inMessage
	tail      *inMessage // of the messages ready to be read
	sinceReset
	waiting   *waitList // ahead of next; nil: there were none
	fragments runList   // with interleaving
}

// entryCost is the least number of bytes that a chunk takes from the receive
// window, so that many small ones are bounded like few large ones; frugalEntry is what
// one takes of memory, with its message and a short payload.
const (
	entryCost   = 64
	frugalEntry = 256
)

func (in *inbound) init(limit int, frugal bool, pool *pools) {
	*in = inbound{limit: limit, frugal: frugal, pool: pool}
	in.readable = in.few[:0]
}

// held returns the bytes of the receive buffer in use.
func (in *inbound) held() int { return in.heldWith(0, 0) }

// heldWith returns what they would be with so many more chunks and bytes.
func (in *inbound) heldWith(chunks, bytes int) int {
	if in.frugal {
		return max(in.bytes+bytes, frugalEntry*(int(in.entries)+chunks))
	}
	return max(in.bytes+bytes, entryCost*(int(in.entries)+chunks))
}

// window returns the receive window (RFC 9260, section 6.2): what the
// application has not read counts against it.
func (in *inbound) window() int { return max(0, in.limit-in.held()) }

// offer returns the window to advertise: none instead of a small one, which a peer
// would fill with small chunks (silly window syndrome, RFC 1122, section 4.2.3.3).
func (in *inbound) offer(mtu int) int { // 9260-6.2-d
	if w := in.window(); w >= min(in.limit/2, mtu) {
		return w
	}
	return 0
}

// admits reports whether a chunk of n bytes may be taken. One beyond all that came in
// needs an open window. One that fills a gap was sent within a window that was open, and
// what it completes frees memory, so it has as much again; but not where memory is short:
// there only the chunk that adjoins the cumulative TSN, next, may exceed the window.
func (in *inbound) admits(n int, fillsGap, next bool) bool {
	switch {
	case in.frugal:
		return in.heldWith(1, n) <= in.limit || next && in.held() < in.limit
	case fillsGap:
		return in.held()/2 < in.limit // which may be 1 GiB, where an int has 32 bits
	}
	return in.held() < in.limit
}

// admitsNext reports whether the chunk that adjoins the cumulative TSN may be taken
// though the buffer is more than full. It can be read, or what waits for it can, or
// it adds to a message that then is read in pieces; without it nothing might ever
// be. So there is room for one, of whatever size.
func (in *inbound) admitsNext() bool {
	const largestChunk = 1 << 16
	if in.frugal {
		return in.held() <= in.limit
	}
	return (in.held()-largestChunk)/2 < in.limit
}

func (in *inbound) stream(id uint16) *inStream {
	if s := in.streams.get(id); s != nil {
		return s
	}
	return in.newStream(id)
}

func (in *inbound) newStream(id uint16) *inStream {
	s := in.streams.add(id)
	s.id = id
	in.touch(s)
	return s
}

// list returns where fragments of a stream are assembled.
func (in *inbound) list(s *inStream) *runList {
	if in.interleaved {
		return &s.fragments
	}
	return &in.fragments
}

// full reports whether a stream, nil if it is new, has more incomplete messages than a peer
// that keeps the rules makes.
func (in *inbound) full(s *inStream) bool {
	return len(in.fragments.runs) > maxRuns || s != nil && len(s.fragments.runs) > maxRuns
}

// maxAhead bounds how far the numbers of messages that are on their way at the same
// time lie apart, generously: each has a TSN, of which no more are.
const maxAhead = 2 * maxTSNSpan

// number completes the message number of a fragment, and reports whether such a message
// may come (still).
func (in *inbound) number(s *inStream, f *fragment) bool {
	m := &f.info
	switch {
	case in.interleaved && !m.unordered:
		return s.next.AtOrBefore(m.mid) && m.mid.Since(s.next) <= maxAhead
	case !in.interleaved && m.unordered: // is told apart by TSN alone
		m.mid = 0
	case !in.interleaved:
		m.mid = s.next.Nearest(m.mid.SSN())
	case m.mid.Before(s.floor):
		return false
	case m.mid.Since(s.floor) > 2*maxAhead: // the floor follows, lest numbers wrap above it
		s.floor = m.mid.Add(-maxAhead)
		in.purge(s)
	}
	return true
}

// add takes a chunk of the stream whose TSN is new. What it lets the reader have before the rest
// of its message, relieve may add to.
func (in *inbound) add(s *inStream, f *fragment) {
	if !in.number(s, f) {
		return
	}
	if in.interleaved && f.tsn.AtOrBefore(in.cum) {
		in.buryBefore(s, &f.info, f.tsn)
	}
	if f.begin && f.end {
		m := in.pool.received(f.info)
		m.append(in.hold(f))
		m.complete = true
		in.deliver(s, m)
		return
	}
	l := in.list(s)
	i, ok := in.assemble(l, f)
	if !ok {
		return
	}
	switch r := &l.runs[i]; {
	case r.begin && r.end:
		m, partial := r.msg, r.partial
		m.complete = true
		in.recent.remove(m)
		l.remove(i)
		if partial {
			in.finishPartial(s, m)
		} else {
			in.deliver(s, m)
		}
		in.handOverBegun(s)
	case r.partial:
		in.announce(s)
	case in.interleaved:
		if r.begin && in.cum.Before(r.msg.head.tsn) {
			in.beyond.add(r.msg)
		}
		in.handOverBegun(s)
	case f.tsn.AtOrBefore(in.cum) && r.first == f.number && !r.begin: // the rest of a message that was skipped
		in.drop(l, i, i+1)
	}
}

// hold makes a segment of a fragment that is taken.
func (in *inbound) hold(f *fragment) *segment {
	in.bytes += len(f.payload)
	in.entries++
	s := in.pool.segment(f.payload)
	s.tsn = f.tsn
	return s
}

// relieve hands over what may be read before it is complete now that the cumulative TSN is another:
// of DATA chunks the message that is being received, whenever there is more of it or another one
// comes first, and of I-DATA chunks those that were beyond a gap, after what stands in their way
// and will not be completed any more is given up.
func (in *inbound) relieve(cum wire.TSN) {
	in.cum = cum
	if len(in.fragments.runs) > 0 && in.fragments.runs[0].first.AtOrBefore(wire.FSN(cum)) {
		r := &in.fragments.runs[0]
		in.handOver(in.stream(r.msg.info.stream), r)
	}
	for m := in.beyond.reached(cum); m != nil; m = in.beyond.reached(cum) {
		s := in.stream(m.info.stream)
		in.buryBefore(s, &m.info, m.head.tsn)
		in.handOverBegun(s)
	}
}

// handOver hands the beginning of a message to the reader, whose turn it is, when half
// of the buffer is full: the message may be larger than the buffer is (RFC 9260,
// section 6.9). Interleaved ones are, each when there is more of it or its turn comes,
// so that less than half of the buffer is held by what could be read. But none is before all that
// was sent before it came in, up to the cumulative TSN: that would stand behind it in its stream,
// where nobody can read it, and might leave no room for the rest.
func (in *inbound) handOver(s *inStream, r *fragmentRun) {
	info := &r.msg.info
	switch {
	case !r.begin || r.partial || !info.unordered && info.mid != s.next:
		return
	case r.msg.place > 0: // relieve will
		return
	case in.held() < in.limit/2 && !s.eager:
		return
	}
	in.recent.remove(r.msg)
	r.partial = true
	s.push(r.msg)
	in.announce(s)
}

// handOverBegun hands over the first of the ordered messages of a stream that come in I-DATA chunks and
// the first of the unordered ones. One behind that would keep the first from the reader when it is
// complete, and all of the buffer that it takes.
func (in *inbound) handOverBegun(s *inStream) {
	l := &s.fragments
	if len(l.runs) == 0 {
		return
	}
	in.handOver(s, &l.runs[0])
	if len(l.runs) == 1 {
		return
	}
	if i := l.ordered(); 0 < i && i < len(l.runs) {
		in.handOver(s, &l.runs[i])
	}
}

// finishPartial goes on after the last fragment of a message that is being
// delivered in pieces.
func (in *inbound) finishPartial(s *inStream, m *inMessage) {
	in.reads++
	if !m.info.unordered {
		s.next = s.next.Next()
		in.release(s)
	}
	in.announce(s)
}

// deliver hands a complete message to the reader, in its turn.
func (in *inbound) deliver(s *inStream, m *inMessage) {
	if in.interleaved && in.cum.Before(m.head.tsn) && (len(s.fragments.runs) > 0 || !m.info.unordered && m.info.mid != s.next) {
		in.beyond.add(m) // something stands in its way, or may
	}
	switch {
	case m.info.unordered:
		in.reads++
		s.push(m)
	case m.info.mid == s.next:
		in.reads++
		s.next = s.next.Next()
		if s.push(m); s.waiting.len() > 0 || len(s.fragments.runs) > 0 {
			in.release(s)
		}
	case m.info.mid.Before(s.next): // a number used twice
		in.discard(m)
		return
	default:
		if s.waiting == nil {
			s.waiting = new(waitList)
		}
		if !s.waiting.add(m) { // so too
			in.discard(m)
		}
		return
	}
	in.announce(s)
}

// release moves on after the next message of a stream became another: to the reader go
// the waiting messages whose turn has come.
func (in *inbound) release(s *inStream) {
	for s.waiting.len() > 0 && s.waiting.first().info.mid == s.next {
		m := in.unwait(s)
		s.next = s.next.Next()
		in.reads++
		s.push(m)
	}
	if len(s.fragments.runs) > 0 {
		in.purge(s)
		in.handOverBegun(s)
	}
}

// announce reports that a stream turned readable, once.
func (in *inbound) announce(s *inStream) {
	if s.announced || s.head == nil {
		return
	}
	s.announced = true
	in.readable = append(in.readable, s.id)
}

func (s *inStream) push(m *inMessage) {
	if s.tail == nil {
		s.head = m
	} else {
		s.tail.next = m
	}
	s.tail = m
}

func (s *inStream) pop() *inMessage {
	m := s.head
	s.head, m.next = m.next, nil
	if s.head == nil {
		s.tail = nil
	}
	return m
}

// unwait takes the first of the messages of a stream that are ahead of their turn.
func (in *inbound) unwait(s *inStream) *inMessage {
	m := s.waiting.take()
	if in.frugal {
		s.waiting = s.waiting.rest()
	}
	return m
}

// discard frees a message that is in no queue.
func (in *inbound) discard(m *inMessage) {
	in.beyond.remove(m)
	for s := m.head; s != nil; {
		next := s.next
		in.freeSegment(s)
		s = next
	}
	in.pool.freeReceived(m)
}

func (in *inbound) freeSegment(s *segment) {
	in.bytes -= len(s.buf) - int(s.off)
	in.entries--
	in.pool.freeSegment(s)
}

// peek returns the message to read next, nil if there is none; aborted messages
// of which nothing was read are passed over.
func (in *inbound) peek(id uint16) *inMessage {
	_, m := in.reading(id)
	return m
}

// reading is peek, and returns the stream, too.
func (in *inbound) reading(id uint16) (*inStream, *inMessage) {
	s := in.streams.get(id)
	if s == nil {
		return nil, nil
	}
	for s.head != nil && s.head.aborted && !s.head.begun {
		in.discard(s.pop())
	}
	if m := s.head; m != nil && (m.size > 0 || m.complete || m.aborted || m.resets > 0) {
		return s, m
	}
	s.announced = false
	return s, nil
}

// available returns the bytes that can be read on a stream.
func (in *inbound) available(id uint16) (n int) {
	if s := in.streams.get(id); s != nil {
		for m := s.head; m != nil; m = m.next {
			if !m.aborted {
				n += m.size
			}
		}
	}
	return n
}

// check returns what Peek and Read say before any data.
func (m *inMessage) check() error {
	switch {
	case m == nil:
		return ErrWouldBlock
	case m.resets > 0:
		return io.EOF
	case m.aborted:
		return ErrMessageAborted
	}
	return nil
}

func (m *inMessage) describe() MessageInfo {
	return MessageInfo{
		Stream: m.info.stream, PPID: m.info.ppid, Unordered: m.info.unordered,
		Size: m.size, Complete: m.complete,
	}
}

// mark takes what reading a stream comes upon in place of data.
func (in *inbound) mark(s *inStream, m *inMessage, err error) error {
	if m != nil && m.resets > 1 {
		m.resets--
	} else if m != nil {
		in.discard(s.pop())
	}
	return err
}

// took describes the n bytes that were taken from the next message of a stream, which is
// over if they were its last.
func (in *inbound) took(s *inStream, m *inMessage, n int, info *MessageInfo) {
	in.beyond.remove(m)
	if m.head == nil {
		m.tail = nil
	}
	m.size -= n
	m.begun = true
	info.Stream, info.PPID, info.Unordered = m.info.stream, m.info.ppid, m.info.unordered
	info.Size, info.Complete = n, m.complete && m.size == 0
	if info.Complete {
		s.pop()
		in.pool.freeReceived(m)
	}
}

// read moves bytes of the next message to dst.
func (in *inbound) read(id uint16, dst []byte, info *MessageInfo) (n int, err error) {
	s, m := in.reading(id)
	if err := m.check(); err != nil {
		return 0, in.mark(s, m, err)
	}
	for m.head != nil && n < len(dst) {
		g := m.head
		k := copy(dst[n:], g.buf[g.off:])
		n += k
		g.off += int32(k)
		in.bytes -= k
		if int(g.off) == len(g.buf) {
			m.head = g.next
			in.freeSegment(g)
		}
	}
	in.took(s, m, n, info)
	return n, nil
}

// borrow takes the first segment of the next message out of it.
func (in *inbound) borrow(id uint16, info *MessageInfo) (Loan, error) {
	s, m := in.reading(id)
	if err := m.check(); err != nil {
		return Loan{}, in.mark(s, m, err)
	}
	g := m.head
	n := len(g.buf) - int(g.off)
	m.head, g.next = g.next, nil
	in.bytes -= n
	in.entries--
	in.took(s, m, n, info)
	return Loan{g}, nil
}

// deliverParts sets whether the messages of a stream are read before they are complete.
func (in *inbound) deliverParts(id uint16, on bool) {
	s := in.stream(id)
	s.eager = on
	switch {
	case !on:
	case !in.interleaved:
		in.relieve(in.cum)
	default:
		in.handOverBegun(s)
	}
}
