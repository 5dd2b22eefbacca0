package e2e

import (
	"context"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// A pair is a browser and Go about to be connected.
type pair struct {
	t       *testing.T
	ctx     context.Context
	page    *pagePeer
	golang  *goPeer
	goOffer bool
}

// newPair makes both ends, in a fresh page.
func newPair(t *testing.T, b *browser.Browser, goOffer bool, cfg sluice.Config) *pair {
	t.Helper()
	ctx := testContext(t)
	return &pair{
		t: t, ctx: ctx, goOffer: goOffer,
		page:   openPage(t, ctx, b).newPeer("p"),
		golang: newGoPeer(t, ctx, cfg),
	}
}

// connect lets the side that offers make its offer and the other answer it.
// One of them must have a channel by then, else there is nothing to offer.
func (p *pair) connect(r relay) {
	p.t.Helper()
	if p.goOffer {
		r.connect(p.t, p.ctx, p.golang, p.page)
	} else {
		r.connect(p.t, p.ctx, p.page, p.golang)
	}
}

// offererOpens makes the offering side open a channel.
func (p *pair) offererOpens(label string) {
	p.t.Helper()
	if p.goOffer {
		p.golang.open(label, channelInit{})
	} else {
		p.page.open(label, channelInit{})
	}
}

// connectWith opens a channel by the offering side, connects, and waits until
// both ends have the channel open.
func (p *pair) connectWith(label string) *goChannel {
	p.t.Helper()
	p.offererOpens(label)
	p.connect(relay{})
	p.page.opened(label)
	return p.golang.opened(label)
}

// eachRole runs the test in every browser, with the browser's offer and with
// Go's.
func eachRole(t *testing.T, test func(t *testing.T, b *browser.Browser, goOffer bool)) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		t.Run("browser offers", func(t *testing.T) { test(t, b, false) })
		t.Run("Go offers", func(t *testing.T) { test(t, b, true) })
	})
}
