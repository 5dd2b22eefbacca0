package sctpnet

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A paced is a pace whose rounds take as long as they are said to.
type paced struct {
	pace
	now     time.Time
	blocked int // rounds
	polled  int
}

func newPaced() *paced {
	p := &paced{now: time.Unix(1, 0)}
	p.init()
	return p
}

func (p *paced) rounds(n int, inPoller, inSystem time.Duration) {
	for ; n > 0; n-- {
		// Of many polled rounds one like the other, until one may be blocked again, the last leaves the pace as all would.
		if skip := min(n, p.paused) - 1; skip > 0 {
			p.paused -= skip
			p.polled += skip
			p.now = p.now.Add(time.Duration(skip) * inPoller)
			n -= skip
		}
		took := inPoller
		if p.begin(p.now) == blocked {
			took = inSystem
			p.blocked++
		} else {
			p.polled++
		}
		p.now = p.now.Add(took)
		p.ended(took)
	}
}

// TestPace: rounds are blocked after a while, but for one in pollEvery, as long as they take less time.
func TestPace(t *testing.T) {
	const us = time.Microsecond
	p := newPaced()
	if p.rounds(firstPause, 10*us, 9*us); p.blocked > 0 {
		t.Errorf("%d of the first %d rounds are blocked", p.blocked, firstPause)
	}
	began := p.now
	p.polled = 0
	p.rounds(10_000, 10*us, 9*us)
	if most := int(p.now.Sub(began)/pollEvery) + 1; p.polled > most {
		t.Errorf("%d rounds are polled, want at most %d", p.polled, most)
	}
	before := p.blocked
	p.rounds(10_000, time.Millisecond, time.Millisecond)
	if n := p.blocked - before; n > 1 {
		t.Errorf("%d rounds are blocked though they take long", n)
	}
	before = p.blocked
	if p.rounds(100, 10*us, 9*us); p.blocked < before+90 {
		t.Errorf("%d rounds are blocked when they take little again", p.blocked-before)
	}
	leftSockets.Add(2)
	defer leftSockets.Add(-2)
	before = p.blocked
	if p.rounds(100, 10*us, 9*us); p.blocked > before {
		t.Errorf("%d rounds are blocked beside another socket", p.blocked-before)
	}
}

// TestPaceGivesUp: where blocked rounds take more time they are less and less of it; whether they do is asked again and again, and some
// that were delayed mean nothing.
func TestPaceGivesUp(t *testing.T) {
	for _, slow := range []time.Duration{20 * time.Microsecond, 100 * time.Microsecond, 4 * time.Millisecond} {
		p := newPaced()
		p.rounds(600_000, 10*time.Microsecond, slow)
		if p.blocked > 10_000 || time.Duration(p.blocked)*slow > p.now.Sub(time.Unix(1, 0))/10 {
			t.Errorf("%d rounds of %v within %v", p.blocked, slow, p.now.Sub(time.Unix(1, 0)))
		}
		before := p.blocked
		if p.rounds(maxPause+10_000, 10*time.Microsecond, 9*time.Microsecond); p.blocked < before+9_000 {
			t.Errorf("%d rounds are blocked after they took %v", p.blocked-before, slow)
		}
	}
	p := newPaced()
	draw := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		inSystem := 9 * time.Microsecond
		if draw.IntN(4) == 0 {
			inSystem = 200 * time.Microsecond
		}
		p.rounds(1, 10*time.Microsecond, inSystem)
	}
	if p.pause > firstPause {
		t.Errorf("there are fewer and fewer blocked rounds, though they take less as a rule: %d", p.blocked)
	}
}

// TestPaceLateAnswers: where some answers are late, hardly any round that is blocked is one of them: who waits for the network elsewhere in
// the process would wait for their end.
func TestPaceLateAnswers(t *testing.T) {
	for _, every := range []int{2, 5, 20, 100} {
		p := newPaced()
		late := 0
		const times = 2000
		for range times {
			p.rounds(every-1, 10*time.Microsecond, 9*time.Microsecond)
			before := p.blocked
			p.rounds(1, 3*time.Millisecond, 3*time.Millisecond)
			late += p.blocked - before
		}
		if late > times/8 {
			t.Errorf("of %d late answers, one of %d, %d were waited for with the thread", times, every, late)
		}
	}
}

// blockedTalk returns both ends of an association over UDP, of which the client is in a round that is blocked. The server's
// socket is not left to calls, as two wait.
func blockedTalk(t *testing.T) (client, server *Conn, s *Stream) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no round is blocked")
	}
	client, server = connectUDP(t, Config{})
	echo := result(func() error {
		buf := make([]byte, 100)
		for {
			n, _, err := server.ReadMessage(background, 4, buf)
			if err == nil {
				err = server.WriteMessage(background, sctp.Message{Stream: 4, Payload: buf[:n]})
			}
			if err != nil {
				return err
			}
		}
	})
	other := result(func() error { _, _, err := server.ReadMessage(background, 3, make([]byte, 100)); return err })
	s = open(t, client, 4)
	t.Cleanup(func() {
		client.Abort("")
		server.Abort("")
		<-echo
		<-other
	})
	return client, server, s
}

// toBlocked plays rounds until one is blocked.
func toBlocked(t *testing.T, c *Conn, s *Stream, ctx context.Context) {
	t.Helper()
	buf := make([]byte, 100)
	for range 100_000 {
		if err := s.WriteMessage(ctx, message(4, 10, 0)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.ReadMessage(ctx, buf); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		l := &c.sock.lead
		if l.vacant() {
			l.pace.paused = 0 // whatever they take on this machine
			l.pace.took, l.pace.lately = 0, l.at
		}
		ready := l.vacant() && l.prompt >= trustAfter && leftSockets.Load() == 1
		c.mu.Unlock()
		if ready {
			return
		}
	}
	t.Fatal("no round is blocked")
}

// TestBlockedLeaderGivesUp: what ends the waiting of a call ends it soon also when its round is blocked, whether it has
// just begun or lasts longer than that.
func TestBlockedLeaderGivesUp(t *testing.T) {
	met := 0 // rounds that were blocked when they were seen
	for _, tc := range []struct {
		desc string
		end  func(client, server *Conn, s *Stream, cancel func())
		want error
	}{
		{"served", func(_, server *Conn, _ *Stream, _ func()) { server.TryWriteMessage(message(4, 10, 0)) }, nil},
		{"cancelled", func(_, _ *Conn, _ *Stream, cancel func()) { cancel() }, context.Canceled},
		{"read deadline", func(_, _ *Conn, s *Stream, _ func()) { s.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{"later read deadline", func(_, _ *Conn, s *Stream, _ func()) { s.SetReadDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		{"stream closed", func(_, _ *Conn, s *Stream, _ func()) { s.Close() }, net.ErrClosed},
		{"aborted", func(client, _ *Conn, _ *Stream, _ func()) { client.Abort("") }, net.ErrClosed},
		{"closed", func(client, _ *Conn, _ *Stream, _ func()) { client.Close() }, net.ErrClosed},
		{"aborted by the peer", func(_, server *Conn, _ *Stream, _ func()) { server.Abort("") }, net.ErrClosed},
		{"socket closed", func(client, _ *Conn, _ *Stream, _ func()) { client.sock.udp.Close() }, net.ErrClosed},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			for _, processors := range []int{1, runtime.GOMAXPROCS(0)} {
				for _, pause := range []time.Duration{0, 100 * time.Microsecond, 20 * time.Millisecond} {
					client, server, s := blockedTalk(t)
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					toBlocked(t, client, s, ctx)
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
					call := result(func() error { _, _, err := s.ReadMessage(ctx, make([]byte, 100)); return err })
					for begun := false; !begun; runtime.Gosched() {
						client.mu.Lock()
						l := &client.sock.lead
						begun = l.waiting > 0
						if l.leader != nil && l.reading && l.pace.round == blocked {
							met++
						}
						client.mu.Unlock()
					}
					<-time.After(pause)
					tc.end(client, server, s, cancel)
					if err := <-call; !errors.Is(err, tc.want) {
						t.Error(err)
					}
				}
			}
		})
	}
	if t.Log(met, "rounds were blocked"); met == 0 {
		t.Error("none")
	}
}

// TestBlockedLeaderLetsOthersGoOn: on one processor, too, other calls and goroutines do what they are about while the round of one is
// blocked.
func TestBlockedLeaderLetsOthersGoOn(t *testing.T) {
	client, server, s := blockedTalk(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := range 20 {
		toBlocked(t, client, s, background)
		first := result(func() error { _, _, err := s.ReadMessage(background, make([]byte, 100)); return err })
		second := result(func() error { _, _, err := client.ReadMessage(background, 5, make([]byte, 100)); return err })
		runtime.Gosched()
		if err := server.WriteMessage(background, message(5, 10, byte(i))); err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		if err := server.WriteMessage(background, message(4, 10, byte(i))); err != nil {
			t.Fatal(err)
		}
		if err := <-first; err != nil {
			t.Fatal(err)
		}
	}
}
