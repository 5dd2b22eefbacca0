package sctpnet

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A slow reader slows its sender, and nothing grows beyond the two buffers.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const receive, send, size, count = 64 << 10, 32 << 10, 4000, 100
		p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: receive, SendBuffer: send}})
		defer p.end()
		written := 0
		writing := result(func() error {
			for i := range count {
				if err := p.a.WriteMessage(background, message(1, size, byte(i))); err != nil {
					return err
				}
				written++
			}
			return nil
		})
		netsim.Elapse(10 * time.Second)
		pending(t, writing)
		if low, high := receive/2/size, (receive+2*1200+send)/size; written < low || written > high {
			t.Errorf("%d messages written while nobody reads, want %d to %d", written, low, high)
		}
		if err := p.a.TryWriteMessage(message(2, size, 0)); err != sctp.ErrSendBufferFull {
			t.Errorf("TryWriteMessage: %v", err)
		}
		// What filled the window counts in whole packets.
		if s := p.b.Stats(); s.ReceiveBuffered > receive+1200 {
			t.Errorf("%d bytes in the receive buffer", s.ReceiveBuffered)
		}
		for i := range count {
			if got := read(t, p.b, 1); len(got) != size || got[0] != byte(i) {
				t.Fatalf("message %d: %d bytes", i, len(got))
			}
			if s := p.b.Stats(); s.ReceiveBuffered > receive+1200 {
				t.Fatalf("%d bytes in the receive buffer", s.ReceiveBuffered)
			}
			if s := p.a.Stats(); s.SendBuffered > send {
				t.Fatalf("%d bytes in the send buffer", s.SendBuffered)
			}
		}
		if err := <-writing; err != nil {
			t.Error(err)
		}
	})
}

// PIONS-17: a reader that has fallen behind and catches up opens the window at
// once, instead of leaving the peer to the delayed acknowledgement.
func TestWindowUpdate(t *testing.T) {
	test := func(t *testing.T, try bool) {
		const receive = 64 << 10
		p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: receive}})
		defer p.end()
		for i := range 3 * receive / 1000 {
			write(t, p.a, message(1, 1000, byte(i)))
		}
		netsim.Elapse(10 * time.Second)
		before := p.b.Stats()
		if before.LocalWindow > 2*1200 {
			t.Fatalf("the window is still %d", before.LocalWindow)
		}
		start := time.Now()
		for range before.ReceiveBuffered / 1000 {
			if !try {
				read(t, p.b, 1)
			} else if _, _, err := p.b.TryReadMessage(1, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 0 {
			t.Fatalf("reading what is there took %v", got)
		}
		netsim.Elapse(2*latency + time.Millisecond)
		if s := p.b.Stats(); s.MessagesReceived <= before.MessagesReceived+1 {
			t.Error("no new data one round trip after the window was opened")
		}
	}
	for _, try := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) { test(t, try) })
	}
}

// The same while an acknowledgement is being delayed, which must neither replace
// the news of the open window nor hold it back.
func TestWindowUpdateWhileDelaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const receive = 64 << 10
		for trips := range 2 {
			p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: receive}})
			for i := range 2 * receive / 1000 {
				write(t, p.a, message(1, 1000, byte(i)))
			}
			// Reading begins when the sender has nothing left that it may send.
			for p.b.Stats().LocalWindow > 2000 {
				netsim.Elapse(time.Millisecond)
			}
			netsim.Elapse(time.Duration(1+trips) * latency)
			start := time.Now()
			for i := range 2 * receive / 1000 {
				if got := read(t, p.b, 1); got[0] != byte(i) {
					t.Fatalf("message %d came in the place of %d", got[0], byte(i))
				}
			}
			// From here it takes some round trips of a small congestion window,
			// and no delayed acknowledgement.
			if got := time.Since(start); got >= 200*time.Millisecond {
				t.Errorf("half of the data took %v", got)
			}
			p.end()
		}
	})
}

// A message larger than either buffer arrives (PIONS-5).
func TestMessageLargerThanBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: 32 << 10, SendBuffer: 16 << 10}})
		defer p.end()
		m := message(1, 300000, 5)
		write(t, p.a, m)
		if got := read(t, p.b, 1); string(got) != string(m.Payload) {
			t.Errorf("got %d bytes", len(got))
		}
	})
}

// Several writers get their messages through whole, a large one is not starved by
// small ones that come later, and one that gives up does not hold up the others.
func TestWritersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 10000}})
		defer p.end()
		p.pa.SetConditions(down)
		write(t, p.a, message(1, 10000, 0))
		ctx, cancel := context.WithCancel(background)
		givesUp := result(func() error { return p.a.WriteMessage(ctx, message(3, 10000, 0)) })
		pending(t, givesUp)
		large := result(func() error { return p.a.WriteMessage(background, message(2, 9000, 0)) })
		pending(t, large)
		var order []int
		var mu sync.Mutex
		var small []<-chan error
		for i := range 20 {
			small = append(small, result(func() error {
				err := p.a.WriteMessage(background, message(4, 100, byte(i)))
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return err
			}))
			pending(t, small[i])
		}
		cancel()
		if err := <-givesUp; err != context.Canceled {
			t.Fatal(err)
		}
		pending(t, large)
		p.pa.SetConditions(netsim.Conditions{})
		if err := <-large; err != nil {
			t.Fatal(err)
		}
		for i, call := range small {
			if err := <-call; err != nil {
				t.Errorf("small message %d: %v", i, err)
			}
		}
		read(t, p.b, 1)
		read(t, p.b, 2)
		for i := range 20 {
			if got := read(t, p.b, 4); got[0] != byte(i) {
				t.Fatalf("message %d came in the place of %d", got[0], i)
			}
		}
	})
}

// Calls that wait to read a stream are served one by one; each message once.
func TestReadersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		ctx, cancel := context.WithCancel(background)
		canceled := result(func() error {
			_, _, err := p.b.ReadMessage(ctx, 1, make([]byte, 10))
			return err
		})
		pending(t, canceled)
		got := make(chan byte, 10)
		var readers []<-chan error
		for range 5 {
			readers = append(readers, result(func() error {
				buf := make([]byte, 10)
				_, _, err := p.b.ReadMessage(background, 1, buf)
				got <- buf[0]
				return err
			}))
			pending(t, readers...)
		}
		cancel()
		if err := <-canceled; err != context.Canceled {
			t.Error(err)
		}
		for i := range 5 {
			write(t, p.a, message(1, 10, byte(i)))
		}
		seen := make(map[byte]bool)
		for i := range readers {
			if err := <-readers[i]; err != nil {
				t.Error(err)
			}
			seen[<-got] = true
		}
		if len(seen) != 5 {
			t.Errorf("messages read: %v", seen)
		}
	})
}

// A wake-up that comes together with the end of the context is for the next.
func TestWakeUpIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list waitList
		cancel := func() {}
		pa, _ := pipe()
		c, err := New(pa, Config{OnEvent: func(c *Conn, ev sctp.Event) {
			// A call is in the list, and is about to wait.
			c.mu.Lock()
			list.wake()
			c.mu.Unlock()
			cancel()
		}}, false)
		if err != nil {
			t.Fatal(err)
		}
		passedOn := 0
		for range 100 {
			ctx, stop := context.WithCancel(background)
			cancel = stop
			c.mu.Lock()
			next := c.waiters.get()
			c.events.push(sctp.Event{})
			list.pushBack(next)
			err := c.wait(&wait{ctx: ctx}, &list, true)
			if woken := len(next.ready) > 0; woken != (err != nil) {
				t.Errorf("the call returned %v, the next one was woken: %v", err, woken)
			}
			if err == nil {
				list.wake()
			} else {
				passedOn++
			}
			<-next.ready
			c.waiters.put(next)
			c.mu.Unlock()
		}
		if passedOn == 0 {
			t.Error("it never came to that")
		}
		c.cfg.OnEvent = func(*Conn, sctp.Event) {}
		c.Abort("")
		<-c.Done()
	})
}

// What a caller writes may be changed as soon as the call has returned.
func TestWriteCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		payload := []byte("first")
		write(t, p.a, sctp.Message{Stream: 1, Payload: payload})
		copy(payload, "FIRST")
		if err := p.a.TryWriteMessage(sctp.Message{Stream: 1, Payload: payload}); err != nil {
			t.Fatal(err)
		}
		copy(payload, "xxxxx")
		for _, want := range []string{"first", "FIRST"} {
			if got := read(t, p.b, 1); string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestMessageErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{OutboundStreams: 10, InboundStreams: 10}})
		defer p.end()
		for _, tc := range []struct {
			desc string
			m    sctp.Message
			want error
		}{
			{"empty", sctp.Message{}, sctp.ErrEmptyMessage},
			{"stream", message(10, 1, 0), sctp.ErrInvalidStream},
			{"reliability", sctp.Message{
				Payload:     []byte{1},
				Reliability: sctp.Reliability{LimitRetransmits: true, LimitLifetime: true},
			}, sctp.ErrReliability},
		} {
			if err := p.a.WriteMessage(background, tc.m); err != tc.want {
				t.Errorf("%s: %v", tc.desc, err)
			}
			if err := p.a.TryWriteMessage(tc.m); err != tc.want {
				t.Errorf("%s, try: %v", tc.desc, err)
			}
		}
		if _, _, err := p.a.ReadMessage(background, 10, make([]byte, 1)); err != sctp.ErrInvalidStream {
			t.Errorf("read: %v", err)
		}
		if _, _, err := p.a.TryReadMessage(1, make([]byte, 1)); err != sctp.ErrWouldBlock {
			t.Errorf("nothing to read: %v", err)
		}
		if _, err := p.a.Peek(1); err != sctp.ErrWouldBlock {
			t.Errorf("nothing to peek at: %v", err)
		}
	})
}

// Many goroutines, both directions, a bad link.
func TestStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams, count = 8, 60
		bad := netsim.Conditions{
			Latency: latency, Jitter: 5 * time.Millisecond, Loss: 0.03,
			Reorder: 0.05, ReorderDelay: 30 * time.Millisecond, Duplicate: 0.03,
		}
		p := &pair{t: t}
		p.pa, p.pb = netsim.Pipe(netsim.PipeConfig{Seed: 7, AtoB: bad, BtoA: bad})
		cfg := Config{SCTP: sctp.Config{SendBuffer: 30000, ReceiveBuffer: 20000}}
		opening := result(func() (err error) {
			p.b, err = Client(background, p.pb, cfg)
			return err
		})
		var err error
		if p.a, err = Client(background, p.pa, cfg); err != nil {
			t.Fatal(err)
		}
		if err := <-opening; err != nil {
			t.Fatal(err)
		}
		size := func(i int) int { return 1 + i*i*7%5000 }
		var calls []<-chan error
		for _, ends := range [][2]*Conn{{p.a, p.b}, {p.b, p.a}} {
			for id := range uint16(streams) {
				calls = append(calls, result(func() error {
					for i := range count {
						if err := ends[0].WriteMessage(background, message(id, size(i), byte(i))); err != nil {
							return err
						}
					}
					return nil
				}), result(func() error {
					for i := range count {
						got := read(t, ends[1], id)
						if string(got) != string(message(id, size(i), byte(i)).Payload) {
							return fmt.Errorf("stream %d: message %d differs, %d bytes", id, i, len(got))
						}
					}
					return nil
				}))
			}
		}
		for _, call := range calls {
			if err := <-call; err != nil {
				t.Error(err)
			}
		}
		closing := result(p.a.Close)
		if err := p.b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-closing; err != nil {
			t.Error(err)
		}
		<-p.a.Done()
		<-p.b.Done()
	})
}

// readAll reads everything on a stream.
func readAll(c *Conn, stream uint16) {
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, _, err := c.ReadMessage(background, stream, buf); err != nil {
				return
			}
		}
	}()
}

// TestWriteLargeMessages writes several messages larger than the send buffer at a
// time: they go one after the other, and the writers take turns.
func TestWriteLargeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 10_000}})
		defer p.end()
		var calls []<-chan error
		for i := range uint16(4) {
			readAll(p.b, i)
			calls = append(calls, result(func() error { return p.a.WriteMessage(background, message(i, 30_000, 0)) }))
			synctest.Wait()
		}
		netsim.Elapse(time.Minute)
		for i, call := range calls {
			select {
			case err := <-call:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Errorf("writer %d hangs", i)
			}
		}
		var written [3]atomic.Int64
		for i := range uint16(3) {
			go func() {
				for p.a.WriteMessage(background, message(i, 30_000, 0)) == nil {
					written[i].Add(1)
				}
			}()
		}
		netsim.Elapse(time.Minute)
		for i := range written {
			if written[i].Load() < 10 {
				t.Errorf("writer %d wrote %d messages", i, written[i].Load())
			}
		}
	})
}

// TestRefusedIsNotCopied: an attempt for which there is no room costs nothing, however
// large the message.
func TestRefusedIsNotCopied(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties pools")
	}
	a, _ := connectRings(t, Config{SCTP: sctp.Config{SendBuffer: 10_000, ReceiveBuffer: 4096}})
	full := 0
	for m := message(1, 3000, 0); full < 100; full++ { // also after the peer has taken what it takes
		if err := a.TryWriteMessage(m); err == nil {
			full = 0
		}
		runtime.Gosched()
	}
	large := message(2, 1<<20, 0)
	if got := testing.AllocsPerRun(100, func() {
		a.mu.Lock()
		a.writes.wake() // as EventWritable does
		a.mu.Unlock()
		if err := a.TryWriteMessage(large); err != sctp.ErrSendBufferFull {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestWriterGivesUp: a call that waits for much room, and gives up, does not leave behind
// those for which there is enough.
func TestWriterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 10_000, ReceiveBuffer: 4096}})
		defer p.end()
		for full := 0; full < 2; {
			if full++; p.a.TryWriteMessage(message(1, 3000, 0)) == nil {
				full = 0
			}
			netsim.Elapse(10 * time.Second)
		}
		ctx, cancel := context.WithCancel(background)
		large := result(func() error { return p.a.WriteMessage(ctx, message(2, 9000, 0)) })
		pending(t, large)
		small := []<-chan error{
			result(func() error { return p.a.WriteMessage(background, message(3, 10, 0)) }),
			result(func() error { return p.a.WriteMessage(background, message(3, 20, 0)) }),
		}
		pending(t, large, small[0], small[1])
		cancel()
		if err := <-large; err != context.Canceled {
			t.Error(err)
		}
		synctest.Wait()
		for _, c := range small {
			select {
			case err := <-c:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Error("a message waits though there is room")
			}
		}
	})
}
