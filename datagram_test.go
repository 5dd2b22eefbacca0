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
	return c, next
}

func TestDatagramWrite(t *testing.T) {
	c, next := newIceLike()
	two := [][]byte{[]byte("four"), []byte("five!")}
	if lost, err := c.write(two); lost != 0 || err != nil || c.counters.packetsSent.Load() != 0 {
		t.Errorf("before there is a path: %d lost, %v", lost, err)
	}
	c.use(next)
	if lost, err := c.write(two); lost != 0 || err != nil || c.counters.packetsSent.Load() != 2 || c.counters.bytesSent.Load() != 9 {
		t.Errorf("write: %d lost, %v", lost, err)
	}
	next.n = 0 // no pair: lost, as in any network
	if lost, err := c.write(two); lost != 0 || err != nil || c.counters.packetsSent.Load() != 2 {
		t.Errorf("without a pair: %d lost, %v; counted %d", lost, err, c.counters.packetsSent.Load())
	}
	next.err = net.ErrClosed // another may come
	if lost, err := c.write(two); lost != 2 || err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("to a path that has ended: %d lost, %v", lost, err)
	}
	if c.LocalAddr() == nil || c.RemoteAddr() == nil {
		t.Error("no address without a pair")
	}
	next.err = nil
	c.Close()
	if lost, err := c.write(two); lost != 2 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %d lost, %v", lost, err)
	}
}

func TestDatagramPump(t *testing.T) {
	c, next := newIceLike()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.pump(next)
	}()
	got := make(chan []byte, 10)
	c.handle(func(datagrams [][]byte) {
		for _, d := range datagrams {
			got <- bytes.Clone(d)
		}
	})
	for _, b := range [][]byte{make([]byte, maxDatagram+1), []byte("one"), []byte("two")} {
		next.read <- b
	}
	if a, b := <-got, <-got; string(a) != "one" || string(b) != "two" {
		t.Errorf("got %q, %q", a, b)
	}
	if n, size := c.counters.packetsReceived.Load(), c.counters.bytesReceived.Load(); n != 2 || size != 6 {
		t.Errorf("counted %d packets, %d bytes", n, size)
	}
	close(next.read) // the ICE connection ends
	<-done
	c.Close()
	c.pump(next) // returns
}
