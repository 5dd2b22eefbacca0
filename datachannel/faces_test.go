package datachannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// Channel.Messages ranges over messages until the peer has closed the channel; any other end is the
// last pair. Who leaves the loop can go on with another.
func TestRangeMessages(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for i := range 5 {
			check(t, a.SendText(fmt.Sprint(i)))
		}
		check(t, a.Close())
		var got string
		for m, err := range b.Messages(background) {
			check(t, err)
			if got += string(m.Data); got == "01" {
				break
			}
		}
		for m, err := range b.Messages(background) {
			check(t, err)
			got += string(m.Data)
		}
		if got != "01234" {
			t.Errorf("%q", got)
		}
		for range b.Messages(background) {
			t.Error("a message after the end")
		}

		_, b = p.open("", nil)
		ctx, cancel := timeout(time.Second)
		defer cancel()
		pairs := 0
		for m, err := range b.Messages(ctx) {
			if pairs++; err != context.DeadlineExceeded || m.Data != nil {
				t.Errorf("%+v, %v", m, err)
			}
		}
		if pairs != 1 {
			t.Errorf("%d pairs", pairs)
		}
	})
}

// WaitOpen and Done tell of the stages of a channel, whenever they are asked.
func TestWaitOpen(t *testing.T) {
	bubble(t, setup{keepConnecting: true}, func(t *testing.T, p *pair) {
		ch := value(p.a.CreateChannel("", nil))(t)
		done := ch.Done()
		ctx, cancel := context.WithCancel(background)
		cancel()
		if err := ch.WaitOpen(ctx); err != context.Canceled {
			t.Error(err)
		}
		check(t, ch.WaitOpen(background))
		check(t, ch.WaitOpen(background))
		wantState(t, ch, Open)
		other := p.accept(p.b)
		check(t, other.WaitOpen(background))
		select {
		case <-done:
			t.Error("it is not done")
		default:
		}
		check(t, ch.WriteMessage(background, []byte("last"), true))
		check(t, ch.Close())
		<-done
		<-ch.Done()
		wantMessage(t, other, "last", true)
		<-other.Done()
		if err := ch.WaitOpen(background); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		p.b.Abort("enough")
		ch = value(p.a.CreateChannel("", nil))(t)
		netsim.Elapse(time.Minute)
		var rtc *RTCError
		if err := ch.WaitOpen(background); !errors.As(err, &rtc) {
			t.Error(err)
		}
		<-ch.Done()
	})
}

// A listener's connections are the peer's channels; closing it ends Accept alone, and the end of the
// association is its end. A Conn is a reader as io wants it, and its Write takes any size.
func TestListener(t *testing.T) {
	bubble(t, setup{paramsA: Params{RemoteMaxMessageSize: 10_000}}, func(t *testing.T, p *pair) {
		l := NewListener(p.b)
		if a := l.Addr(); a.Network() != "datachannel" || a.String() != "any" {
			t.Errorf("%v", a)
		}
		a := value(p.a.CreateChannel("", nil))(t)
		conn := value(l.Accept())(t)
		data := pattern(95_000, 3)
		go func() {
			if n, err := a.Conn().Write(data); n != len(data) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			a.Close()
		}()
		check(t, iotest.TestReader(conn, data))
		check(t, conn.Close())

		lossy, _ := p.open("", &Init{MaxRetransmits: ptr[uint16](0)})
		var typ *TypeError
		if n, err := lossy.Conn().Write(data); n != 0 || !errors.As(err, &typ) {
			t.Errorf("a message that cannot be divided: %d, %v", n, err)
		}

		done := make(chan error)
		go func() { _, err := l.Accept(); done <- err }()
		settle()
		check(t, l.Close())
		if err := <-done; err != net.ErrClosed {
			t.Error(err)
		}
		value(p.a.CreateChannel("", nil))(t)
		p.accept(p.b)
		go func() { _, err := NewListener(p.b).Accept(); done <- err }()
		go p.a.Close()
		if err := <-done; err != net.ErrClosed {
			t.Error(err)
		}
	})
}

// everyMethod calls all methods of a channel and its session but those that end them; whoever adds
// a method finds it called.
func everyMethod(t *testing.T, ch *Channel) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	for _, of := range []any{ch, ch.s} {
		v := reflect.ValueOf(of)
		for i := range v.NumMethod() {
			switch name := v.Type().Method(i).Name; name {
			case "Close", "Abort", "Fail", "Read", "Write", "Start", "Conn":
				continue // called apart
			}
			var args []reflect.Value
			f := v.Method(i)
			for j := range f.Type().NumIn() {
				switch typ := f.Type().In(j); {
				case typ == reflect.TypeFor[context.Context]():
					args = append(args, reflect.ValueOf(ctx))
				case typ.Kind() == reflect.Func: // keeps the callback that there is
					args = nil
					f = reflect.Value{}
				default:
					args = append(args, reflect.Zero(typ))
				}
				if !f.IsValid() {
					break
				}
			}
			if f.IsValid() {
				f.Call(args)
			}
		}
	}
	c := ch.Conn()
	check(t, c.SetDeadline(time.Now()))
	c.Read(make([]byte, 1))
	c.Write(nil)
	c.LocalAddr()
	ch.OnBufferedAmountLow(func() {})
}

// Every callback may call every method, the ending ones too, and none waits for ever.
func TestEveryMethodInEveryCallback(t *testing.T) {
	var called sync.Map
	bubble(t, setup{b: Config{OnChannel: func(ch *Channel) {
		called.Store("OnChannel", true)
		ch.OnMessage(func(m Message) { ch.Send(m.Data) })
		everyMethod(t, ch)
	}}}, func(t *testing.T, p *pair) {
		a := value(p.a.CreateChannel("", nil))(t)
		in := func(name string) func() {
			return func() {
				called.Store(name, true)
				everyMethod(t, a)
			}
		}
		a.OnOpen(func() { in("OnOpen")(); a.SendText("echo") })
		a.OnMessage(func(Message) {
			in("OnMessage")()
			go p.b.Abort("ends with an error")
		})
		a.OnError(func(error) { in("OnError")(); a.Close() })
		a.OnClose(func() { in("OnClose")(); p.a.Close(); p.a.Abort(""); p.a.Fail(io.EOF) })
		netsim.Elapse(time.Minute)
		for _, name := range []string{"OnChannel", "OnOpen", "OnMessage", "OnError", "OnClose"} {
			if _, ok := called.Load(name); !ok {
				t.Errorf("%s was not called", name)
			}
		}
	})
}

// A callback that panics brings down the program: nobody swallows it. The program is this test
// again, as another process.
func TestPanicInCallback(t *testing.T) {
	const which = "SLUICE_TEST_PANIC"
	bug := func() { panic("the application's bug") }
	callbacks := map[string]func(a *Channel, cfg *Config){
		"OnConnected": func(_ *Channel, cfg *Config) { cfg.OnConnected = bug },
		"OnChannel":   func(_ *Channel, cfg *Config) { cfg.OnChannel = func(*Channel) { bug() } },
		"OnOpen":      func(a *Channel, _ *Config) { a.OnOpen(bug) },
		"OnMessage":   func(a *Channel, _ *Config) { a.OnMessage(func(Message) { bug() }) },
		"OnClosing":   func(a *Channel, _ *Config) { a.OnClosing(bug) },
		"OnClose":     func(a *Channel, _ *Config) { a.OnClose(bug) },
		"OnBufferedAmountLow": func(a *Channel, cfg *Config) {
			cfg.OnChannel = func(*Channel) {} // closes nothing before OnOpen
			a.OnBufferedAmountLow(bug)
			a.OnOpen(func() { a.SendText("x") })
		},
		"OnError": func(a *Channel, cfg *Config) {
			a.OnError(func(error) { bug() })
			cfg.OnChannel = func(ch *Channel) { ch.s.Abort("") }
		},
		"Config.OnClose": func(_ *Channel, cfg *Config) {
			cfg.OnClose = func(error) { bug() }
			cfg.OnChannel = func(ch *Channel) { go ch.s.Close() }
		},
	}
	if set := callbacks[os.Getenv(which)]; set != nil {
		cfg := Config{OnChannel: func(ch *Channel) { ch.SendText("x"); ch.Close() }}
		set(&Channel{s: NewSession(Config{})}, &cfg)
		wa, wb := newWires()
		a, b := NewSession(Config{}), NewSession(cfg)
		ch := value(a.CreateChannel("", nil))(t)
		set(ch, &Config{})
		check(t, b.Start(wb, Params{}))
		check(t, a.Start(wa, Params{DTLSClient: true}))
		select {}
	}
	for name := range callbacks {
		ctx, cancel := timeout(time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPanicInCallback$")
		cmd.Env = append(os.Environ(), which+"="+name)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it tells where it hangs
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "panic: the application's bug") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
