package sctp_test

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// duo is two associations over a link, of which the first sends and the second reads at
// once.
type duo struct {
	t    *testing.T
	net  *netsim.Network
	link netsim.Link
	ends [2]*sctp.Association
	now  time.Time
	buf  []byte
	read func(now time.Time, stream uint16, n int, info sctp.MessageInfo)
}

func newDuo(t *testing.T, c netsim.Conditions, cfg sctp.Config) *duo {
	d := &duo{t: t, net: netsim.New(1, simStart), now: simStart, buf: make([]byte, 1<<16)}
	d.link = d.net.AddLink(c, netsim.Conditions{Latency: c.Latency})
	for i := range d.ends {
		cfg.Seed = [32]byte{byte(i + 1)}
		a, err := sctp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d.ends[i] = a
	}
	if err := d.ends[0].Connect(d.now); err != nil {
		t.Fatal(err)
	}
	for d.ends[0].State() != sctp.Established || d.ends[1].State() != sctp.Established {
		d.step(time.Time{})
	}
	return d
}

// drain lets both send what they have, and the second read.
func (d *duo) drain() {
	for i, a := range d.ends {
		for {
			tx, ok := a.Transmit(d.now, d.buf[:0])
			if !ok {
				break
			}
			d.net.Send(d.now, d.link, netsim.Dir(i), tx.Packet)
		}
		for e, ok := a.NextEvent(); ok; e, ok = a.NextEvent() {
			for err := error(nil); err == nil && e.Kind == sctp.EventReadable; {
				var n int
				var info sctp.MessageInfo
				if n, info, err = a.Read(d.now, e.Stream, d.buf); err == nil {
					d.read(d.now, e.Stream, n, info)
				}
			}
			if e.Kind == sctp.EventClosed {
				d.t.Fatal(e.Err)
			}
		}
	}
}

// step goes on to what happens next, or to a time if that is earlier.
func (d *duo) step(until time.Time) {
	d.drain()
	d.drain() // reading may open the window
	next, ok := d.net.Next()
	for _, a := range d.ends {
		if at, on := a.Timeout(); on && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	if !until.IsZero() && (!ok || until.Before(next)) {
		next, ok = until, true
	}
	if !ok {
		d.t.Fatal("nothing is left to happen")
	}
	if next.After(d.now) {
		d.now = next
	}
	for {
		p, ok := d.net.Deliver(d.now)
		if !ok {
			break
		}
		d.ends[1-int(p.Dir)].HandlePacket(d.now, 0, p.Packet)
		d.drain()
	}
	for _, a := range d.ends {
		if at, on := a.Timeout(); on && !at.After(d.now) {
			a.HandleTimeout(d.now)
		}
	}
}

// TestLargeMessageDelaysNoOther: while one stream sends 256 MiB as one message, a
// message of 100 bytes on another takes no longer than the way and the queue in front of
// the bottleneck. // 8260-2.2.2-a 8260-3-a PIONS-5
func TestLargeMessageDelaysNoOther(t *testing.T) {
	const (
		latency = 10 * time.Millisecond
		rate    = 125_000_000 // bytes a second
		queue   = 2_500_000   // bytes, 20 ms
	)
	for _, scheduler := range []sctp.Scheduler{sctp.WeightedFairQueueing, sctp.RoundRobin} {
		size := 256 << 20
		if testing.Short() || sctp.RaceDetector || scheduler != sctp.WeightedFairQueueing {
			size = 32 << 20
		}
		d := newDuo(t, netsim.Conditions{Latency: latency, Rate: rate, Queue: queue}, sctp.Config{MTU: 9000, MaxMTU: -1, Scheduler: scheduler})
		var sentAt time.Time
		var worst, done time.Duration
		got, thin := 0, 0
		d.read = func(now time.Time, stream uint16, n int, info sctp.MessageInfo) {
			switch stream {
			case 1:
				if got += n; info.Complete {
					done = now.Sub(simStart)
				}
			case 2:
				thin++
				worst = max(worst, now.Sub(sentAt))
				sentAt = time.Time{}
			}
		}
		if err := d.ends[0].Send(d.now, sctp.Message{Stream: 1, Payload: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		small := make([]byte, 100)
		next := d.now
		for done == 0 {
			if !d.now.Before(next) && sentAt.IsZero() {
				if err := d.ends[0].Send(d.now, sctp.Message{Stream: 2, Payload: small}); err != nil {
					t.Fatal(err)
				}
				sentAt, next = d.now, d.now.Add(20*time.Millisecond)
			}
			d.step(next)
		}
		t.Logf("scheduler %d: %d bytes in %v; %d small messages, the slowest in %v", scheduler, got, done, thin, worst)
		// Behind the queue stands at most what cwnd lets in at once, and a loss costs a round trip more.
		if most := 2*(latency+queue*time.Second/rate) + 20*time.Millisecond; worst > most {
			t.Errorf("scheduler %d: a small message took %v, more than %v", scheduler, worst, most)
		}
		if got != size || thin < 10 {
			t.Errorf("scheduler %d: %d bytes, %d small messages", scheduler, got, thin)
		}
	}
}

// TestWeightedShares: two streams that always have something to send get shares of the
// bytes that are as their priorities. // 8260-3-a 8831-6.4-a
func TestWeightedShares(t *testing.T) {
	d := newDuo(t, netsim.Conditions{Latency: 10 * time.Millisecond, Rate: 1_250_000, Queue: 60_000}, sctp.Config{})
	var got [3]int
	d.read = func(_ time.Time, stream uint16, n int, _ sctp.MessageInfo) { got[stream] += n }
	for stream, priority := range []uint16{128, 256, 1024} {
		if err := d.ends[0].SetStreamPriority(uint16(stream), priority); err != nil {
			t.Fatal(err)
		}
	}
	for end := d.now.Add(20 * time.Second); d.now.Before(end); d.step(end) {
		for stream := range uint16(3) {
			for d.ends[0].BufferedAmount(stream) < 60_000 {
				if d.ends[0].Send(d.now, sctp.Message{Stream: stream, Payload: make([]byte, 1000<<(stream*3))}) != nil {
					break
				}
			}
		}
	}
	for stream, weight := range []int{1, 2, 8} {
		share := float64(got[stream]) / float64(got[0]+got[1]+got[2])
		if want := float64(weight) / 11; share < 0.97*want || share > 1.03*want {
			t.Errorf("stream %d: a share of %.3f, want %.3f", stream, share, want)
		}
	}
}
