package sctpnet

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A Write that blocks holds up nobody but itself.
func TestBlockedWrite(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, f := connectFaulty(t, Config{})
			defer p.end()
			f.heedsDeadline = heeds
			write(t, p.b, message(1, 100, 0))
			netsim.Elapse(2 * latency)
			release := f.blockWrites()
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			stuck := result(func() error { return p.a.WriteMessage(ctx, message(2, 1000, 0)) })
			pending(t, stuck)
			// Others go on at once: they only leave their packets to that one.
			got := elapsed(func() {
				if len(read(t, p.a, 1)) != 100 {
					t.Error("read")
				}
				if err := p.a.TryWriteMessage(message(3, 1000, 0)); err != nil {
					t.Errorf("write: %v", err)
				}
				p.a.Stats()
			})
			if got != 0 {
				t.Errorf("calls took %v", got)
			}
			// What comes in is received.
			write(t, p.b, message(4, 100, 0))
			if got := read(t, p.a, 4); len(got) != 100 {
				t.Error("read while blocked")
			}
			if heeds { // and the stuck one is freed
				if got := elapsed(func() { <-stuck }); got > stallTime {
					t.Errorf("freed after %v", got)
				}
			}
			netsim.Elapse(time.Second)
			release()
			for _, id := range []uint16{2, 3} {
				if got := read(t, p.b, id); len(got) != 1000 {
					t.Errorf("stream %d: got %d bytes", id, len(got))
				}
			}
			if !heeds {
				if err := <-stuck; err != nil {
					t.Error(err)
				}
			}
			if err := p.a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A call of the application does not have to send for others without end.
func TestSendingLetsCallersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		p.pa.SetConditions(netsim.Conditions{})
		p.pb.SetConditions(netsim.Conditions{})
		m := message(1, 2_000_000, 1)
		reading := result(func() error {
			if got := read(t, p.b, 1); !bytes.Equal(got, m.Payload) {
				t.Errorf("got %d bytes", len(got))
			}
			return nil
		})
		netsim.Elapse(time.Second)
		f.mu.Lock()
		f.delay = 10 * time.Millisecond
		f.mu.Unlock()
		if got := elapsed(func() { write(t, p.a, m) }); got > 5*time.Second {
			t.Errorf("the call took %v", got)
		}
		if got := elapsed(func() { <-reading }); got < 5*time.Second {
			t.Errorf("all was sent %v later: the test shows nothing", got)
		}
	})
}

// The goroutine that reads is replaced when it is stuck in Write.
func TestBlockedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		release := f.blockWrites()
		write(t, p.b, message(1, 100, 0)) // the SACK blocks
		netsim.Elapse(300 * time.Millisecond)
		write(t, p.b, message(1, 200, 0))
		start := time.Now()
		if got := read(t, p.a, 1); len(got) != 100 {
			t.Errorf("got %d bytes", len(got))
		}
		if got := read(t, p.a, 1); len(got) != 200 {
			t.Errorf("got %d bytes", len(got))
		}
		if got := time.Since(start); got > latency+stallTime {
			t.Errorf("read after %v", got)
		}
		release()
		write(t, p.a, message(2, 300, 0))
		if got := read(t, p.b, 2); len(got) != 300 {
			t.Errorf("got %d bytes", len(got))
		}
	})
}

// Abort, and Close with its timeout, end an association whose transport blocks.
func TestEndWhileWriteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, stallTime / 2, time.Second} {
			for _, tc := range []struct {
				desc  string
				end   func(*Conn)
				limit time.Duration
			}{
				{"Abort", func(c *Conn) { c.Abort("") }, stallTime},
				{"Close", func(c *Conn) { c.Close() }, defaultCloseTimeout + stallTime},
			} {
				p, f := connectFaulty(t, Config{})
				f.blockWrites()
				stuck := result(func() error { return p.a.WriteMessage(background, message(2, 1000, 0)) })
				pending(t, stuck)
				netsim.Elapse(wait)
				got := elapsed(func() {
					tc.end(p.a)
					<-p.a.Done()
				})
				if got > tc.limit {
					t.Errorf("%s after %v: took %v", tc.desc, wait, got)
				}
				if err := <-stuck; err != nil {
					t.Errorf("%s after %v: write: %v", tc.desc, wait, err)
				}
				p.end()
			}
		}
	})
}

// What calls have left to another goroutine is sent by Abort, which the transport does not
// keep for longer than other calls.
func TestAbortSendsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, blocks := range []bool{false, true} {
			p, f := connectFaulty(t, Config{})
			netsim.Elapse(time.Second)
			p.a.mu.Lock()
			p.a.sender.unheard, p.a.sender.draining = drainAfter, true // by a goroutine that is late
			p.a.mu.Unlock()
			write(t, p.a, message(1, 50, 7))
			if blocks {
				f.blockWrites()
			}
			got := elapsed(func() {
				p.a.Abort("")
				<-p.a.Done()
			})
			if got > 2*stallTime {
				t.Errorf("Abort took %v", got)
			}
			if !blocks {
				if got := read(t, p.b, 1); got[0] != 7 {
					t.Errorf("got %d", got[0])
				}
			}
			p.end()
		}
	})
}

// The last words are sent by the sending goroutine where there is one.
func TestAbortAfterBlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		release := f.blockWrites()
		stuck := result(func() error { return p.a.WriteMessage(background, message(2, 1000, 0)) })
		netsim.Elapse(time.Second)
		release()
		if err := <-stuck; err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(time.Second)
		p.a.Abort("sorry")
		<-p.b.Done()
		var aborted *sctp.PeerAbortError
		if !errors.As(p.b.Err(), &aborted) || aborted.Info != "sorry" {
			t.Errorf("b: %v", p.b.Err())
		}
	})
}
