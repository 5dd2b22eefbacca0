//go:build linux || darwin || freebsd

package sctpnet

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
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
// where each side reads and answers in a loop, and with messages. The other side is in
// this process, where the scheduler of Go mostly runs both on one processor, or in one of
// its own ("apart").
func BenchmarkUDPRoundTrip(b *testing.B) {
	for _, where := range []string{"together", "apart"} {
		for _, how := range []string{"raw", "Endpoint", "Conn"} {
			b.Run(where+"/"+how, func(b *testing.B) {
				var to string
				if where == "together" {
					answerer, at := newAnswerer(b, how)
					done := result(answerer)
					b.Cleanup(func() { <-done })
					to = at
				} else {
					to = answerApart(b, how)
				}
				playback(b, newPlayer(b, how, to))
			})
		}
	}
}

// newAnswerer returns a function that answers pings until its peer ends, and where to
// send them.
func newAnswerer(t testing.TB, how string) (answer func() error, at string) {
	if how == "Endpoint" {
		l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{})
		if err != nil {
			t.Skip("no UDP on loopback:", err)
		}
		return func() error {
			defer l.Close()
			c, err := l.Accept(background)
			if err != nil {
				return err
			}
			return answerMessages(c)
		}, l.Addr().String()
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	return func() error {
		defer c.Close()
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil || n == 1 {
				return err
			}
			if how == "Conn" { // the first packet tells who it is, and is repeated
				c.Close()
				nc, err := net.DialUDP("udp4", c.LocalAddr().(*net.UDPAddr), net.UDPAddrFromAddrPort(from))
				if err != nil {
					return err
				}
				conn, err := Server(background, nc, Config{})
				if err != nil {
					return err
				}
				return answerMessages(conn)
			}
			if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return err
			}
		}
	}, c.LocalAddr().String()
}

func answerMessages(c *Conn) error {
	buf := make([]byte, 100)
	for {
		n, _, err := c.ReadMessage(background, 1, buf)
		if err == nil {
			err = c.WriteMessage(background, sctp.Message{Stream: 1, Payload: buf[:n]})
		}
		if err != nil {
			<-c.Done()
			return err
		}
	}
}

// answering is the environment variable that makes the test program answer pings, and
// do nothing else.
const answering = "SCTPNET_ANSWER"

// answerApart starts a process that answers, and returns where.
func answerApart(b *testing.B, how string) string {
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	p := exec.Command(program)
	p.Env = append(os.Environ(), answering+"="+how)
	out, err := p.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Wait() })
	at, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(at)
}

func init() {
	if how := os.Getenv(answering); how != "" {
		answer, at := newAnswerer(nil, how)
		fmt.Println(at)
		answer()
		os.Exit(0)
	}
}

// newPlayer returns a function that sends a ping and waits for the answer.
func newPlayer(b *testing.B, how, to string) (step func() error) {
	at, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		b.Fatal(err)
	}
	ping, buf := message(1, 64, 0), make([]byte, 2048)
	var c *Conn
	switch how {
	case "raw":
		sock, err := net.ListenUDP("udp4", nil)
		if err != nil {
			b.Fatal(err)
		}
		peer := at.AddrPort()
		b.Cleanup(func() {
			sock.WriteToUDPAddrPort(buf[:1], peer)
			sock.Close()
		})
		return func() error {
			if _, err := sock.WriteToUDPAddrPort(ping.Payload, peer); err != nil {
				return err
			}
			_, _, err := sock.ReadFromUDPAddrPort(buf)
			return err
		}
	case "Endpoint":
		c, err = Dial(background, "udp4", to, Config{})
	default:
		var nc net.Conn
		if nc, err = net.DialUDP("udp4", nil, at); err == nil {
			c, err = Client(background, nc, Config{})
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Abort("")
		<-c.Done()
	})
	return func() error {
		if err := c.WriteMessage(background, ping); err != nil {
			return err
		}
		_, _, err := c.ReadMessage(background, 1, buf)
		return err
	}
}

// playback runs step b.N times, and reports its cost in this process and how long it
// took.
func playback(b *testing.B, step func() error) {
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
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}

// BenchmarkUDPSetUp makes an association and ends it; with an Endpoint a Listener for it, too.
func BenchmarkUDPSetUp(b *testing.B) {
	cfg := Config{SCTP: sctp.Config{MTU: 1200, MaxMTU: -1}}
	for _, over := range []struct {
		name    string
		connect func(testing.TB, Config) (x, y *Conn, end func())
	}{{"Endpoint", listenAndDial}, {"Conn", dialEachOther}} {
		b.Run(over.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime()
			for range b.N {
				_, _, end := over.connect(b, cfg)
				end()
			}
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
