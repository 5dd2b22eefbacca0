package usrsctp

import (
	"errors"
	"runtime"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// open lets usrsctp change everything about the streams.
var open = sctp.Config{
	OutboundStreams: 40, // of the 128 that usrsctp takes
	InboundStreams:  64,
	PeerReconfig:    sctp.ReconfigPolicy{OutboundStreams: 60, InboundStreams: 70, AllowAssociationReset: true},
}

// Each side asks the other to reset its outgoing streams, with messages on their way:
// they arrive before the reset, and what is sent afterwards behind it. // 6525-5.2.3-a
func TestRequestReset(t *testing.T) {
	need(t)
	t.Parallel()
	for name, conditions := range networks {
		for _, mode := range []string{conn, encapsulated} {
			t.Run("we/"+mode+"/"+name, func(t *testing.T) {
				t.Parallel()
				a, p := connect(t, testContext(t), setup{mode: mode, conditions: conditions})
				for round := range 3 {
					b := batch{first: 1, streams: 2, count: 6, size: 4000, seq: 100 * round}
					p.send(b)
					p.next("send-done")
					if err := a.RequestReset(1, 2); err != nil {
						t.Fatal(err)
					}
					arrivals, err := a.receive(b)
					if err != nil {
						t.Fatal(err)
					}
					b.check(t, arrivals)
					wantEOF(t, a, 1)
					wantEOF(t, a, 2)
					p.wantReset("out", 1, 2)
				}
			})
			t.Run("usrsctp/"+mode+"/"+name, func(t *testing.T) {
				t.Parallel()
				a, p := connect(t, testContext(t), setup{mode: mode, conditions: conditions, role: theyConnect})
				for round := range 3 {
					b := batch{first: 1, streams: 2, count: 6, size: 4000, seq: 100 * round}
					if err := a.send(b); err != nil {
						t.Fatal(err)
					}
					b.check(t, p.receive(b))
					p.do("resetin 1 2")
					// Asked while an acknowledgement is under way we answer "in progress",
					// which usrsctp takes for a failure, and do it all the same.
					for range b.streams {
						a.await(sctp.EventStreamResetAsked)
						a.await(sctp.EventStreamResetDone)
					}
					p.wantReset("in", 1, 2)
				}
			})
		}
	}
}

// Streams are added in both directions at the wish of each side, and used; what
// the other does not grant is refused. // 6525-5.2.5-a
func TestAddStreams(t *testing.T) {
	need(t)
	t.Parallel()
	for name, conditions := range networks {
		t.Run("we/"+name, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), setup{conditions: conditions, cfg: open})
			if err := a.AddStreams(6, 4); err != nil {
				t.Fatal(err)
			}
			a.await(sctp.EventStreamsAdded)
			a.await(sctp.EventStreamsAdded)
			wantStreams(t, a, 46, 68)
			exchange(t, a, p, batch{first: 40, streams: 6, count: 12, size: 3000})
			p.send(batch{first: 64, streams: 4, count: 8, size: 3000})
			if _, err := a.receive(batch{first: 64, streams: 4, count: 8, size: 3000}); err != nil {
				t.Fatal(err)
			}
			if err := a.AddStreams(1000, 0); err != nil { // more than usrsctp was told to take
				t.Fatal(err)
			}
			var refused *sctp.ReconfigError
			e := a.await(sctp.EventReconfigFailed)
			if !errors.As(e.Err, &refused) || *refused != (sctp.ReconfigError{Request: sctp.AddOutgoing, Result: 2}) {
				t.Errorf("%+v", e)
			}
			wantStreams(t, a, 46, 68)
		})
		t.Run("usrsctp/"+name, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), setup{conditions: conditions, cfg: open, role: theyConnect})
			p.do("add 0 6") // outgoing
			p.want("streams", "0", "40", "70")
			a.await(sctp.EventStreamsAdded)
			p.do("add 5 0") // incoming
			p.want("streams", "0", "45", "70")
			a.await(sctp.EventStreamsAdded)
			wantStreams(t, a, 45, 70)
			exchange(t, a, p, batch{first: 40, streams: 5, count: 10, size: 3000})
			p.do("add 0 1")
			p.want("streams", "4", "45", "70") // 4 is denied
		})
	}
}

// wantStreams checks how many streams there are.
func wantStreams(t *testing.T, a *assoc, out, in int) {
	t.Helper()
	if o, i := a.OutboundStreams(), a.InboundStreams(); o != out || i != in {
		t.Errorf("%d outgoing and %d incoming streams, want %d and %d", o, i, out, in)
	}
}

// The association is reset by either side, and denied by default. usrsctp keeps its TSNs
// and those of its peer badly apart afterwards, and often cannot send any
// more, so only we do. // 6525-5.2.4-a
func TestResetAssociation(t *testing.T) {
	need(t)
	t.Parallel()
	b := batch{first: 1, streams: 3, count: 9, size: 3000}
	for _, who := range []string{"we", "usrsctp"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), setup{cfg: open})
			if err := a.send(b); err != nil {
				t.Fatal(err)
			}
			b.check(t, p.receive(b))
			if who == "we" {
				if err := a.ResetAssociation(); err != nil {
					t.Fatal(err)
				}
			} else {
				acknowledged(t, a)
				p.do("resetassoc")
			}
			a.await(sctp.EventAssociationReset)
			p.want("assocreset", "0")
			after := b
			after.seq += 100
			if err := a.send(after); err != nil {
				t.Fatal(err)
			}
			after.check(t, p.receive(after))
		})
	}
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		a, p := connect(t, testContext(t), setup{})
		p.do("resetassoc")
		p.want("assocreset", "4")
		exchange(t, a, p, b)
	})
}

// acknowledged waits until the peer has acknowledged all that we sent.
func acknowledged(t *testing.T, a *assoc) {
	t.Helper()
	for a.Stats().SendBuffered > 0 {
		if a.ctx.Err() != nil {
			t.Fatal("usrsctp does not acknowledge everything")
		}
		runtime.Gosched()
	}
}
