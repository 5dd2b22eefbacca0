package datachannel

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A remote channel is open before OnChannel, sending works in it, its open event
// follows, and nothing that came meanwhile is lost (w3c-open-b).
func TestOnChannel(t *testing.T) {
	var j journal
	var release chan struct{}
	onChannel := func(ch *Channel) {
		j.add("channel %q %v", ch.Label(), ch.ReadyState())
		if err := ch.SendText("welcome"); err != nil {
			t.Error(err)
		}
		<-release
		j.watch(ch)
		j.add("set %v", ch.ReadyState())
	}
	bubble(t, setup{b: Config{OnChannel: onChannel}, before: func(*pair) { release = make(chan struct{}) }}, func(t *testing.T, p *pair) {
		a := value(p.a.CreateChannel("l", nil))(t)
		wantMessage(t, a, "welcome", true)
		wantState(t, a, Open)
		for i := range 3 {
			check(t, a.SendText(fmt.Sprint(i)))
		}
		check(t, a.Close())
		j.want(t, `channel "l" open`)
		close(release)
		j.want(t, "set open", "open closing", "message 0", "message 1", "message 2", "closing closing", "close closed")
		if _, err := p.b.Accept(background); err == nil {
			t.Error("Accept works beside OnChannel")
		}
	})
}

// Close in OnChannel suppresses the open event; what was sent before arrives.
func TestCloseInOnChannel(t *testing.T) {
	var j journal
	onChannel := func(ch *Channel) {
		j.watch(ch)
		if err := ch.SendText("just before"); err != nil {
			t.Error(err)
		}
		ch.Close()
	}
	bubble(t, setup{b: Config{OnChannel: onChannel}}, func(t *testing.T, p *pair) {
		a := value(p.a.CreateChannel("", nil))(t)
		wantMessage(t, a, "just before", true)
		j.want(t, "close closed")
	})
}

// A channel is closing when OnClosing runs, however late, and closed when OnClose
// runs.
func TestStatesInCallbacks(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		a2, b2 := p.open("", nil)
		var j journal
		b.OnClosing(func() {
			j.add("closing %v", b.ReadyState())
			netsim.Elapse(time.Second)
			j.add("still %v", b.ReadyState())
		})
		b.OnClose(func() { j.add("close %v", b.ReadyState()) })
		b2.OnMessage(func(Message) { netsim.Elapse(10 * time.Second) })
		check(t, a2.SendText("keep busy"))
		check(t, a.Close())
		netsim.Elapse(5 * time.Second)
		wantState(t, b, Closing)
		wantState(t, a, Closed)
		netsim.Elapse(10 * time.Second)
		j.want(t, "closing closing", "still closing", "close closed")
	})
}

// Callbacks run one at a time for all channels of a session, each channel's in
// order, and channels take turns.
func TestOneAtATime(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		const channels, messages = 10, 100
		var running, calls atomic.Int32
		var order []string // guarded by there being one callback at a time
		var from, to []*Channel
		for range channels {
			a, b := p.open("", nil)
			from, to = append(from, a), append(to, b)
		}
		for i := range messages {
			for c, a := range from {
				check(t, a.SendText(fmt.Sprint(c, i)))
			}
		}
		settle()
		for c, b := range to {
			next := 0
			b.OnMessage(func(m Message) {
				if running.Add(1) != 1 {
					t.Error("two callbacks at a time")
				}
				if want := fmt.Sprint(c, next); string(m.Data) != want {
					t.Errorf("%s, want %s", m.Data, want)
				}
				next++
				order = append(order, string(m.Data))
				calls.Add(1)
				netsim.Elapse(10 * time.Millisecond)
				running.Add(-1)
			})
		}
		netsim.Elapse(time.Minute)
		synctest.Wait()
		if calls.Load() != channels*messages {
			t.Errorf("%d calls", calls.Load())
		}
		for i := channels; i < len(order); i++ {
			if order[i][0] != order[i-channels][0] {
				t.Fatalf("channel %c is not in turn at %d", order[i][0], i)
			}
		}
		if p.b.calls.running {
			t.Error("the goroutine idles")
		}
	})
}

// Callbacks may call back: everything, on their channel and others.
func TestReentrance(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		done := make(chan struct{})
		b.OnMessage(func(m Message) {
			switch string(m.Data) {
			case "echo":
				b.SetBufferedAmountLowThreshold(b.BufferedAmount())
				b.OnBufferedAmountLow(func() {})
				if err := b.WriteMessage(background, []byte("echo"), true); err != nil {
					t.Error(err)
				}
			case "open":
				ch, err := p.b.CreateChannel("from a callback", nil)
				if err != nil {
					t.Error(err)
				}
				ch.OnOpen(func() {
					b.OnMessage(nil)
					if m, err := b.ReadMessage(background); err != nil || string(m.Data) != "pulled" {
						t.Errorf("%v, %v", m, err)
					}
					b.Close()
					ch.Close()
				})
				ch.OnClose(func() { p.b.Stats(); p.b.Abort("from a callback"); close(done) })
			}
		})
		for _, text := range []string{"echo", "open"} {
			check(t, a.SendText(text))
			settle()
		}
		wantMessage(t, a, "echo", true)
		check(t, a.SendText("pulled"))
		settle()
		if p.accept(p.a).Close(); a.ReadyState() == Open {
			t.Error("the channel is open")
		}
		<-done
	})
}

// A callback that is set late hears what happened before, in order; one that is
// replaced, what comes after.
func TestLateCallbacks(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		check(t, a.SendText("early"))
		settle()
		var j journal
		b.OnMessage(func(m Message) { j.add("first handler %s", m.Data) })
		j.want(t, "first handler early")
		b.OnMessage(nil)
		check(t, a.SendText("middle"))
		j.want(t)
		b.OnMessage(func(m Message) { j.add("second handler %s", m.Data) })
		j.want(t, "second handler middle")
		b.OnOpen(func() { j.add("open") })
		j.want(t, "open")
		b.OnOpen(func() { j.add("open again") })
		j.want(t)
		check(t, a.Close())
		j.want(t)
		wantState(t, b, Closed)
		b.OnClosing(func() { j.add("closing") })
		b.OnClose(func() { j.add("close") })
		j.want(t, "closing", "close")
	})
}

// A callback that loops until sending fails ends when the peer closes, though it
// blocks all others.
func TestCallbackThatBlocks(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		b := value(p.b.CreateChannel("", nil))(t)
		var j journal
		b.OnMessage(func(m Message) { j.add("message %s", m.Data) })
		b.OnOpen(func() {
			for b.SendText("tick") == nil {
				netsim.Elapse(100 * time.Millisecond)
			}
			j.add("loop ended")
		})
		a := p.accept(p.a)
		check(t, a.SendText("unread"))
		settle()
		check(t, a.Close())
		j.want(t, "loop ended", "message unread")
	})
}
