package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// windowRow is what a window of so many bytes allows, of the columns with 100 Mbit/s.
func windowRow(t *testing.T, window int) {
	var cells []string
	for _, loss := range goodputLosses {
		cells = append(cells, fmt.Sprintf("%.2f", allowed(window, loss)))
	}
	row(t, fmt.Sprintf("a window of %d MiB allows", window>>20), append(cells, "")...)
}

// allowed returns the Mbit/s of a sender that puts a packet on a link of 100 Mbit/s and 50 ms
// whenever there is room, knows after a round trip whether it was lost, and sends lost
// ones first. It has no more than the window beyond what has come in without a gap.
func allowed(window int, loss float64) float64 {
	const (
		payload = packetSize - 12 - 20 // common header, I-DATA
		perTrip = 12_500_000 / 20 / (packetSize + 1)
		seconds = 30
	)
	type packet struct {
		number int
		lost   bool
	}
	rng := rand.New(rand.NewSource(1))
	flying := make([]packet, perTrip) // by when they were sent; number 0: none was
	arrived := make(map[int]bool)
	var again []int
	first, next := 1, 1
	for slot := range perTrip * 20 * seconds {
		p := &flying[slot%perTrip]
		if p.lost {
			again = append(again, p.number)
		} else if p.number > 0 {
			arrived[p.number] = true
		}
		for ; arrived[first]; first++ {
			delete(arrived, first)
		}
		p.number = 0
		if len(again) > 0 {
			p.number, again = again[0], again[1:]
		} else if (next+1-first)*payload <= window {
			p.number, next = next, next+1
		}
		p.lost = p.number > 0 && rng.Float64() < loss
	}
	return float64(first-1) * payload * 8 / seconds / 1e6
}

// TestNetHard: what else happens on links.
func TestNetHard(t *testing.T) {
	const ms = time.Millisecond
	usual, way := netsim.Conditions{Latency: 25 * ms, Rate: 12_500_000, Queue: 250_000}, netsim.Conditions{Latency: 25 * ms}
	slow := usual
	slow.Rate /= 10
	down := func(from ...time.Duration) (w []netsim.Window) {
		for _, at := range from {
			w = append(w, netsim.Window{From: at * time.Second, To: (at + 2) * time.Second})
		}
		return w
	}
	links := []struct {
		name        string
		there, back func(c *netsim.Conditions)
		then        netsim.Conditions // after 10 s; without a rate: as before
	}{
		{name: "30 % of the SACKs lost", back: func(c *netsim.Conditions) { c.Loss = 0.3 }},
		{name: "5 % up to 10 ms late", there: func(c *netsim.Conditions) { c.Reorder, c.ReorderDelay = 0.05, 10*ms }},
		{name: "1 % up to 40 ms late", there: func(c *netsim.Conditions) { c.Reorder, c.ReorderDelay = 0.01, 40*ms }},
		{name: "jitter of 20 ms, both ways", there: func(c *netsim.Conditions) { c.Jitter = 20 * ms }, back: func(c *netsim.Conditions) { c.Jitter = 20 * ms }},
		{name: "losses in bursts", there: func(c *netsim.Conditions) { c.Burst = netsim.Burst{Enter: 0.0005, Leave: 0.05, LossBad: 0.5} }},
		{name: "2 s without a link", there: func(c *netsim.Conditions) { c.Down = down(8) }, back: func(c *netsim.Conditions) { c.Down = down(8) }},
		{name: "three times", there: func(c *netsim.Conditions) { c.Down = down(5, 10, 15) }, back: func(c *netsim.Conditions) { c.Down = down(5, 10, 15) }},
		{name: "10 Mbit/s from 10 s on, then", then: slow},
		{name: "10 Mbit/s until 10 s, then", there: func(c *netsim.Conditions) { *c = slow }, then: usual},
	}
	var columns []string
	for _, l := range links {
		columns = append(columns, l.name)
	}
	section(t, netTitle, netPreface)
	table(t, "100 Mbit/s, 50 ms, queue of 250 KB, buffers of 2 MiB: goodput in Mbit/s in 20 s, where the link is not as good", columns...)
	for _, s := range stacks {
		row(t, s.name, bubbles(t, len(links), func(t *testing.T, i int) string {
			l, there, back := links[i], usual, way
			if l.there != nil {
				l.there(&there)
			}
			if l.back != nil {
				l.back(&back)
			}
			c := linkWith(t, there, back, 1)[0]
			f := startWith(t, s, c.a, c.b, ownBuffer)
			defer stop(f)
			if l.then.Rate > 0 {
				pause(10 * time.Second)
				c.a.change(l.then)
			}
			return fmt.Sprintf("%.2f", f.goodput(20*time.Second))
		})...)
	}
}

// TestNetAlone: messages now and then, and nothing else, where so many packets are lost, SACKs included.
func TestNetAlone(t *testing.T) {
	const count = 2000
	intervals := []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second}
	var columns []string
	for _, every := range intervals {
		columns = append(columns, "each "+every.String())
	}
	section(t, netTitle, netPreface)
	for _, loss := range []float64{0.1, 0.2} {
		table(t, fmt.Sprintf("50 ms, %.0f %% loss both ways: delay of ordered messages of 100 bytes in ms, half, 95 %%, 99 %% and all within", 100*loss), columns...)
		for _, s := range []stack{stacks[0], pionStack} {
			row(t, s.name, bubbles(t, len(intervals), func(t *testing.T, i int) string {
				lossy := netsim.Conditions{Latency: 25 * time.Millisecond, Loss: loss}
				c := linkWith(t, lossy, lossy, 1)[0]
				delays := alone(t, s, c, intervals[i], count)
				within := func(perMille int) int64 { return delays[(len(delays)-1)*perMille/1000].Milliseconds() }
				return fmt.Sprintf("%d, %d, %d, %d", within(500), within(950), within(990), within(1000))
			})...)
		}
	}
}

// alone sends messages at an interval, and returns their delays, sorted.
func alone(t *testing.T, s stack, c pair, every time.Duration, count int) []time.Duration {
	f := &flow{}
	var err error
	if f.tx, f.rx, err = s.connect(c.a, c.b, ownBuffer); err != nil {
		t.Fatal(err)
	}
	var delays []time.Duration
	f.active.Go(func() {
		buf := make([]byte, 1<<10)
		for {
			if _, err := f.rx.read(1, buf); err != nil {
				return
			}
			delays = append(delays, time.Duration(time.Now().UnixNano()-int64(binary.BigEndian.Uint64(buf))))
		}
	})
	for range count {
		message := make([]byte, 100)
		binary.BigEndian.PutUint64(message, uint64(time.Now().UnixNano()))
		if err := f.tx.write(1, message); err != nil {
			t.Fatal(err)
		}
		pause(every)
	}
	pause(time.Minute)
	stop(f)
	if len(delays) != count {
		t.Fatalf("%s: %d messages", s.name, len(delays))
	}
	slices.Sort(delays)
	return delays
}
