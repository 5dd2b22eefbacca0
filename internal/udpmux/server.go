package udpmux

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// A ServerConn asks a STUN server for the address that it sees a port of the agent
// under, and so gives the ICE library a server-reflexive candidate of that port.
//
// The first request written goes out from the port that the way to its server leads
// through, and again until it is answered (RFC 8489, section 6.2.1); only the
// server's answer to it can be read. The library also takes the connection for
// that of the candidate; checks written to it are dropped, since the host candidate of
// the same port sends the same ones (RFC 8445, section 6.1.2.4).
type ServerConn struct {
	a    *Agent
	ipv6 bool

	mu       sync.Mutex
	changed  sync.Cond
	closed   bool
	p        *port // nil before the request
	request  []byte
	id       [12]byte
	server   netip.AddrPort
	rto      time.Duration
	repeat   *time.Timer
	answer   []byte // not yet read
	deadline time.Time
	expiry   *time.Timer
}

// Retransmissions of RFC 8489, section 6.2.1: RTO 500 ms, doubling; the library
// waits 5 s altogether.
const (
	queryRTO   = 500 * time.Millisecond
	queryLimit = 4 * time.Second // the last interval
)

var errNoPort = errors.New("udpmux: no port of the server's family")

// NewServerConn returns a ServerConn for a server of a family.
func (a *Agent) NewServerConn(ipv6 bool) (*ServerConn, error) {
	c := &ServerConn{a: a, ipv6: ipv6}
	c.changed.L = &c.mu
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, net.ErrClosed
	}
	a.servers = append(a.servers, c)
	return c, nil
}

// WriteTo sends the request to the server.
func (c *ServerConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to := addrPort(addr)
	m, ok := stunmsg.Parse(b)
	if !ok || m.Type != stunmsg.BindingRequest || m.Username != nil {
		return len(b), nil
	}
	p := c.a.portTo(to, c.ipv6)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case p == nil:
		return 0, errNoPort
	case c.p != nil:
		return 0, errors.New("udpmux: a second question to a STUN server")
	}
	c.p, c.request, c.id, c.server, c.rto = p, bytes.Clone(b), m.ID, to, queryRTO
	p.mu.Lock()
	p.queries[c.id] = c
	p.mu.Unlock()
	c.repeat = time.AfterFunc(c.rto, c.again)
	if _, err := p.sock.send([][]byte{b}, to, asBefore); err != nil {
		return 0, err
	}
	return len(b), nil
}

// again repeats the request.
func (c *ServerConn) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.request == nil {
		return
	}
	if _, err := c.p.sock.send([][]byte{c.request}, c.server, asBefore); err != nil && errors.Is(err, net.ErrClosed) {
		return
	}
	if c.rto *= 2; c.rto < queryLimit {
		c.repeat.Reset(c.rto)
	}
}

// answered takes a message with the ID of the request, if it is from the server.
func (c *ServerConn) answered(d []byte, from netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from != c.server || c.request == nil {
		return false
	}
	c.answer = bytes.Clone(d)
	c.finish()
	c.changed.Broadcast()
	return true
}

// finish ends the query. c.mu is held.
func (c *ServerConn) finish() {
	if c.request == nil {
		return
	}
	c.request = nil
	c.repeat.Stop()
	c.p.mu.Lock()
	delete(c.p.queries, c.id)
	c.p.mu.Unlock()
}

// ReadFrom returns the answer, once.
func (c *ServerConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, nil, net.ErrClosed
		case c.answer != nil:
			n := copy(b, c.answer)
			c.answer = nil
			return n, net.UDPAddrFromAddrPort(c.server), nil
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return 0, nil, os.ErrDeadlineExceeded
		}
		c.changed.Wait()
	}
}

// SetReadDeadline bounds ReadFrom; the zero time does not.
func (c *ServerConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	if c.deadline = t; !t.IsZero() && !c.closed {
		c.expiry = time.AfterFunc(time.Until(t), c.changed.Broadcast)
	}
	c.changed.Broadcast()
	return nil
}

// SetDeadline is SetReadDeadline: writes do not wait.
func (c *ServerConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (c *ServerConn) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr returns the address of the port, or before the request none.
func (c *ServerConn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.p == nil {
		return &net.UDPAddr{}
	}
	return net.UDPAddrFromAddrPort(c.p.sock.local)
}

// Close ends the query and ReadFrom.
func (c *ServerConn) Close() error {
	c.mu.Lock()
	c.finish()
	c.closed = true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	c.a.servers = slices.DeleteFunc(slices.Clone(c.a.servers), func(other *ServerConn) bool { return other == c })
	return nil
}

// portTo returns the port that the system's way to an address leads through, another
// one of its family if the agent does not have that, or nil.
func (a *Agent) portTo(to netip.AddrPort, ipv6 bool) *port {
	if to.Addr().Is4() == ipv6 {
		return nil
	}
	var source netip.Addr
	if c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)); err == nil { // sends nothing
		source = addrPort(c.LocalAddr()).Addr()
		c.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var found *port
	for _, p := range a.ports {
		switch at := p.sock.local.Addr(); {
		case at == source:
			return p
		case at.Is6() == ipv6 && found == nil:
			found = p
		}
	}
	return found
}
