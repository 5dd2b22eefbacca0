package sctp

import (
	"testing"
	"time"
)

// TestThinTimeouts: where the application sends little the timeouts of a known path are equally long,
// six times; each repeats what is outstanding, and what was sent meanwhile, in one packet. The next ones are
// longer until a round trip is measured. // 9260-6.3.3-a 9260-7.2.3-a
func TestThinTimeouts(t *testing.T) {
	const s = time.Second
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(100)})
	tc.want("a message", "DATA tsn=0")
	for i, after := range []time.Duration{s, s} {
		if d := tc.advanceToTimer(); d != after {
			t.Fatalf("timeout %d after %v", i, d)
		}
		tc.want("again", "DATA tsn=0")
	}
	tc.send(Message{Payload: payload(100)})
	tc.wantIdle("one packet is outstanding")
	for i, after := range []time.Duration{s, s, s, s, s, 2 * s, 4 * s} {
		if d := tc.advanceToTimer(); d != after {
			t.Fatalf("timeout %d after %v", i+2, d)
		}
		tc.want("all in one packet", "DATA tsn=0", "DATA tsn=1")
		tc.wantIdle("one packet")
	}
	if got := tc.a.Stats(); got.Timeouts != 9 || tc.a.paths.errors != 4 {
		t.Fatalf("%d timeouts, %d errors", got.Timeouts, tc.a.paths.errors)
	}
	tc.write(sack{cum: 1}) // which may be for any of them
	tc.send(Message{Payload: payload(100)})
	tc.want("the next message", "DATA tsn=2")
	if d := tc.advanceToTimer(); d != 8*s {
		t.Fatalf("timeout after %v", d)
	}
	tc.want("again", "DATA tsn=2")
	tc.write(sack{cum: 2})
	tc.send(Message{Payload: payload(100)})
	tc.want("the next message", "DATA tsn=3")
	tc.write(sack{cum: 3}) // a round trip
	tc.send(Message{Payload: payload(100)})
	tc.want("the next message", "DATA tsn=4")
	tc.advanceToTimer()
	tc.want("a probe", "DATA tsn=4")
	for range 2 {
		if d := tc.advanceToTimer(); d != s {
			t.Fatalf("timeout after %v", d)
		}
		tc.want("again", "DATA tsn=4")
	}
}

// TestTimeoutsDouble: without a measured round trip, with more to send than a few packets, or where losses
// are found as in RFC 9260, each timeout is twice as long as the one before. // 9260-6.3.3-a
func TestTimeoutsDouble(t *testing.T) {
	for _, tt := range []struct {
		desc    string
		cfg     Config
		size    int
		changed bool
	}{
		{"miss indications", Config{LossDetection: MissIndications}, 100, false},
		{"a new path", Config{}, 100, true},
		{"a large message", Config{}, 5000, false},
	} {
		tt.cfg.HeartbeatInterval = -1
		tc := newConnected(t, tt.cfg)
		if tt.changed {
			tc.a.PathChanged(tc.now, 0)
			tc.sent = nil
		}
		tc.send(Message{Payload: payload(tt.size)})
		for i, after := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if d := tc.advanceToTimer(); d != after {
				t.Errorf("%s: timeout %d after %v", tt.desc, i, d)
			}
		}
	}
}
