package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// bbr is version 3 of BBR (draft-ietf-ccwg-bbr): it keeps a model of the path, how
// much it delivers at most and how short its round trip is, and sends at that rate
// with little more outstanding than the product of both. Losses matter when they
// are more than a few per cent. The names are the draft's. Rates are bytes per
// second, gains per cent, and infinity is the largest value.
//
// The file bbrmodel.go has the model, bbrprobe.go the states that look for more
// bandwidth and for a shorter round trip, bbrloss.go what losses mean.
type bbr struct {
	state     bbrState
	pmdcs     int
	initial   int // window
	cwnd      int
	priorCwnd int   // last known good
	rate      int64 // of pacing; 0: no round trip was measured
	quantum   int   // bytes sent at once

	pacingGain, cwndGain int64

	bbrModel
	bbrProbe
	bbrLoss
	rng splitmix

	idleRestart  bool
	recovering   bool     // from a loss, until everything sent before it is acknowledged
	recoveryEnd  wire.TSN // the last of that
	drainRound   int64    // round count when Drain began
	windowUsed   bool     // the window was fully used in this round
	windowUsedBy bool     // or in the last

	saved               bool // the following, since this recovery began
	undoState           bbrState
	undoBW              int64 // bw_shortterm
	undoShort, undoLong int64 // inflight_shortterm, inflight_longterm
}

type bbrState uint8

const (
	bbrNone bbrState = iota // of undoState
	bbrStartup
	bbrDrain
	bbrDown // ProbeBW_DOWN and so on
	bbrCruise
	bbrRefill
	bbrUp
	bbrProbeRTT
)

// The parameters of the draft.
const (
	bbrStartupPacing = 277
	bbrDrainPacing   = 50
	bbrDownPacing    = 90
	bbrUpPacing      = 125
	bbrUpCwnd        = 225
	bbrDefaultCwnd   = 200
	bbrProbeRTTCwnd  = 50
	bbrMargin        = 99 // of bw, to keep queues short
	bbrLossThresh    = 2  // per cent in a round trip
	bbrBeta          = 70
	bbrHeadroom      = 15

	bbrFullLossRanges = 6 // ranges lost in a round trip that end Startup

	bbrProbeRTTInterval = 5 * time.Second
	bbrProbeRTTDuration = 200 * time.Millisecond
	bbrExtraAckedRounds = 10

	bbrInfinity = 1 << 62
)

func (c *bbr) init(window, pmdcs int) {
	*c = bbr{pmdcs: pmdcs, initial: window, cwnd: window, rng: c.rng, quantum: 2 * pmdcs}
	c.minRTT, c.probeRTTMinDelay = bbrInfinity, bbrInfinity
	c.inflightLong = bbrInfinity
	c.probeUpPerInc = bbrInfinity
	c.resetShortTerm()
	c.startup()
}

func (c *bbr) resize(pmdcs int) { c.pmdcs = pmdcs }

// startup looks for the bandwidth by doubling the rate in each round trip.
func (c *bbr) startup() {
	c.state, c.pacingGain, c.cwndGain = bbrStartup, bbrStartupPacing, bbrDefaultCwnd
}

func (c *bbr) sending(now instant, flight int, _ time.Duration) {
	c.begin(now)
	if flight+c.pmdcs >= c.cwnd {
		c.windowUsed = true
	}
	if flight > 0 || c.recovering || c.delivered == 0 {
		return
	}
	// After a pause the path has no queue (section "Restarting From Idle").
	c.idleRestart = true
	c.extraAckedFrom = now
	switch {
	case c.probingBW():
		c.setRate(100)
	case c.state == bbrProbeRTT:
		c.endProbeRTT(now)
	}
}

// begin starts the clocks.
func (c *bbr) begin(now instant) {
	if c.minRTTAt.IsZero() {
		c.minRTTAt, c.probeRTTMinAt, c.extraAckedFrom = now, now, now
	}
}

func (c *bbr) acked(now instant, ack ackEvent) {
	c.begin(now)
	if ack.rate.valid {
		c.updateModel(now, &ack)
	}
	if c.recovering && c.recoveryEnd.AtOrBefore(ack.cum) {
		c.recovering, c.saved = false, false
		c.cwnd = max(c.cwnd, c.priorCwnd)
	}
	c.setControl(&ack)
}

// updateModel is UpdateModelAndState of the draft.
func (c *bbr) updateModel(now instant, ack *ackEvent) {
	c.take(ack)
	c.latestSignals()
	c.congestionSignals(ack.rtt)
	c.ackAggregation(now, ack.bytes)
	c.checkFullBW()
	c.checkStartup()
	c.checkDrain(now, ack.flight)
	c.updateCycle(now, ack)
	c.updateMinRTT(now, ack.rtt)
	c.checkProbeRTT(now, ack)
	if c.lossRoundStart {
		c.bwLatest, c.inflightLatest = c.sampleRate, c.sample.delivered
	}
	c.bw = min(c.maxBW(), c.bwShort)
}

// checkStartup ends Startup when the pipe is full.
func (c *bbr) checkStartup() {
	if c.state != bbrStartup {
		return
	}
	// Many losses in a round trip of recovery say so, too, unless the bandwidth is seen to grow.
	plateau := c.fullBWCount > 0 || c.sample.limited
	if c.lossRoundStart && plateau && c.recoveryRounds > 1 && c.lossRanges >= bbrFullLossRanges && c.tooManyLost(c.sample.lost, int64(c.sample.inFlight)) {
		c.undoState = bbrStartup
		c.fullBWReached = true
		c.inflightLong = max(c.bdp(), c.inflightLatest)
	}
	if c.fullBWReached {
		c.state, c.pacingGain, c.cwndGain = bbrDrain, bbrDrainPacing, bbrDefaultCwnd
		c.drainRound = c.round
		c.steady()
	}
}

// checkDrain ends Drain when the queue that Startup made is gone.
func (c *bbr) checkDrain(now instant, flight int) {
	if c.state == bbrDrain && (int64(flight) <= c.inflight(c.bw, 100) || c.round > c.drainRound+3) {
		c.cwndGain = bbrDefaultCwnd
		c.probeDown(now)
	}
}

// setControl sets pacing rate and window for what the model says.
func (c *bbr) setControl(ack *ackEvent) {
	switch {
	case ack.srtt <= 0:
	case c.rate == 0: // the first round trip that was measured
		c.rate = min(int64(c.initial)*int64(time.Second)/int64(ack.srtt)*bbrStartupPacing/100, maxRate)
	default:
		c.setRate(c.pacingGain)
	}
	c.quantum = sendQuantum(c.rate, c.pmdcs)
	c.setWindow(ack.bytes)
}

// setRate sets the pacing rate; until the pipe was full once it only rises.
func (c *bbr) setRate(gain int64) {
	rate := c.bw * gain / 100 * bbrMargin / 100
	if rate > 0 && (c.fullBWReached || rate > c.rate) {
		c.rate = min(rate, maxRate)
	}
}

// setWindow is SetCwnd of the draft.
func (c *bbr) setWindow(acked int) {
	limit := c.quantize(c.bdpMultiple(c.bw, c.cwndGain) + c.extraAcked())
	cwnd := int64(c.cwnd)
	if c.fullBWReached {
		cwnd = min(cwnd+int64(acked), limit)
	} else if cwnd < limit || c.delivered < int64(c.initial) {
		cwnd += int64(acked)
	}
	cwnd = max(cwnd, c.minPipe())
	if c.state == bbrProbeRTT {
		cwnd = min(cwnd, c.probeRTTWindow())
	}
	// Bounds from recent losses, section "Bounding cwnd Based on Recent Congestion".
	bound := int64(bbrInfinity)
	switch c.state {
	case bbrDown, bbrRefill, bbrUp:
		bound = c.inflightLong
	case bbrProbeRTT, bbrCruise:
		bound = c.withHeadroom()
	}
	bound = max(min(bound, c.inflightShort), c.minPipe())
	c.cwnd = int(min(cwnd, bound, maxWindow))
}

// minPipe is the least window that keeps the peer acknowledging in time.
func (c *bbr) minPipe() int64 { return 4 * int64(c.pmdcs) }

func (c *bbr) congested(_ instant, loss lossEvent) { c.recover(loss) }

func (c *bbr) timedOut(_ instant, loss lossEvent) {
	if !c.saved {
		c.saveState()
	}
	c.recover(loss)
	c.cwnd = c.pmdcs
}

// recover begins a recovery: its losses have their effect one by one, in lost.
func (c *bbr) recover(loss lossEvent) {
	c.saveWindow()
	if !c.recovering {
		c.recoveryRounds = 0
	}
	c.recovering, c.recoveryEnd = true, loss.next.Add(-1)
}

func (c *bbr) saveWindow() {
	if c.recovering || c.state == bbrProbeRTT {
		c.priorCwnd = max(c.priorCwnd, c.cwnd)
	} else {
		c.priorCwnd = c.cwnd
	}
}

// saveState remembers what undo goes back to.
func (c *bbr) saveState() {
	c.saved = true
	c.saveWindow()
	c.undoState, c.undoBW = bbrNone, c.bwShort
	c.undoShort, c.undoLong = c.inflightShort, c.inflightLong
}

// undo is HandleSpuriousLossDetection of the draft.
func (c *bbr) undo(now instant) {
	c.cwnd = max(c.cwnd, c.priorCwnd)
	c.recovering, c.saved, c.lossInRound, c.trial.on = false, false, false, false
	c.resetFullBW()
	c.bwShort = max(c.bwShort, c.undoBW)
	c.inflightShort = max(c.inflightShort, c.undoShort)
	c.inflightLong = max(c.inflightLong, c.undoLong)
	switch {
	case c.undoState == bbrStartup && c.state != bbrStartup:
		c.fullBWReached = false
		if c.state != bbrProbeRTT {
			c.startup()
		}
	case c.undoState == bbrUp && c.state != bbrUp && c.state != bbrProbeRTT:
		c.refill()
	}
	c.undoState = bbrNone
}

func (c *bbr) drained() {}

func (c *bbr) window() int { return c.cwnd }

// ssthresh says that there is none.
func (c *bbr) ssthresh() int { return ssthreshInitial }

func (c *bbr) proportional() bool { return false }

func (c *bbr) pacing() int64 { return c.rate }

func (c *bbr) measures() bool { return true }

// splitmix is a small generator of random numbers, for what an attacker may guess.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
