package udpmux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// An Agent is the sockets of one ICE agent, one generation of a Session. But for the type
// that Conn returns it is the library's UDPMux.
type Agent struct {
	m *Mux
	s atomic.Pointer[Session] // changes with Session.Adopt

	mu        sync.Mutex
	closed    bool
	ports     []*port // where candidates are gathered
	conns     []*Conn
	servers   []*ServerConn
	newcomers int  // addresses that the peer's checks have brought up
	kept      bool // see Keep
	early     func(c *Conn, request []byte, from netip.AddrPort)
}

// maxNewcomers bounds the addresses that the peer may bring up by checks: each becomes
// a candidate, for as long as there is an agent of the library.
const maxNewcomers = 100

// NewAgent returns an Agent that has no port yet.
func (s *Session) NewAgent() *Agent {
	a := &Agent{m: s.m}
	a.s.Store(s)
	if !s.enter(a) {
		a.closed = true
	}
	return a
}

// enter takes an agent in; false if the session is closed.
func (s *Session) enter(a *Agent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	s.agents = append(slices.Clone(s.agents), a)
	return true
}

// leave takes an agent out.
func (s *Session) leave(a *Agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents = slices.DeleteFunc(slices.Clone(s.agents), func(other *Agent) bool { return other == a })
}

// Adopt takes over an agent of another session of the same Mux, which goes on as it is: the
// addresses that it has a claim on from now on are this session's. If this one is closed the
// agent closes.
func (s *Session) Adopt(a *Agent) {
	a.s.Swap(s).leave(a)
	if !s.enter(a) {
		a.Close()
	}
}

// LastAuthentic is that of the agent's session.
func (a *Agent) LastAuthentic() time.Time { return a.s.Load().LastAuthentic() }

// Listen makes the ports at the addresses those where candidates are gathered. On a Mux
// that is not shared it opens them, with numbers of low to high, any if that is 0, and
// lets those go that are needed no more; ports that are open already stay as they are,
// so that a restart of ICE does not need others. The error is that of the addresses at
// which there is no port; the others are used.
func (a *Agent) Listen(addrs []netip.Addr, low, high uint16) error {
	m := a.m
	var failed error
	var ports []*port
	m.mu.Lock()
	for _, p := range m.ports {
		p.wanted = false
	}
	for _, addr := range addrs {
		p := m.at(addr)
		if p != nil && p.ailing.Load() && !m.cfg.Shared {
			m.shut(p) // systems that put programs to sleep break their sockets
			p = nil
		}
		var err error
		switch {
		case p != nil:
		case m.cfg.Shared:
			err = fmt.Errorf("udpmux: no port at %v", addr)
		default:
			p, err = m.openBetween(addr, low, high)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		p.wanted = true
		ports = append(ports, p)
	}
	m.mu.Unlock()
	a.mu.Lock()
	a.ports = ports
	a.mu.Unlock()
	m.sweep()
	return failed
}

// OnEarly sets the function that is shown each request that comes in before the agent
// reads, which it does once it knows the peer. It may write the answer to the Conn. To be
// called before Listen.
func (a *Agent) OnEarly(f func(c *Conn, request []byte, from netip.AddrPort)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.early = f
}

// Keep makes the agent's connections outlive the library's agent, which may be closed now:
// they stay open until Close. What comes in for them, and what the library has not
// read, is for f, on the goroutine that reads the port.
func (a *Agent) Keep(f Keeper) {
	a.mu.Lock()
	a.kept = true
	conns := slices.Clone(a.conns)
	a.mu.Unlock()
	for _, c := range conns {
		c.keep(f)
	}
}

// GetListenAddresses returns the addresses of the ports, as *net.UDPAddr.
func (a *Agent) GetListenAddresses() []net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	var addrs []net.Addr
	for _, p := range a.ports {
		addrs = append(addrs, net.UDPAddrFromAddrPort(p.sock.local))
	}
	return addrs
}

// Conn returns the connection of the port with the local address, on which the
// requests come in that name the user fragment.
func (a *Agent) Conn(ufrag string, local net.Addr) (*Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := addrPort(local)
	i := slices.IndexFunc(a.ports, func(p *port) bool { return p.sock.local == at })
	switch {
	case a.closed:
		return nil, net.ErrClosed
	case i < 0:
		return nil, fmt.Errorf("udpmux: no port at %v", local)
	}
	p := a.ports[i]
	for _, c := range a.conns {
		if c.p == p && c.ufrag == ufrag {
			return c, nil
		}
	}
	if err := a.m.register(ufrag, a, p); err != nil {
		return nil, fmt.Errorf("udpmux: %w", err)
	}
	c := newConn(a, p, ufrag)
	a.conns = append(a.conns, c)
	return c, nil
}

// RemoveConnByUfrag closes the connections of the user fragment.
func (a *Agent) RemoveConnByUfrag(ufrag string) {
	a.mu.Lock()
	conns := slices.Clone(a.conns)
	a.mu.Unlock()
	for _, c := range conns {
		if c.ufrag == ufrag {
			c.Close()
		}
	}
}

// remove takes out a connection that is being closed.
func (a *Agent) remove(c *Conn) {
	a.mu.Lock()
	a.conns = slices.DeleteFunc(a.conns, func(other *Conn) bool { return other == c })
	last := !slices.ContainsFunc(a.conns, func(other *Conn) bool { return other.ufrag == c.ufrag })
	a.mu.Unlock()
	a.m.unregister(c.ufrag, a, c.p, last)
	a.m.sweep()
}

// conn returns the connection of a port, or nil.
func (a *Agent) conn(p *port) *Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		if c.p == p {
			return c
		}
	}
	return nil
}

// request takes a check of the peer; false if it is for no port of the agent, or from
// one address too many.
func (a *Agent) request(p *port, d []byte, from netip.AddrPort) bool {
	c := a.conn(p)
	if c == nil {
		return false
	}
	a.mu.Lock()
	full, early := a.newcomers >= maxNewcomers && !a.kept, a.early
	a.mu.Unlock()
	t := a.s.Load().trafficOf(address{p, from})
	if full && t == nil {
		return false
	}
	taken, read := c.put(d, from)
	if taken && t != nil {
		t.requestsReceived.Add(1)
	}
	if taken && !read && early != nil {
		early(c, d, from)
	}
	return taken
}

// sent notes a message of the agent that is about to leave, and tells whether it shall.
func (a *Agent) sent(c *Conn, m *stunmsg.Message, to netip.AddrPort) bool {
	s, there := a.s.Load(), address{c.p, to}
	switch m.Type {
	case stunmsg.BindingRequest:
		// A remote candidate: the peer's answer comes from there, and maybe more.
		s.claim(there, false)
		if !c.pace(m, to) {
			return false
		}
		a.asked(there)
	case stunmsg.BindingSuccess:
		// The agent answers so only to what was made with its password.
		if s.claim(there, true) {
			a.mu.Lock()
			a.newcomers++
			a.mu.Unlock()
			if t := s.trafficOf(there); t != nil {
				t.requestsReceived.Add(1) // that this is the answer to
			}
		}
		if t := s.trafficOf(there); t != nil {
			t.responsesSent.Add(1)
		}
	}
	return true
}

// asked counts a check that is sent.
func (a *Agent) asked(to address) {
	s := a.s.Load()
	s.counters.checks.Add(1)
	if t := s.trafficOf(to); t != nil {
		t.requestsSent.Add(1)
	}
}

// Close closes the agent's connections.
func (a *Agent) Close() error {
	a.mu.Lock()
	a.closed = true
	conns, servers := slices.Clone(a.conns), a.servers
	a.servers = nil
	a.mu.Unlock()
	for _, c := range conns {
		c.end()
	}
	for _, c := range servers {
		c.Close()
	}
	a.s.Load().leave(a)
	return nil
}

// addrPort is addr as the ports know it.
func addrPort(addr net.Addr) netip.AddrPort {
	u, ok := addr.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}
	}
	return unmapped(u.AddrPort())
}
