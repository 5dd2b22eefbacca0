package e2e

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// never is a timeout that cannot be the reason why a test passes.
const never = time.Hour

// TestCloseChannel closes a channel from each side, right after messages: all
// of them arrive, the other side sees closing (unless it is a browser older than
// that event) and close, this side close only, and the rest of the connection goes on.
func TestCloseChannel(t *testing.T) {
	var want []message
	for i := range 20 {
		want = append(want, testMessage{Size: 10000, Seed: uint32(i + 1)}.want())
	}
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		for _, goCloses := range []bool{false, true} {
			t.Run("by "+side(goCloses), func(t *testing.T) {
				p := newPair(t, b, goOffer, sluice.Config{})
				p.connectWith("stays")
				p.page.open("goes", channelInit{})
				p.page.opened("goes")
				ch := p.golang.opened("goes")
				for i := range want {
					m := testMessage{Size: 10000, Seed: uint32(i + 1)}
					if goCloses {
						p.golang.send("goes", m)
					} else {
						p.page.send("goes", m)
					}
				}
				closer, other := []string{"close"}, []string{"closing", "close"}
				if goCloses {
					if !p.page.page.knowsClosing() {
						other = closer
					}
					if err := ch.Close(); err != nil {
						t.Fatal(err)
					}
					p.wantReceived(p.page.receive("goes", len(want)), want)
					p.wantEvents("the page", p.page.closed("goes"), other)
					p.wantEvents("Go", p.golang.closed("goes"), closer)
				} else {
					p.page.close("goes")
					p.wantReceived(p.golang.receive("goes", len(want)), want)
					p.wantEvents("Go", p.golang.closed("goes"), other)
					p.wantEvents("the page", p.page.closed("goes"), closer)
				}
				p.exchange("stays")
			})
		}
	})
}

func (p *pair) wantReceived(got, want []message) {
	p.t.Helper()
	if !slices.Equal(got, want) {
		p.t.Errorf("received %+v, want %+v", got, want)
	}
}

// wantEvents checks a channel's events; whether it saw open depends on who
// made it.
func (p *pair) wantEvents(who string, got, want []string) {
	p.t.Helper()
	got = slices.DeleteFunc(got, func(e string) bool { return e == "open" || e == "bufferedamountlow" })
	if !slices.Equal(got, want) {
		p.t.Errorf("%s saw %v, want %v", who, got, want)
	}
}

// TestReopen closes channels and opens others in their place, several times.
func TestReopen(t *testing.T) {
	const rounds = 4
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		for _, c := range []struct {
			desc string
			init channelInit
		}{
			{"in band", channelInit{}},
			{"negotiated", channelInit{Negotiated: true, ID: ptr[uint16](9)}},
		} {
			t.Run(c.desc, func(t *testing.T) {
				p := newPair(t, b, goOffer, sluice.Config{})
				p.connectWith("stays")
				for round := range rounds {
					goTurn := round%2 == 1
					label := fmt.Sprint("round ", round)
					if goTurn || c.init.Negotiated {
						p.golang.open(label, c.init)
					}
					if !goTurn || c.init.Negotiated {
						p.page.open(label, c.init)
					}
					inPage := p.page.opened(label)
					if inGo := p.golang.opened(label).properties(); !reflect.DeepEqual(inGo, inPage) {
						t.Errorf("Go has %+v, the page %+v", inGo, inPage)
					}
					p.exchange(label)
					if goTurn {
						p.page.close(label)
					} else if err := p.golang.opened(label).Close(); err != nil {
						t.Fatal(err)
					}
					p.page.closed(label)
					p.golang.closed(label)
				}
				p.exchange("stays")
			})
		}
	})
}

// TestCloseConnection ends the connection from each side, in each way there
// is. The other side hears of it; no ICE timeout has to tell.
func TestCloseConnection(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		cfg := sluice.Config{ICEDisconnectedTimeout: never, ICEFailedTimeout: never}
		t.Run("by Go", func(t *testing.T) {
			p := newPair(t, b, goOffer, cfg)
			ch := p.connectWith("data")
			if err := p.golang.pc.Close(); err != nil {
				t.Fatal(err)
			}
			if got := ch.ReadyState(); got != datachannel.Closed { // W3C webrtc-pc, section 4.4.3: without an event
				t.Errorf("the channel is %v after Close", got)
			}
			p.page.closed("data")
		})
		t.Run("by the browser", func(t *testing.T) {
			p := newPair(t, b, goOffer, cfg)
			p.connectWith("data")
			p.page.page.do(nil, "lab.closePeer(args[0])", p.page.name)
			p.golang.closed("data")
			p.golang.state(sluice.ConnectionStateClosed, sluice.ConnectionStateFailed, sluice.ConnectionStateDisconnected)
		})
	})
}

// TestReload reloads the page: Go sees the end of the connection, and the page
// can connect anew.
func TestReload(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{})
		p.connectWith("data")
		if err := p.page.page.Reload(p.ctx); err != nil {
			t.Fatal(err)
		}
		p.golang.closed("data")

		again := &pair{t: t, ctx: p.ctx, goOffer: goOffer, page: p.page.page.newPeer("p"), golang: newGoPeer(t, p.ctx, sluice.Config{})}
		again.connectWith("data")
		again.exchange("data")
	})
}

// TestBrowserKilled kills the browser, which says nothing to anybody: ICE finds
// out. The channel stays open, since an ICE restart could bring the connection
// back, until Close.
func TestBrowserKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range browser.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // mostly waits for the browser's start
			b, err := browser.Start(testContext(t), kind, browser.Options{})
			check(t, err)
			t.Cleanup(func() { _ = b.Close() })
			p := newPair(t, b, false, sluice.Config{
				ICEDisconnectedTimeout: time.Second, ICEFailedTimeout: time.Second, ICEKeepaliveInterval: 200 * time.Millisecond})
			p.connectWith("data")
			p.exchange("data")
			b.Kill()
			p.golang.state(sluice.ConnectionStateDisconnected)
			p.golang.state(sluice.ConnectionStateFailed)
		})
	}
}
