package datachannel

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Close delivers what was sent, also what only this package holds, closes the
// channels without an error on both sides, and leaves nothing behind (8831-6.2-a).
func TestSessionClose(t *testing.T) {
	var ja, jb, js journal
	cfg := setup{
		a:    Config{SCTP: sctp.Config{SendBuffer: 20000}, OnClose: func(err error) { js.add("a ended %v", err) }},
		b:    Config{OnChannel: func(ch *Channel) { jb.watch(ch) }, OnClose: func(err error) { js.add("b ended %v", err) }},
		link: slow,
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		before := value(p.a.CreateChannel("", nil))(t)
		settle()
		before.Close()
		jb.want(t, "open open", "closing closing", "close closed")
		a := value(p.a.CreateChannel("", nil))(t)
		ja.watch(a)
		ja.want(t, "open open")
		for range 10 {
			check(t, a.Send(pattern(10000, 0)))
		}
		check(t, p.a.Close())
		<-p.a.Done()
		<-p.b.Done()
		want := []string{"open open"}
		for range 10 {
			want = append(want, "message "+string(pattern(20, 0)))
		}
		jb.want(t, append(want, "closing closing", "close closed")...)
		ja.want(t, "close closed")
		js.want(t, "a ended <nil>", "b ended <nil>")
		if p.a.Err() != nil || p.b.Err() != nil {
			t.Errorf("%v, %v", p.a.Err(), p.b.Err())
		}
		check(t, p.a.Close()) // again
		wantEnded(t, p.a, p.b)
	})
}

// wantEnded checks that sessions that have ended say so.
func wantEnded(t *testing.T, sessions ...*Session) {
	t.Helper()
	for _, s := range sessions {
		<-s.Done()
		var state *InvalidStateError
		if ch, err := s.CreateChannel("", nil); !errors.As(err, &state) || ch != nil {
			t.Errorf("CreateChannel: %v, %v", ch, err)
		}
		if err := s.Start(nil, Params{}); !errors.As(err, &state) {
			t.Errorf("Start: %v", err)
		}
		if st := s.Stats(); len(st.Channels) != 0 || st.ChannelsOpened != st.ChannelsClosed {
			t.Errorf("%+v", st)
		}
	}
}

// Close called in a callback ends the session all the same, and one by each side
// at once.
func TestSessionCloseInCallback(t *testing.T) {
	closed := make(chan error, 1)
	var a *Session
	cfg := setup{a: Config{OnConnected: func() { closed <- a.Close() }}, before: func(p *pair) {
		closed = make(chan error, 1)
		a = p.a
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		check(t, <-closed)
		wantEnded(t, p.a, p.b)
	})
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		p.open("", nil)
		done := make(chan error)
		go func() { done <- p.a.Close() }()
		go func() { done <- p.b.Close() }()
		check(t, <-done)
		check(t, <-done)
		wantEnded(t, p.a, p.b)
	})
}

// Close is bounded by its timeout, against a dead link and against a peer that
// reads nothing.
func TestSessionCloseTimeout(t *testing.T) {
	cfg := setup{a: Config{CloseTimeout: 3 * time.Second}, link: dead}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		netsim.Elapse(2 * time.Second)
		check(t, a.SendText("lost"))
		start := time.Now()
		if err := p.a.Close(); err == nil {
			t.Error("Close says that all is well")
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
		wantEnded(t, p.a)
	})
	hostile(t, Config{CloseTimeout: 3 * time.Second}, true, sctp.Config{ReceiveBuffer: 4096}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", nil))(t)
		check(t, ch.WriteMessage(background, make([]byte, 60000), false))
		start := time.Now()
		if err := s.Close(); err == nil || time.Since(start) > 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wantEnded(t, s)
	})
}

// Close before the association is established, or before Start.
func TestSessionCloseEarly(t *testing.T) {
	var ch *Channel
	var j journal
	cfg := setup{keepConnecting: true, link: func(c *netsim.PipeConfig) { c.AtoB.Loss, c.BtoA.Loss = 1, 1 }, before: func(p *pair) {
		ch = value(p.a.CreateChannel("", nil))(p.t)
		j.watch(ch)
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		waited := make(chan error)
		go func() { waited <- p.a.WaitConnected(background) }()
		ctx, cancel := timeout(time.Second)
		defer cancel()
		if err := p.a.WaitConnected(ctx); err != ctx.Err() {
			t.Error(err)
		}
		check(t, p.a.Close())
		if err := <-waited; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		j.want(t, "close closed")
		wantEnded(t, p.a)
	})
	synctest.Test(t, func(t *testing.T) {
		s := NewSession(Config{})
		ch := value(s.CreateChannel("", nil))(t)
		j.watch(ch)
		check(t, s.Close())
		j.want(t, "close closed")
		wantEnded(t, s)
		check(t, s.SetRole(true))
	})
}

// Abort is pc.close(): the channels are closed at once and silently; the peer's end
// with an error, which is told before close, with the cause (w3c-close-b).
func TestAbort(t *testing.T) {
	var js journal
	cfg := setup{
		a: Config{OnClose: func(error) { js.add("OnClose after Abort") }},
		b: Config{OnClose: func(err error) { js.add("ended %v", err != nil) }},
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		early := value(p.b.CreateChannel("", nil))(t)
		var ja, jb, je journal
		ja.watch(a)
		ja.want(t, "open open")
		b.OnMessage(func(Message) {})
		jb.watch(b)
		je.watch(early)
		je.want(t, "open open")
		jb.want(t, "open open")
		check(t, a.SendText("last"))
		p.a.Abort("good bye")
		wantState(t, a, Closed)
		p.a.Abort("once more")
		if err := a.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := a.WriteMessage(background, nil, false); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		a.OnMessage(nil)
		if _, err := a.ReadMessage(background); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		ja.want(t)
		jb.want(t, "message last", "error sctp-failure", "close closed")
		je.want(t, "error sctp-failure", "close closed")
		js.want(t, "ended true")
		var failure *RTCError
		var abort *sctp.PeerAbortError
		if err := b.Err(); !errors.As(err, &failure) || failure.SCTPCauseCode != 12 || failure.Message != "good bye" || !errors.As(err, &abort) {
			t.Errorf("%#v", err)
		}
		if err := p.b.WaitConnected(background); err != nil { // it was
			t.Error(err)
		}
		if p.a.Err() != nil || !errors.As(p.b.Err(), &abort) {
			t.Errorf("%v, %v", p.a.Err(), p.b.Err())
		}
		wantEnded(t, p.a, p.b)
	})
}

// What was received before the end stays readable, then the reason: io.EOF after a
// graceful end, the error else (8831-6.2-a).
func TestReadAfterEnd(t *testing.T) {
	for _, graceful := range []bool{false, true} {
		bubble(t, setup{}, func(t *testing.T, p *pair) {
			a, b := p.open("", nil)
			for range 3 {
				check(t, a.SendText("unread"))
			}
			settle()
			late := make(chan error, 1)
			go func() { _, err := p.b.Accept(background); late <- err }()
			if graceful {
				p.a.conn.StartShutdown() // not Close: the channels are left to the end
			} else {
				p.a.Abort("")
			}
			<-p.b.Done()
			settle()
			wantState(t, b, Closed)
			for range 3 {
				wantMessage(t, b, "unread", true)
			}
			var failure *RTCError
			_, err := b.ReadMessage(background)
			if graceful && err != io.EOF || !graceful && !errors.As(err, &failure) {
				t.Errorf("graceful %v: ReadMessage: %v", graceful, err)
			}
			if err := <-late; graceful && err != io.EOF || !graceful && !errors.As(err, &failure) {
				t.Errorf("graceful %v: Accept: %v", graceful, err)
			}
		})
	}
}

// Calls that wait when the association ends return.
func TestWaitersAtEnd(t *testing.T) {
	for _, graceful := range []bool{false, true} {
		bubble(t, setup{}, func(t *testing.T, p *pair) {
			_, b := p.open("", nil)
			early := value(p.b.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](40)}))(t)
			results := make(chan error, 3)
			for _, ch := range []*Channel{b, early} {
				go func() { _, err := ch.ReadMessage(background); results <- err }()
			}
			go func() { _, err := b.Read(make([]byte, 1)); results <- err }()
			settle()
			if graceful {
				p.a.conn.StartShutdown()
			} else {
				p.a.Abort("")
			}
			for range 3 {
				var failure *RTCError
				if err := <-results; graceful && err != io.EOF || !graceful && !errors.As(err, &failure) {
					t.Errorf("graceful %v: %v", graceful, err)
				}
			}
			select {
			case <-p.b.Connected():
			default:
				t.Error("it never was connected")
			}
		})
	}
}

// Sending while the association ends is an OperationError; what is queued is
// given up with the channel.
func TestSendWhileShuttingDown(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 20000}}, link: slow}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		blocked, _ := p.open("", nil)
		check(t, blocked.Send(make([]byte, 15000)))
		check(t, blocked.Send(make([]byte, 15000)))
		p.a.conn.StartShutdown()
		check(t, a.Send([]byte("behind the other channel's")))
		if err := a.WriteMessage(background, []byte("x"), true); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-p.a.Done()
		wantState(t, a, Closed)
		wantState(t, blocked, Closed)
		if err := p.a.Err(); err != nil || a.Err() != nil {
			t.Error(err, a.Err())
		}
	})
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		p.a.conn.StartShutdown()
		var op *OperationError
		if err := a.Send([]byte("x")); !errors.As(err, &op) || !errors.Is(err, sctp.ErrShuttingDown) {
			t.Error(err)
		}
		if err := a.WriteMessage(background, []byte("x"), true); !errors.As(err, &op) {
			t.Error(err)
		}
		check(t, a.Close())
		settle()
		wantState(t, a, Closed)
	})
}

// Close while OPENs wait for the application, in this package and in the
// association: they are refused, and the application sees none any more.
func TestSessionCloseWithUnseenChannels(t *testing.T) {
	var calls atomic.Int32
	var release chan struct{}
	onChannel := func(*Channel) {
		calls.Add(1)
		<-release
	}
	testUnseen(t, Config{OnChannel: onChannel}, func(s *Session) {
		close(release)
		settle()
		if n := calls.Load(); n != 1 {
			t.Errorf("OnChannel was called %d times", n)
		}
	}, func() { release = make(chan struct{}) })
	testUnseen(t, Config{}, func(s *Session) {
		if ch, err := s.Accept(background); err != io.EOF {
			t.Errorf("Accept: %v, %v", ch, err)
		}
	}, func() {})
}

func testUnseen(t *testing.T, cfg Config, judge func(*Session), before func()) {
	hostile(t, cfg, true, sctp.Config{SendBuffer: 64 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
		before()
		for i := range uint16(20) {
			r.sendOpen(2*i+1, dcep.Open{Label: string(pattern(65535, 0)), Protocol: string(pattern(65535, 0))})
		}
		settle()
		if n := len(s.incoming.deferred); n == 0 {
			t.Error("no OPEN waits")
		}
		check(t, s.Close())
		judge(s)
	})
}

// A graceful shutdown of the association by the peer, which browsers never do:
// closing, no error, close.
func TestPeerShutdown(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{})
		ch := r.accept(s)
		r.wantAck(1)
		var j journal
		j.watch(ch)
		j.want(t, "open open")
		r.send(1, dcep.PPIDString, []byte("last words"))
		done := make(chan error)
		go func() { done <- r.conn.Shutdown(background) }()
		check(t, <-done)
		j.want(t, "message last words", "closing closing", "close closed")
		if s.Err() != nil || ch.Err() != nil {
			t.Errorf("%v, %v", s.Err(), ch.Err())
		}
		wantEnded(t, s)
	})
}

// The end of the transport is the end of the channels, with an error (w3c-state-b).
func TestTransportFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := link(nil)
		a := value(New(ca, Config{}, Params{DTLSClient: true}))(t)
		b := value(New(cb, Config{}, Params{}))(t)
		ch := value(a.CreateChannel("", nil))(t)
		check(t, a.WaitConnected(background))
		var j journal
		j.watch(ch)
		j.want(t, "open open")
		ca.Close()
		j.want(t, "error sctp-failure", "close closed")
		if a.Err() == nil {
			t.Error("no error")
		}
		b.Abort("")
		<-a.conn.Done()
		<-b.conn.Done()
	})
}

// A peer that never answers: the channels fail when the association gives up.
func TestPeerNeverAnswers(t *testing.T) {
	var j journal
	cfg := setup{keepConnecting: true, link: func(c *netsim.PipeConfig) { c.AtoB.Loss = 1 }, before: func(p *pair) {
		j.watch(value(p.a.CreateChannel("", nil))(p.t))
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		err := p.a.WaitConnected(background)
		var failure *RTCError
		if !errors.As(err, &failure) || !errors.Is(err, sctp.ErrHandshakeTimeout) {
			t.Errorf("%v", err)
		}
		j.want(t, "error sctp-failure", "close closed")
	})
}

// Fail ends a session that cannot be started (w3c-fail-a).
func TestFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := NewSession(Config{OnClose: func(err error) { j.add("ended %v", err) }})
		ch := value(s.CreateChannel("", nil))(t)
		j.watch(ch)
		s.Fail(errors.New("no DTLS"))
		j.want(t, "error data-channel-failure", "close closed", "ended no DTLS")
		s.Fail(errors.New("twice"))
		if err := s.Err(); err == nil || err.Error() != "no DTLS" {
			t.Error(err)
		}
		wantEnded(t, s)
	})
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		p.a.Fail(errors.New("as Abort"))
		wantState(t, a, Closed)
		settle()
		wantState(t, b, Closed)
	})
}

// Start refuses what the association refuses, and leaves the transport alone; a
// later Start works.
func TestStartErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := link(nil)
		a := NewSession(Config{SCTP: sctp.Config{MTU: 1}})
		var config *sctp.ConfigError
		if err := a.Start(ca, Params{}); !errors.As(err, &config) {
			t.Errorf("%v", err)
		}
		if _, err := New(ca, Config{SCTP: sctp.Config{MTU: 1}}, Params{}); !errors.As(err, &config) {
			t.Errorf("%v", err)
		}
		a.cfg.SCTP.MTU = 0
		check(t, a.Start(ca, Params{RemotePort: 6000}))
		var state *InvalidStateError
		if err := a.Start(ca, Params{}); !errors.As(err, &state) || errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
		b := value(New(cb, Config{SCTP: sctp.Config{LocalPort: 6000}}, Params{DTLSClient: true}))(t)
		check(t, a.WaitConnected(background))
		check(t, b.Close())
		<-a.Done()
		<-a.conn.Done()
		<-b.conn.Done()
	})
}

// A peer that restarts its association loses the channels: both sides hear of it.
func TestRestart(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		var j journal
		j.watch(a)
		j.want(t, "open open")
		p.a.onEvent(sctp.Event{Kind: sctp.EventRestarted})
		j.want(t, "error sctp-failure", "close closed")
		if err := p.b.Err(); err == nil || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("%v", err)
		}
	})
}

// Errors name their kind, their call and their cause.
func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err  error
		want string
	}{
		{&InvalidStateError{Op: "Send", Reason: "r"}, "datachannel: InvalidStateError: Send: r"},
		{&TypeError{"Send", "r"}, "datachannel: TypeError: Send: r"},
		{&OperationError{"Send", "r", cause}, "datachannel: OperationError: Send: r"},
		{channelError("m", cause), "datachannel: data-channel-failure: m: cause"},
		{associationError(cause), "datachannel: sctp-failure: cause"},
		{associationError(&sctp.AbortedError{Code: 13, Info: "i"}), "datachannel: sctp-failure: i (cause code 13)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for _, err := range []error{&OperationError{Err: cause}, channelError("", cause), associationError(cause)} {
		if !errors.Is(err, cause) {
			t.Errorf("%v hides its cause", err)
		}
	}
}

// A session that fails when its role is known, and its channels have identifiers,
// but there is no association: nothing is read from it.
func TestFailWithRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSession(Config{})
		ch := value(s.CreateChannel("", nil))(t)
		var events []string
		ch.OnMessage(func(Message) { events = append(events, "message") })
		ch.OnError(func(error) { events = append(events, "error") })
		ch.OnClose(func() { events = append(events, "close") })
		check(t, s.SetRole(true))
		s.Fail(errors.New("no DTLS"))
		settle()
		if got := strings.Join(events, " "); got != "error close" {
			t.Fatal(got)
		}
		if _, err := ch.ReadMessage(background); err == nil {
			t.Fatal("read from nothing")
		}
		if n := ch.BufferedAmount(); n != 0 {
			t.Fatal(n)
		}
	})
}

// What is nil is an error at once: a net.Conn when the session starts, which may be started then, and an
// Acceptor in Accept.
func TestNilArguments(t *testing.T) {
	var wrong *TypeError
	if s, err := New(nil, Config{}, Params{}); s != nil || !errors.As(err, &wrong) {
		t.Errorf("New = %v, %v; want a *TypeError", s, err)
	}
	if conn, err := NewListener(nil).Accept(); conn != nil || !errors.As(err, &wrong) {
		t.Errorf("Accept = %v, %v; want a *TypeError", conn, err)
	}
	s := NewSession(Config{})
	if err := s.Start(nil, Params{}); !errors.As(err, &wrong) {
		t.Errorf("Start = %v, want a *TypeError", err)
	}
	nc, other := net.Pipe()
	defer other.Close()
	if err := s.Start(nc, Params{}); err != nil {
		t.Errorf("Start = %v", err)
	}
	s.Abort("done")
	<-s.Done()
}
