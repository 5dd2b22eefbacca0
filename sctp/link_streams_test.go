package sctp

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// newStreams is newLink with one flow that has bulk on stream 0 and on so many from 2 on.
func newStreams(t *testing.T, rate, others int, cfg Config) (*linkRun, *linkFlow) {
	r := newLink(t, netsim.Conditions{Latency: 10 * time.Millisecond, Rate: rate, Queue: max(15_000, rate/20)}, cfg)
	f := r.flows[0]
	f.shares, f.bulk = make(map[uint16]int), []uint16{0}
	for i := range uint16(others) {
		f.bulk = append(f.bulk, 2+i)
	}
	return r, f
}

// TestLinkStreams: beside 31 streams with bulk a small message leaves with one of the next packets, and a
// message of four packets waits for each of the others about as long as if they took turns by packets.
// Where messages are not interleaved both wait for messages, but for not nearly one of each.
func TestLinkStreams(t *testing.T) {
	const others, packet, message = 30, 1200, 16 << 10 // bytes
	for _, kind := range []CongestionControl{CUBIC, BBR} {
		for _, rate := range []int{125_000, 1_250_000, 12_500_000} { // 1, 10 and 100 Mbit/s
			for _, tt := range []struct {
				size       int
				messages   bool
				half, most int // bytes of others that half and 90 % of them wait for
			}{
				{100, false, 2 * packet, 3 * packet},
				{4000, false, 3 * others * packet, 5 * others * packet},
				{100, true, others * message / 3, others * message * 2 / 3},
				{4000, true, others * message / 3, others * message * 2 / 3},
			} {
				r, f := newStreams(t, rate, others, Config{CongestionControl: kind, NoInterleaving: tt.messages})
				r.run(2 * time.Second)
				takes := func(n int) time.Duration { return time.Duration(n) * time.Second / time.Duration(rate) }
				f.size, f.thin = tt.size, 7*time.Millisecond+max(300*time.Millisecond, takes(others*message)/3)
				r.run(2*time.Second + 30*f.thin)
				slices.Sort(f.waits)
				n := len(f.waits)
				if n < 27 || f.waits[n/2] > takes(tt.half) || f.waits[n*9/10] > takes(tt.most) {
					t.Errorf("controller %d, %d bytes/s, %d bytes, by messages %v: %d sent, half within %v, 90 %% within %v; expected %v and %v",
						kind, rate, tt.size, tt.messages, n, f.waits[n/2], f.waits[n*9/10], takes(tt.half), takes(tt.most))
				}
			}
		}
	}
}

// TestLinkShares: on a link streams get what their priorities say, also after these were changed, whatever
// a turn is.
func TestLinkShares(t *testing.T) {
	for _, kind := range []CongestionControl{CUBIC, BBR} {
		for _, messages := range []bool{false, true} {
			r, f := newStreams(t, 5_000_000, 15, Config{CongestionControl: kind, NoInterleaving: messages})
			f.shares = make(map[uint16]int)
			for round := range 2 {
				weights, sum := make(map[uint16]int), 0
				for i, stream := range f.bulk {
					w := 64 << ((i + 2*round) % 5)
					weights[stream] = w
					sum += w
					if err := f.ends[0].SetStreamPriority(stream, uint16(w)); err != nil {
						t.Fatal(err)
					}
				}
				start := r.now.Sub(r.start)
				r.run(start + 2*time.Second) // what is queued and on its way had other weights
				clear(f.shares)
				r.run(start + 12*time.Second)
				all := 0
				for _, n := range f.shares {
					all += n
				}
				for stream, w := range weights {
					want := all / sum * w
					if d := f.shares[stream] - want; max(d, -d) > want*3/100+2*16<<10 {
						t.Errorf("controller %d, by messages %v, round %d: stream %d with priority %d got %d bytes, expected %d", kind, messages, round, stream, w, f.shares[stream], want)
					}
				}
			}
		}
	}
}
