package datachannel

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Of all rules of creation that a call breaks, the first in the order of w3c-create-a is
// the one reported (PIONS-14).
func TestCreateErrorsInOrder(t *testing.T) {
	rules := []struct {
		reason string // part of the error
		breaks func(label *string, in *Init)
	}{
		{"the label has 65536 bytes", func(label *string, _ *Init) { *label = strings.Repeat("é", 32768) }},
		{"the protocol has 65536 bytes", func(_ *string, in *Init) { in.Protocol = strings.Repeat("é", 32768) }},
		{"needs an ID", func(_ *string, in *Init) { in.Negotiated, in.ID = true, nil }},
		{"exclude each other", func(_ *string, in *Init) { in.MaxRetransmits, in.MaxPacketLifeTime = ptr[uint16](0), ptr[uint16](0) }},
		{"the greatest ID is 65534", func(_ *string, in *Init) { in.Negotiated, in.ID = true, ptr[uint16](65535) }},
		{"ID 3 is in use", func(_ *string, in *Init) { in.Negotiated, in.ID = true, ptr[uint16](3) }},
		{"ID 9 is beyond the 4 streams", func(_ *string, in *Init) { in.Negotiated, in.ID = true, ptr[uint16](9) }},
	}
	wantFirst := func(t *testing.T, s *Session, when, want string, label string, in *Init) {
		t.Helper()
		if ch, err := s.CreateChannel(label, in); ch != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", when, ch, err, want)
		}
	}
	cfg := setup{a: Config{SCTP: sctp.Config{OutboundStreams: 4}}, before: func(p *pair) { p.negotiate(3, Init{}) }}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		before := p.a.Stats()
		for i, first := range rules {
			for _, later := range rules[i:] {
				var label string
				var in Init
				later.breaks(&label, &in)
				first.breaks(&label, &in) // a channel has one ID: then the later rule is not broken
				wantFirst(t, p.a, "open", first.reason, label, &in)
			}
		}
		if now := p.a.Stats(); now.ChannelsRequested != before.ChannelsRequested || len(now.Channels) != len(before.Channels) {
			t.Errorf("a call that failed left something: %+v", now)
		}
		p.a.Abort("")
		for _, rule := range rules {
			var label string
			var in Init
			rule.breaks(&label, &in)
			wantFirst(t, p.a, "closed", "InvalidStateError", label, &in)
		}
	})
}

// The states have the W3C's names, in JSON, too (w3c-state-a).
func TestStateNames(t *testing.T) {
	got, err := json.Marshal([]ReadyState{Connecting, Open, Closing, Closed})
	if want := `["connecting","open","closing","closed"]`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// A channel is not announced as open that is closed before its open event, be it by its
// own Close, the session's end or a failure; one that the peer closes is, as its event came
// first (w3c-open-a).
func TestAnnounceOpen(t *testing.T) {
	hold := func(p *pair) (release func()) { // the callbacks of a wait
		busy := value(p.a.CreateChannel("busy", nil))(p.t)
		gate := make(chan struct{})
		busy.OnOpen(func() { <-gate })
		settle()
		return func() { close(gate) }
	}
	for _, c := range []struct {
		desc string
		end  func(p *pair, ch *Channel)
		want []string
	}{
		{"not closed", func(*pair, *Channel) {}, []string{"open open"}},
		{"closed", func(_ *pair, ch *Channel) { ch.Close() }, []string{"close closed"}},
		{"session aborted", func(p *pair, _ *Channel) { p.a.Abort("") }, nil},
		{"closed by the peer", func(p *pair, _ *Channel) { p.accept(p.b); p.accept(p.b).Close() },
			[]string{"open closing", "closing closing", "close closed"}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			bubble(t, setup{}, func(t *testing.T, p *pair) {
				release := hold(p)
				var j journal
				ch := value(p.a.CreateChannel("", nil))(t)
				j.watch(ch)
				wantState(t, ch, Open)
				c.end(p, ch)
				settle()
				release()
				j.want(t, c.want...)
			})
		})
	}
}

// The error of a channel says what failed: the peer's ABORT with its cause code and what it
// says, and where there was none what the association has to say (w3c-error-a). It comes in
// state closed.
func TestErrorDetails(t *testing.T) {
	for _, c := range []struct {
		desc    string
		end     func(p *pair)
		code    int
		message string
		cause   error
	}{
		{"abort of the peer", func(p *pair) { p.b.Abort("enough") }, 12, "enough", nil},
		{"silence", func(*pair) { netsim.Elapse(30 * time.Minute) }, 0, sctp.ErrPeerUnreachable.Error(), sctp.ErrPeerUnreachable},
	} {
		t.Run(c.desc, func(t *testing.T) {
			bubble(t, setup{link: dead}, func(t *testing.T, p *pair) {
				a, _ := p.open("", nil)
				var got *RTCError
				var state ReadyState
				a.OnError(func(err error) { got, state = err.(*RTCError), a.ReadyState() })
				netsim.Elapse(2 * time.Second)
				check(t, a.SendText("lost")) // who sends notices the silence first
				c.end(p)
				settle()
				if got == nil || got.Detail != SCTPFailure || got.SCTPCauseCode != c.code || got.Message != c.message || state != Closed {
					t.Fatalf("%+v in state %v", got, state)
				}
				if a.Err() != error(got) || c.cause != nil && !errors.Is(got, c.cause) {
					t.Errorf("Err is %v", a.Err())
				}
			})
		})
	}
}

// The buffered amount stays where it was when the channel ends, however it does
// (w3c-send-b).
func TestBufferedAmountAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		desc string
		end  func(p *pair, a *Channel)
	}{
		{"closed", func(_ *pair, a *Channel) { a.Close() }},
		{"session aborted", func(p *pair, _ *Channel) { p.a.Abort("") }},
		{"session failed", func(p *pair, _ *Channel) { p.a.Fail(errors.New("withdrawn")) }},
		{"aborted by the peer", func(p *pair, _ *Channel) { p.b.Abort("") }},
		{"transport lost", func(p *pair, _ *Channel) { netsim.Elapse(10 * time.Minute) }},
		{"failed", func(p *pair, a *Channel) {
			p.a.lock()
			a.fail(channelError("failed", nil))
			p.a.unlock()
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 20000}}, link: dead}
			bubble(t, cfg, func(t *testing.T, p *pair) {
				a, _ := p.open("", nil)
				netsim.Elapse(2 * time.Second)
				low := 0
				a.SetBufferedAmountLowThreshold(1000)
				a.OnBufferedAmountLow(func() { low++ })
				for range 10 {
					check(t, a.Send(make([]byte, 10000)))
				}
				settle()
				want := a.BufferedAmount()
				if want < 50000 {
					t.Fatalf("%d bytes are buffered", want)
				}
				c.end(p, a)
				settle()
				if n := a.BufferedAmount(); n != want || low != 0 {
					t.Errorf("bufferedAmount went from %d to %d, and was reported as low %d times", want, n, low)
				}
			})
		})
	}
}

// What the peer accepts is 65536 bytes if it does not say, and any size if it says 0. The
// latest word counts, also one from before the association (w3c-sctp-b).
func TestRemoteMaxMessageSize(t *testing.T) {
	for _, c := range []struct {
		said int64
		want int64
	}{{-1, 65536}, {0, 0}, {1, 1}, {262144, 262144}, {1 << 40, 1 << 40}} {
		synctest.Test(t, func(t *testing.T) {
			s := NewSession(Config{})
			defer func() { s.Abort(""); <-s.conn.Done() }()
			ca, cb := link(nil)
			defer cb.Close()
			s.SetRemoteMaxMessageSize(c.said)
			check(t, s.Start(ca, Params{RemoteMaxMessageSize: 1000}))
			if got := s.RemoteMaxMessageSize(); got != c.want {
				t.Errorf("said %d: %d, want %d", c.said, got, c.want)
			}
		})
	}
}

// A session that signalling ends: its channels close, and say so, without an error; the
// peer hears of an abort (w3c-state-b).
func TestFailOfStartedSession(t *testing.T) {
	var js journal
	cfg := setup{a: Config{OnClose: func(err error) { js.add("ended %v", err) }}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		var ja, jb journal
		ja.watch(a)
		jb.watch(b)
		ja.want(t, "open open")
		jb.want(t, "open open")
		p.a.Fail(errors.New("withdrawn"))
		wantState(t, a, Closed)
		ja.want(t, "close closed")
		jb.want(t, "error sctp-failure", "close closed")
		js.want(t, "ended <nil>")
		wantEnded(t, p.a, p.b)
	})
}

// The identifier of a channel is in its statistics once it is known, 0 included, and not
// before (stats-dc).
func TestStatsIdentifier(t *testing.T) {
	s := NewSession(Config{})
	defer s.Abort("")
	ch := value(s.CreateChannel("l", &Init{Protocol: "p"}))(t)
	for _, want := range []string{
		`{"label":"l","protocol":"p","state":"connecting","messagesSent":0,"bytesSent":0,"messagesReceived":0,"bytesReceived":0}`,
		`{"label":"l","protocol":"p","dataChannelIdentifier":0,"state":"connecting","messagesSent":0,"bytesSent":0,"messagesReceived":0,"bytesReceived":0}`,
	} {
		if got, err := json.Marshal(ch.Stats()); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		check(t, s.SetRole(true))
	}
	other := value(s.CreateChannel("", nil))(t)
	if a, b := ch.Stats().Serial, other.Stats().Serial; a == b || a == 0 {
		t.Errorf("serials %d and %d", a, b)
	}
}

// A channel that the program has forgotten lives while something can happen to it, and
// no longer (w3c-gc-a).
func TestGarbageCollection(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		var j journal
		forget := func() (b weak.Pointer[Channel]) {
			near, far := p.open("", nil)
			j.watch(far)
			near.OnClose(func() { j.add("close of the other") })
			return weak.Make(far)
		}
		far := forget()
		j.want(t, "open open")
		collect := func() { runtime.GC(); runtime.GC(); synctest.Wait() }
		collect()
		if far.Value() == nil {
			t.Fatal("a channel with callbacks was collected")
		}
		check(t, value(p.a.CreateChannel("another", nil))(t).Close())
		p.accept(p.b).Close()
		p.a.lock()
		near := weak.Make(p.a.streams[0].ch)
		p.a.unlock()
		check(t, near.Value().SendText("remember"))
		check(t, near.Value().Close())
		j.want(t, "message remember", "closing closing", "close of the other", "close closed")
		collect()
		if near.Value() != nil || far.Value() != nil {
			t.Errorf("closed channels are kept: %v, %v", near.Value() != nil, far.Value() != nil)
		}
	})
}

// An association between two sessions has the extensions that data channels need
// (8831-6.1-a).
func TestExtensions(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		for _, s := range []*Session{p.a, p.b} {
			if st := s.Stats().SCTP; !st.PartialReliability || !st.StreamReset || !st.Interleaving {
				t.Errorf("partial reliability %v, stream reset %v, interleaving %v", st.PartialReliability, st.StreamReset, st.Interleaving)
			}
		}
	})
}

// A small message does not wait for the acknowledgement of the one before (8831-6.6-b).
func TestNoNagle(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for range 5 {
			check(t, a.SendText("small"))
			netsim.Elapse(time.Millisecond)
		}
		sent := time.Now()
		for range 5 {
			wantMessage(t, b, "small", true)
		}
		if d := time.Since(sent); d >= latency {
			t.Errorf("the last message came after %v", d)
		}
	})
}

// A peer that is gone without a word is noticed, while messages wait and when nothing is
// sent: the channels fail (PIONS-7).
func TestBlackHole(t *testing.T) {
	for _, idle := range []bool{false, true} {
		bubble(t, setup{link: dead}, func(t *testing.T, p *pair) {
			a, _ := p.open("", nil)
			var j journal
			j.watch(a)
			j.want(t, "open open")
			netsim.Elapse(2 * time.Second)
			if !idle {
				check(t, a.SendText("lost"))
			}
			netsim.Elapse(30 * time.Minute)
			j.want(t, "error sctp-failure", "close closed")
		})
	}
}
