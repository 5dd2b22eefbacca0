package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestTailLoss: the end of a flight is lost. After two round trips the last chunk goes
// out once more, and its acknowledgement shows the rest. // 8985-7.2-a 8985-7.3-a PIONS-10
func TestTailLoss(t *testing.T) {
	tc := flying(t, 20, 10)
	start := tc.now
	tc.advance(testRTT)
	tc.write(sack{cum: 7}) // 8, 9 and 10 are lost
	cwnd := tc.a.Stats().CongestionWindow
	if d := tc.advanceToTimer(); d != 2*testRTT {
		t.Fatalf("PTO %v", d)
	}
	tc.want("the highest, to be acknowledged at once", "DATA tsn=10 sid=0 ssn=10 flags=IBE")
	tc.wantIdle("one packet")
	if at := tc.a.clock.time(tc.a.paths.primary().t3.at); at.Sub(tc.now) != tc.a.Stats().RTO {
		t.Fatalf("T3-rtx is due in %v", at.Sub(tc.now))
	}
	if s := tc.a.Stats(); s.CongestionWindow != cwnd || s.TailLossProbes != 1 || s.FlightSize != 3*1176 {
		t.Fatalf("%+v", s)
	}
	tc.advance(testRTT)
	tc.write(gaps(7, 10, 10))
	tc.want("the first, by proportional rate reduction", "DATA tsn=8")
	tc.advance(testRTT)
	tc.write(gaps(8, 10, 10))
	tc.want("and the second", "DATA tsn=9")
	tc.advance(testRTT)
	tc.write(sack{cum: 10})
	s := tc.a.Stats()
	if s.Timeouts != 0 || s.TimeLosses != 2 || s.FastRetransmits != 1 || s.CongestionWindow != cwnd/2 || s.FlightSize != 0 {
		t.Fatalf("%+v, cwnd was %d", s, cwnd)
	}
	if d := tc.now.Sub(start); d >= time.Second { // RTO.Min
		t.Fatalf("it took %v", d)
	}
}

// TestTailProbeSingle: an acknowledgement of one packet may be delayed. What the
// answers to a probe mean. // 8985-7.2-a 8985-7.4-a PIONS-10
func TestTailProbeSingle(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		answer []sack // each a round trip after the last
		lost   bool
	}{
		{"the probe repaired a loss", []sack{{cum: 1}}, true},
		{"both arrived", []sack{{cum: 1}, {cum: 1, dups: []int{1}}}, false},
		{"both arrived, in one SACK", []sack{{cum: 1, dups: []int{1}}}, false},
		{"both arrived, and the peer does not report duplicates", []sack{{cum: 1}, {cum: 1}}, false},
		{"another window is no repeated SACK", []sack{{cum: 1}, {cum: 1, window: 1 << 19}}, true},
		{"another duplicate is none of this", []sack{{cum: 1, dups: []int{0}}, {cum: 1, window: 1 << 19}}, true},
	} {
		tc := flying(t, 20, 1)
		if d := tc.advanceToTimer(); d != 2*testRTT+maxAckDelay {
			t.Fatalf("PTO %v", d)
		}
		tc.want("once more", "DATA tsn=1 sid=0 ssn=1 flags=IBE")
		for _, s := range tt.answer {
			tc.advance(testRTT)
			tc.write(s)
		}
		tc.more(1)
		tc.want("more data", "DATA tsn=2")
		tc.advance(testRTT)
		cwnd := tc.a.Stats().CongestionWindow
		tc.write(sack{cum: 2})
		s := tc.a.Stats()
		if reduced := s.CongestionWindow < cwnd; reduced != tt.lost || s.Timeouts != 0 || s.FastRetransmits != 0 {
			t.Errorf("%s: window %d, was %d", tt.desc, s.CongestionWindow, cwnd)
		}
		cwnd = s.CongestionWindow
		tc.more(1)
		tc.write(sack{cum: 3})
		if s := tc.a.Stats(); s.CongestionWindow < cwnd {
			t.Errorf("%s: reduced twice", tt.desc)
		}
	}
}

// TestTailProbeNewData: new data is the better probe, also above the congestion window,
// but not above the peer's. // 8985-7.3-a
func TestTailProbeNewData(t *testing.T) {
	tc := flying(t, 4, 4)
	tc.more(3)
	tc.wantIdle("the window is full")
	tc.advance(2 * testRTT)
	tc.want("one packet more", "DATA tsn=5 sid=0 ssn=5 flags=IBE")
	tc.wantIdle("only one")
	if s := tc.a.Stats(); s.TailLossProbes != 1 || s.Retransmissions != 0 || s.FlightSize != 5*1176 {
		t.Fatalf("%+v", s)
	}
	tc.write(gaps(0, 5, 5))
	tc.sent = nil
	tc.advance(testRTT)
	if s := tc.a.Stats(); s.TimeLosses != 4 || s.Timeouts != 0 {
		t.Fatalf("its acknowledgement does not show the loss: %+v", s)
	}

	tc = flying(t, 4, 4)
	tc.write(sack{cum: 1, window: 3*1160 + 1})
	tc.more(1)
	tc.sent = nil
	tc.advance(2 * testRTT)
	tc.want("the peer has no room for new data", "DATA tsn=4")
}

// TestTailProbeOnce: one probe at a time; then T3-rtx. No probe without a measurement
// of the round trip since the last one. // 8985-7.3-a
func TestTailProbeOnce(t *testing.T) {
	tc := flying(t, 20, 3)
	tc.advance(2 * testRTT)
	tc.want("the probe", "DATA tsn=3")
	if d := tc.advanceToTimer(); d != time.Second {
		t.Fatalf("the next timer after %v", d)
	}
	tc.want("T3-rtx", "DATA tsn=1")
	if s := tc.a.Stats(); s.Timeouts != 1 || s.TailLossProbes != 1 {
		t.Fatalf("%+v", s)
	}
	tc.write(sack{cum: 3})
	tc.a.paths.primary().cc.init(20*1176, testPMDCS)
	tc.more(3) // retransmitted chunks are no measurement
	tc.sent = nil
	tc.advance(testRTT)
	tc.advance(2 * testRTT)
	tc.wantIdle("no probe")
	tc.write(sack{cum: 6})
	tc.more(3)
	tc.sent = nil
	srtt := tc.a.Stats().SRTT
	if d := tc.advanceToTimer(); d != 2*srtt {
		t.Fatalf("PTO %v", d)
	}
	tc.want("measured again", "DATA tsn=9")
}

// TestTailProbeTimers: the PTO is never later than T3-rtx would be, never shorter than
// drivers are accurate, and starts anew with new data. // 8985-7.2-a 8985-8-a
func TestTailProbeTimers(t *testing.T) {
	tc := flying(t, 20, 2)
	for range 4 {
		tc.advance(testRTT * 3 / 2)
		tc.more(1)
		tc.want("before it expires", "DATA")
	}
	if d := tc.advanceToTimer(); d != 2*testRTT {
		t.Fatalf("PTO %v", d)
	}
	tc.want("a probe", "DATA tsn=6")

	tc = flying(t, 20, 2)
	for range 6 { // until T3-rtx is near
		tc.advance(testRTT * 3 / 2)
		tc.more(1)
	}
	tc.sent = nil
	if d := tc.advanceToTimer(); d != testRTT {
		t.Fatalf("PTO %v", d)
	}
	tc.want("a probe in its place", "DATA tsn=8")
	if s := tc.a.Stats(); s.Timeouts != 0 || s.TailLossProbes != 1 {
		t.Fatalf("%+v", s)
	}
	if d := tc.advanceToTimer(); d != time.Second {
		t.Fatalf("T3-rtx %v later", d)
	}
	if d := probeTimeout(time.Microsecond, false); d != minProbeTimeout {
		t.Fatalf("PTO %v", d)
	}
}

// TestTailProbeLimits: a probe is a retransmission. What may not be retransmitted is
// passed over; when nothing is left T3-rtx expires when it would. // 8985-7.3-a
func TestTailProbeLimits(t *testing.T) {
	tc := flying(t, 20, 0)
	for _, n := range []uint16{1, 0, 0} {
		tc.send(Message{Payload: payload(1000), Reliability: rexmit(n)})
	}
	tc.wantPackets("three messages", 3)
	tc.events = nil
	tc.advance(2 * testRTT)
	tc.want("the only one that may", "DATA tsn=1")
	tc.wantNoEvent("nothing is given up")
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.advanceToTimer()
	tc.want("it has had its retransmission", "FORWARD-TSN cum=1")

	tc = flying(t, 20, 0)
	tc.send(Message{Payload: payload(1000), Reliability: rexmit(0)})
	tc.send(Message{Payload: payload(1000), Reliability: lifetime(50 * time.Millisecond)})
	tc.wantPackets("two messages", 2)
	tc.advance(900 * time.Millisecond)
	tc.wantIdle("no probe")
	tc.advance(100 * time.Millisecond)
	tc.want("T3-rtx", "FORWARD-TSN cum=2")
	if s := tc.a.Stats(); s.TailLossProbes != 0 || s.Timeouts != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestTailProbeStates: no probes of a closed window, or when
// all is given up; and none when the association is over. // 8985-7.2-a 8985-8-a
func TestTailProbeStates(t *testing.T) {
	tc := flying(t, 20, 6)
	tc.advance(testRTT)
	tc.write(sack{cum: 6, closed: true})
	tc.more(1)
	tc.wantIdle("the window is closed")
	if r := &tc.a.paths.primary().rack; r.timer.on() {
		t.Fatal("PTO runs for a closed window")
	}

	tc = flying(t, 20, 3)
	tc.write(shutdownChunk{cum: 1})
	if !tc.a.paths.primary().rack.waits(waitProbe) {
		t.Fatal("no PTO in SHUTDOWN-RECEIVED")
	}
	tc.advance(2 * testRTT)
	tc.want("a probe for the shutdown", "DATA tsn=3")
	tc.write(shutdownChunk{cum: 3})
	tc.want("done", "SHUTDOWN ACK")
	if tc.a.paths.primary().rack.timer.on() {
		t.Fatal("PTO runs after the last chunk")
	}

	tc = flying(t, 20, 3)
	tc.write(causeChunk(wire.TypeAbort, 0, wire.CauseUserAbort, ""))
	if _, on := tc.a.Timeout(); on {
		t.Fatal("a timer after the end")
	}

	tc = flying(t, 20, 3)
	tc.a.Shutdown(tc.now)
	tc.advance(2 * testRTT)
	tc.want("in SHUTDOWN-PENDING", "DATA tsn=3")
}

// TestRepairProbe: a retransmission is lost, and the peer's window is full, so that nothing
// sent later can show it. After two round trips it goes out once more, before new data, and
// without the time that a peer may wait for a second packet: it has a gap. // 8985-7.2-a 8985-7.3-a 8985-7.4-a
func TestRepairProbe(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		answer sack
		lost   bool
	}{
		{"the probe repaired it", sack{cum: 6}, true},
		{"the acknowledgement had been lost", sack{cum: 6, dups: []int{1}}, false},
	} {
		tc := flying(t, 20, 6)
		tc.advance(testRTT)
		tc.write(sack{cum: 0, gaps: gaps(0, 2, 6).gaps, window: 1000})
		tc.wantResent("lost", 1)
		tc.more(1)
		tc.wantIdle("no room for new data")
		cwnd := tc.a.Stats().CongestionWindow
		if d := tc.advanceToTimer(); d != 2*testRTT {
			t.Fatalf("%s: PTO %v", tt.desc, d)
		}
		tc.want("once more", "DATA tsn=1 sid=0 ssn=1 flags=IBE")
		if s := tc.a.Stats(); s.CongestionWindow != cwnd || s.TailLossProbes != 1 || s.TimeLosses != 1 || s.FlightSize != 1176 {
			t.Fatalf("%s: %+v", tt.desc, s)
		}
		tc.advance(testRTT)
		tc.write(tt.answer)
		tc.want("the window is open", "DATA tsn=7")
		tc.advance(testRTT)
		tc.write(sack{cum: 7})
		s, r := tc.a.Stats(), &tc.a.paths.primary().rack
		if reduced := s.CongestionWindow < cwnd; reduced != tt.lost || s.Timeouts != 0 || s.SpuriousRecoveries != 0 || r.mult != 0 || r.tlp.out {
			t.Errorf("%s: window %d, was %d; %d timeouts, %d recoveries undone, %+v", tt.desc, s.CongestionWindow, cwnd, s.Timeouts, s.SpuriousRecoveries, r)
		}
	}
}

// TestRepairProbeLowest: of several retransmissions that are lost the first is the probe, as the
// peer waits for that; its acknowledgement shows the others. New data is what goes if they
// may not be sent again. // 8985-7.3-a
func TestRepairProbeLowest(t *testing.T) {
	tc := flying(t, 20, 6)
	tc.advance(testRTT)
	tc.write(sack{cum: 0, gaps: gaps(0, 2, 2, 4, 6).gaps, window: 1000})
	tc.sent = nil
	tc.advance(testRTT / 4) // reordering
	tc.sent = nil
	if s := tc.a.Stats(); s.Retransmissions != 2 {
		t.Fatalf("%+v", s)
	}
	tc.advanceToTimer()
	tc.want("the first", "DATA tsn=1")
	tc.wantIdle("and no other")
	tc.advance(testRTT)
	tc.write(sack{cum: 2, gaps: gaps(2, 4, 6).gaps, window: 1000})
	tc.want("which shows the other", "DATA tsn=3")
	tc.advance(testRTT)
	tc.write(sack{cum: 6})
	if s := tc.a.Stats(); s.Timeouts != 0 || s.TailLossProbes != 1 || s.FlightSize != 0 {
		t.Fatalf("%+v", s)
	}

	tc = flying(t, 20, 0)
	tc.send(Message{Payload: payload(1160), Reliability: rexmit(1)})
	tc.more(3)
	tc.advance(testRTT)
	tc.write(sack{cum: 0, gaps: gaps(0, 2, 4).gaps, window: 1000})
	tc.sent = nil
	tc.advance(testRTT)
	tc.write(sack{cum: 0, gaps: gaps(0, 2, 4).gaps, window: 20000}) // the application reads
	tc.send(Message{Payload: payload(100)})
	tc.want("the window allows it anyway", "DATA tsn=5")
	tc.advance(2 * testRTT)
	tc.want("the only one that may", "DATA tsn=5")
}

// TestRepairProbeOnce: one probe at a time, also in a recovery; and none after T3-rtx has
// expired, whose backoff holds until something is acknowledged. // 8985-7.3-a 9260-6.3.3-a
func TestRepairProbeOnce(t *testing.T) {
	tc := flying(t, 20, 6)
	tc.advance(testRTT)
	tc.write(sack{cum: 0, gaps: gaps(0, 2, 6).gaps, window: 1000})
	tc.wantResent("lost", 1)
	tc.advanceToTimer()
	tc.want("the probe", "DATA tsn=1")
	for _, after := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if d := tc.advanceToTimer(); d != after {
			t.Fatalf("the next timer after %v", d)
		}
		tc.want("T3-rtx", "DATA tsn=1")
		tc.wantIdle("one packet")
	}
	if s := tc.a.Stats(); s.Timeouts != 3 || s.TailLossProbes != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestRepairProbeNeedless: all was late only, the first transmission, the retransmission
// and the probe; then the recovery is taken back. // 8985-7.4-a
func TestRepairProbeNeedless(t *testing.T) {
	for _, dups := range [][]int{{1, 1}, {1}} {
		tc := flying(t, 20, 6)
		cwnd := tc.a.Stats().CongestionWindow
		tc.advance(testRTT)
		tc.write(gaps(0, 2, 6))
		tc.wantResent("lost, it seems", 1)
		tc.advanceToTimer()
		tc.want("the probe", "DATA tsn=1")
		tc.write(sack{cum: 6, dups: dups})
		if len(dups) == 1 {
			if s := tc.a.Stats(); s.SpuriousRecoveries != 0 {
				t.Fatalf("%+v", s)
			}
			tc.write(sack{cum: 6, dups: dups})
		}
		if s := tc.a.Stats(); s.SpuriousRecoveries != 1 || s.CongestionWindow < cwnd {
			t.Errorf("duplicates %v: %+v", dups, s)
		}
	}
}

// TestTailProbeNewPath: on another way no probe goes out before a round trip was
// measured there, and the answer to one from before says nothing about it.
// // 8985-7.2-a
func TestTailProbeNewPath(t *testing.T) {
	for _, probed := range []bool{false, true} {
		tc := flying(t, 20, 3)
		tc.advance(testRTT)
		tc.write(sack{cum: 1})
		if probed {
			tc.advanceToTimer()
			tc.want("a probe", "DATA tsn=3")
		}
		tc.a.PathChanged(tc.now, 0)
		tc.send(Message{Payload: payload(100)})
		tc.sent = nil
		before := tc.a.Stats()
		tc.advance(900 * time.Millisecond)
		if s := tc.a.Stats(); s.TailLossProbes != before.TailLossProbes || s.Timeouts != 0 {
			t.Errorf("probed %v: then %d probes, %d timeouts", probed, s.TailLossProbes-before.TailLossProbes, s.Timeouts)
		}
		tc.write(sack{cum: 4})
		if s := tc.a.Stats(); s.SlowStartThreshold != before.SlowStartThreshold {
			t.Errorf("probed %v: ssthresh fell from %d to %d", probed, before.SlowStartThreshold, s.SlowStartThreshold)
		}
	}
}
