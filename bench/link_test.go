package bench

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A pair is the ends of one flow over a link.
type pair struct{ a, b *conn }

// link returns flows that share an emulated link: a bottleneck from a to b, and the
// same delay without any on the way back.
func link(t *testing.T, there netsim.Conditions, flows int) []pair {
	return linkWith(t, there, netsim.Conditions{Latency: there.Latency}, flows)
}

// linkWith is link with conditions for both ways.
func linkWith(t *testing.T, there, back netsim.Conditions, flows int) []pair {
	a, b := netsim.Pipe(netsim.PipeConfig{Seed: 1, AtoB: there, BtoA: back, ReceiveQueue: 64 << 20})
	pairs := make([]pair, flows)
	as, bs := make([]*conn, flows), make([]*conn, flows)
	for i := range pairs {
		as[i], bs[i] = newConn(a, byte(i)), newConn(b, byte(i))
		pairs[i] = pair{as[i], bs[i]}
	}
	go distribute(a, as)
	go distribute(b, bs)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return pairs
}

// distribute hands the packets that arrive at an end to the flows named in their
// last byte.
func distribute(from net.Conn, to []*conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			for _, c := range to {
				c.Close()
			}
			return
		}
		to[buf[n-1]].put(append([]byte(nil), buf[:n-1]...))
	}
}

// conn is one end of a flow.
type conn struct {
	net.Conn // the shared end
	id       byte

	mu       sync.Mutex
	readable sync.Cond
	queue    [][]byte
	closed   bool
	expired  bool
	buf      []byte
}

// change changes the conditions of the way from this end, which its flows share.
func (c *conn) change(to netsim.Conditions) { c.Conn.(*netsim.Conn).SetConditions(to) }

// sent returns what became of all that was sent at this end of the link.
func (c *conn) sent() netsim.Stats { return c.Conn.(*netsim.Conn).Stats() }

func newConn(c net.Conn, id byte) *conn {
	x := &conn{Conn: c, id: id}
	x.readable.L = &x.mu
	return x
}

func (c *conn) put(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, p)
	c.readable.Signal()
}

func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		switch {
		case c.closed:
			return 0, io.EOF
		case c.expired:
			return 0, os.ErrDeadlineExceeded
		}
		c.readable.Wait()
	}
	n := copy(p, c.queue[0])
	c.queue = c.queue[1:]
	return n, nil
}

func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.buf = append(append(c.buf[:0], p...), c.id)
	_, err := c.Conn.Write(c.buf)
	return len(p), err
}

// Close closes this end of the flow, not the link.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.readable.Broadcast()
	return nil
}

// SetReadDeadline knows deadlines that are over, and no deadline.
func (c *conn) SetReadDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = !at.IsZero() && !at.After(time.Now())
	c.readable.Broadcast()
	return nil
}

func (c *conn) SetDeadline(at time.Time) error      { return c.SetReadDeadline(at) }
func (c *conn) SetWriteDeadline(at time.Time) error { return nil }
