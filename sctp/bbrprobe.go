package sctp

import "time"

// bbrProbe is what BBR needs to look for more bandwidth and for a shorter round trip.
type bbrProbe struct {
	acks             bbrAcks
	probeSample      bool // losses now tell about data sent to look for bandwidth
	probeUpAcked     int64
	probeUpPerInc    int64 // acknowledged for each PMDCS that inflightLong grows by
	probeUpRounds    int   // that it grew
	roundsSinceProbe int64
	probeWait        time.Duration // until the next probe
	cycleAt          instant       // when the cycle began

	prevTooHigh       bool // the last probe lost too much
	prevPrecautionary bool // the last probe ended where the one before had lost too much

	probeRTTMinDelay time.Duration // least round trip since probeRTTMinAt
	probeRTTMinAt    instant
	probeRTTExpired  bool
	probeRTTDone     instant // end of ProbeRTT; zero: too much is in flight yet
	probeRTTRound    bool    // it has lasted a round trip
}

// bbrAcks is what SACKs tell with regard to probing.
type bbrAcks uint8

const (
	bbrAcksInit      bbrAcks = iota // no probe
	bbrAcksRefilling                // the path is being filled
	bbrAcksStarting                 // more is being sent than the model says
	bbrAcksFeedback                 // and acknowledged
	bbrAcksStopping                 // no more is sent, but still acknowledged
)

// probingBW reports whether the state is one of ProbeBW.
func (c *bbr) probingBW() bool { return bbrDown <= c.state && c.state <= bbrUp }

// probeDown drains what the probe queued.
func (c *bbr) probeDown(now instant) {
	c.steady()
	c.probeUpPerInc = bbrInfinity
	c.roundsSinceProbe = int64(c.rng.next() & 1)
	c.probeWait = 2*time.Second + time.Duration(c.rng.next()%1000)*time.Millisecond
	c.cycleAt = now
	c.acks = bbrAcksStopping
	c.startRound()
	c.state, c.pacingGain = bbrDown, bbrDownPacing
}

func (c *bbr) cruise() {
	c.steady()
	c.state, c.pacingGain = bbrCruise, 100
}

// refill fills the path before probing it.
func (c *bbr) refill() {
	c.calm()
	c.resetShortTerm()
	c.probeUpRounds, c.probeUpAcked = 0, 0
	c.prevPrecautionary = false
	c.acks = bbrAcksRefilling
	c.startRound()
	c.state, c.pacingGain, c.cwndGain = bbrRefill, 100, bbrDefaultCwnd
}

// probeUp sends more than the model says.
func (c *bbr) probeUp() {
	c.acks = bbrAcksStarting
	c.startRound()
	c.resetFullBW()
	c.fullBW = c.sampleRate
	c.state, c.pacingGain, c.cwndGain = bbrUp, bbrUpPacing, bbrUpCwnd
	c.raiseSlope()
}

// updateCycle is UpdateProbeBWCyclePhase of the draft.
func (c *bbr) updateCycle(now instant, ack *ackEvent) {
	if !c.fullBWReached || c.adaptLongTerm(ack) || !c.probingBW() {
		return
	}
	switch c.state {
	case bbrDown:
		if !c.timeToProbe(now) && int64(ack.flight) <= min(c.withHeadroom(), c.inflight(c.maxBW(), 100)) {
			c.cruise()
		}
	case bbrCruise:
		c.timeToProbe(now)
	case bbrRefill:
		if c.roundStart {
			c.probeSample = true
			c.probeUp()
		}
	case bbrUp:
		if c.timeToGoDown(ack.flight) {
			c.prevTooHigh = false // no high loss yet
			c.cwndGain = bbrDefaultCwnd
			c.probeDown(now)
		}
	}
}

// timeToProbe begins a probe if it is time: after two to three seconds, or when a
// Reno flow would have found more.
func (c *bbr) timeToProbe(now instant) bool {
	if now.Sub(c.cycleAt) <= c.probeWait && c.roundsSinceProbe < min(c.targetInflight()/int64(c.pmdcs), 63) {
		return false
	}
	c.refill()
	return true
}

// timeToGoDown reports whether a probe found what there is.
func (c *bbr) timeToGoDown(flight int) bool {
	switch {
	case c.prevTooHigh && int64(flight) >= c.inflightLong:
		c.prevPrecautionary = true
		return true
	case c.windowLimited() && int64(c.cwnd) >= c.inflightLong: // the bound held it back
		c.resetFullBW()
		c.fullBW = c.sampleRate
	case c.fullBWNow:
		return true
	}
	return false
}

// adaptLongTerm tracks what SACKs tell about a probe, and moves inflightLong; it
// reports whether it changed the state.
func (c *bbr) adaptLongTerm(ack *ackEvent) bool {
	if c.acks == bbrAcksStarting && c.roundStart {
		c.acks = bbrAcksFeedback
	}
	if c.acks == bbrAcksStopping && c.roundStart {
		c.probeSample = false
		c.acks = bbrAcksInit
		if c.probingBW() && !c.sample.limited {
			c.advanceFilter()
		}
		if c.probingBW() && c.prevPrecautionary && !c.prevTooHigh {
			c.refill()
			return true
		}
	}
	if c.tooManyLost(c.sample.lost, int64(c.sample.inFlight)) || c.inflightLong == bbrInfinity {
		return false
	}
	c.inflightLong = max(c.inflightLong, int64(c.sample.inFlight))
	if c.state == bbrUp {
		c.raiseLongTerm(ack.bytes)
	}
	return false
}

// raiseSlope doubles the growth of inflightLong for each round trip of a probe.
func (c *bbr) raiseSlope() {
	c.probeUpPerInc = max(int64(c.cwnd)>>c.probeUpRounds, int64(c.pmdcs))
	c.probeUpRounds = min(c.probeUpRounds+1, 30)
}

// raiseLongTerm lets inflightLong grow while it is what holds the flow back.
func (c *bbr) raiseLongTerm(acked int) {
	if !c.windowLimited() || int64(c.cwnd) < c.inflightLong {
		return
	}
	c.probeUpAcked += int64(acked)
	if n := c.probeUpAcked / c.probeUpPerInc; n > 0 {
		c.probeUpAcked -= n * c.probeUpPerInc
		c.inflightLong += n * int64(c.pmdcs)
	}
	if c.roundStart {
		c.raiseSlope()
	}
}

// tooHigh ends a probe that lost too much.
func (c *bbr) tooHigh(now instant) {
	c.prevTooHigh = true
	c.probeSample = false
	if !c.sample.limited {
		c.inflightLong = max(int64(c.sample.inFlight), c.targetInflight()*bbrBeta/100)
	}
	if c.state == bbrUp {
		c.undoState = bbrUp
		c.cwndGain = bbrDefaultCwnd
		c.probeDown(now)
	}
}

// updateMinRTT takes a round-trip time, 0 if there is none.
func (c *bbr) updateMinRTT(now instant, rtt time.Duration) {
	c.probeRTTExpired = now.Sub(c.probeRTTMinAt) > bbrProbeRTTInterval
	if rtt > 0 && (rtt < c.probeRTTMinDelay || c.probeRTTExpired) {
		c.probeRTTMinDelay, c.probeRTTMinAt = rtt, now
	}
	if c.probeRTTMinDelay < c.minRTT || now.Sub(c.minRTTAt) > minRTTLife {
		c.minRTT, c.minRTTAt = c.probeRTTMinDelay, c.probeRTTMinAt
	}
}

// checkProbeRTT empties the queue for a moment when the round-trip time is old.
func (c *bbr) checkProbeRTT(now instant, ack *ackEvent) {
	if c.state != bbrProbeRTT && c.probeRTTExpired && !c.idleRestart {
		c.saveWindow()
		c.state, c.pacingGain, c.cwndGain = bbrProbeRTT, 100, bbrProbeRTTCwnd
		c.probeRTTDone = 0
		c.acks = bbrAcksStopping
		c.startRound()
	}
	if c.state == bbrProbeRTT {
		c.holdProbeRTT(now, ack.flight)
	}
	if c.sample.delivered > 0 {
		c.idleRestart = false
	}
}

// holdProbeRTT stays in ProbeRTT until little was in flight for a while. What is
// sent meanwhile says nothing about bandwidth.
func (c *bbr) holdProbeRTT(now instant, flight int) {
	c.limitedTo = max(c.delivered+int64(flight), 1)
	switch {
	case c.probeRTTDone.IsZero():
		if int64(flight) <= c.probeRTTWindow() {
			c.probeRTTDone = now.Add(bbrProbeRTTDuration)
			c.probeRTTRound = false
			c.startRound()
		}
	default:
		c.probeRTTRound = c.probeRTTRound || c.roundStart
		if c.probeRTTRound {
			c.endProbeRTT(now)
		}
	}
}

// endProbeRTT ends ProbeRTT if its time is over.
func (c *bbr) endProbeRTT(now instant) {
	if c.probeRTTDone.IsZero() || !now.After(c.probeRTTDone) {
		return
	}
	c.probeRTTMinAt = now
	c.cwnd = max(c.cwnd, c.priorCwnd)
	c.resetShortTerm()
	if !c.fullBWReached {
		c.startup()
		return
	}
	c.cwndGain = bbrDefaultCwnd
	c.probeDown(now)
	c.cruise()
}

func (c *bbr) probeRTTWindow() int64 {
	return max(c.bdpMultiple(c.bw, bbrProbeRTTCwnd), c.minPipe())
}
