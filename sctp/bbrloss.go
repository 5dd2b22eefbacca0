package sctp

import (
	"math/bits"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// bbrLoss is what BBR makes of losses: how many there are in a round trip, and how
// many of them the path loses by itself, whatever is sent.
type bbrLoss struct {
	lossInRound    bool
	lossBytes      int64    // lost since the first loss of this round
	lossSince      int64    // what had been delivered then
	lossRanges     int      // lost in this round
	lossNext       wire.TSN // TSN that would go on with the last of them
	lossRound      int64    // the round of losses is over when so much was delivered before a chunk was sent
	lossRoundStart bool

	steadySince int64 // what had been delivered when this state of ProbeBW, or Drain, or a trial began
	steadyFrom  int64 // and when the first chunk sent in it was acknowledged; 0: none was
	steadyLost  int64 // of what was sent in it

	trial                bbrTrial
	floorLost, floorSent int64 // in the last trials: what is lost at any rate
}

// bbrTrial finds out whether losses are a matter of what is sent. For a round trip or more that
// is a fifth less than the path delivered. What overflowed before does no longer, and
// what is still lost the path loses by itself, unless others fill the queue. Of that the
// longest round trip tells: that of a few packets, or the shortest, may by chance be
// one without a queue, and who takes for the path's what others make overflow starves them.
type bbrTrial struct {
	on                   bool
	lost, sent           int64         // what called for it
	began                int64         // the round
	rtt                  time.Duration // longest in it
	bw, inflight         int64         // bounds of the short term, if it is congestion
	priorBW, priorFlight int64         // and if not: those of before
}

const (
	bbrTrialRate   = 80   // per cent of what the path delivers
	bbrTrialSent   = 100  // packets that a trial takes,
	bbrTrialRounds = 8    // or so many round trips
	bbrFloorMost   = 150  // per mille: more is not put down to the path
	bbrFloorSent   = 1000 // packets of trials that are remembered
)

// congestionSignals takes the bandwidth of the sample, and at the end of a round
// trip with losses lowers the bounds of the short term. The draft does so after any
// loss; at one per cent that would take half of the rate until the next probe. Here
// it takes as many losses as a probe must not have, which a queue that overflows
// has, and in Cruise a trial; beside a queue, which others may share, what the path loses by
// itself counts, too, or who knows of it would leave no room to who does not yet. And only what was sent in the state counts: others send
// at another rate, and what they deliver is not what the path could.
func (c *bbr) congestionSignals(rtt time.Duration) {
	if c.sampleRate > 0 && (c.sampleRate >= c.maxBW() || !c.sample.limited) {
		c.bwFilter[0] = max(c.bwFilter[0], c.sampleRate)
	}
	c.watchTrial(rtt)
	if !c.lossRoundStart {
		return
	}
	sent := c.delivered - c.lossSince + c.lossBytes
	many := c.tooManyLost(c.lossBytes, sent) || c.queued() && c.lossBytes > sent*bbrLossThresh/100
	if c.lossInRound && !c.accelerating() && !c.trial.on && many {
		c.heed(sent)
	}
	c.lossInRound = false
}

// heed lowers the bounds of the short term, in Cruise after a trial, unless what is
// sent is the application's matter.
func (c *bbr) heed(sent int64) {
	bw := max(c.bwLatest, min(c.bwShort, c.maxBW())*bbrBeta/100)
	inflight := max(c.inflightLatest, min(c.inflightShort, int64(c.cwnd))*bbrBeta/100)
	if c.state != bbrCruise || c.sample.limited || c.bwLatest == 0 {
		c.bwShort, c.inflightShort = bw, inflight
		return
	}
	c.trial = bbrTrial{
		on: true, lost: c.lossBytes, sent: sent, began: c.round,
		bw: bw, inflight: inflight, priorBW: c.bwShort, priorFlight: c.inflightShort,
	}
	c.bwShort = min(bw, c.bwLatest*bbrTrialRate/100)
	c.steady()
}

// watchTrial ends a trial when enough of what was sent in it is acknowledged, a round trip at
// least.
func (c *bbr) watchTrial(rtt time.Duration) {
	t := &c.trial
	if c.steadyFrom == 0 {
		if c.sample.prior >= c.steadySince {
			c.steadyFrom = max(c.delivered, 1)
		}
		return
	}
	if !t.on {
		return
	}
	t.rtt = max(t.rtt, rtt)
	sent := c.steadySent()
	if c.sample.prior < c.steadyFrom || sent < bbrTrialSent*int64(c.pmdcs) && c.round < t.began+bbrTrialRounds {
		return
	}
	if t.rtt <= c.minRTT+c.minRTT/16 { // else it is a queue's to lose
		c.explain(c.steadyLost, sent)
	}
	if c.bwShort, c.inflightShort = t.priorBW, t.priorFlight; c.tooManyLost(t.lost, t.sent) {
		c.bwShort, c.inflightShort = t.bw, t.inflight
	}
	t.on = false
	c.steady()
}

// calm forgets losses that the path has no more: Cruise is over, and less was lost.
func (c *bbr) calm() {
	if c.state != bbrCruise || c.steadyFrom == 0 {
		return
	}
	sent := c.steadySent()
	if own := c.ownLoss(sent); c.steadyLost+c.deviation(own) < own {
		c.explain(c.steadyLost, sent)
	}
}

// explain takes how much the path lost by itself. Older losses count less.
func (c *bbr) explain(lost, sent int64) {
	c.floorLost += lost
	c.floorSent += sent
	for c.floorSent > bbrFloorSent*int64(c.pmdcs) {
		c.floorLost /= 2
		c.floorSent /= 2
	}
}

// steady begins to watch for losses in a state that sends at another rate.
func (c *bbr) steady() {
	c.steadySince, c.steadyFrom, c.steadyLost = c.delivered, 0, 0
	c.lossInRound, c.bwLatest, c.inflightLatest = false, 0, 0
}

// steadySent returns how much was sent in a steady state and acknowledged or lost.
func (c *bbr) steadySent() int64 { return c.delivered - c.steadyFrom + c.steadyLost }

// note counts a loss in its round, which begins with the first.
func (c *bbr) note(l rateLoss) {
	if !c.lossInRound {
		c.lossInRound = true
		c.lossRound, c.lossSince = c.delivered, c.delivered
		c.lossRanges, c.lossBytes = 0, 0
	}
	c.lossBytes += int64(l.size)
	c.steadyLost += int64(l.size)
	if l.tsn != c.lossNext || c.lossRanges == 0 {
		c.lossRanges++
	}
	c.lossNext = l.tsn.Add(1)
}

// tooManyLost reports whether losses say that too much was sent.
func (c *bbr) tooManyLost(lost, sent int64) bool { return lost > c.mayLose(sent) }

// mayLose returns how much of what was sent may be lost without saying that it was too
// much: what the path loses by itself, with twice the standard deviation of that, and
// two per cent. Without a queue, by the round-trip time, it is four: what overflows
// then is a queue too short to see, and a probe loses far more in it, while a path
// that loses a per cent by itself now and then loses two.
func (c *bbr) mayLose(sent int64) int64 {
	own, more := c.ownLoss(sent), sent*bbrLossThresh/100
	if !c.queued() {
		more *= 2
	}
	return own + 2*c.deviation(own) + more
}

// queued reports whether the last round trip shows a queue.
func (c *bbr) queued() bool { return c.rtt > c.minRTT+c.minRTT/8 }

// ownLoss returns how much of what was sent the path loses by itself.
func (c *bbr) ownLoss(sent int64) int64 {
	if c.floorSent == 0 {
		return 0
	}
	return sent * min(c.floorLost*1000/c.floorSent, bbrFloorMost) / 1000
}

// deviation returns the standard deviation of losses at random: in packets the root of
// their number.
func (c *bbr) deviation(lost int64) int64 { return root(lost * int64(c.pmdcs)) }

// root returns the square root, rounded down.
func root(n int64) int64 {
	if n <= 0 {
		return 0
	}
	r := int64(1) << ((bits.Len64(uint64(n)) + 1) / 2)
	for next := (r + n/r) / 2; next < r; next = (r + n/r) / 2 {
		r = next
	}
	return r
}
