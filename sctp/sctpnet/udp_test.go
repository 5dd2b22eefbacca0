package sctpnet

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// withoutBatches hides from a socket that it is the system's: each datagram is a call.
type withoutBatches struct{ udpsock.PacketConn }

// scarce is a socket that refuses datagrams now and then, as a system without room does.
type scarce struct {
	withoutBatches
	calls atomic.Int32
}

func (s *scarce) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	refusals := []error{syscall.ENOBUFS, syscall.EMSGSIZE, syscall.ECONNREFUSED, syscall.EPERM}
	if n := s.calls.Add(1); n%20 == 0 {
		return 0, &net.OpError{Op: "write", Net: "udp", Err: refusals[n/20%4]}
	}
	return s.PacketConn.WriteToUDPAddrPort(b, to)
}

// TestListenUDP: associations over UDP on loopback, from Dial to Close: of each family
// and both at once, in batches and without, on sockets in which datagrams gather, and on those that refuse some.
func TestListenUDP(t *testing.T) {
	for _, tt := range []struct {
		network, listen, dial string
		wrap                  func(udpsock.PacketConn) udpsock.PacketConn
		delay                 time.Duration
	}{
		{network: "udp4", listen: "127.0.0.1:0", dial: "127.0.0.1"},
		{network: "udp6", listen: "[::1]:0", dial: "::1"},
		{network: "udp4", listen: "127.0.0.1:0", dial: "127.0.0.1", delay: time.Millisecond},
		{network: "udp6", listen: "[::1]:0", dial: "::1", delay: 100 * time.Microsecond},
		{network: "udp", listen: "[::]:0", dial: "127.0.0.1"},
		{network: "udp", listen: "[::]:0", dial: "::1"},
		{network: "udp", listen: "[::]:0", dial: "127.0.0.1", wrap: func(c udpsock.PacketConn) udpsock.PacketConn { return withoutBatches{c} }},
		{network: "udp4", listen: "127.0.0.1:0", dial: "127.0.0.1", wrap: func(c udpsock.PacketConn) udpsock.PacketConn {
			return &scarce{withoutBatches: withoutBatches{c}}
		}},
	} {
		at, err := net.ResolveUDPAddr(tt.network, tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenUDP(tt.network, at)
		if err != nil {
			t.Logf("no socket at %s: %v", tt.listen, err)
			continue
		}
		wrapped := udpsock.PacketConn(pc)
		if tt.wrap != nil {
			wrapped = tt.wrap(pc)
		}
		l, err := listen(wrapped, ListenConfig{ReceiveDelay: tt.delay})
		if err != nil {
			t.Fatal(err)
		}
		echoOver(t, l, tt.network, netip.AddrPortFrom(netip.MustParseAddr(tt.dial), l.Addr().(*net.UDPAddr).AddrPort().Port()))
	}
}

// echoOver plays messages to and fro with a Listener at an address.
func echoOver(t *testing.T, l *Listener, network string, at netip.AddrPort) {
	t.Helper()
	defer l.Close()
	served := result(func() error {
		c, err := l.Accept(background)
		if err != nil {
			return err
		}
		buf := make([]byte, 64<<10)
		for range 20 {
			n, _, err := c.ReadMessage(background, 3, buf)
			if err != nil {
				return err
			}
			if err := c.WriteMessage(background, sctp.Message{Stream: 3, Payload: buf[:n]}); err != nil {
				return err
			}
		}
		<-c.Done()
		return c.Err()
	})
	c, err := Dial(background, network, at.String(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		m := message(3, 1000*(i+1), byte(i))
		write(t, c, m)
		if got := read(t, c, 3); !bytes.Equal(got, m.Payload) {
			t.Fatalf("message %d: %d bytes", i, len(got))
		}
	}
	if c.RemoteAddr().String() != at.String() {
		t.Errorf("remote address %v, want %v", c.RemoteAddr(), at)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	gone(t, c)
}
