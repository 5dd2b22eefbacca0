package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// A harvest is a Listener that reads all that its associations send, and notes how long it
// was on its way.
type harvest struct {
	*sctpnet.Listener
	conns []*sctpnet.Conn
	bufs  sync.Pool

	mu       sync.Mutex
	messages int
	delays   histogram
}

// newHarvest listens for n associations. Datagrams may gather in its socket for so long.
func newHarvest(t *testing.T, n int, cfg sctp.Config, delay time.Duration) *harvest {
	h := new(harvest)
	h.bufs.New = func() any { return new([1 << 11]byte) }
	var err error
	h.Listener, err = sctpnet.Listen("udp4", "127.0.0.1:0", sctpnet.ListenConfig{
		Config: sctpnet.Config{
			SCTP:    cfg,
			OnEvent: h.onEvent,
		},
		MaxAssociations: n, Backlog: n, ReceiveDelay: delay,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// onEvent reads. It is called while others of the same goroutine are at it, as reading
// may give rise to events of other Conns.
func (h *harvest) onEvent(c *sctpnet.Conn, e sctp.Event) {
	if e.Kind != sctp.EventReadable {
		return
	}
	buf := h.bufs.Get().(*[1 << 11]byte)
	defer h.bufs.Put(buf)
	for {
		n, _, err := c.TryReadMessage(e.Stream, buf[:])
		if err != nil {
			return
		}
		if n >= 8 {
			h.note(time.Duration(time.Now().UnixNano() - int64(binary.BigEndian.Uint64(buf[:]))))
		}
	}
}

// note takes note of a message and its delay.
func (h *harvest) note(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages++
	h.delays.add(d)
}

// accept takes n associations.
func (h *harvest) accept(t *testing.T, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for range n {
		c, err := h.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		h.conns = append(h.conns, c)
	}
}

// end aborts all associations.
func (h *harvest) end() {
	h.Close()
	for _, c := range h.conns {
		c.Abort("")
	}
}

// take returns how many messages came in since the last call, and their delays.
func (h *harvest) take() (int, histogram) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, d := h.messages, h.delays
	h.messages, h.delays = 0, histogram{}
	return n, d
}

// A histogram counts delays.
type histogram [len(steps) + 1]int

// steps are the ends of its ranges.
var steps = [...]time.Duration{50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond}

func (h *histogram) add(d time.Duration) {
	i := 0
	for i < len(steps) && d > steps[i] {
		i++
	}
	h[i]++
}

// columns and cells are those of a table: how much is within each step, in per cent.
func (h *histogram) columns() (columns []string) {
	for _, s := range steps {
		columns = append(columns, fmt.Sprint(s))
	}
	return columns
}

func (h *histogram) cells() (cells []string) {
	all, n := 0, 0
	for _, c := range h {
		all += c
	}
	for i := range steps {
		n += h[i]
		cells = append(cells, fmt.Sprintf("%.2f", 100*float64(n)/float64(max(all, 1))))
	}
	return cells
}

// scaleBusy: 500 Mbit/s spread over ten to 10,000 associations, configured by default; and what the same datagrams cost
// alone, which grows, too: the kernel looks at memory for each address.
func scaleBusy(t *testing.T) {
	const size, seconds, rate = 1150, 5, 500e6
	type outcome struct {
		cells  []string
		cost   float64 // us for a message
		delays histogram
		name   string
	}
	note := func(messages int, cpu time.Duration, r fleetResult) outcome {
		us := 1e6 * cpu.Seconds() / float64(messages)
		return outcome{cost: us, cells: []string{
			fmt.Sprintf("%.0f", float64(messages)*size*8/1e6/seconds), fmt.Sprintf("%.0f", 100*cpu.Seconds()/seconds),
			fmt.Sprintf("%.2f", us), fmt.Sprintf("%.1f", 1e9*cpu.Seconds()/(float64(messages)*size)), fmt.Sprintf("%.2f", 1e6*r.CPU/float64(r.Sent)),
		}}
	}
	counts := []int{10, 1000, 10_000}
	var all, bare []outcome
	for _, n := range counts {
		h := newHarvest(t, n, sctp.Config{}, 0)
		f := fleet{Addr: h.Addr().String(), N: n, Size: size, Rate: rate / 8 / size, Seconds: seconds, InFlight: 256}.launch(t)
		h.accept(t, n)
		f.connected(t)
		cpu := cpuTime()
		r := f.work(t)
		cpu = cpuTime() - cpu
		messages, delays := h.take()
		o := note(messages, cpu, r)
		o.name, o.delays = fmt.Sprintf("%d associations, one message of each in turn", n), delays
		all = append(all, o)
		h.end()
	}
	for _, n := range counts {
		s, at := newBareSocket(t)
		f := fleet{Addr: at, Bare: true, N: n, Size: bareData, Rate: rate / 8 / size, Seconds: seconds}.launch(t)
		f.connected(t)
		go s.run(0)
		cpu := cpuTime()
		r := f.work(t)
		s.end(t, at)
		o := note(s.messages, cpuTime()-cpu, r)
		o.name = fmt.Sprintf("the datagrams alone, from %d addresses, each second one answered", n)
		bare = append(bare, o)
		syscall.Close(s.fd)
	}
	table(t, fmt.Sprintf("500 Mbit/s spread over many associations, messages of %d bytes, over loopback", size),
		"Mbit/s that arrived", "listening end, % of a core", "us for a message", "CPU-s/GB", "sending end, us for a message", "listening end, of what 10 cost")
	for _, rows := range [][]outcome{all, bare} {
		for _, o := range rows {
			row(t, o.name, append(o.cells, fmt.Sprintf("%.2f", o.cost/rows[0].cost))...)
		}
	}
	table(t, "How long a message is on its way: % within", all[0].delays.columns()...)
	for _, o := range all {
		row(t, o.name, o.delays.cells()...)
	}
}

// scaleListening: handshakes, and idle associations of a Listener.
func scaleListening(t *testing.T) {
	const n, interval, idle = 100_000, 10 * time.Second, 12 * time.Second
	before := heapInUse()
	h := newHarvest(t, n, sctp.Config{HeartbeatInterval: interval, MaxMTU: -1}, 0)
	defer h.end()
	cpu, start := cpuTime(), time.Now()
	f := fleet{Addr: h.Addr().String(), N: n, InFlight: 64}.launch(t)
	h.accept(t, n)
	f.connected(t)
	wall := time.Since(start)
	cpu = cpuTime() - cpu
	handshake := float64(cpu.Microseconds()) / n
	elapse(interval + 3*time.Second) // until each has had its first heartbeat
	bytes := (heapInUse() - before) / n
	packets, cpu := h.Stats().PacketsReceived, cpuTime()
	elapse(idle)
	cpu = cpuTime() - cpu
	packets = h.Stats().PacketsReceived - packets
	table(t, fmt.Sprintf("%d associations of one sctpnet.Listener, over loopback", n), "handshakes/s", "us of the listening end for one",
		"bytes for an idle Conn", "goroutines", "heartbeats/s", "us for one", "with an interval of 30 s, % of a core")
	one := cpu.Seconds() / float64(packets)
	row(t, "listening end", fmt.Sprintf("%.0f", n/wall.Seconds()), fmt.Sprintf("%.1f", handshake), fmt.Sprint(bytes), fmt.Sprint(runtime.NumGoroutine()),
		fmt.Sprintf("%.0f", float64(packets)/idle.Seconds()), fmt.Sprintf("%.1f", 1e6*one), fmt.Sprintf("%.1f", 100*one*n/31))
}

// elapse lets time go by.
func elapse(d time.Duration) { <-time.After(d) }
