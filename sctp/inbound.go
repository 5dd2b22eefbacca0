package sctp

import (
	"io"
	"slices"
	"sort"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// inbound holds what came in and was not read yet: fragments waiting for the
// rest of their message, messages waiting for their turn, and messages ready
// for the application. It bounds all of it, which is the receive window.
type inbound struct {
	limit   int // receive buffer, bytes
	bytes   int // payload held
	entries int // chunks held
	streams streamTable[inStream]
	asm     reassembler
	pool    inPool
	// readable lists streams that turned readable since it was last emptied.
	readable []uint16
	reads    uint64 // messages completed, for statistics
}

// inStream is an incoming stream that has been used.
type inStream struct {
	id        uint16
	next      wire.SSN // of the ordered message to deliver next
	announced bool     // the application knows that there is something to read
	head      *inMessage
	tail      *inMessage   // of the messages ready to be read
	waiting   []*inMessage // complete, but ahead of next; by SSN, no two alike
}

// entryCost is the least number of bytes that a chunk takes from the receive
// window, so that many small ones are bounded like few large ones.
const entryCost = 64

func (in *inbound) init(limit int) { *in = inbound{limit: limit, pool: inPool{limit: limit}} }

// held returns the bytes of the receive buffer in use.
func (in *inbound) held() int { return max(in.bytes, entryCost*in.entries) }

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

// admits reports whether a chunk may be taken. One beyond all that came in needs
// an open window. One that fills a gap was sent within a window that was open, and
// what it completes frees memory, so it has as much again.
func (in *inbound) admits(fillsGap bool) bool {
	if fillsGap {
		return in.held() < 2*in.limit
	}
	return in.held() < in.limit
}

// admitsNext reports whether the chunk that adjoins the cumulative TSN may be taken
// though the buffer is more than full. It can be read, or what waits for it can, or
// it adds to a message that then is read in pieces; without it nothing might ever
// be. So there is room for one, of whatever size.
func (in *inbound) admitsNext() bool {
	const largestChunk = 1 << 16
	return in.held() < 2*in.limit+largestChunk
}

// evict drops the highest incomplete fragments above t that the reader has not
// seen, so that t can be taken in their place, and returns their TSNs (RFC
// 9260, section 6.2).
func (in *inbound) evict(cum, t wire.TSN) (tsnRange, bool) {
	n := len(in.asm.runs) - 1
	if n < 0 {
		return tsnRange{}, false
	}
	r := in.asm.runs[n]
	if r.partial || r.first.AtOrBefore(cum) || r.first.AtOrBefore(t) {
		return tsnRange{}, false
	}
	in.discard(r.msg)
	in.asm.remove(n)
	return tsnRange{r.first, r.last}, true
}

func (in *inbound) stream(id uint16) *inStream {
	s := in.streams.get(id)
	if s == nil {
		s = &inStream{id: id}
		in.streams.put(id, s)
	}
	return s
}

// add takes a DATA chunk whose TSN is new; next says that it adjoins the cumulative
// TSN, so that nothing before it is still to come.
func (in *inbound) add(d *wire.Data, next bool) {
	info := inInfo{d.Stream, d.SSN, d.PPID, d.Flags&wire.FlagUnordered != 0}
	in.bytes += len(d.Payload)
	in.entries++
	seg := in.pool.segment(d.Payload)
	if d.Flags&(wire.FlagBegin|wire.FlagEnd) == wire.FlagBegin|wire.FlagEnd {
		m := in.pool.message(info)
		m.append(seg)
		m.complete = true
		in.deliver(m)
		return
	}
	i := in.asm.add(d, info, seg, &in.pool)
	r := &in.asm.runs[i]
	switch {
	case r.begin && r.end:
		m, partial := r.msg, r.partial
		m.complete = true
		in.asm.remove(i)
		if partial {
			in.finishPartial(m)
		} else {
			in.deliver(m)
		}
	case r.partial:
		in.announce(in.stream(info.stream))
	case next && r.first == d.TSN && !r.begin: // the rest of a message that was skipped
		in.discard(r.msg)
		in.asm.remove(i)
	}
	in.relieve()
}

// relieve hands the message being received to the reader in pieces when half the
// buffer is full: it may be larger than the buffer is (RFC 9260, section 6.9).
// It is called whenever there is more, or another message comes first.
func (in *inbound) relieve() {
	if in.held() < in.limit/2 || len(in.asm.runs) == 0 {
		return
	}
	r := &in.asm.runs[0]
	if !r.begin || r.partial {
		return
	}
	s := in.stream(r.msg.info.stream)
	if !r.msg.info.unordered && r.msg.info.ssn != s.next {
		return
	}
	r.partial = true
	s.push(r.msg)
	in.announce(s)
}

// finishPartial goes on after the last fragment of a message that is being
// delivered in pieces.
func (in *inbound) finishPartial(m *inMessage) {
	s := in.stream(m.info.stream)
	in.reads++
	if !m.info.unordered {
		s.next = s.next.Next()
		in.release(s)
	}
	in.announce(s)
}

// deliver hands a complete message to the reader, in its turn.
func (in *inbound) deliver(m *inMessage) {
	s := in.stream(m.info.stream)
	switch {
	case m.info.unordered:
		in.reads++
		s.push(m)
	case m.info.ssn == s.next:
		in.reads++
		s.next = s.next.Next()
		s.push(m)
		in.release(s)
	case m.info.ssn.Before(s.next): // a number used twice
		in.discard(m)
		return
	default:
		if !s.wait(m) { // so too
			in.discard(m)
		}
		return
	}
	in.announce(s)
}

// release moves the waiting messages whose turn has come.
func (in *inbound) release(s *inStream) {
	for len(s.waiting) > 0 && s.waiting[0].info.ssn == s.next {
		m := s.unwait()
		s.next = s.next.Next()
		in.reads++
		s.push(m)
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

// wait inserts a message among those ahead of their turn, unless there is one of
// its number.
func (s *inStream) wait(m *inMessage) bool {
	i := len(s.waiting)
	if i > 0 && !s.waiting[i-1].info.ssn.Before(m.info.ssn) { // else it is the last, as is usual
		i = sort.Search(i, func(i int) bool { return !s.waiting[i].info.ssn.Before(m.info.ssn) })
		if s.waiting[i].info.ssn == m.info.ssn {
			return false
		}
	}
	s.waiting = slices.Insert(s.waiting, i, m)
	return true
}

// unwait takes the first of the waiting messages.
func (s *inStream) unwait() *inMessage {
	m := s.waiting[0]
	s.waiting[0] = nil
	if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	return m
}

// discard frees a message that is in no queue.
func (in *inbound) discard(m *inMessage) {
	for s := m.head; s != nil; {
		next := s.next
		in.freeSegment(s)
		s = next
	}
	in.pool.freeMessage(m)
}

func (in *inbound) freeSegment(s *segment) {
	in.bytes -= len(s.buf) - s.off
	in.entries--
	in.pool.freeSegment(s)
}

// peek returns the message to read next, nil if there is none; aborted messages
// of which nothing was read are passed over.
func (in *inbound) peek(id uint16) *inMessage {
	s := in.streams.get(id)
	if s == nil {
		return nil
	}
	for s.head != nil && s.head.aborted && !s.head.begun {
		in.discard(s.pop())
	}
	if m := s.head; m != nil && (m.size > 0 || m.complete || m.aborted || m.resets > 0) {
		return m
	}
	s.announced = false
	return nil
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

// read moves bytes of the next message to dst.
func (in *inbound) read(id uint16, dst []byte) (int, MessageInfo, error) {
	m := in.peek(id)
	if err := m.check(); err != nil {
		if m != nil && m.resets > 1 {
			m.resets--
		} else if m != nil {
			in.discard(in.streams.get(id).pop())
		}
		return 0, MessageInfo{}, err
	}
	n := 0
	for m.head != nil && n < len(dst) {
		s := m.head
		k := copy(dst[n:], s.buf[s.off:])
		n += k
		s.off += k
		in.bytes -= k
		if s.off == len(s.buf) {
			m.head = s.next
			in.freeSegment(s)
		}
	}
	if m.head == nil {
		m.tail = nil
	}
	m.size -= n
	m.begun = true
	info := m.describe()
	info.Size, info.Complete = n, m.complete && m.size == 0
	if info.Complete {
		in.discard(in.streams.get(id).pop())
	}
	return n, info, nil
}

// skip takes a FORWARD-TSN that moved the cumulative TSN to cum: what misses a
// fragment at or before it will never be complete (RFC 3758, section 3.6).
func (in *inbound) skip(cum wire.TSN) {
	near := min(in.asm.search(cum.Add(2))+1, len(in.asm.runs)) // what begins behind the next TSN stays
	kept := in.asm.runs[:0]
	for _, r := range in.asm.runs[:near] {
		if cum.Before(r.first) && (r.begin || cum.Add(1) != r.first) || cum.Before(r.last) && r.begin {
			kept = append(kept, r)
			continue
		}
		if !r.partial {
			in.discard(r.msg)
			continue
		}
		s := in.stream(r.msg.info.stream)
		r.msg.aborted = true
		if !r.msg.info.unordered && r.msg.info.ssn == s.next {
			s.next = s.next.Next()
			in.release(s)
		}
		in.announce(s)
	}
	in.asm.runs = slices.Delete(in.asm.runs, len(kept), near)
}

// skipStream takes an entry of FORWARD-TSN: ordered messages of the stream up to
// ssn that did not come in will not, and those behind them are free.
func (in *inbound) skipStream(id uint16, ssn wire.SSN) {
	s := in.stream(id)
	if ssn.Before(s.next) {
		return
	}
	for len(s.waiting) > 0 && s.waiting[0].info.ssn.AtOrBefore(ssn) {
		m := s.unwait()
		in.reads++
		s.push(m)
	}
	s.next = ssn.Next()
	in.release(s)
	in.announce(s)
}

// resetStream starts a stream anew (RFC 6525, section 5.2.2). What was received
// before stays readable and ends with a mark.
func (in *inbound) resetStream(s *inStream) {
	for len(s.waiting) > 0 {
		in.discard(s.unwait())
	}
	s.next = 0
	if s.tail == nil || s.tail.resets == 0 {
		s.push(in.pool.message(inInfo{stream: s.id}))
	}
	s.tail.resets++
	in.announce(s)
}

// renumber starts all streams anew without an end (RFC 6525, section 5.2.4): what
// is missing will not come, and what waits for it is free.
func (in *inbound) renumber() {
	in.dropRuns()
	for _, s := range in.streams.all() {
		for len(s.waiting) > 0 {
			in.reads++
			s.push(s.unwait())
		}
		s.next = 0
		in.announce(s)
	}
}

// dropRuns gives up every message that is not complete.
func (in *inbound) dropRuns() {
	for _, r := range in.asm.runs {
		if r.partial {
			r.msg.aborted = true
		} else {
			in.discard(r.msg)
		}
	}
	in.asm.runs = nil
}

// restart drops everything incomplete and starts all streams anew.
func (in *inbound) restart() {
	in.dropRuns()
	for _, s := range in.streams.all() {
		in.resetStream(s)
	}
}
