package datachannel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Closing: the closer hears close only, the other side closing (in that state) and
// then close, both without an error; what was sent before arrives first
// (8831-6.7-a, w3c-close-a, PIONS-13). Works from either side, for in-band and
// negotiated channels.
func TestClose(t *testing.T) {
	for _, negotiated := range []bool{false, true} {
		for _, fromA := range []bool{false, true} {
			t.Run(fmt.Sprint(negotiated, fromA), func(t *testing.T) {
				bubble(t, setup{}, func(t *testing.T, p *pair) {
					var near, far *Channel
					if negotiated {
						near, far = p.negotiate(4, Init{})
					} else {
						near, far = p.open("", nil)
					}
					if !fromA {
						near, far = far, near
					}
					var jn, jf journal
					jn.watch(near)
					jf.watch(far)
					jn.want(t, "open open")
					jf.want(t, "open open")
					for range 3 {
						check(t, near.SendText("to far"))
						check(t, far.SendText("to near"))
					}
					check(t, near.Close())
					wantState(t, near, Closing)
					check(t, near.Close())
					// w3c-recv-a: what arrives at a channel that is closing is dropped.
					jn.want(t, "close closed")
					jf.want(t, "message to far", "message to far", "message to far", "closing closing", "close closed")
					if near.Err() != nil || far.Err() != nil {
						t.Errorf("errors %v, %v", near.Err(), far.Err())
					}
					for _, s := range []*Session{p.a, p.b} {
						if st := s.Stats(); st.ChannelsOpened != 1 || st.ChannelsClosed != 1 || len(st.Channels) != 0 { // stats-pc
							t.Errorf("%+v", st)
						}
						if len(s.streams) != 0 {
							t.Errorf("streams %v remain", s.streams)
						}
					}
				})
			})
		}
	}
}

// Both sides close at once: no closing event, no error, and the identifier is free.
func TestCrossingClose(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		for range 3 {
			a, b := p.open("", nil)
			wantID(t, a, 0)
			var ja, jb journal
			ja.watch(a)
			jb.watch(b)
			ja.want(t, "open open")
			jb.want(t, "open open")
			check(t, a.Close())
			check(t, b.Close())
			ja.want(t, "close closed")
			jb.want(t, "close closed")
		}
	})
}

// An identifier serves again and again, whoever closes, under loss and
// reordering, and what belonged to one use never shows up in another (PIONS-3).
func TestIDReuse(t *testing.T) {
	bad := func(c *netsim.PipeConfig) {
		c.Seed = 5
		for _, d := range []*netsim.Conditions{&c.AtoB, &c.BtoA} {
			d.Loss, d.Reorder, d.ReorderDelay, d.Duplicate, d.DuplicateDelay = 0.05, 0.1, 100*time.Millisecond, 0.1, 500*time.Millisecond
		}
	}
	bubble(t, setup{link: bad}, func(t *testing.T, p *pair) {
		for i := range 60 {
			name := fmt.Sprint("use ", i)
			a := value(p.a.CreateChannel(name, &Init{Unordered: i%2 == 0}))(t)
			wantID(t, a, 0)
			check(t, a.WriteMessage(background, []byte(name+" from a"), true))
			b := p.accept(p.b)
			if b.Label() != name {
				t.Fatalf("accepted %q in %q", b.Label(), name)
			}
			check(t, b.SendText(name+" from b"))
			check(t, b.SendText(name+" may be lost"))
			for {
				m := value(a.ReadMessage(background))(t)
				if string(m.Data) == name+" from b" {
					break
				}
			}
			closer, other := a, b
			if i%3 == 0 {
				closer, other = b, a
			}
			check(t, closer.Close())
			for {
				m, err := other.ReadMessage(background)
				if err == io.EOF {
					break
				}
				if check(t, err); !strings.HasPrefix(string(m.Data), name) {
					t.Fatalf("%q in %q", m.Data, name)
				}
			}
			for {
				p.a.lock()
				used := p.a.ids.has(0)
				p.a.unlock()
				if !used {
					break
				}
				netsim.Elapse(10 * time.Millisecond)
			}
		}
	})
}

// The peer may use the identifier again as soon as it performed our reset, of
// which its answer may come late: its OPEN waits until then.
func TestReuseBeforeAnswer(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{Label: "first"})
		first := r.accept(s)
		r.wantAck(1)
		check(t, r.conn.ResetStreams(1))
		r.wantResets(1)
		wantState(t, first, Closed)
		if _, err := first.ReadMessage(background); err != io.EOF {
			t.Fatal(err)
		}
		r.drainReset(1)

		// As if our reset was not answered yet.
		r.sendOpen(1, dcep.Open{Label: "second"})
		second := r.accept(s)
		r.wantAck(1)
		s.lock()
		second.st.out, second.st.resets = outRequested, 1
		s.onEOF(second.st)
		s.unlock()
		r.sendOpen(1, dcep.Open{Label: "third"})
		r.send(1, dcep.PPIDString, []byte("for the third"))
		check(t, r.conn.ResetStreams(1))
		settle()
		if n := len(s.incoming.accept); n != 0 {
			t.Fatalf("%d channels came before the answer", n)
		}
		s.lock()
		s.onResetDone(1)
		s.unlock()
		third := r.accept(s)
		if third.Label() != "third" {
			t.Errorf("accepted %q", third.Label())
		}
		wantState(t, third, Closing) // though there is something to read
		wantMessage(t, third, "for the third", true)
	})
}

// Reading may be ahead of the report of a reset: the report that comes late does
// not close the next channel.
func TestLateReportOfReset(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{Label: "first"})
		first := r.accept(s)
		r.wantAck(1)
		s.lock() // events wait
		check(t, r.conn.ResetStreams(1))
		settle()
		s.pump(1)
		settle()
		s.onResetDone(1)
		r.drainReset(1)
		r.sendOpen(1, dcep.Open{Label: "second"})
		settle()
		s.pump(1)
		s.unlock()
		second := r.accept(s)
		settle()
		wantState(t, first, Closed)
		wantState(t, second, Open)
		r.wantResets(1)
		check(t, r.conn.ResetStreams(1))
		settle()
		wantState(t, second, Closed)
	})
}

// A channel is opened, used and closed by the peer before the application saw it:
// nothing is lost, for either face.
func TestShortLivedChannel(t *testing.T) {
	use := func(p *pair, uses int) {
		for range uses {
			ch := value(p.a.CreateChannel("", nil))(p.t)
			check(p.t, ch.WriteMessage(background, []byte("one"), true))
			check(p.t, ch.WriteMessage(background, []byte("two"), true))
			check(p.t, ch.Close())
		}
		settle()
	}
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		use(p, 3)
		for range 3 {
			ch := p.accept(p.b)
			wantMessage(t, ch, "one", true)
			wantMessage(t, ch, "two", true)
			if _, err := ch.ReadMessage(background); err != io.EOF {
				t.Error(err)
			}
		}
		settle()
		if len(p.a.streams)+len(p.b.streams) != 0 {
			t.Errorf("%d and %d streams remain", len(p.a.streams), len(p.b.streams))
		}
	})
	var j journal
	gate := make(chan struct{})
	onChannel := func(ch *Channel) { <-gate; j.watch(ch) }
	bubble(t, setup{b: Config{OnChannel: onChannel}}, func(t *testing.T, p *pair) {
		gate = make(chan struct{})
		use(p, 1)
		close(gate)
		j.want(t, "open closing", "message one", "message two", "closing closing", "close closed")
	})
}

// Close before the peer can know of the channel: closed at once, with close as the
// only event, and the identifier is free (PIONS-13).
func TestCloseBeforeConnected(t *testing.T) {
	var noRole, withID, negotiated *Channel
	var j1, j2, j3 journal
	var wrote chan error
	cfg := setup{before: func(p *pair) {
		wrote = make(chan error, 1)
		noRole = value(p.a.CreateChannel("", nil))(p.t)
		keep := value(p.a.CreateChannel("keep", nil))(p.t)
		j1.watch(noRole)
		go func() { wrote <- noRole.WriteMessage(background, []byte("never sent"), false) }()
		synctest.Wait()
		check(p.t, noRole.Close())
		wantState(p.t, noRole, Closed)
		check(p.t, p.a.SetRole(true))
		wantID(p.t, keep, 0)
		withID = value(p.a.CreateChannel("", nil))(p.t)
		negotiated = value(p.a.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](5)}))(p.t)
		j2.watch(withID)
		j3.watch(negotiated)
		check(p.t, withID.Close())
		check(p.t, negotiated.Close())
		again := value(p.a.CreateChannel("", nil))(p.t)
		wantID(p.t, again, 2)
		again.Close()
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		for _, j := range []*journal{&j1, &j2, &j3} {
			j.want(t, "close closed")
		}
		if ch := p.accept(p.b); ch.Label() != "keep" {
			t.Errorf("accepted %q", ch.Label())
		}
		settle()
		if st := p.b.Stats(); st.ChannelsAccepted != 1 || st.StreamsRefused != 0 {
			t.Errorf("%+v", st)
		}
		if st := p.a.Stats(); st.ChannelsRequested != 5 || st.ChannelsOpened != 1 || st.ChannelsClosed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Close between OPEN and ACK: the channel closes, on both sides.
func TestCloseBeforeAck(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a := value(p.a.CreateChannel("", nil))(t)
		check(t, a.Close())
		var j journal
		j.watch(a) // events wait for their callbacks, and open is none any more
		wantState(t, a, Closing)
		b := p.accept(p.b)
		if _, err := b.ReadMessage(background); err != io.EOF {
			t.Error(err)
		}
		j.want(t, "close closed")
		wantState(t, b, Closed)
		if st := p.a.Stats(); st.ChannelsOpened != 1 || st.ChannelsClosed != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A channel of the peer is closed while its ACK waits for room: ACK and reset
// follow when there is some.
func TestCloseWithAckQueued(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{ReceiveBuffer: 20000}}, b: Config{SCTP: sctp.Config{SendBuffer: 20000}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for range 10 {
			check(t, b.Send(make([]byte, 10000))) // nobody reads
		}
		second := value(p.a.CreateChannel("second", nil))(t)
		check(t, p.accept(p.b).Close())
		settle()
		wantState(t, second, Open)
		for range 10 {
			value(a.ReadMessage(background))(t)
		}
		settle()
		wantState(t, second, Closed)
		if second.Err() != nil || p.a.Stats().ChannelsOpened != 2 || len(p.a.streams)+len(p.b.streams) != 2 {
			t.Errorf("%v, %+v, %d streams", second.Err(), p.a.Stats(), len(p.b.streams))
		}
	})
}

// The peer refuses a channel by resetting its stream before an ACK: an error, and
// closing and close (8832-6-d); a message that waits fails. The identifier is free afterwards.
func TestRefusedByPeer(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", nil))(t)
		var j journal
		j.watch(ch)
		r.next(0)
		check(t, r.conn.ResetStreams(0))
		j.want(t, "open open", "error data-channel-failure", "closing closing", "close closed")
		r.wantResets(0)
		wantID(t, value(s.CreateChannel("again", nil))(t), 0)
		r.drainReset(0)
		if _, b := r.next(0); !strings.Contains(string(b), "again") {
			t.Errorf("%q", b)
		}
	})
}

// So each time, whatever came of the channels before: the peer never sends anything on
// the identifier, and resets its stream, which may look like the same reset again
// (8831-6.7-a).
func TestRefusedByPeerAgain(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		for i := range 6 {
			ch := value(s.CreateChannel("", nil))(t)
			wantID(t, ch, 0)
			var j journal
			j.watch(ch)
			r.next(0)
			if i%2 == 0 { // here the peer is first, else it follows
				check(t, r.conn.ResetStreams(0))
				j.want(t, "open open", "error data-channel-failure", "closing closing", "close closed")
				r.wantResets(0)
			} else {
				check(t, ch.Close())
				r.wantResets(0)
				check(t, r.conn.ResetStreams(0))
				j.want(t, "open open", "close closed")
			}
			r.drainReset(0)
			settle()
		}
	})
}

// An identifier serves for channels on which nobody ever sends, whoever closes them
// (8831-6.7-a).
func TestCloseWithoutData(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		for _, closer := range "aabbab" {
			near, far := p.negotiate(5, Init{})
			if closer == 'b' {
				near, far = far, near
			}
			var jn, jf journal
			jn.watch(near)
			jf.watch(far)
			jn.want(t, "open open")
			jf.want(t, "open open")
			check(t, near.Close())
			jn.want(t, "close closed")
			jf.want(t, "closing closing", "close closed")
		}
	})
}

// A reset of a stream that carries no channel here is answered, so that the peer
// can end its channel; that is all.
func TestResetOfUnusedStream(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		for range 3 {
			check(t, r.conn.ResetStreams(7, 8))
			r.wantResets(7, 8)
			settle()
			if len(s.streams) != 0 {
				t.Errorf("%d streams remain", len(s.streams))
			}
		}
		r.sendOpen(7, dcep.Open{})
		r.drainReset(7)
	})
}

// Messages that Send queued are delivered before the channel closes, however long
// that takes; writers that wait fail.
func TestCloseFlushes(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 20000}}, link: slow}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for i := range 50 {
			check(t, a.Send(pattern(10000, byte(i))))
		}
		wrote := make(chan error)
		go func() { wrote <- a.WriteMessage(background, []byte("waits"), true) }()
		synctest.Wait()
		amount := a.BufferedAmount()
		check(t, a.Close())
		if n := a.BufferedAmount(); n != amount-5 {
			t.Errorf("close took bufferedAmount from %d to %d", amount, n)
		}
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		for i := range 50 {
			wantMessage(t, b, string(pattern(10000, byte(i))), false)
		}
		if _, err := b.ReadMessage(background); err != io.EOF {
			t.Error(err)
		}
		settle()
		wantState(t, a, Closed)
		if n := a.BufferedAmount(); n != 0 {
			t.Errorf("%d buffered", n)
		}
	})
}

// The peer closes while messages wait that nobody reads: the state says so at
// once, the messages stay, and Close throws them away and frees the identifier.
func TestPeerClosesWithUnread(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		for range 2 {
			a, b := p.open("", nil)
			wantID(t, a, 0)
			var j journal
			b.OnClosing(func() { j.add("closing %v", b.ReadyState()) })
			b.OnClose(func() { j.add("close %v", b.ReadyState()) })
			check(t, a.SendText("unread"))
			check(t, a.SendText("unread"))
			check(t, a.Close())
			j.want(t, "closing closing", "close closed")
			wantState(t, a, Closed)
			var state *InvalidStateError
			if err := b.Send(nil); !errors.As(err, &state) {
				t.Error(err)
			}
			wantMessage(t, b, "unread", true)
			check(t, b.Close())
			if _, err := b.ReadMessage(background); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			settle()
			if len(p.b.streams) != 0 || p.b.Stats().SCTP.ReceiveBuffered != 0 {
				t.Errorf("%d streams, %d bytes remain", len(p.b.streams), p.b.Stats().SCTP.ReceiveBuffered)
			}
		}
	})
}

// What the peer sent before its close is checked like all else, whenever it is
// read.
func TestUnacceptableBeforeClose(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{})
		ch := r.accept(s)
		r.wantAck(1)
		r.send(1, dcep.PPIDString, []byte("good"))
		r.send(1, 99, []byte("bad"))
		check(t, r.conn.ResetStreams(1))
		r.wantResets(1)
		wantState(t, ch, Closed)
		wantMessage(t, ch, "good", true)
		var failure *RTCError
		for range 2 {
			if _, err := ch.ReadMessage(background); !errors.As(err, &failure) {
				t.Error(err)
			}
		}
		settle()
		if len(s.streams) != 0 {
			t.Error("the stream is in use")
		}
	})
}

// A peer that cannot, or does not want to, reset streams: the channel is closed
// with an error, and its identifier is not used again.
func TestResetRefused(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, _ := p.open("", nil)
		var j journal
		j.watch(a)
		j.want(t, "open open")
		check(t, a.Close())
		p.a.lock()
		p.a.onResetFailed(0, errors.New("refused"))
		p.a.unlock()
		j.want(t, "error data-channel-failure", "close closed")
		next, _ := p.a.CreateChannel("", nil)
		wantID(t, next, 2)
	})
}

// Thousand channels close at once in a few round trips, not a thousand.
func TestManyCloses(t *testing.T) {
	const n = 1000
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		var all []*Channel
		for range n {
			all = append(all, value(p.a.CreateChannel("", nil))(t))
		}
		for range n {
			p.accept(p.b)
		}
		start := time.Now()
		for _, ch := range all {
			check(t, ch.Close())
		}
		for _, ch := range all {
			for ch.ReadyState() != Closed {
				netsim.Elapse(latency)
			}
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		settle()
		if len(p.a.streams)+len(p.b.streams) != 0 {
			t.Errorf("%d and %d streams remain", len(p.a.streams), len(p.b.streams))
		}
	})
}
