package udpmux

import (
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// TestEarlyRequests: requests that come before the agent reads are shown to it, and of
// those from one address the last is kept, with and without a nomination; nothing else is
// merged, and once the agent reads nothing is.
func TestEarlyRequests(t *testing.T) {
	s := newTestSession(t, newTestMux(t, netip.MustParseAddr("127.0.0.1")), "us")
	var shown []byte
	s.agent.OnEarly(func(c *Conn, request []byte, _ netip.AddrPort) {
		if c != s.conn {
			t.Error("another connection")
		}
		shown = append(shown, request[8])
	})
	peer, other := netip.MustParseAddrPort("127.0.0.1:7"), netip.MustParseAddrPort("127.0.0.1:8")
	request := func(id byte, from netip.AddrPort, more ...[]byte) {
		s.agent.request(s.conn.p, stunMessage(stunmsg.BindingRequest, id, "us:them", more...), from)
	}
	request(1, peer)
	request(2, peer)
	request(3, peer, useCandidate)
	request(4, other)
	request(5, peer)
	request(6, peer, useCandidate)
	s.conn.put(stunMessage(stunmsg.BindingSuccess, 7, ""), peer)
	s.conn.put(stunMessage(stunmsg.BindingSuccess, 8, ""), peer)
	if string(shown) != "\x01\x02\x03\x04\x05\x06" {
		t.Errorf("shown %q", shown)
	}
	var buf [1500]byte
	read := func(want byte) {
		t.Helper()
		if _, _, err := s.conn.ReadFrom(buf[:]); err != nil || buf[8] != want {
			t.Errorf("%d, error %v, want %d", buf[8], err, want)
		}
	}
	for _, want := range []byte{5, 6, 4, 7, 8} {
		read(want)
	}
	request(9, peer)
	request(10, peer)
	read(9)
	read(10)
	if len(shown) != 6 {
		t.Errorf("shown %q", shown)
	}
}

// pipe is a PacketConn without a network.
type pipe struct {
	local  netip.AddrPort
	in     chan []byte
	sent   [][]byte
	closed chan struct{}
}

var pipeEnd = netip.MustParseAddrPort("192.0.2.9:9")

func (p *pipe) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-p.in:
		return copy(b, d), pipeEnd, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *pipe) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if to != pipeEnd {
		return 0, net.ErrWriteToConnected
	}
	p.sent = append(p.sent, b)
	return len(b), nil
}

func (p *pipe) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.local) }

func (p *pipe) Close() error {
	close(p.closed)
	return nil
}

// TestOtherSocket: sockets of Config.Open are used like the system's.
func TestOtherSocket(t *testing.T) {
	p := &pipe{local: netip.MustParseAddrPort("192.0.2.1:1"), in: make(chan []byte), closed: make(chan struct{})}
	m := New(Config{Shared: true, Open: func(netip.AddrPort) (PacketConn, error) { return p, nil }})
	if err := m.Listen([]netip.Addr{p.local.Addr()}, p.local.Port()); err != nil {
		t.Fatal(err)
	}
	s := newTestSession(t, m, "us")
	s.receiveAll()
	if err := s.SetPath(p.local, pipeEnd); err != nil {
		t.Fatal(err)
	}
	p.in <- record("in")
	if got := string(<-s.got); got != string(record("in")) {
		t.Errorf("received %q", got)
	}
	if lost, err := s.Write([][]byte{record("out"), record("more")}); lost != 0 || err != nil || len(p.sent) != 2 {
		t.Errorf("%d lost, error %v, %d sent", lost, err, len(p.sent))
	}
	if err := s.SetPath(p.local, netip.MustParseAddrPort("192.0.2.9:10")); err != nil {
		t.Fatal(err)
	}
	if lost, err := s.Write([][]byte{record("out")}); lost != 1 || err == nil {
		t.Errorf("%d lost, error %v", lost, err)
	}
	if s.SetDontFragment(true) == nil {
		t.Error("it does not know the DF bit")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	<-p.closed
}
