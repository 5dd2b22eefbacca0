package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A goPeer is a PeerConnection of this program. It notes what happens to the
// connection and its channels, and until waits for it.
type goPeer struct {
	t   *testing.T
	ctx context.Context
	pc  *sluice.PeerConnection

	offered bool // a remote offer waits for an answer

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at every event
	channels map[string]*goChannel
	local    []candidate
	gathered bool
	states   []sluice.ConnectionState
}

// A goChannel is a channel of a goPeer, made by it or by the browser.
type goChannel struct {
	*datachannel.Channel
	incoming     bool
	stateAtEvent datachannel.ReadyState // of an incoming one, when it was announced
	events       []string
	err          error // of the error event
	inbox        []message
	received     int
	onData       func(datachannel.Message) // takes the place of the inbox
}

// newGoPeer makes a PeerConnection that gathers loopback candidates. It is
// closed with the test.
func newGoPeer(t *testing.T, ctx context.Context, cfg sluice.Config) *goPeer {
	t.Helper()
	cfg.IncludeLoopback = true
	pc, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &goPeer{t: t, ctx: ctx, pc: pc, changed: make(chan struct{}), channels: map[string]*goChannel{}}
	pc.OnICECandidate(func(c *sluice.ICECandidateInit) {
		p.note(func() {
			if c == nil {
				p.gathered = true
				return
			}
			encoded, err := json.Marshal(c)
			if err != nil {
				t.Error(err)
			}
			p.local = append(p.local, encoded)
		})
	})
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		p.note(func() { p.states = append(p.states, s) })
	})
	pc.OnDataChannel(func(ch *datachannel.Channel) { p.adopt(ch, true) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.report())
		}
		if err := pc.Close(); err != nil {
			t.Errorf("closing the PeerConnection: %v", err)
		}
	})
	return p
}

// note runs f under the lock and wakes all that wait.
func (p *goPeer) note(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// until waits for the condition, which is looked at under the lock after every
// event.
func (p *goPeer) until(what string, condition func() bool) {
	p.t.Helper()
	for {
		p.mu.Lock()
		done, changed := condition(), p.changed
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			p.t.Fatalf("Go waited in vain until %s", what)
		}
	}
}

// report says what a failed test wants to know.
func (p *goPeer) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := fmt.Sprintf("Go: states %v", p.states)
	for label, ch := range p.channels {
		id, _ := ch.ID()
		s += fmt.Sprintf("\n  channel %q id %d: %v, events %v, error %v, received %d, inbox %d, buffered %d",
			label, id, ch.ReadyState(), ch.events, ch.err, ch.received, len(ch.inbox), ch.BufferedAmount())
	}
	return s
}

func (p *goPeer) describe(ctx context.Context, trickle bool) (description, error) {
	create := func() (sluice.SessionDescription, error) { return p.pc.CreateOffer() }
	if p.offered {
		create = p.pc.CreateAnswer
	}
	p.offered = false
	d, err := create()
	if err != nil {
		return description{}, err
	}
	if err := p.pc.SetLocalDescription(d); err != nil {
		return description{}, err
	}
	if !trickle {
		select {
		case <-p.pc.GatheringComplete():
		case <-ctx.Done():
			return description{}, fmt.Errorf("gathering: %w", context.Cause(ctx))
		}
	}
	return convert[description](p.pc.LocalDescription())
}

func (p *goPeer) accept(_ context.Context, d description) error {
	remote, err := convert[sluice.SessionDescription](d)
	if err != nil {
		return err
	}
	p.offered = d.Type == "offer"
	return p.pc.SetRemoteDescription(remote)
}

func (p *goPeer) candidates(ctx context.Context, f func(candidate) error) error {
	for n := 0; ; n++ {
		p.mu.Lock()
		for len(p.local) <= n && !p.gathered {
			changed := p.changed
			p.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
			p.mu.Lock()
		}
		if len(p.local) <= n {
			p.mu.Unlock()
			return nil
		}
		c := p.local[n]
		p.mu.Unlock()
		if err := f(c); err != nil {
			return err
		}
	}
}

func (p *goPeer) addCandidate(_ context.Context, c candidate) error {
	init, err := convert[sluice.ICECandidateInit](c)
	if err != nil {
		return err
	}
	return p.pc.AddICECandidate(init)
}

// convert goes by way of JSON, as signalling does.
func convert[T any](from any) (to T, err error) {
	encoded, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(encoded, &to)
	}
	return to, err
}

// adopt notes the events of a channel from now on.
func (p *goPeer) adopt(ch *datachannel.Channel, incoming bool) *goChannel {
	c := &goChannel{Channel: ch, incoming: incoming, stateAtEvent: ch.ReadyState()}
	event := func(name string) func() {
		return func() { p.note(func() { c.events = append(c.events, name) }) }
	}
	ch.OnOpen(event("open"))
	ch.OnClosing(event("closing"))
	ch.OnClose(event("close"))
	ch.OnError(func(err error) { p.note(func() { c.events = append(c.events, "error"); c.err = err }) })
	ch.OnBufferedAmountLow(event("bufferedamountlow"))
	ch.OnMessage(func(m datachannel.Message) {
		p.mu.Lock()
		onData := c.onData
		p.mu.Unlock()
		if onData != nil {
			onData(m)
		}
		p.note(func() {
			c.received++
			if onData == nil {
				c.inbox = append(c.inbox, describeMessage(m.Data, m.IsText))
			}
		})
	})
	p.note(func() { p.channels[ch.Label()] = c })
	return c
}

// open makes a channel.
func (p *goPeer) open(label string, init channelInit) *goChannel {
	p.t.Helper()
	ch, err := p.pc.CreateDataChannel(label, init.toGo())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.adopt(ch, false)
}

// toGo is the same in Go's words.
func (init channelInit) toGo() *datachannel.Init {
	return &datachannel.Init{
		Unordered:         init.Ordered != nil && !*init.Ordered,
		MaxRetransmits:    init.MaxRetransmits,
		MaxPacketLifeTime: init.MaxPacketLifeTime,
		Protocol:          init.Protocol,
		Negotiated:        init.Negotiated,
		ID:                init.ID,
	}
}

// opened waits until the channel is there and open.
func (p *goPeer) opened(label string) *goChannel {
	p.t.Helper()
	var ch *goChannel
	p.until(fmt.Sprintf("channel %q is open", label), func() bool {
		ch = p.channels[label]
		return ch != nil && ch.ReadyState() != datachannel.Connecting
	})
	if state := ch.ReadyState(); state != datachannel.Open {
		p.t.Fatalf("Go's channel %q is %v, want open", label, state)
	}
	return ch
}

// closed waits until the channel is closed and returns its events, in order.
func (p *goPeer) closed(label string) (events []string) {
	p.t.Helper()
	p.until(fmt.Sprintf("channel %q is closed", label), func() bool {
		ch := p.channels[label]
		if ch == nil || !slices.Contains(ch.events, "close") {
			return false
		}
		events = slices.Clone(ch.events)
		return true
	})
	return events
}

// state waits until the connection has been in one of the states.
func (p *goPeer) state(want ...sluice.ConnectionState) {
	p.t.Helper()
	p.until(fmt.Sprintf("the connection was in one of %v", want), func() bool {
		return slices.ContainsFunc(p.states, func(s sluice.ConnectionState) bool { return slices.Contains(want, s) })
	})
}

// properties are the channel's, in the page's words.
func (c *goChannel) properties() channelProperties {
	p := channelProperties{Label: c.Label(), Protocol: c.Protocol(), Ordered: c.Ordered(), Negotiated: c.Negotiated()}
	p.ID, _ = c.ID()
	if n, ok := c.MaxRetransmits(); ok {
		p.MaxRetransmits = &n
	}
	if ms, ok := c.MaxPacketLifeTime(); ok {
		p.MaxPacketLifeTime = &ms
	}
	return p
}

// send sends a message made from a seed.
func (p *goPeer) send(label string, m testMessage) {
	p.t.Helper()
	ch, data := p.opened(label), m.payload()
	err := ch.Send
	if m.Text {
		err = func(b []byte) error { return ch.SendText(string(b)) }
	}
	if err := err(data); err != nil {
		p.t.Fatal(err)
	}
}

// receive waits for the next n messages.
func (p *goPeer) receive(label string, n int) (m []message) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d messages have come on %q", n, label), func() bool {
		ch := p.channels[label]
		if ch == nil || len(ch.inbox) < n {
			return false
		}
		m = slices.Clone(ch.inbox[:n])
		ch.inbox = slices.Delete(ch.inbox, 0, n)
		return true
	})
	return m
}

// answerAs sets an answer of that type and waits for all candidates.
func (p *goPeer) answerAs(typ sluice.SDPType) description {
	p.t.Helper()
	if err := p.pc.SetLocalDescription(sluice.SessionDescription{Type: typ}); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.pc.GatheringComplete():
	case <-p.ctx.Done():
		p.t.Fatal("gathering does not end")
	}
	d, err := convert[description](p.pc.LocalDescription())
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *goPeer) rollback(context.Context) error {
	return p.pc.SetLocalDescription(sluice.SessionDescription{Type: sluice.SDPTypeRollback})
}
