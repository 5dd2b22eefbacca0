package usrsctp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// A graceful end delivers all that was sent before it, in both directions, whoever
// begins it.
func TestShutdown(t *testing.T) {
	need(t)
	t.Parallel()
	for _, who := range []string{"we", "usrsctp", "both"} {
		for name, conditions := range networks {
			if who != "usrsctp" && conditions != nil {
				continue // see wantGraceful
			}
			t.Run(who+"/"+name, func(t *testing.T) {
				t.Parallel()
				a, p := connect(t, testContext(t), setup{conditions: conditions})
				b := batch{streams: 4, count: 40, size: 10_000}
				received := make(chan []arrival, 1)
				go func() { received <- a.receiveAll(t, b) }()
				p.send(b)
				if err := a.send(b); err != nil {
					t.Fatal(err)
				}
				if who != "we" {
					p.do("shutdown")
				} else {
					p.next("send-done") // its peer shuts down, and nothing more is accepted
				}
				if who != "usrsctp" {
					a.StartShutdown()
				}
				b.check(t, p.receive(b))
				wantGraceful(t, a, p)
				b.check(t, <-received)
			})
		}
	}
}

// An abort ends the other side at once, with its reason, also while data is under way.
func TestAbort(t *testing.T) {
	need(t)
	t.Parallel()
	const reason = "the dog ate it"
	b := batch{streams: 2, count: 50, size: 20_000}
	t.Run("we", func(t *testing.T) {
		t.Parallel()
		a, p := connect(t, testContext(t), setup{})
		if err := a.send(b); err != nil {
			t.Fatal(err)
		}
		a.Abort(reason)
		var aborted *sctp.AbortedError
		if err := a.ends(); !errors.As(err, &aborted) || aborted.Info != reason {
			t.Errorf("our side ends with %v", err)
		}
		// usrsctp reports the chunk: ABORT with cause 12.
		words := p.next("lost")
		want := fmt.Sprintf("0600%04x000c%04x%s", 8+len(reason), 4+len(reason), hex.EncodeToString([]byte(reason)))
		if got := words[len(words)-1]; !strings.HasPrefix(got, want) {
			t.Errorf("usrsctp saw %s, want %s", got, want)
		}
	})
	t.Run("usrsctp", func(t *testing.T) {
		t.Parallel()
		a, p := connect(t, testContext(t), setup{})
		p.send(b)
		p.next("send-done")
		p.do("abort %s", reason)
		var aborted *sctp.PeerAbortError
		if err := a.ends(); !errors.As(err, &aborted) || *aborted != (sctp.PeerAbortError{Code: 12, Info: reason}) {
			t.Errorf("our side ends with %v", err)
		}
		p.next("end")
	})
}
