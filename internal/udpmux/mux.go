package udpmux

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Config configures a Mux.
type Config struct {
	// ReceiveBuffer and SendBuffer are asked of the system for each socket, in
	// bytes. Default 1 MiB. It may give less.
	ReceiveBuffer, SendBuffer int

	// ReceiveDelay, if not 0, is how long datagrams may gather in a socket before they are
	// read: see udpsock.Socket.DelayReceive.
	ReceiveDelay time.Duration

	// Shared says that the ports are those that Listen opened, and serve every
	// session. Otherwise there is one session at a time, and its agents open ports and let go
	// of them.
	Shared bool

	// Open, if set, opens the sockets in place of the system: those of a network in
	// memory, for example.
	Open func(at netip.AddrPort) (PacketConn, error)
}

// A PacketConn is a socket that is not the system's. *net.UDPConn has these methods.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

const (
	defaultBuffer = 1 << 20

	// maxSTUN bounds the size of a STUN message: it has to fit a packet.
	maxSTUN = 1500
)

// A Mux is a set of ports. Its methods may be called from several goroutines at once.
type Mux struct {
	cfg     Config
	buffers socketBuffers
	drops   drops
	readers sync.WaitGroup
	done    chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool
	ports   []*port
	agents  map[string]*Agent // by local user fragment
	session *Session          // the last one, of a Mux which is not shared
}

// New returns a Mux without ports.
func New(cfg Config) *Mux {
	m := &Mux{cfg: cfg, done: make(chan struct{}), agents: make(map[string]*Agent)}
	m.buffers = socketBuffers{receive: cfg.ReceiveBuffer, send: cfg.SendBuffer}
	if m.buffers.receive <= 0 {
		m.buffers.receive = defaultBuffer
	}
	if m.buffers.send <= 0 {
		m.buffers.send = defaultBuffer
	}
	return m
}

// Listen opens a port at each of the addresses, all of them or none. With port number
// 0 they get one that the system chooses, the same for all.
func (m *Mux) Listen(addrs []netip.Addr, number uint16) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var opened []*port
	for attempt := 0; len(opened) < len(addrs); {
		p, err := m.open(netip.AddrPortFrom(addrs[len(opened)], number))
		if err == nil {
			opened = append(opened, p)
			number = p.sock.local.Port()
			continue
		}
		for _, p := range opened {
			m.shut(p)
		}
		if attempt++; attempt == maxAttempts || len(opened) == 0 || opened[0].asked != 0 {
			return err
		}
		opened, number = nil, 0 // another number may be free at all addresses
	}
	return nil
}

// maxAttempts bounds the search for a number that is free at several addresses.
const maxAttempts = 16

// open opens a port. m.mu is held.
func (m *Mux) open(at netip.AddrPort) (*port, error) {
	if m.closed {
		return nil, net.ErrClosed
	}
	var sock *socket
	var err error
	if m.cfg.Open != nil {
		sock, err = openOther(at, m.cfg.Open)
	} else {
		sock, err = openSocket(at, m.buffers)
	}
	if err == nil && m.cfg.ReceiveDelay > 0 {
		if err = sock.sock.DelayReceive(m.cfg.ReceiveDelay); err != nil {
			sock.close()
		}
	}
	if err != nil {
		return nil, err
	}
	p := newPort(m, sock)
	p.asked = at.Port()
	m.ports = append(m.ports, p)
	m.readers.Add(1)
	go m.read(p)
	return p, nil
}

// openBetween opens a port with a number of low to high. m.mu is held.
func (m *Mux) openBetween(addr netip.Addr, low, high uint16) (*port, error) {
	if high == 0 {
		return m.open(netip.AddrPortFrom(addr, 0))
	}
	low = max(low, 1)
	count := int(high) - int(low) + 1
	err := errors.New("empty range of ports")
	for i, first := 0, rand.IntN(max(count, 1)); i < count; i++ {
		var p *port
		p, err = m.open(netip.AddrPortFrom(addr, low+uint16((first+i)%count)))
		if err == nil || errors.Is(err, net.ErrClosed) {
			return p, err
		}
	}
	return nil, fmt.Errorf("no port of %d to %d at %v: %w", low, high, addr, err)
}

// shut closes a port. m.mu is held.
func (m *Mux) shut(p *port) {
	p.sock.close()
	m.ports = slices.DeleteFunc(m.ports, func(other *port) bool { return other == p })
}

// at returns the port with the address, or nil. m.mu is held.
func (m *Mux) at(addr netip.Addr) *port {
	for _, p := range m.ports {
		if p.sock.local.Addr() == addr {
			return p
		}
	}
	return nil
}

// portAt returns the port with that local address, or nil.
func (m *Mux) portAt(local netip.AddrPort) *port {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.ports {
		if p.sock.local == local {
			return p
		}
	}
	return nil
}

// Addrs returns the local addresses of the ports.
func (m *Mux) Addrs() []netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	var addrs []netip.AddrPort
	for _, p := range m.ports {
		addrs = append(addrs, p.sock.local)
	}
	return addrs
}

// Open reports whether the Mux has not been closed.
func (m *Mux) Open() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.closed
}

// Close closes the ports and waits until nothing is read any more. It must not be
// called by a receiver.
func (m *Mux) Close() error {
	m.mu.Lock()
	var agents []*Agent
	if !m.closed {
		m.closed = true
		close(m.done)
		for _, p := range m.ports {
			p.sock.close()
		}
		m.ports = nil
		for _, a := range m.agents {
			agents = append(agents, a)
		}
	}
	m.mu.Unlock()
	for _, a := range agents {
		a.Close()
	}
	m.readers.Wait()
	return nil
}

// sweep closes the ports that nobody needs any more, but for those of a shared Mux.
func (m *Mux) sweep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.Shared {
		return
	}
	for _, p := range slices.Clone(m.ports) {
		if p.users == 0 && !p.wanted && !m.session.uses(p) {
			m.shut(p)
		}
	}
}

// restAfter is how long nothing has come in at a port when its reading goroutine ends, or up to
// twice that; another begins with what comes next. It is less than the time between checks of an
// idle connection, and more than that between messages of one that is in use.
const restAfter = 200 * time.Millisecond

// read is the reading goroutine of a port.
func (m *Mux) read(p *port) {
	defer m.readers.Done()
	var batch [][]byte // as many as have come at once
	failed, quiet := 0, false
	if !m.cfg.Shared && m.cfg.Open == nil { // else there is one goroutine for all, or no telling
		p.sock.wakeAfter(restAfter)
	}
	for {
		runs, err := p.sock.receive()
		switch {
		case err == nil:
			if failed > 0 {
				failed = 0
				p.ailing.Store(false)
			}
			for len(runs) > 0 {
				runs, batch = p.dispatch(runs, batch)
			}
			clear(batch[:cap(batch)]) // or an idle port would hold on to the buffer that it read into
			quiet = false
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			switch {
			case !quiet:
				quiet = true
				p.sock.wakeAfter(restAfter)
			case p.sock.sock.Await(func() { go m.resume(p) }):
				return
			default:
				p.sock.wakeAfter(0)
			}
		default:
			m.drops.readErrors.Add(1)
			if fromICMP(err) {
				continue
			}
			if failed++; failed <= maxFailed {
				continue
			}
			p.ailing.Store(true)
			if !m.pause() {
				return
			}
		}
	}
}

// resume reads again at a port that rests, on a goroutine of its own.
func (m *Mux) resume(p *port) {
	m.mu.Lock()
	open := !m.closed && slices.Contains(m.ports, p)
	if open {
		m.readers.Add(1)
	}
	m.mu.Unlock()
	if open {
		m.read(p)
	}
}

// maxFailed is how many reads in a row may fail before there is a pause of
// pauseTime before each: that is a socket which does nothing else.
const (
	maxFailed = 16
	pauseTime = 50 * time.Millisecond
)

// fromICMP tells whether a failed read is what ICMP said of a datagram sent: the next
// read is a new one. There may be as many as somebody likes who forges them.
func fromICMP(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(icmpErrors, errno)
}

var icmpErrors = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	10052, 10054, // WSAENETRESET and WSAECONNRESET of Windows, numbers that no other system uses
}

// pause waits; false if the Mux was closed meanwhile.
func (m *Mux) pause() bool {
	t := time.NewTimer(pauseTime)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-m.done:
		return false
	}
}

// register makes requests with the user fragment the agent's, which uses the port.
func (m *Mux) register(ufrag string, a *Agent, p *port) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch other := m.agents[ufrag]; {
	case m.closed:
		return net.ErrClosed
	case other != nil && other != a:
		return fmt.Errorf("user fragment %q is in use", ufrag)
	}
	m.agents[ufrag] = a
	p.users++
	return nil
}

// unregister takes back one register, and the user fragment with the last.
func (m *Mux) unregister(ufrag string, a *Agent, p *port, last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.users--
	if last && m.agents[ufrag] == a {
		delete(m.agents, ufrag)
	}
}

// addressee returns the agent that a USERNAME names first (RFC 8445, section 7.2.2).
func (m *Mux) addressee(username []byte) *Agent {
	i := bytes.IndexByte(username, ':')
	if i < 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.agents[string(username[:i])]
}
