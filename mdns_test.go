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
