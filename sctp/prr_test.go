package sctp

import "testing"

// TestPRR goes through the rules one by one: 20 packets of 1000 bytes were in flight,
// and 10 shall be. // 9937-6.1-a 9937-6.2-a 9937-6.2-b
func TestPRR(t *testing.T) {
	const p = 1000
	start := func() *prr {
		r := new(prr)
		r.start(10*p, 20*p, p)
		return r
	}
	if r := start(); !r.open(2*p-1) || r.open(2*p) {
		t.Error("two packets may be outstanding at any time")
	}
	for _, tt := range []struct {
		desc   string
		do     func(r *prr)
		budget int
	}{
		{"one retransmission at once", func(r *prr) { r.acked(0, 19*p, false) }, p},
		{"in proportion: half of what arrives, rounded up", func(r *prr) { r.acked(3*p+1, 16*p, false) }, 3*p/2 + 1},
		{"less what was sent", func(r *prr) {
			r.acked(p, 18*p, false)
			r.sent(p)
			r.acked(p, 17*p, false)
		}, 0},
		{"never less than nothing", func(r *prr) {
			r.sent(5 * p)
			r.acked(p, 17*p, false)
		}, 0},
		{"below the target as much as arrives", func(r *prr) {
			r.sent(2 * p)
			r.acked(3*p, 8*p, false)
		}, 2 * p},
		{"and one more if all goes well", func(r *prr) {
			r.sent(2 * p)
			r.acked(p, 8*p, true)
		}, 2 * p},
		{"but not above the target", func(r *prr) {
			r.acked(5*p, 9*p, true)
		}, p},
		{"nothing if it is reached", func(r *prr) {
			r.sent(p)
			r.acked(5*p, 10*p, true)
		}, 0},
		{"what was missed is made up for", func(r *prr) {
			r.sent(p)
			r.acked(8*p, 3*p, false)
		}, 7 * p},
		{"a SACK without room counts as a packet", func(r *prr) { r.unheard(19 * p) }, p / 2},
		{"no more often than packets were sent", func(r *prr) {
			for range 100 {
				r.unheard(19 * p)
			}
		}, 10 * p},
		{"large windows do not overflow", func(r *prr) {
			r.start(1<<29, 1<<30, p)
			r.acked(1<<30, 1<<29+p, false)
		}, 1 << 29},
	} {
		r := start()
		if tt.do(r); r.budget != tt.budget {
			t.Errorf("%s: %d, want %d", tt.desc, r.budget, tt.budget)
		}
	}
}

// TestPRRFlight: a packet of 20 is lost. While the other 19 are acknowledged about
// every other SACK lets out a packet, so that there is no pause; at the end the
// window is full, and never above half of what it was. // 9937-6.2-a 9937-6.2-b
func TestPRRFlight(t *testing.T) {
	const n = 20
	tc := flying(t, n, n)
	tc.more(50)
	tc.advance(testRTT)
	tc.write(gaps(0, 2, 4))
	tc.want("the one that is lost", "DATA tsn=1")
	sent, longest, pause := 0, 0, 0
	for i := 5; i <= n; i++ {
		tc.write(gaps(0, 2, i))
		got := len(tc.wantPackets("in proportion", len(tc.sent)))
		if sent += got; got > 2 {
			t.Fatalf("a burst of %d", got)
		}
		if pause++; got > 0 {
			pause = 0
		}
		longest = max(longest, pause)
	}
	s := tc.a.Stats()
	if s.FlightSize < s.SlowStartThreshold-1176 || s.FlightSize >= s.SlowStartThreshold+1176 || longest > 2 {
		t.Fatalf("sent %d, longest pause %d: %+v", sent, longest, s)
	}
	tc.advance(testRTT)
	tc.write(sack{cum: n})
	if tc.a.recovery.proportional() || tc.a.recovery.on {
		t.Fatal("the recovery goes on")
	}
	if s := tc.a.Stats(); s.CongestionWindow != s.SlowStartThreshold || s.FastRetransmits != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestPRRHeavyLoss: when most of a window is lost it is filled again as packets arrive,
// not at once. // 9937-6.2-a
func TestPRRHeavyLoss(t *testing.T) {
	const n = 20
	tc := flying(t, n, n)
	tc.advance(testRTT)
	tc.write(gaps(0, 18, 20))
	if got := tc.a.sent.lost; got == 0 {
		t.Fatal("nothing is lost")
	}
	most, acked := len(tc.wantPackets("of 17", len(tc.sent))), 0
	if most > 3 {
		t.Fatalf("a burst of %d", most)
	}
	for range 20 {
		tc.advance(testRTT)
		if acked += most; acked >= 17 {
			tc.write(sack{cum: n})
			break
		}
		tc.write(gaps(acked, 18, 20))
		next := len(tc.wantPackets("as it goes", len(tc.sent)))
		if next > 2*most+1 {
			t.Fatalf("%d after %d", next, most)
		}
		most = next
	}
	if s := tc.a.Stats(); s.FlightSize != 0 || s.Timeouts != 0 || s.Retransmissions != 17 {
		t.Fatalf("%+v", s)
	}
}
