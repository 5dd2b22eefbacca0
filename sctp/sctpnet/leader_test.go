package sctpnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A talk is an association between two sockets on an ether. Server echoes what comes in
// on stream 1.
type talk struct {
	t              *testing.T
	net            *ether
	l              *Listener
	client, server *Conn
	echo           <-chan error
}

// beginTalk returns a talk after so many rounds that calls may lead.
func beginTalk(t *testing.T) *talk {
	t.Helper()
	e := &ether{}
	p := &talk{t: t, net: e, l: listenOn(t, e, ListenConfig{})}
	p.client = dialFrom(t, e, "192.0.2.2:1", Config{})
	p.server = acceptFrom(t, p.l)
	p.echo = echoing(p.server)
	p.ask(2 * trustAfter)
	return p
}

// echoing sends back what comes in on stream 1, until the end.
func echoing(c *Conn) <-chan error {
	return result(func() error {
		buf := make([]byte, 1000)
		for {
			n, _, err := c.ReadMessage(background, 1, buf)
			if err == nil {
				err = c.WriteMessage(background, sctp.Message{Stream: 1, Payload: buf[:n]})
			}
			if err != nil {
				return err
			}
		}
	})
}

// ask plays rounds.
func (p *talk) ask(rounds int) {
	p.t.Helper()
	for i := range rounds {
		write(p.t, p.client, message(1, 64, byte(i)))
		if got := read(p.t, p.client, 1); got[0] != byte(i) {
			p.t.Fatalf("round %d: got %d", i, got[0])
		}
	}
}

// want checks who leads at the client, once everything waits.
func (p *talk) want(desc string, led, resting bool) {
	p.t.Helper()
	synctest.Wait()
	s := p.client.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := &s.lead; (l.leader != nil) != led || l.resting != resting {
		p.t.Errorf("%s: a call leads: %v, the keeper rests: %v, want %v and %v", desc, l.leader != nil, l.resting, led, resting)
	}
}

// end ends the talk, and checks that nothing is left of it.
func (p *talk) end() {
	p.t.Helper()
	p.client.Abort("end of the test")
	p.server.Abort("end of the test")
	p.l.Close()
	gone(p.t, p.client, p.server)
	if err := <-p.echo; !errors.Is(err, net.ErrClosed) {
		p.t.Error(err)
	}
	synctest.Wait()
	for _, s := range []*socket{p.client.sock, p.l.sock} {
		s.mu.Lock()
		if !s.closed || s.holds != 0 || s.lead.leader != nil || s.lead.resting || s.lead.waiting != 0 {
			p.t.Errorf("closed %v, %d holds, leader %v, keeper rests %v, %d waiting", s.closed, s.holds, s.lead.leader, s.lead.resting, s.lead.waiting)
		}
		s.mu.Unlock()
	}
}

// reading begins a call that waits for a message of the server on stream 2.
func (p *talk) reading(ctx context.Context) <-chan error {
	return result(func() error {
		_, _, err := p.client.ReadMessage(ctx, 2, make([]byte, 100))
		return err
	})
}

// TestLeader: a call that waits for an answer reads the socket, once several have come in
// time; when none comes any more the keeper reads.
func TestLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beginTalk(t)
		defer p.end()
		p.want("between two calls", false, true)
		next := p.reading(background)
		p.want("within a call", true, true)
		write(t, p.server, message(2, 10, 0))
		if err := <-next; err != nil {
			t.Error(err)
		}
		p.want("after it", false, true)
		netsim.Elapse(maxGrace)
		p.want("a while later", false, false)
		write(t, p.server, message(2, 10, 0))
		netsim.Elapse(2 * latency)
		if n := p.client.AvailableAmount(2); n != 10 {
			t.Errorf("%d bytes came in", n)
		}
		p.ask(2 * trustAfter)
		p.want("after some more rounds", false, true)
	})
}

// TestGrace: the socket is left to the next call for a share of the time for which calls have come
// soon, and one that comes late begins that time anew.
func TestGrace(t *testing.T) {
	for run, want := range map[time.Duration]time.Duration{
		0: graceTime, trustShare * graceTime: graceTime, 10 * trustShare * graceTime: 10 * graceTime, time.Hour: maxGrace,
	} {
		since := time.Now()
		if got := (&lead{since: since, at: since.Add(run)}).grace(); got != want {
			t.Errorf("after %v: %v, want %v", run, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := beginTalk(t)
		defer p.end()
		for range 3 {
			p.ask(3 * trustAfter)
			netsim.Elapse(maxGrace - time.Nanosecond)
			p.want("within the time of grace", false, true)
			netsim.Elapse(time.Nanosecond)
			p.want("after it", false, false)
		}
	})
}

// TestGraceIsPaid: for what a socket was left alone calls have to come soon for trustShare times as long.
func TestGraceIsPaid(t *testing.T) {
	const all = trustShare * maxGrace
	for _, tc := range []struct {
		desc      string
		run, late time.Duration
		want      bool
		left      time.Duration // of the run
	}{
		{"soon", 0, graceTime - 1, true, 0},
		{"late", trustShare * 3 * graceTime, 2 * graceTime, true, trustShare * graceTime},
		{"late after long", time.Hour, 2 * graceTime, true, all - trustShare*2*graceTime},
		{"at the last moment", all, maxGrace, false, 0},
		{"too late", trustShare * graceTime, 2 * graceTime, false, -trustShare * graceTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			at := time.Now()
			l := &lead{resting: true, at: at, since: at.Add(-tc.run)}
			netsim.Elapse(tc.late)
			if got := l.inTime(); got != tc.want || l.at.Sub(l.since) != tc.left {
				t.Errorf("%s: %v, %v left, want %v, %v", tc.desc, got, l.at.Sub(l.since), tc.want, tc.left)
			}
		})
	}
}

// TestWorkIsNotPrompt: who answers each message at once, and works on it before it waits for the next, does not
// leave the socket alone meanwhile for more than a share of the time.
func TestWorkIsNotPrompt(t *testing.T) {
	for _, work := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, maxGrace - time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p := beginTalk(t)
			defer p.end()
			var left time.Duration
			began := time.Now()
			for range 100 {
				next := p.reading(background)
				netsim.Elapse(time.Millisecond)
				write(t, p.server, message(2, 10, 0))
				if err := <-next; err != nil {
					t.Fatal(err)
				}
				netsim.Elapse(10 * time.Microsecond)
				write(t, p.client, message(3, 10, 0))
				netsim.Elapse(work)
				synctest.Wait()
				p.client.mu.Lock()
				if p.client.sock.lead.vacant() {
					left += work
				}
				p.client.mu.Unlock()
			}
			if all := time.Since(began); left > all/trustShare+maxGrace {
				t.Errorf("work of %v: nobody read for %v of %v", work, left, all)
			}
		})
	}
}

// TestLeaderIsPatient: a leader takes what is not for it: timers fire, what is lost is
// repeated, others get theirs, and only where much comes in does it call the keeper.
func TestLeaderIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beginTalk(t)
		defer p.end()
		mine := p.reading(background)
		p.want("within a call", true, true)
		for range 3 {
			write(t, p.server, message(3, 10, 0))
			if got := read(t, p.client, 3); len(got) != 10 {
				t.Errorf("%d bytes for another", len(got))
			}
			p.want("others wait beside it", true, true)
		}
		p.net.mu.Lock()
		lost := 0
		p.net.drops = func() bool { lost++; return lost <= 2 }
		p.net.mu.Unlock()
		write(t, p.client, message(1, 10, 7))
		if got := read(t, p.client, 1); got[0] != 7 {
			t.Errorf("got %d", got[0])
		}
		netsim.Elapse(10 * time.Minute) // of HEARTBEATs
		p.want("an idle hour", true, true)
		pending(t, mine)
		write(t, p.server, message(2, 10, 0))
		if err := <-mine; err != nil {
			t.Error(err)
		}
	})
}

// TestLeaderGivesUp: what ends the waiting of a call ends it at once also when it reads the
// socket, and the keeper takes its place.
func TestLeaderGivesUp(t *testing.T) {
	for _, tc := range []struct {
		desc string
		end  func(p *talk, s *Stream, cancel func())
		want error
	}{
		{"cancelled", func(_ *talk, _ *Stream, cancel func()) { cancel() }, context.Canceled},
		{"read deadline", func(_ *talk, s *Stream, _ func()) { s.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{"stream closed", func(_ *talk, s *Stream, _ func()) { s.Close() }, net.ErrClosed},
		{"aborted", func(p *talk, _ *Stream, _ func()) { p.client.Abort("") }, net.ErrClosed},
		{"closed", func(p *talk, _ *Stream, _ func()) { p.client.Close() }, net.ErrClosed},
		{"aborted by the peer", func(p *talk, _ *Stream, _ func()) { p.server.Abort("") }, net.ErrClosed},
		{"socket closed", func(p *talk, _ *Stream, _ func()) { p.client.sock.udp.Close() }, net.ErrClosed},
		{"handed over", func(p *talk, _ *Stream, _ func()) {
			if _, err := p.client.Handover(); err != nil {
				p.t.Error(err)
			}
		}, sctp.ErrHandedOver},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := beginTalk(t)
				defer p.end()
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				s := open(t, p.client, 4)
				buf := make([]byte, 100)
				peer := result(func() error { // answers on stream 4
					for {
						if _, _, err := p.server.ReadMessage(background, 4, make([]byte, 100)); err != nil {
							return err
						}
						if err := p.server.WriteMessage(background, message(4, 10, 0)); err != nil {
							return err
						}
					}
				})
				round := func() error {
					if err := s.WriteMessage(ctx, message(4, 10, 0)); err != nil {
						return err
					}
					_, _, err := s.ReadMessage(ctx, buf)
					return err
				}
				for range 4 * trustAfter { // the keeper has to get to know what to watch
					if err := round(); err != nil {
						t.Fatal(err)
					}
				}
				netsim.Elapse(graceTime / 2)
				call := result(func() error { _, _, err := s.ReadMessage(ctx, buf); return err })
				p.want("reading", true, true)
				took := elapsed(func() {
					tc.end(p, s, cancel)
					if err := <-call; !errors.Is(err, tc.want) {
						t.Errorf("%v", err)
					}
				})
				if took > 3*latency {
					t.Errorf("it took %v", took)
				}
				p.want("given up", false, false)
				if p.client.Err() == nil && p.client.State() == sctp.Established {
					p.ask(2 * trustAfter)
					p.want("afterwards", false, true)
				}
				p.server.Abort("")
				<-peer
			})
		})
	}
}

// TestLeaderUnderLoad: where much comes in, the keeper reads.
func TestLeaderUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beginTalk(t)
		defer p.end()
		s := p.client.sock
		mine := p.reading(background)
		p.want("within a call", true, true)
		s.mu.Lock()
		l := &s.lead
		l.prompt = trustAfter
		l.served, l.waiting = true, 0
		if !s.mayLeave(calmBatch) || s.mayLeave(calmBatch+1) {
			t.Error("the socket is left to nobody by the wrong measure")
		}
		l.waiting = 1
		if s.mayLeave(1) {
			t.Error("the socket is left to nobody while a call waits")
		}
		s.mu.Unlock()
		write(t, p.server, message(2, 10, 0))
		if err := <-mine; err != nil {
			t.Error(err)
		}
	})
}

// TestLeaderMeetsABatch: a leader that many datagrams come in for at once leaves them to the
// keeper, and goes on waiting.
func TestLeaderMeetsABatch(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("datagrams come in one by one")
	}
	client, server := connectUDP(t, Config{})
	echo := echoing(server)
	buf := make([]byte, 1000)
	is := func(what func(*lead) bool) bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return what(&client.sock.lead)
	}
	for !is((*lead).vacant) {
		write(t, client, message(1, 64, 0))
		if _, _, err := client.ReadMessage(background, 1, buf); err != nil {
			t.Fatal(err)
		}
	}
	mine := result(func() error { _, _, err := client.ReadMessage(background, 2, make([]byte, 10)); return err })
	for !is(func(l *lead) bool { return l.waiting == 1 }) {
		runtime.Gosched()
	}
	const count = 50
	batch := make([]sctp.Message, count)
	for i := range batch {
		batch[i] = message(3, 1000, byte(i))
	}
	if n, err := server.TryWriteMessages(batch); n != count {
		t.Fatal(n, err)
	}
	for i := range batch {
		if got := read(t, client, 3); got[0] != byte(i) {
			t.Fatalf("message %d is %d", i, got[0])
		}
	}
	if is(func(l *lead) bool { return l.resting }) {
		t.Error("the keeper rests")
	}
	write(t, server, message(2, 10, 0))
	if err := <-mine; err != nil {
		t.Error(err)
	}
	client.Abort("")
	<-echo
}

// TestLeadersRace: calls of many goroutines on many associations of two sockets, some of
// which are cancelled, and pauses of all lengths: no message is left lying.
func TestLeadersRace(t *testing.T) {
	l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	const conns, rounds = 4, 500
	accepted := result(func() error {
		for range conns {
			c, err := l.Accept(background)
			if err != nil {
				return err
			}
			echoing(c)
		}
		return nil
	})
	var calls []<-chan error
	for i := range conns {
		c, err := Dial(background, "udp4", l.Addr().String(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, result(func() error { return converse(c, rand.New(rand.NewPCG(1, uint64(i))), rounds/(1+i)) }))
	}
	for _, call := range append(calls, accepted) {
		if err := <-call; err != nil {
			t.Error(err)
		}
	}
	l.Close()
}

// converse plays rounds with a Conn that echoes, and ends it.
func converse(c *Conn, rng *rand.Rand, rounds int) error {
	defer func() {
		c.Abort("")
		<-c.Done()
	}()
	buf := make([]byte, 100)
	ctx, cancel := context.WithCancel(background)
	stops := []func(){cancel}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	for i := range rounds {
		if err := c.WriteMessage(ctx, message(1, 64, byte(i))); err != nil {
			return err
		}
		if rng.IntN(50) == 0 { // one that waits for something else, and will not get it
			other, stop := context.WithCancel(background)
			given := result(func() error { _, _, err := c.ReadMessage(other, 2, make([]byte, 1)); return err })
			stop()
			if err := <-given; !errors.Is(err, context.Canceled) {
				return err
			}
		}
		if rng.IntN(100) == 0 {
			stops[len(stops)-1]()
			ctx, cancel = context.WithCancel(background)
			stops = append(stops, cancel)
		}
		n, _, err := c.ReadMessage(ctx, 1, buf)
		if err != nil || n != 64 || buf[0] != byte(i) {
			return fmt.Errorf("round %d: %d bytes: %w", i, n, err)
		}
	}
	return nil
}
