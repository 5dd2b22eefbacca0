package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// TestLinkLateReader: a reader that lets packets gather, where a round trip took a fraction of a millisecond
// until then, gets most of a window in each of its pauses, not a burst, and long before the least
// round trip of before is forgotten.
func TestLinkLateReader(t *testing.T) {
	const window = 512 << 10
	for kind, least := range map[CongestionControl]int{CUBIC: window * 3 / 4, BBR: window * 3 / 8} {
		for _, pause := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond} {
			r := newLink(t, netsim.Conditions{Latency: 50 * time.Microsecond, Rate: 125_000_000, Queue: 1 << 20}, Config{CongestionControl: kind, ReceiveBuffer: window})
			f := r.flows[0]
			r.run(20 * time.Millisecond)
			r.gather = pause
			const rounds = 10
			r.run(20*time.Millisecond + 2*pause)
			got := f.got
			r.run(20*time.Millisecond + (2+rounds)*pause)
			if n := (f.got - got) / rounds; n < least {
				t.Errorf("controller %d: %d bytes in a pause of %v", kind, n, pause)
			}
		}
	}
}
