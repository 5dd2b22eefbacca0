package e2e

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/sluice-rtc/sluice/e2e/browser"
	"github.com/sluice-rtc/sluice/internal/wpt"
)

// A pageEnd is an end of package wpt's rows in a page; wpt.js is the page's half.
type pageEnd struct {
	t        wpt.T
	peer     *pagePeer
	incoming []incomingChannel // that were fetched and not accepted yet
}

// An incomingChannel is what a datachannel event said.
type incomingChannel struct {
	Channel int // its number in the page
	State   string
}

// newPageEnd makes an end of a peer of the page.
func newPageEnd(t wpt.T, peer *pagePeer) *pageEnd {
	e := &pageEnd{t: t, peer: peer}
	e.call(nil, "wpt.end(...args)", peer.name)
	return e
}

// call runs js in the page and fails the row if that fails.
func (e *pageEnd) call(out any, js string, args ...any) {
	e.t.Helper()
	if err := e.await(out, js, args...); err != nil {
		e.t.Fatalf("%v", err)
	}
}

// await runs js in the page, which may wait, for as long as wpt.Patience.
func (e *pageEnd) await(out any, js string, args ...any) error {
	ctx, cancel := context.WithTimeout(e.peer.page.ctx, wpt.Patience)
	defer cancel()
	return e.peer.page.Eval(ctx, out, js, args...)
}

// A result is what a method of the page returned, or the name of what it threw.
type result struct {
	Channel int
	Amounts []int
	Thrown  wpt.Exception
}

func (r result) err() error {
	if r.Thrown == "" {
		return nil
	}
	return r.Thrown
}

func (e *pageEnd) Create(label string, init wpt.Init) (wpt.Channel, error) {
	e.t.Helper()
	var r result
	e.call(&r, "return wpt.create(...args)", e.peer.name, label, init)
	if err := r.err(); err != nil {
		return nil, err
	}
	return &pageChannel{end: e, n: r.Channel}, nil
}

func (e *pageEnd) InDataChannel(send string, close bool) {
	e.t.Helper()
	e.call(nil, "wpt.inDataChannel(...args)", e.peer.name, send, close)
}

func (e *pageEnd) Accept() (wpt.Channel, string) {
	e.t.Helper()
	if len(e.incoming) == 0 {
		if err := e.await(&e.incoming, "return wpt.accept(...args)", e.peer.name); err != nil {
			e.t.Fatalf("no channel comes to the page: %v", err)
		}
	}
	c := e.incoming[0]
	e.incoming = e.incoming[1:]
	return &pageChannel{end: e, n: c.Channel}, c.State
}

func (e *pageEnd) Accepted() (n int) {
	e.t.Helper()
	e.call(&n, "return wpt.accepted(...args)", e.peer.name)
	return n + len(e.incoming)
}

func (e *pageEnd) Close() {
	e.t.Helper()
	e.call(nil, "lab.closePeer(...args)", e.peer.name)
}

func (e *pageEnd) SCTP() (state string, maxMessageSize float64, maxChannels int) {
	e.t.Helper()
	var s struct {
		State    string
		Size     float64 // -1 for Infinity, which JSON lacks
		Channels int
	}
	e.call(&s, "return wpt.sctp(...args)", e.peer.name)
	if s.Size < 0 {
		s.Size = math.Inf(1)
	}
	return s.State, s.Size, s.Channels
}

// A pageChannel is a channel of a pageEnd.
type pageChannel struct {
	end    *pageEnd
	n      int         // its number in the page
	opened bool        // an event open was fetched
	events []wpt.Event // that were fetched and not returned yet
}

// fetch gets the events that the page has; with wait it waits until there is one.
func (c *pageChannel) fetch(wait bool) error {
	for {
		var events []wpt.Event
		if err := c.end.await(&events, "return wpt.events(...args)", c.n, wait); err != nil {
			return err
		}
		for _, e := range events {
			if e.Type == "open" && c.opened && c.end.peer.page.Browser().Kind == browser.Chromium {
				c.end.peer.page.t.Log("Chromium says open once more, as it does at times of channels that the peer opened")
				continue
			}
			c.opened = c.opened || e.Type == "open"
			c.events = append(c.events, e)
		}
		if !wait || len(c.events) > 0 {
			return nil
		}
	}
}

func (c *pageChannel) Attributes() (a wpt.Attributes) {
	c.end.t.Helper()
	c.end.call(&a, "return wpt.attributes(...args)", c.n)
	return a
}

func (c *pageChannel) Send(messages ...wpt.Message) ([]int, error) {
	c.end.t.Helper()
	type several struct {
		wpt.Message
		Times int `json:"times"`
	}
	var all []several
	for _, m := range messages { // equal ones cross to the page once
		if i := len(all) - 1; i >= 0 && all[i].Text == m.Text && slices.Equal(all[i].Data, m.Data) {
			all[i].Times++
		} else {
			all = append(all, several{m, 1})
		}
	}
	var r result
	c.end.call(&r, "return wpt.send(...args)", c.n, all)
	return r.Amounts, r.err()
}

func (c *pageChannel) SetLowThreshold(n int) {
	c.end.t.Helper()
	c.end.call(nil, "wpt.setThreshold(...args)", c.n, n)
}

func (c *pageChannel) Close() {
	c.end.t.Helper()
	c.end.call(nil, "wpt.close(...args)", c.n)
}

func (c *pageChannel) Next() wpt.Event {
	c.end.t.Helper()
	if len(c.events) == 0 {
		err := c.fetch(true)
		if errors.Is(err, context.DeadlineExceeded) {
			c.end.t.Fatalf("no event of the page's channel comes; it is %s", c.Attributes().ReadyState)
		}
		if err != nil {
			c.end.t.Fatalf("%v", err)
		}
	}
	e := c.events[0]
	c.events = c.events[1:]
	return e
}

func (c *pageChannel) Pending() []wpt.Event {
	c.end.t.Helper()
	if err := c.fetch(false); err != nil {
		c.end.t.Fatalf("%v", err)
	}
	all := c.events
	c.events = nil
	return all
}
