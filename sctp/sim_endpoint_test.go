package sctp_test

import (
	"net/netip"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// An endpointEngine is an Endpoint that stands in for one Association. Beside the peer
// of the simulation it has neighbours with associations of their own, which send it a
// message now and then, and is flooded with INITs of strangers.
type endpointEngine struct {
	*sctp.Endpoint
	dice       dice
	id         sctp.AssociationID // of the association with the peer; 0 before there is one
	a          *sctp.Association  // the same; kept when it has ended
	neighbours []*neighbour
	flood      float64 // chance of an INIT of a stranger with each packet
	over       bool    // the association with the peer has ended, and those with neighbours
	fail       func(format string, args ...any)
}

// A neighbour is another peer of an Endpoint; nothing is lost between them.
type neighbour struct {
	addr     netip.AddrPort
	a        *sctp.Association
	id       sctp.AssociationID
	sent     int
	received int
}

// simPeer is where the peer of the simulation is.
var simPeer = netip.MustParseAddrPort("192.0.2.1:9899")

func newEndpointEngine(w *world, p *plan, cfg sctp.Config) (*endpointEngine, error) {
	if cfg.MaxMTU == 0 { // the default of an Endpoint is another
		cfg.MaxMTU = max(orDefault(cfg.MTU, 1188), 1432)
	}
	e := &endpointEngine{dice: newDice(w.s.seed, 9), flood: p.flood, fail: w.fail}
	var err error
	if e.Endpoint, err = sctp.NewEndpoint(sctp.EndpointConfig{Config: cfg, Listen: true}); err != nil {
		return nil, err
	}
	local, remote := orDefault(cfg.LocalPort, 5000), orDefault(cfg.RemotePort, 5000)
	for i := range p.neighbours {
		c := sctp.Config{LocalPort: remote, RemotePort: local, HeartbeatInterval: -1, Seed: cfg.Seed}
		c.Seed[0] ^= byte(i + 1)
		a, err := sctp.New(c)
		if err != nil {
			return nil, err
		}
		n := &neighbour{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), 9899), a: a}
		e.neighbours = append(e.neighbours, n)
		if err := a.Connect(w.now); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *endpointEngine) InitToken() []byte                            { return nil }
func (e *endpointEngine) ConnectWithToken(time.Time, []byte) error     { return sctp.ErrNotSupported }
func (e *endpointEngine) InUse(stream uint16) bool                     { return e.a.InUse(stream) }
func (e *endpointEngine) Peek(stream uint16) (sctp.MessageInfo, error) { return e.a.Peek(stream) }
func (e *endpointEngine) OutboundStreams() int                         { return e.a.OutboundStreams() }
func (e *endpointEngine) InboundStreams() int                          { return e.a.InboundStreams() }

func (e *endpointEngine) Connect(now time.Time) error {
	if e.a != nil {
		return sctp.ErrAlreadyStarted
	}
	id, err := e.Endpoint.Connect(now, simPeer)
	if err == nil {
		e.id, e.a = id, e.Association(id)
	}
	return err
}

func (e *endpointEngine) HandlePacketECN(now time.Time, _ sctp.PathID, packet []byte, mark sctp.ECN) {
	e.talk(now)
	if e.dice.chance(e.flood) {
		stranger := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(e.dice.IntN(256))}), uint16(e.dice.between(1, 65535)))
		init := append([]byte(nil), packet[:min(len(packet), 12)]...)
		if len(init) == 12 {
			init = append(init, 1, 0, 0, 20)
			init = append(init, (forger{e.dice}).bytes(16)...)
			init[16], init[20], init[24], init[26] = 1, 1, 1, 1
			e.Endpoint.HandlePacket(now, stranger, seal(init, 0))
		}
	}
	e.Endpoint.HandlePacketECN(now, simPeer, packet, mark)
}

// talk lets a neighbour send a message, and everything between neighbours and Endpoint
// arrive.
func (e *endpointEngine) talk(now time.Time) {
	for _, n := range e.neighbours {
		if e.over {
			return
		}
		if n.a.State() == sctp.Established && e.dice.chance(0.1) {
			if err := n.a.Send(now, sctp.Message{Payload: []byte("good morning")}); err == nil {
				n.sent++
			}
		}
		if at, on := n.a.Timeout(); on && !now.Before(at) {
			n.a.HandleTimeout(now)
		}
		e.hear(now, n)
	}
}

// hear hands over what a neighbour sends.
func (e *endpointEngine) hear(now time.Time, n *neighbour) {
	for {
		if _, ok := n.a.NextEvent(); ok {
			continue
		}
		tx, ok := n.a.Transmit(now, nil)
		if !ok {
			return
		}
		e.Endpoint.HandlePacket(now, n.addr, tx.Packet)
	}
}

// Transmit returns what goes to the peer; what goes to neighbours arrives at once, and
// strangers do not answer.
func (e *endpointEngine) Transmit(now time.Time, dst []byte) (sctp.Transmit, bool) {
	for {
		d, ok := e.Endpoint.Transmit(now, dst)
		if !ok {
			return sctp.Transmit{}, false
		}
		if d.To == simPeer {
			return sctp.Transmit{Packet: d.Packet, Whole: d.Whole, ECN: d.ECN}, true
		}
		for _, n := range e.neighbours {
			if n.addr == d.To {
				n.a.HandlePacket(now, 0, append([]byte(nil), d.Packet...))
				e.hear(now, n)
			}
		}
	}
}

// NextEvent returns the next event of the association with the peer.
func (e *endpointEngine) NextEvent() (sctp.Event, bool) {
	for {
		ev, ok := e.Endpoint.NextEvent()
		if !ok {
			return sctp.Event{}, false
		}
		n := e.neighbour(ev.ID)
		switch {
		case ev.ID == e.id:
			if ev.Kind == sctp.EventClosed {
				e.leave()
			}
			return ev.Event, true
		case n != nil:
			e.answer(n, ev.Event)
		case e.RemoteAddr(ev.ID) != simPeer:
			e.fail("event %+v of an association with nobody", ev)
		case e.id == 0 && ev.Kind == sctp.EventConnected:
			e.id, e.a = ev.ID, e.Association(ev.ID)
			return ev.Event, true
		case ev.Kind == sctp.EventConnected: // an old COOKIE ECHO, which came late
			e.Association(ev.ID).Abort(simStart, abortReason)
			e.Update(ev.ID)
		}
	}
}

// leave ends what is left.
func (e *endpointEngine) leave() {
	e.over = true
	for _, n := range e.neighbours {
		if a := e.Association(n.id); a != nil {
			a.Abort(simStart, "goodbye")
			e.Update(n.id)
		}
	}
}

// neighbour returns the neighbour with which there is an association, nil if none.
func (e *endpointEngine) neighbour(id sctp.AssociationID) *neighbour {
	at := e.RemoteAddr(id)
	for _, n := range e.neighbours {
		if n.id == id || n.id == 0 && n.addr == at {
			n.id = id
			return n
		}
	}
	return nil
}

// answer takes an event of the association with a neighbour.
func (e *endpointEngine) answer(n *neighbour, ev sctp.Event) {
	if e.over {
		if ev.Kind != sctp.EventClosed {
			e.leave()
		}
		return
	}
	switch ev.Kind {
	case sctp.EventConnected:
	case sctp.EventReadable:
		var buf [100]byte
		for {
			m, _, err := e.Association(n.id).Read(simStart, 0, buf[:])
			if err != nil {
				break
			}
			if n.received++; string(buf[:m]) != "good morning" || n.received > n.sent {
				e.fail("a neighbour has sent %d messages, and %q is the %d.", n.sent, buf[:m], n.received)
			}
		}
		e.Update(n.id)
	default:
		e.fail("event %+v of a neighbour", ev)
	}
}

// command carries out a command and tells the Endpoint.
func (e *endpointEngine) command(do func()) {
	do()
	e.Update(e.id)
}

func (e *endpointEngine) Send(now time.Time, m sctp.Message) (err error) {
	e.command(func() { err = e.a.Send(now, m) })
	return err
}

func (e *endpointEngine) SendCopy(now time.Time, m sctp.Message) (err error) {
	e.command(func() { err = e.a.SendCopy(now, m) })
	return err
}

func (e *endpointEngine) Read(now time.Time, stream uint16, dst []byte) (n int, info sctp.MessageInfo, err error) {
	e.command(func() { n, info, err = e.a.Read(now, stream, dst) })
	return n, info, err
}

func (e *endpointEngine) ResetStreams(now time.Time, streams ...uint16) (err error) {
	e.command(func() { err = e.a.ResetStreams(now, streams...) })
	return err
}

func (e *endpointEngine) SetStreamPriority(stream, priority uint16) (err error) {
	e.command(func() { err = e.a.SetStreamPriority(stream, priority) })
	return err
}

func (e *endpointEngine) RequestReset(now time.Time, streams ...uint16) (err error) {
	e.command(func() { err = e.a.RequestReset(now, streams...) })
	return err
}

func (e *endpointEngine) AddStreams(now time.Time, out, in int) (err error) {
	e.command(func() { err = e.a.AddStreams(now, out, in) })
	return err
}

func (e *endpointEngine) ResetAssociation(now time.Time) (err error) {
	e.command(func() { err = e.a.ResetAssociation(now) })
	return err
}

func (e *endpointEngine) Shutdown(now time.Time) (err error) {
	e.command(func() { err = e.a.Shutdown(now) })
	return err
}

func (e *endpointEngine) Abort(now time.Time, reason string) {
	e.command(func() { e.a.Abort(now, reason) })
}

func (e *endpointEngine) PathChanged(now time.Time, path sctp.PathID) {
	if e.a != nil {
		e.command(func() { e.a.PathChanged(now, path) })
	}
}

func (e *endpointEngine) State() sctp.State {
	if e.a == nil {
		return sctp.Closed
	}
	return e.a.State()
}

func (e *endpointEngine) BufferedAmount(stream uint16) int {
	if e.a == nil {
		return 0
	}
	return e.a.BufferedAmount(stream)
}

func (e *endpointEngine) Stats() sctp.Stats {
	if e.a == nil {
		return sctp.Stats{}
	}
	return e.a.Stats()
}
