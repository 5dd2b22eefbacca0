package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// outbound holds the messages that were not sent yet, per stream, and says whose
// turn it is: streams take turns, message by message (round robin, RFC 8260,
// section 3.2). A message that was begun is finished first, because fragments of
// DATA chunks have consecutive TSNs.
type outbound struct {
	limit    int // send buffer, bytes
	buffered int // bytes accepted and neither acknowledged nor abandoned
	messages int // accepted, and held for that or for what follows
	refused  int // least size refused since the last EventWritable; 0: none
	streams  streamTable[outStream]
	first    *outStream // whose turn it is
	last     *outStream // of those with messages
	free     *outMessage
	frees    int
	low      []uint16 // streams whose queue fell to their threshold
	queued   int      // messages not sent completely
	begun    int      // of them those of which a part was sent
	drained  []uint16 // streams to reset on which now everything is acknowledged
}

// outStream is an outgoing stream that has been used.
type outStream struct {
	id        uint16
	next      *outStream // in turn
	ssn       wire.SSN   // of the next ordered message
	head      *outMessage
	tail      *outMessage
	queued    int // bytes not given a TSN
	threshold int // of EventBufferedAmountLow
	pending   int // messages not acknowledged, sent or not
	reset     resetState
	asked     bool // the peer asked for the reset, and its request is not sent yet
	used      bool // a message was sent since the last reset
}

// outMessage is a message on its way out.
type outMessage struct {
	next      *outMessage
	stream    *outStream
	payload   []byte
	ppid      uint32
	ssn       wire.SSN
	unordered bool
	limited   bool // retransmissions are
	maxRtx    uint16
	expires   time.Time // zero: never
	sent      int       // bytes given a TSN
	chunks    int       // in the ring of sent chunks
	abandoned bool
}

// expired reports whether the lifetime of the message is over. Its last moment
// counts: with a lifetime of 0 it may still be sent at once.
func (m *outMessage) expired(now time.Time) bool {
	return !m.expires.IsZero() && now.After(m.expires)
}

// maxFreeMessages bounds the messages kept for reuse.
const maxFreeMessages = 256

func (o *outbound) init(limit int) { *o = outbound{limit: limit} }

// restart drops all messages and begins all streams anew. What the application
// waits for, room and low thresholds, it has now.
func (o *outbound) restart() {
	old := *o
	o.init(old.limit)
	o.refused = old.refused
	for id, s := range old.streams.all() {
		if s.threshold > 0 {
			o.stream(id).threshold = s.threshold
		}
		if s.queued > s.threshold {
			o.low = append(o.low, id)
		}
	}
}

func (o *outbound) stream(id uint16) *outStream {
	s := o.streams.get(id)
	if s == nil {
		s = &outStream{id: id}
		o.streams.put(id, s)
	}
	return s
}

// messageCost is the least number of bytes that a message takes of the send buffer,
// so that many small ones are bounded like few large ones.
const messageCost = 128

// hasRoom reports whether a message of n bytes may be accepted: one larger than
// the buffer may when the buffer is empty.
func (o *outbound) hasRoom(n int) bool {
	return o.buffered == 0 || max(o.buffered+n, messageCost*(o.messages+1)) <= o.limit
}

// push queues a message.
func (o *outbound) push(now time.Time, m *Message) {
	msg := o.free
	if msg == nil {
		msg = new(outMessage)
	} else {
		o.free = msg.next
		o.frees--
	}
	s := o.stream(m.Stream)
	*msg = outMessage{stream: s, payload: m.Payload, ppid: m.PPID, unordered: m.Unordered}
	if r := &m.Reliability; r.LimitRetransmits {
		msg.limited, msg.maxRtx = true, r.MaxRetransmits
	} else if r.LimitLifetime || r.Lifetime > 0 {
		msg.expires = now.Add(r.Lifetime)
	}
	n := len(m.Payload)
	o.buffered += n
	o.messages++
	o.queued++
	s.queued += n
	s.pending++
	s.used = true
	if s.tail != nil {
		s.tail.next = msg
	} else {
		s.head = msg
		o.enqueue(s)
	}
	s.tail = msg
}

func (o *outbound) enqueue(s *outStream) {
	if o.last == nil {
		o.first = s
	} else {
		o.last.next = s
	}
	o.last = s
}

// current returns the message whose turn it is, nil if there is none.
func (o *outbound) current() *outMessage {
	if o.first == nil {
		return nil
	}
	return o.first.head
}

// advance records that the next n bytes of the current message got a TSN. A
// message is numbered when its first fragment goes out.
func (o *outbound) advance(m *outMessage, n int) {
	s := m.stream
	m.sent += n
	m.chunks++
	o.dequeued(s, n)
	if m.sent == len(m.payload) {
		o.next()
	}
}

// number begins the current message: it gives it its stream sequence number.
func (o *outbound) number(m *outMessage) {
	o.begun++
	if !m.unordered {
		m.ssn = m.stream.ssn
		m.stream.ssn = m.stream.ssn.Next()
	}
}

// restarted begins the sequence numbers of a stream anew (RFC 6525, section 5.2.7).
func (s *outStream) restarted() {
	s.ssn, s.used = 0, s.pending > 0
}

// next takes the current message out of its queue and passes the turn on.
func (o *outbound) next() {
	s := o.first
	m := s.head
	s.head, m.next = m.next, nil
	o.queued--
	if m.sent > 0 {
		o.begun--
	}
	if s.head == nil {
		s.tail = nil
	}
	if o.first, s.next = s.next, nil; o.first == nil {
		o.last = nil
	}
	if s.head != nil {
		o.enqueue(s)
	}
}

// dequeued records that n bytes of the stream wait no longer.
func (o *outbound) dequeued(s *outStream, n int) {
	if s.queued > s.threshold && s.queued-n <= s.threshold {
		o.low = append(o.low, s.id)
	}
	s.queued -= n
}

// drop gives up what is not sent of the current message.
func (o *outbound) drop(m *outMessage) {
	o.dequeued(m.stream, len(m.payload)-m.sent)
	o.next()
}

// abandon gives up a message whether queued or sent; what it holds of the send
// buffer, given what of it was acknowledged already, is free.
func (o *outbound) abandon(m *outMessage, acked int) {
	if m == o.current() {
		o.drop(m)
	}
	o.buffered -= len(m.payload) - acked
	m.abandoned = true
	m.payload = nil
	if m.chunks == 0 {
		o.recycle(m)
	}
}

// recycle keeps a message for reuse that neither a queue nor a chunk refers to.
func (o *outbound) recycle(m *outMessage) {
	if s := m.stream; s.pending == 1 && s.reset == resetWanted {
		o.drained = append(o.drained, s.id)
	}
	m.stream.pending--
	*m = outMessage{}
	o.messages--
	if o.frees < maxFreeMessages {
		m.next, o.free = o.free, m
		o.frees++
	}
}

// acked frees the part of the send buffer that the peer acknowledged.
func (o *outbound) acked(bytes int, done *outMessage) {
	o.buffered -= bytes
	for done != nil {
		next := done.next
		o.recycle(done)
		done = next
	}
}

// writable reports, once, that what was refused for want of room has room.
func (o *outbound) writable() bool {
	if o.refused == 0 || !o.hasRoom(o.refused) {
		return false
	}
	o.refused = 0
	return true
}
