package udpmux

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

var second = netip.MustParseAddr("127.0.0.2")

// A restart keeps the ports that it needs, opens others, and lets those go that nothing
// needs any more. Data flows on the old path until there is a new one.
func TestGenerations(t *testing.T) {
	m := New(Config{})
	defer m.Close()
	s := m.NewSession(false)
	defer s.Close()
	x := newPeer(t)
	listen := func(ufrag string, addrs ...netip.Addr) (*Agent, []net.PacketConn) {
		t.Helper()
		a := s.NewAgent()
		if err := a.Listen(addrs, 0, 0); err != nil {
			t.Skip(err)
		}
		var conns []net.PacketConn
		for _, at := range a.GetListenAddresses() {
			c, err := a.Conn(ufrag, at)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := a.Conn(ufrag, at); again != c || err != nil {
				t.Errorf("Conn again: %v, %v", again, err)
			}
			conns = append(conns, c)
		}
		return a, conns
	}
	ports := func(want ...netip.Addr) {
		t.Helper()
		got := m.Addrs()
		for i, addr := range want {
			if len(got) != len(want) || got[i].Addr() != addr {
				t.Fatalf("ports %v, want %v", got, want)
			}
		}
	}
	flows := func(from netip.AddrPort) {
		t.Helper()
		if lost, err := s.Write([][]byte{{1, 2, 3}}); lost != 0 || err != nil {
			t.Fatalf("Write = %d, %v", lost, err)
		}
		x.want("data", []byte{1, 2, 3}, from)
	}
	one, _ := listen("one1", loopback[0], second)
	ports(loopback[0], second)
	first := m.Addrs()[0]
	s.SetPath(first, x.addr())
	flows(first)

	two, conns := listen("two2", second)
	ports(loopback[0], second) // the first one has users and the path
	for _, b := range [][]byte{stunMessage(stunmsg.BindingRequest, 1, "one1:x"), stunMessage(stunmsg.BindingRequest, 2, "two2:x")} {
		x.WriteToUDPAddrPort(b, m.Addrs()[1])
	}
	b := make([]byte, 100)
	if n, _, err := conns[0].ReadFrom(b); err != nil || !bytes.Equal(b[:n], stunMessage(stunmsg.BindingRequest, 2, "two2:x")) {
		t.Errorf("the second generation got %x, %v", b[:n], err)
	}
	one.RemoveConnByUfrag("two2") // not its own
	one.RemoveConnByUfrag("one1")
	one.Close()
	ports(loopback[0], second)
	flows(first)

	s.SetPath(m.Addrs()[1], x.addr())
	ports(second)
	flows(m.Addrs()[0])
	two.Close()
	ports(second)

	three, _ := listen("three", second, loopback[0])
	ports(second, loopback[0])
	s.SetConn(nil, nil)
	ports(second, loopback[0])
	four, _ := listen("four", second)
	ports(second, loopback[0]) // the third has users
	four.Close()
	three.Close()
	ports(second)
	if err := s.NewAgent().Listen(loopback[:1], 0, 0); err != nil {
		t.Fatal(err)
	}
	ports(loopback[0])
	s.Close()
	ports()
	if _, err := s.NewAgent().Conn("five", net.UDPAddrFromAddrPort(first)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Conn of a closed session: %v", err)
	}
}

// Ports are chosen within the range, as far as it goes.
func TestPortRange(t *testing.T) {
	probe := newPeer(t)
	n := probe.addr().Port()
	m := New(Config{})
	defer m.Close()
	if err := m.NewSession(false).NewAgent().Listen(loopback[:1], n, n); err == nil {
		t.Errorf("a port that is in use: %v", m.Addrs())
	}
	probe.Close()
	s := m.NewSession(false)
	if err := s.NewAgent().Listen([]netip.Addr{loopback[0], second}, n, n); err != nil {
		t.Skip(err) // somebody else has it by now
	}
	for _, a := range m.Addrs() {
		if a.Port() != n {
			t.Errorf("port %v, want %d", a, n)
		}
	}
	// A restart does with the same ones.
	if err := s.NewAgent().Listen([]netip.Addr{loopback[0], second}, n, n); err != nil || len(m.Addrs()) != 2 {
		t.Errorf("restart: %v, %v", m.Addrs(), err)
	}
	if p, err := m.openBetween(loopback[0], 9, 8); err == nil {
		t.Errorf("an empty range: %v", p.sock.local)
	}
}

// One port number for all addresses, or none.
func TestListenOneNumber(t *testing.T) {
	m := newTestMux(t, loopback...)
	if a := m.Addrs(); len(a) != 2 || a[0].Port() != a[1].Port() {
		t.Errorf("ports %v", a)
	}
	other := New(Config{Shared: true})
	defer other.Close()
	if err := other.Listen([]netip.Addr{second, loopback[0]}, m.Addrs()[0].Port()); err == nil {
		t.Error("a port that is in use")
	}
	if len(other.Addrs()) != 0 {
		t.Errorf("ports %v", other.Addrs())
	}
	// Agents of a shared Mux open none.
	s := m.NewSession(false)
	defer s.Close()
	a := s.NewAgent()
	if err := a.Listen([]netip.Addr{second, loopback[0]}, 0, 0); err == nil || len(a.GetListenAddresses()) != 1 {
		t.Errorf("Listen = %v, %v", err, a.GetListenAddresses())
	}
	if _, err := a.Conn("aaaa", &net.UDPAddr{IP: net.IPv6loopback, Port: int(m.Addrs()[1].Port())}); err == nil {
		t.Error("Conn at a port that the agent did not ask for")
	}
	first, err := a.Conn("aaaa", net.UDPAddrFromAddrPort(m.Addrs()[0]))
	if err != nil {
		t.Fatal(err)
	}
	b := m.NewSession(false).NewAgent()
	b.Listen(loopback[:1], 0, 0)
	if _, err := b.Conn("aaaa", net.UDPAddrFromAddrPort(m.Addrs()[0])); err == nil {
		t.Error("a user fragment that is in use")
	}
	first.Close()
	if _, err := b.Conn("aaaa", net.UDPAddrFromAddrPort(m.Addrs()[0])); err != nil {
		t.Errorf("a user fragment that was in use: %v", err)
	}
	b.Close()
}

// A fragment stays the agent's while one of its connections is open.
func TestCloseOneOfTwo(t *testing.T) {
	m := newTestMux(t, second, loopback[0])
	s := m.NewSession(false)
	defer s.Close()
	a := s.NewAgent()
	a.Listen([]netip.Addr{second, loopback[0]}, 0, 0)
	var conns []*Conn
	for _, at := range a.GetListenAddresses() {
		c, err := a.Conn("aaaa", at)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	conns[1].Close()
	x := newPeer(t)
	check := stunMessage(stunmsg.BindingRequest, 1, "aaaa:x")
	x.send(m, check) // to the first port
	(&testSession{Session: s, t: t, conn: conns[0]}).wantSTUN("check", check, x.addr())
}
