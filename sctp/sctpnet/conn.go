package sctpnet

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// Conn is an SCTP association over a net.Conn of its own, or over a UDP socket that
// it shares with others. Its methods may be called from several goroutines at once.
//
// A method that calls into the association holds the lock, takes the time, makes
// the call, and settles: it carries out the events, sends the packets and arms
// the timer that the call gave rise to.
type Conn struct {
	cfg  *Config            // complete; Conns of a socket share it
	sock *socket            // it carries the packets, or nc, and is nil
	id   sctp.AssociationID // on sock

	published atomic.Pointer[published] // nil: nobody has found the lock taken

	mu      *sync.Mutex // guards everything below; with a socket it is the socket's
	assoc   *sctp.Association
	now     time.Time // of the latest settling: it will do where the time does not matter
	events  events
	streams streams
	life    lifetime
	writes  writes
	waiters waiters
	remote  netip.AddrPort // on sock

	*carrier          // on nc; on sock nobody's, which all Conns there share
	nc       net.Conn // nil on sock
	log      *slog.Logger
}

// carrier is how a net.Conn is used.
type carrier struct {
	reader reader
	sender sender
	timer  timer
}

// An actor is the kind of goroutine that settles the Conn.
type actor uint8

const (
	aCaller actor = iota // the application's, which wants to go home
	aLeader              // the same, which reads a socket while it waits
	aSource              // the transport's, which others wait for
	aReader              // the reading goroutine
	aTimer               // of a timer that fired, free to stay as long as needed
	aWriter              // the sending goroutine of a transport that blocks
)

// borrowed tells whether the goroutine is not the Conn's own, and must not be kept.
func (a actor) borrowed() bool { return a <= aSource }

// New starts driving an association over nc without waiting for it. With
// initiate it sends INIT (both sides may); without, it waits for the peer's.
// nc belongs to the Conn from now on, and is closed when the association ends;
// it is not if New returns an error: ErrNilConn, a *sctp.ConfigError, or with
// Config.PeerInitToken an *sctp.InitTokenError.
func New(nc net.Conn, cfg Config, initiate bool) (*Conn, error) {
	cfg, err := cfg.completeOver(nc)
	if err != nil {
		return nil, err
	}
	fragments := newFragmentation(nc, &cfg.SCTP)
	assoc, err := sctp.New(cfg.SCTP)
	if err != nil {
		return nil, err
	}
	assoc.ExpectRTT(cfg.ExpectedRTT)
	switch {
	case cfg.PeerInitToken != nil:
		err = assoc.ConnectWithToken(time.Now(), cfg.PeerInitToken)
	case initiate:
		err = assoc.Connect(time.Now())
	}
	if err != nil {
		return nil, err
	}
	return drive(nc, cfg, assoc, fragments), nil
}

// drive returns the Conn of an association over nc, which runs from now on.
func drive(nc net.Conn, cfg Config, assoc *sctp.Association, fragments fragmentation) *Conn {
	c := newConn(&cfg, assoc, new(sync.Mutex), new(carrier))
	c.nc = nc
	c.reader.init(roomFor(&cfg.SCTP))
	if u, ok := nc.(*net.UDPConn); ok {
		c.reader.udp = udpsock.NewConnected(u)
	}
	c.sender.init(c)
	c.sender.fragments = fragments
	c.reader.source, _ = nc.(PacketSource)
	c.reader.batcher, _ = nc.(BatchReader)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startReader()
	c.collect(time.Now()) // resumed or set up with a token it is established, and is so from here on
	// The first packet leaves from the timer's goroutine: nc may block in Write
	// until somebody reads at the other end, and New does not wait.
	c.timer.init(c.onTimer)
	c.fireTimer()
	return c
}

// newConn returns a Conn that nothing carries yet.
func newConn(cfg *Config, assoc *sctp.Association, mu *sync.Mutex, by *carrier) *Conn {
	c := &Conn{cfg: cfg, log: cfg.Logger, assoc: assoc, mu: mu, now: time.Now(), carrier: by}
	c.events.room.L = mu
	return c
}

// Client connects, and waits until the association is established or ctx ends.
func Client(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return establish(ctx, nc, cfg, true)
}

// Server waits for the peer to connect, until ctx ends.
func Server(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return establish(ctx, nc, cfg, false)
}

func establish(ctx context.Context, nc net.Conn, cfg Config, initiate bool) (*Conn, error) {
	c, err := New(nc, cfg, initiate)
	if err != nil {
		return nil, err
	}
	return c.established(ctx)
}

// established waits until c is, and gives it up when ctx ends before.
func (c *Conn) established(ctx context.Context) (*Conn, error) {
	if err := c.WaitConnected(ctx); err != nil {
		c.Abort("not established in time")
		<-c.when(&c.life.released)
		return nil, err
	}
	return c, nil
}

// WaitConnected blocks until the association is established, has ended or ctx is
// done. It returns nil from the moment of establishment on, even after the end;
// an error that matches net.ErrClosed and wraps Err if the association ended
// before; or the error of ctx.
func (c *Conn) WaitConnected(ctx context.Context) error {
	c.mu.Lock()
	if c.life.wasConnected {
		c.mu.Unlock()
		return nil
	}
	connected, over := c.life.connected.channel(), c.life.over.channel()
	c.mu.Unlock()
	select {
	case <-connected:
	case <-over:
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.life.wasConnected {
			return c.life.err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// settle does what a call into the association gave rise to. The lock is held on
// entry and on return; in between it is released to send and to run OnEvent.
func (c *Conn) settle(now time.Time, by actor) {
	c.now = now
	if c.sock != nil {
		c.sock.ep.Update(c.id)
		c.sock.settle(now, by)
	} else {
		c.collect(now)
		sent := c.flush(now, by)
		c.armTimer(now)
		if sent {
			c.conclude()
		}
		c.dispatch(by)
	}
	if c.life.isOver {
		c.publish(now) // no packet will
	}
	c.checkDone()
}

// PathChanged says that packets take another way from now on; see
// sctp.Association.PathChanged.
func (c *Conn) PathChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.assoc.PathChanged(now, 0)
	c.settle(now, aCaller)
}

// ResetStreams resets the outgoing side of the streams; see
// sctp.Association.ResetStreams.
func (c *Conn) ResetStreams(streams ...uint16) error {
	return c.reconfigure(func(now time.Time) error { return c.assoc.ResetStreams(now, streams...) })
}

// RequestReset asks the peer to reset its side of the streams; see
// sctp.Association.RequestReset.
func (c *Conn) RequestReset(streams ...uint16) error {
	return c.reconfigure(func(now time.Time) error { return c.assoc.RequestReset(now, streams...) })
}

// AddStreams asks for more streams; see sctp.Association.AddStreams.
func (c *Conn) AddStreams(out, in int) error {
	return c.reconfigure(func(now time.Time) error { return c.assoc.AddStreams(now, out, in) })
}

// ResetAssociation begins all sequence numbers anew; see
// sctp.Association.ResetAssociation.
func (c *Conn) ResetAssociation() error {
	return c.reconfigure(c.assoc.ResetAssociation)
}

func (c *Conn) reconfigure(command func(now time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	err := command(now)
	c.settle(now, aCaller)
	return c.explain(err)
}

// BufferedAmount returns the bytes queued on the stream and not yet handed to
// the transport.
func (c *Conn) BufferedAmount(stream uint16) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.BufferedAmount(stream)
}

// UnsentAmount returns the bytes of a stream that were queued when the association ended;
// see sctp.Association.UnsentAmount.
func (c *Conn) UnsentAmount(stream uint16) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.UnsentAmount(stream)
}

// TotalBufferedAmount returns the bytes queued on all streams and not yet handed
// to the transport.
func (c *Conn) TotalBufferedAmount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.TotalBufferedAmount()
}

// SetTotalBufferedAmountLowThreshold sets when
// sctp.EventTotalBufferedAmountLow is reported. Without it, it is not.
func (c *Conn) SetTotalBufferedAmountLowThreshold(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assoc.SetTotalBufferedAmountLowThreshold(n)
}

// SetBufferedAmountLowThreshold sets when sctp.EventBufferedAmountLow is
// reported for the stream. Default 0.
func (c *Conn) SetBufferedAmountLowThreshold(stream uint16, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assoc.SetBufferedAmountLowThreshold(stream, n)
	c.settle(time.Now(), aCaller)
}

// SetStreamPriority is sctp.Association.SetStreamPriority.
func (c *Conn) SetStreamPriority(stream, priority uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.SetStreamPriority(stream, priority)
}

// State returns the association's state.
func (c *Conn) State() sctp.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.State()
}

// OutboundStreams returns the number of usable outgoing streams, which can grow.
func (c *Conn) OutboundStreams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.OutboundStreams()
}

// InboundStreams returns the number of incoming streams, which can grow.
func (c *Conn) InboundStreams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.InboundStreams()
}

// LocalAddr returns the local address of the net.Conn or socket.
func (c *Conn) LocalAddr() net.Addr {
	if c.sock != nil {
		return c.sock.udp.LocalAddr()
	}
	return c.nc.LocalAddr()
}

// RemoteAddr returns the remote address of the net.Conn, or on a socket the one
// that the peer was heard of last, or was to be.
func (c *Conn) RemoteAddr() net.Addr {
	if c.sock != nil {
		return c.sock.remoteAddr(c)
	}
	return c.nc.RemoteAddr()
}
