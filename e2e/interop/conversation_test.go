package interop

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"
	"slices"
	"testing"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A kind is how a channel delivers, and how it comes about.
type kind struct {
	name              string
	unordered         bool
	maxRetransmits    *uint16
	maxPacketLifeTime *uint16
	protocol          string
	stream            *uint16 // of a negotiated channel
}

func (k kind) members(label string) members {
	m := members{"label": label, "ordered": !k.unordered}
	if k.maxRetransmits != nil {
		m["maxRetransmits"] = k.maxRetransmits
	}
	if k.maxPacketLifeTime != nil {
		m["maxPacketLifeTime"] = k.maxPacketLifeTime
	}
	if k.protocol != "" {
		m["protocol"] = k.protocol
	}
	if k.stream != nil {
		m["negotiated"], m["stream"] = true, k.stream
	}
	return m
}

// kinds returns the six kinds of channels, with these limits.
func kinds(retransmits, lifetime uint16) []kind {
	return []kind{
		{name: "ordered, reliable"},
		{name: "unordered, reliable", unordered: true},
		{name: "ordered, maxRetransmits", maxRetransmits: &retransmits},
		{name: "unordered, maxRetransmits", unordered: true, maxRetransmits: &retransmits},
		{name: "ordered, maxPacketLifeTime", maxPacketLifeTime: &lifetime},
		{name: "unordered, maxPacketLifeTime", unordered: true, maxPacketLifeTime: &lifetime},
	}
}

// check compares what a side says of a channel with what it should be; what its library
// cannot tell it leaves out. It returns whether it left out anything but limits.
func (k kind) check(t *testing.T, who string, p properties) (told bool) {
	t.Helper()
	wrong := func(what string, got, want any) {
		t.Errorf("%s have %q (%s) with %s %v, want %v", who, p.Label, k.name, what, got, want)
	}
	if p.Protocol != nil && *p.Protocol != k.protocol {
		wrong("protocol", *p.Protocol, k.protocol)
	}
	if p.Stream != nil && k.stream != nil && *p.Stream != *k.stream {
		wrong("stream", *p.Stream, *k.stream)
	}
	if p.Negotiated != nil && *p.Negotiated != (k.stream != nil) {
		wrong("negotiated", *p.Negotiated, k.stream != nil)
	}
	if p.Ordered == nil {
		return false
	}
	if *p.Ordered == k.unordered {
		wrong("ordered", *p.Ordered, !k.unordered)
	}
	for _, l := range []struct {
		name      string
		got, want *uint16
	}{
		{"maxRetransmits", p.MaxRetransmits, k.maxRetransmits},
		{"maxPacketLifeTime", p.MaxPacketLifeTime, k.maxPacketLifeTime},
	} {
		if got, want := show(l.got), show(l.want); got != want {
			wrong(l.name, got, want)
		}
	}
	return true
}

func show(n *uint16) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}

// A conversation is what a case has: this stack and a peer.
type conversation struct {
	t        *testing.T
	ctx      context.Context
	us, them *side
	stack    *ours // which is us
	row      *row
	out      *cell
	relay    *relay // nil: none
	limit    int    // the largest message that they take, in bytes
}

// A setup is who does what when connecting.
type setup struct {
	theyOffer bool
	client    *side              // of DTLS; nil: as they agree
	network   *netsim.Conditions // of a relay between the two; nil: no relay
	silencer  *silencer          // at the relay; nil: none
	before    func()             // what to do on both sides before there is an offer
}

// first is the channel that every connection begins with.
const first = "first"

// connect makes a connection and waits for its first channel, which the side that
// offers opens. A connection before is over then.
func (c *conversation) connect(s setup) {
	c.t.Helper()
	c.disconnect()
	c.us.begin(c.t, c.ctx)
	c.them.begin(c.t, c.ctx)
	offerer, answerer := c.us, c.them
	if s.theyOffer {
		offerer, answerer = c.them, c.us
	}
	if s.network != nil {
		seed := fnv.New64a()
		_, _ = io.WriteString(seed, c.t.Name())
		var err error
		if c.relay, err = newRelay(c.stack.address, seed.Sum64()); err != nil {
			c.t.Fatal(err)
		}
		c.relay.silencer = s.silencer
	}
	offerer.open(first, kind{})
	if s.before != nil {
		s.before()
	}
	offer := c.carry(s, 0, offerer.must("offer", nil).SDP)
	if s.client != nil {
		offer = setRole(offer, s.client == offerer)
	}
	answer := c.carry(s, 1, answerer.must("answer", members{"sdp": offer}).SDP)
	c.limit = maxMessageSize(offer)
	if !s.theyOffer {
		c.limit = maxMessageSize(answer)
	}
	offerer.must("accept", members{"sdp": answer})
	c.us.opened(first)
	c.them.opened(first)
}

// carry is signalling: through the relay, if there is one.
func (c *conversation) carry(s setup, from int, sdp string) string {
	c.t.Helper()
	if c.relay == nil {
		return sdp
	}
	diverted, err := c.relay.divert(from, sdp, *s.network)
	if err != nil {
		c.t.Fatal(err)
	}
	return diverted
}

// disconnect ends what connect has begun.
func (c *conversation) disconnect() {
	if c.relay != nil {
		c.relay.close()
		c.relay = nil
	}
}

var (
	setupLine = regexp.MustCompile(`(?m)^a=setup:\w+`)
	sizeLine  = regexp.MustCompile(`(?m)^a=max-message-size:(\d+)`)
)

// setRole returns an offer that insists on a role in DTLS (RFC 8842, section 5.2); who made it
// leaves the choice.
func setRole(offer string, client bool) string {
	if client {
		return setupLine.ReplaceAllString(offer, "a=setup:active")
	}
	return setupLine.ReplaceAllString(offer, "a=setup:passive")
}

// maxMessageSize returns what a description announces (RFC 8841, section 6.1), or the largest
// payload that there is if that is more.
func maxMessageSize(sdp string) int {
	m := sizeLine.FindStringSubmatch(sdp)
	if m == nil {
		return 65536
	}
	n := maxPayload
	if _, err := fmt.Sscan(m[1], &n); err != nil || n == 0 {
		return maxPayload
	}
	return min(n, maxPayload)
}

// both are the two directions: who sends, and who receives.
func (c *conversation) both(f func(from, to *side)) {
	f(c.us, c.them)
	f(c.them, c.us)
}

// exchange sends messages both ways on a channel and wants all of them, in order if
// the channel is ordered.
func (c *conversation) exchange(label string, unordered bool, b batch) {
	c.t.Helper()
	c.both(func(from, to *side) { from.send(label, b) })
	want := b.messages()
	c.both(func(from, to *side) {
		c.t.Helper()
		wantMessages(c.t, fmt.Sprintf("%s on %q", to.name, label), to.receive(label, b.count), want, unordered)
	})
}

// wantMessages compares messages, in any order if unordered.
func wantMessages(t *testing.T, who string, got, want []message, unordered bool) {
	t.Helper()
	if unordered {
		byCRC := func(a, b message) int { return cmp.Compare(a.crc, b.crc) }
		got, want = slices.Clone(got), slices.Clone(want)
		slices.SortFunc(got, byCRC)
		slices.SortFunc(want, byCRC)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s got %d messages that are not the %d sent:\n%v\n%v", who, len(got), len(want), clip(got), clip(want))
	}
}

// clip keeps reports short.
func clip(m []message) []message { return m[:min(len(m), 12)] }
