package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
	"github.com/sluice-rtc/sluice/internal/wpt"
)

// TestWPTRows runs the table of package wpt with a page of each browser at one end and Go at
// the other, both ways round. Rows of kind Alone have one end: here it is the page, in TestWPTRows of
// the root package it is Go. All rows share a page; each has connections of its own.
func TestWPTRows(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		page := openPage(t, testContext(t), b)
		for i, run := range wpt.Runs() {
			for _, near := range []string{"browser", "Go"} {
				if run.Kind == wpt.Alone && near == "Go" {
					continue
				}
				t.Run(fmt.Sprintf("%s, near is %s", run.Name(), near), func(t *testing.T) {
					r := &wptRow{T: t, run: run, goNear: near == "Go", name: fmt.Sprint(near, " ", i), page: page}
					if d := differenceOf(differences[b.Kind], r); d != nil {
						r.differs(d, false)
					} else if d := differenceOf(rarities[b.Kind], r); d != nil {
						r.differs(d, true)
					} else {
						r.try(t)
					}
				})
			}
		}
	})
}

// A wptRow is a row of package wpt about to be run with a browser.
type wptRow struct {
	*testing.T
	run    wpt.Run
	goNear bool
	name   string // of the peer in the page
	page   *page
}

// differs runs a row that the browser does not keep: it has to fail as the difference says, or may
// where it does so rarely.
func (r *wptRow) differs(d *difference, rarely bool) {
	rec := &recorder{T: r.T}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.try(rec)
	}()
	<-done
	seen := make(map[string]bool)
	for _, failure := range rec.failures {
		i := slices.IndexFunc(d.shows, func(s string) bool { return strings.Contains(failure, s) })
		if i < 0 {
			r.Error(failure)
			continue
		}
		seen[d.shows[i]] = true
		r.Logf("%s: %s", d.why, failure)
	}
	if rarely && len(seen) == 0 {
		return
	} else if rarely && !r.Failed() {
		r.Skip("not kept this time")
	}
	for _, s := range d.shows {
		if !seen[s] {
			r.Errorf("it does not show that %s: no failure has %q", d.why, s)
		}
	}
}

// A recorder is the wpt.T of a row that is expected to fail.
type recorder struct {
	*testing.T
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// try runs the row.
func (r *wptRow) try(t wpt.T) {
	ctx := testContext(r.T)
	in := (&page{Page: r.page.Page, t: r.T, ctx: ctx}).newPeer(r.name)
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTime)
		defer cancel()
		if r.Failed() {
			var report json.RawMessage
			err := r.page.Eval(ctx, &report, "return lab.report()")
			r.Logf("page: %s %v", report, err)
		}
		if err := r.page.Eval(ctx, nil, "lab.closePeer(...args); wpt.forget(...args)", r.name); err != nil {
			r.Errorf("forgetting the peer: %v", err)
		}
	})
	p := &wptPair{pair: pair{t: r.T, ctx: ctx, page: in, golang: newGoPeer(r.T, ctx, sluice.Config{}), goOffer: r.goNear}}
	ours := wpt.NewGoEnd(t, p.golang.pc, func() (string, float64, int) { return wpt.SCTP(p.golang.pc.SCTP()) })
	c := &wpt.Case{
		T: t, Near: newPageEnd(t, in), Far: ours, Negotiated: r.run.Negotiated,
		Connect: p.connect, Settle: p.settle, Restart: p.restart, Most: 1<<18 + 1, Stress: 6,
	}
	if r.goNear {
		c.Near, c.Far = c.Far, c.Near
	}
	r.run.Run(c)
}

// A wptPair is a pair with a channel of its own, the pulse, which the page echoes.
type wptPair struct {
	pair
	pulse *datachannel.Channel
	beats chan struct{}
}

// pulseID is the identifier of the pulse, which no row uses.
const pulseID = 200

// connect connects the ends, and waits until both have an association, which the pulse tells.
func (p *wptPair) connect() {
	p.t.Helper()
	var err error
	p.pulse, err = p.golang.pc.CreateDataChannel("", &datachannel.Init{Negotiated: true, ID: ptr[uint16](pulseID)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.beats = make(chan struct{}, 1)
	p.pulse.OnMessage(func(datachannel.Message) { p.beats <- struct{}{} })
	p.page.page.do(nil, "wpt.pulse(...args)", p.page.name, pulseID)
	p.negotiate(func() {})
	if err := p.pulse.WaitOpen(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	p.beat()
}

// negotiate makes an offer and an answer, and calls step after each time that one is set. A page
// that offers does not wait for its candidates, which takes a while: Go learns them from the page's
// checks.
func (p *wptPair) negotiate(step func()) {
	p.t.Helper()
	offerer, answerer := peer(p.page), peer(p.golang)
	if p.goOffer {
		offerer, answerer = answerer, offerer
	}
	for _, way := range [][2]peer{{offerer, answerer}, {answerer, offerer}} {
		d, err := way[0].describe(p.ctx, !p.goOffer && way[0] == offerer)
		if err != nil {
			p.t.Fatal(err)
		}
		step()
		if err := way[1].accept(p.ctx, d); err != nil {
			p.t.Fatal(err)
		}
		step()
	}
}

// beat makes one round trip, of which the page's half takes some tasks. It reports whether
// there is a connection.
func (p *wptPair) beat() bool {
	p.t.Helper()
	if p.pulse == nil || p.pulse.SendText("beat") != nil {
		return false
	}
	select {
	case <-p.beats:
		return true
	case <-p.pulse.Done():
		return false
	case <-p.ctx.Done():
		p.t.Fatal("the page does not echo")
		return false
	}
}

// settle lets happen what is under way: closing a channel takes two round trips.
func (p *wptPair) settle() {
	p.t.Helper()
	for range 4 {
		p.beat()
	}
	p.page.page.do(nil, "return wpt.turns(...args)", 4)
}

// restart restarts ICE by an offer of the near end.
func (p *wptPair) restart(step func()) {
	p.t.Helper()
	before := p.golang.pc.Stats().Transport.ICELocalUsernameFragment
	if p.goOffer {
		p.golang.pc.RestartICE()
	} else {
		p.page.page.do(nil, "lab.restart(args[0])", p.page.name)
	}
	p.negotiate(step)
	for p.golang.pc.Stats().Transport.ICELocalUsernameFragment == before {
		if !p.beat() {
			p.t.Fatal("the connection ends with the restart")
		}
	}
}
