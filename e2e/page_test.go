package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// A page is a fresh bare page of a browser, for one test.
type page struct {
	*browser.Page
	t   *testing.T
	ctx context.Context
}

// openPage opens a bare page, which is closed with the test. If the test fails
// it logs what the page knows.
func openPage(t *testing.T, ctx context.Context, b *browser.Browser) *page {
	t.Helper()
	p, err := b.Open(ctx, lab, "/lab.html")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The context of the test has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if t.Failed() {
			var report json.RawMessage
			if err := p.Eval(ctx, &report, "return lab.report()"); err != nil {
				t.Logf("no report of the page: %v", err)
			}
			t.Logf("page: %s\nconsole: %s", report, strings.Join(p.Complaints(), "\n"))
		}
		if err := p.Close(ctx); err != nil && b.Alive() {
			t.Errorf("closing the page: %v", err)
		}
	})
	return &page{Page: p, t: t, ctx: ctx}
}

// do runs js in the page and fails the test if that fails.
func (p *page) do(out any, js string, args ...any) {
	p.t.Helper()
	if err := p.Eval(p.ctx, out, js, args...); err != nil {
		p.t.Fatal(err)
	}
}

// An element is what a test wants to know of an element of the page.
type element struct {
	Data map[string]string // its data- attributes
	Text string            // of its .text, if it has one, else its own
}

// find waits for the first element that the selector matches.
func (p *page) find(selector string, args ...any) element {
	p.t.Helper()
	return p.look(fmt.Sprintf(selector, args...), true)
}

// findNone waits until the selector matches nothing.
func (p *page) findNone(selector string, args ...any) {
	p.t.Helper()
	p.look(fmt.Sprintf(selector, args...), false)
}

func (p *page) look(selector string, there bool) (e element) {
	p.t.Helper()
	const js = `const [selector, there] = args;
		return new Promise((resolve, reject) => {
			const look = () => {
				const found = document.querySelector(selector);
				if (!!found !== there) return;
				observer.disconnect();
				resolve(found && {data: {...found.dataset}, text: (found.querySelector('.text') || found).textContent});
			};
			const observer = new MutationObserver(look);
			observer.observe(document, {attributes: true, characterData: true, childList: true, subtree: true});
			look();
		});`
	p.do(&e, js, selector, there)
	return e
}

// knowsClosing reports whether the browser has the event closing, which older
// versions of Firefox lack.
func (p *page) knowsClosing() (knows bool) {
	p.t.Helper()
	p.do(&knows, "return 'onclosing' in RTCDataChannel.prototype")
	return knows
}

// A pagePeer is an RTCPeerConnection of a page.
type pagePeer struct {
	page *page
	name string
}

// newPeer makes an RTCPeerConnection in the page.
func (p *page) newPeer(name string) *pagePeer {
	p.t.Helper()
	return p.newPeerWith(name, nil)
}

// newPeerWith makes one with an RTCConfiguration.
func (p *page) newPeerWith(name string, configuration any) *pagePeer {
	p.t.Helper()
	p.do(nil, "lab.create(...args)", name, configuration)
	return &pagePeer{page: p, name: name}
}

func (p *pagePeer) describe(ctx context.Context, trickle bool) (d description, err error) {
	err = p.page.Eval(ctx, &d, "return lab.describe(...args)", p.name, trickle)
	return d, err
}

func (p *pagePeer) accept(ctx context.Context, d description) error {
	return p.page.Eval(ctx, nil, "return lab.accept(...args)", p.name, d)
}

func (p *pagePeer) candidates(ctx context.Context, f func(candidate) error) error {
	for n := 0; ; {
		var next struct {
			Candidates []candidate
			Done       bool
		}
		if err := p.page.Eval(ctx, &next, "return lab.candidates(...args)", p.name, n); err != nil {
			return err
		}
		for _, c := range next.Candidates {
			if err := f(c); err != nil {
				return err
			}
		}
		n += len(next.Candidates)
		if next.Done {
			return nil
		}
	}
}

func (p *pagePeer) addCandidate(ctx context.Context, c candidate) error {
	return p.page.Eval(ctx, nil, "return lab.addCandidate(...args)", p.name, c)
}

func (p *pagePeer) rollback(ctx context.Context) error {
	return p.page.Eval(ctx, nil, "return lab.rollback(args[0])", p.name)
}

// key names a channel of the peer in the page.
func (p *pagePeer) key(label string) string { return p.name + "/" + label }

// A channelInit is an RTCDataChannelInit, in the page's words.
type channelInit struct {
	Ordered           *bool   `json:"ordered,omitempty"`
	MaxRetransmits    *uint16 `json:"maxRetransmits,omitempty"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime,omitempty"`
	Protocol          string  `json:"protocol,omitempty"`
	Negotiated        bool    `json:"negotiated,omitempty"`
	ID                *uint16 `json:"id,omitempty"`
}

// channelProperties are the attributes of an open RTCDataChannel.
type channelProperties struct {
	Label, Protocol                   string
	Ordered, Negotiated               bool
	ID                                uint16
	MaxRetransmits, MaxPacketLifeTime *uint16
}

// A message is what the page or Go received.
type message struct {
	Text   bool
	Size   int
	SHA256 string
}

func (p *pagePeer) open(label string, init channelInit) {
	p.page.t.Helper()
	p.page.do(nil, "lab.open(...args)", p.name, label, init)
}

// opened waits until the channel is open.
func (p *pagePeer) opened(label string) (c channelProperties) {
	p.page.t.Helper()
	p.page.do(&c, "return lab.opened(args[0])", p.key(label))
	return c
}

// close closes the channel.
func (p *pagePeer) close(label string) {
	p.page.t.Helper()
	p.page.do(nil, "lab.close(args[0])", p.key(label))
}

// closed waits until the channel is closed and returns its events, in order.
func (p *pagePeer) closed(label string) (events []string) {
	p.page.t.Helper()
	p.page.do(&events, "return lab.closed(args[0])", p.key(label))
	return events
}

// send sends a message made from a seed.
func (p *pagePeer) send(label string, m testMessage) {
	p.page.t.Helper()
	p.page.do(nil, "lab.send(...args)", p.key(label), m)
}

// receive waits for the next n messages.
func (p *pagePeer) receive(label string, n int) (m []message) {
	p.page.t.Helper()
	p.page.do(&m, "return lab.receive(...args)", p.key(label), n)
	return m
}

// ended reports an error that only says that the test is over.
func ended(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, browser.ErrReloaded))
}
