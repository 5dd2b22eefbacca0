package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// LossDetection is how an association finds out that DATA was lost.
type LossDetection uint8

// The ways of loss detection.
const (
	// RACK is RACK-TLP (RFC 8985), on TSNs: a chunk is lost when one that was sent
	// later has arrived and the time for reordering is over, and what is overdue
	// with nothing sent later is probed: the tail of a flight, a retransmission
	// while the peer's window is full. Recovery is by proportional rate reduction (RFC 9937), if
	// the congestion controller leaves that open, and is taken back when duplicate
	// reports show that nothing was lost.
	RACK LossDetection = iota

	// MissIndications are those of RFC 9260, section 7.2.4: a chunk is lost when
	// three SACKs have acknowledged something above it.
	MissIndications
)

// rack detects losses on a path by time (RFC 8985). It has one timer, for
// reordering to settle or for a probe of the tail, whichever is due.
type rack struct {
	timer   timer
	waitFor rackWait
	tlp     tailProbe

	// The chunk delivered that was sent last, RACK.segment.
	packet uint64        // number of the packet it was in; 0: none was delivered
	sentAt instant       // when that was
	rtt    time.Duration // of the one delivered last

	minRTT    minRTT
	reoWnd    time.Duration // the reordering window
	reordered bool          // reordering was seen on the path

	// A SACK with many gap blocks may not report all; with silent, nothing is
	// known about TSNs above heard.
	silent bool
	heard  wire.TSN

	// The reordering window grows with each round that shows a spurious
	// retransmission, and shrinks after persistRecoveries without.
	mult     int16 // of a quarter of the least RTT, less 1
	persist  int8  // recoveries until mult is 0 again
	inRound  bool
	roundEnd wire.TSN // cumulative TSN that ends the round
}

// rackWait is what the timer waits for.
type rackWait uint8

const (
	waitReordering rackWait = iota // what is outstanding and older than what arrived is lost
	waitProbe                      // PTO: an acknowledgement is overdue
)

// persistRecoveries is how many recoveries a widened reordering window outlasts
// (RFC 8985, section 6.2, step 4).
const persistRecoveries = 16

// delivered takes what a SACK newly acknowledged (RFC 8985, section 6.2, steps 1
// to 3).
func (r *rack) delivered(now instant, f *ackFacts) {
	if f.delay > 0 {
		r.minRTT.sample(now, f.delay)
	}
	if f.packet > 0 {
		r.rtt = now.Sub(f.sentAt)
		if r.packet < f.packet {
			r.packet, r.sentAt = f.packet, f.sentAt
		}
	}
	r.reordered = r.reordered || f.reordered
}

// spurious widens the reordering window, once in a round trip, after a
// retransmission turned out to have been needless (RFC 8985, section 6.2, step 4). That
// shows reordering as well as an arrival out of order does: where each chunk that comes late was sent
// again by then there is no other sign of it.
func (r *rack) spurious(cum, next wire.TSN) {
	r.reordered = true
	if r.inRound && r.roundEnd.AtOrBefore(cum) {
		r.inRound = false
	}
	if !r.inRound {
		r.inRound, r.roundEnd = true, next
		r.mult, r.persist = min(r.mult+1, maxReoMult), persistRecoveries
	}
}

// maxReoMult bounds rack.mult where SRTT, the bound on the window itself, does not.
const maxReoMult = 1 << 10

// recovered takes note of the end of a recovery.
func (r *rack) recovered() {
	if r.persist--; r.persist <= 0 {
		r.persist, r.mult = 0, 0
	}
}

// window returns the reordering window: how much longer than the one delivered
// last a chunk may take. sacked is how many packets were delivered above the
// cumulative TSN, recovering whether a loss is being repaired.
func (r *rack) window(sacked int, recovering bool, srtt time.Duration) time.Duration {
	if !r.reordered && (recovering || sacked >= dupThresh) {
		return 0
	}
	return min(time.Duration(r.mult+1)*r.minRTT.least()/4, srtt)
}

// settles returns when reordering will have settled: then
// all that was sent before the chunk that was delivered is lost. The RFC would
// have us look for the newest of those outstanding; what it finds was sent
// at most a window earlier.
func (r *rack) settles() instant { return r.sentAt.Add(r.rtt + r.reoWnd) }

// renewal returns when a chunk counts as sent then, if the peer may have had no room to
// report it. That waits for a quarter of a round trip beyond the reordering window: a SACK for
// a retransmission speaks of no more than arrived before it, and what was sent just before
// that may be mentioned, or missed, in the next.
func (r *rack) renewal(c *sentChunk) instant {
	return c.sentAt.Add(r.rtt + r.reoWnd + r.minRTT.least()/4)
}

// await sets the timer, waits reports whether it runs for this.
func (r *rack) await(what rackWait, at instant) { r.waitFor, r.timer = what, timer{at: at} }
func (r *rack) waits(what rackWait) bool        { return r.timer.on() && r.waitFor == what }

// renumber forgets TSNs, which begin anew.
func (r *rack) renumber() {
	r.inRound, r.silent = false, false
	r.tlp.reset()
}

// lastBlock returns how far a SACK speaks.
func lastBlock(s *wire.Sack) wire.TSN {
	last := uint16(0)
	if n := s.Gaps(); n > 0 {
		last = s.Gap(n - 1).End
	}
	if n := s.NRGaps(); n > 0 {
		last = max(last, s.NRGap(n-1).End)
	}
	return s.CumTSN.Add(int(last))
}

// minRTT is the least round-trip time of the last minutes: of a running window and
// of the one before.
type minRTT struct {
	began       instant       // of the running window
	least1, old time.Duration // 0: no sample
}

// minRTTWindow is long enough for a sample without queueing, and short enough to
// find out about a longer path (RFC 8985, section 6.2, step 1).
const minRTTWindow = time.Minute

func (m *minRTT) sample(now instant, rtt time.Duration) {
	switch age := now.Sub(m.began); {
	case age >= 2*minRTTWindow, m.least1 == 0:
		*m = minRTT{now, rtt, 0}
	case age >= minRTTWindow:
		*m = minRTT{now, rtt, m.least1}
	default:
		m.least1 = min(m.least1, rtt)
	}
}

// least returns 0 if there was no sample.
func (m *minRTT) least() time.Duration {
	if m.old == 0 {
		return m.least1
	}
	return min(m.least1, m.old)
}

// markOvertaken marks as lost what is outstanding though a packet sent later was
// delivered, and wait has passed since it was sent (RFC 8985, section 6.2, step 5).
// What the peer had no room to report counts as sent now instead (renewal), some of it for
// each SACK: a peer must not have us look at everything time and again.
func (q *sentQueue) markOvertaken(now instant, r *rack, wait time.Duration, l *losses) {
	const maxRenewals = 64
	renewals := 0
	for q.outstanding > 0 && renewals < maxRenewals {
		t := q.order.oldest
		c := q.at(t)
		if c.packet >= r.packet || c.sentAt.Add(wait).After(now) {
			return
		}
		if r.silent && r.heard.Before(t) {
			if r.renewal(c).After(now) {
				return
			}
			q.renew(now, t, c)
			renewals++
			continue
		}
		l.add(c)
		q.markLost(t)
	}
}

// overtaken reports whether something outstanding was sent before the packet.
func (q *sentQueue) overtaken(packet uint64) bool {
	return q.outstanding > 0 && q.at(q.order.oldest).packet < packet
}

// markTimedOut marks as lost, after T3-rtx expired, the lowest chunk outstanding
// and what was sent at least wait ago (RFC 8985, section 6.3): unlike RFC 9260,
// section 6.3.3, nothing that may well be on its way.
func (q *sentQueue) markTimedOut(now instant, wait time.Duration) {
	q.unackFirst(now)
	for t := q.cum.Add(1); t != q.next; t = t.Add(1) {
		if s := q.at(t).state; s == chunkLost {
			break // it is repeated first
		} else if s == chunkOutstanding {
			q.markLost(t)
			break
		}
	}
	for q.outstanding > 0 {
		t := q.order.oldest
		if q.at(t).sentAt.Add(wait).After(now) {
			return
		}
		q.markLost(t)
	}
}

// renew makes an outstanding chunk count as sent now.
func (q *sentQueue) renew(now instant, t wire.TSN, c *sentChunk) {
	q.arrive(t, c)
	c.again = true
	q.depart(now, t, c)
}

// unmark takes back the marks of what is to be retransmitted; it counts as sent now.
func (q *sentQueue) unmark(now instant) {
	for q.lost > 0 {
		t, c := q.nextLost()
		q.lost--
		c.again, c.told = true, false
		q.depart(now, t, c)
	}
}

// losses is what loss detection found.
type losses struct {
	chunks int
	newest uint64 // number of the newest packet among them
}

func (l *losses) add(c *sentChunk) {
	l.chunks++
	l.newest = max(l.newest, c.packet)
}
