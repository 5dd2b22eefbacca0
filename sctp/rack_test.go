package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

const testRTT = 100 * time.Millisecond

// flying returns a connection that has measured testRTT, with the window open for
// window full packets and n of them in flight. The first is number 1: 0 was for
// the measurement.
func flying(t testing.TB, window, n int) *testConn {
	t.Helper()
	tc := newConnected(t, Config{CongestionControl: Reno, HeartbeatInterval: -1, MaxBurst: maxBurst})
	p := tc.a.paths.primary()
	p.rto.init(tc.a.cfg) // forget the handshake, which took no time
	tc.send(Message{Payload: payload(100)})
	tc.want("a round trip is measured", "DATA tsn=0")
	tc.now = tc.now.Add(testRTT)
	tc.write(sack{cum: 0})
	p.cc.init(window*1176, testPMDCS)
	tc.more(n)
	tc.wantPackets("in flight", n)
	if s := tc.a.Stats(); s.SRTT != testRTT || s.FlightSize != n*1176 {
		t.Fatalf("%+v", s)
	}
	return tc
}

// more sends n messages that fill a packet each.
func (tc *testConn) more(n int) {
	tc.t.Helper()
	for range n {
		if err := tc.a.Send(tc.now, Message{Payload: payload(1160)}); err != nil {
			tc.t.Fatal(err)
		}
	}
	tc.drain()
}

// gaps is a SACK of everything through cum, and of the runs of numbers, first and
// last, above it.
func gaps(cum int, runs ...int) sack {
	s := sack{cum: cum}
	for i := 0; i < len(runs); i += 2 {
		s.gaps = append(s.gaps, wire.GapBlock{Start: uint16(runs[i] - cum), End: uint16(runs[i+1] - cum)})
	}
	return s
}

// wantResent wants these chunks next, in this order and no others.
func (tc *testConn) wantResent(why string, tsns ...int) {
	tc.t.Helper()
	got, want := "", ""
	for _, c := range tc.wantPackets(why, len(tc.sent)) {
		got += strings.Fields(c)[1] + " "
	}
	for _, n := range tsns {
		want += fmt.Sprintf("tsn=%d ", n)
	}
	if got != want {
		tc.t.Fatalf("%s: sent %s, want %s", why, got, want)
	}
}

// TestRackThreePackets: while no reordering was seen, three packets that arrived
// after one make it lost at once; chunks of one packet count once. // 8985-6.2-c PIONS-10
func TestRackThreePackets(t *testing.T) {
	tc := flying(t, 10, 10)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.write(gaps(0, 2, 3))
	tc.wantIdle("two may have overtaken it")
	cwnd := tc.a.Stats().CongestionWindow
	tc.write(gaps(0, 2, 4))
	tc.wantResent("the third", 1)
	if s := tc.a.Stats(); s.TimeLosses != 1 || s.FastRetransmits != 1 || s.CongestionWindow != cwnd/2 || s.Timeouts != 0 {
		t.Fatalf("%+v", s)
	}

	tc = flying(t, 10, 0)
	tc.send(Message{Payload: payload(500)})
	for range 4 {
		tc.a.Send(tc.now, Message{Payload: payload(100)})
	}
	tc.wantPackets("four chunks in the second", 2)
	tc.advance(testRTT)
	tc.write(gaps(1, 3, 5))
	tc.wantIdle("they are one packet")
}

// TestRackReorderingTimer: with less than that, it is lost a quarter of the least
// round trip after the one that was sent later has arrived. // 8985-6.2-d 8985-8-a
func TestRackReorderingTimer(t *testing.T) {
	tc := flying(t, 10, 3)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.wantIdle("it may arrive yet")
	if d := tc.advanceToTimer(); d != testRTT/4 {
		t.Fatalf("after %v", d)
	}
	tc.wantResent("not 3, which was sent later", 1)
	if s := tc.a.Stats(); s.TimeLosses != 1 || s.Timeouts != 0 {
		t.Fatalf("%+v", s)
	}

	// The timer that would expire earlier yields.
	tc = flying(t, 10, 2)
	tc.a.paths.primary().t3.at = tc.a.clock.read(tc.now).Add(testRTT + time.Millisecond)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.advanceToTimer()
	tc.wantResent("by RACK", 1)
	if s := tc.a.Stats(); s.Timeouts != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestRackReordering: once reordering was seen, three packets are no proof, and what
// arrives within the window is not sent again. // 8985-6.2-b 8985-6.2-c
func TestRackReordering(t *testing.T) {
	tc := flying(t, 100, 20)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.write(gaps(2))
	if !tc.a.paths.primary().rack.reordered {
		t.Fatal("1 came in after 2")
	}
	for first := 3; first < 20; first += 5 { // five packets are late, by less than the window
		for n := 1; n <= 4; n++ {
			tc.write(gaps(first-1, first+1, first+n))
		}
		tc.advance(testRTT/4 - time.Millisecond)
		tc.write(gaps(min(first+4, 20)))
	}
	tc.wantIdle("nothing is sent again")
	if s := tc.a.Stats(); s.TimeLosses != 0 || s.CongestionWindow < 100*1176 {
		t.Fatalf("%+v", s)
	}
}

// TestRackLostRetransmission: a retransmission that is lost is found by what was sent
// after it, and reduces the window another time. // 8985-6.2-d
func TestRackLostRetransmission(t *testing.T) {
	tc := flying(t, 20, 20)
	tc.more(20)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 4))
	tc.want("found", "DATA tsn=1")
	cwnd := tc.a.Stats().CongestionWindow
	tc.write(gaps(0, 2, 20))
	if n := len(tc.wantPackets("new data", len(tc.sent))); n == 0 {
		t.Fatal("nothing was sent after the retransmission")
	}
	tc.advance(testRTT)
	before := tc.a.Stats()
	tc.write(gaps(0, 2, 21))
	tc.want("found, too", "DATA tsn=1")
	s := tc.a.Stats()
	if s.Timeouts != 0 || s.Retransmissions != 2 || s.FastRetransmits != 1 || before.CongestionWindow != cwnd || s.CongestionWindow != cwnd/2 {
		t.Fatalf("%+v\n%+v", before, s)
	}
	tc.sent = nil
	tc.write(gaps(0, 2, 22))
	if s := tc.a.Stats(); s.CongestionWindow != cwnd/2 || s.Retransmissions != 2 {
		t.Fatalf("once more within a round trip: %+v", s)
	}
}

// TestRackTooSoon: an acknowledgement that comes sooner than
// any packet can is not of the retransmission, which says nothing. // 8985-6.2-a
func TestRackTooSoon(t *testing.T) {
	tc := flying(t, 10, 10)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 4))
	tc.wantResent("lost, it seems", 1)
	tc.advance(testRTT / 2)
	tc.write(gaps(4)) // the first transmission
	if r := &tc.a.paths.primary().rack; r.rtt != testRTT {
		t.Fatalf("round trip %v", r.rtt)
	}
	tc.wantIdle("5 to 10 were sent before the retransmission, and are not late for that")
	if s := tc.a.Stats(); s.TimeLosses != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestRackWindow: how the reordering window grows and shrinks. // 8985-5-a 8985-6.2-c
func TestRackWindow(t *testing.T) {
	r := &rack{reordered: true}
	window := func(want time.Duration, why string) {
		t.Helper()
		if got := r.window(0, false, 90*time.Millisecond); got != want {
			t.Fatalf("%s: %v, want %v", why, got, want)
		}
	}
	window(0, "without a measurement")
	r.minRTT.sample(0, 80*time.Millisecond)
	window(20*time.Millisecond, "at first")
	r.spurious(100, 200)
	r.spurious(150, 210)
	window(40*time.Millisecond, "once in a round")
	r.spurious(200, 300)
	window(60*time.Millisecond, "the next round")
	for i := range wire.TSN(10_000) {
		r.spurious(300+100*i, 400+100*i)
	}
	window(90*time.Millisecond, "at most SRTT")
	for range persistRecoveries - 1 {
		r.recovered()
	}
	window(90*time.Millisecond, "after 15 recoveries")
	r.recovered()
	window(20*time.Millisecond, "after 16")
	r.reordered = false
	if r.window(3, false, time.Second) != 0 || r.window(0, true, time.Second) != 0 || r.window(2, false, time.Second) == 0 {
		t.Fatal("without reordering it is 0 in a recovery, and after three packets")
	}
}

// TestMinRTT is the least of a minute or two. // 8985-6.2-a
func TestMinRTT(t *testing.T) {
	var m minRTT
	for i, tt := range []struct{ at, sample, want time.Duration }{
		{0, 50, 50}, {30 * time.Second, 40, 40}, {50 * time.Second, 60, 40},
		{61 * time.Second, 70, 40}, {100 * time.Second, 65, 40}, {122 * time.Second, 80, 65}, {time.Hour, 90, 90},
	} {
		if m.sample(instant(tt.at), tt.sample); m.least() != tt.want {
			t.Errorf("sample %d: %v, want %v", i, m.least(), tt.want)
		}
	}
}

// TestRackTimeout: T3-rtx marks the first chunk outstanding, and no more of those
// sent lately. // 8985-6.3-a
func TestRackTimeout(t *testing.T) {
	tc := flying(t, 10, 1)
	tc.a.paths.primary().rack.tlp.fresh = false // no probes
	tc.advance(950 * time.Millisecond)
	tc.more(2)
	tc.wantPackets("two more", 2)
	tc.advance(50 * time.Millisecond)
	tc.wantResent("the first", 1)
	if s := tc.a.Stats(); s.Timeouts != 1 || s.FlightSize != 3*1176 || s.CongestionWindow != 1176 {
		t.Fatalf("%+v", s)
	}
	tc.advance(testRTT)
	tc.write(sack{cum: 3})
	tc.wantIdle("all arrived")
	if tc.a.recovery.active() {
		t.Fatal("the recovery is over")
	}
}

// TestRackSilence: a peer with room for 20 gap blocks, like dcSCTP, is not taken to
// lack what it does not list. PEERS 3. // 9260-6.2.1-b
func TestRackSilence(t *testing.T) {
	const n = 60
	tc := flying(t, 2*n, n)
	tc.advance(testRTT)
	var odd []int // only they arrive
	for i := 2; i <= n; i += 2 {
		odd = append(odd, i, i)
	}
	tc.write(gaps(0, odd[:40]...)) // through 40
	lost := len(tc.wantPackets("what lies below", len(tc.sent)))
	for range 20 {
		tc.advance(testRTT)
		lost += len(tc.wantPackets("still", len(tc.sent)))
		if lost == 20 {
			break
		}
	}
	for i := 1; i < 40; i += 2 { // the retransmissions arrive, later than anything else was sent
		tc.write(gaps(i+1, odd[i+1:min(i+41, len(odd))]...))
	}
	for _, c := range tc.wantPackets("then", len(tc.sent)) {
		var tsn int
		if fmt.Sscanf(c, "DATA tsn=%d", &tsn); tsn%2 == 0 {
			t.Fatalf("%s had arrived", c)
		}
	}
	if s := tc.a.Stats(); s.Timeouts > 1 {
		t.Fatalf("%+v", s)
	}
}

// TestRackSilenceShort: what the next SACK reports as missing is lost, though the one
// before, for a retransmission sent right after it, could not speak of it yet. // 8985-6.2-d
func TestRackSilenceShort(t *testing.T) {
	tc := flying(t, 120, 60)
	tc.advance(testRTT - time.Millisecond)
	tc.more(1)
	tc.wantPackets("61", 1)
	tc.advance(time.Millisecond)
	var even []int // and all from 40
	for i := 2; i < 40; i += 2 {
		even = append(even, i, i)
	}
	tc.write(gaps(0, append(even, 40, 60)...))
	tc.wantPackets("the odd ones", 20)
	tc.advance(time.Millisecond)
	tc.more(1)
	tc.wantPackets("62", 1)
	tc.advance(testRTT - time.Millisecond)
	tc.write(gaps(2, append(even[2:], 40, 60)...)) // the first of the odd ones arrived
	tc.wantIdle("61 may be on its way")
	at, _ := tc.a.Timeout()
	if d := at.Sub(tc.now); d < testRTT/5 || d > testRTT/4 { // it was sent a round trip and a millisecond ago
		t.Errorf("that is looked at again after %v", d)
	}
	tc.advance(time.Millisecond)
	tc.write(gaps(60, 62, 62)) // all of them, and 62
	tc.wantResent("it was lost", 61)
}

// TestRackSilenceCost: nor does it make us look at everything for each SACK.
func TestRackSilenceCost(t *testing.T) {
	const n = 400
	tc := flying(t, n, n)
	tc.advance(testRTT)
	var even []int
	for i := 2; i <= 64; i += 2 {
		even = append(even, i, i)
	}
	tc.write(gaps(0, even...))
	tc.want("the first", "DATA tsn=1")
	tc.sent = nil
	renewed := func() (n int) {
		for i := 65; i <= 400; i++ {
			if c := tc.a.sent.at(tc.localTSN.Add(i)); c.state != chunkOutstanding {
				t.Fatalf("%d: %+v", i, *c)
			} else if c.again {
				n++
			}
		}
		return n
	}
	tc.advance(testRTT)
	tc.write(gaps(2, even[2:]...)) // a retransmission arrived, sent after all others
	if n := renewed(); n == 0 || n > 64 {
		t.Fatalf("%d chunks at once", n)
	}
	tc.advance(10 * time.Millisecond)
	if n := renewed(); n != 336 {
		t.Fatalf("%d chunks in the end", n)
	}
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
}

// TestRackReneging: what is taken back counts as sent now, so that a SACK overtaken by
// another does no harm; it is found lost in the end. // 9260-6.2.1-b
func TestRackReneging(t *testing.T) {
	tc := flying(t, 10, 6)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 2))
	tc.write(gaps(0)) // sent before that
	tc.wantIdle("an old SACK")
	if s := tc.a.Stats(); s.FlightSize != 6*1176 {
		t.Fatalf("%+v", s)
	}
	tc.write(gaps(0, 2, 3))
	tc.write(gaps(3, 5, 6))
	tc.write(gaps(3))
	if s := tc.a.Stats(); s.FlightSize != 3*1176 || s.Retransmissions != 0 {
		t.Fatalf("%+v", s)
	}
	for range 10 {
		tc.advance(testRTT)
		if len(tc.sent) > 0 {
			tc.write(sack{cum: 6})
			break
		}
	}
	tc.sent = nil
	if s := tc.a.Stats(); s.FlightSize != 0 || s.SendBuffered != 0 || s.Timeouts > 1 {
		t.Fatalf("%+v", s)
	}
	tc.wantIdle("done")
}

// TestRackAllocs: losses, recoveries, probes and their undoing allocate nothing once
// their buffers have grown.
func TestRackAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	tc := flying(t, 40, 0)
	a := tc.a
	var out [2048]byte
	message, b, next := make([]byte, 1160), make([]byte, 0, 2048), 0
	sacked := func(s sack) {
		b = wire.AppendHeader(b[:0], 5000, 5000, tc.localTag)
		var dups [4]wire.TSN
		for i, d := range s.dups {
			dups[i] = tc.localTSN.Add(d)
		}
		b = wire.AppendSack(b, tc.localTSN.Add(s.cum), 1<<20, s.gaps, dups[:len(s.dups)])
		wire.SetChecksum(b)
		a.HandlePacket(tc.now, 0, b)
		for ok := true; ok; _, ok = a.Transmit(tc.now, out[:0]) {
		}
		for ok := true; ok; _, ok = a.NextEvent() {
		}
	}
	blocks, dups := make([]wire.GapBlock, 1), make([]int, 1)
	round := func() {
		for range 8 {
			if err := a.Send(tc.now, Message{Payload: message}); err != nil {
				t.Fatal(err)
			}
		}
		for ok := true; ok; _, ok = a.Transmit(tc.now, out[:0]) {
		}
		tc.now = tc.now.Add(testRTT)
		blocks[0] = wire.GapBlock{Start: 2, End: 8}
		sacked(sack{cum: next, gaps: blocks})
		for a.sent.lost > 0 || a.paths.primary().rack.timer.on() { // a recovery, or a probe
			tc.now, _ = a.Timeout()
			a.HandleTimeout(tc.now)
			sacked(sack{cum: next, gaps: blocks})
		}
		dups[0] = next + 1
		next += 8
		sacked(sack{cum: next})
		sacked(sack{cum: next, dups: dups})
	}
	for range 20 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s := a.Stats(); s.TimeLosses < 200 || s.SpuriousRecoveries < 200 || s.FlightSize != 0 {
		t.Fatalf("%+v", s)
	}
}
