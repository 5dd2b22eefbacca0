package sctp

import (
	"math"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A bbrRun is a flow with BBR over a link, and the states it went through.
type bbrRun struct {
	*linkRun
	c      *bbr
	f      *linkFlow
	states []bbrState
	enters map[bbrState]time.Duration // when it entered each last
}

func newBBR(t *testing.T, link netsim.Conditions) *bbrRun {
	r := &bbrRun{linkRun: newLink(t, link, Config{CongestionControl: BBR}), enters: make(map[bbrState]time.Duration)}
	r.f = r.flows[0]
	r.c = r.f.ends[0].paths.primary().cc.(*bbr)
	r.watch = func(*linkFlow) {
		if n := len(r.states); n == 0 || r.states[n-1] != r.c.state {
			r.states = append(r.states, r.c.state)
			r.enters[r.c.state] = r.now.Sub(r.start)
		}
	}
	return r
}

// until lets time pass until the flow is in a state.
func (r *bbrRun) until(why string, s bbrState, most time.Duration) {
	r.t.Helper()
	for at, end := r.now.Sub(r.start), r.now.Sub(r.start)+most; ; {
		if r.c.state == s {
			return
		}
		if at += time.Millisecond; at > end {
			r.t.Fatalf("%s: state %d, not %d, after %v; seen %v", why, r.c.state, s, most, r.states)
		}
		r.run(at)
	}
}

// mbit returns a rate in Mbit/s, of data with the headers of 12 + 16 bytes in packets of 1188.
func mbit(rate int64) float64 { return float64(rate) * 8 / 1e6 }

var bbrLink = netsim.Conditions{Latency: 20 * time.Millisecond, Rate: 2_500_000, Queue: 300_000} // 20 Mbit/s

// TestBBRStartup: the states follow each other, and bandwidth and round trip are found:
// "Exiting STARTUP on Bandwidth Plateau", "Exiting DRAIN Based on Inflight". // bbr-a bbr-c bbr-d
func TestBBRStartup(t *testing.T) {
	r := newBBR(t, bbrLink)
	r.until("the pipe is full", bbrDrain, time.Second)
	if !r.c.fullBWNow || r.c.pacingGain != bbrDrainPacing || r.c.inflightLong != bbrInfinity {
		t.Errorf("full %v gain %d bound %d", r.c.fullBWNow, r.c.pacingGain, r.c.inflightLong)
	}
	if bw := mbit(r.c.maxBW()); bw < 0.98*20*1176/1189 || bw > 1.02*20 {
		t.Errorf("estimate %.2f Mbit/s", bw)
	}
	r.until("the queue is gone, and cruising", bbrCruise, time.Second)
	if took := r.enters[bbrDown] - r.enters[bbrDrain]; took > 4*40*time.Millisecond {
		t.Errorf("drained in %v", took)
	}
	r.until("filling", bbrRefill, 4*time.Second)
	r.until("probing", bbrUp, time.Second)
	if r.c.pacingGain != bbrUpPacing || r.c.cwndGain != bbrUpCwnd {
		t.Errorf("gains %d %d", r.c.pacingGain, r.c.cwndGain)
	}
	r.until("and down again", bbrDown, time.Second) // "Exiting PROBE_UP on Bandwidth Plateau"
	if rtt := r.c.minRTT; rtt < 40*time.Millisecond || rtt > 42*time.Millisecond {
		t.Errorf("min_rtt %v", rtt)
	}
	if got := r.goodput(r.f, 5*time.Second, 8*time.Second); got < 18 {
		t.Errorf("%.1f Mbit/s", got)
	}
	if lost := r.net.Stats(r.link, netsim.AtoB).QueueDrops; lost > 0 {
		t.Errorf("%d packets overflowed", lost)
	}
}

// TestBBRProbeRTT: "Entering and Exiting PROBE_RTT", and the next after five seconds. // bbr-a
func TestBBRProbeRTT(t *testing.T) {
	r := newBBR(t, bbrLink)
	r.until("the round trip is old", bbrProbeRTT, 12*time.Second)
	before := r.c.priorCwnd
	at := r.enters[bbrProbeRTT]
	r.until("cruising", bbrCruise, time.Second)
	if took := r.enters[bbrCruise] - at; took < bbrProbeRTTDuration || took > bbrProbeRTTDuration+200*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if r.c.cwnd < before*8/10 {
		t.Errorf("window %d, was %d", r.c.cwnd, before)
	}
	r.until("again", bbrProbeRTT, 8*time.Second)
	if gap := r.enters[bbrProbeRTT] - at; gap < bbrProbeRTTInterval {
		t.Errorf("after %v", gap)
	}
}

// TestBBRIdle: a pause serves for ProbeRTT, and sending resumes at full rate:
// "Skipping PROBE_RTT Due to Application-Limited Sending".
func TestBBRIdle(t *testing.T) {
	r := newBBR(t, bbrLink)
	r.until("cruising", bbrCruise, 2*time.Second)
	r.f.pause = true
	r.run(2 * time.Second)
	r.run(9 * time.Second)
	r.states = r.states[:0]
	r.f.pause = false
	if got := r.goodput(r.f, 9050*time.Millisecond, 9500*time.Millisecond); got < 17 {
		t.Errorf("%.1f Mbit/s after the pause", got)
	}
	for _, s := range r.states {
		if s == bbrProbeRTT {
			t.Error("ProbeRTT right after a pause")
		}
	}
}

// TestBBRLimited: without enough to send it never believes that the path is full:
// "Never Exiting PROBE_UP (or STARTUP) When Application-Limited With No Loss".
func TestBBRLimited(t *testing.T) {
	r := newBBR(t, bbrLink)
	r.f.pause = true
	r.f.thin = 10 * time.Millisecond
	r.run(4 * time.Second)
	if r.c.state != bbrStartup || r.c.fullBWReached {
		t.Errorf("states %v", r.states)
	}
	if len(r.f.delays) < 350 {
		t.Errorf("%d messages", len(r.f.delays))
	}
}

// TestBBRSmallPath: "Correctly Managing Sub-Packet BDPs". // bbr-c
func TestBBRSmallPath(t *testing.T) {
	r := newBBR(t, netsim.Conditions{Latency: time.Millisecond, Rate: 16_000, Queue: 30_000}) // 32 bytes
	r.until("probing for bandwidth", bbrDown, 30*time.Second)
	r.run(31 * time.Second)
	if r.c.cwnd < 4*testPMDCS || r.c.cwnd > 16*testPMDCS {
		t.Errorf("window %d", r.c.cwnd)
	}
	if got := r.goodput(r.f, 31*time.Second, 60*time.Second); got < 0.9*0.128*1160/1189 {
		t.Errorf("%.3f Mbit/s of 0.128", got)
	}
}

// TestBBRFaster: "Increasing Bandwidth 10x and Ensuring Full Bandwidth is Reached". // bbr-e
func TestBBRFaster(t *testing.T) {
	slow, fast := bbrLink, bbrLink
	slow.Rate, slow.Queue = bbrLink.Rate/10, bbrLink.Queue/10
	r := newBBR(t, slow)
	r.run(3 * time.Second)
	r.net.SetConditions(r.link, netsim.AtoB, fast)
	r.run(13 * time.Second)
	if bw := mbit(r.c.maxBW()); bw < 19 {
		t.Errorf("estimate %.1f Mbit/s of 20", bw)
	}
}

// TestBBRSlower: "Decreasing Bandwidth 10x and Ensuring Max Bandwidth Adapts Down". // bbr-f
func TestBBRSlower(t *testing.T) {
	r := newBBR(t, bbrLink)
	r.run(3 * time.Second)
	slow := bbrLink
	slow.Rate, slow.Queue = bbrLink.Rate/10, bbrLink.Queue/10
	r.net.SetConditions(r.link, netsim.AtoB, slow)
	r.run(20 * time.Second)
	if bw := mbit(r.c.maxBW()); bw > 2.2 || bw < 1.8 {
		t.Errorf("estimate %.2f Mbit/s of 2", bw)
	}
	if got := r.goodput(r.f, 20*time.Second, 30*time.Second); got < 1.7 {
		t.Errorf("%.2f Mbit/s of 2", got)
	}
}

// full returns a BBR that found 10 MB/s and 50 ms, in a state of ProbeBW.
func fullBBR(s bbrState) *bbr {
	c := new(bbr)
	c.init(10_000, 1000)
	c.rtt = 50 * time.Millisecond
	now := firstInstant
	c.sending(now, 0, time.Second)
	c.fullBWReached, c.bw, c.bwFilter[0] = true, 10_000_000, 10_000_000
	c.minRTT, c.minRTTAt, c.probeRTTMinAt = 50*time.Millisecond, now, now
	c.cwnd, c.delivered = 1_000_000, 1<<30
	c.probeDown(now)
	switch s {
	case bbrCruise:
		c.cruise()
	case bbrRefill:
		c.refill()
	case bbrUp:
		c.refill()
		c.probeSample = true
		c.probeUp()
	}
	return c
}

// TestBBRLoss: losses above two per cent end a probe and bound what is in flight, if
// there was enough to send: "Handling Loss During PROBE_UP After inflight_longterm is Set",
// "Exiting PROBE_UP on Loss When Application-Limited". // bbr-e bbr-f
func TestBBRLoss(t *testing.T) {
	now := firstInstant
	c := fullBBR(bbrUp)
	c.rtt = 60 * time.Millisecond // there is a queue
	c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 600_000, lost: 12_000})
	if c.state != bbrUp || c.inflightLong != bbrInfinity {
		t.Fatal("two per cent are not too many")
	}
	c.lost(now, rateLoss{tsn: 2, size: 1000, inFlight: 600_000, lost: 13_000})
	if c.state != bbrDown || !c.prevTooHigh || c.pacingGain != bbrDownPacing {
		t.Fatalf("state %d", c.state)
	}
	// With p bytes of the chunk lost it is 2 %: (12000+p) = 0.02*(599000+p).
	if want := int64(599_000); c.inflightLong != want {
		t.Errorf("bound %d, want %d", c.inflightLong, want)
	}
	c.congested(now, lossEvent{next: 10})
	bound := c.inflightLong
	c.lost(now, rateLoss{tsn: 3, size: 1000, inFlight: 100_000, lost: 90_000})
	if c.inflightLong != bound {
		t.Error("a probe is answered once")
	}
	if c.setWindow(1000); int64(c.cwnd) > bound {
		t.Errorf("window %d", c.cwnd)
	}
	if c.cruise(); c.withHeadroom() != bound-bound*15/100 {
		t.Errorf("headroom leaves %d of %d", c.withHeadroom(), bound)
	}
	if c.undo(now); c.state != bbrRefill || c.inflightLong != bbrInfinity {
		t.Errorf("it was no loss: state %d", c.state) // "Handling Spurious Fast Recovery"
	}

	c = fullBBR(bbrUp)
	if c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 600_000, lost: 24_000}); c.state != bbrUp {
		t.Error("without a queue four per cent are not too many")
	}
	if c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 600_000, lost: 25_000}); c.state != bbrDown {
		t.Error("more are")
	}
	c = fullBBR(bbrUp)
	c.rtt = 60 * time.Millisecond
	c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 600_000, lost: 13_000, limited: true})
	if c.state != bbrDown || c.inflightLong != bbrInfinity {
		t.Error("what the application limits ends a probe and sets no bound")
	}
	c = fullBBR(bbrUp)
	c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 100_000, lost: 13_000})
	if want := c.targetInflight() * 70 / 100; c.inflightLong != want {
		t.Errorf("bound %d, at least %d", c.inflightLong, want)
	}
}

// ackRound has a round trip of n bytes acknowledged at a rate, with so much outstanding.
func (c *bbr) ackRound(now instant, rate, n int64, flight int) {
	c.delivered += n
	c.acked(now, ackEvent{bytes: int(n), flight: flight, rtt: c.rtt, srtt: 50 * time.Millisecond, rate: &rateSample{
		valid: true, delivered: n, interval: time.Duration(n * int64(time.Second) / rate),
		total: c.delivered, prior: c.delivered - n, inFlight: 500_000,
	}})
}

// loseRound has n packets of a round trip lost.
func (c *bbr) loseRound(now instant, n int64) {
	for i := range n {
		c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 500_000, lost: 1000 * (i + 1), prior: c.delivered})
	}
}

// TestBBRShortTerm: a round trip with losses lowers the bounds of the short term to
// what was delivered, by three tenths at most, until the next probe. // bbr-f
func TestBBRShortTerm(t *testing.T) {
	now := firstInstant
	c := fullBBR(bbrDown)
	c.rtt = 60 * time.Millisecond
	ack := func(rate int64) { c.ackRound(now, rate, 500_000, 600_000) }
	ack(10_000_000)
	for range 5 {
		c.loseRound(now, 9) // two per cent is not too much
		ack(10_000_000)
		ack(10_000_000)
	}
	if c.bwShort != bbrInfinity {
		t.Errorf("bandwidth %d after few losses", c.bwShort)
	}
	c.loseRound(now, 30)
	ack(9_000_000)
	ack(9_000_000)
	if c.bwShort < 8_900_000 || c.bwShort > 10_000_000 || c.bw != min(c.bwShort, c.maxBW()) {
		t.Errorf("bandwidth %d", c.bwShort)
	}
	for range 3 {
		c.loseRound(now, 30)
		ack(1_000_000)
		ack(1_000_000)
	}
	if c.bwShort > 5_000_000 || c.bwShort < 4_000_000 {
		t.Errorf("bandwidth %d after three round trips at a tenth, of which the first began well", c.bwShort)
	}
	if c.refill(); c.bwShort != bbrInfinity || c.inflightShort != bbrInfinity {
		t.Error("a probe begins without them")
	}
}

// TestBBRTrial: in Cruise four fifths of what was delivered tell whether losses are a
// matter of what is sent; only if so the bounds of the short term fall. // bbr-f
func TestBBRTrial(t *testing.T) {
	now := firstInstant
	for _, tt := range []struct {
		name       string
		lost       int64         // of 400 in the trial
		rtt        time.Duration // in the trial
		short      bool
		least, own int64 // of 1000 packets
	}{
		{"overflow", 0, 50, true, 0, 0},
		{"of the path", 21, 50, false, 45, 55},
		{"of others, too", 4, 50, true, 8, 12},
		{"a long queue of others", 21, 80, true, 0, 0},
	} {
		c := fullBBR(bbrCruise)
		c.rtt = 50 * time.Millisecond
		c.ackRound(now, 10_000_000, 500_000, 400_000)
		c.loseRound(now, 30)
		c.ackRound(now, 9_500_000, 470_000, 400_000)
		if !c.trial.on || c.bw != 9_500_000*80/100 && c.bw != 8_000_000 {
			t.Fatalf("%s: trial %v, bandwidth %d", tt.name, c.trial.on, c.bw)
		}
		c.rtt = tt.rtt * time.Millisecond
		c.ackRound(now, 9_500_000, 470_000, 400_000)
		c.loseRound(now, tt.lost)
		c.ackRound(now, 7_600_000, 400_000-1000*tt.lost, 400_000)
		if c.trial.on || (c.bwShort != bbrInfinity) != tt.short || (c.inflightShort != bbrInfinity) != tt.short {
			t.Errorf("%s: trial %v, bandwidth %d, %d in flight", tt.name, c.trial.on, c.bwShort, c.inflightShort)
		}
		if tt.short && c.bwShort < 9_000_000 {
			t.Errorf("%s: bandwidth %d, less than was delivered", tt.name, c.bwShort)
		}
		if own := c.ownLoss(1_000_000) / 1000; own < tt.least || own > tt.own {
			t.Errorf("%s: %d per mille", tt.name, own)
		}
		if tt.short {
			continue
		}
		for range 20 { // the path has got better
			c.ackRound(now, 10_000_000, 500_000, 400_000)
		}
		if c.refill(); c.ownLoss(1_000_000) > 10_000 {
			t.Errorf("%d are still explained", c.ownLoss(1_000_000))
		}
	}
}

// TestBBRExplained: losses of the path do not end a probe, others beside them do.
func TestBBRExplained(t *testing.T) {
	now := firstInstant
	c := fullBBR(bbrUp)
	c.rtt = 60 * time.Millisecond // there is a queue
	c.explain(50_000, 1_000_000)
	if may := c.mayLose(500_000); may != 25_000+2*5000+10_000 { // five per cent of 500 are 25 +- 5
		t.Errorf("%d may be lost", may)
	}
	c.lost(now, rateLoss{tsn: 1, size: 1000, inFlight: 500_000, lost: 45_000})
	if c.state != bbrUp {
		t.Error("what the path loses ends a probe")
	}
	if c.lost(now, rateLoss{tsn: 2, size: 1000, inFlight: 500_000, lost: 46_000}); c.state != bbrDown || c.inflightLong != 499_000 {
		t.Errorf("state %d, bound %d", c.state, c.inflightLong)
	}
	c.explain(1_000_000, 1_000_000)
	if own := c.ownLoss(1_000_000); own != 150_000 {
		t.Errorf("%d put down to the path", own)
	}
	c = fullBBR(bbrUp)
	c.explain(50_000, 1_000_000)
	c.lost(now, rateLoss{tsn: 1, size: 16, inFlight: 16, lost: 1 << 20}) // more than was in flight
	if c.state != bbrDown || c.inflightLong <= 0 {
		t.Errorf("state %d, bound %d", c.state, c.inflightLong)
	}
}

// TestBBRQueue: beside a queue what the path loses by itself lowers the bounds of the short
// term all the same, so that others find room.
func TestBBRQueue(t *testing.T) {
	now := firstInstant
	for _, rtt := range []time.Duration{50, 60} {
		c := fullBBR(bbrDown)
		c.explain(50_000, 1_000_000)
		c.rtt = rtt * time.Millisecond
		c.ackRound(now, 10_000_000, 500_000, 600_000)
		c.loseRound(now, 25)
		c.ackRound(now, 9_500_000, 475_000, 600_000)
		c.ackRound(now, 9_500_000, 475_000, 600_000)
		if lowered := c.bwShort != bbrInfinity; lowered != (rtt == 60) {
			t.Errorf("a round trip of %d ms: bandwidth %d", rtt, c.bwShort)
		}
	}
}

// TestBBRTimeout leaves one packet, and comes back: "Handling Spurious RTO Recovery". // bbr-g
func TestBBRTimeout(t *testing.T) {
	now := firstInstant
	c := fullBBR(bbrCruise)
	c.timedOut(now, lossEvent{flight: 500_000, next: 100})
	if c.cwnd != 1000 || !c.recovering {
		t.Fatalf("window %d", c.cwnd)
	}
	c.acked(now, ackEvent{bytes: 1000, cum: 98, next: 110, rate: new(rateSample)})
	if c.cwnd != 4000 || !c.recovering {
		t.Errorf("window %d", c.cwnd)
	}
	c.acked(now, ackEvent{bytes: 1000, cum: 99, next: 110, rate: new(rateSample)})
	if c.cwnd < 900_000 || c.recovering {
		t.Errorf("window %d after it", c.cwnd)
	}
	c.timedOut(now, lossEvent{flight: 500_000, next: 100})
	c.timedOut(now, lossEvent{flight: 0, next: 100, recovering: true})
	if c.undo(now); c.cwnd < 900_000 {
		t.Errorf("window %d, and nothing was lost", c.cwnd)
	}
}

// TestBBRArithmetic: products that exceed 64 bits.
func TestBBRArithmetic(t *testing.T) {
	for _, tt := range []struct{ a, b, c, want int64 }{
		{10, 7, 3, 23}, {maxRate, int64(time.Minute), int64(time.Second), 60 * maxRate},
		{math.MaxInt64, math.MaxInt64, 1, maxVolume}, {math.MaxInt64, 4, 2, maxVolume}, {0, 5, 1, 0},
	} {
		if got := ratio(tt.a, tt.b, tt.c); got != tt.want {
			t.Errorf("%d*%d/%d: %d, want %d", tt.a, tt.b, tt.c, got, tt.want)
		}
	}
	for _, n := range []int64{0, 1, 2, 3, 4, 15, 16, 17, 1<<40 - 1, 1 << 40, maxVolume, math.MaxInt64} {
		if r := root(n); r*r > n || r < math.MaxInt64>>32 && (r+1)*(r+1) <= n {
			t.Errorf("root of %d: %d", n, r)
		}
	}
}
