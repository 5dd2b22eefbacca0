package datachannel

import (
	"io"
	"math"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
)

var _ io.ReadWriteCloser = (*Channel)(nil)

// Read reads bytes of the next message into p, and what does not fit the next
// time; it never joins messages, and skips empty ones. It waits, and ends, as
// ReadMessage does, and as a MessageReader where that is within a message.
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

// tryReadBytes reads what is there of a message. One of a channel that is not reliable is
// read when it is complete, for the peer may give it up.
func (ch *Channel) tryReadBytes(p []byte) (n int, wait signal, err error) {
	ch.s.lock()
	defer ch.s.unlock()
	wait, err = ch.mayRead("Read", func() (err error) {
		for n == 0 && err == nil {
			if !ch.in.reading.on || ch.in.reading.skip {
				if err = ch.startReading(ch.kind == dcep.Reliable); err != nil {
					break
				}
			}
			n, _, err = ch.readInto(p)
		}
		return err
	})
	return n, wait, err
}

// Conn returns the channel as a net.Conn, with deadlines of its own. Read and
// Write are those of the channel, but Write sends what is too large for a message of
// the peer's, or larger than 256 KiB, as several, if the channel is ordered and reliable:
// Read puts them together again.
func (ch *Channel) Conn() net.Conn {
	return &conn{Channel: ch, readDeadline: newDeadline(), writeDeadline: newDeadline()}
}

// conn adds deadlines and addresses to a channel.
type conn struct {
	*Channel
	writing                     sync.Mutex // held for the sake of the parts of a Write
	readDeadline, writeDeadline *deadline
}

func (c *conn) Read(p []byte) (int, error) { return c.Channel.read(p, c.readDeadline.canceler()) }

func (c *conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for most := c.Channel.mostWritten(); len(p)-n > most; n += most {
		if err = c.Channel.write("Write", p[n:n+most], false, c.writeDeadline.canceler()); err != nil {
			return n, err
		}
	}
	if err = c.Channel.write("Write", p[n:], false, c.writeDeadline.canceler()); err != nil {
		return n, err
	}
	return len(p), nil
}

// mostWritten returns how many bytes of a stream go into one message.
func (ch *Channel) mostWritten() int {
	if ch.kind != dcep.Reliable {
		return math.MaxInt // it is the application's message, and stays whole or is refused
	}
	ch.s.lock()
	peer := ch.s.remoteMax
	ch.s.unlock()
	most := int64(DefaultMaxMessageSize)
	if peer > 0 {
		most = min(most, peer)
	}
	return int(most)
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

// Addr is the address of both ends of a channel: its stream identifier. That of a
// listener stands for all.
type Addr struct{ ch *Channel }

// Network returns "datachannel".
func (Addr) Network() string { return "datachannel" }

func (a Addr) String() string {
	if a.ch == nil {
		return "any"
	}
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
