package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// fooled returns a connection in a recovery for packets that are only late: 1 to 3 of
// 20 in flight were sent again.
func fooled(t *testing.T) (tc *testConn, cwnd int) {
	t.Helper()
	tc = flying(t, 20, 20)
	tc.advance(testRTT)
	tc.write(gaps(0, 4, 4))
	cwnd = tc.a.Stats().CongestionWindow
	tc.write(gaps(0, 4, 20))
	for tc.a.sent.lost > 0 {
		tc.advanceToTimer()
	}
	tc.wantResent("late", 1, 2, 3)
	if s := tc.a.Stats(); s.CongestionWindow >= cwnd || s.FastRetransmits != 1 || s.Timeouts != 0 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
	return tc, cwnd
}

// TestUndo: when the peer reports all that was sent again as duplicates nothing had
// been lost: the window is what it was, and reordering gets more time. // 8985-6.2-c 9438-4.9-a
func TestUndo(t *testing.T) {
	tc, cwnd := fooled(t)
	tc.write(sack{cum: 20})
	reduced := tc.a.Stats().CongestionWindow
	tc.advance(testRTT)
	tc.write(sack{cum: 20, dups: []int{1, 3}})
	if s := tc.a.Stats(); s.CongestionWindow != reduced || s.SpuriousRecoveries != 0 {
		t.Fatalf("one may have been lost: %+v", s)
	}
	if m := tc.a.paths.primary().rack.mult; m != 1 {
		t.Fatalf("%d", m)
	}
	tc.write(sack{cum: 20, dups: []int{2}})
	s := tc.a.Stats()
	if s.CongestionWindow != cwnd || s.SlowStartThreshold != ssthreshInitial || s.SpuriousRecoveries != 1 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
	tc.write(sack{cum: 20, dups: []int{1, 2, 3}})
	if again := tc.a.Stats(); again.CongestionWindow != cwnd || again.SpuriousRecoveries != 1 {
		t.Fatalf("twice: %+v", again)
	}
}

// TestUndoInRecovery: it ends at once, and what was marked and not sent again is as if
// it had been sent now.
func TestUndoInRecovery(t *testing.T) {
	tc := flying(t, 20, 20)
	tc.advance(testRTT)
	tc.write(gaps(0, 18, 20)) // 1 to 17 are late
	n := len(tc.wantPackets("some are sent again", len(tc.sent)))
	if lost := tc.a.sent.lost; n == 0 || lost != 17-n {
		t.Fatalf("%d sent again, %d left", n, lost)
	}
	tc.advance(testRTT)
	s := gaps(0, 18, 20)
	for i := range n {
		s.dups = append(s.dups, 1+i)
	}
	tc.write(s)
	tc.wantIdle("no more are")
	if st := tc.a.Stats(); st.SpuriousRecoveries != 1 || st.FlightSize != 17*1176 || tc.a.recovery.active() || tc.a.sent.lost != 0 {
		t.Fatalf("%+v", st)
	}
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
	tc.write(sack{cum: 17})
	tc.write(sack{cum: 20})
	if st := tc.a.Stats(); st.Retransmissions != uint64(n) || st.FlightSize != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestUndoTimeout: a timeout that was needless is taken back, too, and so is one on top
// of a recovery. // 9438-4.9-a
func TestUndoTimeout(t *testing.T) {
	tc := flying(t, 20, 1)
	tc.a.paths.primary().rack.tlp.fresh = false // no probe
	cwnd := tc.a.Stats().CongestionWindow
	tc.advance(time.Second)
	tc.wantResent("T3-rtx", 1)
	if s := tc.a.Stats(); s.CongestionWindow != 1176 || s.Timeouts != 1 {
		t.Fatalf("%+v", s)
	}
	tc.advanceToTimer()
	tc.wantResent("and again", 1)
	tc.write(sack{cum: 1})
	tc.write(sack{cum: 1, dups: []int{1}})
	if s := tc.a.Stats(); s.SpuriousRecoveries != 0 {
		t.Fatalf("it was sent again twice: %+v", s)
	}
	tc.write(sack{cum: 1, dups: []int{1}})
	if s := tc.a.Stats(); s.CongestionWindow != cwnd || s.SpuriousRecoveries != 1 {
		t.Fatalf("%+v", s)
	}

	tc, cwnd = fooled(t)
	tc.advanceToTimer()
	tc.wantResent("T3-rtx in a recovery", 1)
	tc.write(gaps(1, 4, 20))
	tc.advance(testRTT)
	tc.sent = nil
	again := int(tc.a.Stats().Retransmissions)
	s := sack{cum: 20, dups: []int{1, 1, 2, 3}}
	if again > 4 {
		s.dups = append(s.dups, 2)
	}
	if again > 5 {
		s.dups = append(s.dups, 3)
	}
	tc.write(s)
	if s := tc.a.Stats(); s.CongestionWindow < cwnd || s.SpuriousRecoveries != 1 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
}

// TestUndoOfLies: crafted reports of duplicates get a peer no more than the window of
// before, and no widening for what was never sent again.
func TestUndoOfLies(t *testing.T) {
	tc, cwnd := fooled(t)
	for _, d := range [][]int{
		{0, 4, 5, 20}, {-1, 1 << 30, -1 << 31}, {21, 22, 1000},
	} {
		tc.write(sack{cum: 0, gaps: gaps(0, 4, 20).gaps, dups: d})
	}
	if s := tc.a.Stats(); s.SpuriousRecoveries != 0 || s.CongestionWindow >= cwnd || tc.a.paths.primary().rack.mult != 0 {
		t.Fatalf("%+v", s)
	}
	var all []int
	for i := range 200 {
		all = append(all, 1+i%3)
	}
	for range 100 {
		tc.write(sack{cum: 20, dups: all})
	}
	if s := tc.a.Stats(); s.SpuriousRecoveries != 1 || s.CongestionWindow != cwnd || tc.a.paths.primary().rack.mult != 1 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
}

// TestUndoForgets: a later recovery is another one; duplicates of the one before only
// show reordering. What was reduced for another reason stays reduced.
func TestUndoForgets(t *testing.T) {
	tc, cwnd := fooled(t)
	tc.write(sack{cum: 20})
	tc.more(8)
	tc.sent = nil
	tc.advance(testRTT)
	tc.write(gaps(20, 22, 25))
	tc.wantResent("another loss", 21)
	tc.write(sack{cum: 28, dups: []int{1, 2, 3}})
	if s := tc.a.Stats(); s.SpuriousRecoveries != 0 || s.CongestionWindow > cwnd/2 || tc.a.paths.primary().rack.mult != 1 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
	tc, cwnd = fooled(t)
	tc.a.recovery.reacted(tc.a.sent.order.packet)
	tc.write(sack{cum: 20, dups: []int{1, 2, 3}})
	if s := tc.a.Stats(); s.SpuriousRecoveries != 0 || s.CongestionWindow >= cwnd {
		t.Fatalf("%+v", s)
	}
}

// TestLossAfterUndo: a recovery that is taken back has reduced nothing, so a real loss in the
// same flight is the first. // 8985-9.3
func TestLossAfterUndo(t *testing.T) {
	tc := flying(t, 20, 20)
	tc.advance(testRTT)
	tc.write(gaps(0, 4, 4))
	cwnd := tc.a.Stats().CongestionWindow
	tc.write(gaps(0, 4, 9)) // 1 to 3 are late
	for tc.a.sent.lost > 0 {
		tc.advanceToTimer()
	}
	tc.wantResent("late", 1, 2, 3)
	if s := tc.a.Stats(); s.CongestionWindow >= cwnd {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
	tc.write(sack{cum: 9, dups: []int{1, 2, 3}})
	s := tc.a.Stats()
	if s.CongestionWindow < cwnd || s.SpuriousRecoveries != 1 {
		t.Fatalf("not taken back: %+v, window was %d", s, cwnd)
	}
	cwnd = s.CongestionWindow
	tc.write(gaps(9, 11, 20)) // 10 is lost
	for tc.a.Stats().Retransmissions < 4 {
		tc.advanceToTimer()
	}
	tc.wantResent("lost", 10)
	if s := tc.a.Stats(); s.CongestionWindow > cwnd*3/4 || s.FastRetransmits != 2 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
	tc.write(sack{cum: 20})
	if s := tc.a.Stats(); s.SpuriousRecoveries != 1 || s.CongestionWindow > cwnd*3/4 {
		t.Fatalf("%+v, window was %d", s, cwnd)
	}
}

// TestUndoSets: what is kept of retransmissions is bounded.
func TestUndoSets(t *testing.T) {
	var u undo
	u.start(0)
	u.resent(5)
	u.resent(5)
	u.resent(5)
	if u.on {
		t.Error("a chunk that was sent again three times")
	}
	u.start(0)
	for i := range wire.TSN(2*maxTSNRuns + 2) {
		u.resent(2 * i)
	}
	if u.on || len(u.once.runs) > maxTSNRuns {
		t.Errorf("%d runs", len(u.once.runs))
	}
	u.start(0)
	u.resent(7)
	if !u.duplicate(0) || u.duplicate(1) || u.complete() || !u.duplicate(7) || !u.complete() || u.complete() {
		t.Error("duplicates of this recovery and the one before")
	}
	u.start(0)
	if u.complete() {
		t.Error("nothing was sent again")
	}
}

// TestRestAmidRecovery: what is needed to undo a recovery is kept while chunks are outstanding, however
// often heartbeats come meanwhile. // 9438-4.9-a
func TestRestAmidRecovery(t *testing.T) {
	undone := 0
	for seed := range 50 {
		tc := newConnected(t, Config{HeartbeatInterval: 20 * time.Millisecond, Seed: [32]byte{byte(seed + 1)}, CongestionControl: CUBIC})
		tc.a.paths.primary().rack.tlp.fresh = false
		for range 4 {
			tc.send(Message{Payload: payload(1100)})
		}
		window := tc.a.Stats().CongestionWindow
		for range 60 {
			if tc.advanceToTimer(); tc.a.state != Established || tc.a.Stats().Timeouts > 1 {
				break
			}
			tc.drain()
		}
		if tc.a.state != Established {
			continue
		}
		tc.write(sack{cum: 0})
		for i := range 4 {
			tc.write(sack{cum: 3, dups: []int{i, i}})
		}
		if s := tc.a.Stats(); s.SpuriousRecoveries > 0 {
			if undone++; s.CongestionWindow < window {
				t.Errorf("seed %d: undone, but the window is %d, not %d", seed, s.CongestionWindow, window)
			}
		}
	}
	if undone == 0 {
		t.Error("no timeout was undone")
	}
}
