package sctp

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A linkRun is associations that send as much as they can over one link, in virtual
// time.
type linkRun struct {
	t     *testing.T
	net   *netsim.Network
	link  netsim.Link
	start time.Time
	now   time.Time
	flows []*linkFlow
	watch func(f *linkFlow) // after each step of the sender

	police *policer // in front of the link; nil: none

	// gather is the pause of readers in which packets gather, which they answer together; 0: none.
	gather   time.Duration
	gathered [][]byte
	readAt   time.Time // when they are read
}

// A policer drops what comes faster than its rate, but for so much at once, and
// delays nothing.
type policer struct {
	rate, bucket  int       // bytes per second; bytes
	full          time.Time // when the bucket would be full again
	sent, dropped int
}

func (p *policer) drops(now time.Time, n int) bool {
	if p == nil {
		return false
	}
	if p.full.Before(now) {
		p.full = now
	}
	p.sent++
	full := p.full.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	if full.Sub(now) > time.Duration(p.bucket)*time.Second/time.Duration(p.rate) {
		p.dropped++
		return true
	}
	p.full = full
	return false
}

// linkFlow is one association of a linkRun, from its ends[0] to ends[1]. Besides the
// bulk on stream 0, and others, it may send a thin stream 1: short messages at an interval.
type linkFlow struct {
	ends     [2]*Association
	begin    time.Duration // it sends from then on
	thin     time.Duration // interval; 0: none
	size     int           // of a message of it, bytes; 0: 100
	burst    int           // so many messages of it at a time; 0: 1
	nextThin time.Time
	bulk     []uint16 // streams beside 0 with bulk, 64 KiB of which is queued; those of 0, too, then
	pause    bool     // the application sends nothing

	got    int             // bytes of the bulk that arrived
	shares map[uint16]int  // by stream, if it has entries for them
	delays []time.Duration // of the thin stream
	waits  []time.Duration // of it, in the sender
}

func newLink(t *testing.T, conditions netsim.Conditions, cfgs ...Config) *linkRun {
	if raceDetector {
		t.Skip("there is one goroutine, and very many packets")
	}
	back := conditions
	back.Rate, back.Queue, back.Loss = 0, 0, 0
	r := &linkRun{t: t, start: time.Unix(1_000_000, 0)}
	r.now = r.start
	r.net = netsim.New(7, r.start)
	r.link = r.net.AddLink(conditions, back)
	for i, cfg := range cfgs {
		f := &linkFlow{}
		for end := range f.ends {
			cfg.Seed[0], cfg.Seed[1], cfg.Seed[2] = byte(i), byte(end), 1
			set(&cfg.ReceiveBuffer, 64<<20)
			cfg.SendBuffer = 64 << 20
			a, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			f.ends[end] = a
		}
		r.flows = append(r.flows, f)
	}
	return r
}

// run lets time pass until the given time since the start.
func (r *linkRun) run(until time.Duration) {
	end := r.start.Add(until)
	payload := make([]byte, 16<<10)
	buf := make([]byte, 0, 2048)
	for _, f := range r.flows {
		r.step(f, payload, buf)
	}
	for {
		next, ok := r.net.Next()
		for _, f := range r.flows {
			for _, a := range f.ends {
				if at, on := a.Timeout(); on && (!ok || at.Before(next)) {
					next, ok = at, true
				}
			}
			if f.nextThin.After(r.now) && f.nextThin.Before(next) {
				next = f.nextThin
			}
			if at := r.start.Add(f.begin); at.After(r.now) && at.Before(next) {
				next = at
			}
		}
		if len(r.gathered) > 0 && (!ok || r.readAt.Before(next)) {
			next, ok = r.readAt, true
		}
		if !ok || next.After(end) {
			r.now = end
			return
		}
		r.now = next
		for d, ok := r.net.Deliver(r.now); ok; d, ok = r.net.Deliver(r.now) {
			f := r.flows[d.Packet[0]]
			to := f.ends[1]
			if d.Dir == netsim.BtoA {
				to = f.ends[0]
			} else if r.gather > 0 {
				if len(r.gathered) == 0 {
					r.readAt = r.now.Add(r.gather)
				}
				r.gathered = append(r.gathered, bytes.Clone(d.Packet))
				continue
			}
			to.HandlePacket(r.now, 0, d.Packet[1:])
			r.step(f, payload, buf)
		}
		if len(r.gathered) > 0 && !r.now.Before(r.readAt) {
			for _, packet := range r.gathered {
				r.flows[packet[0]].ends[1].HandlePacket(r.now, 0, packet[1:])
			}
			r.gathered = r.gathered[:0]
		}
		for _, f := range r.flows {
			for _, a := range f.ends {
				if at, on := a.Timeout(); on && !at.After(r.now) {
					a.HandleTimeout(r.now)
				}
			}
			r.step(f, payload, buf)
		}
	}
}

// step lets the application of a flow work and its packets go.
func (r *linkRun) step(f *linkFlow, payload, buf []byte) {
	a, b := f.ends[0], f.ends[1]
	switch {
	case r.now.Sub(r.start) < f.begin:
	case a.State() == Closed:
		if err := a.Connect(r.now); err != nil {
			r.t.Fatal(err)
		}
	case a.State() == Established:
		if f.thin > 0 && !r.now.Before(f.nextThin) {
			m := make([]byte, max(f.size, 100))
			since := r.now.Sub(r.start)
			binary.BigEndian.PutUint64(m, uint64(since))
			for range max(1, f.burst) {
				a.Send(r.now, Message{Stream: 1, ID: uint64(since), Payload: m})
			}
			f.nextThin = r.now.Add(f.thin)
		}
		for !f.pause && f.bulk == nil && a.BufferedAmount(0) < 1<<20 {
			if a.Send(r.now, Message{Payload: payload}) != nil {
				break
			}
		}
		for _, stream := range f.bulk {
			for a.BufferedAmount(stream) < 64<<10 {
				if err := a.Send(r.now, Message{Stream: stream, Payload: payload}); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
	for i, x := range f.ends {
		for e, ok := x.NextEvent(); ok; e, ok = x.NextEvent() {
			if e.Kind == EventClosed {
				r.t.Fatalf("ended: %v", e.Err)
			}
			if i == 1 && e.Kind == EventReadable {
				r.read(f, e.Stream)
			}
			if i == 0 && e.Kind == EventMessageSent {
				f.waits = append(f.waits, r.now.Sub(r.start)-time.Duration(e.Message))
			}
		}
	}
	for i, x := range []*Association{a, b} {
		for tx, ok := x.Transmit(r.now, append(buf[:0], 0)); ok; tx, ok = x.Transmit(r.now, append(buf[:0], 0)) {
			packet := buf[:1+len(tx.Packet)]
			packet[0] = 0
			for j := range r.flows {
				if r.flows[j] == f {
					packet[0] = byte(j)
				}
			}
			if i == 0 && r.police.drops(r.now, len(tx.Packet)) {
				continue
			}
			r.net.Send(r.now, r.link, netsim.Dir(i), packet)
		}
	}
	if r.watch != nil {
		r.watch(f)
	}
}

func (r *linkRun) read(f *linkFlow, stream uint16) {
	var buf [32 << 10]byte
	for {
		n, _, err := f.ends[1].Read(r.now, stream, buf[:])
		if err != nil {
			return
		}
		if stream != 1 {
			f.got += n
			if f.bulk != nil {
				f.shares[stream] += n
			}
		} else {
			f.delays = append(f.delays, r.now.Sub(r.start)-time.Duration(binary.BigEndian.Uint64(buf[:])))
		}
	}
}

// goodput returns Mbit/s of the bulk of a flow between two times since the start.
func (r *linkRun) goodput(f *linkFlow, from, to time.Duration) float64 {
	r.run(from)
	got := f.got
	r.run(to)
	return float64(f.got-got) * 8 / (to - from).Seconds() / 1e6
}

// TestLinkLoss: a path that loses some per cent by itself is used with BBR, and with CUBIC as
// much as the response function of RFC 9438, section 5.1, and that of Reno say.
func TestLinkLoss(t *testing.T) {
	const rtt = 0.05
	for _, tt := range []struct{ loss, least float64 }{{0, 92}, {0.001, 90}, {0.01, 90}, {0.02, 85}, {0.05, 80}, {0.1, 65}} {
		link := netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 12_500_000, Queue: 250_000, Loss: tt.loss} // 100 Mbit/s
		r := newLink(t, link, Config{CongestionControl: BBR})
		if got := r.goodput(r.flows[0], 4*time.Second, 14*time.Second); got < tt.least {
			t.Errorf("BBR with a loss of %v: %.1f Mbit/s", tt.loss, got)
		}
		if tt.loss != 0.001 && tt.loss != 0.01 {
			continue
		}
		r = newLink(t, link, Config{CongestionControl: CUBIC})
		cubic := 1.054 * math.Pow(rtt, 0.75) / math.Pow(tt.loss, 0.75)
		reno := math.Sqrt(1.5 / tt.loss)
		want := max(cubic, reno) * 1160 * 8 / rtt / 1e6
		if got := r.goodput(r.flows[0], 10*time.Second, 100*time.Second); got < want {
			t.Errorf("CUBIC with a loss of %v: %.2f Mbit/s, expected %.2f", tt.loss, got, want)
		}
	}
}

// TestLinkOverflow: what BBR loses by sending too much is little, though the queue is too
// short to be seen, or there is none, and the path may lose more by itself.
func TestLinkOverflow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window int // of the peer; 0: enough
		queue  int
		police *policer
		loss   float64
		most   float64 // per cent
	}{
		{"a queue of 60 KB", 0, 60_000, nil, 0, 1}, {"and losses", 0, 60_000, nil, 0.05, 1},
		{"a queue of 25 KB", 0, 25_000, nil, 0, 1}, {"and losses", 0, 25_000, nil, 0.05, 1},
		{"a policer", 0, 1 << 20, &policer{rate: 6_250_000, bucket: 50_000}, 0, 1.5},
		{"and losses", 0, 1 << 20, &policer{rate: 6_250_000, bucket: 50_000}, 0.05, 1.5},
		{"a patient policer", 0, 1 << 20, &policer{rate: 6_250_000, bucket: 500_000}, 0, 6},
		{"and losses", 0, 1 << 20, &policer{rate: 6_250_000, bucket: 500_000}, 0.05, 8},
		{"a window of the peer that is short", 1 << 20, 250_000, nil, 0.01, 1},
	} {
		link := netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 12_500_000, Queue: tt.queue, Loss: tt.loss}
		r := newLink(t, link, Config{CongestionControl: BBR, ReceiveBuffer: tt.window})
		r.police = tt.police
		r.run(4 * time.Second)
		count := func() (dropped, sent float64) {
			if p := tt.police; p != nil {
				return float64(p.dropped), float64(p.sent)
			}
			s := r.net.Stats(r.link, netsim.AtoB)
			return float64(s.QueueDrops), float64(s.Sent)
		}
		drops, all := count()
		r.run(20 * time.Second)
		dropped, sent := count()
		if share := 100 * (dropped - drops) / (sent - all); share > tt.most {
			t.Errorf("%s: %.2f %% dropped", tt.name, share)
		}
	}
}

// TestLinkBeside: BBR leaves CUBIC some room, and other BBR flows nearly their share,
// also where the path loses more than a queue would.
func TestLinkBeside(t *testing.T) {
	for _, tt := range []struct {
		other CongestionControl
		loss  float64
		least float64 // of 50 Mbit/s
	}{{CUBIC, 0, 7}, {BBR, 0, 10}, {BBR, 0.05, 13}} {
		link := netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 6_250_000, Queue: 250_000, Loss: tt.loss}
		r := newLink(t, link, Config{CongestionControl: BBR}, Config{CongestionControl: tt.other})
		r.flows[1].begin = 500 * time.Millisecond
		r.run(20 * time.Second)
		x, y := r.flows[0].got, r.flows[1].got
		r.run(50 * time.Second)
		mine, other := float64(r.flows[0].got-x)*8/30e6, float64(r.flows[1].got-y)*8/30e6
		if min(mine, other) < tt.least || mine+other < 43 {
			t.Errorf("loss %v, controller %d: %.1f, beside it %.1f Mbit/s", tt.loss, tt.other, mine, other)
		}
	}
}

// TestLinkThin: with BBR a bulk transfer leaves the queue short, so that small messages
// take less than two round trips.
func TestLinkThin(t *testing.T) {
	const rtt = 200 * time.Millisecond
	r := newLink(t, netsim.Conditions{Latency: rtt / 2, Rate: 1_250_000, Queue: 2_000_000}, Config{CongestionControl: BBR})
	f := r.flows[0]
	r.run(5 * time.Second)
	f.thin = 50 * time.Millisecond
	if got := r.goodput(f, 5*time.Second, 25*time.Second); got < 9 {
		t.Errorf("%.1f Mbit/s of 10", got)
	}
	slices.Sort(f.delays)
	if n := len(f.delays); n < 380 || f.delays[n/2] > rtt || f.delays[n*99/100] > 2*rtt {
		t.Errorf("%d messages, half within %v, 99 %% within %v", n, f.delays[n/2], f.delays[n*99/100])
	}
}

// TestLinkFair: two flows share a bottleneck evenly, though one began earlier.
func TestLinkFair(t *testing.T) {
	link := netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 625_000, Queue: 32_000} // 5 Mbit/s
	for _, kind := range []CongestionControl{CUBIC, Reno, BBR} {
		r := newLink(t, link, Config{CongestionControl: kind}, Config{CongestionControl: kind})
		a, b := r.flows[0], r.flows[1]
		b.begin = 3 * time.Second
		r.run(15 * time.Second)
		x, y := a.got, b.got
		r.run(55 * time.Second)
		share := func(n int) float64 { return float64(n) * 8 / 40e6 }
		x1, y1 := share(a.got-x), share(b.got-y)
		if jain := (x1 + y1) * (x1 + y1) / 2 / (x1*x1 + y1*y1); jain < 0.9 || x1+y1 < 4.2 {
			t.Errorf("controller %d: %.1f and %.1f Mbit/s of 5", kind, x1, y1)
		}
	}
}

// TestLinkCrowd: flows behind a short queue share it, and none takes the losses that the others
// make for the path's: six with BBR are even, and leave CUBIC what BBR without a floor under
// its losses does.
func TestLinkCrowd(t *testing.T) {
	six := slices.Repeat([]CongestionControl{BBR}, 6)
	mixed := []CongestionControl{BBR, BBR, CUBIC, CUBIC}
	for _, tt := range []struct {
		name  string
		queue int // a quarter of the product of bandwidth and delay, or a tenth
		kinds []CongestionControl
		jain  float64 // of all seeds together
		least float64 // Mbit/s of 20
	}{{"six", 25_000, six, 0.95, 1.5}, {"six, hardly a queue", 10_000, six, 0.85, 0.5}, {"CUBIC beside BBR", 10_000, mixed, 0.55, 0.6}} {
		t.Run(tt.name, func(t *testing.T) {
			link := netsim.Conditions{Latency: 20 * time.Millisecond, Rate: 2_500_000, Queue: tt.queue}
			const seeds = 4
			var jain float64
			for seed := range seeds {
				var cfgs []Config
				for _, k := range tt.kinds {
					cfgs = append(cfgs, Config{CongestionControl: k, MaxMTU: -1, Seed: [32]byte{3: byte(seed)}})
				}
				r := newLink(t, link, cfgs...)
				r.run(10 * time.Second)
				shares := make([]float64, len(r.flows)) // Mbit/s
				for i, f := range r.flows {
					shares[i] = -float64(f.got)
				}
				r.run(40 * time.Second)
				var sum, squares float64
				for i, f := range r.flows {
					shares[i] = (shares[i] + float64(f.got)) * 8 / 30e6
					sum, squares = sum+shares[i], squares+shares[i]*shares[i]
				}
				jain += sum * sum / squares / float64(len(shares)) / seeds
				if slices.Min(shares) < tt.least || sum < 18.5 {
					t.Errorf("seed %d: %.1f Mbit/s of 20", seed, shares)
				}
			}
			if jain < tt.jain {
				t.Errorf("Jain's index is %.3f", jain)
			}
		})
	}
}
