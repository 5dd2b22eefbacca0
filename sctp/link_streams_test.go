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

// TestLinkStreams: beside 31 streams with bulk a short message of a stream that sends little goes next, or
// nearly so, whatever its priority, also if there are four of them at a time. Next is after a packet, or after
// the message that was begun where they are not interleaved. (With BBR the window falls now and then below what is in flight.)
func TestLinkStreams(t *testing.T) {
	const others, packet, message = 30, 1200, 16 << 10 // bytes
	for _, kind := range []CongestionControl{CUBIC, BBR} {
		for _, rate := range []int{125_000, 12_500_000} { // 1 and 100 Mbit/s
			for _, tt := range []struct {
				size, burst int
				priority    uint16
				messages    bool
				half, most  int // bytes of others that half and 90 % of them wait for
			}{
				{100, 1, 256, false, 2 * packet, 5 * packet},
				{100, 4, 128, false, 2 * packet, 5 * packet},
				{4000, 1, 256, false, 6 * packet, message},
				{4000, 1, 1024, false, 6 * packet, message},
				{100, 1, 256, true, message, message * 5 / 4},
				{100, 4, 128, true, message, message * 5 / 4},
				{4000, 1, 256, true, message, message * 3 / 2},
				{16000, 1, 1024, true, 2 * message, message * 5 / 2},
			} {
				r, f := newStreams(t, rate, others, Config{CongestionControl: kind, NoInterleaving: tt.messages})
				if err := f.ends[0].SetStreamPriority(1, tt.priority); err != nil {
					t.Fatal(err)
				}
				takes := func(n int) time.Duration { return time.Duration(n) * time.Second / time.Duration(rate) }
				start := 2*time.Second + takes(others*message) // then all have had their first turn
				r.run(start)
				f.size, f.burst = tt.size, tt.burst
				f.thin = 7*time.Millisecond + max(300*time.Millisecond, takes(others*message)*2/3)
				r.run(start + 30*f.thin)
				slices.Sort(f.waits)
				n := len(f.waits)
				if n < 27*tt.burst || f.waits[n/2] > takes(tt.half) || f.waits[n*9/10] > takes(tt.most) {
					t.Errorf("controller %d, %d bytes/s, %d of %d bytes, priority %d, by messages %v: %d sent, half within %v, 90 %% within %v; expected %v and %v",
						kind, rate, tt.burst, tt.size, tt.priority, tt.messages, n, f.waits[n/2], f.waits[n*9/10], takes(tt.half), takes(tt.most))
				}
			}
		}
	}
}

// TestLinkManyThin: two hundred streams with short messages, which together want half, or twice, of what the
// link takes, do not keep the bulk of one from its share.
func TestLinkManyThin(t *testing.T) {
	const rate, thin, size = 1_250_000, 200, 1000
	for _, messages := range []bool{false, true} {
		for _, tt := range []struct{ load, least, most float64 }{
			{0.5, 0.4, 0.5}, // what they leave
			{0.99, 0.004, 0.03},
			{2, 0.004, 0.03}, // its part, of 201
		} {
			r, f := newStreams(t, rate, 0, Config{NoInterleaving: messages})
			f.bulk, f.shares = []uint16{0}, make(map[uint16]int)
			every := time.Duration(float64(size) / (tt.load * rate) * float64(time.Second)) // a message of one after the other
			next := uint16(0)
			for at := 2 * time.Second; at < 22*time.Second; at += every {
				r.run(at)
				next = next%thin + 1
				if a := f.ends[0]; a.BufferedAmount(next) < 10*size {
					if err := a.Send(r.now, Message{Stream: next, Payload: make([]byte, size)}); err != nil {
						t.Fatal(err)
					}
				}
				if at < 4*time.Second {
					clear(f.shares)
				}
			}
			share := float64(f.shares[0]) / (rate * 18)
			if share < tt.least || share > tt.most {
				t.Errorf("by messages %v: %.4f of the link for the bulk, beside a load of %v", messages, share, tt.load)
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
