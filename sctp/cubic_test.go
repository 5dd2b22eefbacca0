package sctp

import (
	"math"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// newCubic returns a CUBIC controller in congestion avoidance with a window of
// segments of 1000 bytes.
func newCubic(segments int) *cubic {
	c := new(cubic)
	c.init(segments*1000, 1000)
	c.first = false
	c.threshold = c.cwnd
	return c
}

// round acknowledges a window, segment by segment, within an RTT.
func (c *cubic) round(now *instant, rtt time.Duration, next *wire.TSN) {
	n := c.cwnd / c.pmdcs
	for range n {
		c.sending(*now, c.cwnd-c.pmdcs, time.Second)
		*next = next.Add(1)
		*now = now.Add(rtt / time.Duration(n))
		c.acked(*now, ackEvent{
			bytes: c.pmdcs, before: c.cwnd, flight: c.cwnd - c.pmdcs, rtt: rtt, srtt: rtt,
			cum: next.Add(-n), next: *next,
		})
	}
}

// TestCubicCurve compares the window after a loss, second by second, with the
// equations of RFC 9438 in floating point. // 9438-4.2-a 9438-4.2-b
func TestCubicCurve(t *testing.T) {
	const rtt = 100 * time.Millisecond
	for _, wMax := range []int{200, 1000, 20_000} {
		c := newCubic(wMax)
		now, next := firstInstant, wire.TSN(1)
		c.congested(now, lossEvent{})
		begin := float64(c.cwnd) / 1000
		if want := 0.7 * float64(wMax); math.Abs(begin-want) > 0.01 {
			t.Fatalf("W_max %d: begins with %.2f, want %.2f", wMax, begin, want)
		}
		k := math.Cbrt((float64(wMax) - begin) / 0.4)
		start := now
		for now.Sub(start).Seconds() < 2*k {
			c.round(&now, rtt, &next)
			// The window follows the curve an RTT ahead, W(t+RTT), except near the
			// start, where the first RTT has not passed, and where it grows by half at most.
			at := now.Sub(start).Seconds()
			want := 0.4*math.Pow(at-k, 3) + float64(wMax)
			late := 0.4*math.Pow(at+2*rtt.Seconds()-k, 3) + float64(wMax)
			if got := float64(c.cwnd) / 1000; got < want-1 || got > late+1 {
				t.Fatalf("W_max %d: %.1f at %.2f s, want %.1f to %.1f", wMax, got, at, want, late)
			}
		}
	}
}

// TestCubicK: the plateau is reached after the cube root of what is missing. // 9438-4.2-a
func TestCubicK(t *testing.T) {
	for _, tt := range []struct{ wMax, pmdcs int }{{10, 1000}, {1000, 1176}, {100_000, 488}, {1 << 30, 65_000}} {
		c := new(cubic)
		c.init(tt.wMax*7/10, tt.pmdcs)
		c.wMax, c.flat = tt.wMax, false
		c.begin(firstInstant)
		want := math.Cbrt(float64(tt.wMax-c.cwnd)/float64(tt.pmdcs)/0.4) * 1000
		if got := float64(c.k); math.Abs(got-want) > 1 {
			t.Errorf("W_max %d: K = %.0f ms, want %.1f", tt.wMax, got, want)
		}
		if got := c.curve(c.k); got != int64(tt.wMax) {
			t.Errorf("W_max %d: %d at the plateau", tt.wMax, got)
		}
	}
}

// TestCubeRoot checks the integer root at the places where it steps.
func TestCubeRoot(t *testing.T) {
	for r := uint64(1); r < 1<<21; r += 1 + r/7 {
		for _, tt := range []struct{ v, want uint64 }{{r*r*r - 1, r - 1}, {r * r * r, r}, {r*r*r + 1, r}} {
			if got := cubeRoot(tt.v); got != tt.want && r > 1 {
				t.Fatalf("cube root of %d: %d, want %d", tt.v, got, tt.want)
			}
		}
	}
	if got := cubeRoot(math.MaxUint64); got != 2642245 {
		t.Error(got)
	}
}

// TestCubicReno: with short round trips and small windows Reno would be faster, and
// CUBIC keeps up with it. // 9438-4.3-a
func TestCubicReno(t *testing.T) {
	const rtt = 10 * time.Millisecond
	c := newCubic(40)
	now, next := firstInstant, wire.TSN(1)
	c.congested(now, lossEvent{})
	est := float64(c.cwnd) / 1000
	for range 100 {
		n := c.cwnd / 1000
		before := float64(c.cwnd) / 1000
		c.round(&now, rtt, &next)
		alpha := 9.0 / 17
		if est >= 40 {
			alpha = 1
		}
		est += alpha * float64(n) / before
		if got := float64(c.cwnd) / 1000; got < est-1 {
			t.Fatalf("window %.1f, Reno would have %.1f", got, est)
		}
	}
	if est < 60 {
		t.Fatalf("estimate %.1f after 100 round trips", est)
	}
}

// TestCubicReductions goes through what losses do. // 9438-4.6-a 9438-4.7-a 9438-4.8-a 9438-4.9-a
func TestCubicReductions(t *testing.T) {
	now := firstInstant
	for _, tt := range []struct {
		desc                 string
		do                   func(c *cubic)
		cwnd, ssthresh, wMax int
	}{
		{"a loss leaves seven tenths", func(c *cubic) { c.congested(now, lossEvent{}) }, 70_000, 70_000, 100_000},
		{"a second one below the first gives way to others", func(c *cubic) {
			c.congested(now, lossEvent{})
			c.congested(now, lossEvent{})
		}, 49_000, 49_000, 59_500},
		{"not below four", func(c *cubic) { c.cwnd = 5000; c.congested(now, lossEvent{}) }, 4000, 4000, 5000},
		{"a loss never raises the window", func(c *cubic) { c.cwnd = 3000; c.congested(now, lossEvent{}) }, 3000, 4000, 3000},
		{"a timeout leaves one packet", func(c *cubic) { c.timedOut(now, lossEvent{}) }, 1000, 70_000, 100_000},
		{"and a second one too, of which nothing else follows", func(c *cubic) {
			c.timedOut(now, lossEvent{})
			c.timedOut(now, lossEvent{recovering: true})
		}, 1000, 70_000, 100_000},
		{"nor when packets became smaller in between, as after a black hole", func(c *cubic) {
			c.timedOut(now, lossEvent{})
			c.resize(800)
			c.timedOut(now, lossEvent{recovering: true})
		}, 800, 70_000, 100_000},
		{"unless something was acknowledged between them", func(c *cubic) {
			c.timedOut(now, lossEvent{})
			c.cwnd = 2000
			c.timedOut(now, lossEvent{recovering: true})
		}, 1000, 4000, 1700},
		{"what was no loss is taken back", func(c *cubic) { c.congested(now, lossEvent{}); c.undo(now) }, 100_000, 100_000, 0},
		{"once", func(c *cubic) {
			c.congested(now, lossEvent{})
			c.undo(now)
			c.cwnd = 50_000
			c.undo(now)
		}, 50_000, 100_000, 0},
		{"to before the first of those that belong together", func(c *cubic) {
			c.congested(now, lossEvent{})
			c.timedOut(now, lossEvent{recovering: true})
			c.undo(now)
		}, 100_000, 100_000, 0},
	} {
		c := newCubic(100)
		if tt.do(c); c.cwnd != tt.cwnd || c.threshold != tt.ssthresh || c.wMax != tt.wMax {
			t.Errorf("%s: cwnd %d ssthresh %d W_max %d, want %d %d %d", tt.desc, c.cwnd, c.threshold, c.wMax, tt.cwnd, tt.ssthresh, tt.wMax)
		}
	}
}

// TestCubicAfterTimeout: avoidance begins at the plateau. // 9438-4.8-a
func TestCubicAfterTimeout(t *testing.T) {
	c := newCubic(100)
	now, next := firstInstant, wire.TSN(1)
	c.timedOut(now, lossEvent{})
	for c.cwnd < c.threshold {
		c.round(&now, 50*time.Millisecond, &next)
	}
	at := c.cwnd
	c.round(&now, 50*time.Millisecond, &next)
	if c.k != 0 || c.plateau < at-1000 || c.plateau > at+1000 {
		t.Fatalf("K %d, plateau %d with a window of %d", c.k, c.plateau, at)
	}
}

// TestCubicUnused: a window that the application does not use neither grows nor ages.
// RFC 9438, sections 4.2 and 5.8.
func TestCubicUnused(t *testing.T) {
	for _, slow := range []bool{true, false} {
		c := newCubic(100)
		now := firstInstant
		if c.congested(now, lossEvent{}); slow {
			c.threshold = 1 << 20
		}
		next := wire.TSN(1)
		c.round(&now, 50*time.Millisecond, &next)
		c.round(&now, 50*time.Millisecond, &next)
		cwnd, age := c.cwnd, now.Sub(c.epoch)
		for range 1000 { // a segment now and then
			c.sending(now, 0, time.Second)
			next = next.Add(1)
			now = now.Add(50 * time.Millisecond)
			c.acked(now, ackEvent{bytes: 1000, before: 1000, srtt: 50 * time.Millisecond, cum: next.Add(-1), next: next})
		}
		// The rest of the busy round trip still counts.
		if c.cwnd > cwnd+cwnd/20 {
			t.Errorf("slow start %v: window %d, was %d", slow, c.cwnd, cwnd)
		}
		if !slow && now.Sub(c.epoch) > age+200*time.Millisecond {
			t.Errorf("the epoch aged from %v to %v", age, now.Sub(c.epoch))
		}
	}
}

// TestHystart ends slow start when round trips become longer, and takes back its
// doubt when it was jitter. // 9406-4.2-a 9406-4.2-b 9406-4.3-a
func TestHystart(t *testing.T) {
	const base = 100 * time.Millisecond
	run := func(rtts ...time.Duration) (over bool, h *hystart, doubted int) {
		h = new(hystart)
		next := wire.TSN(100)
		for _, rtt := range rtts {
			cum := next.Add(-1)
			next = next.Add(10)
			for range 10 {
				if h.acked(&ackEvent{rtt: rtt, cum: cum, next: next}) {
					return true, h, doubted
				}
				cum = cum.Add(1)
			}
			if h.careful {
				doubted++
			}
		}
		return false, h, doubted
	}
	if over, h, n := run(base, base, base+12*time.Millisecond, base, base); over || n > 0 || h.growth(1000) != 1000 {
		t.Error("12 ms on 100 ms are no sign of a queue: an eighth is")
	}
	if over, h, n := run(base, base, base+13*time.Millisecond); over || n != 1 || h.growth(1000) != 250 {
		t.Errorf("an eighth more is to slow the growth: %v %d", over, n)
	}
	long := base + 20*time.Millisecond
	if over, _, _ := run(base, base, long, long, long, long, long, long); !over {
		t.Error("after five round trips it is over")
	}
	if over, h, _ := run(base, base, long, base, base, base, base, base); over || h.careful {
		t.Error("it was jitter")
	}
	if over, _, n := run(3*time.Millisecond, 3*time.Millisecond, 6*time.Millisecond); over || n > 0 {
		t.Error("less than 4 ms more is no sign")
	}
	if _, _, n := run(time.Second, time.Second, time.Second+17*time.Millisecond); n != 1 {
		t.Error("16 ms more always is")
	}
}

// TestHystartSlowStart: a controller leaves slow start at the window it has. // 9406-4.2-b 9438-4.8-a
func TestHystartSlowStart(t *testing.T) {
	c := new(cubic)
	c.init(10_000, 1000)
	now, next := firstInstant, wire.TSN(1)
	rtt := 50 * time.Millisecond
	for i := range 40 {
		c.round(&now, rtt, &next)
		if i >= 4 {
			rtt += 10 * time.Millisecond
		}
		if c.threshold < ssthreshInitial {
			if c.cwnd < 2*c.threshold && c.cwnd >= c.threshold && c.cwnd < 3_000_000 {
				return
			}
			break
		}
	}
	t.Fatalf("window %d ssthresh %d", c.cwnd, c.threshold)
}
