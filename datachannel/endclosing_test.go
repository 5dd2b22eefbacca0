package datachannel

import (
	"testing"
	"testing/synctest"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/sctp"
)

// This file has channels that the peer closes while the application is busy, and that end otherwise meanwhile.

// busyChannel is one that the peer has opened, and whose application is busy with a message
// until open is closed; further messages it notes.
func busyChannel(t *testing.T, s *Session, r *rawPeer, j *journal) (ch *Channel, open chan struct{}) {
	t.Helper()
	r.sendOpen(1, dcep.Open{})
	ch = r.accept(s)
	r.wantAck(1)
	j.watch(ch)
	busy, open := make(chan struct{}), make(chan struct{})
	ch.OnMessage(func(m Message) {
		if string(m.Data) != "busy" {
			j.add("message %s", m.Data)
			return
		}
		close(busy)
		<-open
	})
	r.send(1, dcep.PPIDString, []byte("busy"))
	<-busy
	settle() // a reset waits for what was sent to be acknowledged
	return ch, open
}

// The peer closes the channel and ends the association, as Firefox does in pc.close(), while
// the application is busy: it hears closing, in that state, before the error. There is none if the
// streams of both sides were reset before. It hears nothing when it ends the session itself
// meanwhile. (w3c-close-b, w3c-state-b)
func TestEndAfterClosing(t *testing.T) {
	for _, c := range []struct {
		atOnce, aborts bool
		want           []string
	}{
		{true, false, []string{"open open", "closing closing", "error sctp-failure", "close closed"}},
		{false, false, []string{"open open", "closing closing", "close closed"}},
		{true, true, []string{"open open"}},
		{false, true, []string{"open open"}},
	} {
		hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
			var j journal
			ch, open := busyChannel(t, s, r, &j)
			check(t, r.conn.ResetStreams(1))
			if !c.atOnce {
				settle()
			}
			r.conn.Abort("")
			<-s.Done()
			wantState(t, ch, Closing)
			if c.aborts {
				s.Abort("")
				wantState(t, ch, Closed)
			}
			close(open)
			j.want(t, c.want...)
			<-ch.Done()
		})
	}
}

// Abort closes at once what the application has not heard to be closing.
func TestAbortBeforeClosingIsTold(t *testing.T) {
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		var j journal
		ch, open := busyChannel(t, s, r, &j)
		check(t, r.conn.ResetStreams(1))
		settle()
		wantState(t, ch, Closing)
		s.Abort("")
		wantState(t, ch, Closed)
		close(open)
		j.want(t, "open open")
	})
}

// Abort tells nothing of a channel that is closing either, be its messages in the association
// or in the read buffer, and be the association over before or not.
func TestAbortOfClosing(t *testing.T) {
	for _, readBuffer := range []int{0, 1000} {
		for _, over := range []bool{true, false} {
			hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				var j journal
				ch, open := busyChannel(t, s, r, &j)
				ch.SetReadBuffer(readBuffer, Stall)
				r.send(1, dcep.PPIDString, []byte("more"))
				settle()
				check(t, r.conn.ResetStreams(1))
				settle()
				if over {
					r.conn.Abort("")
					<-s.Done()
				}
				wantState(t, ch, Closing)
				s.Abort("")
				wantState(t, ch, Closed)
				close(open)
				j.want(t, "open open")
			})
		}
	}
}

// The peer has the streams of both sides reset while OnChannel runs: the channel closes when
// that returns, unless the session has ended by then.
func TestResetInOnChannel(t *testing.T) {
	for _, aborts := range []bool{false, true} {
		var j journal
		var ch *Channel
		var open chan struct{}
		onChannel := func(c *Channel) {
			ch = c
			j.watch(c)
			<-open
		}
		hostile(t, Config{OnChannel: onChannel}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
			open = make(chan struct{})
			r.sendOpen(1, dcep.Open{})
			settle()
			check(t, r.conn.RequestReset(1))
			check(t, r.conn.ResetStreams(1))
			settle()
			want := []string{"open closing", "closing closing", "close closed"}
			if aborts {
				s.Abort("")
				wantState(t, ch, Closed)
				want = nil
			}
			close(open)
			j.want(t, want...)
			wantState(t, ch, Closed)
		})
	}
}

// Abort tells nothing either of what was still on its way when the peer had ended the association:
// messages, in the association or in the read buffer, error, close, and the end of the session.
// Callbacks that are set later are told nothing of it. w3c-close-b
func TestAbortAfterEnd(t *testing.T) {
	for _, readBuffer := range []int{0, 1000} {
		for _, graceful := range []bool{true, false} {
			var session journal
			cfg := Config{OnClose: func(error) { session.add("OnClose") }}
			hostile(t, cfg, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				var j, late journal
				ch, open := busyChannel(t, s, r, &j)
				ch.SetReadBuffer(readBuffer, Stall)
				r.send(1, dcep.PPIDString, []byte("more"))
				r.sendOpen(3, dcep.Open{})
				other := r.accept(s)
				settle()
				if graceful {
					r.conn.StartShutdown()
				} else {
					r.conn.Abort("")
				}
				<-s.Done()
				settle()
				s.Abort("")
				wantState(t, ch, Closed)
				late.watch(other)
				other.OnMessage(func(Message) { late.add("message") })
				close(open)
				j.want(t, "open open")
				late.want(t)
				session.want(t)
			})
		}
	}
}

// Abort within OnConnected, when the session has ended meanwhile: OnClose is not called. w3c-close-b
func TestAbortInOnConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Session
		aborted := false
		s = NewSession(Config{
			OnConnected: func() { aborted = true; s.Abort("") },
			OnClose:     func(err error) { t.Errorf("OnClose: %v", err) },
		})
		s.lock() // both are due before a callback runs
		s.raise(sessionConnected)
		s.end(nil)
		s.unlock()
		synctest.Wait()
		if !aborted {
			t.Error("OnConnected was not called")
		}
	})
}
