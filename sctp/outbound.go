package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// outbound holds the messages that were not sent yet, per stream, and asks the
// scheduler whose turn it is. Without interleaving a message that was begun is finished
// first, because fragments in DATA chunks have consecutive TSNs (RFC 8260, section 1.1).
type outbound struct {
	midways     [2]*outMessage // the first and the last of those of which a part was sent, by when they were begun
	drained     []uint16       // streams to reset on which now everything is acknowledged
	low         []uint16       // streams whose queue fell to their threshold, mostly in few
	few         [4]uint16
	midway      int32    // of those queued: of which a part was sent
	parted      int32    // messages in parts of which the last part was not sent
	queued      int      // messages not sent completely
	refused     int      // least size refused since the last EventWritable; 0: none
	limited     *limited // nil: no message may be given up
	scheduler   Scheduler
	interleaved bool        // by chunks, not by messages
	frugal      bool        // it bounds the memory in use
	isAllLow    bool        // waiting fell to allLow
	begun       *outStream  // the message that must be finished is its head
	serving     *outStream  // of RoundRobinPacket: has sent in this packet
	lasting     *outStream  // with interleaving: its turn is not over; nil: none
	until       instant     // and lasts until then
	limit       int         // send buffer, bytes
	buffered    int         // bytes accepted and neither acknowledged nor abandoned
	held        int         // bytes of messages of which they are a part
	messages    int         // accepted, and held for that or for what follows
	waiting     int         // bytes not given a TSN
	allLow      int         // threshold of waiting, bytes; -1: none
	arrivals    uint64      // messages accepted, ever
	told        uint32      // EventWritable, ever
	large       *outMessage // the one, if any, that is larger than the buffer; parts that go before it count in full
	pool        *pools
	turns       turnQueue
	streams     streamTable[outStream]
}

// outStream is an outgoing stream that has been used.
type outStream struct {
	standing
	id        uint16
	priority  uint16
	ordered   wire.MID // of the next ordered message
	unordered wire.MID // of the next unordered one, with interleaving
	reset     resetState
	asked     bool // the peer asked for the reset, and its request is not sent yet
	used      bool // a message was sent since the last reset
	head      *outMessage
	tail      *outMessage
	open      *parts          // of the message that was begun and has not ended; nil: none
	queued    int             // bytes not given a TSN
	threshold int             // of EventBufferedAmountLow
	pending   int             // messages not acknowledged, sent or not
	abandoned *AbandonedStats // nil: none
}

// outMessage is a message on its way out.
type outMessage struct {
	next      *outMessage
	prev      *outMessage // in the queue of its stream
	stream    *outStream
	payload   []byte
	ppid      uint32
	mid       wire.MID // its low half is the SSN
	fsn       wire.FSN // of the next chunk
	unordered bool
	immediate bool // the peer is asked not to delay its SACK
	policy    policy
	abandoned bool // given up: nothing of it is sent any more, and its payload is gone
	displaced bool // all was sent, and what is lost of it stays so, if anything can be: its payload is gone
	midway    bool // a part of it was sent; it is in outbound.midways
	sent      int  // bytes given a TSN
	uncharged int  // of them, those sent in the current turn of the stream
	acked     int  // bytes cumulatively acknowledged

	// Its chunks in the ring of sent chunks, of which each knows the next.
	chunks      int
	first, last wire.TSN

	id       uint64   // Message.ID
	arrival  uint64   // its number among all that were accepted
	copy     *segment // which holds the payload, if it had to be copied
	expires  instant  // with policyLifetime; else zero: never
	priority uint32   // with policyPriority; 0 is the most important
	maxRtx   uint16   // with policyRetransmits
	place    int32    // in a messageHeap, from 1
	parts    *parts   // nil: it is a whole message
	ends     bool     // it is the last part

	earlier, later *outMessage // in outbound.midways
}

// over reports whether nothing of the message waits to be sent for the first time.
func (m *outMessage) over() bool {
	return m.abandoned || m.displaced || m.sent == len(m.payload)
}

// held reports whether the send buffer holds what is not acknowledged of the message.
func (m *outMessage) held() bool { return !m.abandoned && !m.displaced }

// unworthy reports whether chunk c of the message is not to be sent again.
func (m *outMessage) unworthy(now instant, c *sentChunk) bool {
	return m.policy == policyRetransmits && c.rtx >= m.maxRtx || m.expired(now) || !m.held()
}

// expired reports whether the lifetime of the message is over. Its last moment
// counts: with a lifetime of 0 it may still be sent at once.
func (m *outMessage) expired(now instant) bool {
	return !m.expires.IsZero() && now.After(m.expires)
}

func (o *outbound) init(limit int, scheduler Scheduler, frugal bool, pool *pools) {
	*o = outbound{limit: limit, scheduler: scheduler, frugal: frugal, pool: pool, allLow: -1}
	o.low = o.few[:0]
	o.turns.init(scheduler)
}

// clear drops all messages and streams.
func (o *outbound) clear() {
	o.pool.forgetSent(o.messages)
	*o = outbound{}
}

// close drops all messages. How much waited on each stream is still known.
func (o *outbound) close() {
	type queue struct {
		id    uint16
		bytes int
	}
	var queues []queue
	for id, s := range o.streams.all() {
		if s.queued > 0 {
			queues = append(queues, queue{id, s.queued})
		}
	}
	o.clear()
	for _, q := range queues {
		o.stream(q.id).queued = q.bytes
	}
}

// queuedOn returns the bytes of a stream that have no TSN.
func (o *outbound) queuedOn(stream uint16) int {
	if s := o.streams.get(stream); s != nil {
		return s.queued
	}
	return 0
}

// restart drops all messages and begins all streams anew. What the application
// waits for, room and low thresholds, it has now.
func (o *outbound) restart() {
	var streams []outStream
	for _, s := range o.streams.all() {
		streams = append(streams, *s)
	}
	limit, scheduler, frugal, pool := o.limit, o.scheduler, o.frugal, o.pool
	refused, allLow, waiting := o.refused, o.allLow, o.waiting
	o.clear()
	o.init(limit, scheduler, frugal, pool)
	o.refused, o.allLow = refused, allLow
	o.isAllLow = allLow >= 0 && waiting > allLow
	for i := range streams {
		s := &streams[i]
		o.prioritize(s.id, s.priority)
		if s.threshold > 0 || s.abandoned != nil {
			o.stream(s.id).threshold, o.stream(s.id).abandoned = s.threshold, s.abandoned
		}
		if s.queued > s.threshold {
			o.low = append(o.low, s.id)
		}
	}
}

func (o *outbound) stream(id uint16) *outStream {
	if s := o.streams.get(id); s != nil {
		return s
	}
	s := o.streams.add(id)
	s.id, s.priority = id, DefaultPriority
	return s
}

// prioritize sets the priority of a stream.
func (o *outbound) prioritize(id, priority uint16) {
	if o.streams.get(id) == nil && priority == DefaultPriority {
		return
	}
	o.turns.prioritize(o.stream(id), priority)
}

// messageCost is the least number of bytes that a message takes of the send buffer,
// so that many small ones are bounded like few large ones; frugalMessage is what one takes
// of memory, with its chunk and a short payload.
const (
	messageCost   = 128
	frugalMessage = 384
)

// cost returns the one that applies.
func (o *outbound) cost() int {
	if o.frugal {
		return frugalMessage
	}
	return messageCost
}

// charge returns what a message of n bytes takes of the buffer: one that is larger does
// not take more than half, so that it keeps no others out.
func (o *outbound) charge(n int) int {
	if n > o.limit {
		return o.limit / 2
	}
	return n
}

// used returns how much of the buffer is taken.
func (o *outbound) used() int {
	used := o.buffered
	if o.frugal {
		used = o.held
	}
	if m := o.large; m != nil {
		left := len(m.payload)
		if !o.frugal {
			left -= m.acked
		}
		used -= max(0, left-o.limit/2)
	}
	return used
}

// hasRoom reports whether a message of n bytes may be accepted. There is one at a time
// that is larger than the buffer.
func (o *outbound) hasRoom(n int) bool {
	none := o.buffered == 0
	if o.frugal {
		none = o.messages == 0
	}
	// Not as a sum, which may pass what 32 bits hold.
	return none || o.charge(n) <= o.limit-o.used() && o.cost()*(o.messages+1) <= o.limit && !o.excludes(n)
}

// excludes reports whether a message of n bytes must wait for a large one, not for room.
func (o *outbound) excludes(n int) bool { return n > o.limit && o.large != nil }

// refuse takes note of a message of n bytes that has to wait for EventWritable.
func (o *outbound) refuse(n int) {
	if o.refused == 0 || n < o.refused {
		o.refused = n
	}
}

// starved reports whether nothing waits to be sent and something to be accepted, in a
// buffer so small that it may all be in one packet, whose SACK would be delayed.
func (o *outbound) starved() bool { return o.frugal && o.refused != 0 && o.queued == 0 }

// push queues a message of a stream, with a copy of its payload if that is foreign.
func (o *outbound) push(now instant, s *outStream, m *Message, foreign bool) *outMessage {
	msg := o.pool.toSend()
	o.arrivals++
	*msg = outMessage{} // and then field by field: copies of structs of this size are slow
	msg.stream, msg.id, msg.payload, msg.ppid, msg.arrival = s, m.ID, m.Payload, m.PPID, o.arrivals
	msg.unordered, msg.immediate = m.Unordered, m.Immediate
	if foreign {
		msg.copy = o.pool.segment(m.Payload)
		msg.payload = msg.copy.buf
	}
	if msg.policy, _ = m.Reliability.policy(); msg.policy != policyNone {
		o.limitMessage(now, msg, &m.Reliability)
	}
	n := len(m.Payload)
	if n > o.limit && o.large == nil {
		o.large = msg
	}
	o.buffered += n
	o.held += n
	o.messages++
	o.queued++
	o.waiting += n
	s.queued += n
	s.pending++
	s.used = true
	if s.tail != nil {
		s.tail.next, msg.prev, s.tail = msg, s.tail, msg
	} else {
		s.head, s.tail = msg, msg
		o.turns.add(s)
	}
	return msg
}

// current returns the message whose turn it is, nil if there is none, or the next part of
// the one that was begun is not there yet; with finish, of those that were begun.
func (o *outbound) current(finish bool) *outMessage {
	s := o.begun
	switch {
	case s != nil:
	case finish:
		return o.midways[0]
	default:
		s = o.turns.first()
	}
	if s == nil {
		return nil
	}
	return s.head
}

// turnTime is how long a turn of several chunks lasts: what goes within such a time is on its
// way at once, wherever it is slow enough for somebody to wait.
const turnTime = 100 * time.Microsecond

// packet says that a new packet is begun.
func (o *outbound) packet(now instant) {
	if o.lasting != nil || o.serving != nil {
		o.nextPacket(now)
	}
}

func (o *outbound) nextPacket(now instant) {
	if o.lasting != nil && now.After(o.until) {
		o.pause()
	}
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
func (o *outbound) advance(now instant, m *outMessage, n int) {
	s := m.stream
	if m.sent == 0 && m.policy == policyPriority {
		o.limited.begin(m)
	}
	m.sent += n
	m.fsn = m.fsn.Next()
	m.uncharged += n
	o.dequeued(s, n)
	if m.sent == len(m.payload) {
		o.remove(m)
		if m.parts != nil {
			o.sentPart(m)
		}
		return
	}
	if !m.midway {
		o.begin(m)
	}
	if !o.interleaved {
		o.begun = s
		return
	}
	if o.lasting != s {
		o.pause()
		o.lasting, o.until = s, now.Add(turnTime)
	}
	if !o.turns.lasts(s, m.uncharged) {
		o.pause()
	}
}

// pause ends the turn that lasts, within a message.
func (o *outbound) pause() {
	if s := o.lasting; s != nil {
		n := s.head.uncharged
		s.head.uncharged = 0
		o.turn(s, n)
	}
}

// number gives a message its number in its stream; false if it is a part that goes on with
// a message that has one.
func (o *outbound) number(m *outMessage) bool {
	if p := m.parts; p != nil && p.begun {
		m.mid, m.fsn = p.mid, p.fsn
		return false
	}
	switch s := m.stream; {
	case !m.unordered:
		m.mid = s.ordered
		s.ordered = s.ordered.Next()
	case o.interleaved: // 8260-2.1-b
		m.mid = s.unordered
		s.unordered = s.unordered.Next()
	}
	if p := m.parts; p != nil {
		p.begun, p.mid = true, m.mid
	}
	return true
}

// begin and end keep account of the messages of which a part was sent.
func (o *outbound) begin(m *outMessage) {
	o.midway++
	m.midway = true
	if m.earlier = o.midways[1]; m.earlier != nil {
		m.earlier.later = m
	} else {
		o.midways[0] = m
	}
	o.midways[1] = m
}

func (o *outbound) end(m *outMessage) {
	o.midway--
	m.midway = false
	if m.earlier != nil {
		m.earlier.later = m.later
	} else {
		o.midways[0] = m.later
	}
	if m.later != nil {
		m.later.earlier = m.earlier
	} else {
		o.midways[1] = m.earlier
	}
	m.earlier, m.later = nil, nil
}

// restarted begins the numbers of a stream anew (RFC 6525, section 5.2.7).
func (s *outStream) restarted() { // 8260-2.3.2-a
	s.ordered, s.unordered, s.used = 0, 0, s.pending > 0
}

// remove takes a message out of the queue of its stream, whose turn ends if it was
// the first.
func (o *outbound) remove(m *outMessage) {
	s, first := m.stream, m.prev == nil
	if first {
		s.head = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		s.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
	o.queued--
	if m.midway {
		o.end(m)
	}
	if m.policy == policyLifetime {
		o.limited.deadlines.remove(m)
	}
	if first {
		o.turn(s, m.uncharged)
	}
}

// turn ends the turn of a stream, in which it has sent n bytes. By packets it lasts
// until the next one.
func (o *outbound) turn(s *outStream, n int) {
	if o.begun == s {
		o.begun = nil
	}
	if o.lasting == s {
		o.lasting = nil
	}
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
	if o.waiting -= n; o.waiting <= o.allLow && o.waiting+n > o.allLow {
		o.isAllLow = true
	}
}

// abandon gives up a message whether queued or sent; what it holds of the send
// buffer is free.
func (o *outbound) abandon(m *outMessage) {
	if !m.displaced {
		o.release(m)
	}
	m.abandoned = true
	if m.chunks == 0 {
		o.recycle(m)
	}
}

// displace gives up sending a message again that was sent completely: what of it
// is lost will be abandoned then (TR4 of RFC 3758, section 4.1, applied to
// priorities). What it holds of the send buffer is free now.
func (o *outbound) displace(m *outMessage) {
	o.release(m)
	m.displaced = true
}

// release frees what a message holds of the send buffer, and its place in queue
// and heap.
func (o *outbound) release(m *outMessage) {
	if m.policy == policyPriority {
		o.limited.remove(m)
	}
	if !m.over() {
		o.dequeued(m.stream, len(m.payload)-m.sent)
		o.remove(m)
	}
	o.buffered -= len(m.payload) - m.acked
	o.drop(m)
	if o.large == m {
		o.large = nil
	}
}

// drop lets go of the payload of a message.
func (o *outbound) drop(m *outMessage) {
	o.held -= len(m.payload)
	if m.copy != nil {
		o.pool.freeSegment(m.copy)
	}
	m.payload, m.copy = nil, nil
}

// recycle keeps a message for reuse that neither a queue nor a chunk refers to.
func (o *outbound) recycle(m *outMessage) {
	if s := m.stream; s.pending == 1 && s.reset == resetWanted {
		o.drained = append(o.drained, s.id)
	}
	m.stream.pending--
	if m.place != 0 { // under the priority policy, and acknowledged
		o.limited.remove(m)
	}
	if o.large == m {
		o.large = nil
	}
	o.messages--
	o.drop(m)
	o.pool.freeSent(m)
}

// acked frees the part of the send buffer that the peer acknowledged: messages that are
// done, and those settled, of which it has everything for good.
func (o *outbound) acked(bytes int, done, settled *outMessage) {
	o.buffered -= bytes
	for settled != nil {
		next := settled.next
		settled.next = nil
		o.displace(settled)
		settled = next
	}
	for done != nil {
		next := done.next
		o.recycle(done)
		done = next
	}
}

// writable reports, once, that what was refused for want of room has room.
func (o *outbound) writable() bool {
	if !o.finishable() && (o.refused == 0 || !o.hasRoom(o.refused)) {
		return false
	}
	o.refused = 0 // who is refused again says so again
	o.told++
	return true
}
