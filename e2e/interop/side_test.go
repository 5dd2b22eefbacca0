package interop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// members are those of a command, beside id and op.
type members map[string]any

// A reply is what all commands may answer.
type reply struct {
	ID    int    `json:"id"`
	Error string `json:"error"`
	SDP   string `json:"sdp"`
	Sent  int    `json:"sent"`
}

// An event is what a peer reports.
type event struct {
	Event string `json:"event"`
	PC    int    `json:"pc"`
	properties
	Text     bool   `json:"text"`
	Size     int    `json:"size"`
	CRC      uint32 `json:"crc"`
	Received int    `json:"received"`
	Wrong    int    `json:"wrong"`
	State    string `json:"state"`
	Name     string `json:"name"`
	Version  string `json:"version"`
}

// properties are those of a channel, as far as the library tells.
type properties struct {
	Label             string  `json:"label"`
	Protocol          *string `json:"protocol"`
	Stream            *uint16 `json:"stream"`
	Incoming          bool    `json:"incoming"`
	Negotiated        *bool   `json:"negotiated"`
	Ordered           *bool   `json:"ordered"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
}

// A peer carries out commands for connections.
type peer interface {
	// do carries out a command. The error is that of the reply, or says what became of
	// the peer.
	do(ctx context.Context, op string, with members) (reply, error)
	// about returns name and version.
	about() (name, version string)
	// log is what may explain a failure.
	log() string
	close()
}

// A side is a peer in a conversation: it keeps what the peer reports of the
// present connection, and waits for it.
type side struct {
	peer
	name string // in messages: "we", "they"

	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at every event
	pc       int           // the present connection
	channels map[string]*channel
	states   []string
}

// A channel is what a side has reported of one.
type channel struct {
	properties
	open, closed bool
	inbox        []message // that nobody has taken
	checked      *event
}

func newSide(name string) *side { return &side{name: name, changed: make(chan struct{})} }

// take takes an event; a peer calls it for each, in order.
func (s *side) take(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.PC != s.pc {
		return // of a connection before
	}
	switch e.Event {
	case "open":
		c := s.channel(e.Label)
		c.properties, c.open = e.properties, true
	case "message":
		c := s.channel(e.Label)
		c.inbox = append(c.inbox, message{text: e.Text, size: e.Size, crc: e.CRC})
	case "checked":
		s.channel(e.Label).checked = &e
	case "close":
		s.channel(e.Label).closed = true
	case "state":
		s.states = append(s.states, e.State)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// channel returns what is kept of a channel.
func (s *side) channel(label string) *channel {
	if s.channels[label] == nil {
		s.channels[label] = &channel{}
	}
	return s.channels[label]
}

// begin makes a connection for a test; whatever was before is forgotten.
func (s *side) begin(t *testing.T, ctx context.Context) {
	t.Helper()
	s.mu.Lock()
	s.t, s.ctx = t, ctx
	s.pc++
	s.channels, s.states = make(map[string]*channel), nil
	pc := s.pc
	s.mu.Unlock()
	s.must("new", members{"pc": pc})
}

// forget forgets a channel that is closed, so that its label can be used again.
func (s *side) forget(label string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, label)
}

// must carries out a command that must not fail.
func (s *side) must(op string, with members) reply {
	s.t.Helper()
	r, err := s.do(s.ctx, op, with)
	if err != nil {
		s.t.Fatalf("%s cannot %s %v: %v", s.name, op, with["label"], err)
	}
	return r
}

// until waits for the condition, which is asked under the lock after every event, and
// says whether it came true before the context ended.
func (s *side) until(ctx context.Context, condition func() bool) bool {
	for {
		s.mu.Lock()
		done, changed := condition(), s.changed
		s.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// want is until, and ends the test if that never happens.
func (s *side) want(what string, condition func() bool) {
	s.t.Helper()
	if !s.until(s.ctx, condition) {
		s.t.Fatalf("%s never %s\n%s", s.name, what, s.report())
	}
}

// open creates a channel.
func (s *side) open(label string, k kind) {
	s.t.Helper()
	s.must("open", k.members(label))
}

// opened waits until a channel is open and returns its properties.
func (s *side) opened(label string) (p properties) {
	s.t.Helper()
	s.want(fmt.Sprintf("have channel %q open", label), func() bool {
		c := s.channel(label)
		p = c.properties
		return c.open
	})
	return p
}

// closed waits until a channel is closed.
func (s *side) closed(label string) {
	s.t.Helper()
	s.want(fmt.Sprintf("have channel %q closed", label), func() bool { return s.channel(label).closed })
}

// send sends messages.
func (s *side) send(label string, b batch) {
	s.t.Helper()
	s.must("send", members{"label": label, "from": b.from, "count": b.count, "size": b.size, "text": b.text})
}

// receive waits for n messages, and takes them.
func (s *side) receive(label string, n int) (m []message) {
	s.t.Helper()
	s.want(fmt.Sprintf("get %d messages on %q", n, label), func() bool {
		c := s.channel(label)
		if len(c.inbox) < n {
			return false
		}
		m, c.inbox = slices.Clone(c.inbox[:n]), slices.Delete(c.inbox, 0, n)
		return true
	})
	return m
}

// drain takes the messages that there are.
func (s *side) drain(label string) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channel(label)
	m := c.inbox
	c.inbox = nil
	return m
}

// over waits until the side has noticed the end of its connection, by the channel or by the
// connection's state, and says by what. It is "" if the context ends before.
func (s *side) over(ctx context.Context, label string) (by string) {
	final := []string{"closed", "failed", "disconnected"}
	s.until(ctx, func() bool {
		if s.channel(label).closed {
			by = "close of its channels"
		} else if i := slices.IndexFunc(s.states, func(state string) bool { return slices.Contains(final, state) }); i >= 0 {
			by = "state " + s.states[i]
		}
		return by != ""
	})
	return by
}

// report says what a failed test wants to know.
func (s *side) report() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: states %v", s.name, s.states)
	for label, c := range s.channels {
		if len(s.channels) > 20 && c.open && !c.closed && len(c.inbox) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n  %q: open %v, closed %v, %d messages not taken", label, c.open, c.closed, len(c.inbox))
		if c.Stream != nil {
			fmt.Fprintf(&b, ", stream %d", *c.Stream)
		}
	}
	if log := s.log(); log != "" {
		fmt.Fprintf(&b, "\n  it wrote: %s", log)
	}
	return b.String()
}
