package sctp

import (
	"testing"
	"time"
)

// TestEventRing: memory for many events is kept while they are many again and again.
func TestEventRing(t *testing.T) {
	var q eventQueue
	fill := func(n int) {
		for range n {
			q.push(Event{Kind: EventReadable})
		}
		for range n {
			if _, ok := q.pop(); !ok {
				t.Fatal("an event is missing")
			}
		}
		if _, ok := q.pop(); ok {
			t.Fatal("an event too many")
		}
	}
	for _, n := range []int{1, 8, idleRing} {
		fill(n)
		if len(q.ring) < n {
			t.Fatalf("the memory of %d events is given back", n)
		}
	}
	fill(1000)
	if len(q.ring) > idleRing {
		t.Fatalf("%d kept once", len(q.ring))
	}
	for range 3 {
		fill(1000)
	}
	if !raceDetector {
		if n := testing.AllocsPerRun(100, func() { fill(1000); fill(1); fill(20); fill(1) }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
	}
	for range hottest {
		fill(1)
	}
	if len(q.ring) > idleRing {
		t.Fatalf("%d kept though few come", len(q.ring))
	}
}

// TestSentRing: so is that for messages and chunks that were sent, when all is
// acknowledged.
func TestSentRing(t *testing.T) {
	for _, cc := range []CongestionControl{CUBIC, BBR} { // which has a ring of its own beside
		tc := newConnected(t, Config{HeartbeatInterval: -1, CongestionControl: cc, InitialWindow: 1 << 20, MaxBurst: 1000})
		n := 0
		flight := func(chunks int) {
			for range chunks {
				tc.check(tc.a.Send(tc.now, Message{Payload: payload(1000)}))
			}
			n += chunks
			for i := 0; tc.a.out.queued > 0; i++ {
				if tc.advance(time.Millisecond); i == 10_000 {
					t.Fatal("it does not go out")
				}
			}
			tc.sent, tc.events = nil, nil
			tc.write(sack{cum: n - 1})
		}
		flight(500)
		if got := max(len(tc.a.sent.ring), tc.a.out.pool.out.n); got > idleRing {
			t.Fatalf("memory for %d chunks when none is outstanding", got)
		}
		flight(3)
		flight(500)
		if got := min(len(tc.a.sent.ring), tc.a.out.pool.out.n); got < 500 {
			t.Fatalf("memory for %d chunks when many are outstanding again and again", got)
		}
		for range keeping {
			flight(1)
		}
		if got := max(len(tc.a.sent.ring), tc.a.out.pool.out.n); got > idleRing {
			t.Fatalf("memory for %d chunks though there are few", got)
		}
		if bad := tc.a.invariants(tc.now); bad != "" {
			t.Fatal(bad)
		}
	}
}
