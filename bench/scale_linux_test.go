package bench

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// TestScale measures what many associations cost on one Endpoint, in one process.
func TestScale(t *testing.T) {
	if !*write {
		t.Skip("takes three minutes: make bench-scale")
	}
	section(t, "Scale", "Written by `make bench-scale`. One Endpoint has all associations, and what is measured is the CPU time of\n"+
		"the process, kernel included. \"In memory\" means two Endpoints whose datagrams are handed over as they are, in virtual time;\n"+
		"over loopback the side that listens, `sctpnet.Listen`, is a process of its own and stands for itself. Messages have 1000 bytes\n"+
		"unless something else is said.\n\n"+machine()+"\n")
	t.Run("Idle", scaleIdle)
	t.Run("Patterns", scalePatterns)
	t.Run("Floor", scaleFloor)
	t.Run("Streams", scaleStreams)
	t.Run("Telemetry", scaleTelemetry)
	t.Run("Busy", scaleBusy)
	t.Run("Listening", scaleListening)
}

// heapInUse returns the bytes of the heap that are in use.
func heapInUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// scaleIdle: associations that have been used and are idle, in memory.
func scaleIdle(t *testing.T) {
	table(t, "Idle associations on one Endpoint, in memory", "bytes for an end at first", "when used and idle",
		"CPU of both ends with heartbeats each 30 s, % of a core", "of a heartbeat and its answer", "of a handshake, both ends")
	payload := make([]byte, 1000)
	for _, n := range []int{1000, 100_000} {
		before := heapInUse()
		cpu := cpuTime()
		c := newCrossing(t, n, sctp.Config{})
		handshake := (cpuTime() - cpu) / time.Duration(n)
		fresh := (heapInUse() - before) / (2 * n)
		for i := range n {
			c.send(t, 0, i, 0, payload)
			c.send(t, 1, i, 0, payload)
			c.run()
		}
		c.pass(70 * time.Second)
		used := (heapInUse() - before) / (2 * n)
		const idle = 31 * time.Second
		packets := c.packets
		cpu = cpuTime()
		c.pass(idle)
		cpu = cpuTime() - cpu
		packets = c.packets - packets
		row(t, fmt.Sprint(n), fmt.Sprint(fresh), fmt.Sprint(used), fmt.Sprintf("%.2f", 100*cpu.Seconds()/idle.Seconds()),
			fmt.Sprintf("%.1f us", float64(cpu.Microseconds())*2/float64(packets)), fmt.Sprintf("%.0f us", float64(handshake.Nanoseconds())/1000))
		runtime.KeepAlive(c)
	}
}

// scalePatterns: what a packet costs by how many associations there are and how they take turns.
func scalePatterns(t *testing.T) {
	const messages, rounds = 32_000, 3
	counts := []int{10, 100, 1000, 10_000}
	patterns := []struct {
		name string
		run  int // messages of one association in a row
		busy int // associations that send; 0: all
	}{
		{"one message of each in turn", 1, 0},
		{"16 of each in turn", 16, 0},
		{"one of ten in turn, the others are idle", 1, 10},
	}
	var columns []string
	for _, n := range counts {
		columns = append(columns, fmt.Sprint(n))
	}
	table(t, "CPU time of a packet in memory, both ends, in ns, by the number of associations", append(columns, "most to least")...)
	payload := make([]byte, 1000)
	crossings := make([]*crossing, len(counts))
	for i, n := range counts {
		c := newCrossing(t, n, sctp.Config{HeartbeatInterval: -1, MaxMTU: -1, InitialWindow: 1 << 16})
		for j := range 16 * n { // what is needed is made
			if c.send(t, 0, j/16, 0, payload); j%16 == 15 {
				c.run()
			}
		}
		crossings[i] = c
	}
	for _, p := range patterns {
		var works []func() int64
		for i, c := range crossings {
			busy := counts[i]
			if p.busy > 0 {
				busy = p.busy
			}
			turn := 0
			works = append(works, func() int64 {
				packets := c.packets
				for range messages / p.run {
					for range p.run {
						c.send(t, 0, turn%busy, 0, payload)
					}
					turn += 7
					c.run()
					c.pass(100 * time.Microsecond)
				}
				return int64(c.packets - packets)
			})
		}
		costs := alternate(rounds, works...)
		var cells []string
		least, most := 1e9, 0.0
		for _, c := range costs {
			ns := median(c, cost.perGB) // of as many packets: seconds for 10^9 are ns for one
			least, most = min(least, ns), max(most, ns)
			cells = append(cells, fmt.Sprintf("%.0f", ns))
		}
		row(t, p.name, append(cells, fmt.Sprintf("%.2f", most/least))...)
	}
	runtime.KeepAlive(crossings)
}

// scaleStreams: what a packet costs by how many streams take turns.
func scaleStreams(t *testing.T) {
	const messages, rounds = 32_000, 5
	counts := []int{1, 10, 100, 1000, 10_000}
	var columns []string
	var works []func() int64
	payload := make([]byte, 1000)
	for _, n := range counts {
		columns = append(columns, fmt.Sprint(n))
		c := newCrossing(t, 1, sctp.Config{HeartbeatInterval: -1, MaxMTU: -1, InitialWindow: 1 << 16})
		works = append(works, func() int64 {
			packets := c.packets
			for i := range messages / 16 {
				for j := range 16 {
					c.send(t, 0, 0, uint16((16*i+j)%n), payload)
				}
				c.run()
				c.pass(100 * time.Microsecond)
			}
			return int64(c.packets - packets)
		})
	}
	table(t, "CPU time of a packet in memory, both ends, in ns, by the number of streams that take turns", append(columns, "most to least")...)
	for _, w := range works {
		w()
	}
	var cells []string
	least, most := 1e9, 0.0
	for _, c := range alternate(rounds, works...) {
		ns := median(c, cost.perGB)
		least, most = min(least, ns), max(most, ns)
		cells = append(cells, fmt.Sprintf("%.0f", ns))
	}
	row(t, "16 messages at a time", append(cells, fmt.Sprintf("%.2f", most/least))...)
}
