package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

const testPMDCS = 1188 - 12

// TestReno goes through the rules one by one. // 9260-7.2.1-a 9260-7.2.1-b 9260-7.2.2-a 9260-7.2.3-a 9260-7.2-a
func TestReno(t *testing.T) {
	const p = 1000
	full := func() *reno { c := new(reno); c.init(initialWindow(p), p); return c }
	tests := []struct {
		desc           string
		do             func(c *reno)
		cwnd, ssthresh int
	}{
		{"initially", func(*reno) {}, 4000, ssthreshInitial},
		{"slow start grows by what was acknowledged", func(c *reno) { c.acked(0, ackEvent{bytes: 600, before: 4000}) }, 4600, ssthreshInitial},
		{"at most by one PMDCS", func(c *reno) { c.acked(0, ackEvent{bytes: 3000, before: 4000}) }, 5000, ssthreshInitial},
		{"not if the window was not used", func(c *reno) { c.acked(0, ackEvent{bytes: 1000, before: 3999}) }, 4000, ssthreshInitial},
		{"not in Fast Recovery", func(c *reno) { c.acked(0, ackEvent{bytes: 1000, before: 4000, recovering: true}) }, 4000, ssthreshInitial},
		{"a loss halves, but not below four", func(c *reno) { c.cwnd = 20_000; c.congested(0, lossEvent{}) }, 10_000, 10_000},
		{"a loss at a small window", func(c *reno) { c.cwnd = 5000; c.congested(0, lossEvent{}) }, 4000, 4000},
		{"a loss never raises the window", func(c *reno) { c.cwnd = 3000; c.congested(0, lossEvent{}) }, 3000, 4000},
		{"a timeout leaves one packet", func(c *reno) { c.cwnd = 20_000; c.timedOut(0, lossEvent{}) }, 1000, 10_000},
		{"a loss that was none is taken back, once", func(c *reno) {
			c.cwnd, c.threshold = 20_000, 15_000
			c.congested(0, lossEvent{})
			c.timedOut(0, lossEvent{recovering: true})
			c.undo(0)
			c.cwnd = 18_000
			c.undo(0)
		}, 18_000, 15_000},
		{"a timeout that was none is taken back", func(c *reno) {
			c.cwnd = 20_000
			c.timedOut(0, lossEvent{})
			c.undo(0)
		}, 20_000, ssthreshInitial},
		{"avoidance grows when a window was acknowledged", func(c *reno) {
			c.cwnd, c.threshold = 10_000, 5000
			for range 9 {
				c.acked(0, ackEvent{bytes: 1000, before: 10_000})
			}
			if c.cwnd != 10_000 {
				t.Error("too early")
			}
			c.acked(0, ackEvent{bytes: 1000, before: 10_000})
		}, 11_000, 5000},
		{"and keeps the rest", func(c *reno) {
			c.cwnd, c.threshold = 10_000, 5000
			c.acked(0, ackEvent{bytes: 10_500, before: 10_000})
			if c.partialBytesAcked != 500 {
				t.Error(c.partialBytesAcked)
			}
		}, 11_000, 5000},
		{"avoidance without using the window saves at most one step", func(c *reno) {
			c.cwnd, c.threshold = 10_000, 5000
			c.acked(0, ackEvent{bytes: 50_000, before: 9000})
			if c.partialBytesAcked != 10_000 {
				t.Error(c.partialBytesAcked)
			}
			c.drained()
			if c.partialBytesAcked != 0 {
				t.Error("not cleared when all is acknowledged")
			}
		}, 10_000, 5000},
	}
	for _, tt := range tests {
		c := full()
		if tt.do(c); c.cwnd != tt.cwnd || c.threshold != tt.ssthresh {
			t.Errorf("%s: cwnd %d ssthresh %d, want %d %d", tt.desc, c.cwnd, c.threshold, tt.cwnd, tt.ssthresh)
		}
	}
}

// TestIdleDecay halves the window for each RTO without sending. // 9260-7.2.1-c
func TestIdleDecay(t *testing.T) {
	for _, tt := range []struct {
		idle time.Duration
		want int
	}{{999 * time.Millisecond, 100_000}, {time.Second, 50_000}, {2 * time.Second, 25_000}, {time.Hour, 4000}} {
		c := new(reno)
		c.init(4000, 1000)
		c.cwnd = 100_000
		now := firstInstant
		c.sending(now, 0, time.Second)
		c.sending(now.Add(tt.idle), 0, time.Second)
		if c.cwnd != tt.want {
			t.Errorf("idle for %v: cwnd %d, want %d", tt.idle, c.cwnd, tt.want)
		}
		if decayed := tt.want < 100_000; decayed != (c.threshold == 100_000) {
			t.Errorf("idle for %v: ssthresh %d", tt.idle, c.threshold)
		}
		c.cwnd = 50_000
		c.sending(now.Add(2*time.Hour), 1, time.Second)
		if c.cwnd != 50_000 {
			t.Error("not idle while something is outstanding")
		}
	}
}

// TestInitialWindow: as the server too, slow start from the initial window
// (PIONS-6). // 9260-7.2.1-a 9260-6.1-b
func TestInitialWindow(t *testing.T) {
	for _, accept := range []bool{false, true} {
		tc := newTestConn(t, Config{})
		if accept {
			tc = newAccepted(t, Config{})
		} else {
			tc.connect()
		}
		tc.send(Message{Payload: payload(20_000)})
		tc.wantPackets("4404 bytes, with the last chunk passing it", 4)
		if s := tc.a.Stats(); s.CongestionWindow != 4404 || s.FlightSize >= 4404+testPMDCS || s.SlowStartThreshold < 1<<20 {
			t.Fatalf("%+v", s)
		}
	}
}

// TestSlowStart: cwnd grows by a PMDCS with each SACK, and what it allows is sent,
// at most Max.Burst packets of it. // 9260-7.2.1-b 9260-6.1-c
func TestSlowStart(t *testing.T) {
	tc := newConnected(t, Config{CongestionControl: Reno, HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(500_000)})
	tc.wantPackets("the initial window", 4)
	acked, sent := 0, 4
	for range 20 {
		cwnd := tc.a.Stats().CongestionWindow
		acked += 2
		tc.write(sack{cum: acked - 1})
		if got := tc.a.Stats().CongestionWindow; got != cwnd+testPMDCS {
			t.Fatalf("cwnd %d after %d", got, cwnd)
		}
		n := len(tc.sent)
		tc.sent = nil
		if sent += n; n < 2 || n > 4 {
			t.Fatalf("%d packets", n)
		}
	}
	tc.write(sack{cum: sent - 1})
	if n := len(tc.sent); n != 4 {
		t.Fatalf("a burst of %d packets", n)
	}
}

// TestShortRoundTrips: where a round trip is too short to be paced a SACK is answered
// with up to 64 KiB of what the window allows; else Max.Burst holds. // 9260-6.1-c
func TestShortRoundTrips(t *testing.T) {
	for _, c := range []struct {
		kind CongestionControl
		want int // bytes, up to a packet less or more
	}{{CUBIC, paceQuantumBytes}, {Reno, 4 * testPMDCS}} {
		tc := newConnected(t, Config{CongestionControl: c.kind, HeartbeatInterval: -1, InitialWindow: 200_000})
		tc.send(Message{Payload: payload(1_000_000)})
		sent := 0
		for range 3 { // until the first window is out, and the round trip measured
			tc.advance(100 * time.Microsecond)
			sent += len(tc.sent)
			tc.sent = nil
			tc.write(sack{cum: sent - 1})
		}
		n := len(tc.sent) * testPMDCS
		if n < c.want-testPMDCS || n > c.want+testPMDCS {
			t.Errorf("%v: %d bytes at once, want %d", c.kind, n, c.want)
		}
	}
}

// TestFastRetransmit: three misses, one reduction, and one packet whatever the
// window says. // 9260-7.2.4-a 9260-7.2.4-b DCSCTP-retransmission
func TestFastRetransmit(t *testing.T) {
	tc := missing(t, 20)
	gap := func(n int) sack { return sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: uint16(1 + n)}}} }
	tc.write(gap(1))
	tc.write(gap(2))
	tc.wantIdle("two misses")
	cwnd := tc.a.Stats().CongestionWindow
	tc.write(gap(3))
	tc.want("the third", "DATA tsn=0")
	s := tc.a.Stats()
	if s.CongestionWindow != cwnd/2 || s.SlowStartThreshold != cwnd/2 || s.FastRetransmits != 1 {
		t.Fatalf("%+v, cwnd was %d", s, cwnd)
	}
	for n := 4; n < 10; n++ {
		tc.write(gap(n))
	}
	tc.wantIdle("a chunk is fast retransmitted once; then T3-rtx must do it")
	if got := tc.a.Stats(); got.CongestionWindow != cwnd/2 || got.FastRetransmits != 1 {
		t.Fatalf("reduced twice: %+v", got)
	}
	tc.write(sack{cum: 19})
	if tc.a.recovery.on {
		t.Fatal("the exit point was reached")
	}
}

// TestMissesBelowNewest: only what lies below the highest TSN newly acknowledged
// misses; a SACK that acknowledges nothing new counts no misses. // 9260-7.2.4-a
func TestMissesBelowNewest(t *testing.T) {
	tc := missing(t, 20)
	s := sack{cum: -1, gaps: []wire.GapBlock{{Start: 10, End: 10}}}
	for range 10 {
		tc.write(s)
	}
	tc.wantIdle("repeated SACKs are no misses")
	for _, n := range []uint16{5, 6} { // below 10
		s.gaps = append([]wire.GapBlock{{Start: 5, End: n}}, wire.GapBlock{Start: 10, End: 10})
		tc.write(s)
	}
	if c := tc.a.sent.at(tc.localTSN.Add(7)); c.misses != 1 {
		t.Fatalf("%d misses above the newest", c.misses)
	}
	if c := tc.a.sent.at(tc.localTSN.Add(1)); c.state != chunkLost && c.misses < 3 && !c.fast {
		t.Fatalf("%+v below it", *c)
	}
}

// TestRecoveryContinues: in Fast Recovery, when the ack point moves, everything
// reported missing misses again; the window is not reduced again. // 9260-7.2.4-a
func TestRecoveryContinues(t *testing.T) {
	tc := missing(t, 20)
	for n := uint16(11); n < 14; n++ {
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 10, End: n}}})
	}
	tc.want("what is lost goes first", "DATA tsn=0")
	cwnd := tc.a.Stats().CongestionWindow
	tc.write(sack{cum: 0, gaps: []wire.GapBlock{{Start: 9, End: 12}}})
	if got := tc.a.Stats(); got.CongestionWindow != cwnd || got.FastRetransmits != 1 {
		t.Fatalf("%+v", got)
	}
	if !tc.a.recovery.on {
		t.Fatal("left before the exit point")
	}
}

// TestT3 sends the earliest again, the rest as the window allows, and starts over
// from one packet. // 9260-6.3.3-a 9260-6.3.2-a 9260-7.2.3-a DCSCTP-retransmission
func TestT3(t *testing.T) {
	tc := sending(t, 10)
	if d := tc.advanceToTimer(); d != time.Second {
		t.Fatalf("after %v", d)
	}
	tc.want("the earliest", "DATA tsn=0 sid=0 ssn=0 flags=IBE")
	tc.wantIdle("and only that")
	if s := tc.a.Stats(); s.CongestionWindow != testPMDCS || s.SlowStartThreshold != 5*1176 || s.RTO != 2*time.Second || s.Timeouts != 1 {
		t.Fatalf("%+v", s)
	}
	tc.write(sack{cum: 0})
	tc.want("slow start", "DATA tsn=1")
	tc.want("from one packet", "DATA tsn=2")
	tc.wantIdle("no more")
	if s := tc.a.Stats(); s.RTO != 2*time.Second {
		t.Fatalf("a retransmitted chunk is no sample: %v", s.RTO) // 9260-6.3.1-b
	}
	tc.write(sack{cum: 9})
	if tc.a.paths.primary().t3.on() {
		t.Fatal("T3-rtx runs with nothing outstanding")
	}
}

// TestT3OnePacket: what fills less than the window of one packet is followed by no
// second packet until something is acknowledged. // 9260-7.2.3-a
func TestT3OnePacket(t *testing.T) {
	tc := newConnected(t, Config{CongestionControl: Reno, HeartbeatInterval: -1, LossDetection: MissIndications})
	for range 4 { // of which no two fit into a packet
		tc.send(Message{Payload: payload(testPMDCS * 3 / 5)})
	}
	tc.sent = nil
	tc.advanceToTimer()
	tc.want("the earliest", "DATA tsn=0")
	tc.wantIdle("and only that, though it is less than the window")
	tc.write(sack{cum: -1})
	tc.wantIdle("nothing was acknowledged")
	tc.write(sack{cum: 0})
	tc.want("as the window allows", "DATA tsn=1")
	tc.want("to which the last packet may exceed it", "DATA tsn=2")
	tc.wantIdle("no more")
}

// TestT3Restarts when the earliest outstanding chunk is acknowledged, and only then. // 9260-6.3.2-a
func TestT3Restarts(t *testing.T) {
	tc := missing(t, 10)
	tc.now = tc.now.Add(600 * time.Millisecond)
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: 2}}})
	if at, _ := tc.a.Timeout(); at.Sub(tc.now) != 400*time.Millisecond {
		t.Fatalf("expires in %v", at.Sub(tc.now))
	}
	tc.write(sack{cum: 1})
	if at, _ := tc.a.Timeout(); at.Sub(tc.now) != tc.a.Stats().RTO {
		t.Fatalf("expires in %v, RTO %v", at.Sub(tc.now), tc.a.Stats().RTO)
	}
}
