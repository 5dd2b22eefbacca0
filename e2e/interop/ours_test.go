package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// ours is this stack as a peer.
type ours struct {
	take    func(event)
	address net.IP // to gather at

	mu       sync.Mutex
	pc       *sluice.PeerConnection
	inits    *initWatch // of pc
	noSNAP   bool       // of the connections to come
	number   int
	channels map[string]*ourChannel
}

// An ourChannel is a channel and how it receives.
type ourChannel struct {
	*datachannel.Channel
	mu              sync.Mutex
	checking        bool
	received, wrong int
}

func (o *ours) about() (name, version string) { return "sluice", "" }

func (o *ours) log() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pc == nil {
		return ""
	}
	s := o.pc.Stats()
	return fmt.Sprintf("%+v %+v", s.Transport, s.SCTP)
}

func (o *ours) close() {
	o.mu.Lock()
	pc := o.pc
	o.mu.Unlock()
	if pc != nil {
		_ = pc.Close()
	}
}

// stats are those of the present connection.
func (o *ours) stats() sluice.Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pc.Stats()
}

// watch tells of the INITs of the present connection.
func (o *ours) watch() *initWatch {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inits
}

// integer, text, is and limit read a member of a command.
func integer(with members, name string) int {
	n, _ := with[name].(int)
	return n
}

func text(with members, name string) string {
	s, _ := with[name].(string)
	return s
}

func is(with members, name string) bool {
	b, _ := with[name].(bool)
	return b
}

func limit(with members, name string) *uint16 {
	n, _ := with[name].(*uint16)
	return n
}

func (o *ours) do(ctx context.Context, op string, with members) (reply, error) {
	if op == "new" {
		return reply{}, o.begin(integer(with, "pc"))
	}
	o.mu.Lock()
	pc, ch := o.pc, o.channels[text(with, "label")]
	o.mu.Unlock()
	switch op {
	case "offer":
		return o.describe(ctx, pc, func() (sluice.SessionDescription, error) { return pc.CreateOffer() })
	case "answer":
		offer := sluice.SessionDescription{Type: sluice.SDPTypeOffer, SDP: text(with, "sdp")}
		if err := pc.SetRemoteDescription(offer); err != nil {
			return reply{}, err
		}
		return o.describe(ctx, pc, pc.CreateAnswer)
	case "accept":
		return reply{}, pc.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeAnswer, SDP: text(with, "sdp")})
	case "open":
		return reply{}, o.open(pc, with)
	case "end":
		return reply{}, pc.Close()
	}
	if ch == nil {
		return reply{}, fmt.Errorf("no channel %q", text(with, "label"))
	}
	switch op {
	case "send":
		return reply{}, ch.send(ctx, batch{from: integer(with, "from"), count: integer(with, "count"), size: integer(with, "size"), text: is(with, "text")})
	case "check":
		ch.mu.Lock()
		ch.checking = true
		ch.mu.Unlock()
		return reply{}, nil
	case "bulk":
		n, err := ch.bulk(ctx, integer(with, "size"), time.Duration(integer(with, "ms"))*time.Millisecond)
		return reply{Sent: n}, err
	case "close":
		return reply{}, ch.Close()
	}
	return reply{}, fmt.Errorf("unknown command %q", op)
}

// begin makes a connection.
func (o *ours) begin(number int) error {
	o.close()
	cfg := sluice.Config{IncludeLoopback: true, NetworkTypes: []string{"udp4"}, IPFilter: o.address.Equal}
	inits := &initWatch{}
	cfg.SCTP.Trace, cfg.DisableSNAP = inits, o.noSNAP
	pc, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.pc, o.inits, o.number, o.channels = pc, inits, number, make(map[string]*ourChannel)
	o.mu.Unlock()
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		o.take(event{Event: "state", PC: number, State: string(s)})
	})
	pc.OnDataChannel(func(ch *datachannel.Channel) { o.adopt(number, ch, true) })
	return nil
}

// describe makes and sets a local description, with all candidates.
func (o *ours) describe(ctx context.Context, pc *sluice.PeerConnection, create func() (sluice.SessionDescription, error)) (reply, error) {
	d, err := create()
	if err == nil {
		err = pc.SetLocalDescription(d)
	}
	if err != nil {
		return reply{}, err
	}
	select {
	case <-pc.GatheringComplete():
		return reply{SDP: pc.LocalDescription().SDP}, nil
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
}

func (o *ours) open(pc *sluice.PeerConnection, with members) error {
	ch, err := pc.CreateDataChannel(text(with, "label"), &datachannel.Init{
		Unordered:         !is(with, "ordered"),
		MaxRetransmits:    limit(with, "maxRetransmits"),
		MaxPacketLifeTime: limit(with, "maxPacketLifeTime"),
		Protocol:          text(with, "protocol"),
		Negotiated:        is(with, "negotiated"),
		ID:                limit(with, "stream"),
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	number := o.number
	o.mu.Unlock()
	o.adopt(number, ch, false)
	return nil
}

// adopt reports the events of a channel from now on.
func (o *ours) adopt(number int, ch *datachannel.Channel, incoming bool) {
	c := &ourChannel{Channel: ch}
	label := ch.Label()
	o.mu.Lock()
	o.channels[label] = c
	o.mu.Unlock()
	ch.OnOpen(func() { o.take(event{Event: "open", PC: number, properties: c.properties(incoming)}) })
	ch.OnClose(func() { o.take(event{Event: "close", PC: number, properties: properties{Label: label}}) })
	ch.OnMessage(func(m datachannel.Message) {
		if e, ok := c.receive(m); ok {
			e.PC = number
			o.take(e)
		}
	})
}

func (c *ourChannel) properties(incoming bool) properties {
	p := properties{Label: c.Label(), Incoming: incoming}
	protocol, ordered, negotiated := c.Protocol(), c.Ordered(), c.Negotiated()
	p.Protocol, p.Ordered, p.Negotiated = &protocol, &ordered, &negotiated
	if id, ok := c.ID(); ok {
		p.Stream = &id
	}
	if n, ok := c.MaxRetransmits(); ok {
		p.MaxRetransmits = &n
	}
	if ms, ok := c.MaxPacketLifeTime(); ok {
		p.MaxPacketLifeTime = &ms
	}
	return p
}

// receive takes a message, and says what to report, if anything.
func (c *ourChannel) receive(m datachannel.Message) (e event, ok bool) {
	label := properties{Label: c.Label()}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.checking:
		d := describe(m.Data, m.IsText)
		return event{Event: "message", properties: label, Text: d.text, Size: d.size, CRC: d.crc}, true
	case m.IsText:
		c.checking = false
		return event{Event: "checked", properties: label, Received: c.received, Wrong: c.wrong}, true
	case len(m.Data) > maxPayload || !bytes.Equal(m.Data, payload(c.received, len(m.Data), false)):
		c.wrong++
	}
	c.received++
	return event{}, false
}

// send sends messages as Send does, so that errors are those of the call.
func (c *ourChannel) send(ctx context.Context, b batch) error {
	for i := range b.count {
		data := payload(b.from+i, b.size, b.text)
		var err error
		if b.text {
			err = c.SendText(string(data))
		} else {
			err = c.Send(data)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// bulk sends for a time, as fast as there is room.
func (c *ourChannel) bulk(ctx context.Context, size int, d time.Duration) (n int, err error) {
	for end := time.Now().Add(d); time.Now().Before(end) && err == nil; n++ {
		err = c.WriteMessage(ctx, payload(n, size, false), false)
	}
	if err == nil {
		err = c.WriteMessage(ctx, []byte("end"), true)
	}
	return n, err
}
