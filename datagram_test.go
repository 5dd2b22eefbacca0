package sluice

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// iceLike writes as the ICE connection does: no bytes and no error without a
// selected pair, net.ErrClosed after its end.
type iceLike struct {
	net.Conn
	n    int
	err  error
	read chan []byte
}

func (c *iceLike) Write(p []byte) (int, error) { return min(c.n, len(p)), c.err }
func (c *iceLike) LocalAddr() net.Addr         { return nil }
func (c *iceLike) RemoteAddr() net.Addr        { return nil }

func (c *iceLike) Read(p []byte) (int, error) {
	b, ok := <-c.read
	switch {
	case !ok:
		return 0, io.EOF
	case len(b) > len(p):
		return 0, io.ErrShortBuffer
	}
	return copy(p, b), nil
}

func newIceLike() (*datagramConn, *iceLike) {
	next := &iceLike{n: maxDatagram, read: make(chan []byte)}
	c := newDatagramConn(newLogFactory(nil).scoped("test"))
	c.use(next)
	return c, next
}

func TestDatagramWrite(t *testing.T) {
	c, next := newIceLike()
	if n, err := c.Write([]byte("four")); n != 4 || err != nil || c.counters.packetsSent.Load() != 1 {
		t.Errorf("Write = %d, %v", n, err)
	}
	next.n = 0 // no pair: lost, as in any network
	if n, err := c.Write([]byte("four")); n != 4 || err != nil || c.counters.packetsSent.Load() != 1 {
		t.Errorf("Write without a pair = %d, %v; counted %d", n, err, c.counters.packetsSent.Load())
	}
	next.err = net.ErrClosed
	if n, err := c.Write([]byte("four")); n != 4 || err != nil || c.counters.packetsSent.Load() != 1 {
		t.Errorf("Write to a path that ended = %d, %v", n, err) // another may come
	}
	if c.LocalAddr() == nil || c.RemoteAddr() == nil {
		t.Error("no address without a pair")
	}
	next.err = nil
	c.Close()
	if n, err := c.Write([]byte("four")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close = %d, %v", n, err)
	}
}

func TestDatagramPump(t *testing.T) {
	c, next := newIceLike()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.pump(next)
	}()
	good := []byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 'h', 'i'}
	for _, b := range [][]byte{{}, make([]byte, maxDatagram+1), []byte("no record"), good} {
		next.read <- b
	}
	p := make([]byte, maxDatagram)
	if n, err := c.Read(p); err != nil || !bytes.Equal(p[:n], good) {
		t.Errorf("Read = %x, %v; want the record", p[:n], err)
	}
	next.read <- good
	if n, err := c.Read(p[:3]); n != 3 || err != io.ErrShortBuffer {
		t.Errorf("Read into 3 bytes = %d, %v", n, err)
	}
	close(next.read) // the ICE connection ends; another may follow
	<-done
	c.Close()
	if _, err := c.Read(p); err != net.ErrClosed {
		t.Errorf("Read after the end = %v", err)
	}
}

// What nobody reads is bounded: datagrams, and records held back.
func TestDatagramBounds(t *testing.T) {
	c, _ := newIceLike()
	record := func(contentType, epoch byte) []byte {
		return []byte{contentType, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 1, 0, 1, 7}
	}
	for range 2 * maxQueued {
		c.receive(record(22, 0))
		c.receive(record(23, 1))
	}
	if len(c.queue) != maxQueued || c.counters.packetsLost.Load() != maxQueued {
		t.Errorf("%d queued, %d lost; want %d of each", len(c.queue), c.counters.packetsLost.Load(), maxQueued)
	}
	if len(c.gate.held) != maxHeld {
		t.Errorf("%d held, want %d", len(c.gate.held), maxHeld)
	}
}

func FuzzRecordGate(f *testing.F) {
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 'h', 'i'}, true)
	f.Add([]byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 7, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40}, false)
	f.Fuzz(func(t *testing.T, b []byte, established bool) {
		var g recordGate
		if established {
			g.establish()
		}
		size := len(b)
		out := g.admit(b)
		if len(out) > size {
			t.Fatalf("%d bytes became %d", size, len(out))
		}
		for len(out) > 0 {
			end := recordHeader + int(out[11])<<8 + int(out[12])
			plain := out[3] == 0 && out[4] == 0
			if established && plain || out[0] == recordApplicationData && (plain || !established) {
				t.Fatalf("admitted %x, established %v", out[:end], established)
			}
			out = out[end:]
		}
	})
}
