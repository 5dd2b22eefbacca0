package datachannel

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// exchangeTokens is for setup.before: both sides get the other's INIT token.
func exchangeTokens(cfg *setup) func(*pair) {
	return func(p *pair) {
		cfg.paramsB.PeerInitToken = value(p.a.InitToken())(p.t)
		cfg.paramsA.PeerInitToken = value(p.b.InitToken())(p.t)
	}
}

// firstMessage starts two sessions and returns when the first message of a
// negotiated channel of a reached b, since the start.
func firstMessage(t *testing.T, tokens bool) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, a: NewSession(Config{}), b: NewSession(Config{})}
		defer p.end()
		cfg := setup{paramsA: Params{DTLSClient: true}}
		if tokens {
			exchangeTokens(&cfg)(p)
		}
		ca, cb := link(nil)
		start := time.Now()
		check(t, p.a.Start(ca, cfg.paramsA))
		check(t, p.b.Start(cb, cfg.paramsB))
		a, b := p.negotiate(1, Init{})
		a.OnOpen(func() {
			if err := a.SendText("hello"); err != nil {
				t.Error(err)
			}
		})
		wantMessage(t, b, "hello", true)
		took = time.Since(start)
		settle()
		if got := p.a.conn.Stats().SNAP && p.b.conn.Stats().SNAP; got != tokens {
			t.Errorf("SNAP %v, want %v", got, tokens)
		}
	})
	return took
}

// TestTokenRoundTrips: with tokens the first message is in the first packet. Without,
// INIT, INIT ACK and COOKIE ECHO of both sides, which cross, come before it. // snap-c
func TestTokenRoundTrips(t *testing.T) {
	with, without := firstMessage(t, true), firstMessage(t, false)
	if with != latency || without != 4*latency {
		t.Errorf("the first message took %v with tokens, %v without; one way takes %v", with, without, latency)
	}
}

// TestTokenFallback: one side alone uses its token, the other begins a handshake;
// channels and messages of both get through.
func TestTokenFallback(t *testing.T) {
	cfg := setup{keepConnecting: true}
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, a: NewSession(Config{}), b: NewSession(Config{})}
		defer p.end()
		exchangeTokens(&cfg)(p)
		cfg.paramsA.DTLSClient = true
		cfg.paramsB.PeerInitToken = nil
		ca, cb := link(nil)
		a := value(p.a.CreateChannel("of a", nil))(t)
		a.OnOpen(func() {
			if err := a.SendText("from a"); err != nil {
				t.Error(err)
			}
		})
		check(t, p.a.Start(ca, cfg.paramsA))
		check(t, p.b.Start(cb, cfg.paramsB))
		check(t, p.a.WaitConnected(background))
		check(t, p.b.WaitConnected(background))
		b := value(p.b.CreateChannel("of b", nil))(t)
		wantMessage(t, p.accept(p.b), "from a", true)
		p.accept(p.a)
		settle()
		wantState(t, b, Open)
		if p.a.conn.Stats().SNAP || p.b.conn.Stats().SNAP {
			t.Error("SNAP by one side alone")
		}
	})
}

// TestTokenErrors: a token that is none is refused before anything begins.
func TestTokenErrors(t *testing.T) {
	s := NewSession(Config{})
	ca, cb := link(nil)
	defer ca.Close()
	defer cb.Close()
	var state *InvalidStateError
	if err := s.Start(ca, Params{PeerInitToken: []byte{1}}); !errors.As(err, &state) {
		t.Errorf("without InitToken: %v", err)
	}
	first, again := value(s.InitToken())(t), value(s.InitToken())(t)
	if string(first) != string(again) { // snap-d
		t.Error("two tokens")
	}
	var bad *sctp.InitTokenError
	if err := s.Start(ca, Params{PeerInitToken: []byte{1}}); !errors.As(err, &bad) {
		t.Errorf("with a bad token: %v", err)
	}
	if err := s.Start(ca, Params{PeerInitToken: first}); !errors.As(err, &bad) {
		t.Errorf("with its own token: %v", err)
	}
	s.Abort("")
	if _, err := NewSession(Config{SCTP: sctp.Config{MTU: 1}}).InitToken(); err == nil {
		t.Error("a bad configuration makes a token")
	}
}

// TestTokenCloseAtOnce: a session that was set up by tokens ends gracefully, however soon,
// and what was sent before arrives.
func TestTokenCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, a: NewSession(Config{}), b: NewSession(Config{})}
		defer p.end()
		cfg := setup{paramsA: Params{DTLSClient: true}}
		exchangeTokens(&cfg)(p)
		ca, cb := link(nil)
		a, b := p.negotiate(1, Init{})
		written := make(chan error, 1)
		go func() { written <- a.WriteMessage(background, []byte("hello"), true) }()
		synctest.Wait()
		check(t, p.b.Start(cb, cfg.paramsB))
		check(t, p.a.Start(ca, cfg.paramsA))
		check(t, p.a.Close())
		check(t, <-written)
		wantMessage(t, b, "hello", true)
		<-p.b.Done()
		check(t, p.b.Err())
	})
}
