package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// cubic is the congestion control of RFC 9438, with the slow start of RFC 9406.
// The RFC counts segments and seconds; here it is bytes, a segment being a PMDCS,
// and milliseconds.
type cubic struct {
	start  *hystart // of the first slow start; nil before its first acknowledgement, and when it is over
	first  bool     // the first slow start is not over
	pmdcs  int
	usage  windowUsage
	idle   idleDecay
	minRTT time.Duration // least in minRTTLife; 0: none
	minAt  instant       // when it was measured
	ackAt  instant       // the last acknowledgement
	cubicState
	growth int64       // acknowledged bytes times what the window is short of its target, not yet worth a byte
	friend int64       // the same for wEst
	saved  *cubicState // before the last reduction, for undo; nil, or its cwnd is 0, if there was none
}

// cubicState is what a reduction changes. Windows are bytes.
type cubicState struct {
	cwnd      int
	threshold int     // ssthresh
	wMax      int     // window before the last reduction, or less (fast convergence)
	prior     int     // window before the last reduction
	wEst      int     // what Reno would have (RFC 9438, section 4.3)
	plateau   int     // W_max of this epoch
	k         int64   // ms from the start of the epoch to the plateau
	epoch     instant // start of the current stage of congestion avoidance; zero: begins with the next acknowledgement
	flat      bool    // it begins at the plateau: there was no reduction before it, or a timeout
}

func (c *cubic) init(window, pmdcs int) {
	*c = cubic{pmdcs: pmdcs}
	c.cwnd, c.threshold, c.flat = window, ssthreshInitial, true
	c.first = true
}

func (c *cubic) resize(pmdcs int) {
	if c.cwnd == c.pmdcs { // one packet, after a timeout, stays one: see timedOut
		c.cwnd = pmdcs
	}
	c.pmdcs = pmdcs
}

func (c *cubic) sending(now instant, flight int, rto time.Duration) {
	c.cwnd, c.threshold = c.idle.decay(now, flight, rto, c.cwnd, c.threshold, c.pmdcs)
	c.usage.sending(flight + c.pmdcs)
}

func (c *cubic) acked(now instant, ack ackEvent) {
	switch {
	case ack.rtt == 0:
	case c.minRTT == 0 || ack.rtt <= c.minRTT:
		c.minRTT, c.minAt = ack.rtt, now
	case now.Sub(c.minAt) > minRTTLife: // after an outage ack.rtt has all of that in it
		c.minRTT, c.minAt = min(ack.rtt, ack.srtt), now
	}
	since := now.Sub(c.ackAt)
	c.ackAt = now
	slow := c.cwnd < c.threshold
	if slow && c.first {
		c.hystart(&ack)
	}
	// A window that is not used says nothing about the path (RFC 9438, section 5.8).
	used := c.usage.most(&ack)
	switch {
	case ack.recovering:
	case slow:
		if 2*used > c.cwnd {
			bytes := c.start.growth(ack.bytes)
			if c.pacing() == 0 { // 9260-7.2.1-b, with L = 1
				bytes = min(bytes, c.pmdcs)
			}
			c.cwnd = min(c.cwnd+bytes, maxWindow)
		}
	case used < c.cwnd:
		if !c.epoch.IsZero() {
			c.epoch = c.epoch.Add(since)
		}
	default:
		c.avoid(now, ack.bytes, ack.srtt)
	}
}

// hystart passes the facts to HyStart++ and ends slow start when it says so.
func (c *cubic) hystart(ack *ackEvent) {
	if c.start == nil {
		c.start = new(hystart)
	}
	if c.start.acked(ack) {
		c.first, c.start = false, nil
		c.threshold = c.cwnd
		c.flat = true
	}
}

// avoid is congestion avoidance (RFC 9438, sections 4.2 to 4.5).
func (c *cubic) avoid(now instant, bytes int, srtt time.Duration) {
	if c.epoch.IsZero() {
		c.begin(now)
	}
	t := now.Sub(c.epoch).Milliseconds()
	c.estimateReno(bytes)
	if c.curve(t) < int64(c.wEst) { // 9438-4.3-a
		c.cwnd = max(c.cwnd, c.wEst)
		return
	}
	// 9438-4.2-b
	target := min(max(c.curve(t+srtt.Milliseconds()), int64(c.cwnd)), int64(c.cwnd)*3/2)
	c.growth += (target - int64(c.cwnd)) * int64(bytes)
	step := c.growth / int64(c.cwnd)
	c.growth -= step * int64(c.cwnd)
	c.cwnd = min(c.cwnd+int(step), maxWindow)
}

// begin starts an epoch with the current window.
func (c *cubic) begin(now instant) {
	c.epoch, c.wEst, c.growth, c.friend = now, c.cwnd, 0, 0
	if c.flat || c.wMax <= c.cwnd { // 9438-4.8-a
		c.plateau, c.k = c.cwnd, 0
	} else {
		// K is the cube root of (W_max - cwnd) / C in segments and seconds, with C = 0.4.
		c.plateau = c.wMax
		c.k = int64(cubeRoot(uint64(c.wMax-c.cwnd) * 2_500_000_000 / uint64(c.pmdcs)))
	}
	c.flat = false
}

// curve returns W_cubic at t ms of the epoch: C*(t-K)^3 + W_max (9438-4.2-a).
func (c *cubic) curve(t int64) int64 {
	const farthest = 1 << 17 // ms; the window is at its bounds long before
	d := min(max(t-c.k, -farthest), farthest)
	return int64(c.plateau) + d*d*d/1000*4*int64(c.pmdcs)/10_000_000
}

// estimateReno updates what the window would be with Reno (9438-4.3-a).
func (c *cubic) estimateReno(bytes int) {
	// alpha is 3*(1-beta)/(1+beta) = 9/17 until the window before the reduction is reached.
	up, down := int64(9), int64(17)
	if c.wEst >= c.prior {
		up, down = 1, 1
	}
	c.friend += up * int64(c.pmdcs) * int64(bytes)
	per := down * int64(c.cwnd)
	step := c.friend / per
	c.friend -= step * per
	c.wEst = min(c.wEst+int(step), maxWindow)
}

// reduce is RFC 9438, section 4.6 with fast convergence, section 4.7. The floor is
// the one of RFC 9260, section 7.2.3, which is higher; and the window stands for
// what is in flight, because it does not grow while it is not used.
func (c *cubic) reduce() {
	c.prior = c.cwnd
	if c.cwnd < c.wMax { // 9438-4.7-a
		c.wMax = int(int64(c.cwnd) * 17 / 20)
	} else {
		c.wMax = c.cwnd
	}
	c.threshold = max(int(int64(c.cwnd)*7/10), 4*c.pmdcs) // 9438-4.6-a
	c.epoch = 0
	c.first, c.start = false, nil
}

func (c *cubic) congested(_ instant, loss lossEvent) {
	c.save(loss.recovering)
	c.reduce()
	c.cwnd = min(c.cwnd, c.threshold)
	c.flat = false
}

func (c *cubic) timedOut(_ instant, loss lossEvent) {
	c.save(loss.recovering)
	// Nothing was acknowledged since the last timeout: a path that was down for a while is no
	// narrower than after a moment (RFC 5681, section 3.1).
	if c.cwnd > c.pmdcs || !loss.recovering {
		c.reduce()
	}
	c.cwnd = c.pmdcs
	c.flat = true
}

// save remembers what undo goes back to, all of a recovery being taken back at once.
func (c *cubic) save(recovering bool) {
	if c.saved == nil {
		c.saved = new(cubicState)
	}
	if c.saved.cwnd == 0 || !recovering {
		*c.saved = c.cubicState
	}
}

// undo is RFC 9438, section 4.9.
func (c *cubic) undo(instant) {
	if c.saved == nil {
		return
	}
	if c.saved.cwnd > c.cwnd {
		c.cubicState = *c.saved
	}
	c.saved.cwnd = 0
}

func (c *cubic) drained() {}

func (c *cubic) window() int        { return c.cwnd }
func (c *cubic) ssthresh() int      { return c.threshold }
func (c *cubic) proportional() bool { return true }
func (c *cubic) measures() bool     { return false }

func (c *cubic) lost(instant, rateLoss) {}

// minRTTLife is how long the least round trip counts.
const minRTTLife = 10 * time.Second

// pacing spreads a window over less than a round trip, so that it does not hold
// the window back: over half of one in slow start, over four fifths later. That
// is the least round trip, because others contain the delay of SACKs.
func (c *cubic) pacing() int64 {
	switch {
	case c.minRTT == 0:
		return 0
	case c.minRTT < paceQuantum:
		return tooShortToPace
	}
	rate := int64(c.cwnd) * 2 * int64(time.Second) / int64(c.minRTT)
	if c.cwnd >= c.threshold {
		rate = rate * 5 / 8
	}
	return min(max(rate, 1), maxRate)
}

// cubeRoot returns the largest integer whose cube is not above v.
func cubeRoot(v uint64) uint64 {
	var root uint64
	for s := 63; s >= 0; s -= 3 {
		root *= 2
		if b := 3*root*(root+1) + 1; v>>s >= b {
			v -= b << s
			root++
		}
	}
	return root
}

// windowUsage is how much of the congestion window was used in the last round trip.
type windowUsage struct {
	now, last int32    // most bytes outstanding in this round trip and the last one
	end       wire.TSN // this one ends when it is acknowledged
	begun     bool
}

// sending takes what is outstanding with a chunk that goes out.
func (u *windowUsage) sending(flight int) { u.now = max(u.now, int32(flight)) }

// most returns the most that was outstanding in this round trip or the last.
func (u *windowUsage) most(ack *ackEvent) int {
	if !u.begun || u.end.AtOrBefore(ack.cum) || ack.next.AtOrBefore(u.end) { // TSNs may begin anew
		u.last, u.now = u.now, int32(ack.flight)
		u.end, u.begun = ack.next.Add(-1), true
	}
	return int(max(u.now, u.last))
}
