package sluice

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxDatagram is the largest datagram that ICE or DTLS hands over; larger
	// ones are cut off below and vanish.
	maxDatagram = 8192

	// maxQueued bounds the datagrams that wait to be read, maxHeld those with
	// early application data, see recordGate. What comes on top is lost, as in
	// any network.
	maxQueued = 512
	maxHeld   = 32
)

// datagramConn is the selected ICE path as DTLS needs it: a net.Conn whose
// deadlines work, which those of the ICE connection do not, which can be closed
// without ending ICE, and which stays when a restart brings another path. Between
// both sits the gate.
type datagramConn struct {
	next atomic.Pointer[pathEnd] // where writes go; nil before there is a path
	log  scopedLogger
	// dontFragment says whether the network may fragment what is written; nil if
	// there is no saying so.
	dontFragment func(on bool) error

	closeOnce sync.Once
	closed    chan struct{}
	readable  chan struct{} // capacity 1: the queue may have become non-empty
	deadline  readDeadline
	ending    atomic.Bool // see willClose
	counters  pathCounters

	mu    sync.Mutex
	gate  recordGate
	queue [][]byte
}

// pathEnd is the ICE connection of one generation.
type pathEnd struct{ net.Conn }

// pathCounters count datagrams; see TransportStats.
type pathCounters struct {
	packetsSent, bytesSent, packetsReceived, bytesReceived, packetsLost atomic.Uint64
}

func newDatagramConn(log scopedLogger) *datagramConn {
	return &datagramConn{log: log, closed: make(chan struct{}), readable: make(chan struct{}, 1)}
}

// use sends everything from now on to next.
func (c *datagramConn) use(next net.Conn) { c.next.Store(&pathEnd{next}) }

// pump moves datagrams from an ICE connection to the queue until that ends. Two
// run for a while when a restart has brought another connection.
func (c *datagramConn) pump(from io.Reader) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if !errors.Is(err, io.ErrShortBuffer) {
				return
			}
			continue // larger than maxDatagram: lost
		}
		c.receive(buf[:n])
	}
}

// receive queues a copy of what the gate admits of a datagram.
func (c *datagramConn) receive(b []byte) {
	c.counters.packetsReceived.Add(1)
	c.counters.bytesReceived.Add(uint64(len(b)))
	c.mu.Lock()
	b = c.gate.admit(b)
	switch {
	case len(b) == 0:
	case len(c.queue) >= maxQueued:
		c.counters.packetsLost.Add(1)
	default:
		c.queue = append(c.queue, append([]byte(nil), b...))
	}
	c.mu.Unlock()
	c.wake()
}

func (c *datagramConn) wake() {
	select {
	case c.readable <- struct{}{}:
	default:
	}
}

// established tells that the handshake has finished: what was held back comes
// first, and from now on unencrypted records are dropped.
func (c *datagramConn) established() {
	c.mu.Lock()
	c.queue = append(c.gate.establish(), c.queue...)
	c.mu.Unlock()
	c.wake()
}

func (c *datagramConn) pop() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	b := c.queue[0]
	c.queue[0] = nil
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return b
}

// Read returns one datagram. It has one caller, the record layer's reader.
func (c *datagramConn) Read(p []byte) (int, error) {
	for {
		select {
		case <-c.deadline.passed():
			return 0, os.ErrDeadlineExceeded
		default:
		}
		if b := c.pop(); b != nil {
			if len(b) > len(p) {
				return copy(p, b), io.ErrShortBuffer
			}
			return copy(p, b), nil
		}
		select {
		case <-c.readable:
		case <-c.deadline.passed():
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
}

// Write sends one datagram. Without a selected pair it is lost, which the ICE
// connection reports as zero bytes and no error.
func (c *datagramConn) Write(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	next := c.next.Load()
	if next == nil {
		return len(p), nil
	}
	n, err := next.Write(p)
	if err != nil {
		c.log.Debugf("lost a datagram: %v", err) // the path may be replaced; ICE decides what that means
		return len(p), nil
	}
	if n > 0 {
		c.counters.packetsSent.Add(1)
		c.counters.bytesSent.Add(uint64(n))
	}
	return len(p), nil
}

// Close makes reads and writes fail; the ICE connection stays.
func (c *datagramConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return nil
}

// LocalAddr returns our address of the selected pair.
func (c *datagramConn) LocalAddr() net.Addr {
	if next := c.next.Load(); next != nil {
		return knownAddr(next.LocalAddr())
	}
	return knownAddr(nil)
}

// RemoteAddr returns the peer's address of the selected pair.
func (c *datagramConn) RemoteAddr() net.Addr {
	if next := c.next.Load(); next != nil {
		return knownAddr(next.RemoteAddr())
	}
	return knownAddr(nil)
}

// SetReadDeadline bounds Read.
func (c *datagramConn) SetReadDeadline(t time.Time) error {
	if !c.ending.Load() {
		c.deadline.set(t)
	}
	return nil
}

// willClose announces that the DTLS library is about to close. Its reader, woken
// by a deadline, would close the connection before close_notify is written; from
// here on only Close wakes it.
func (c *datagramConn) willClose() { c.ending.Store(true) }

// SetWriteDeadline does nothing: Write does not wait.
func (c *datagramConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (c *datagramConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// knownAddr stands in for the address of a connection without a selected pair.
func knownAddr(a net.Addr) net.Addr {
	if a == nil {
		return &net.UDPAddr{}
	}
	return a
}

// readDeadline is a deadline to select on. The zero value never passes.
type readDeadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{} // closed when the deadline has passed; nil until first used
}

// passed returns a channel that is closed once the deadline has passed.
func (d *readDeadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open()
}

// open returns the present channel, making it on first use.
func (d *readDeadline) open() chan struct{} {
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

// set moves the deadline; the zero time removes it. Who waits on the channel of
// a deadline that was moved before it passed keeps waiting on the right one: a
// channel is replaced only after it was closed.
func (d *readDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	ch := d.open()
	select {
	case <-ch:
		d.ch = make(chan struct{})
		ch = d.ch
	default:
	}
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(ch)
	default:
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.timer == timer {
				close(ch)
			}
		})
		d.timer = timer
	}
}

// Record header of DTLS 1.2 (RFC 6347, section 4.1): type, version, epoch,
// sequence number, length.
const (
	recordHeader          = 13
	recordApplicationData = 23
)

// recordGate decides which records reach the DTLS library.
//
// During the handshake application data that was overtaken nothing but a lost
// Finished is held back: the library would block on it for good. After the
// handshake unencrypted records are dropped: the library would obey a spoofed
// alert, answer spoofed application data with a fatal alert of its own, and
// collect spoofed handshake fragments without end.
type recordGate struct {
	isEstablished bool
	held          [][]byte
}

// admit returns the records of a datagram that may pass, moved together in b.
// What does not look like a record of DTLS ends the datagram.
func (g *recordGate) admit(b []byte) []byte {
	out := b[:0]
	for len(b) >= recordHeader {
		size := recordHeader + int(b[11])<<8 + int(b[12])
		// RFC 7983: 20 to 63 is DTLS. Major version 254 is DTLS 1.x.
		if b[0] < 20 || b[0] > 63 || b[1] != 254 || size > len(b) {
			break
		}
		record := b[:size]
		b = b[size:]
		plain := record[3] == 0 && record[4] == 0 // epoch 0
		switch {
		case record[0] == recordApplicationData && plain:
		case g.isEstablished && plain:
		case record[0] == recordApplicationData && !g.isEstablished:
			if len(g.held) < maxHeld {
				g.held = append(g.held, append([]byte(nil), record...))
			}
		default:
			out = append(out, record...)
		}
	}
	return out
}

// establish returns what was held back.
func (g *recordGate) establish() [][]byte {
	held := g.held
	g.isEstablished, g.held = true, nil
	return held
}
