package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestPacer: data goes at the rate, however late the driver wakes up, and after a
// pause a burst goes at once.
func TestPacer(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		rate  int64
		late  time.Duration
		burst int
	}{
		{"10 Mbit/s", 1_250_000, 0, 4800},
		{"10 Mbit/s, late timers", 1_250_000, 2 * time.Millisecond, 4800},
		{"1 Gbit/s", 125_000_000, 0, 64 << 10},
		{"1 Gbit/s, late timers", 125_000_000, 200 * time.Microsecond, 64 << 10},
		{"1 Gbit/s, timers that are very late", 125_000_000, 3 * time.Millisecond, 64 << 10},
		{"64 kbit/s", 8000, time.Millisecond, 4800},
	} {
		var p pacer
		start := firstInstant
		now, sent, first, wakes := start, 0, 0, 0
		for now.Sub(start) < 2*time.Second {
			for !p.held(now, tt.rate) {
				p.sent(now, 1200, tt.rate, tt.burst)
				sent += 1200
			}
			if wakes++; wakes == 1 {
				first = sent
			}
			if now = p.timer.at.Add(tt.late); !p.timer.due(now) {
				t.Fatal("the timer does not run")
			}
		}
		if first < tt.burst || first > tt.burst+2*1200 {
			t.Errorf("%s: %d bytes at once", tt.desc, first)
		}
		want := float64(tt.rate) * now.Sub(start).Seconds()
		if got := float64(sent - first); got < 0.98*want-2400 || got > 1.01*want+2400 {
			t.Errorf("%s: %.0f bytes, want %.0f", tt.desc, got, want)
		}
		if wakes > 10_000 {
			t.Errorf("%s: woken %d times a second", tt.desc, wakes/2)
		}
	}
}

// TestPacerBounds: no packet waits longer than a second, whatever the rate.
func TestPacerBounds(t *testing.T) {
	var p pacer
	now := firstInstant
	for range 10 {
		p.sent(now, 65_000, 1, 2400)
	}
	if !p.held(now, 1) || p.timer.at.Sub(now) > 1001*time.Millisecond {
		t.Errorf("woken after %v", p.timer.at.Sub(now))
	}
}

// TestPacing: data waits for its time; control chunks do not.
func TestPacing(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxBurst: 2})
	tc.send(Message{Payload: payload(100_000)})
	tc.wantPackets("the burst", 2)
	tc.now = tc.now.Add(100 * time.Millisecond)
	tc.write(sack{cum: 1})
	tc.wantPackets("a burst; the window of 6756 bytes allows six packets", 3)
	tc.write(heartbeatChunk(wire.TypeHeartbeat, []byte("control")))
	tc.want("control chunks do not wait", "HEARTBEAT ACK")
	for range 3 {
		// A window in half a round trip: 6756 bytes in 50 ms, a packet in 8.7 ms.
		if d := tc.advanceToTimer(); d < 8*time.Millisecond || d > 10*time.Millisecond {
			t.Fatalf("the next packet is due in %v", d)
		}
		tc.want("the next", "DATA")
		tc.wantIdle("and no more")
	}
	if s := tc.a.Stats(); s.FlightSize < s.CongestionWindow || tc.a.paths.primary().pacer.timer.on() {
		t.Fatalf("the window does not stop it: %+v", s)
	}
}
