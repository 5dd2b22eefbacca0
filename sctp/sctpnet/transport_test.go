package sctpnet

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

var errCable = errors.New("somebody tripped over the cable")

// A transport that fails ends the association with its error, at any time.
func TestTransportReadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			desc string
			at   time.Duration // after the start of a
			do   func(*Conn) error
		}{
			{"at once", 0, nil},
			{"COOKIE-WAIT", latency, nil},
			{"COOKIE-ECHOED", 3 * latency, nil},
			{"established, waiting to read", 10 * latency, func(c *Conn) error {
				_, _, err := c.ReadMessage(background, 1, make([]byte, 1))
				return err
			}},
			{"established, waiting to write", 10 * latency, func(c *Conn) error {
				for {
					if err := c.WriteMessage(background, message(1, 10000, 0)); err != nil {
						return err
					}
				}
			}},
			{"established, waiting to accept", 10 * latency, func(c *Conn) error {
				_, err := c.AcceptStream(background)
				return err
			}},
			{"shutdown", 10 * latency, func(c *Conn) error {
				if err := c.WaitConnected(background); err != nil {
					return err
				}
				if err := c.WriteMessage(background, message(1, 2000000, 0)); err != nil {
					return err
				}
				return c.Close()
			}},
		} {
			pa, pb := pipe()
			f := newFaulty(pa)
			b, err := New(pb, Config{SCTP: sctp.Config{ReceiveBuffer: 10000}}, false)
			if err != nil {
				t.Fatal(err)
			}
			a, err := New(f, Config{SCTP: sctp.Config{SendBuffer: 10000}}, true)
			if err != nil {
				t.Fatal(err)
			}
			call := result(func() error {
				if tc.do == nil {
					return a.WaitConnected(background)
				}
				return tc.do(a)
			})
			netsim.Elapse(tc.at)
			pending(t, call)
			f.failReads(errCable)
			var te *TransportError
			if err := <-call; !errors.Is(err, errCable) || !errors.As(err, &te) || te.Op != "read" {
				t.Errorf("%s: %v", tc.desc, err)
			}
			<-a.Done()
			if !errors.Is(a.Err(), errCable) {
				t.Errorf("%s: Err: %v", tc.desc, a.Err())
			}
			b.Abort("")
			<-b.Done()
		}
	})
}

// The peer's transport ends without a word: io.EOF.
func TestTransportEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		write(t, p.b, message(1, 10, 0))
		netsim.Elapse(2 * latency)
		p.pb.Close()
		<-p.b.Done()
		<-p.a.Done()
		if !errors.Is(p.a.Err(), io.EOF) || !errors.Is(p.b.Err(), net.ErrClosed) {
			t.Errorf("a: %v, b: %v", p.a.Err(), p.b.Err())
		}
		// What was received before is not lost.
		if got := read(t, p.a, 1); len(got) != 10 {
			t.Errorf("got %d bytes", len(got))
		}
		_, _, err := p.a.ReadMessage(background, 1, make([]byte, 1))
		if !errors.Is(err, io.EOF) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("then: %v", err)
		}
	})
}

// A packet that the transport refuses is a lost packet.
func TestPassingWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		f.failWrites(errCable)
		write(t, p.a, message(1, 100, 0))
		netsim.Elapse(500 * time.Millisecond)
		f.failWrites(nil)
		if got := read(t, p.b, 1); len(got) != 100 {
			t.Errorf("got %d bytes", len(got))
		}
		if p.a.Err() != nil {
			t.Errorf("Err: %v", p.a.Err())
		}
	})
}

func TestFatalWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fatal := range []error{net.ErrClosed, io.ErrClosedPipe, io.EOF, &net.OpError{Op: "write", Err: net.ErrClosed}} {
			p, f := connectFaulty(t, Config{})
			f.failWrites(fatal)
			p.a.WriteMessage(background, message(1, 100, 0))
			if got := elapsed(func() { <-p.a.Done() }); got != 0 {
				t.Errorf("%v: end after %v", fatal, got)
			}
			var te *TransportError
			if !errors.As(p.a.Err(), &te) || te.Op != "write" || te.Err != fatal {
				t.Errorf("%v: Err: %v", fatal, p.a.Err())
			}
			p.end()
		}
	})
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }

// Reads that fail in a passing way do not end the association, unless there is
// nothing else.
func TestPassingReadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		cause := temporary{errCable}
		for range 20 {
			f.mu.Lock()
			f.readErr = cause
			f.mu.Unlock()
			f.Conn.SetReadDeadline(time.Unix(1, 0)) // some reads fail, how many depends
			f.Conn.SetReadDeadline(time.Time{})
		}
		write(t, p.b, message(1, 100, 0))
		if got := read(t, p.a, 1); len(got) != 100 {
			t.Errorf("got %d bytes", len(got))
		}
		f.failReads(cause)
		<-p.a.Done()
		if !errors.Is(p.a.Err(), cause) {
			t.Errorf("Err: %v", p.a.Err())
		}
	})
}

// TestForgedICMP: reads that fail because of ICMP messages, as many as somebody cares to
// forge, do not end an association, nor do they keep the reader busy.
func TestForgedICMP(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMSGSIZE, syscall.ECONNREFUSED, syscall.EHOSTUNREACH} {
		synctest.Test(t, func(t *testing.T) {
			p, f := connectFaulty(t, Config{})
			defer p.end()
			netsim.Elapse(time.Second)
			reads := f.reads.Load()
			f.failReads(&net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", errno)})
			netsim.Elapse(10 * time.Second)
			if n := f.reads.Load() - reads; n < maxPassing || n > 12*maxPassing {
				t.Errorf("%d reads in 10 s", n)
			}
			synctest.Wait() // the reader rests, and does not see half of the change
			f.failReads(nil)
			write(t, p.b, message(1, 100, 0))
			read(t, p.a, 1)
			f.failReads(&net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", errno)})
			netsim.Elapse(time.Second)
			if took := elapsed(func() { p.a.Abort(""); <-p.a.Done() }); took != 0 {
				t.Errorf("it took %v to end", took)
			}
		})
	}
}

// Both ends of a net.Pipe block in Write until the other reads.
func TestNetPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, pb := net.Pipe()
		p := &pair{t: t}
		var err error
		if p.a, err = New(pa, Config{}, true); err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(2 * time.Second) // INIT blocks
		if p.b, err = New(pb, Config{}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		const count = 100
		var calls []<-chan error
		for _, ends := range [][2]*Conn{{p.a, p.b}, {p.b, p.a}} {
			calls = append(calls, result(func() error {
				for i := range count {
					if err := ends[0].WriteMessage(background, message(1, 20000, byte(i))); err != nil {
						return err
					}
				}
				return nil
			}), result(func() error {
				for i := range count {
					if got := read(t, ends[1], 1); !bytes.Equal(got, message(1, 20000, byte(i)).Payload) {
						t.Errorf("message %d differs", i)
					}
				}
				return nil
			}))
		}
		start := time.Now()
		for _, call := range calls {
			if err := <-call; err != nil {
				t.Error(err)
			}
		}
		if got := time.Since(start); got > 5*time.Second {
			t.Errorf("took %v", got)
		}
		if err := p.a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-p.b.Done()
		if p.b.Err() != nil {
			t.Errorf("b: %v", p.b.Err())
		}
		p.end()
	})
}

// batching is a net.Conn with WriteBatch.
type batching struct {
	*netsim.Conn
	mu      sync.Mutex
	batches []int
	refuse  int // the packet of each batch that is refused, if it has as many
	refused map[string]time.Time
}

func (b *batching) WriteBatch(packets [][]byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, len(packets))
	for i, p := range packets {
		if at, ok := b.refused[string(p)]; ok && at.Equal(time.Now()) {
			return i, errors.New("a refused packet is sent again")
		}
		if b.refuse > 0 && i == b.refuse {
			b.refused[string(p)] = time.Now()
			return i, errCable
		}
		if _, err := b.Conn.Write(p); err != nil {
			return i, err
		}
	}
	return len(packets), nil
}

// A peer that comes back without its memory restarts the association (9260-5.2.4-b):
// what was not delivered is lost, what waits goes on.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		f := newFaulty(p.pa)
		f.survives = true
		var err error
		if p.b, err = New(p.pb, Config{OnEvent: rec.onEvent, SCTP: sctp.Config{SendBuffer: 1000}}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(f, Config{}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		closing, reading := open(t, p.b, 1), open(t, p.b, 2)
		write(t, p.a, message(2, 10, 0))
		if n, err := reading.Read(make([]byte, 20)); n != 10 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
		waiting := result(func() error { _, err := reading.Read(make([]byte, 20)); return err })
		f.failWrites(errCable)
		p.a.Abort("crash")
		<-p.a.Done()
		write(t, p.b, message(3, 1000, 0))
		if err := closing.Close(); err != nil {
			t.Fatal(err)
		}
		writing := result(func() error { return p.b.WriteMessage(background, message(4, 1000, 0)) })
		pending(t, waiting, writing)
		netsim.Elapse(2 * latency)

		f.failReads(nil)
		if p.a, err = Client(background, p.pa, Config{}); err != nil {
			t.Fatal(err)
		}
		defer p.end()
		if err := <-writing; err != nil {
			t.Errorf("blocked write: %v", err)
		}
		if got := read(t, p.a, 4); len(got) != 1000 {
			t.Errorf("got %d bytes", len(got))
		}
		if err := <-waiting; err != io.EOF {
			t.Errorf("blocked read: %v", err)
		}
		again := open(t, p.b, 1)
		write(t, p.a, message(1, 10, 0))
		if n, err := again.Read(make([]byte, 20)); n != 10 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		synctest.Wait()
		if rec.count(sctp.EventRestarted) != 1 || rec.count(sctp.EventConnected) != 1 {
			t.Errorf("events: %v", rec.events)
		}
	})
}

// Several packets leave in one call where the transport can, and a refused one
// does not keep back those behind it.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, refuse := range []int{0, 2} {
			p := &pair{t: t}
			p.pa, p.pb = pipe()
			nc := &batching{Conn: p.pa, refuse: refuse, refused: make(map[string]time.Time)}
			var log bytes.Buffer
			var err error
			if p.b, err = New(p.pb, Config{}, false); err != nil {
				t.Fatal(err)
			}
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			if p.a, err = New(nc, Config{Logger: logger}, true); err != nil {
				t.Fatal(err)
			}
			p.established()
			m := message(1, 200000, 3)
			write(t, p.a, m)
			if got := read(t, p.b, 1); !bytes.Equal(got, m.Payload) {
				t.Errorf("refusing %d: got %d bytes", refuse, len(got))
			}
			p.end()
			largest := 0
			for _, n := range nc.batches {
				largest = max(largest, n)
			}
			if largest < 3 {
				t.Errorf("refusing %d: batches of %v", refuse, nc.batches)
			}
			if bytes.Contains(log.Bytes(), []byte("again")) || (refuse > 0) != bytes.Contains(log.Bytes(), []byte("cable")) {
				t.Errorf("refusing %d: log:\n%s", refuse, log.Bytes())
			}
		}
	})
}

// Packets longer than the read buffer make it grow: their sender has a larger MTU.
func TestLongPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		var err error
		if p.b, err = New(p.pb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(p.pa, Config{SCTP: sctp.Config{MTU: 9000}}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		m := message(1, 100000, 3)
		write(t, p.a, m)
		if got := read(t, p.b, 1); !bytes.Equal(got, m.Payload) {
			t.Errorf("got %d bytes", len(got))
		}
		p.b.mu.Lock()
		defer p.b.mu.Unlock()
		if size := p.b.reader.size; size < 9000 || size > maxPacket+1 {
			t.Errorf("read buffer of %d bytes", size)
		}
	})
}

// On connected UDP sockets: the client comes first and is refused until the
// server is there.
func TestUDP(t *testing.T) {
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Skip("no UDP on loopback:", err)
		}
		return c
	}
	reserved, other := listen(), listen()
	addr, peer := reserved.LocalAddr().(*net.UDPAddr), other.LocalAddr().(*net.UDPAddr)
	reserved.Close()
	other.Close()
	dial := func(from, to *net.UDPAddr) *net.UDPConn {
		c, err := net.DialUDP("udp4", from, to)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	cfg := Config{SCTP: sctp.Config{RTOInitial: 50 * time.Millisecond, RTOMin: 50 * time.Millisecond}}
	p := &pair{t: t}
	var err error
	if p.a, err = New(dial(addr, peer), cfg, true); err != nil {
		t.Fatal(err)
	}
	for p.a.Stats().PacketsSent == 0 {
		runtime.Gosched()
	}
	if p.b, err = New(dial(peer, addr), cfg, false); err != nil {
		t.Fatal(err)
	}
	p.established()
	m := message(1, 500000, 9)
	writing := result(func() error { return p.a.WriteMessage(background, m) })
	if got := read(t, p.b, 1); !bytes.Equal(got, m.Payload) {
		t.Errorf("got %d bytes", len(got))
	}
	if err := <-writing; err != nil {
		t.Error(err)
	}
	closing := result(p.b.Close)
	if err := p.a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-closing; err != nil {
		t.Errorf("Close: %v", err)
	}
	<-p.a.Done()
	<-p.b.Done()
}
