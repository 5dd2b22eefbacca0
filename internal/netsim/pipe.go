package netsim

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// PipeConfig describes a Pipe.
type PipeConfig struct {
	Seed       uint64
	AtoB, BtoA Conditions
	// ReceiveQueue bounds the bytes that wait to be read at each end; a packet
	// that does not fit is dropped, unless none waits. Default 256 KiB.
	ReceiveQueue int
}

// Pipe returns the two ends of a link as net.Conns that preserve messages:
// each Write is one packet, each Read returns one. It panics on conditions
// that mean nothing. A Pipe used in a testing/synctest bubble must be made in it.
func Pipe(cfg PipeConfig) (a, b *Conn) {
	if cfg.ReceiveQueue == 0 {
		cfg.ReceiveQueue = 256 << 10
	}
	p := &pipe{start: time.Now()}
	a = &Conn{pipe: p, name: "a", limit: cfg.ReceiveQueue}
	b = &Conn{pipe: p, name: "b", limit: cfg.ReceiveQueue}
	a.out.direction = newDirection(cfg.Seed, 0, AtoB, cfg.AtoB)
	b.out.direction = newDirection(cfg.Seed, 0, BtoA, cfg.BtoA)
	a.peer, b.peer = b, a
	a.readable.L, b.readable.L = &p.mu, &p.mu
	return a, b
}

// pipe is what both ends share.
type pipe struct {
	mu    sync.Mutex // guards both Conns
	start time.Time
}

func (p *pipe) now() time.Duration { return time.Since(p.start) }

// Conn is one end of a Pipe.
type Conn struct {
	pipe *pipe
	peer *Conn
	name Addr
	out  wire // towards peer

	limit    int // bytes in queue
	queue    [][]byte
	queued   int
	ended    bool // the peer closed, and all it sent has arrived
	closed   bool
	readable sync.Cond
	read     deadline
	write    deadline
}

// wire is a direction with the packets on their way and the timer that brings
// them home.
type wire struct {
	direction
	flight flight
	timer  *time.Timer // made at first use
}

// Addr is the address of a Conn: the name of the end.
type Addr string

// Network returns "netsim".
func (Addr) Network() string { return "netsim" }

func (a Addr) String() string { return string(a) }

// LocalAddr returns the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.name }

// RemoteAddr returns the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.peer.name }

// Write sends p as one packet. It never blocks; a packet that the link does
// not carry vanishes without an error. It returns net.ErrClosed after Close and
// os.ErrDeadlineExceeded past the write deadline.
func (c *Conn) Write(p []byte) (int, error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.write.expired:
		return 0, os.ErrDeadlineExceeded
	}
	now := c.pipe.now()
	f := c.out.decide(now, len(p), true)
	for i := range f.copies {
		data := append([]byte(nil), p...)
		if i == 0 && f.flip > 0 {
			flipBits(data, f.flip, f.flipSeed)
		}
		c.out.flight.push(parcel{at: f.at[i], data: data})
	}
	c.land(now)
	return len(p), nil
}

// Read returns the next packet. A packet longer than p is cut, with
// io.ErrShortBuffer. Read returns net.ErrClosed after Close, io.EOF once the
// peer has closed and all its packets are read, and os.ErrDeadlineExceeded past
// the read deadline.
func (c *Conn) Read(p []byte) (int, error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.read.expired:
			return 0, os.ErrDeadlineExceeded
		case len(c.queue) > 0:
			first := c.queue[0]
			c.queue[0] = nil
			c.queue = c.queue[1:]
			c.queued -= len(first)
			n := copy(p, first)
			if n < len(first) {
				return n, io.ErrShortBuffer
			}
			return n, nil
		case c.ended:
			return 0, io.EOF
		}
		c.readable.Wait()
	}
}

// Close closes this end: its reads and writes fail, packets waiting for it or
// on their way to it are dropped. The peer's Read returns io.EOF as soon as
// all packets sent before have arrived, unless the link is down now.
func (c *Conn) Close() error {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.queue, c.queued = nil, 0
	c.read.stop()
	c.write.stop()
	c.readable.Broadcast()
	c.peer.out.drop()
	if c.peer.closed {
		c.out.drop()
		return nil
	}
	now := c.pipe.now()
	if !c.out.c.isDown(now) {
		c.out.flight.push(parcel{at: max(now+c.out.c.Latency, c.out.final), end: true})
	}
	c.land(now)
	return nil
}

// land hands the packets that have arrived by now to the peer, and arms the
// timer for the next one. The lock is held.
func (c *Conn) land(now time.Duration) {
	w := &c.out
	for {
		p, ok := w.flight.pop(now)
		if !ok {
			break
		}
		c.peer.accept(p, &w.stats)
	}
	at, ok := w.flight.next()
	switch {
	case !ok && w.timer != nil:
		w.timer.Stop()
	case ok && w.timer == nil:
		w.timer = time.AfterFunc(at-now, c.tick)
	case ok:
		w.timer.Reset(at - now)
	}
}

// tick is what the timer runs.
func (c *Conn) tick() {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	c.land(c.pipe.now())
}

// accept takes a packet that has arrived. The lock is held.
func (c *Conn) accept(p parcel, s *Stats) {
	switch {
	case p.end:
		c.ended = true
	case c.closed, len(c.queue) > 0 && c.queued+len(p.data) > c.limit:
		s.Arrived++
		s.Unread++
		return
	default:
		s.Arrived++
		c.queue = append(c.queue, p.data)
		c.queued += len(p.data)
	}
	c.readable.Broadcast()
}

// drop forgets the packets on their way.
func (w *wire) drop() {
	w.flight.heap = nil
	if w.timer != nil {
		w.timer.Stop()
	}
}

// SetConditions changes the link in the direction that c writes to, for
// packets written from now on.
func (c *Conn) SetConditions(cond Conditions) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	c.out.setConditions(cond)
}

// Stats returns the counters of the direction that c writes to.
func (c *Conn) Stats() Stats {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	return c.out.stats
}

// SetDeadline sets both deadlines; see net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.read, &c.write)
}

// SetReadDeadline sets the deadline of Read, one that waits included.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *Conn) setDeadlines(t time.Time, ds ...*deadline) error {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for _, d := range ds {
		d.set(c, t)
	}
	return nil
}

// A deadline of a Conn. The zero value is none. The Conn's lock guards it.
type deadline struct {
	expired bool
	timer   *time.Timer
	turn    int // counts changes, to tell a timer that fired late
}

func (d *deadline) stop() {
	d.turn++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) set(c *Conn, t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.expired = true
		c.readable.Broadcast()
		return
	}
	turn := d.turn
	d.timer = time.AfterFunc(wait, func() {
		c.pipe.mu.Lock()
		defer c.pipe.mu.Unlock()
		if d.turn == turn {
			d.expired = true
			c.readable.Broadcast()
		}
	})
}
