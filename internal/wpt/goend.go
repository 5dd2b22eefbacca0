package wpt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
)

// Patience is how long an end waits for what has to come.
const Patience = time.Minute

// PeerConnection is what GoEnd needs of a sluice.PeerConnection.
type PeerConnection interface {
	CreateDataChannel(label string, init *datachannel.Init) (*datachannel.Channel, error)
	OnDataChannel(func(*datachannel.Channel))
	Close() error
}

// SCTP returns what End.SCTP does of a *sluice.SCTPTransport, which may be nil.
func SCTP[State ~string, Transport interface {
	comparable
	State() State
	MaxMessageSize() float64
	MaxChannels() int
}](of Transport) (state string, maxMessageSize float64, maxChannels int) {
	var null Transport
	if of == null {
		return "", 0, 0
	}
	return string(of.State()), of.MaxMessageSize(), of.MaxChannels()
}

// GoEnd is an End of ours.
type GoEnd struct {
	t    T
	pc   PeerConnection
	sctp func() (state string, maxMessageSize float64, maxChannels int)

	mu    sync.Mutex
	send  string
	close bool

	accepted chan accepted
}

type accepted struct {
	ch    *goChannel
	state string
}

// NewGoEnd makes an End of a PeerConnection; sctp is End.SCTP.
func NewGoEnd(t T, pc PeerConnection, sctp func() (string, float64, int)) *GoEnd {
	e := &GoEnd{t: t, pc: pc, sctp: sctp, accepted: make(chan accepted, 1024)}
	pc.OnDataChannel(e.onDataChannel)
	return e
}

func (e *GoEnd) onDataChannel(ch *datachannel.Channel) {
	a := accepted{newGoChannel(e.t, ch), ch.ReadyState().String()}
	e.mu.Lock()
	send, closes := e.send, e.close
	e.send, e.close = "", false
	e.mu.Unlock()
	if send != "" {
		if err := ch.SendText(send); err != nil {
			e.t.Errorf("send in the handler: %v", err)
		}
	}
	if closes {
		ch.Close()
	}
	e.accepted <- a
}

// Create is described at End, and so are the others.
func (e *GoEnd) Create(label string, init Init) (Channel, error) {
	ch, err := e.pc.CreateDataChannel(label, &datachannel.Init{
		Unordered: init.Ordered != nil && !*init.Ordered, MaxPacketLifeTime: init.MaxPacketLifeTime, MaxRetransmits: init.MaxRetransmits,
		Protocol: init.Protocol, Negotiated: init.Negotiated, ID: init.ID,
	})
	if err != nil {
		return nil, thrown(err)
	}
	return newGoChannel(e.t, ch), nil
}

func (e *GoEnd) InDataChannel(send string, close bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.send, e.close = send, close
}

func (e *GoEnd) Accept() (Channel, string) {
	e.t.Helper()
	a, ok := receive(e.accepted)
	if !ok {
		e.t.Fatalf("no channel comes")
	}
	return a.ch, a.state
}

func (e *GoEnd) Accepted() int { return len(e.accepted) }
func (e *GoEnd) Close()        { e.pc.Close() }

func (e *GoEnd) SCTP() (state string, maxMessageSize float64, maxChannels int) { return e.sctp() }

// goChannel is a Channel of ours.
type goChannel struct {
	t      T
	ch     *datachannel.Channel
	events chan Event
}

func newGoChannel(t T, ch *datachannel.Channel) *goChannel {
	c := &goChannel{t: t, ch: ch, events: make(chan Event, 8192)}
	ch.OnOpen(func() { c.note(Event{Type: "open"}) })
	ch.OnMessage(func(m datachannel.Message) { c.note(Event{Type: "message", Text: m.IsText, Data: m.Data}) })
	ch.OnBufferedAmountLow(func() { c.note(Event{Type: "bufferedamountlow"}) })
	ch.OnError(func(err error) {
		e := Event{Type: "error"}
		if rtc, ok := err.(*datachannel.RTCError); ok {
			e.Name, e.Detail, e.Code = string(Operation), string(rtc.Detail), rtc.SCTPCauseCode
		}
		c.note(e)
	})
	ch.OnClosing(func() { c.note(Event{Type: "closing"}) })
	ch.OnClose(func() { c.note(Event{Type: "close"}) })
	return c
}

// note adds an event.
func (c *goChannel) note(e Event) {
	e.State, e.Amount = c.ch.ReadyState().String(), c.ch.BufferedAmount()
	c.events <- e
}

func (c *goChannel) Attributes() Attributes {
	a := Attributes{
		Label: c.ch.Label(), Ordered: c.ch.Ordered(), Protocol: c.ch.Protocol(), Negotiated: c.ch.Negotiated(),
		ReadyState: c.ch.ReadyState().String(), BufferedAmount: c.ch.BufferedAmount(), LowThreshold: c.ch.BufferedAmountLowThreshold(),
	}
	a.MaxPacketLifeTime, a.MaxRetransmits, a.ID = nullable(c.ch.MaxPacketLifeTime()), nullable(c.ch.MaxRetransmits()), nullable(c.ch.ID())
	return a
}

func nullable(v uint16, ok bool) *uint16 {
	if !ok {
		return nil
	}
	return &v
}

func (c *goChannel) Send(messages ...Message) (amounts []int, err error) {
	for _, m := range messages {
		if m.Text {
			err = c.ch.SendText(string(m.Data))
		} else {
			err = c.ch.Send(m.Data)
		}
		if err != nil {
			return amounts, thrown(err)
		}
		amounts = append(amounts, c.ch.BufferedAmount())
	}
	return amounts, nil
}

func (c *goChannel) SetLowThreshold(n int) { c.ch.SetBufferedAmountLowThreshold(n) }
func (c *goChannel) Close()                { c.ch.Close() }

func (c *goChannel) Next() Event {
	c.t.Helper()
	e, ok := receive(c.events)
	if !ok {
		c.t.Fatalf("no event of channel %q comes; it is %v", c.ch.Label(), c.ch.ReadyState())
	}
	return e
}

func (c *goChannel) Pending() []Event {
	var all []Event
	for range len(c.events) {
		all = append(all, <-c.events)
	}
	return all
}

// receive waits for a value, for as long as Patience.
func receive[V any](from <-chan V) (v V, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	select {
	case v = <-from:
		return v, true
	case <-ctx.Done():
		return v, false
	}
}

// thrown names an error as the exception that a browser throws.
func thrown(err error) error {
	var state *datachannel.InvalidStateError
	var typ *datachannel.TypeError
	var operation *datachannel.OperationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &state):
		return InvalidState
	case errors.As(err, &typ):
		return TypeError
	case errors.As(err, &operation):
		return Operation
	}
	return err
}
