package udpmux

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAddresses bounds the addresses that a session has a claim on; the oldest
	// goes for the next.
	maxAddresses = 256

	// maxHeld and maxHeldBytes bound what waits for a receiver.
	maxHeld      = 32
	maxHeldBytes = 32 << 10
)

// ErrNoPath is why datagrams are lost: ICE has selected no path, or has lost it.
var ErrNoPath = errors.New("udpmux: no path")

// A Receiver takes datagrams that came in together, in the order in which they came. They
// are its own until it returns. It may be called from several goroutines at once. It
// should not wait: other sessions wait with it. It may call the Session, Close included.
type Receiver func(datagrams [][]byte)

// A Session is one connection: datagrams of DTLS, from the peer's addresses to a
// Receiver and from Write to the path that was selected. Its methods may be called
// from several goroutines at once.
type Session struct {
	m        *Mux
	plain    bool // see NewSession
	receiver atomic.Pointer[Receiver]
	path     atomic.Pointer[path]
	whole    atomic.Bool
	dscp     atomic.Uint32
	closed   atomic.Bool
	counters sessionCounters

	authentic atomic.Int64 // see NoteAuthentic; Unix nanoseconds, 0 for never

	mu        sync.Mutex
	agents    []*Agent
	addresses []claimed // the oldest first
	held      [][]byte  // what waits for a receiver
	heldBytes int
}

// address is one on which a session has a claim.
type address struct {
	p    *port
	addr netip.AddrPort
}

// claimed is an address on which there is a claim, with what has gone there.
type claimed struct {
	address
	t *Traffic
}

// A path is where datagrams go.
type path struct {
	claimed
	conn net.Conn // in place of a port
}

type sessionCounters struct {
	received, receivedBytes, sent, sentBytes, receiveLost, sendLost, checks atomic.Uint64
}

// SessionStats count datagrams and their bytes, of DTLS but for the checks.
type SessionStats struct {
	Received, ReceivedBytes uint64
	Sent, SentBytes         uint64
	ReceiveLost             uint64 // came in before there was a receiver, and too many
	SendLost                uint64 // there was no path, or the system refused them
	Checks                  uint64 // connectivity checks sent
}

// NewSession returns a Session without agents and path. A Mux that is not shared has
// one at a time: another takes the place of the one before, which is about to end. If it is to be plain its agents get the datagrams, too, and the library does the rest:
// slower, for comparison.
func (m *Mux) NewSession(plain bool) *Session {
	s := &Session{m: m, plain: plain}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
	return s
}

// Receive sets the receiver, once. What came in before, it gets within the call.
func (s *Session) Receive(f Receiver) {
	s.mu.Lock()
	held := s.held
	s.held, s.heldBytes = nil, 0
	s.receiver.Store(&f)
	s.mu.Unlock()
	if len(held) > 0 {
		f(held)
	}
}

// Forget drops what came in before there is a receiver.
func (s *Session) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.heldBytes = nil, 0
}

// arrive takes datagrams from a port, some of an address on which there is a claim.
func (s *Session) arrive(p *port, from netip.AddrPort, datagrams [][]byte, t *Traffic) {
	if !s.plain {
		s.Deliver(datagrams, t)
		return
	}
	for _, a := range s.generations() {
		c := a.conn(p)
		for i := 0; c != nil && i < len(datagrams); i++ {
			c.put(datagrams[i], from)
		}
	}
}

// Deliver hands over datagrams that came in, at a port or by another way, which t counts.
func (s *Session) Deliver(datagrams [][]byte, t *Traffic) {
	if s.closed.Load() {
		return
	}
	total := 0
	for _, d := range datagrams {
		total += len(d)
	}
	s.counters.received.Add(uint64(len(datagrams)))
	s.counters.receivedBytes.Add(uint64(total))
	t.came(len(datagrams), total)
	f := s.receiver.Load()
	if f == nil {
		if f = s.hold(datagrams); f == nil {
			return
		}
	}
	(*f)(datagrams)
}

// hold keeps copies for the receiver, unless it has been set meanwhile.
func (s *Session) hold(datagrams [][]byte) *Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.receiver.Load(); f != nil {
		return f
	}
	for _, d := range datagrams {
		if len(s.held) == maxHeld || s.heldBytes+len(d) > maxHeldBytes {
			s.counters.receiveLost.Add(1)
			continue
		}
		s.held = append(s.held, bytes.Clone(d))
		s.heldBytes += len(d)
	}
	return nil
}

// Write sends datagrams over the path, in order. Those that cannot be sent do not keep
// back others: it returns how many were lost and why the last of these was. The error
// matches net.ErrClosed after Close and then only.
//
// Datagrams of one size that lie one behind the other in memory are the cheapest; the last may be
// smaller.
func (s *Session) Write(datagrams [][]byte) (lost int, err error) {
	to := s.path.Load()
	sent := 0
	switch {
	case s.closed.Load():
		return len(datagrams), net.ErrClosed
	case to == nil:
		err = ErrNoPath
	case to.conn != nil:
		sent, err = writeAll(to.conn, datagrams)
	default:
		how := treatment{fragmentAllow, uint8(s.dscp.Load())}
		if s.whole.Load() {
			how.fragmentation = fragmentNever
		}
		sent, err = to.p.sock.send(datagrams, to.addr, how)
	}
	if errors.Is(err, net.ErrClosed) && !s.closed.Load() {
		err = fmt.Errorf("%w: its socket is closed", ErrNoPath)
	}
	total := 0
	for _, d := range datagrams {
		total += len(d)
	}
	went := total
	if lost = len(datagrams) - sent; lost > 0 {
		s.counters.sendLost.Add(uint64(lost))
		went = total / len(datagrams) * sent // roughly
	}
	s.counters.sent.Add(uint64(sent))
	s.counters.sentBytes.Add(uint64(went))
	if to != nil {
		to.t.went(sent, went, lost, total-went)
	}
	return lost, err
}

// writeAll writes to a connection that carries one datagram at a time. None of its
// errors says more than that there is no path now: ICE may select another.
func writeAll(c net.Conn, datagrams [][]byte) (sent int, err error) {
	for _, d := range datagrams {
		switch n, e := c.Write(d); {
		case e != nil:
			err = fmt.Errorf("%w: %v", ErrNoPath, e)
		case n == 0:
			err = ErrNoPath // as an ICE connection without a pair says it
		default:
			sent++
		}
	}
	return sent, err
}

// SetPath makes Write send from the port with the local address to the remote one.
func (s *Session) SetPath(local, remote netip.AddrPort) error {
	p := s.m.portAt(local)
	if p == nil {
		return fmt.Errorf("udpmux: no port at %v", local)
	}
	to := address{p, unmapped(remote)}
	s.path.Store(&path{claimed: claimed{address: to}}) // counts a claim as one in use
	s.claim(to, true)
	s.path.Store(&path{claimed: claimed{to, s.trafficOf(to)}})
	s.m.sweep()
	return nil
}

// SetConn makes Write send over c, which carries one datagram for each Write and which t counts;
// what comes in there is for Deliver. A nil c leaves no path.
func (s *Session) SetConn(c net.Conn, t *Traffic) {
	if c == nil {
		s.path.Store(nil)
	} else {
		s.path.Store(&path{claimed{t: t}, c})
	}
	s.m.sweep()
}

// uses and sendsTo tell whether the path is from a port, and to an address there.
func (s *Session) uses(p *port) bool {
	if s == nil {
		return false
	}
	to := s.path.Load()
	return to != nil && to.p == p
}

func (s *Session) sendsTo(p *port, addr netip.AddrPort) bool {
	to := s.path.Load()
	return to != nil && to.address == address{p, addr}
}

// LocalAddr and RemoteAddr return the addresses of the path, nil without one.
func (s *Session) LocalAddr() net.Addr {
	switch to := s.path.Load(); {
	case to == nil:
		return nil
	case to.conn != nil:
		return to.conn.LocalAddr()
	default:
		return net.UDPAddrFromAddrPort(to.p.sock.local)
	}
}

func (s *Session) RemoteAddr() net.Addr {
	switch to := s.path.Load(); {
	case to == nil:
		return nil
	case to.conn != nil:
		return to.conn.RemoteAddr()
	default:
		return net.UDPAddrFromAddrPort(to.addr)
	}
}

// SetDontFragment says whether hosts and routers may fragment what is written from
// now on. The error says that there is no telling them.
func (s *Session) SetDontFragment(on bool) error {
	if to := s.path.Load(); to != nil && to.p != nil && to.p.sock.frozen {
		return errors.ErrUnsupported
	}
	s.whole.Store(on)
	return nil
}

// SetDSCP sets the codepoint of Differentiated Services, 0 to 63, of what is written from now
// on, where the system has a way to. Checks of ICE go as what was written last at their port.
func (s *Session) SetDSCP(codepoint uint8) { s.dscp.Store(uint32(codepoint)) }

// claim enters a claim on an address, and tells whether the session had none there.
func (s *Session) claim(a address, proven bool) (isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Traffic{}
	known := s.index(a)
	if known >= 0 {
		t = s.addresses[known].t
	}
	if s.closed.Load() || !a.p.claim(a.addr, claim{s, proven, t}) || known >= 0 {
		return false
	}
	if len(s.addresses) == maxAddresses {
		i := 0
		if s.sendsTo(s.addresses[0].p, s.addresses[0].addr) {
			i = 1
		}
		s.addresses[i].p.disclaim(s.addresses[i].addr, s)
		s.addresses = slices.Delete(s.addresses, i, i+1)
	}
	s.addresses = append(s.addresses, claimed{a, t})
	return true
}

// Contested tells whether what comes in may be of another session, as that has a claim on the
// same address, or had one lately.
func (s *Session) Contested() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.addresses, func(c claimed) bool { return c.p.contested(c.addr, s) })
}

// Crowded tells whether so many sessions send from the port of the path to the same address that
// this one may not hear what comes from there.
func (s *Session) Crowded() bool {
	to := s.path.Load()
	return to != nil && to.p != nil && !s.closed.Load() && !to.p.proven(to.addr, s)
}

// index returns the index of an address on which there is a claim, -1 if there is none. s.mu is held.
func (s *Session) index(a address) int {
	return slices.IndexFunc(s.addresses, func(c claimed) bool { return c.address == a })
}

// generations returns the agents; the caller does not change them.
func (s *Session) generations() []*Agent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents
}

// asker returns the connection of the agent that has sent a check with that transaction
// ID from the port, or nil.
func (s *Session) asker(p *port, id [12]byte) *Conn {
	for _, a := range s.generations() {
		if c := a.conn(p); c != nil && c.asked(id) {
			return c
		}
	}
	return nil
}

// NoteAuthentic notes that what came in was authentic: the peer is there.
func (s *Session) NoteAuthentic() { s.authentic.Store(time.Now().UnixNano()) }

// LastAuthentic returns when NoteAuthentic was called last, zero if it never was.
func (s *Session) LastAuthentic() time.Time {
	if at := s.authentic.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Stats returns the counters.
func (s *Session) Stats() SessionStats {
	c := &s.counters
	return SessionStats{
		Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(), ReceiveLost: c.receiveLost.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), SendLost: c.sendLost.Load(),
		Checks: c.checks.Load(),
	}
}

// Close ends the session and its agents' connections. A call of the receiver that has begun may
// still be running; no other begins.
func (s *Session) Close() error {
	s.mu.Lock()
	s.closed.Store(true)
	agents, addresses := s.agents, s.addresses
	s.agents, s.addresses, s.held = nil, nil, nil
	s.mu.Unlock()
	for _, a := range agents {
		a.Close()
	}
	for _, a := range addresses {
		a.p.disclaim(a.addr, s)
	}
	s.SetConn(nil, nil)
	return nil
}

// unmapped is the address as the ports know it: IPv4 in IPv6 is IPv4, and no zone.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
