//go:build linux || darwin || freebsd

package sctpnet

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// cpuTime returns what the process has used, in all threads and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// connectUDP returns an association over UDP on loopback.
func connectUDP(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{Config: cfg})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	if a, err = Dial(background, "udp4", l.Addr().String(), cfg); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(background); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.Done()
		<-b.Done()
		l.Close()
	})
	return a, b
}

// connectUDPConns is connectUDP with a net.Conn at each end.
func connectUDPConns(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	at := func() *net.UDPAddr {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Skip("no UDP on loopback:", err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr)
	}
	x, y := at(), at()
	dial := func(from, to *net.UDPAddr) net.Conn {
		c, err := net.DialUDP("udp4", from, to)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b, err := New(dial(y, x), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Client(background, dial(x, y), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.Done()
		<-b.Done()
	})
	return a, b
}

// BenchmarkUDP moves messages over loopback, both ends in this process.
func BenchmarkUDP(b *testing.B) {
	for _, over := range []struct {
		name    string
		connect func(testing.TB, Config) (tx, rx *Conn)
	}{{"Endpoint", connectUDP}, {"Conn", connectUDPConns}} {
		for _, size := range []int{64, 1 << 10, 16 << 10, 256 << 10} {
			b.Run(over.name+"/"+byteCount(size), func(b *testing.B) {
				tx, rx := over.connect(b, Config{})
				move(b, tx, rx, size)
			})
		}
	}
}

// move sends b.N messages and reports what they cost.
func move(b *testing.B, tx, rx *Conn, size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	m := message(1, size, 0)
	buf := make([]byte, size)
	b.ResetTimer()
	before := cpuTime()
	done := result(func() error {
		for n := 0; n < b.N; {
			_, info, err := rx.ReadMessage(background, 1, buf)
			if err != nil {
				return err
			}
			if info.Complete {
				n++
			}
		}
		return nil
	})
	for range b.N {
		if err := tx.WriteMessage(background, m); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((cpuTime()-before).Seconds()*1e9/float64(b.N*size), "cpu-s/GB")
}

// BenchmarkUDPRoundTrip plays 64 bytes to and fro over loopback: with plain sockets,
// where each side reads and answers in a loop, and with messages.
func BenchmarkUDPRoundTrip(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		var socks [2]*net.UDPConn
		var at [2]netip.AddrPort
		for i := range socks {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				b.Skip("no UDP on loopback:", err)
			}
			defer c.Close()
			socks[i], at[i] = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
		}
		done := result(func() error {
			buf := make([]byte, 2048)
			for range b.N {
				n, from, err := socks[1].ReadFromUDPAddrPort(buf)
				if err == nil {
					_, err = socks[1].WriteToUDPAddrPort(buf[:n], from)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		ping, buf := make([]byte, 64), make([]byte, 2048)
		playback(b, done, func() error {
			if _, err := socks[0].WriteToUDPAddrPort(ping, at[1]); err != nil {
				return err
			}
			_, _, err := socks[0].ReadFromUDPAddrPort(buf)
			return err
		})
	})
	for _, over := range []struct {
		name    string
		connect func(testing.TB, Config) (tx, rx *Conn)
	}{{"Endpoint", connectUDP}, {"Conn", connectUDPConns}} {
		b.Run(over.name, func(b *testing.B) {
			x, y := over.connect(b, Config{})
			done := result(func() error {
				buf := make([]byte, 100)
				for range b.N {
					n, _, err := y.ReadMessage(background, 1, buf)
					if err == nil {
						err = y.WriteMessage(background, sctp.Message{Stream: 1, Payload: buf[:n]})
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			m, buf := message(1, 64, 0), make([]byte, 100)
			playback(b, done, func() error {
				if err := x.WriteMessage(background, m); err != nil {
					return err
				}
				_, _, err := x.ReadMessage(background, 1, buf)
				return err
			})
		})
	}
}

// playback runs step b.N times, and reports its cost and how long it took.
func playback(b *testing.B, done <-chan error, step func() error) {
	b.ReportAllocs()
	took := make([]time.Duration, b.N)
	b.ResetTimer()
	cpu := cpuTime()
	last := time.Now()
	for i := range took {
		if err := step(); err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		took[i], last = now.Sub(last), now
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}
