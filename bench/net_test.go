package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

const (
	netTitle   = "Over an emulated link"
	netPreface = `Written by ` + "`make bench-net`" + `. Both ends run in one process over an emulated link, in virtual time: the figures are those
of the protocol and not of the machine. What is due at one moment happens in any order, so that they differ a little from run to run.

SCTP packets have 1188 bytes, messages 16 KiB; the link counts SCTP packets, so that about 97 % of its rate is the most that can
arrive. Both stacks have their defaults, but for packet size and buffers: 64 MiB, which limit nothing, where nothing else is said. With a
loss, all that comes behind it waits in the receiver's buffer, and in the sender's, until it is repaired. The rows of what a window
allows are of a sender that knows its link, sends again at once what is lost, and is held back by nothing but that.
`
)

var stacks = []stack{
	sluiceStack("sluice, CUBIC", sctp.CUBIC),
	sluiceStack("sluice, BBR", sctp.BBR),
	sluiceStack("sluice, Reno", sctp.Reno),
	pionStack,
}

// A flow is a bulk transfer, and perhaps a thin stream beside it.
type flow struct {
	tx     sender
	rx     receiver
	got    atomic.Int64    // bytes of the bulk that arrived
	delays []time.Duration // of the thin stream's messages
	over   atomic.Bool
	active sync.WaitGroup
}

// start connects a flow over a link and sends as much as it can, with 256 KiB or so
// waiting.
func start(t *testing.T, s stack, a, b *conn) *flow { return startWith(t, s, a, b, bufferSize) }

// startWith is start with buffers of so many bytes.
func startWith(t *testing.T, s stack, a, b *conn, buffer int) *flow {
	t.Helper()
	f := &flow{}
	var err error
	if f.tx, f.rx, err = s.connect(a, b, buffer); err != nil {
		t.Fatal(err)
	}
	f.active.Go(func() {
		message := make([]byte, 16<<10)
		for !f.over.Load() {
			if f.tx.buffered() > 256<<10 {
				pause(time.Millisecond)
			} else if f.tx.write(0, message) != nil {
				return
			}
		}
	})
	f.active.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := f.rx.read(0, buf)
			if err != nil {
				return
			}
			f.got.Add(int64(n))
		}
	})
	return f
}

// thin sends 100 bytes at an interval beside the bulk and takes their delays.
func (f *flow) thin(interval time.Duration) {
	f.active.Go(func() {
		for !f.over.Load() {
			message := make([]byte, 100)
			binary.BigEndian.PutUint64(message, uint64(time.Now().UnixNano()))
			if f.tx.write(1, message) != nil {
				return
			}
			pause(interval)
		}
	})
	f.active.Go(func() {
		buf := make([]byte, 1<<10)
		for {
			if _, err := f.rx.read(1, buf); err != nil {
				return
			}
			f.delays = append(f.delays, time.Duration(time.Now().UnixNano()-int64(binary.BigEndian.Uint64(buf))))
		}
	})
}

// stop ends the flows, and lets what goes on in their stacks end, too.
func stop(flows ...*flow) {
	for _, f := range flows {
		f.over.Store(true)
		f.tx.close()
		f.rx.close()
		f.active.Wait()
	}
	pause(time.Minute)
}

// bubbles returns what so many bubbles of virtual time made, of which several run at once.
func bubbles(t *testing.T, n int, run func(t *testing.T, i int) string) []string {
	t.Helper()
	made := make([]string, n)
	t.Run("", func(t *testing.T) {
		for i := range made {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { made[i] = run(t, i) })
			})
		}
	})
	return made
}

// goodput returns the Mbit/s that arrive in a time.
func (f *flow) goodput(d time.Duration) float64 {
	from := f.got.Load()
	pause(d)
	return float64(f.got.Load()-from) * 8 / d.Seconds() / 1e6
}

// TestNetGoodput: bulk transfers over links with losses, and over a fast one.
func TestNetGoodput(t *testing.T) {
	section(t, netTitle, netPreface)
	goodputTable(t, goodputTitle, ownBuffer)
	row(t, "RFC 9438, 5.1, predicts for CUBIC", "", predicted(0.001), predicted(0.01), predicted(0.05), "")
	windowRow(t, ownBuffer)
	goodputTable(t, "The same with those of the other sections, 1 MiB", peerBuffer)
	windowRow(t, peerBuffer)
	goodputTable(t, "The same with 64 MiB", bufferSize)
}

// goodputLosses are the losses of the columns of the tables of goodput, but the last.
var goodputLosses = []float64{0, 0.001, 0.01, 0.05}

// goodputTable is of stacks with buffers of so many bytes.
func goodputTable(t *testing.T, title string, buffer int) {
	const ms = time.Millisecond
	table(t, title,
		"100 Mbit/s, 50 ms, no loss", "0.1 % loss", "1 % loss", "5 % loss", "1 Gbit/s, 5 ms (5 s)")
	for _, s := range stacks {
		row(t, s.name, bubbles(t, len(goodputLosses)+1, func(t *testing.T, i int) string {
			fast := i == len(goodputLosses)
			there, d, format := netsim.Conditions{Latency: 25 * ms, Rate: 12_500_000, Queue: 250_000}, 30*time.Second, "%.2f"
			if fast {
				there, d, format = netsim.Conditions{Latency: 2500 * time.Microsecond, Rate: 125_000_000, Queue: 1_000_000}, 5*time.Second, "%.0f"
			} else {
				there.Loss = goodputLosses[i]
			}
			c := link(t, there, 1)
			f := startWith(t, s, c[0].a, c[0].b, buffer)
			defer stop(f)
			return fmt.Sprintf(format, f.goodput(d))
		})...)
	}
}

// TestNetLosses: more losses, and queues that are short: what arrives, and how much of what
// was sent the queue dropped.
func TestNetLosses(t *testing.T) {
	section(t, netTitle, netPreface)
	links := []struct {
		name  string
		queue int
		loss  float64
	}{
		{"2 % loss", 250_000, 0.02}, {"3 % loss", 250_000, 0.03}, {"10 % loss", 250_000, 0.1},
		{"queue of 60 KB", 60_000, 0}, {"queue of 25 KB", 25_000, 0}, {"queue of 25 KB, 5 % loss", 25_000, 0.05},
	}
	var columns []string
	for _, l := range links {
		columns = append(columns, l.name)
	}
	table(t, "100 Mbit/s, 50 ms: goodput in Mbit/s, and per cent dropped by the queue, from 3 s to 30 s", columns...)
	for _, s := range stacks {
		row(t, s.name, bubbles(t, len(links), func(t *testing.T, i int) string {
			l := links[i]
			c := link(t, netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 12_500_000, Queue: l.queue, Loss: l.loss}, 1)
			f := start(t, s, c[0].a, c[0].b)
			defer stop(f)
			pause(3 * time.Second)
			before := c[0].a.sent()
			got := f.goodput(27 * time.Second)
			after := c[0].a.sent()
			dropped := 100 * float64(after.QueueDrops-before.QueueDrops) / float64(after.Sent-before.Sent)
			return fmt.Sprintf("%.2f, %.2f %%", got, dropped)
		})...)
	}
}

// predicted returns the Mbit/s of the response function of CUBIC, or of Reno where
// that is larger (RFC 9438, section 5.1), for an RTT of 50 ms.
func predicted(loss float64) string {
	const rtt = 0.05
	window := max(1.054*math.Pow(rtt/loss, 0.75), math.Sqrt(1.5/loss))
	return fmt.Sprintf("%.2f", window*1160*8/rtt/1e6)
}

// TestNetThin: a thin channel beside a bulk one, over a slow link with a queue of 1.6 s.
func TestNetThin(t *testing.T) {
	section(t, netTitle, netPreface)
	table(t, "10 Mbit/s, 200 ms, queue of 2 MB: a thin channel beside a bulk one",
		"bulk, Mbit/s", "delay of the thin, half within (ms)", "95 % within", "all within")
	for _, s := range stacks {
		synctest.Test(t, func(t *testing.T) {
			c := link(t, netsim.Conditions{Latency: 100 * time.Millisecond, Rate: 1_250_000, Queue: 2_000_000}, 1)
			f := start(t, s, c[0].a, c[0].b)
			pause(5 * time.Second)
			f.thin(50 * time.Millisecond)
			bulk := f.goodput(30 * time.Second)
			stop(f)
			slices.Sort(f.delays)
			n := len(f.delays)
			if n < 300 {
				t.Fatalf("%s: %d messages", s.name, n)
			}
			within := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
			row(t, s.name, fmt.Sprintf("%.2f", bulk), within(f.delays[n/2]), within(f.delays[n*95/100]), within(f.delays[n-1]))
		})
	}
}

// TestNetFair: two flows over one bottleneck, the second ten seconds later. Whose packet finds the
// queue full is a matter of chance, a small window loses for many seconds after: so it is
// done several times, with other beginnings of the second.
func TestNetFair(t *testing.T) {
	const times = 7
	section(t, netTitle, netPreface)
	table(t, fmt.Sprintf("Two flows over one link of 50 Mbit/s, 50 ms, queue of 250 KB, in 60 s: median of %d, least and most", times),
		"first, Mbit/s", "second", "Jain's index")
	for _, s := range stacks {
		var first, second, index [times]float64
		bubbles(t, times, func(t *testing.T, i int) string {
			c := link(t, netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 6_250_000, Queue: 250_000}, 2)
			f := start(t, s, c[0].a, c[0].b)
			pause(10*time.Second + time.Duration(i)*1237*time.Microsecond)
			g := start(t, s, c[1].a, c[1].b)
			defer stop(f, g)
			pause(20 * time.Second)
			from := g.got.Load()
			x := f.goodput(60 * time.Second)
			y := float64(g.got.Load()-from) * 8 / 60e6
			first[i], second[i], index[i] = x, y, (x+y)*(x+y)/2/(x*x+y*y)
			return ""
		})
		row(t, s.name, spread("%.1f", first[:]), spread("%.1f", second[:]), spread("%.3f", index[:]))
	}
}

// spread returns the median, the least and the most of some figures.
func spread(format string, x []float64) string {
	slices.Sort(x)
	return fmt.Sprintf(format+" ("+format+"-"+format+")", x[len(x)/2], x[0], x[len(x)-1])
}

// TestNetBeside: what BBR leaves CUBIC of a bottleneck, and pion/sctp.
func TestNetBeside(t *testing.T) {
	section(t, netTitle, netPreface)
	queues := []int{1_000_000, 250_000, 60_000, 25_000}
	table(t, "A flow with BBR beside another over one link of 50 Mbit/s, 50 ms, in 60 s: Mbit/s of both",
		"queue of 1 MB", "250 KB", "60 KB", "25 KB")
	for _, s := range []stack{stacks[0], pionStack} {
		row(t, "beside "+s.name, bubbles(t, len(queues), func(t *testing.T, i int) string {
			c := link(t, netsim.Conditions{Latency: 25 * time.Millisecond, Rate: 6_250_000, Queue: queues[i]}, 2)
			f := start(t, stacks[1], c[0].a, c[0].b)
			g := start(t, s, c[1].a, c[1].b)
			defer stop(f, g)
			pause(10 * time.Second)
			from := g.got.Load()
			x := f.goodput(60 * time.Second)
			return fmt.Sprintf("%.1f, %.1f", x, float64(g.got.Load()-from)*8/60e6)
		})...)
	}
}
