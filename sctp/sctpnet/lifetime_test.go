package sctpnet

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

func TestClientServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, pb := pipe()
		serving := result(func() error {
			c, err := Server(background, pb, Config{})
			if err != nil {
				return err
			}
			got := read(t, c, 3)
			write(t, c, sctp.Message{Stream: 3, PPID: 51, Payload: append(got, " back"...)})
			_, _, err = c.ReadMessage(background, 3, make([]byte, 1))
			if !errors.Is(err, net.ErrClosed) || !errors.Is(err, sctp.ErrClosed) {
				t.Errorf("read after the end: %v", err)
			}
			<-c.Done()
			return c.Err()
		})
		c, err := Client(background, pa, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if c.State() != sctp.Established || c.OutboundStreams() == 0 || c.InboundStreams() == 0 {
			t.Errorf("state %v, %d streams out, %d in", c.State(), c.OutboundStreams(), c.InboundStreams())
		}
		if c.LocalAddr() != pa.LocalAddr() || c.RemoteAddr() != pa.RemoteAddr() {
			t.Error("addresses are not those of the transport")
		}
		write(t, c, sctp.Message{Stream: 3, PPID: 51, Payload: []byte("there and")})
		if got := read(t, c, 3); string(got) != "there and back" {
			t.Errorf("got %q", got)
		}
		if s := c.Stats(); s.MessagesSent != 1 || s.MessagesReceived != 1 {
			t.Errorf("stats: %+v", s)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-serving; err != nil {
			t.Errorf("server: %v", err)
		}
		<-c.Done()
		if c.Err() != nil {
			t.Errorf("Err: %v", c.Err())
		}
		if _, err := pa.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("transport is still open: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		c.Abort("too late")
		if err := c.WaitConnected(background); err != nil {
			t.Errorf("WaitConnected after the end: %v", err)
		}
	})
}

// Both sides send INIT at once, as WebRTC does (9260-5.2.1-a).
func TestSimultaneousOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		opening := result(func() (err error) {
			p.b, err = Client(background, p.pb, Config{})
			return err
		})
		var err error
		if p.a, err = Client(background, p.pa, Config{}); err != nil {
			t.Fatal(err)
		}
		if err := <-opening; err != nil {
			t.Fatal(err)
		}
		defer p.end()
		write(t, p.a, message(0, 10, 1))
		write(t, p.b, message(0, 20, 1))
		if a, b := read(t, p.a, 0), read(t, p.b, 0); len(a) != 20 || len(b) != 10 {
			t.Errorf("got %d and %d bytes", len(a), len(b))
		}
	})
}

func TestConfigErrors(t *testing.T) {
	for _, cfg := range []Config{
		{CloseTimeout: -1},
		{SCTP: sctp.Config{MTU: 1}},
	} {
		pa, _ := pipe()
		var ce *sctp.ConfigError
		if c, err := New(pa, cfg, true); !errors.As(err, &ce) || c != nil {
			t.Errorf("%+v: %v, %v", cfg, c, err)
		}
		if _, err := pa.Write([]byte{1}); err != nil {
			t.Errorf("the transport was taken away: %v", err)
		}
		pa.Close()
	}
}

// A context ends every call that waits, and what it began.
func TestContextEndsConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			desc string
			open func(context.Context, net.Conn, Config) (*Conn, error)
		}{
			{"client without a peer", Client},
			{"server without a peer", Server},
		} {
			pa, _ := pipe()
			ctx, cancel := context.WithTimeout(background, 700*time.Millisecond)
			start := time.Now()
			c, err := tc.open(ctx, pa, Config{})
			if err != context.DeadlineExceeded || c != nil || time.Since(start) != 700*time.Millisecond {
				t.Errorf("%s: %v, %v after %v", tc.desc, c, err, time.Since(start))
			}
			cancel()
			if _, err := pa.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: transport is still open", tc.desc)
			}
		}
	})
}

// A client whose peer never answers gives up by itself (9260-4-c).
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, _ := pipe()
		_, err := Client(background, pa, Config{})
		if !errors.Is(err, sctp.ErrHandshakeTimeout) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Client: %v", err)
		}
	})
}

func TestContextEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 1000}})
		defer p.end()
		p.pa.SetConditions(down)
		write(t, p.a, message(1, 1000, 0))
		s, err := p.a.OpenStream(7)
		if err != nil {
			t.Fatal(err)
		}
		canceled, cancel := context.WithCancel(background)
		for _, tc := range []struct {
			desc string
			call func(context.Context) error
		}{
			{"read", func(ctx context.Context) error {
				_, _, err := p.a.ReadMessage(ctx, 1, make([]byte, 10))
				return err
			}},
			{"write", func(ctx context.Context) error { return p.a.WriteMessage(ctx, message(1, 1, 0)) }},
			{"stream read", func(ctx context.Context) error {
				_, _, err := s.ReadMessage(ctx, make([]byte, 10))
				return err
			}},
			{"stream write", func(ctx context.Context) error { return s.WriteMessage(ctx, message(1, 1, 0)) }},
			{"accept", func(ctx context.Context) error {
				_, err := p.a.AcceptStream(ctx)
				return err
			}},
		} {
			ctx, cancel := context.WithTimeout(background, time.Second)
			if got := elapsed(func() { err = tc.call(ctx) }); err != context.DeadlineExceeded || got != time.Second {
				t.Errorf("%s: %v after %v", tc.desc, err, got)
			}
			if err := tc.call(ctx); err != context.DeadlineExceeded {
				t.Errorf("%s, expired before: %v", tc.desc, err)
			}
			cancel()
			waiting := result(func() error { return tc.call(canceled) })
			defer func() {
				if err := <-waiting; err != context.Canceled {
					t.Errorf("%s, canceled: %v", tc.desc, err)
				}
			}()
		}
		synctest.Wait()
		cancel()
	})
}

// Close delivers what was written, however much is still on its way.
func TestCloseDeliversData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		const messages, size = 50, 20000
		reading := result(func() error {
			for i := range messages {
				if got, want := read(t, p.b, 1), message(1, size, byte(i)).Payload; string(got) != string(want) {
					t.Errorf("message %d differs", i)
				}
			}
			_, _, err := p.b.ReadMessage(background, 1, make([]byte, 1))
			return err
		})
		for i := range messages {
			write(t, p.a, message(1, size, byte(i)))
		}
		if err := p.a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-reading; !errors.Is(err, sctp.ErrClosed) || p.b.Err() != nil {
			t.Errorf("after the data: %v, %v", err, p.b.Err())
		}
	})
}

// What was received before the peer closed can be read afterwards.
func TestReadAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		write(t, p.a, message(1, 10, 0))
		write(t, p.a, message(2, 20, 0))
		if err := p.a.Close(); err != nil {
			t.Fatal(err)
		}
		<-p.b.Done()
		for range 2 {
			s, err := p.b.AcceptStream(background)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(s)
			if len(data) != 10*int(s.ID()) || err != nil {
				t.Errorf("stream %d: %d bytes, %v", s.ID(), len(data), err)
			}
		}
		if _, err := p.b.AcceptStream(background); !errors.Is(err, net.ErrClosed) {
			t.Errorf("AcceptStream: %v", err)
		}
		if _, err := p.b.OpenStream(9); !errors.Is(err, net.ErrClosed) {
			t.Errorf("OpenStream: %v", err)
		}
		if err := p.b.TryWriteMessage(message(1, 1, 0)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if err := p.b.ResetStreams(1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reset: %v", err)
		}
	})
}

// Close does not wait for data that nobody will read.
func TestCloseWithUnreadData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: 16 << 10}})
		defer p.end()
		s, err := p.a.OpenStream(2)
		if err != nil {
			t.Fatal(err)
		}
		reading := result(func() error { _, err := s.Read(make([]byte, 1)); return err })
		accepting := result(func() error { _, err := p.a.AcceptStream(background); return err })
		for i := range 20 {
			write(t, p.b, message(1, 10000, byte(i)))
		}
		// Accepting stream 1 would be in order; the test wants a call that waits.
		if err := <-accepting; err != nil {
			t.Fatal(err)
		}
		accepting = result(func() error { _, err := p.a.AcceptStream(background); return err })
		netsim.Elapse(time.Second) // the window is closed, most of it waits at b
		if got := elapsed(func() { err = p.a.Close() }); err != nil || got > time.Second {
			t.Errorf("Close: %v after %v", err, got)
		}
		for _, call := range []<-chan error{reading, accepting} {
			if err := <-call; !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked call: %v", err)
			}
		}
		if _, _, err := p.a.TryReadMessage(1, make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		if _, err := p.a.Peek(1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Peek after Close: %v", err)
		}
		if s := p.b.Stats(); s.SendBuffered != 0 {
			t.Errorf("%d bytes of b not delivered", s.SendBuffered)
		}
	})
}

func TestBothClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		write(t, p.a, message(1, 50000, 0))
		write(t, p.b, message(1, 50000, 0))
		a, b := result(p.a.Close), result(p.b.Close)
		if err := <-a; err != nil {
			t.Errorf("a: %v", err)
		}
		if err := <-b; err != nil {
			t.Errorf("b: %v", err)
		}
		<-p.a.Done()
		<-p.b.Done()
	})
}

func TestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			cfg  Config
			want time.Duration
		}{
			{Config{}, 5 * time.Second},
			{Config{CloseTimeout: 300 * time.Millisecond}, 300 * time.Millisecond},
		} {
			p := connect(t, tc.cfg)
			write(t, p.a, message(1, 100, 0))
			p.pa.SetConditions(down)
			write(t, p.a, message(1, 100, 0))
			var err error
			got := elapsed(func() { err = p.a.Close() })
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() || got != tc.want {
				t.Errorf("Close: %v after %v, want %v", err, got, tc.want)
			}
			var aborted *sctp.AbortedError
			if !errors.As(p.a.Err(), &aborted) {
				t.Errorf("Err: %v", p.a.Err())
			}
			p.end()
		}
	})
}

// Shutdown refuses writes on both sides, and lets what was written be read.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 1000}})
		defer p.end()
		write(t, p.b, message(1, 1000, 0))
		waiting := result(func() error { return p.b.WriteMessage(background, message(2, 1000, 0)) })
		pending(t, waiting)
		p.a.StartShutdown()
		p.a.StartShutdown()
		if err := p.a.TryWriteMessage(message(1, 1, 0)); err != sctp.ErrShuttingDown {
			t.Errorf("write while shutting down: %v", err)
		}
		shutting := result(func() error { return p.a.Shutdown(background) })
		if got := read(t, p.a, 1); len(got) != 1000 {
			t.Errorf("got %d bytes", len(got))
		}
		if err := <-shutting; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-waiting; err != sctp.ErrShuttingDown {
			t.Errorf("blocked write of the peer: %v", err)
		}
		<-p.b.Done()
		if p.b.Err() != nil {
			t.Errorf("b: %v", p.b.Err())
		}
	})
}

// The peer's SHUTDOWN ends blocked writes at once, though there is still no room.
func TestPeerShutdownEndsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 1000}})
		defer p.end()
		write(t, p.b, message(1, 1000, 0))
		waiting := result(func() error { return p.b.WriteMessage(background, message(2, 1000, 0)) })
		pending(t, waiting)
		p.a.StartShutdown()
		p.pa.SetConditions(down)
		if got := elapsed(func() {
			if err := <-waiting; err != sctp.ErrShuttingDown {
				t.Errorf("blocked write: %v", err)
			}
		}); got != latency {
			t.Errorf("blocked write returned after %v", got)
		}
	})
}

// When only the last packet of a graceful end is lost, the end of the transport
// makes up for it.
func TestShutdownCompleteLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		write(t, p.a, message(1, 100, 0))
		netsim.Elapse(time.Second)
		p.a.StartShutdown()
		f.failWrites(errCable)
		<-p.a.Done()
		<-p.b.Done()
		if p.a.Err() != nil || p.b.Err() != nil {
			t.Errorf("a: %v, b: %v", p.a.Err(), p.b.Err())
		}
	})
}

// The same on a connected UDP socket, which says only that nobody is there.
func TestShutdownCompleteLostAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		fa, fb := newFaulty(p.pa), newFaulty(p.pb)
		fa.survives = true
		var err error
		if p.b, err = New(fb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(fa, Config{}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		p.a.StartShutdown()
		fa.failWrites(errCable)
		<-p.a.Done()
		netsim.Elapse(time.Second)
		if p.b.State() != sctp.ShutdownAckSent {
			t.Fatalf("b is in %v", p.b.State())
		}
		fb.failReads(syscall.ECONNREFUSED)
		<-p.b.Done()
		if p.b.Err() != nil {
			t.Errorf("b: %v", p.b.Err())
		}
	})
}

func TestShutdownContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		p.pb.SetConditions(down)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := p.a.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		if err := p.a.Shutdown(background); err == nil || err != p.a.Err() {
			t.Errorf("Shutdown of an aborted association: %v", err)
		}
	})
}

// Abort makes every call return at once, on both sides, and tells the peer why.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 1024, ReceiveBuffer: 4096}})
		defer p.end()
		var calls []<-chan error
		for _, c := range []*Conn{p.a, p.b} {
			for range 5 { // fills the peer's buffer to the last byte, then the own one
				write(t, c, message(1, 1024, 0))
			}
			s, err := c.OpenStream(5)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls,
				result(func() error { return c.WriteMessage(background, message(1, 1024, 0)) }),
				result(func() error { return c.WriteMessage(background, message(1, 1024, 0)) }),
				result(func() error { _, _, err := c.ReadMessage(background, 2, make([]byte, 1)); return err }),
				result(func() error { _, _, err := c.ReadMessage(background, 2, make([]byte, 1)); return err }),
				result(func() error { _, err := s.Read(make([]byte, 1)); return err }),
			)
		}
		pending(t, calls...)
		p.a.Abort("enough")
		aborted, peerAborted := new(sctp.AbortedError), new(sctp.PeerAbortError)
		if got := elapsed(func() { <-p.a.Done() }); got != 0 || !errors.As(p.a.Err(), &aborted) {
			t.Errorf("a: %v after %v", p.a.Err(), got)
		}
		if got := elapsed(func() { <-p.b.Done() }); got != latency || !errors.As(p.b.Err(), &peerAborted) {
			t.Errorf("b: %v after %v", p.b.Err(), got)
		}
		if peerAborted.Info != "enough" || peerAborted.Code != 12 {
			t.Errorf("b was told %v", peerAborted)
		}
		for i, call := range calls {
			if err := <-call; !errors.Is(err, net.ErrClosed) {
				t.Errorf("call %d: %v", i, err)
			} else if i >= len(calls)/2 && !errors.As(err, &peerAborted) || i < len(calls)/2 && !errors.As(err, &aborted) {
				t.Errorf("call %d does not say why: %v", i, err)
			}
		}
	})
}

// Ending what was never established.
func TestEndBeforeEstablished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, initiate := range []bool{false, true} {
			for _, tc := range []struct {
				desc string
				end  func(*Conn) error
				err  bool
			}{
				{"Close", (*Conn).Close, false},
				{"Shutdown", func(c *Conn) error { return c.Shutdown(background) }, false},
				{"Abort", func(c *Conn) error { c.Abort("no"); return nil }, true},
			} {
				pa, _ := netsim.Pipe(netsim.PipeConfig{})
				c, err := New(pa, Config{}, initiate)
				if err != nil {
					t.Fatal(err)
				}
				waiting := result(func() error { return c.WaitConnected(background) })
				reading := result(func() error { _, _, err := c.ReadMessage(background, 0, make([]byte, 1)); return err })
				writing := result(func() error { return c.WriteMessage(background, message(0, 1, 0)) })
				pending(t, waiting, reading, writing)
				if got := elapsed(func() { err = tc.end(c) }); got != 0 || err != nil {
					t.Errorf("%s: %v after %v", tc.desc, err, got)
				}
				<-c.Done()
				for _, call := range []<-chan error{waiting, reading, writing} {
					if err := <-call; !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s: blocked call: %v", tc.desc, err)
					}
				}
			}
		}
	})
}

// Calls made before the association is established wait for it.
func TestCallsWaitForEstablishment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		var err error
		if p.a, err = New(p.pa, Config{SCTP: sctp.Config{OutboundStreams: 10, InboundStreams: 10}}, true); err != nil {
			t.Fatal(err)
		}
		if err := p.a.TryWriteMessage(message(1, 1, 0)); err != sctp.ErrNotConnected {
			t.Errorf("TryWriteMessage: %v", err)
		}
		s, err := p.a.OpenStream(1)
		if err != nil {
			t.Fatal(err)
		}
		first := result(func() error { _, err := s.Write([]byte("one")); return err })
		pending(t, first)
		second := result(func() error { return p.a.WriteMessage(background, message(1, 2, 0)) })
		reading := result(func() error { _, _, err := p.a.ReadMessage(background, 1, make([]byte, 9)); return err })
		invalid := result(func() error { _, _, err := p.a.ReadMessage(background, 10, make([]byte, 9)); return err })
		pending(t, first, second, reading, invalid)
		if p.b, err = New(p.pb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		write(t, p.b, message(1, 9, 0))
		for _, call := range []<-chan error{first, second, reading} {
			if err := <-call; err != nil {
				t.Error(err)
			}
		}
		if err := <-invalid; err != sctp.ErrInvalidStream {
			t.Errorf("read of a stream that does not exist: %v", err)
		}
		if _, err := p.a.OpenStream(10); err != sctp.ErrInvalidStream {
			t.Errorf("OpenStream: %v", err)
		}
		if got := read(t, p.b, 1); string(got) != "one" {
			t.Errorf("first came %q", got)
		}
	})
}
