package udpmux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// maxQueued bounds the STUN messages that wait to be read by an agent, maxPlain what
// waits if DTLS is among it.
const (
	maxQueued = 64
	maxPlain  = 512
)

// Conn is a port as an agent has it: what is read is STUN for that agent. Its
// deadlines do nothing, as the agent's candidates need none.
//
// It outlives the agent of the library if Agent.Keep was called: then it reads nothing
// more, and what comes in is for the Keeper.
type Conn struct {
	a     *Agent
	p     *port
	ufrag string

	mu       sync.Mutex
	readable sync.Cond
	closed   bool
	reading  bool   // ReadFrom was called
	keeper   Keeper // nil while the library's agent reads
	queue    []message
	pacer    pacer
	ids      [64]uint32 // the beginnings of the last transaction IDs sent
	next     int        // in ids
}

// message is a STUN message that came in.
type message struct {
	b    []byte
	from netip.AddrPort
}

// A Keeper takes STUN messages in place of an agent: requests that name its user
// fragment, and answers to checks. They are its own until it returns; it must not wait.
type Keeper func(c *Conn, message []byte, from netip.AddrPort)

func newConn(a *Agent, p *port, ufrag string) *Conn {
	c := &Conn{a: a, p: p, ufrag: ufrag}
	c.readable.L = &c.mu
	return c
}

// put queues a copy of a message, and tells whether the agent reads already; taken is false if
// the connection is closed. Of the requests that come from one address before the agent reads only
// the last one is kept, nominations apart: the peer may have to repeat them for long.
func (c *Conn) put(d []byte, from netip.AddrPort) (taken, reading bool) {
	limit := maxQueued
	if c.a.s.Load().plain {
		limit = maxPlain
	}
	c.mu.Lock()
	if f := c.keeper; f != nil && !c.closed {
		c.mu.Unlock()
		f(c, d, from)
		return true, true
	}
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return false, c.reading
	case !c.reading && c.replace(d, from):
		return true, false
	case len(c.queue) >= limit:
		c.p.m.drops.queueFull.Add(1)
		return true, c.reading
	}
	c.queue = append(c.queue, message{bytes.Clone(d), from})
	c.readable.Signal()
	return true, c.reading
}

// replace puts a request into the place of an earlier one, if there is one. c.mu is held.
func (c *Conn) replace(d []byte, from netip.AddrPort) bool {
	m, ok := stunmsg.Parse(d)
	for i := range c.queue {
		q := &c.queue[i]
		if old, _ := stunmsg.Parse(q.b); ok && q.from == from && m.Type == stunmsg.BindingRequest &&
			old.Type == m.Type && old.UseCandidate == m.UseCandidate {
			q.b = bytes.Clone(d)
			return true
		}
	}
	return false
}

// ReadFrom returns the next message for the agent.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	for len(c.queue) == 0 && !c.closed && c.keeper == nil {
		c.readable.Wait()
	}
	if c.closed || c.keeper != nil {
		return 0, nil, net.ErrClosed
	}
	m := c.queue[0]
	c.queue[0] = message{}
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	if binary.BigEndian.Uint16(m.b) == stunmsg.BindingRequest {
		c.pacer.heard(m.from)
	}
	if len(m.b) > len(b) {
		return 0, nil, io.ErrShortBuffer
	}
	return copy(b, m.b), net.UDPAddrFromAddrPort(m.from), nil
}

// WriteTo sends what the agent writes.
func (c *Conn) WriteTo(b []byte, addr net.Addr) (int, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return 0, io.ErrClosedPipe // by which the library knows it
	}
	to := addrPort(addr)
	if m, ok := stunmsg.Parse(b); ok && !c.a.sent(c, &m, to) {
		return len(b), nil
	}
	if _, err := c.p.sock.send([][]byte{b}, to, asBefore); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteCheck sends a check that is not the agent's, and not paced. The answer can be
// read like one to the agent.
func (c *Conn) WriteCheck(b []byte, to netip.AddrPort) error {
	m, ok := stunmsg.Parse(b)
	if !ok {
		return errors.New("udpmux: no STUN message")
	}
	c.mu.Lock()
	closed := c.closed
	c.note(&m)
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	c.a.asked(address{c.p, to})
	_, err := c.p.sock.send([][]byte{b}, to, asBefore)
	return err
}

// pace notes a check and tells whether it shall leave.
func (c *Conn) pace(m *stunmsg.Message, to netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !m.UseCandidate && !c.pacer.allow(time.Now(), to) {
		return false
	}
	c.note(m)
	return true
}

// note remembers a check that is sent. c.mu is held.
func (c *Conn) note(m *stunmsg.Message) {
	c.ids[c.next] = binary.BigEndian.Uint32(m.ID[:])
	c.next = (c.next + 1) % len(c.ids)
}

// asked tells whether a check with that transaction ID was among the last.
func (c *Conn) asked(id [12]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.ids[:], binary.BigEndian.Uint32(id[:]))
}

// keep gives the connection to f, with what was not read yet.
func (c *Conn) keep(f Keeper) {
	c.mu.Lock()
	queue := c.queue
	c.keeper, c.queue, c.pacer = f, nil, pacer{}
	c.readable.Broadcast()
	c.mu.Unlock()
	for _, m := range queue {
		f(c, m.b, m.from)
	}
}

// Close ends reading and writing here, unless somebody keeps the connection; the port
// stays while others need it.
func (c *Conn) Close() error {
	c.mu.Lock()
	kept := c.keeper != nil
	c.mu.Unlock()
	if !kept {
		c.end()
	}
	return nil
}

// end is Close, whoever has the connection.
func (c *Conn) end() {
	c.mu.Lock()
	closed := c.closed
	c.closed, c.queue = true, nil
	c.readable.Broadcast()
	c.mu.Unlock()
	if !closed {
		c.a.remove(c)
	}
}

func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.p.sock.local) }

func (c *Conn) SetDeadline(time.Time) error      { return nil }
func (c *Conn) SetReadDeadline(time.Time) error  { return nil }
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
