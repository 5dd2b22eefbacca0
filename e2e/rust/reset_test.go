package rust

import (
	"errors"
	"io"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// TestReset: streams are reset by one side and then the other, as data channels are
// closed, and used again. What was sent before arrives before, what is sent after behind.
func TestReset(t *testing.T) {
	for _, crate := range []string{"dcsctp", "sctp-proto"} {
		for _, who := range []string{"we", "they"} {
			for name, conditions := range map[string]*netsim.Conditions{"good network": nil, "bad network": link.Lossy} {
				t.Run(crate+"/"+who+"/"+name, func(t *testing.T) {
					t.Parallel()
					p := connect(t, setup{crate: crate, conditions: conditions})
					for round := range 4 {
						p.exchange(batch{first: 1, streams: 2, count: 6, size: 4000, seq: 1000 * round})
						p.resetBoth(crate, who == "we", round)
					}
				})
			}
		}
	}
}

// resetBoth resets streams 1 and 2 in both directions.
func (p *pair) resetBoth(crate string, weBegin bool, round int) {
	p.t.Helper()
	// sctp-proto answers our reset with one more of what it has reset already. That is
	// not reported, unless it got lost and comes again when we have begun to send anew
	// and nothing new of the peer has arrived.
	p.repeats = crate == "sctp-proto" && !weBegin
	n := 2 * (round + 1)
	if weBegin {
		if err := p.ResetStreams(1, 2); err != nil {
			p.t.Fatal(err)
		}
		p.next("reset in 1")
		p.next("reset in 2")
		if crate == "dcsctp" { // the other resets its side by itself
			p.do("reset 1 2")
		}
		p.await(sctp.EventStreamReset, n)
	} else {
		p.do("reset 1 2")
		p.await(sctp.EventStreamReset, n)
		if err := p.ResetStreams(1, 2); err != nil {
			p.t.Fatal(err)
		}
		p.next("reset in 1")
		p.next("reset in 2")
		p.await(sctp.EventStreamReset, n)
	}
	p.await(sctp.EventStreamResetDone, n)
	p.next("reset out 1")
	p.next("reset out 2")
	for i := range uint16(2) {
		if err := p.weReceived(1+i%2, newTally(batch{})); !errors.Is(err, io.EOF) {
			p.t.Fatalf("stream %d ends with %v", 1+i%2, err)
		}
	}
}
