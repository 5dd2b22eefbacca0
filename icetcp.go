//go:build !js

package sluice

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// TCP candidates (RFC 6544).
const (
	tcpFirstFrame = 5 * time.Second       // for the first check on a connection that came in
	tcpWrite      = 5 * time.Second       // for one frame, until a connection counts as broken
	tcpRedial     = time.Second           // after a connection to the same address that failed
	tcpAcceptRest = 50 * time.Millisecond // after a connection that could not be accepted
	tcpMaxLinks   = 64                    // connections of one port, either way
	tcpMaxQueued  = 64                    // frames that wait to be written, or to be read
)

// iceTCP are the TCP ports of one generation, the library's TCPMux. The library's
// own would read whatever comes in, and dial past the guard.
type iceTCP struct {
	g       *iceGeneration
	ctx     context.Context
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	ports []*tcpPort
}

func newICETCP(g *iceGeneration) *iceTCP {
	m := &iceTCP{g: g}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// GetConnByUfrag opens a port at a local address.
func (m *iceTCP) GetConnByUfrag(_ string, isIPv6 bool, local net.IP) (net.PacketConn, error) {
	network := "tcp4"
	if isIPv6 {
		network = "tcp6"
	}
	if !m.g.t.cfg.hasNetwork(network) {
		return nil, errors.New("sluice: not among Config.NetworkTypes")
	}
	l, err := m.listen(network, local)
	if err != nil {
		return nil, err
	}
	p := &tcpPort{m: m, l: l, links: make(map[netip.AddrPort]*tcpLink), queue: make(chan tcpFrame, tcpMaxQueued), closed: make(chan struct{})}
	m.mu.Lock()
	m.ports = append(m.ports, p)
	m.mu.Unlock()
	m.working.Add(1)
	go p.accept()
	if m.ctx.Err() != nil {
		p.Close()
		return nil, net.ErrClosed
	}
	return p, nil
}

// listen takes the first free port within the bounds.
func (m *iceTCP) listen(network string, local net.IP) (l *net.TCPListener, err error) {
	for port := int(m.g.t.cfg.PortMin); port <= int(m.g.t.cfg.PortMax); port++ {
		if l, err = net.ListenTCP(network, &net.TCPAddr{IP: local, Port: port}); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// RemoveConnByUfrag closes the ports of the generation. A new agent begins by
// removing what it has not got.
func (m *iceTCP) RemoveConnByUfrag(ufrag string) {
	if ufrag == m.g.ufrag {
		m.Close()
	}
}

// Close closes the ports and their connections.
func (m *iceTCP) Close() error {
	m.cancel()
	m.mu.Lock()
	ports := m.ports
	m.ports = nil
	m.mu.Unlock()
	for _, p := range ports {
		p.Close()
	}
	return nil
}

// tcpPort is a listening port and its connections, to the agent a net.PacketConn.
// Connections come in, or are made where the agent sends something.
type tcpPort struct {
	m         *iceTCP
	l         *net.TCPListener
	queue     chan tcpFrame
	closed    chan struct{}
	closeOnce sync.Once

	mu    sync.Mutex
	links map[netip.AddrPort]*tcpLink
}

// tcpFrame is one that came in.
type tcpFrame struct {
	b    []byte
	from netip.AddrPort
}

// tcpLink is a connection, or one that is being made.
type tcpLink struct {
	out    chan []byte // frames with their length
	cancel context.CancelFunc

	strange bool // came in, without a check for us yet; guarded by tcpPort.mu
}

// accept takes connections.
func (p *tcpPort) accept() {
	defer p.m.working.Done()
	for {
		c, err := p.l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select { // too many files are open, perhaps
			case <-time.After(tcpAcceptRest):
			case <-p.closed:
				return
			}
			continue
		}
		remote := addrPortOfTCP(c.RemoteAddr())
		if link, ctx := p.add(remote, true); link != nil {
			go func() {
				defer p.m.working.Done()
				p.serve(ctx, c, link, remote, true)
			}()
		} else {
			c.Close()
		}
	}
}

// add notes a connection; nil if there is one with that address, or there are too
// many. Strange ones make room for others.
func (p *tcpPort) add(remote netip.AddrPort, strange bool) (*tcpLink, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil || p.links[remote] != nil || len(p.links) >= tcpMaxLinks && !p.evict() {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(p.m.ctx)
	link := &tcpLink{out: make(chan []byte, tcpMaxQueued), cancel: cancel, strange: strange}
	p.links[remote] = link
	p.m.working.Add(1) // for who serves it; Close, after which it is waited for, comes before or after
	return link, ctx
}

// evict ends a strange connection, whichever; false if there is none. p.mu is held.
func (p *tcpPort) evict() bool {
	for remote, link := range p.links {
		if link.strange {
			link.cancel()
			delete(p.links, remote)
			return true
		}
	}
	return false
}

// welcome notes that a connection is strange no more.
func (p *tcpPort) welcome(link *tcpLink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	link.strange = false
}

func (p *tcpPort) remove(remote netip.AddrPort, link *tcpLink) {
	link.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links[remote] == link {
		delete(p.links, remote)
	}
}

// dial makes a connection and serves it.
func (p *tcpPort) dial(ctx context.Context, link *tcpLink, remote netip.AddrPort) {
	defer p.m.working.Done()
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: p.l.Addr().(*net.TCPAddr).IP}}
	c, err := d.DialContext(ctx, "tcp", remote.String())
	if err == nil {
		p.serve(ctx, c, link, remote, false)
		return
	}
	p.m.g.t.log.Debugf("TCP candidate: %v", err)
	again := time.NewTimer(tcpRedial)
	defer again.Stop()
	select {
	case <-again.C:
	case <-ctx.Done():
	}
	p.remove(remote, link)
}

// serve carries frames in both directions until the connection ends.
func (p *tcpPort) serve(ctx context.Context, c net.Conn, link *tcpLink, remote netip.AddrPort, incoming bool) {
	defer p.remove(remote, link)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	marks, sock := &p.m.g.t.marks, c.(syscall.Conn)
	marks.add(sock)
	defer marks.remove(sock)
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer c.Close()
		for {
			select {
			case frame := <-link.out:
				_ = c.SetWriteDeadline(time.Now().Add(tcpWrite))
				if _, err := c.Write(frame); err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	p.readFrames(ctx, c, link, remote, incoming)
	link.cancel()
	<-written
}

// readFrames queues the frames of a connection (RFC 4571). One that came in must
// begin with a check for the generation, made with its password.
func (p *tcpPort) readFrames(ctx context.Context, c net.Conn, link *tcpLink, remote netip.AddrPort, strange bool) {
	in := bufio.NewReaderSize(c, maxDatagram)
	if strange {
		_ = c.SetReadDeadline(time.Now().Add(tcpFirstFrame))
	}
	for {
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n > maxDatagram || strange && n > 1500 {
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		if strange {
			m, ok := stunmsg.Parse(b)
			if !ok || m.Type != stunmsg.BindingRequest || !strings.HasPrefix(string(m.Username), p.m.g.ufrag+":") ||
				!authentic(b, p.m.g.pwd) {
				return
			}
			strange = false
			p.welcome(link)
			_ = c.SetReadDeadline(time.Time{})
		}
		if !stunmsg.Admit(b) || p.m.g.consent.incoming(b, remote) {
			continue
		}
		select {
		case p.queue <- tcpFrame{b, remote}:
		case <-ctx.Done():
			return
		}
	}
}

// ReadFrom returns the next frame.
func (p *tcpPort) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case f := <-p.queue:
		if len(f.b) > len(b) {
			return 0, nil, io.ErrShortBuffer
		}
		return copy(b, f.b), net.TCPAddrFromAddrPort(f.from), nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a frame over the connection with that address, which is made if
// there is none. What cannot be written now is lost, as in any network.
func (p *tcpPort) WriteTo(b []byte, addr net.Addr) (int, error) {
	p.m.g.consent.outgoing(b, p)
	if err := p.sendCheck(b, addrPortOfTCP(addr)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// localAddr and sendCheck are those of checkSender.
func (p *tcpPort) localAddr() netip.AddrPort { return addrPortOfTCP(p.l.Addr()) }

func (p *tcpPort) sendCheck(b []byte, to netip.AddrPort) error {
	select {
	case <-p.closed:
		return io.ErrClosedPipe // by which the library knows it
	default:
	}
	p.mu.Lock()
	link := p.links[to]
	p.mu.Unlock()
	if link == nil {
		fresh, ctx := p.add(to, false)
		if fresh == nil {
			return nil
		}
		link = fresh
		go p.dial(ctx, link, to)
	}
	frame := make([]byte, 2, 2+len(b))
	binary.BigEndian.PutUint16(frame, uint16(len(b)))
	select {
	case link.out <- append(frame, b...):
	default:
	}
	return nil
}

// Close ends the port and its connections.
func (p *tcpPort) Close() error {
	p.closeOnce.Do(func() {
		close(p.closed)
		p.l.Close()
		p.mu.Lock()
		links := p.links
		p.links = nil
		p.mu.Unlock()
		for _, link := range links {
			link.cancel()
		}
	})
	return nil
}

func (p *tcpPort) LocalAddr() net.Addr              { return p.l.Addr() }
func (p *tcpPort) SetDeadline(time.Time) error      { return nil }
func (p *tcpPort) SetReadDeadline(time.Time) error  { return nil }
func (p *tcpPort) SetWriteDeadline(time.Time) error { return nil }

// addrPortOfTCP is addr in a comparable form; IPv4 in IPv6 is IPv4.
func addrPortOfTCP(addr net.Addr) netip.AddrPort {
	a, ok := addr.(*net.TCPAddr)
	if !ok || a == nil {
		return netip.AddrPort{}
	}
	b := a.AddrPort()
	return netip.AddrPortFrom(b.Addr().Unmap(), b.Port())
}
