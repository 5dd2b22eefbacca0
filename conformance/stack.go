package conformance

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// An engine is what a script drives: an association alone, or an endpoint with
// whatever associations it has.
type engine interface {
	handle(now time.Time, packet []byte, mark sctp.ECN)
	timeout() (time.Time, bool)
	expire(now time.Time)
	transmit(now time.Time, dst []byte) (packet []byte, mark sctp.ECN, ok bool)
	event() (*sctp.Association, sctp.Event, bool)
	connect(now time.Time) (*sctp.Association, error)
	// update follows a command on the association.
	update()
}

// alone is an engine of one association.
type alone struct{ a *sctp.Association }

func (e alone) handle(now time.Time, packet []byte, mark sctp.ECN) {
	e.a.HandlePacketECN(now, 0, packet, mark)
}
func (e alone) timeout() (time.Time, bool) { return e.a.Timeout() }
func (e alone) expire(now time.Time)       { e.a.HandleTimeout(now) }
func (e alone) update()                    {}

func (e alone) transmit(now time.Time, dst []byte) ([]byte, sctp.ECN, bool) {
	t, ok := e.a.Transmit(now, dst)
	return t.Packet, t.ECN, ok
}

func (e alone) event() (*sctp.Association, sctp.Event, bool) {
	event, ok := e.a.NextEvent()
	return e.a, event, ok
}

func (e alone) connect(now time.Time) (*sctp.Association, error) { return e.a, e.a.Connect(now) }

// An endpoint is an engine of an Endpoint.
type endpoint struct {
	e  *sctp.Endpoint
	id sctp.AssociationID
	a  *sctp.Association // of id; kept after its end
}

// testerAddr is where the tester's packets come from.
var testerAddr = netip.MustParseAddrPort("192.0.2.1:9899")

func (e *endpoint) handle(now time.Time, packet []byte, mark sctp.ECN) {
	e.e.HandlePacketECN(now, testerAddr, packet, mark)
}
func (e *endpoint) timeout() (time.Time, bool) { return e.e.Timeout() }
func (e *endpoint) expire(now time.Time)       { e.e.HandleTimeout(now) }
func (e *endpoint) update()                    { e.e.Update(e.id) }

func (e *endpoint) transmit(now time.Time, dst []byte) ([]byte, sctp.ECN, bool) {
	d, ok := e.e.Transmit(now, dst)
	return d.Packet, d.ECN, ok
}

func (e *endpoint) event() (*sctp.Association, sctp.Event, bool) {
	event, ok := e.e.NextEvent()
	if ok && event.ID != e.id {
		e.id, e.a = event.ID, e.e.Association(event.ID)
	}
	return e.a, event.Event, ok
}

func (e *endpoint) connect(now time.Time) (*sctp.Association, error) {
	id, err := e.e.Connect(now, testerAddr)
	if err == nil {
		e.id, e.a = id, e.e.Association(id)
	}
	return e.a, err
}

// A stack is what stands behind the sockets: an engine, and the association that
// the script is about.
type stack struct {
	engine engine
	assoc  *sctp.Association // nil until it connects or, with an endpoint, is established
	owner  *socket           // whose notifications they are
	seeds  uint64
	rises  int // times that any association was established or restarted
	session
}

// A session is what became of an association.
type session struct {
	inbox []delivery
	ups   int   // times that it was established or restarted
	ended bool  // EventClosed
	err   error // with which it ended
	taken bool  // a socket has it: by connect or by accept
	sends bool  // something was left to send or to be acknowledged
}

// A delivery is what the application may receive: a message of a stream, or a
// notification.
type delivery struct {
	stream uint16
	note   *notification
}

// timeout returns the engine's deadline.
func (s *stack) timeout() (time.Time, bool) {
	if s.engine == nil {
		return time.Time{}, false
	}
	return s.engine.timeout()
}

// idle says whether there is no association that lives.
func (s *stack) idle() bool { return s.assoc == nil || s.assoc.State() == sctp.Closed }

// events takes the engine's events.
func (s *stack) events(r *runner) {
	for {
		a, e, ok := s.engine.event()
		if !ok {
			s.dry()
			return
		}
		if a != s.assoc { // the peer began another
			s.assoc, s.session = a, session{}
		}
		for _, n := range r.notifications(s.owner, e) {
			s.inbox = append(s.inbox, delivery{note: &n})
		}
		switch e.Kind {
		case sctp.EventConnected, sctp.EventRestarted:
			s.ups++
			s.rises++
		case sctp.EventReadable:
			s.inbox = append(s.inbox, delivery{stream: e.Stream})
		case sctp.EventClosed:
			s.ended, s.err = true, e.Err
		}
	}
}

// busy says whether something is left to send or to be acknowledged.
func (s *stack) busy() bool {
	return s.assoc != nil && (s.assoc.TotalBufferedAmount() > 0 || s.assoc.Stats().UnackedDataChunks > 0)
}

// dry tells the socket when there is nothing left (RFC 6458, section 6.1.9).
func (s *stack) dry() {
	before := s.sends
	if s.sends = s.busy(); before && !s.sends && !s.ended && s.owner.subs[constants["SCTP_SENDER_DRY_EVENT"]] {
		s.inbox = append(s.inbox, delivery{note: senderDry()})
	}
}

// open makes the engine ready for a new association with the options of a socket.
func (s *stack) open(r *runner, sock *socket) error {
	s.session, s.owner = session{}, sock
	cfg := r.config(sock)
	s.seeds++
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], s.seeds)
	cfg.Seed = sha256.Sum256(seed[:])
	cfg.LocalPort, cfg.RemotePort = enginePort, testerPort
	if !r.opts.Endpoint {
		a, err := sctp.New(cfg)
		if err != nil {
			return unsupportedf("%v", err)
		}
		s.engine, s.assoc = alone{a}, a
		return nil
	}
	if s.engine != nil { // it serves them all
		return nil
	}
	e, err := sctp.NewEndpoint(sctp.EndpointConfig{Config: cfg})
	if err != nil {
		return unsupportedf("%v", err)
	}
	s.engine = &endpoint{e: e}
	return nil
}

// arrived makes sure that somebody is there for a packet.
func (s *stack) arrived(r *runner, p *Packet) error {
	var listener *socket
	for _, fd := range slices.Sorted(maps.Keys(r.sockets)) {
		if sock := r.sockets[fd]; sock.listening && !sock.closed {
			listener = sock
		}
	}
	if r.opts.Endpoint {
		return s.endpointArrived(r, listener)
	}
	switch {
	case s.engine == nil && listener == nil:
		return unsupportedf("a packet that no socket is there for: it needs an endpoint")
	case s.engine == nil, listener != nil && s.ended && first(p) == "INIT":
		return s.open(r, listener)
	}
	return nil
}

// endpointArrived is arrived for an Endpoint, which answers what belongs to no one.
func (s *stack) endpointArrived(r *runner, listener *socket) error {
	if s.engine == nil {
		sock := listener
		if sock == nil {
			sock = newSocket(constants["SOCK_STREAM"])
		}
		if err := s.open(r, sock); err != nil {
			return err
		}
	}
	if listener != nil && s.assoc == nil {
		s.owner = listener
	}
	s.engine.(*endpoint).e.Listen(listener != nil)
	return nil
}
