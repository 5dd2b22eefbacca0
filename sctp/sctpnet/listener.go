package sctpnet

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// ListenConfig configures a Listener. The zero value works.
type ListenConfig struct {
	// Config is that of each Conn. SCTP.LocalPort is the SCTP port to listen on,
	// default 5000; SCTP.RemotePort is not used.
	Config

	// MaxAssociations limits the associations at one time; peers beyond it are
	// refused. Default 65536.
	MaxAssociations int

	// Backlog limits the associations that are established and wait for Accept;
	// peers beyond it are refused. Default 128.
	Backlog int

	// ReceiveDelay, if not 0, lets datagrams gather in the socket for up to so long before they are
	// read, and answered, together: interrupt moderation, as network cards have it. That saves
	// processor time where many peers send a little each, and costs up to so much
	// latency. Where datagrams come less often than once in two ReceiveDelays none waits. With 5 ms
	// 50 peers that send 1 Mbit/s each have taken up to 40 % less; with 1 ms nothing is gained, as the wake-ups of a
	// timer cost, too (docs/SCALE.md).
	//
	// It is not for bulk: each round trip takes longer by up to that. What comes after a pause is answered with a SACK for every
	// second packet, so that a peer that lets out a limited burst for each (Max.Burst) can grow, but over loopback
	// one has fallen from some hundred MB/s to 90 with 5 ms. The socket's receive buffer (net.core.rmem_max)
	// has to hold what comes meanwhile.
	//
	// At most 100 ms. It has no effect on systems other than Linux. Default 0.
	ReceiveDelay time.Duration

	// Control, if set, is called with the socket before it is bound, as that of
	// net.ListenConfig: to set SO_REUSEPORT, for example, so that several processes
	// listen on one port (see SCTP.TagShard).
	Control func(network, address string, c syscall.RawConn) error
}

// Listener accepts SCTP associations on a UDP socket (RFC 6951), which its Conns
// share. Its methods may be called from several goroutines at once.
type Listener struct {
	sock    *socket
	backlog chan *Conn
	closed  chan struct{} // closed when nothing is accepted any more
	err     error         // why; set before
}

// Listen listens on a UDP address, as net.ListenPacket understands it; network is
// "udp", "udp4" or "udp6". The port of SCTP over UDP is 9899. The error is a
// *sctp.ConfigError, or of package net.
func Listen(network, address string, cfg ListenConfig) (*Listener, error) {
	if _, err := net.ResolveUDPAddr(network, address); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: cfg.Control}
	pc, err := lc.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	l, err := listen(pc.(*net.UDPConn), cfg) // ResolveUDPAddr knows no other networks
	if err != nil {
		pc.Close()
	}
	return l, err
}

// listen is Listen on a socket that is there. pc belongs to the Listener, unless
// it returns an error.
func listen(pc udpsock.PacketConn, cfg ListenConfig) (*Listener, error) {
	complete, err := cfg.Config.complete()
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Backlog < 0:
		return nil, &sctp.ConfigError{Field: "Backlog", Rule: "must not be negative"}
	case cfg.ReceiveDelay < 0, cfg.ReceiveDelay > udpsock.MaxDelay:
		return nil, &sctp.ConfigError{Field: "ReceiveDelay", Rule: "must be 0 to 100 ms"}
	case cfg.Backlog == 0:
		cfg.Backlog = 128
	}
	s, err := newSocket(pc, &complete)
	if err != nil {
		return nil, err
	}
	if s.ep, err = sctp.NewEndpoint(sctp.EndpointConfig{Config: complete.SCTP, Listen: true, MaxAssociations: cfg.MaxAssociations}); err != nil {
		return nil, err
	}
	if cfg.ReceiveDelay > 0 {
		if err := s.delay(cfg.ReceiveDelay); err != nil {
			return nil, err
		}
	}
	l := &Listener{sock: s, backlog: make(chan *Conn, cfg.Backlog), closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	s.start()
	return l, nil
}

// Accept returns the next association that a peer has established. It waits until
// there is one, ctx ends, or the Listener is closed: then the error matches
// net.ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.backlog:
		l.sock.mu.Lock()
		defer l.sock.mu.Unlock()
		l.sock.ep.Listen(l.sock.listener != nil)
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, l.err
	}
}

// offer puts a Conn into the backlog, and tells whether there was room.
func (l *Listener) offer(c *Conn) bool {
	select {
	case l.backlog <- c:
		l.sock.ep.Listen(len(l.backlog) < cap(l.backlog))
		return true
	default:
		return false
	}
}

// end stops listening, and ends what nobody will accept.
func (l *Listener) end(now time.Time, cause error) {
	s := l.sock
	if s.listener == nil {
		return
	}
	s.listener = nil
	s.ep.Listen(false)
	l.err = &closedError{cause}
	close(l.closed)
	for {
		select {
		case c := <-l.backlog:
			c.terminate(now, "nobody accepts")
		default:
			return
		}
	}
}

// Close stops listening. Associations that wait for Accept are aborted; those
// accepted go on, and the socket is closed with the last of them. It returns nil.
func (l *Listener) Close() error {
	s := l.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	l.end(now, nil)
	s.settle(now, aCaller)
	return nil
}

// Addr returns the address of the socket.
func (l *Listener) Addr() net.Addr { return l.sock.udp.LocalAddr() }

// Stats returns the figures of the socket's endpoint.
func (l *Listener) Stats() sctp.EndpointStats {
	l.sock.mu.Lock()
	defer l.sock.mu.Unlock()
	return l.sock.ep.Stats()
}

// Dial connects to a peer that speaks SCTP over UDP (RFC 6951) at an address such
// as "host:9899", from a socket of its own, and waits until the association is
// established or ctx ends. SCTP.LocalPort is by default a random port of the
// dynamic range, so that the peer can tell the associations of one address
// apart; SCTP.RemotePort is 5000 by default.
func Dial(ctx context.Context, network, address string, cfg Config) (*Conn, error) {
	to, err := resolve(ctx, network, address)
	if err != nil {
		return nil, err
	}
	pc, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	c, err := dial(pc, to, cfg)
	if err != nil {
		pc.Close()
		return nil, err
	}
	return c.established(ctx)
}

// dial begins an association on a socket that is there. pc belongs to the Conn,
// unless it returns an error.
func dial(pc udpsock.PacketConn, to netip.AddrPort, cfg Config) (*Conn, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if cfg.SCTP.LocalPort == 0 {
		var b [2]byte
		rand.Read(b[:]) // never fails
		cfg.SCTP.LocalPort = 0xC000 | binary.BigEndian.Uint16(b[:])
	}
	s, err := newSocket(pc, &cfg)
	if err != nil {
		return nil, err
	}
	if s.ep, err = sctp.NewEndpoint(sctp.EndpointConfig{Config: cfg.SCTP, MaxAssociations: 1}); err != nil {
		return nil, err
	}
	now := time.Now()
	id, err := s.ep.Connect(now, to)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.add(id)
	s.owner = c
	c.life.holds++
	s.start()
	s.settle(now, aCaller)
	return c, nil
}

// resolve returns the UDP address that a name stands for.
func resolve(ctx context.Context, network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	family := "ip"
	if network == "udp4" || network == "udp6" {
		family += network[3:]
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(ips) == 0 {
		return netip.AddrPort{}, &net.AddrError{Err: "no address", Addr: address}
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}
