//go:build !js

package sluice

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pion/transport/v2"
	"github.com/pion/transport/v2/stdnet"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
	"github.com/sluice-rtc/sluice/internal/udpmux"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// guardedNet hands the ICE agent and its TURN clients their sockets, and stands
// between these and the network:
//
//   - A STUN message that is malformed, or has an address attribute of a size
//     other than 8 or 20 bytes, is dropped: the STUN library panics on some.
//   - A TURN socket hears only the server it has written to.
//   - STUN servers are asked from the ports of the host candidates.
//   - Every socket is known, so that close leaves none behind, whatever the
//     agent was doing.
//
// The sockets of host candidates are those of package udpmux, which keeps these rules
// itself.
type guardedNet struct {
	stdnet.Net // all that is not overridden

	ports  *udpmux.Agent // of the host candidates
	tcp    bool          // there are to be TCP candidates
	ctx    context.Context
	cancel context.CancelFunc
	log    scopedLogger

	// turns are the host:port of TURN servers to be spoken to over TLS, with the
	// name their certificate must have. tls is the configuration to start from.
	turns map[string]string
	tls   tls.Config

	tap   stunTap // sees the STUN messages between the agent and its peer; may be nil
	marks *iceMarks

	mu     sync.Mutex
	open   map[guardedSocket]struct{}
	closed bool
	whole  bool // datagrams must not be fragmented
	told   bool // setDontFragment was called; before, sockets are as the system has them
}

// guardedSocket is one of guardedNet, behind which there is one of the system.
type guardedSocket interface {
	io.Closer
	socket() syscall.Conn
}

const (
	resolveTimeout = 5 * time.Second // for the name of a STUN or TURN server
	dialTimeout    = 5 * time.Second // TCP and TLS to a TURN server
)

func newGuardedNet(turns map[string]string, marks *iceMarks, log scopedLogger) *guardedNet {
	n := &guardedNet{log: log, turns: turns, marks: marks, open: make(map[guardedSocket]struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Interfaces is where the agent gathers TCP candidates; without TCP it asks in vain. They are not
// kept, as stdnet.Net does: each connection would hold on to what the system says of all of
// them.
func (n *guardedNet) Interfaces() ([]*transport.Interface, error) {
	if !n.tcp {
		return nil, nil
	}
	return hostInterfaces()
}

// close closes every socket still open and refuses new ones.
func (n *guardedNet) close() {
	n.cancel()
	n.mu.Lock()
	open := n.open
	n.open, n.closed = nil, true
	n.mu.Unlock()
	for c := range open {
		c.Close()
	}
}

// track notes an open socket; after close it closes it and returns false.
func (n *guardedNet) track(c guardedSocket) bool {
	n.mu.Lock()
	closed := n.closed
	if !closed {
		n.open[c] = struct{}{}
		n.marks.add(c.socket())
	}
	n.mu.Unlock()
	if closed {
		c.Close()
	}
	return !closed
}

func (n *guardedNet) untrack(c guardedSocket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, c)
	n.marks.remove(c.socket())
}

// setDontFragment says whether the network may fragment datagrams, those of sockets
// still to be opened included.
func (n *guardedNet) setDontFragment(on bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole, n.told = on, true
	var failed error
	for c := range n.open {
		if g, ok := c.(*udpGuard); ok {
			if err := udpsock.SetDontFragment(g.sock, on); err != nil {
				failed = err
			}
		}
	}
	return failed
}

// ListenPacket is where TURN clients over UDP get theirs.
func (n *guardedNet) ListenPacket(network, address string) (net.PacketConn, error) {
	laddr, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenUDP(network, laddr)
	if err != nil {
		return nil, err
	}
	if g := n.guard(c, guardServer); g != nil {
		return g, nil
	}
	return nil, net.ErrClosed
}

// DialUDP makes a connected socket: the system itself drops what others send.
func (n *guardedNet) DialUDP(network string, laddr, raddr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := net.DialUDP(network, laddr, raddr)
	if err != nil {
		return nil, err
	}
	if g := n.guard(c, guardConnected); g != nil {
		return g, nil
	}
	return nil, net.ErrClosed
}

// DialTCP connects to a TURN server.
func (n *guardedNet) DialTCP(network string, laddr, raddr *net.TCPAddr) (transport.TCPConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if laddr != nil {
		d.LocalAddr = laddr
	}
	c, err := d.DialContext(n.ctx, network, raddr.String())
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	s := &tcpGuard{TCPConn: tcp, sock: tcp, net: n, guard: newStreamGuard(tcp, n.tap)}
	if !n.track(s) {
		return nil, net.ErrClosed
	}
	return s, nil
}

// Dial connects to a TURN server over TCP or, if it is one of turns, TLS; the
// agent takes it for a proxy, which keeps both below the guard: inside the
// agent's own TLS the STUN messages could not be seen.
func (n *guardedNet) Dial(_, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(n.ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	sock := c.(syscall.Conn)
	if name, ok := n.turns[address]; ok {
		cfg := n.tls.Clone()
		cfg.ServerName, cfg.MinVersion = name, tls.VersionTLS12
		ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
		defer cancel()
		secure := tls.Client(c, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, fmt.Errorf("TLS to TURN server %s: %w", address, err)
		}
		c = secure
	}
	s := &streamConn{Conn: c, sock: sock, net: n, guard: newStreamGuard(c, n.tap)}
	if !n.track(s) {
		return nil, net.ErrClosed
	}
	return s, nil
}

// ResolveUDPAddr looks up a server's name; unlike the library's it ends with close.
func (n *guardedNet) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	a, err := n.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(a), nil
}

// ResolveTCPAddr is ResolveUDPAddr for TCP.
func (n *guardedNet) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	a, err := n.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(a), nil
}

func (n *guardedNet) resolve(network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q: %w", service, err)
	}
	family := "ip"
	if last := network[len(network)-1]; last == '4' || last == '6' {
		family += string(last)
	}
	ctx, cancel := context.WithTimeout(n.ctx, resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(ips) == 0 {
		return netip.AddrPort{}, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}

// guardKind says whom a UDP socket may hear.
type guardKind int

const (
	guardServer    guardKind = iota // the addresses written to: TURN
	guardConnected                  // the system filters
)

// maxServers bounds the addresses a guardServer socket writes to and hears.
const maxServers = 4

// udpGuard is a UDP socket behind the rules of guardedNet.
type udpGuard struct {
	transport.UDPConn
	sock *net.UDPConn // the same
	net  *guardedNet
	kind guardKind
	turn *turnTap // guardServer

	mu      sync.Mutex
	servers []netip.AddrPort // guardServer: addresses written to
}

// guard puts a socket behind the rules; nil after close.
func (n *guardedNet) guard(c *net.UDPConn, kind guardKind) *udpGuard {
	g := &udpGuard{UDPConn: c, sock: c, net: n, kind: kind}
	if kind == guardServer {
		g.turn = newTURNTap(n.tap, g.sendToServer)
	}
	if !n.track(g) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told {
		if err := udpsock.SetDontFragment(c, n.whole); err != nil {
			n.log.Debugf("a socket without control of fragmentation: %v", err)
		}
	}
	return g
}

func (g *udpGuard) socket() syscall.Conn { return g.sock }

func (g *udpGuard) Close() error {
	g.net.untrack(g)
	return g.UDPConn.Close()
}

func (g *udpGuard) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := g.UDPConn.ReadFrom(p)
		if err != nil || g.admit(p[:n], addr) {
			return n, addr, err
		}
	}
}

func (g *udpGuard) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	for {
		n, addr, err := g.UDPConn.ReadFromUDP(p)
		if err != nil || g.admit(p[:n], addr) {
			return n, addr, err
		}
	}
}

func (g *udpGuard) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	for {
		n, oobn, flags, addr, err = g.UDPConn.ReadMsgUDP(p, oob)
		if err != nil || g.admit(p[:n], addr) {
			return n, oobn, flags, addr, err
		}
	}
}

func (g *udpGuard) Read(p []byte) (int, error) {
	n, _, err := g.ReadFrom(p)
	return n, err
}

func (g *udpGuard) WriteTo(p []byte, addr net.Addr) (int, error) {
	g.noteServer(p, addrPort(addr))
	return g.UDPConn.WriteTo(p, addr)
}

func (g *udpGuard) WriteToUDP(p []byte, addr *net.UDPAddr) (int, error) {
	g.noteServer(p, addrPort(addr))
	return g.UDPConn.WriteToUDP(p, addr)
}

// admit applies the rules to a datagram that came in.
func (g *udpGuard) admit(b []byte, addr net.Addr) bool {
	from := addrPort(addr)
	g.mu.Lock()
	stranger := g.kind == guardServer && !slices.Contains(g.servers, from)
	g.mu.Unlock()
	switch {
	case stranger:
		g.net.log.Debugf("dropped a packet to a TURN socket from %s, which is not the server", from)
		return false
	case !stunmsg.Admit(b):
		g.net.log.Debugf("dropped a malformed STUN message from %s", from)
		return false
	}
	return !g.turn.fromServer(b)
}

// sendToServer writes to the TURN server.
func (g *udpGuard) sendToServer(b []byte) error {
	g.mu.Lock()
	servers := g.servers
	g.mu.Unlock()
	if len(servers) == 0 {
		return net.ErrClosed
	}
	_, err := g.sock.WriteToUDPAddrPort(b, servers[0])
	return err
}

// noteServer notes whom a TURN socket writes to, and what.
func (g *udpGuard) noteServer(b []byte, to netip.AddrPort) {
	if g.kind != guardServer {
		return
	}
	g.mu.Lock()
	if !slices.Contains(g.servers, to) && len(g.servers) < maxServers {
		g.servers = append(g.servers, to)
	}
	g.mu.Unlock()
	g.turn.toServer(b)
}

// addrPort is addr in a comparable form; IPv4 in IPv6 is IPv4.
func addrPort(addr net.Addr) netip.AddrPort {
	u, ok := addr.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}
	}
	a := u.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
