package sluice

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/mdns"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

func newTestNode(t testing.TB) *mdnsNode {
	t.Helper()
	n := &mdnsNode{loopback: true, log: newLogFactory(nil).scoped("test")}
	t.Cleanup(n.close)
	return n
}

// Names of ours are found by another node and by another implementation, both
// versions of IP; the same address has the same name, another one another.
func TestMulticastDNSNames(t *testing.T) {
	n, asker := newTestNode(t), newTestNode(t)
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	var names []string
	for _, a := range addrs {
		name, err := n.hide(a)
		if err != nil {
			t.Skipf("no multicast DNS here: %v", err)
		}
		if again, err := n.hide(a); again != name || err != nil {
			t.Errorf("hide(%v) = %q, then %q, %v", a, name, again, err)
		}
		if strings.Count(name, ".") != 1 || !strings.HasSuffix(name, ".local") || len(name) != 36+6 {
			t.Errorf("name %q", name)
		}
		names = append(names, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	for i, name := range names {
		got, err := asker.resolve(ctx, strings.ToUpper(name))
		if err != nil {
			t.Skipf("no multicast DNS here: %v", err)
		}
		if got != addrs[i] {
			t.Errorf("%s is %v, want %v", name, got, addrs[i])
		}
	}
	l, err := net.ListenUDP("udp4", mdnsGroup)
	must(t, err)
	silent := logging.NewDefaultLoggerFactory()
	silent.DefaultLogLevel = logging.LogLevelDisabled
	other, err := mdns.Server(ipv4.NewPacketConn(l), &mdns.Config{IncludeLoopback: true, LoggerFactory: silent})
	must(t, err)
	defer other.Close()
	h, addr, err := other.Query(ctx, names[0])
	if err != nil || h.Type != dnsmessage.TypeA || !strings.HasPrefix(addr.String(), "192.0.2.7") {
		t.Errorf("another implementation finds %v, %v, %v", h, addr, err)
	}
}

// An answer is not repeated within a second, unless to a port of its own; what is
// not asked for is not answered.
func TestMulticastDNSAnswers(t *testing.T) {
	n := &mdnsNode{ours: map[string]*mdnsName{"a.local": {addr: netip.MustParseAddr("192.0.2.7"), answered: make(map[int]time.Time)}}}
	q := func(name string, kind dnsmessage.Type, class dnsmessage.Class) dnsmessage.Question {
		return dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: class}
	}
	good := q("A.local.", dnsmessage.TypeA, dnsmessage.ClassINET|mdnsTopBit)
	for _, bad := range []dnsmessage.Question{
		q("b.local.", dnsmessage.TypeA, dnsmessage.ClassINET), q("a.local.", dnsmessage.TypeAAAA, dnsmessage.ClassINET),
		q("a.local.", dnsmessage.TypeTXT, dnsmessage.ClassINET), q("a.local.", dnsmessage.TypeA, dnsmessage.ClassCHAOS),
	} {
		if n.answer(bad, 1, 1, false) != nil {
			t.Errorf("an answer to %v", bad)
		}
	}
	if n.answer(good, 1, 1, false) == nil || n.answer(good, 1, 2, false) == nil {
		t.Error("no answer")
	}
	if n.answer(good, 1, 1, false) != nil {
		t.Error("the same answer again at once")
	}
	b := n.answer(good, 7, 1, true)
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil || m.ID != 7 || len(m.Questions) != 1 || len(m.Answers) != 1 || m.Answers[0].Header.Class != dnsmessage.ClassINET {
		t.Errorf("to another port: %+v, %v", m, err)
	}
}

// Who is not on a link of ours learns nothing of the addresses that are hidden (RFC 6762,
// section 11): the peer knows the names, and may reach the port.
func TestMulticastDNSOffLink(t *testing.T) {
	n := &mdnsNode{links: []*net.IPNet{{IP: net.IPv4(192, 0, 2, 7), Mask: net.CIDRMask(24, 32)}}}
	for _, c := range []struct {
		name string
		dst  net.IP
		from string
		want bool
	}{
		{"to the group", mdnsGroup.IP, "203.0.113.5", true},
		{"to us, by a neighbour", net.IPv4(192, 0, 2, 7), "192.0.2.9", true},
		{"to us, from afar", net.IPv4(192, 0, 2, 7), "203.0.113.5", false},
		{"to an unknown address, by a neighbour", nil, "192.0.2.9", true},
		{"to an unknown address, from afar", nil, "203.0.113.5", false},
	} {
		if got := n.onLink(&ipv4.ControlMessage{Dst: c.dst}, &net.UDPAddr{IP: net.ParseIP(c.from), Port: 5353}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if n.onLink(nil, &net.UDPAddr{IP: net.IPv4(203, 0, 113, 5)}) {
		t.Error("a message of which nothing is known")
	}
	real := newTestNode(t)
	if _, err := real.hide(netip.MustParseAddr("192.0.2.7")); err != nil {
		t.Skipf("no multicast DNS here: %v", err)
	}
	if !real.onLink(nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) {
		t.Error("the node does not know the networks of this host")
	}
}

// One packet of many questions is not answered by as many: its sender may be somebody else.
func TestMulticastDNSAmplification(t *testing.T) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer socket.Close()
	victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer victim.Close()
	n := &mdnsNode{socket: socket, ours: map[string]*mdnsName{
		"a.local": {addr: netip.MustParseAddr("192.0.2.7"), answered: make(map[int]time.Time)}}}
	m := dnsmessage.Message{}
	for range 20 {
		m.Questions = append(m.Questions, dnsmessage.Question{Name: dnsmessage.MustNewName("a.local."),
			Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	}
	packet, err := m.Pack()
	must(t, err)
	n.handle(packet, 1, victim.LocalAddr())
	_, err = socket.WriteTo([]byte("end"), victim.LocalAddr())
	must(t, err)
	answers := 0
	for buf := make([]byte, 1500); ; answers++ {
		must(t, victim.SetReadDeadline(time.Now().Add(testTimeout)))
		size, err := victim.Read(buf)
		must(t, err)
		if string(buf[:size]) == "end" {
			break
		}
	}
	if answers != 1 {
		t.Errorf("%d answers to one packet", answers)
	}
}

func FuzzMulticastDNS(f *testing.F) {
	n := &mdnsNode{ours: map[string]*mdnsName{"a.local": {addr: netip.MustParseAddr("192.0.2.7"), answered: make(map[int]time.Time)}},
		waiting: map[string][]chan netip.Addr{"a.local": {make(chan netip.Addr, 1)}}, log: newLogFactory(nil).scoped("test")}
	question, err := mdnsQuestion("a.local")
	must(f, err)
	f.Add(question)
	f.Add(n.answer(dnsmessage.Question{Name: dnsmessage.MustNewName("a.local."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}, 0, 0, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		n.handle(b, 1, mdnsGroup)
		n.handle(b, 1, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1})
	})
}
