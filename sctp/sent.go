package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// sentQueue holds the DATA or I-DATA chunks that were sent and not cumulatively
// acknowledged, in a ring indexed by TSN. A TSN is assigned when its chunk is
// sent for the first time.
type sentQueue struct {
	ring   []sentChunk // length a power of 2
	cum    wire.TSN    // Cumulative TSN Ack Point
	next   wire.TSN    // to assign
	header int         // bytes of a chunk before its payload
	acked  tsnSet      // acknowledged by gap blocks
	nAcked int         // TSNs in acked

	flight        int      // bytes of outstanding chunks, headers and padding included
	flightPayload int      // the same without headers and padding
	outstanding   int      // number of outstanding chunks
	lost          int      // number of chunks to retransmit
	lostFrom      wire.TSN // no chunk before it is to be retransmitted
	marked        uint64   // chunks marked as lost, ever

	began time.Time // the first chunk was sent

	// One chunk at a time is timed (RFC 9260, section 6.3.1, rules C4 and C5).
	timing  bool
	timed   wire.TSN
	timedAt time.Time
}

// sentChunk is one chunk that was sent.
type sentChunk struct {
	msg    *outMessage
	off    int32    // of its payload in that of the message
	size   int32    // of its payload
	fsn    wire.FSN // its number in the message
	flags  wire.DataFlags
	state  chunkState
	misses uint8         // miss indications (RFC 9260, section 7.2.4)
	fast   bool          // was fast retransmitted; only T3-rtx may do it again
	told   bool          // the Tracer knows that it is lost
	rtx    uint16        // times retransmitted
	ahead  uint16        // TSNs to the next chunk of the message; 0: none yet
	sentAt time.Duration // last, since the first chunk of all
}

type chunkState uint8

const (
	chunkOutstanding chunkState = iota
	chunkAcked                  // by a gap block; the peer may renege
	chunkLost                   // to be retransmitted
	chunkAbandoned              // final, as if acknowledged
)

// wireSize returns the bytes that a chunk takes in a packet.
func (q *sentQueue) wireSize(c *sentChunk) int { return (q.header + int(c.size) + 3) &^ 3 }

func (q *sentQueue) init(initial wire.TSN, interleaved bool) {
	*q = sentQueue{cum: initial.Add(-1), next: initial, lostFrom: initial, header: wire.DataHeaderLen}
	if interleaved {
		q.header = wire.IDataHeaderLen
	}
}

// clock returns the time since the first chunk was sent.
func (q *sentQueue) clock(now time.Time) time.Duration {
	if q.began.IsZero() {
		q.began = now
	}
	return now.Sub(q.began)
}

func (q *sentQueue) at(t wire.TSN) *sentChunk { return &q.ring[int(t)&(len(q.ring)-1)] }

// span returns how many TSNs are not cumulatively acknowledged.
func (q *sentQueue) span() int { return q.next.Since(q.cum) - 1 }

// highest returns the last TSN assigned.
func (q *sentQueue) highest() wire.TSN { return q.next.Add(-1) }

// push assigns the next TSN to a chunk, and links it to the one of its message before
// it: their TSNs need not be consecutive.
func (q *sentQueue) push(c sentChunk) wire.TSN {
	if n := q.span(); n == len(q.ring) {
		ring := make([]sentChunk, max(16, 2*n))
		for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
			ring[int(t)&(len(ring)-1)] = *q.at(t)
		}
		q.ring = ring
	}
	t := q.next
	*q.at(t) = c
	q.next = t.Add(1)
	m := c.msg
	if m.chunks++; m.chunks == 1 {
		m.first = t
	} else {
		q.at(m.last).ahead = uint16(t.Since(m.last))
	}
	m.last = t
	if c.state == chunkOutstanding {
		q.depart(&c)
	}
	return t
}

// depart counts a chunk as outstanding, arrive as no longer so.
func (q *sentQueue) depart(c *sentChunk) {
	q.flight += q.wireSize(c)
	q.flightPayload += int(c.size)
	q.outstanding++
}

func (q *sentQueue) arrive(c *sentChunk) {
	q.flight -= q.wireSize(c)
	q.flightPayload -= int(c.size)
	q.outstanding--
}

// time starts a round-trip measurement with the new chunk t unless one is running.
func (q *sentQueue) time(now time.Time, t wire.TSN) {
	if !q.timing {
		q.timing, q.timed, q.timedAt = true, t, now
	}
}

// markLost marks an outstanding chunk for retransmission.
func (q *sentQueue) markLost(t wire.TSN) {
	c := q.at(t)
	q.arrive(c)
	c.state = chunkLost
	if q.lost == 0 || t.Before(q.lostFrom) {
		q.lostFrom = t
	}
	q.lost++
	q.marked++
}

// markAllLost marks everything outstanding, after T3-rtx expired. It ends the
// bar on fast retransmitting a chunk again.
func (q *sentQueue) markAllLost() {
	// A peer that has the first one would have moved the cumulative TSN.
	if t := q.cum.Add(1); t != q.next && q.at(t).state == chunkAcked {
		q.unack(t)
	}
	for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
		c := q.at(t)
		c.misses, c.fast = 0, false
		if c.state == chunkOutstanding {
			q.markLost(t)
		}
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
func (q *sentQueue) resent(now time.Time, t wire.TSN, c *sentChunk) {
	q.lost--
	c.state, c.told = chunkOutstanding, false
	c.misses = 0
	c.rtx++
	c.sentAt = q.clock(now)
	q.depart(c)
	if q.timing && t.AtOrBefore(q.timed) { // Karn's algorithm, 9260-6.3.1-b
		q.timing = false
	}
}

// abandon gives up all chunks of a message.
func (q *sentQueue) abandon(m *outMessage) {
	t := m.first
	for range m.chunks {
		c := q.at(t)
		switch c.state {
		case chunkOutstanding:
			q.arrive(c)
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
func (q *sentQueue) closeMessage(m *outMessage) {
	q.push(sentChunk{msg: m, flags: wire.FlagEnd, state: chunkAbandoned, off: int32(m.sent)})
}

// ackFacts is what a SACK told.
type ackFacts struct {
	bytes    int      // newly acknowledged, headers and padding included
	cumMoved bool     // the Cumulative TSN Ack Point advanced
	newest   wire.TSN // highest TSN newly acknowledged, if any
	any      bool     // something was newly acknowledged
	reneged  bool
	rtt      time.Duration
	hasRTT   bool
	delay    time.Duration // of the chunk sent last that was acknowledged and sent once; 0 if there is none
	freed    int           // bytes of payload that the send buffer no longer needs to hold
	done     *outMessage   // messages completely acknowledged, linked
}

// valid reports whether a SACK speaks only of TSNs that were sent.
func (q *sentQueue) valid(cum wire.TSN, s *wire.Sack) bool {
	if q.highest().Before(cum) {
		return false
	}
	for i := range s.Gaps() {
		g := s.Gap(i)
		if g.Start == 0 || g.End < g.Start || q.highest().Before(cum.Add(int(g.End))) {
			return false
		}
	}
	return true
}

// ackThrough acknowledges everything at or before cum, which is not before the
// Cumulative TSN Ack Point.
func (q *sentQueue) ackThrough(now time.Time, cum wire.TSN, f *ackFacts) {
	if cum == q.cum {
		return
	}
	for t := q.cum.Add(1); ; t = t.Add(1) {
		c := q.at(t)
		q.ackOne(now, t, c, f)
		m := c.msg
		if c.state != chunkAbandoned && !m.displaced {
			f.freed += int(c.size)
			m.acked += int(c.size)
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
	if len(q.acked.runs) > 0 {
		q.acked.dropThrough(cum)
		q.recount()
	}
	if q.lostFrom.AtOrBefore(cum) {
		q.lostFrom = cum.Add(1)
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
func (q *sentQueue) ackOne(now time.Time, t wire.TSN, c *sentChunk, f *ackFacts) {
	switch c.state {
	case chunkOutstanding:
		q.arrive(c)
	case chunkLost:
		q.lost--
	default:
		return
	}
	f.bytes += q.wireSize(c)
	f.newest, f.any = t, true
	if c.rtx == 0 { // Karn's algorithm
		if d := max(q.clock(now)-c.sentAt, 1); f.delay == 0 || d < f.delay {
			f.delay = d
		}
	}
	if q.timing && t == q.timed {
		q.timing = false
		f.rtt, f.hasRTT = now.Sub(q.timedAt), true
	}
	c.state = chunkAcked
}

// ackGaps takes the gap blocks of a valid SACK whose cumulative TSN is q.cum.
func (q *sentQueue) ackGaps(now time.Time, s *wire.Sack, f *ackFacts) {
	reported, sorted, last := 0, true, q.cum
	for i := range s.Gaps() {
		g := s.Gap(i)
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
			q.ackOne(now, t, q.at(t), f)
			if had && f.newest.Before(high) {
				f.newest = high
			}
		}
	}
	if sorted && q.nAcked > reported {
		q.renege(s, last, f)
	}
}

// manyGapBlocks is how many blocks a peer may be unable to exceed in one SACK;
// with so many, silence about higher TSNs means nothing.
const manyGapBlocks = 16

// renege takes back the acknowledgement of chunks that a SACK no longer reports
// (RFC 9260, section 6.2.1).
func (q *sentQueue) renege(s *wire.Sack, last wire.TSN, f *ackFacts) {
	block := 0
	for i := 0; i < len(q.acked.runs); {
		r := q.acked.runs[i]
		i++
		for t := r.first; t.AtOrBefore(r.last); t = t.Add(1) {
			if last.Before(t) && s.Gaps() >= manyGapBlocks {
				return
			}
			for block < s.Gaps() && q.cum.Add(int(s.Gap(block).End)).Before(t) {
				block++
			}
			if block < s.Gaps() && q.cum.Add(int(s.Gap(block).Start)).AtOrBefore(t) {
				continue
			}
			f.reneged = q.unack(t) || f.reneged
			i = q.acked.search(t)
		}
	}
}

// unack takes back the acknowledgement of chunk t by a gap block, and reports
// whether it is outstanding again by that.
func (q *sentQueue) unack(t wire.TSN) bool {
	q.acked.remove(t)
	q.nAcked--
	c := q.at(t)
	if c.state != chunkAcked {
		return false
	}
	c.state, c.misses = chunkOutstanding, 1
	q.depart(c)
	return true
}

// dupThresh is how many miss indications mark a chunk as lost.
const dupThresh = 3

// miss counts a miss indication for every outstanding chunk before limit (RFC
// 9260, section 7.2.4) and reports whether one is lost now.
func (q *sentQueue) miss(limit wire.TSN) (lost bool) {
	from := q.cum.Add(1)
	for _, r := range q.acked.runs {
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
