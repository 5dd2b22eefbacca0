package sctpnet

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// begin returns a pair that is not established yet, except with tokens.
func begin(t *testing.T, tokens bool) *pair {
	t.Helper()
	var cfg [2]Config
	cfg[0].SCTP.Seed, cfg[1].SCTP.Seed = [32]byte{1}, [32]byte{2}
	for i := range cfg {
		token, err := sctp.InitToken(cfg[i].SCTP)
		if err != nil {
			t.Fatal(err)
		}
		if tokens {
			cfg[1-i].PeerInitToken = token
		}
	}
	pa, pb := pipe()
	p := &pair{t: t, pa: pa, pb: pb}
	var err error
	if p.b, err = New(pb, cfg[1], false); err != nil {
		t.Fatal(err)
	}
	if p.a, err = New(pa, cfg[0], true); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTokens: Conns with the INIT tokens of each other are established when they
// begin, and a message takes the time of one packet; the handshake takes two round
// trips. // snap-c
func TestTokens(t *testing.T) {
	arrival := func(t *testing.T, tokens bool) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			p := begin(t, tokens)
			defer p.end()
			write(t, p.a, message(1, 100, 0))
			read(t, p.b, 1)
			took = time.Since(start)
			if err := p.b.WaitConnected(background); err != nil {
				t.Error(err)
			}
			if p.b.Stats().SNAP != tokens {
				t.Errorf("SNAP %v", !tokens)
			}
		})
		return took
	}
	with, without := arrival(t, true), arrival(t, false)
	if with != latency || without-with != 2*2*latency {
		t.Errorf("a message took %v with tokens, %v without; a round trip takes %v", with, without, 2*latency)
	}
}

// TestBadToken: New refuses it and leaves the net.Conn alone.
func TestBadToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, pb := pipe()
		var bad *sctp.InitTokenError
		if _, err := New(pa, Config{PeerInitToken: []byte("no chunk")}, true); !errors.As(err, &bad) {
			t.Fatalf("New: %v", err)
		}
		if _, err := pa.Write(make([]byte, 20)); err != nil {
			t.Errorf("the net.Conn was closed: %v", err)
		}
		pa.Close()
		pb.Close()
	})
}
