package sluice

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxDatagram is the largest datagram that ICE hands over, and that a peer on the
// same DTLS library takes whole.
const maxDatagram = 8192

// datagramConn is the path that ICE has selected, as DTLS needs it. It can be closed
// without ending ICE, and it stays when a restart of ICE brings another path.
type datagramConn struct {
	next atomic.Pointer[pathEnd] // where datagrams go; nil before there is a path
	log  scopedLogger
	// dontFragment says whether the network may fragment what is written; nil if
	// there is no saying so.
	dontFragment func(on bool) error

	closeOnce sync.Once
	closed    chan struct{}
	receive   func(datagrams [][]byte) // set when ready is closed
	ready     chan struct{}
	counters  pathCounters
	authentic atomic.Int64 // when the last authentic record came in, in Unix nanoseconds; 0 for none
}

// pathEnd is an ICE connection.
type pathEnd struct{ net.Conn }

// pathCounters count datagrams; see TransportStats.
type pathCounters struct {
	packetsSent, bytesSent, packetsReceived, bytesReceived atomic.Uint64
}

func newDatagramConn(log scopedLogger) *datagramConn {
	return &datagramConn{log: log, closed: make(chan struct{}), ready: make(chan struct{})}
}

// use sends everything from now on to next, nowhere if that is nil.
func (c *datagramConn) use(next net.Conn) {
	if next == nil {
		c.next.Store(nil)
		return
	}
	c.next.Store(&pathEnd{next})
}

// noteAuthentic notes that a record was authentic: the peer is there.
func (c *datagramConn) noteAuthentic() { c.authentic.Store(time.Now().UnixNano()) }

// lastAuthentic returns when the last authentic record came in, zero if none did.
func (c *datagramConn) lastAuthentic() time.Time {
	if at := c.authentic.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// handle sets the function that gets what comes in, once. Until then it waits below.
func (c *datagramConn) handle(f func(datagrams [][]byte)) {
	c.receive = f
	close(c.ready)
}

// pump hands over what comes in from an ICE connection until that ends.
func (c *datagramConn) pump(from io.Reader) {
	select {
	case <-c.ready:
	case <-c.closed:
		return
	}
	buf := make([]byte, maxDatagram)
	var datagrams [1][]byte
	for {
		n, err := from.Read(buf)
		if err != nil {
			if !errors.Is(err, io.ErrShortBuffer) {
				return
			}
			continue // larger than maxDatagram: lost
		}
		select {
		case <-c.closed:
			return
		default:
		}
		c.counters.packetsReceived.Add(1)
		c.counters.bytesReceived.Add(uint64(n))
		datagrams[0] = buf[:n]
		c.receive(datagrams[:])
	}
}

// write sends datagrams, in order, and returns how many were lost and the error of
// the last of these. Without a selected pair they are lost, which the ICE connection
// reports as zero bytes and no error.
func (c *datagramConn) write(datagrams [][]byte) (lost int, err error) {
	select {
	case <-c.closed:
		return len(datagrams), net.ErrClosed
	default:
	}
	next := c.next.Load()
	for _, d := range datagrams {
		if next == nil {
			continue
		}
		n, e := next.Write(d)
		switch {
		case e != nil:
			lost++
			err = e
		case n > 0:
			c.counters.packetsSent.Add(1)
			c.counters.bytesSent.Add(uint64(n))
		}
	}
	if errors.Is(err, net.ErrClosed) {
		err = errPathEnded // another path may come; ICE decides what that means
	}
	return lost, err
}

var errPathEnded = errors.New("sluice: the path has ended")

// Close makes writes fail and drops what comes in; the ICE connection stays.
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

// knownAddr stands in for the address of a connection without a selected pair.
func knownAddr(a net.Addr) net.Addr {
	if a == nil {
		return &net.UDPAddr{}
	}
	return a
}
