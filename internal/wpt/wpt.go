// Package wpt has what web-platform-tests check of data channels as a table: a row for
// each behaviour, named by the file there (below webrtc/), and written anew as a function on
// two ends of which either may be ours or a browser. GoEnd is ours: the test of the root
// package runs every row between two of them, and e2e/portable, with GOOS=js, between two
// that stand on a browser's. e2e has an End in a page of a browser, and runs every row with that at
// one end and GoEnd at the other, both ways round; what a browser does otherwise is listed there.
//
// What has no counterpart in Go is not here: binaryType, Blobs, events as objects, workers,
// conversions of WebIDL. What is about one end or about descriptions is in TestWPT of the
// root package, another peer in place of the first (protocol/handover-datachannel.html) in its
// TestHandover and TestPeerReplaced; that a channel is not collected in TestGarbageCollection of datachannel.
package wpt

import (
	"fmt"
	"slices"
)

// Init is RTCDataChannelInit, with its JSON.
type Init struct {
	Ordered           *bool   `json:"ordered,omitempty"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime,omitempty"`
	MaxRetransmits    *uint16 `json:"maxRetransmits,omitempty"`
	Protocol          string  `json:"protocol,omitempty"`
	Negotiated        bool    `json:"negotiated,omitempty"`
	ID                *uint16 `json:"id,omitempty"`
}

// Attributes are those of RTCDataChannel.
type Attributes struct {
	Label             string  `json:"label"`
	Ordered           bool    `json:"ordered"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	Protocol          string  `json:"protocol"`
	Negotiated        bool    `json:"negotiated"`
	ID                *uint16 `json:"id"`
	ReadyState        string  `json:"readyState"`
	BufferedAmount    int     `json:"bufferedAmount"`
	LowThreshold      int     `json:"bufferedAmountLowThreshold"`
}

// Event is an event of a channel, as its handler saw it.
type Event struct {
	Type   string `json:"type"` // open, message, bufferedamountlow, error, closing or close
	State  string `json:"readyState"`
	Amount int    `json:"bufferedAmount"`

	Text bool   `json:"text,omitempty"` // of a message: it is a string
	Data []byte `json:"data,omitempty"` // of a message

	Name   string `json:"name,omitempty"`          // of the RTCError of an error: OperationError
	Detail string `json:"errorDetail,omitempty"`   // of the same
	Code   int    `json:"sctpCauseCode,omitempty"` // of the same; 0 for null
}

// Exception is what a method threw; its Error is its name.
type Exception string

func (e Exception) Error() string { return string(e) }

// The exceptions of data channels.
const (
	InvalidState Exception = "InvalidStateError"
	TypeError    Exception = "TypeError"
	Operation    Exception = "OperationError"
)

// An End is a peer connection and what it has of channels. Methods that wait fail the test
// when nothing comes.
type End interface {
	// Create is createDataChannel. The error is an Exception.
	Create(label string, init Init) (Channel, error)

	// InDataChannel says what the handler of datachannel events does with the next channel:
	// if send is not empty it sends that text, and then closes the channel if close is set.
	InDataChannel(send string, close bool)

	// Accept waits for the next channel that the peer opened, and returns the readyState
	// that its handler found first.
	Accept() (ch Channel, state string)

	// Accepted returns how many channels the peer opened that Accept has not returned.
	Accepted() int

	// Close is pc.close().
	Close()

	// SCTP returns pc.sctp: its state, maxMessageSize and maxChannels, 0 for null.
	SCTP() (state string, maxMessageSize float64, maxChannels int)
}

// A Message is a string or bytes.
type Message struct {
	Text bool   `json:"text"`
	Data []byte `json:"data"`
}

// A Channel is one end of a channel. All its handlers are set from the beginning.
type Channel interface {
	Attributes() Attributes

	// Send sends messages, in one task where there are tasks, and returns bufferedAmount as it
	// was after each. The error is the Exception of the first that could not be sent.
	Send(messages ...Message) (amounts []int, err error)

	SetLowThreshold(n int)
	Close()

	// Next waits for the next event.
	Next() Event

	// Pending returns the events that came and Next did not return.
	Pending() []Event
}

// T is what a row needs of a *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A Case is a row being run: two ends that are not connected yet.
type Case struct {
	T
	Near, Far  End
	Negotiated bool // how Open makes channels

	// Connect connects the ends, by offer and answer, and returns when both have an
	// association. Near must have a channel before.
	Connect func()

	// Settle lets happen what is under way, until nothing is.
	Settle func()

	// Restart is an ICE restart by an offer of Near, until data goes the new way; nil where there
	// is none. It calls step after each of the four times that a description is set.
	Restart func(step func())

	// Most bounds messages of every size, in bytes; Stress is how many channels, with as
	// many messages each, the stress test has.
	Most, Stress int

	ids  uint16
	kept []Channel // that came before they were asked for
}

// create makes a channel.
func (c *Case) create(e End, label string, init Init) Channel {
	c.Helper()
	ch, err := e.Create(label, init)
	if err != nil {
		c.Fatalf("creating a channel: %v", err)
	}
	return ch
}

// prepare makes a channel from near to far before the ends are connected; the function
// returns its ends when they are.
func (c *Case) prepare(label string, init Init) func() (near, far Channel) {
	c.Helper()
	return c.between(c.Near, c.Far, label, init)
}

func (c *Case) between(a, b End, label string, init Init) func() (near, far Channel) {
	c.Helper()
	if !c.Negotiated {
		near := c.create(a, label, init)
		return func() (Channel, Channel) {
			c.Helper()
			return near, c.accept(b, near)
		}
	}
	id := c.ids
	c.ids++
	init.Negotiated, init.ID = true, &id
	near, far := c.create(a, label, init), c.create(b, label, init)
	return func() (Channel, Channel) { return near, far }
}

// accept waits for the other end of a channel. Channels need not come in the order in which they
// were made: those that come before are kept. A browser that is busy may not know the identifier
// of its own channel by then.
func (c *Case) accept(e End, near Channel) Channel {
	c.Helper()
	want := near.Attributes()
	for i := 0; ; i++ {
		if i == len(c.kept) {
			ch, _ := e.Accept()
			c.kept = append(c.kept, ch)
		}
		far := c.kept[i]
		if got := far.Attributes(); got.Label == want.Label && (want.ID == nil || got.ID != nil && *got.ID == *want.ID) {
			c.kept = slices.Delete(c.kept, i, i+1)
			return far
		}
	}
}

// open connects the ends with a channel between them, and waits until it is open at both.
func (c *Case) open(init Init) (near, far Channel) {
	c.Helper()
	ends := c.prepare("", init)
	c.Connect()
	near, far = ends()
	c.want(near, "open")
	c.want(far, "open")
	return near, far
}

// low is the event that comes whenever something was sent; it is passed over where others
// are wanted.
const low = "bufferedamountlow"

// want waits for events and compares their types.
func (c *Case) want(ch Channel, types ...string) (last Event) {
	c.Helper()
	for _, want := range types {
		last = ch.Next()
		for last.Type == low && want != low {
			last = ch.Next()
		}
		if last.Type != want {
			c.Fatalf("event %+v, want %s of %v", last, want, types)
		}
	}
	return last
}

// quiet checks that channels have no further events.
func (c *Case) quiet(channels ...Channel) {
	c.Helper()
	c.Settle()
	for _, ch := range channels {
		for _, e := range ch.Pending() {
			if e.Type != low {
				c.Errorf("further event %+v", e)
			}
		}
	}
}

// wantMessages waits for messages and compares them.
func (c *Case) wantMessages(ch Channel, messages ...Message) {
	c.Helper()
	for i, m := range messages {
		if e := c.want(ch, "message"); e.Text != m.Text || !slices.Equal(e.Data, m.Data) {
			c.Fatalf("message %d is %.40q (%d bytes), text %v, want %.40q (%d bytes), text %v", i, e.Data, len(e.Data), e.Text, m.Data, len(m.Data), m.Text)
		}
	}
}

// send sends messages, and fails the row if that throws.
func (c *Case) send(ch Channel, messages ...Message) (amounts []int) {
	c.Helper()
	amounts, err := ch.Send(messages...)
	if err != nil {
		c.Fatalf("sending: %v", err)
	}
	return amounts
}

// sendThrows checks the exception of a message.
func (c *Case) sendThrows(what string, ch Channel, m Message, want Exception) {
	c.Helper()
	_, err := ch.Send(m)
	c.wantThrown(what, err, want)
}

// wantThrown checks the exception of a call.
func (c *Case) wantThrown(what string, err error, want Exception) {
	c.Helper()
	if err != want {
		c.Errorf("%s: %v, want %v", what, err, want)
	}
}

// wantState compares readyState.
func (c *Case) wantState(ch Channel, want string) {
	c.Helper()
	if got := ch.Attributes().ReadyState; got != want {
		c.Errorf("readyState %s, want %s", got, want)
	}
}

func ptr[V any](v V) *V { return &v }

func text(s string) Message   { return Message{Text: true, Data: []byte(s)} }
func binary(b []byte) Message { return Message{Data: b} }

// repeat makes n messages of what f gives.
func repeat(n int, f func(i int) Message) []Message {
	var all []Message
	for i := range n {
		all = append(all, f(i))
	}
	return all
}

// patterns makes n messages of size bytes each.
func patterns(n, size int) []Message {
	return repeat(n, func(i int) Message { return binary(pattern(size, i)) })
}

// pattern returns n bytes of text that depend on seed.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte((i+i>>8+seed)%26)
	}
	return b
}

// show writes a pointer's value.
func show(p *uint16) string {
	if p == nil {
		return "null"
	}
	return fmt.Sprint(*p)
}
