package datachannel

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A reader stops for a minute while the peer goes on sending on its channel, 20 messages of
// 5000 bytes a second, and on another one. What the other one notices depends on what the
// first may hold: its read buffer and then the receive window, which all share.
func TestReaderStopsForAMinute(t *testing.T) {
	const perSecond, size, window = 20, 5000, 1 << 20
	const total = 60 * perSecond
	for _, tt := range []struct {
		desc     string
		buffer   int
		overflow Overflow
		stalls   bool // the other channel, when read buffer and window are full, until the reader goes on
		kept     int  // messages that the first gets after all; the others are lost
		failed   bool
	}{
		{"no read buffer", 0, Stall, true, total, false},
		{"a read buffer that is large enough", 8 << 20, Stall, false, total, false},
		{"one for half of the time", 3_000_000, Stall, true, total, false},
		{"a small one, and the channel goes", 100_000, CloseChannel, false, 0, true},
		{"a small one, and the oldest go", 100_000, DropOldest, false, 20, false},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			cfg := setup{b: Config{SCTP: sctp.Config{ReceiveBuffer: window}}, a: Config{SCTP: sctp.Config{SendBuffer: 64 << 10}}}
			bubble(t, cfg, func(t *testing.T, p *pair) {
				a, b := p.open("stops", nil)
				other, otherB := p.open("goes on", nil)
				check(t, b.SetReadBuffer(tt.buffer, tt.overflow))
				var mu sync.Mutex
				var sent, failed, longest = 0, false, time.Duration(0)
				done := make(chan struct{}, 2)
				begin, last := time.Now(), time.Now()
				go func() {
					defer func() { done <- struct{}{} }()
					for i := range total {
						netsim.Elapse(time.Until(begin.Add(time.Duration(i) * time.Second / perSecond)))
						if err := a.WriteMessage(background, fmt.Appendf(make([]byte, size-4, size), "%04d", i), false); err != nil {
							failed = true
							return
						}
						sent++
					}
				}()
				go func() {
					defer func() { done <- struct{}{} }()
					for i := range total {
						netsim.Elapse(time.Until(begin.Add(time.Duration(i) * time.Second / perSecond)))
						check(t, other.WriteMessage(background, make([]byte, size), false))
					}
				}()
				go func() {
					for range total {
						if _, err := otherB.ReadMessage(background); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						longest, last = max(longest, time.Since(last)), time.Now()
						mu.Unlock()
					}
					done <- struct{}{}
				}()
				netsim.Elapse(time.Minute + time.Second) // until the last has arrived
				if held := b.Stats(); tt.overflow == DropOldest && held.MessagesDropped != uint64(total-tt.kept) {
					t.Errorf("%d messages were dropped", held.MessagesDropped)
				}
				mu.Lock()
				longest = max(longest, time.Since(last))
				mu.Unlock()
				if tt.failed {
					var rtc *RTCError
					if _, err := b.ReadMessage(background); !errors.As(err, &rtc) || b.Err() != err {
						t.Errorf("ReadMessage: %v", err)
					}
				}
				for i := range tt.kept {
					m := value(b.ReadMessage(background))(t)
					if got, want := string(m.Data[size-4:]), fmt.Sprintf("%04d", total-tt.kept+i); got != want {
						t.Fatalf("message %s, want %s", got, want)
					}
				}
				for range 3 {
					<-done
				}
				if failed != tt.failed || !failed && sent != total {
					t.Errorf("failed %v, %d messages sent", failed, sent)
				}
				want := time.Duration(0)
				if tt.stalls {
					want = time.Minute - time.Duration(tt.buffer+window)*time.Second/(size*perSecond)
				}
				if longest < want-time.Second || longest > want+2*time.Second {
					t.Errorf("the other channel got nothing for %v, want about %v", longest, want)
				}
				if n := p.b.Stats().SCTP.ReceiveBuffered; n != 0 {
					t.Errorf("%d bytes are left in the association", n)
				}
			})
		})
	}
}

// The read buffer is bounded, counts small messages, holds messages for OnMessage, and outlives the
// peer's closing; Close throws it away.
func TestSetReadBuffer(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		var typ *TypeError
		if err := b.SetReadBuffer(-1, Stall); !errors.As(err, &typ) {
			t.Error(err)
		}
		if err := b.SetReadBuffer(1, DropOldest+1); !errors.As(err, &typ) {
			t.Error(err)
		}
		for i := range 10 {
			check(t, a.SendText(fmt.Sprint(i)))
		}
		settle()
		check(t, b.SetReadBuffer(5*keptCost, Stall))
		if n := p.b.Stats().SCTP.ReceiveBuffered; n != 5 {
			t.Errorf("%d bytes are left in the association, want 5", n)
		}
		var buf [1]byte
		if m := value(b.ReadMessageInto(background, buf[:]))(t); &m.Data[0] != &buf[0] || string(m.Data) != "0" {
			t.Errorf("%q", m.Data)
		}
		wantMessage(t, b, "1", true)
		check(t, b.SetReadBuffer(1<<20, Stall))
		check(t, a.Close())
		settle()
		wantState(t, b, Closed)
		var j journal
		b.OnMessage(func(m Message) { j.add("%s", m.Data) })
		b.OnClose(func() { j.add("close") })
		j.want(t, "2", "3", "4", "5", "6", "7", "8", "9", "close")

		a, b = p.open("", nil)
		check(t, b.SetReadBuffer(1<<20, Stall))
		check(t, a.SendText("unread"))
		settle()
		b.Close()
		if b.kept.bytes != 0 {
			t.Error("it is kept")
		}
		if _, err := b.ReadMessage(background); err == nil {
			t.Error("it is read")
		}
		synctest.Wait()

		a, b = p.open("", nil)
		check(t, b.SetReadBuffer(1<<20, Stall))
		for range 3 {
			check(t, a.SendText("unread"))
		}
		settle()
		calls := 0
		b.OnMessage(func(Message) {
			calls++
			p.b.Abort("enough")
		})
		netsim.Elapse(time.Minute)
		if calls != 1 {
			t.Errorf("%d calls, though nothing follows Abort", calls)
		}
		b.OnMessage(nil)
		if m, err := b.ReadMessage(background); err == nil {
			t.Errorf("%q is read after Abort", m.Data)
		}
	})
}

// A reader that stops within a message of the read buffer takes nothing from the window either.
func TestReadBufferWithinMessage(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		check(t, b.SetReadBuffer(1<<20, Stall))
		for i := range 10 {
			check(t, a.Send(pattern(50_000, byte(i))))
			if i == 1 {
				settle()
				value(b.Read(make([]byte, 1000)))(t)
			}
		}
		settle()
		if n := p.b.Stats().SCTP.ReceiveBuffered; n != 0 {
			t.Errorf("%d bytes are left in the association", n)
		}
		wantMessage(t, b, string(pattern(50_000, 0)[1000:]), false)
		for i := 1; i < 10; i++ {
			wantMessage(t, b, string(pattern(50_000, byte(i))), false)
		}
	})
}

// A message larger than the read buffer stays in the association with Stall.
func TestReadBufferTooSmall(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		check(t, b.SetReadBuffer(1000, Stall))
		for i := range 3 {
			check(t, a.Send(pattern(5000, byte(i))))
		}
		settle()
		if b.kept.bytes != 0 {
			t.Errorf("%d bytes are kept", b.kept.bytes)
		}
		for i := range 3 {
			wantMessage(t, b, string(pattern(5000, byte(i))), false)
		}
	})
}
