package rust

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// TestTokens sets an association up by INIT tokens, and by one alone: then the peer
// makes a handshake all the same, with data of ours on its way. // snap-c snap-d
func TestTokens(t *testing.T) {
	for _, both := range []bool{true, false} {
		t.Run(map[bool]string{true: "both", false: "they fall back"}[both], func(t *testing.T) {
			t.Parallel()
			p := prepare(t, setup{crate: "sctp-proto"})
			theirs, err := hex.DecodeString(p.next("token"))
			if err != nil {
				t.Fatal(err)
			}
			p.cfg.SCTP.Seed, p.cfg.PeerInitToken = [32]byte{1}, theirs
			ours, err := sctp.InitToken(p.cfg.SCTP)
			if err != nil {
				t.Fatal(err)
			}
			if both {
				p.do("token %x", ours)
				p.next("up")
				p.begin(true)
			} else {
				p.begin(true)
				if err := p.weSend(batch{streams: 1, count: 1, size: 100}); err != nil {
					t.Fatal(err)
				}
				p.do("connect")
				p.theyReceived(newTally(batch{streams: 1, count: 1, size: 100}))
			}
			p.exchange(batch{first: 1, streams: 3, count: 30, size: 3000})
			if snap := p.Stats().SNAP; snap != both {
				t.Errorf("SNAP %v", snap)
			}
		})
	}
}

// TestHandover hands our side over to another Conn, again and again, and the peer
// notices nothing.
func TestHandover(t *testing.T) {
	for _, crate := range []string{"dcsctp", "sctp-proto"} {
		t.Run(crate, func(t *testing.T) {
			t.Parallel()
			p := connect(t, setup{crate: crate, conditions: link.Lossy})
			for round := range 4 {
				p.exchange(batch{first: 1, streams: 3, count: 30, size: 3000, seq: 1000 * round})
				state := p.handOver()
				var err error
				if p.Conn, err = sctpnet.Resume(p.way, p.cfg, state); err != nil {
					t.Fatal(err)
				}
			}
			p.exchange(batch{first: 1, streams: 3, count: 30, size: 3000, seq: 9000})
			if err := p.Shutdown(p.ctx); err != nil {
				t.Errorf("our side ends with %v", err)
			}
		})
	}
}

// handOver waits until the association is ready, and hands it over.
func (p *pair) handOver() []byte {
	p.t.Helper()
	for {
		state, err := p.Handover()
		var notReady *sctp.HandoverError
		switch {
		case err == nil:
			return state
		case !errors.As(err, &notReady):
			p.t.Fatal(err)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-p.ctx.Done():
			p.t.Fatal("never ready: ", err)
		}
	}
}
