package sctpnet

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// congested is a way between two sockets on which every packet that may be marked
// is: what it hears from others it sends to the server, and the answers back.
type congested struct {
	conn   *udpsock.Socket
	server netip.AddrPort

	mu     sync.Mutex
	client netip.AddrPort
	marks  int
}

func (c *congested) run() {
	for {
		runs, err := c.conn.Receive()
		if err != nil {
			return
		}
		for _, r := range runs {
			for packet := range r.Datagrams() {
				c.forward(packet, r.From, r.ECN)
			}
		}
	}
}

func (c *congested) forward(packet []byte, from netip.AddrPort, mark byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.server
	if from == c.server {
		to = c.client
	} else {
		c.client = from
	}
	if sctp.ECN(mark) == sctp.ECT0 {
		mark = byte(sctp.CE)
		c.marks++
	}
	c.conn.Send([]udpsock.Datagram{{Data: packet, To: to, ECN: mark}})
}

// TestECN: codepoints go out and come in, through sockets of the system, and marks
// are answered. // ecn-a ecn-b
func TestECN(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	relay := udpsock.New(conn)
	defer relay.Close()
	if err := relay.ReceiveECN(); err != nil {
		t.Skip("no ECN on this system:", err)
	}
	cfg := Config{SCTP: sctp.Config{ECN: true}}
	l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	way := &congested{conn: relay, server: l.Addr().(*net.UDPAddr).AddrPort()}
	var running sync.WaitGroup
	running.Go(way.run)
	p := &pair{t: t}
	if p.a, err = Dial(background, "udp4", relay.LocalAddr().String(), cfg); err != nil {
		t.Fatal(err)
	}
	if p.b, err = l.Accept(background); err != nil {
		t.Fatal(err)
	}
	p.transfer(200_000, 1)
	a, b := p.a.Stats(), p.b.Stats()
	way.mu.Lock()
	if !a.ECN || !b.ECN || way.marks == 0 || b.CEReceived == 0 || a.ECNEReceived == 0 {
		t.Errorf("%d marks; %+v; %+v", way.marks, a, b)
	}
	way.mu.Unlock()
	p.end()
	relay.Close()
	running.Wait()
}

// TestECNRefused: where codepoints cannot be carried. // ecn-d
func TestECNRefused(t *testing.T) {
	var broken *sctp.ConfigError
	cfg := Config{SCTP: sctp.Config{ECN: true}}
	if _, err := New(nil, cfg, true); !errors.As(err, &broken) || broken.Field != "ECN" {
		t.Errorf("New: %v", err)
	}
	e := &ether{}
	if _, err := listen(e.socket(listenAddr), ListenConfig{Config: cfg}); !errors.As(err, &broken) || broken.Field != "ECN" {
		t.Errorf("listen: %v", err)
	}
	if _, err := dial(e.socket("192.0.2.2:1"), netip.MustParseAddrPort(listenAddr), cfg); !errors.As(err, &broken) || broken.Field != "ECN" {
		t.Errorf("dial: %v", err)
	}
}
