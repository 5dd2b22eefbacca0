package sluice

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An idle connection has no goroutine: a UDPMux has one, and one waits for all ports of single
// connections, but where the system has no way to, when each has one. It keeps little memory: the agent and what else it
// took to connect are gone.
func TestIdleConnection(t *testing.T) {
	pairs := 100
	if raceDetector {
		pairs = 10 // slow, and heaps are others
	}
	m := newTestUDPMux(t)
	open := func(server func(*Config), goroutines int) (heap float64) {
		connectIdle(t, server) // what is made once
		before := heapInUse()
		for range pairs {
			connectIdle(t, server)
		}
		if !eventually(func() bool { return routines() == goroutines }) {
			t.Errorf("%d goroutines, want %d", routines(), goroutines)
		}
		return float64(heapInUse()-before) / float64(pairs) / 1024
	}
	ofOwn, ofClients := 2, 2
	if runtime.GOOS != "linux" {
		ofOwn, ofClients = 1+2*(pairs+1), 1+3*(pairs+1)
	}
	own := open(nil, ofOwn) / 2
	shared := open(func(c *Config) { c.UDPMux = m }, ofClients) - own
	t.Logf("%.1f KiB of heap, %.1f KiB on a UDPMux", own, shared)
	if !raceDetector && (own > maxIdleHeap || shared > maxIdleHeapShared) {
		t.Errorf("%.1f KiB of heap, %.1f KiB on a UDPMux; want at most %d and %d", own, shared, maxIdleHeap, maxIdleHeapShared)
	}
}

// What TestIdleConnection allows, KiB: a fifth more than there is.
const maxIdleHeap, maxIdleHeapShared = 32, 29

// connectIdle connects two Transports and lets them open a channel and settle.
func connectIdle(t *testing.T, server func(*Config)) {
	t.Helper()
	quiet := func(c *Config) { c.ICEKeepaliveInterval = time.Hour } // no checks while heaps are measured
	a := newTestTransport(t, func(c *Config) {
		quiet(c)
		if server != nil {
			server(c)
		}
	})
	b := newTestTransport(t, quiet)
	a.core.ice.settle, b.core.ice.settle = time.Millisecond, time.Millisecond
	ch, err := a.CreateChannel("data", nil)
	must(t, err)
	connect(t, a, b)
	must(t, ch.Send([]byte("one")))
	wantChannelMessage(t, accept(t, b), []byte("one"), false)
	wantKept(t, a.core)
	wantKept(t, b.core)
}

// routines counts the goroutines of ours and of the libraries.
func routines() int {
	if stacks := running(); stacks != "" {
		return strings.Count(stacks, "\n\n") + 1
	}
	return 0
}

// heapInUse returns the bytes that are reachable when nothing is under way: the least of
// several measurements.
func heapInUse() int64 {
	var least uint64 = math.MaxUint64
	for range 30 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc)
	}
	return int64(least)
}
