package usrsctp

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// networks are the networks of tests that must hold on any.
var networks = map[string]*netsim.Conditions{"good network": nil, "bad network": link.Lossy}

// Streams are reset by each side and both at once, right behind what was sent on them,
// and their identifiers used again (RFC 6525): what was sent before a reset arrives
// before it, what is sent after it behind it, and a stream beside them notices nothing.
func TestReset(t *testing.T) {
	need(t)
	t.Parallel()
	for _, who := range []string{"we", "usrsctp", "both"} {
		for name, conditions := range networks {
			t.Run(who+"/"+name, func(t *testing.T) {
				t.Parallel()
				a, p := connect(t, testContext(t), setup{conditions: conditions})
				beside := batch{first: 9, streams: 1, count: 150, size: 2000, seq: 1 << 20}
				p.send(beside)
				for round := range 3 {
					resetRound(t, a, p, who, batch{first: 1, streams: 2, count: 6, size: 4000, seq: 1000 * round})
				}
				arrivals, err := a.receive(beside)
				if err != nil {
					t.Fatal(err)
				}
				beside.check(t, arrivals)
			})
		}
	}
}

// resetRound sends the batch both ways and resets its streams, 1 and 2.
func resetRound(t *testing.T, a *assoc, p *peer, who string, b batch) {
	t.Helper()
	p.send(b)
	if err := a.send(b); err != nil {
		t.Fatal(err)
	}
	if who != "usrsctp" {
		if err := a.ResetStreams(1, 2); err != nil {
			t.Fatal(err)
		}
	}
	if who != "we" {
		p.do("reset 1 2")
	}
	b.check(t, p.receive(b))
	arrivals, err := a.receive(b)
	if err != nil {
		t.Fatal(err)
	}
	b.check(t, arrivals)

	if who != "usrsctp" {
		a.await(sctp.EventStreamResetDone)
		a.await(sctp.EventStreamResetDone)
		p.wantReset("in", 1, 2)
	}
	if who != "we" {
		a.await(sctp.EventStreamReset)
		a.await(sctp.EventStreamReset)
		p.wantReset("out", 1, 2)
		wantEOF(t, a, 1)
		wantEOF(t, a, 2)
	}
}

// wantReset waits until usrsctp has reported the reset of all streams, in one report or
// several.
func (p *peer) wantReset(direction string, streams ...int) {
	p.t.Helper()
	var got []int
	for len(got) < len(streams) {
		for _, word := range p.next("reset-" + direction) {
			got = append(got, number(p.t, word))
		}
	}
	if slices.Sort(got); !slices.Equal(got, streams) {
		p.t.Fatalf("usrsctp reports resets (%s) of %v, want %v", direction, got, streams)
	}
}

// wantEOF checks that nothing is left on the stream before its reset.
func wantEOF(t *testing.T, a *assoc, stream uint16) {
	t.Helper()
	if m, err := a.next(stream); !errors.Is(err, io.EOF) {
		t.Fatalf("stream %d: read %+v, %v, want io.EOF", stream, m, err)
	}
}
