package e2e

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// An echoFlow sends numbered messages to a page that echoes them, a few ahead,
// and notes what comes back.
type echoFlow struct {
	p    *pair
	ch   *goChannel
	mu   sync.Mutex
	sent uint32
	back uint32
	err  error
}

// startEcho keeps messages going round for as long as the test lasts.
func (p *pair) startEcho(label string) *echoFlow {
	p.t.Helper()
	f := &echoFlow{p: p, ch: p.golang.opened(label)}
	p.page.page.do(nil, "lab.echo(args[0])", p.page.key(label))
	p.golang.note(func() { f.ch.onData = f.received })
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 8 {
		f.send()
	}
	return f
}

// send sends the next message; f.mu is held.
func (f *echoFlow) send() {
	f.sent++
	message := make([]byte, 1000)
	binary.BigEndian.PutUint32(message, f.sent)
	if err := f.ch.Send(message); err != nil {
		f.err = err
	}
}

func (f *echoFlow) received(m datachannel.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.back++
	if got := binary.BigEndian.Uint32(m.Data); got != f.back {
		f.err = fmt.Errorf("message %d came back, want %d", got, f.back)
	}
	f.send()
}

// goesOn waits for a thousand more messages.
func (f *echoFlow) goesOn(when string) {
	f.p.t.Helper()
	state := func() (uint32, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.back, f.err
	}
	from, _ := state()
	f.p.golang.until("messages have gone round "+when, func() bool {
		back, err := state()
		return err != nil || back >= from+1000
	})
	if _, err := state(); err != nil {
		f.p.t.Fatalf("%s: %v", when, err)
	}
}

// TestRestartICE restarts ICE from Go and from the page, trickled and not, while
// messages go round: none is lost, the association stays, the path is a new one.
func TestRestartICE(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, true, sluice.Config{})
		p.connectWith("data")
		f := p.startEcho("data")
		f.goesOn("before")
		for i, byGo := range []bool{true, false, false, true} {
			for _, trickle := range []bool{false, true} {
				what := fmt.Sprintf("restart %d, by Go %v, trickle %v", i, byGo, trickle)
				before := p.golang.pc.Stats().Transport
				p.golang.note(func() { p.golang.local, p.golang.gathered = nil, false })
				p.page.page.do(nil, "lab.regather(args[0])", p.page.name)
				if byGo {
					p.golang.pc.RestartICE()
				} else {
					p.page.page.do(nil, "lab.restart(args[0])", p.page.name)
				}
				p.goOffer = byGo
				p.connect(relay{trickle: trickle})
				f.goesOn("during " + what)
				p.golang.until("data has moved in "+what, func() bool {
					return p.golang.pc.Stats().Transport.ICELocalUsernameFragment != before.ICELocalUsernameFragment
				})
				f.goesOn("after " + what)
			}
		}
		if s := p.golang.pc.ICEConnectionState(); s != sluice.ICEConnectionStateConnected {
			t.Errorf("ICE is %s", s)
		}
	})
}

// TestRestartRollback takes back an offer to restart: everything goes on.
func TestRestartRollback(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, true, sluice.Config{})
		p.connectWith("data")
		f := p.startEcho("data")
		p.golang.pc.RestartICE()
		d, err := p.golang.describe(p.ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		rollback := description{Type: "rollback"}
		if err := p.page.accept(p.ctx, d); err != nil {
			t.Fatal(err)
		}
		if err := p.page.accept(p.ctx, rollback); err != nil {
			t.Fatal(err)
		}
		if err := p.golang.pc.SetLocalDescription(sluice.SessionDescription{Type: sluice.SDPTypeRollback}); err != nil {
			t.Fatal(err)
		}
		f.goesOn("after the rollback")
	})
}

// TestHandover has another peer of the page answer an offer of Go's that restarts ICE: a second
// association takes the place of the first, and is renegotiated and handed over in turn.
// web-platform-tests: protocol/handover-datachannel.html.
func TestHandover(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, true, sluice.Config{})
		first := p.connectWith("0")
		for i, trickle := range []bool{false, true} {
			p.golang.note(func() { p.golang.local, p.golang.gathered = nil, false })
			p.page = p.page.page.newPeer(fmt.Sprint("next", i))
			p.golang.pc.RestartICE()
			p.goOffer = true
			p.connect(relay{trickle: trickle})
			p.golang.until("the old channel is closed", func() bool { return first.ReadyState() == datachannel.Closed })
			label := fmt.Sprint(i + 1)
			p.page.open(label, channelInit{})
			p.page.opened(label)
			first = p.golang.opened(label)
			f := p.startEcho(label)
			f.goesOn("after the handover")
			p.renegotiate(false, relay{})
			f.goesOn("after an offer of the page")
		}
	})
}
