package datachannel

import (
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

var _ io.ReadWriteCloser = (*Channel)(nil)

// Read reads bytes of the next message into p, and what does not fit the next
// time; it never joins messages, and skips empty ones. It waits, and ends, as
// ReadMessage does.
func (ch *Channel) Read(p []byte) (int, error) { return ch.read(p, canceler{}) }

// Write sends p as one binary message, as WriteMessage does.
func (ch *Channel) Write(p []byte) (int, error) {
	return written(p, ch.write("Write", p, false, canceler{}))
}

func written(p []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (ch *Channel) read(p []byte, c canceler) (int, error) {
	if err := c.canceled(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, wait, err := ch.tryReadBytes(p)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-c.ended:
			return 0, c.err()
		}
	}
}

func (ch *Channel) tryReadBytes(p []byte) (n int, wait signal, err error) {
	ch.s.lock()
	defer ch.s.unlock()
	wait, err = ch.mayRead("Read", func() error {
		for len(ch.in.rest) == 0 {
			m, err := ch.receive(p)
			if err != nil {
				return err
			}
			ch.in.rest, ch.in.restText = m.Data, m.IsText
		}
		n = copy(p, ch.in.rest) // onto itself if the message was received into p
		if ch.in.rest = ch.in.rest[n:]; len(ch.in.rest) == 0 {
			ch.in.rest = nil
		}
		return nil
	})
	return n, wait, err
}

// Conn returns the channel as a net.Conn, with deadlines of its own: Read and
// Write are those of the channel.
func (ch *Channel) Conn() net.Conn {
	return &conn{Channel: ch, readDeadline: newDeadline(), writeDeadline: newDeadline()}
}

// conn adds deadlines and addresses to a channel.
type conn struct {
	*Channel
	readDeadline, writeDeadline *deadline
}

func (c *conn) Read(p []byte) (int, error) { return c.Channel.read(p, c.readDeadline.canceler()) }

func (c *conn) Write(p []byte) (int, error) {
	return written(p, c.Channel.write("Write", p, false, c.writeDeadline.canceler()))
}

func (c *conn) LocalAddr() net.Addr  { return Addr{c.Channel} }
func (c *conn) RemoteAddr() net.Addr { return Addr{c.Channel} }

func (c *conn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.readDeadline.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.set(t)
	return nil
}

// Addr is the address of both ends of a channel: its stream identifier.
type Addr struct{ ch *Channel }

// Network returns "datachannel".
func (Addr) Network() string { return "datachannel" }

func (a Addr) String() string {
	if id, ok := a.ch.ID(); ok {
		return strconv.Itoa(int(id))
	}
	return "none"
}

// deadline is a point in time that can be moved while others wait for it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{} // closed when the time has come; replaced when it is moved after that
}

func newDeadline() *deadline { return &deadline{over: make(chan struct{})} }

func (d *deadline) canceler() canceler {
	d.mu.Lock()
	defer d.mu.Unlock()
	return canceler{ended: d.over}
}

// set moves the deadline; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.over:
		d.over = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		close(d.over)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer { // else it was moved
			close(d.over)
			d.timer = nil
		}
	})
	d.timer = timer
}
