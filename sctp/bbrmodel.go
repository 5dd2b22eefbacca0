package sctp

import (
	"math/bits"
	"time"
)

// bbrModel is what BBR believes about the path.
type bbrModel struct {
	sample     rateSample // the last one
	sampleRate int64      // its rate; 0 if it has none
	delivered  int64      // in all

	round          int64 // round trips so far
	nextRound      int64 // the next begins when a chunk sent after so much was delivered is acknowledged
	roundStart     bool  // with this SACK
	recoveryRounds int   // begun since the recovery did

	bw       int64    // what to send at: maxBW, or less after losses
	bwFilter [2]int64 // most in this cycle of probing and in the last
	bwShort  int64    // bw_shortterm

	rtt      time.Duration // the last
	minRTT   time.Duration
	minRTTAt instant

	inflightLong, inflightShort int64 // inflight_longterm and _shortterm

	fullBW        int64 // bandwidth that a round trip has to exceed by a quarter
	fullBWCount   int   // round trips that did not
	fullBWNow     bool
	fullBWReached bool // at any time

	bwLatest       int64 // most in this round of losses
	inflightLatest int64

	limitedTo int64 // samples of what was sent before so much was delivered, in ProbeRTT, are low

	extraAckedFrom      instant
	extraAckedDelivered int64
	extraAckedFilter    [2]int64
	extraAckedRound     int64 // when the filter moved on
}

// take takes the sample of a SACK and sees whether a round trip is over.
func (c *bbr) take(ack *ackEvent) {
	c.sample, c.sampleRate = *ack.rate, 0
	c.delivered = c.sample.total
	if ack.rtt > 0 {
		c.rtt = ack.rtt
	}
	c.sample.limited = c.sample.limited || c.sample.prior < c.limitedTo
	// An interval shorter than a round trip belongs to a chunk that was sent more than once.
	if i := c.sample.interval; i > 0 && (c.minRTT == bbrInfinity || i >= c.minRTT) {
		c.sampleRate = min(ratio(c.sample.delivered, int64(time.Second), int64(i)), maxRate)
	}
	if c.roundStart = c.sample.prior >= c.nextRound; c.roundStart {
		c.startRound()
		c.round++
		c.roundsSinceProbe++
		c.recoveryRounds++
		c.windowUsedBy, c.windowUsed = c.windowUsed, false
	}
}

func (c *bbr) startRound() { c.nextRound = c.delivered }

// windowLimited reports whether the window was fully used in this round or the last.
func (c *bbr) windowLimited() bool { return c.windowUsed || c.windowUsedBy }

func (c *bbr) maxBW() int64 { return max(c.bwFilter[0], c.bwFilter[1]) }

// advanceFilter forgets the bandwidth of the last cycle but one.
func (c *bbr) advanceFilter() {
	if c.bwFilter[0] > 0 {
		c.bwFilter = [2]int64{0, c.bwFilter[0]}
	}
}

// latestSignals is UpdateLatestDeliverySignals of the draft.
func (c *bbr) latestSignals() {
	c.bwLatest = max(c.bwLatest, c.sampleRate)
	c.inflightLatest = max(c.inflightLatest, c.sample.delivered)
	if c.lossRoundStart = c.sample.prior >= c.lossRound; c.lossRoundStart {
		c.lossRound = c.delivered
	}
}

func (c *bbr) resetShortTerm() {
	c.bwShort, c.inflightShort, c.trial.on = bbrInfinity, bbrInfinity, false
}

// accelerating reports whether the state looks for more bandwidth.
func (c *bbr) accelerating() bool {
	return c.state == bbrStartup || c.state == bbrRefill || c.state == bbrUp
}

// ackAggregation measures how much more is acknowledged at once than the bandwidth
// explains.
func (c *bbr) ackAggregation(now instant, acked int) {
	expected := volume(c.bw, now.Sub(c.extraAckedFrom))
	if c.extraAckedDelivered <= expected {
		c.extraAckedDelivered, c.extraAckedFrom, expected = 0, now, 0
	}
	c.extraAckedDelivered += int64(acked)
	extra := min(c.extraAckedDelivered-expected, int64(c.cwnd))
	rounds := int64(1)
	if c.fullBWReached {
		rounds = bbrExtraAckedRounds / 2 // there are two slots
	}
	if c.round >= c.extraAckedRound+rounds {
		c.extraAckedRound = c.round
		c.extraAckedFilter = [2]int64{0, c.extraAckedFilter[0]}
	}
	c.extraAckedFilter[0] = max(c.extraAckedFilter[0], extra)
}

func (c *bbr) extraAcked() int64 { return max(c.extraAckedFilter[0], c.extraAckedFilter[1]) }

// checkFullBW sees whether the bandwidth stopped growing.
func (c *bbr) checkFullBW() {
	if c.fullBWNow || !c.roundStart || c.sample.limited {
		return
	}
	if c.sampleRate >= c.fullBW*125/100 {
		c.resetFullBW()
		c.fullBW = c.sampleRate
		return
	}
	c.fullBWCount++
	if c.fullBWNow = c.fullBWCount >= 3; c.fullBWNow {
		c.fullBWReached = true
	}
}

func (c *bbr) resetFullBW() { c.fullBW, c.fullBWCount, c.fullBWNow = 0, 0, false }

// lost takes a chunk that was found lost (HandleLostPacket of the draft).
func (c *bbr) lost(now instant, l rateLoss) {
	if !c.saved { // one recovery is taken back as a whole
		c.saveState()
	}
	if l.prior >= c.steadySince {
		c.note(l)
	}
	if !c.probeSample || !c.tooManyLost(l.lost, int64(l.inFlight)) {
		return
	}
	// With how much in flight did losses pass the threshold?
	before, lostBefore := int64(l.inFlight-l.size), l.lost-int64(l.size)
	most := min(c.mayLose(int64(l.inFlight))*1000/max(int64(l.inFlight), 1), 999) // per mille
	c.sample.inFlight = int(before + max(0, (before*most-lostBefore*1000)/(1000-most)))
	c.sample.limited = l.limited
	c.tooHigh(now)
}

// bdp returns the estimated product of bandwidth and delay.
func (c *bbr) bdp() int64 { return c.bdpMultiple(c.bw, 100) }

func (c *bbr) bdpMultiple(bw, gain int64) int64 {
	if c.minRTT == bbrInfinity {
		return int64(c.initial)
	}
	return volume(bw, c.minRTT) * gain / 100
}

// quantize raises a limit so that sending and acknowledging in bursts does not
// leave the path empty.
func (c *bbr) quantize(limit int64) int64 {
	limit = max(limit, int64(c.quantum), c.minPipe())
	if c.state == bbrUp {
		limit += 2 * int64(c.pmdcs)
	}
	return limit
}

func (c *bbr) inflight(bw, gain int64) int64 { return c.quantize(c.bdpMultiple(bw, gain)) }

// targetInflight is the estimated BDP, unless losses left less.
func (c *bbr) targetInflight() int64 { return min(c.bdp(), int64(c.cwnd)) }

// withHeadroom leaves others some room below what is known to be too much.
func (c *bbr) withHeadroom() int64 {
	if c.inflightLong == bbrInfinity {
		return bbrInfinity
	}
	headroom := max(int64(c.pmdcs), c.inflightLong*bbrHeadroom/100)
	return max(c.inflightLong-headroom, c.minPipe())
}

// volume returns how many bytes a rate delivers in a time.
func volume(rate int64, d time.Duration) int64 {
	return ratio(rate, int64(max(d, 0)), int64(time.Second))
}

// ratio returns a*b/c, all not negative, bounded by maxVolume.
func ratio(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return maxVolume
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, maxVolume))
}

// maxVolume bounds products of rate and time, in bytes.
const maxVolume = 1 << 50
