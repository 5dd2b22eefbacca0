package bench

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
)

// connectTransports returns both ends of a data channel over the whole stack.
func connectTransports(t testing.TB, change func(end int, c *sluice.Config)) (a, b *datachannel.Channel) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var ends [2]*sluice.Transport
	var params [2]sluice.TransportParameters
	for i := range ends {
		cfg := sluice.Config{IncludeLoopback: true, NetworkTypes: []string{"udp4"}, IPFilter: net.IP.IsLoopback}
		change(i, &cfg)
		var err error
		if ends[i], err = sluice.NewTransport(cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ends[i].Abort)
		if params[i], err = ends[i].LocalParameters(ctx); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() { done <- ends[1].Start(ctx, params[0]) }()
	if err := ends[0].Start(ctx, params[1]); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a, err := ends[0].CreateChannel("bench", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = ends[1].Accept(ctx); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// transfer sends messages for a time, and returns how many bytes arrived: all of them,
// so that nothing is left to do afterwards. The receiver reads into buf, if it has one.
func transfer(t testing.TB, a, b *datachannel.Channel, size int, buf []byte, d time.Duration) int64 {
	ctx := context.Background()
	var sent atomic.Int64 // messages, when all are
	go func() {
		message := make([]byte, size)
		n := int64(0)
		for deadline := time.Now().Add(d); time.Now().Before(deadline); n++ {
			if err := a.WriteMessage(ctx, message, false); err != nil {
				t.Error(err)
				break
			}
		}
		sent.Store(n)
		a.WriteMessage(ctx, message[:1], false) // the last
	}()
	for n := int64(0); ; n++ {
		m, err := b.ReadMessageInto(ctx, buf)
		if err != nil {
			t.Error(err)
			return 1
		}
		if len(m.Data) < size {
			if sent.Load() != n {
				t.Errorf("%d messages arrived of %d", n, sent.Load())
			}
			return n * int64(size)
		}
	}
}

// benchFull: the whole stack, from data channel to data channel.
func benchFull(t *testing.T) {
	a, b := connectTransports(t, func(int, *sluice.Config) {})
	c, d := connectTransports(t, func(_ int, c *sluice.Config) { c.PlainTransport = true })
	buf := make([]byte, 256<<10)
	transfers := []struct {
		name     string
		from, to *datachannel.Channel
		size     int
		buf      []byte // the receiver's, if it has one
	}{
		{"messages of 64 bytes", a, b, 64, nil},
		{"1 KiB", a, b, 1 << 10, nil},
		{"1 KiB, into a buffer of the receiver", a, b, 1 << 10, buf},
		{"16 KiB", a, b, 16 << 10, nil},
		{"16 KiB, into a buffer of the receiver", a, b, 16 << 10, buf},
		{"64 KiB", a, b, 64 << 10, nil},
		{"256 KiB", a, b, 256 << 10, nil},
		{"16 KiB with PlainTransport", c, d, 16 << 10, nil},
	}
	var works []func() int64
	for _, x := range transfers {
		works = append(works, func() int64 { return transfer(t, x.from, x.to, x.size, x.buf, time.Second/2) })
		works[len(works)-1]()
	}
	costs := alternate(rounds, works...)
	table(t, "The whole stack", "CPU-s/GB", "MB/s", "messages/s", "allocations per message")
	for i, x := range transfers {
		rate := median(costs[i], cost.rate)
		row(t, x.name, fmt.Sprintf("%.2f", median(costs[i], cost.perGB)), fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", rate*1e6/float64(x.size)),
			fmt.Sprintf("%.1f", median(costs[i], func(c cost) float64 { return c.allocsPer(x.size) })))
	}
}

// benchAbove: what is above the transport, for itself.
func benchAbove(t *testing.T) {
	table(t, "Data channels over a transport in memory", "CPU-s/GB", "MB/s", "messages/s", "allocations per message")
	for _, size := range []int{64, 1 << 10, 16 << 10, 64 << 10} {
		a, b := connectMemory(t, datachannel.Config{SCTP: sctp.Config{ZeroChecksum: sctp.DTLSDetection}})
		transfer(t, a, b, size, nil, 100*time.Millisecond)
		costs := alternate(rounds, func() int64 { return transfer(t, a, b, size, nil, 500*time.Millisecond) })[0]
		rate := median(costs, cost.rate)
		row(t, fmt.Sprintf("messages of %d bytes", size), fmt.Sprintf("%.2f", median(costs, cost.perGB)), fmt.Sprintf("%.0f", rate),
			fmt.Sprintf("%.0f", rate*1e6/float64(size)), fmt.Sprintf("%.1f", median(costs, func(c cost) float64 { return c.allocsPer(size) })))
	}
}
