package bench

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A pinger sends 64 bytes and waits until they are back.
type pinger func(t testing.TB)

// newRawPinger is two connected UDP sockets, and a goroutine that sends back.
func newRawPinger(t testing.TB) pinger {
	t.Helper()
	at := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	a, err := net.ListenUDP("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	b, err := net.DialUDP("udp4", at, a.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := a.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if _, err := a.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1500)
	return func(t testing.TB) {
		if _, err := b.Write(buf[:64]); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
}

// newChannelPinger is a data channel over the whole stack.
func newChannelPinger(t testing.TB, change func(end int, c *sluice.Config)) pinger {
	t.Helper()
	a, b := connectTransports(t, change)
	b.OnMessage(func(m datachannel.Message) {
		if err := b.Send(m.Data); err != nil {
			t.Error(err)
		}
	})
	back := make(chan struct{})
	a.OnMessage(func(datachannel.Message) { back <- struct{}{} })
	if err := a.WriteMessage(t.Context(), make([]byte, 64), false); err != nil {
		t.Fatal(err)
	}
	<-back
	buf := make([]byte, 64)
	return func(t testing.TB) {
		if err := a.WriteMessage(t.Context(), buf, false); err != nil {
			t.Fatal(err)
		}
		<-back
	}
}

// benchLatency: there and back.
func benchLatency(t *testing.T) {
	const count = 5000
	pingers := []struct {
		name string
		ping pinger
	}{
		{"sluice, the whole stack", newChannelPinger(t, func(int, *sluice.Config) {})},
		{"sluice with PlainTransport", newChannelPinger(t, func(_ int, c *sluice.Config) { c.PlainTransport = true })},
		{"UDP alone", newRawPinger(t)},
	}
	times := make([][]time.Duration, len(pingers))
	for range rounds {
		for i, p := range pingers {
			for range count {
				start := time.Now()
				p.ping(t)
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	within := func(i, percent int) float64 {
		slices.Sort(times[i])
		return times[i][len(times[i])*percent/100].Seconds() * 1e6
	}
	table(t, "There and back, 64 bytes", "us, half within", "99 % within", "of UDP alone")
	for i, p := range pingers {
		row(t, p.name, fmt.Sprintf("%.1f", within(i, 50)), fmt.Sprintf("%.0f", within(i, 99)), fmt.Sprintf("%.2f", within(i, 50)/within(len(pingers)-1, 50)))
	}
}
