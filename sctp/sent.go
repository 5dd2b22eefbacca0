package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// sentQueue holds the DATA or I-DATA chunks that were sent and not cumulatively
// acknowledged, in a ring indexed by TSN. A TSN is assigned when its chunk is
// sent for the first time.
type sentQueue struct {
	cum           wire.TSN     // Cumulative TSN Ack Point
	next          wire.TSN     // to assign
	highestAcked  wire.TSN     // at least the Cumulative TSN Ack Point, RACK.fack
	lostFrom      wire.TSN     // no chunk before it is to be retransmitted
	lost          int          // number of chunks to retransmit
	flight        int          // bytes of outstanding chunks, headers and padding included
	rate          *rateSampler // nil: nobody needs one
	flightPayload int          // flight without headers and padding
	outstanding   int          // number of outstanding chunks
	*gapAcks                   // nil: there were none since the association rested last
	order         sentOrder

	// One chunk at a time is timed (RFC 9260, section 6.3.1, rules C4 and C5).
	timing  bool
	timed   wire.TSN
	timedAt instant

	use    ringUse
	ring   []sentChunk // length a power of 2; nil before anything is sent
	marked uint64      // chunks marked as lost, ever
}

// gapAcks is what gap blocks have acknowledged.
type gapAcks struct {
	acked   tsnSet // acknowledged by gap blocks
	settled tsnSet // for good (NR-SACK)
	nAcked  int    // TSNs in acked
	packets int    // that were acknowledged by gap blocks since there are any
	last    uint64 // the last of them
}

// fewSent is the length of the ring at first, leastRing when that is too short, in chunks.
const (
	fewSent   = 2
	leastRing = 16
)

// roomier returns the length of a ring for more than n chunks.
func roomier(n int) int {
	if n == 0 {
		return fewSent
	}
	return max(leastRing, 2*n)
}

// sentChunk is one chunk that was sent.
type sentChunk struct {
	msg    *outMessage
	off    int32    // of its payload in that of the message
	size   int32    // of its payload
	fsn    wire.FSN // its number in the message
	flags  wire.DataFlags
	header uint8 // bytes before the payload
	state  chunkState
	misses uint8   // miss indications (RFC 9260, section 7.2.4)
	fast   bool    // was fast retransmitted; only T3-rtx may do it again
	told   bool    // the Tracer knows that it is lost
	rtx    uint16  // times retransmitted
	again  bool    // sent, or taken as sent, more than once: an acknowledgement may mean either
	ahead  uint16  // TSNs to the next chunk of the message; 0: none yet
	sentAt instant // last
	packet uint64  // number of the packet that carried it last

	older, newer wire.TSN // neighbours in sentOrder while outstanding
}

type chunkState uint8

const (
	chunkOutstanding chunkState = iota
	chunkAcked                  // by a gap block; the peer may renege
	chunkSettled                // so too, for good: the send buffer is rid of it
	chunkLost                   // to be retransmitted
	chunkAbandoned              // final, as if acknowledged
)

// arrived reports whether the peer has acknowledged the chunk.
func (c *sentChunk) arrived() bool { return c.state == chunkAcked || c.state == chunkSettled }

// wireSize returns the bytes that the chunk takes in a packet.
func (c *sentChunk) wireSize() int { return (int(c.header) + int(c.size) + 3) &^ 3 }

func (q *sentQueue) init(initial wire.TSN) {
	*q = sentQueue{cum: initial.Add(-1), next: initial, lostFrom: initial, highestAcked: initial.Add(-1),
		rate: q.rate.anew()}
}

// renumber goes on with another TSN when nothing is outstanding (RFC 6525, section 5.2.7).
func (q *sentQueue) renumber(next wire.TSN) {
	q.cum, q.next, q.lostFrom, q.highestAcked = next.Add(-1), next, next, next.Add(-1)
	q.timing = false
}

func (q *sentQueue) at(t wire.TSN) *sentChunk { return &q.ring[int(t)&(len(q.ring)-1)] }

// span returns how many TSNs are not cumulatively acknowledged.
func (q *sentQueue) span() int { return q.next.Since(q.cum) - 1 }

// highest returns the last TSN assigned.
func (q *sentQueue) highest() wire.TSN { return q.next.Add(-1) }

// blank returns the place for the next chunk, which push takes when it is filled in.
func (q *sentQueue) blank() *sentChunk {
	if n := q.span(); n == len(q.ring) {
		ring := make([]sentChunk, roomier(n))
		for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
			ring[int(t)&(len(ring)-1)] = *q.at(t)
		}
		q.ring = ring
		q.rate.resize(len(ring), q.cum.Add(1), q.next)
	}
	c := q.at(q.next)
	*c = sentChunk{}
	return c
}

// push assigns the next TSN to the chunk, which is sent now unless it is abandoned, and
// links it to the one of its message before it: their TSNs need not be consecutive.
func (q *sentQueue) push(now instant, c *sentChunk) wire.TSN {
	t := q.next
	q.next = t.Add(1)
	q.use.holds(q.span())
	m := c.msg
	if m.chunks++; m.chunks == 1 {
		m.first = t
	} else {
		q.at(m.last).ahead = uint16(t.Since(m.last))
	}
	m.last = t
	if c.state == chunkOutstanding {
		q.depart(now, t, c)
		if q.rate != nil {
			q.rate.sent(t, c, q.flight)
		}
	}
	return t
}

// drained gives up a large ring when nothing is outstanding.
func (q *sentQueue) drained() {
	if q.use.emptied(len(q.ring)) {
		q.ring = nil
		q.rate.resize(0, q.next, q.next)
	}
}

// depart counts a chunk as outstanding, sent now; arrive as no longer so.
func (q *sentQueue) depart(now instant, t wire.TSN, c *sentChunk) {
	c.state = chunkOutstanding
	q.stamp(now, c)
	q.link(t, c)
	q.flight += c.wireSize()
	q.flightPayload += int(c.size)
	q.outstanding++
}

func (q *sentQueue) arrive(t wire.TSN, c *sentChunk) {
	if q.outstanding > 1 {
		q.unlink(t, c)
	}
	q.flight -= c.wireSize()
	q.flightPayload -= int(c.size)
	q.outstanding--
}

// time starts a round-trip measurement with the new chunk t unless one is running.
func (q *sentQueue) time(now instant, t wire.TSN) {
	if !q.timing {
		q.timing, q.timed, q.timedAt = true, t, now
	}
}

// markLost marks an outstanding chunk for retransmission, or abandons it, and what else
// there is of its message, if that was given up meanwhile.
func (q *sentQueue) markLost(t wire.TSN) {
	c := q.at(t)
	q.arrive(t, c)
	c.state = chunkLost
	q.rate.lose(t, c.wireSize())
	if q.lost == 0 || t.Before(q.lostFrom) {
		q.lostFrom = t
	}
	q.lost++
	q.marked++
	if c.msg.abandoned {
		q.abandon(c.msg)
	}
}

// markAllLost marks everything outstanding, after T3-rtx expired. It ends the
// bar on fast retransmitting a chunk again.
func (q *sentQueue) markAllLost(now instant) {
	q.unackFirst(now)
	for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
		c := q.at(t)
		c.misses, c.fast = 0, false
		if c.state == chunkOutstanding {
			q.markLost(t)
		}
	}
}

// unackFirst takes back the acknowledgement of the first chunk by a gap block: a
// peer that has it would have moved the cumulative TSN.
func (q *sentQueue) unackFirst(now instant) {
	if t := q.cum.Add(1); t != q.next && q.at(t).state == chunkAcked {
		q.unack(now, t)
	}
}

// nextLost returns the lowest chunk to retransmit; there is one if lost > 0.
func (q *sentQueue) nextLost() (wire.TSN, *sentChunk) {
	for {
		if c := q.at(q.lostFrom); c.state == chunkLost {
			return q.lostFrom, c
		}
		q.lostFrom = q.lostFrom.Add(1)
	}
}

// resent records the retransmission of the chunk that nextLost returned.
func (q *sentQueue) resent(now instant, t wire.TSN, c *sentChunk) {
	q.lost--
	c.misses, c.again, c.told = 0, true, false
	c.rtx++
	q.depart(now, t, c)
	q.rate.sent(t, c, q.flight)
	if q.timing && t.AtOrBefore(q.timed) { // Karn's algorithm, 9260-6.3.1-b
		q.timing = false
	}
}

// giveUp takes note that a message is given up. While some of it may yet arrive, and
// none is known to be lost, it stays outstanding: if it gets lost that is a sign of
// congestion as any other (RFC 3758, section 3.5, F5).
func (q *sentQueue) giveUp(m *outMessage) { // 3758-3.5-d
	outstanding, lost := false, false
	t := m.first
	for range m.chunks {
		c := q.at(t)
		outstanding = outstanding || c.state == chunkOutstanding
		lost = lost || c.state == chunkLost
		t = t.Add(int(c.ahead))
	}
	if lost || !outstanding {
		q.abandon(m)
	}
}

// abandon abandons all chunks of a message.
func (q *sentQueue) abandon(m *outMessage) { // 3758-3.5-a
	t := m.first
	for range m.chunks {
		c := q.at(t)
		switch c.state {
		case chunkOutstanding:
			q.arrive(t, c)
		case chunkLost:
			q.lost--
		}
		c.state = chunkAbandoned
		if q.timing && t == q.timed {
			q.timing = false
		}
		t = t.Add(int(c.ahead))
	}
}

// closeMessage gives a TSN that no packet carries to the unsent rest of an
// abandoned message, so that a FORWARD-TSN can tell the peer that it ends.
func (q *sentQueue) closeMessage(now instant, m *outMessage) {
	c := q.blank()
	c.msg, c.flags, c.state, c.off = m, wire.FlagEnd, chunkAbandoned, int32(m.sent)
	q.push(now, c)
}

// ackFacts is what a SACK told.
type ackFacts struct {
	bytes     int      // newly acknowledged, headers and padding included
	cumMoved  bool     // the Cumulative TSN Ack Point advanced
	newest    wire.TSN // highest TSN newly acknowledged, if any
	any       bool     // something was newly acknowledged
	reneged   bool
	rtt       time.Duration
	hasRTT    bool
	delay     time.Duration // of the chunk sent last that was acknowledged and sent once; 0 if there is none
	packet    uint64        // number of the packet sent last of which something was newly acknowledged; 0: none
	sentAt    instant       // when that was
	reordered bool          // something arrived after what was sent later, and not because it was sent again
	minRTT    time.Duration // given: the least of late; earlier it was not the retransmission that arrived
	freed     int           // bytes of payload that the send buffer no longer needs to hold
	done      *outMessage   // messages completely acknowledged, linked
	settled   *outMessage   // messages acknowledged for good, but not up to the cumulative TSN, linked
}

// valid reports whether the gap blocks of a SACK speak only of TSNs that were sent.
func (q *sentQueue) valid(s *wire.Sack) bool {
	for i := range s.Blocks() {
		g := s.Block(i)
		if g.Start == 0 || g.End < g.Start || q.highest().Before(s.CumTSN.Add(int(g.End))) {
			return false
		}
	}
	return true
}

// ackThrough acknowledges everything at or before cum, which is not before the
// Cumulative TSN Ack Point.
func (q *sentQueue) ackThrough(now instant, cum wire.TSN, f *ackFacts) {
	if cum == q.cum {
		return
	}
	for t := q.cum.Add(1); ; t = t.Add(1) {
		c := q.at(t)
		q.ackOne(now, t, c, f)
		m := c.msg
		if c.state != chunkAbandoned && c.state != chunkSettled {
			m.free(c, f)
		}
		m.first = t.Add(int(c.ahead))
		c.msg = nil
		if m.chunks--; m.chunks == 0 && m.over() {
			m.next, f.done = f.done, m
		}
		if t == cum {
			break
		}
	}
	q.cum = cum
	f.cumMoved = true
	if q.highestAcked.Before(cum) { // what was abandoned arrives in no order
		q.highestAcked = cum
	}
	if q.gapAcks != nil && len(q.acked.runs) > 0 {
		q.acked.dropThrough(cum)
		q.settled.dropThrough(cum)
		q.recount()
	}
	if q.lostFrom.AtOrBefore(cum) {
		q.lostFrom = cum.Add(1)
	}
}

// free takes note that the send buffer need not hold a chunk any more.
func (m *outMessage) free(c *sentChunk, f *ackFacts) {
	if m.held() {
		f.freed += int(c.size)
		m.acked += int(c.size)
	}
}

// recount brings nAcked up to date after runs were cut off.
func (q *sentQueue) recount() {
	q.nAcked = 0
	for _, r := range q.acked.runs {
		q.nAcked += r.last.Since(r.first) + 1
	}
}

// ackOne takes note of the first acknowledgement of chunk t.
func (q *sentQueue) ackOne(now instant, t wire.TSN, c *sentChunk, f *ackFacts) {
	switch c.state {
	case chunkOutstanding:
		q.arrive(t, c)
	case chunkLost:
		q.lost--
	default:
		return
	}
	f.bytes += c.wireSize()
	f.newest, f.any = t, true
	if q.rate != nil {
		q.rate.acked(now, t, c)
	}
	q.ackOrder(now.Sub(c.sentAt), t, c, f)
	if q.timing && t == q.timed {
		q.timing = false
		f.rtt, f.hasRTT = now.Sub(q.timedAt), true
	}
	c.state = chunkAcked
}

// ackOrder takes note of what the acknowledgement of chunk t, a time after it was
// sent, says about the order of arrival.
func (q *sentQueue) ackOrder(after time.Duration, t wire.TSN, c *sentChunk, f *ackFacts) {
	if !c.again { // Karn's algorithm
		if d := max(after, 1); f.delay == 0 || d < f.delay {
			f.delay = d
		}
		f.reordered = f.reordered || t.Before(q.highestAcked)
	}
	if q.highestAcked.Before(t) {
		q.highestAcked = t
	}
	if f.packet < c.packet && (!c.again || after >= f.minRTT) { // RFC 8985, section 6.2, step 2
		f.packet, f.sentAt = c.packet, c.sentAt
	}
}

// gapped reports whether something is kept of gap blocks that came before.
func (q *sentQueue) gapped() bool { return q.gapAcks != nil && (q.nAcked > 0 || q.packets > 0) }

// gapPackets returns how many packets were acknowledged by gap blocks, and gapRuns which TSNs.
func (q *sentQueue) gapPackets() int {
	if q.gapAcks == nil {
		return 0
	}
	return q.packets
}

func (q *sentQueue) gapRuns() []tsnRange {
	if q.gapAcks == nil {
		return nil
	}
	return q.acked.runs
}

// ackGaps takes the gap blocks of a valid SACK whose cumulative TSN is q.cum.
func (q *sentQueue) ackGaps(now instant, s *wire.Sack, f *ackFacts) {
	if q.gapAcks == nil {
		q.gapAcks = new(gapAcks)
	}
	reported, sorted, last, highest := 0, true, q.cum, q.cum
	for i := range s.Blocks() {
		if i == s.Gaps() {
			highest, last = last, q.cum
		}
		g := s.Block(i)
		first, end := q.cum.Add(int(g.Start)), q.cum.Add(int(g.End))
		sorted = sorted && last.Before(first)
		last = end
		reported += end.Since(first) + 1
		for t := first; t.AtOrBefore(end); t = t.Add(1) {
			if j := q.acked.search(t); j < len(q.acked.runs) && q.acked.runs[j].first.AtOrBefore(t) {
				t = q.acked.runs[j].last // known already
				continue
			}
			if q.acked.full(t) {
				return // as if not reported
			}
			q.acked.add(t)
			q.nAcked++
			high, had := f.newest, f.any
			c := q.at(t)
			q.ackOne(now, t, c, f)
			if c.packet != q.gapAcks.last {
				q.packets, q.gapAcks.last = q.packets+1, c.packet
			}
			if had && f.newest.Before(high) {
				f.newest = high
			}
		}
		if i >= s.Gaps() {
			q.settle(first, end, f)
		}
	}
	if highest.Before(last) {
		highest = last
	}
	if sorted && q.nAcked > reported {
		q.renege(now, s, highest, f)
	}
	if q.nAcked == 0 {
		q.packets, q.gapAcks.last = 0, 0
	}
}

// settle takes a block of chunks that the peer will not renege.
func (q *sentQueue) settle(first, end wire.TSN, f *ackFacts) {
	for t := first; t.AtOrBefore(end); t = t.Add(1) {
		if j := q.settled.search(t); j < len(q.settled.runs) && q.settled.runs[j].first.AtOrBefore(t) {
			t = q.settled.runs[j].last // known already
			continue
		}
		if q.settled.full(t) {
			return
		}
		q.settled.add(t)
		c := q.at(t)
		if c.state != chunkAcked {
			continue // abandoned
		}
		c.state = chunkSettled
		m := c.msg
		if m.free(c, f); m.held() && m.acked == len(m.payload) {
			m.next, f.settled = f.settled, m
		}
	}
}

// manyGapBlocks is how many blocks a peer may be unable to exceed in one SACK;
// with so many, silence about higher TSNs means nothing.
const manyGapBlocks = 16

// renege takes back the acknowledgement of chunks that a SACK no longer reports
// (RFC 9260, section 6.2.1).
func (q *sentQueue) renege(now instant, s *wire.Sack, last wire.TSN, f *ackFacts) {
	gap, nrGap := 0, 0
	for i := 0; i < len(q.acked.runs); {
		r := q.acked.runs[i]
		i++
		for t := r.first; t.AtOrBefore(r.last); t = t.Add(1) {
			if last.Before(t) && s.Blocks() >= manyGapBlocks {
				return
			}
			for gap < s.Gaps() && q.cum.Add(int(s.Gap(gap).End)).Before(t) {
				gap++
			}
			for nrGap < s.NRGaps() && q.cum.Add(int(s.NRGap(nrGap).End)).Before(t) {
				nrGap++
			}
			if gap < s.Gaps() && q.cum.Add(int(s.Gap(gap).Start)).AtOrBefore(t) ||
				nrGap < s.NRGaps() && q.cum.Add(int(s.NRGap(nrGap).Start)).AtOrBefore(t) || q.at(t).state == chunkSettled {
				continue
			}
			f.reneged = q.unack(now, t) || f.reneged
			i = q.acked.search(r.last.Add(1)) // what is left of the run is walked here
		}
	}
}

// unack takes back the acknowledgement of chunk t by a gap block, and reports
// whether it is outstanding again by that. It counts as sent now: if this SACK was
// overtaken by another one, that is known within a round trip.
func (q *sentQueue) unack(now instant, t wire.TSN) bool {
	q.acked.remove(t)
	q.nAcked--
	c := q.at(t)
	if c.state != chunkAcked {
		return false
	}
	c.misses, c.again = 1, true
	q.depart(now, t, c)
	return true
}

// dupThresh is how many miss indications mark a chunk as lost.
const dupThresh = 3

// miss counts a miss indication for every outstanding chunk before limit (RFC
// 9260, section 7.2.4) and reports whether one is lost now.
func (q *sentQueue) miss(limit wire.TSN) (lost bool) {
	from := q.cum.Add(1)
	for _, r := range q.gapRuns() {
		for t := from; t.Before(r.first); t = t.Add(1) {
			if !t.Before(limit) {
				return lost
			}
			c := q.at(t)
			if c.state != chunkOutstanding || c.fast {
				continue
			}
			if c.misses++; c.misses >= dupThresh {
				q.markLost(t)
				c.fast = true
				lost = true
			}
		}
		from = r.last.Add(1)
	}
	return lost
}
