package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// outbound holds the messages that were not sent yet, per stream, and asks the
// scheduler whose turn it is. Without interleaving a message that was begun is finished
// first, because fragments in DATA chunks have consecutive TSNs (RFC 8260, section 1.1).
type outbound struct {
	limit       int // send buffer, bytes
	scheduler   Scheduler
	interleaved bool
	buffered    int // bytes accepted and neither acknowledged nor abandoned
	messages    int // accepted, and held for that or for what follows
	refused     int // least size refused since the last EventWritable; 0: none
	streams     streamTable[outStream]
	turns       turnQueue
	begun       *outStream // the message that must be finished is its head
	serving     *outStream // of RoundRobinPacket: has sent in this packet
	free        *outMessage
	frees       int
	low         []uint16 // streams whose queue fell to their threshold
	queued      int      // messages not sent completely
	arrivals    uint64   // messages accepted, ever
}

// outStream is an outgoing stream that has been used.
type outStream struct {
	standing
	id        uint16
	priority  uint16
	ordered   wire.MID // of the next ordered message
	unordered wire.MID // of the next unordered one, with interleaving
	head      *outMessage
	tail      *outMessage
	queued    int // bytes not given a TSN
	threshold int // of EventBufferedAmountLow
	reset     resetState
}

// outMessage is a message on its way out.
type outMessage struct {
	next      *outMessage
	stream    *outStream
	payload   []byte
	ppid      uint32
	mid       wire.MID // its low half is the SSN
	fsn       wire.FSN // of the next chunk
	unordered bool
	limited   bool // retransmissions are
	maxRtx    uint16
	expires   time.Time // zero: never
	arrival   uint64    // its number among all that were accepted
	sent      int       // bytes given a TSN
	acked     int       // bytes cumulatively acknowledged
	abandoned bool

	// Its chunks in the ring of sent chunks, of which each knows the next.
	chunks      int
	first, last wire.TSN
}

// expired reports whether the lifetime of the message is over. Its last moment
// counts: with a lifetime of 0 it may still be sent at once.
func (m *outMessage) expired(now time.Time) bool {
	return !m.expires.IsZero() && now.After(m.expires)
}

// maxFreeMessages bounds the messages kept for reuse.
const maxFreeMessages = 256

func (o *outbound) init(limit int, scheduler Scheduler) {
	*o = outbound{limit: limit, scheduler: scheduler, turns: turnQueue{order: scheduler.scheduler()}}
}

// restart drops all messages and begins all streams anew. What the application
// waits for, room and low thresholds, it has now.
func (o *outbound) restart() {
	old := *o
	o.init(old.limit, old.scheduler)
	o.refused = old.refused
	for id, s := range old.streams.all() {
		o.prioritize(id, s.priority)
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
		s = &outStream{id: id, priority: DefaultPriority}
		o.streams.put(id, s)
	}
	return s
}

// prioritize sets the priority of a stream.
func (o *outbound) prioritize(id, priority uint16) {
	if o.streams.get(id) == nil && priority == DefaultPriority {
		return
	}
	s := o.stream(id)
	s.priority = priority
	if s.index > 0 {
		o.turns.rerank(s)
	}
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
	o.arrivals++
	*msg = outMessage{stream: s, payload: m.Payload, ppid: m.PPID, unordered: m.Unordered, arrival: o.arrivals}
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
	if s.tail != nil {
		s.tail.next, s.tail = msg, msg
	} else {
		s.head, s.tail = msg, msg
		o.turns.add(s)
	}
}

// current returns the message whose turn it is, nil if there is none.
func (o *outbound) current() *outMessage {
	s := o.begun
	if s == nil {
		s = o.turns.first()
	}
	if s == nil {
		return nil
	}
	return s.head
}

// packet says that a new packet is begun.
func (o *outbound) packet() {
	if s := o.serving; s != nil && o.begun == nil {
		o.serving = nil
		o.turns.pass(s)
	}
}

// bundles reports whether a chunk of the stream may go into the packet as it is.
func (o *outbound) bundles(p *builder, s *outStream) bool {
	return p.data == 0 || o.scheduler != RoundRobinPacket || p.stream == s.id
}

// advance records that the next n bytes of the current message got a TSN. A
// message is numbered when its first fragment goes out.
func (o *outbound) advance(m *outMessage, n int) {
	s := m.stream
	m.sent += n
	m.fsn = m.fsn.Next()
	o.dequeued(s, n)
	done := m.sent == len(m.payload)
	if done {
		o.pop(s)
	}
	switch {
	case o.interleaved:
		o.turn(s, n)
	case done:
		o.turn(s, m.sent)
	default:
		o.begun = s
	}
}

// number gives a message its number in its stream.
func (o *outbound) number(m *outMessage) {
	switch s := m.stream; {
	case !m.unordered:
		m.mid = s.ordered
		s.ordered = s.ordered.Next()
	case o.interleaved: // 8260-2.1-b
		m.mid = s.unordered
		s.unordered = s.unordered.Next()
	}
}

// restarted begins the numbers of a stream anew (RFC 6525, section 5.2.7).
func (s *outStream) restarted() { s.ordered, s.unordered = 0, 0 } // 8260-2.3.2-a

// pop takes the first message out of the queue of a stream.
func (o *outbound) pop(s *outStream) {
	m := s.head
	s.head, m.next = m.next, nil
	o.queued--
	if s.head == nil {
		s.tail = nil
	}
}

// turn ends the turn of a stream, in which it has sent n bytes. By packets it lasts
// until the next one.
func (o *outbound) turn(s *outStream, n int) {
	o.begun = nil
	if o.scheduler == RoundRobinPacket && n > 0 && s.head != nil {
		o.serving = s
		return
	}
	if o.serving == s {
		o.serving = nil
	}
	o.turns.served(s, n)
}

// dequeued records that n bytes of the stream wait no longer.
func (o *outbound) dequeued(s *outStream, n int) {
	if s.queued > s.threshold && s.queued-n <= s.threshold {
		o.low = append(o.low, s.id)
	}
	s.queued -= n
}

// abandon gives up a message whether queued or sent; what it holds of the send
// buffer is free.
func (o *outbound) abandon(m *outMessage) {
	if s := m.stream; m == s.head {
		o.dequeued(s, len(m.payload)-m.sent)
		o.pop(s)
		if o.interleaved {
			o.turn(s, 0) // what it sent was charged for
		} else {
			o.turn(s, m.sent)
		}
	}
	o.buffered -= len(m.payload) - m.acked
	m.abandoned = true
	m.payload = nil
	if m.chunks == 0 {
		o.recycle(m)
	}
}

// recycle keeps a message for reuse that neither a queue nor a chunk refers to.
func (o *outbound) recycle(m *outMessage) {
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
