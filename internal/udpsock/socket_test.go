package udpsock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

// loopback are the addresses that sockets are tested on.
var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}

// testDelay is the delay of sockets made for tests; 0: none.
var testDelay time.Duration

// newTestSocket returns a socket on an address.
func newTestSocket(t testing.TB, addr netip.Addr) *Socket {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Skipf("no socket at %v: %v", addr, err)
	}
	s := New(c)
	s.SetBuffers(4<<20, 4<<20)
	if testDelay > 0 {
		if err := s.DelayReceive(testDelay); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// at returns where a socket is.
func at(s *Socket) netip.AddrPort {
	a := s.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// to returns packets for one address.
func to(addr netip.AddrPort, packets [][]byte) []Datagram {
	var ds []Datagram
	for _, p := range packets {
		ds = append(ds, Datagram{Data: p, To: addr})
	}
	return ds
}

// numbered returns packets of the given sizes, each with its number in front if there
// is room; back to back in memory if contiguous.
func numbered(sizes []int, contiguous bool) [][]byte {
	total := 0
	for _, n := range sizes {
		total += n
	}
	buf := make([]byte, 0, total)
	var packets [][]byte
	for i, n := range sizes {
		p := make([]byte, n)
		if contiguous {
			p = buf[len(buf) : len(buf)+n]
			buf = buf[:len(buf)+n]
		}
		for k := range p {
			p[k] = byte(i + k)
		}
		if n >= 4 {
			binary.BigEndian.PutUint32(p, uint32(i))
		}
		packets = append(packets, p)
	}
	return packets
}

// collect reads n datagrams and checks where they come from.
func collect(t testing.TB, s *Socket, n int, from netip.AddrPort) [][]byte {
	t.Helper()
	var got [][]byte
	for len(got) < n {
		runs, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if r.From != from {
				t.Fatalf("from %v, want %v", r.From, from)
			}
			for d := range r.Datagrams() {
				got = append(got, bytes.Clone(d))
			}
		}
	}
	return got
}

func repeated(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// Datagrams keep their borders, their order and their sender, however they are cut
// into batches.
func TestBatches(t *testing.T) {
	cases := map[string][]int{
		"one":                {1200},
		"equal":              repeated(32, 1237),
		"last one smaller":   append(repeated(31, 1237), 100),
		"last one larger":    append(repeated(31, 1237), 1400),
		"one smaller inside": append(append(repeated(10, 1237), 60), repeated(10, 1237)...),
		"mixed":              {1200, 50, 1200, 50, 50, 1200, 1200, 1, 1, 2, 2, 1, 900},
		"more than 64":       repeated(150, 300),
		"more than 64 KiB":   repeated(60, 1472),
		"large":              {9000, 9000, 9000, 100, 60000},
		"empty ones":         {0, 100, 0, 0, 100, 100, 0},
		"all sizes":          nil,
	}
	for n := range 90 {
		cases["all sizes"] = append(cases["all sizes"], 1+n*7%1300)
	}
	for _, addr := range loopback {
		for name, sizes := range cases {
			for _, contiguous := range []bool{true, false} {
				for _, offload := range []bool{true, false} {
					t.Run(fmt.Sprintf("%v/%s/contiguous=%v/offload=%v", addr, name, contiguous, offload), func(t *testing.T) {
						a, b := newTestSocket(t, addr), newTestSocket(t, addr)
						packets := numbered(sizes, contiguous)
						if !offload {
							withoutGSO(a)
							if !slices.ContainsFunc(sizes, func(n int) bool { return n > 9000 }) {
								withoutGRO(t, b)
							}
						}
						if sent, err := a.Send(to(at(b), packets)); sent != len(packets) || err != nil {
							t.Fatalf("send = %d, %v; want %d", sent, err, len(packets))
						}
						for i, p := range collect(t, b, len(packets), at(a)) {
							if !bytes.Equal(p, packets[i]) {
								t.Fatalf("datagram %d has %d bytes, want %d, or other ones", i, len(p), len(packets[i]))
							}
						}
					})
				}
			}
		}
	}
}

// A datagram that the system refuses is lost, and no other one.
func TestRefusedDatagram(t *testing.T) {
	for _, addr := range loopback {
		for _, bad := range []int{0, 3, 7} {
			a, b := newTestSocket(t, addr), newTestSocket(t, addr)
			sizes := repeated(8, 1000)
			sizes[bad] = 1 << 16 // more than an IP packet holds
			packets := numbered(sizes, true)
			sent, err := a.Send(to(at(b), packets))
			if sent != 7 || err == nil || errors.Is(err, net.ErrClosed) {
				t.Fatalf("send = %d, %v; want 7 and why one was not sent", sent, err)
			}
			got := collect(t, b, 7, at(a))
			if n := binary.BigEndian.Uint32(got[6]); n != 7 && bad != 7 {
				t.Errorf("the last one has number %d", n)
			}
		}
	}
}

// Nobody listens: what ICMP says of it stops neither side.
func TestPortUnreachable(t *testing.T) {
	for _, addr := range loopback {
		a, b, gone := newTestSocket(t, addr), newTestSocket(t, addr), newTestSocket(t, addr)
		gone.Close()
		for range 20 {
			if _, err := a.Send(to(at(gone), numbered(repeated(5, 100), true))); errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
		}
		if sent, err := a.Send(to(at(b), numbered([]int{10}, true))); sent != 1 || err != nil {
			t.Errorf("send = %d, %v", sent, err)
		}
		collect(t, b, 1, at(a))
		if sent, err := b.Send(to(at(a), numbered([]int{10}, true))); sent != 1 || err != nil {
			t.Errorf("send = %d, %v", sent, err)
		}
		collect(t, a, 1, at(b))
	}
}

func TestSocketClosed(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	ended := make(chan error)
	go func() {
		_, err := a.Receive()
		ended <- err
	}()
	a.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive on a closed socket: %v", err)
	}
	if sent, err := a.Send(to(at(b), numbered([]int{10, 10}, true))); sent != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("send on a closed socket = %d, %v", sent, err)
	}
}

// An address of the other family is refused without harm.
func TestOtherFamily(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[1])
	if sent, err := a.Send(to(at(b), numbered([]int{10, 10}, true))); sent != 0 || err == nil {
		t.Errorf("send = %d, %v", sent, err)
	}
	c := newTestSocket(t, loopback[0])
	if sent, err := a.Send(to(at(c), numbered([]int{10}, true))); sent != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", sent, err)
	}
}

// One packet's way through takes no memory.
func TestSocketAllocs(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	packets := to(at(b), numbered(repeated(30, 1200), true))
	got := 0
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := a.Send(packets); err != nil {
			t.Fatal(err)
		}
		for left := len(packets); left > 0; {
			runs, err := b.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for i := range runs {
				for range runs[i].Datagrams() {
					left--
					got++
				}
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for %d datagrams", allocs, len(packets))
	}
}

// One Send goes to several addresses, one Receive may come from several; a socket for
// both families sends to both, and says what it hears in one form.
func TestManyPeers(t *testing.T) {
	server := newTestSocket(t, netip.IPv6Unspecified())
	var peers []*Socket
	var out []Datagram
	for i := range 30 {
		p := newTestSocket(t, loopback[i%2])
		peers = append(peers, p)
		for k := range 1 + i%3 {
			out = append(out, Datagram{Data: []byte{byte(i), byte(k)}, To: at(p)})
		}
	}
	if sent, err := server.Send(out); sent != len(out) || err != nil {
		t.Fatalf("send = %d, %v", sent, err)
	}
	for i, p := range peers {
		from := netip.AddrPortFrom(loopback[i%2], at(server).Port())
		for k, d := range collect(t, p, 1+i%3, from) {
			if !bytes.Equal(d, []byte{byte(i), byte(k)}) {
				t.Errorf("peer %d got %v", i, d)
			}
		}
		if _, err := p.Send([]Datagram{{Data: []byte{byte(i)}, To: from}}); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	for n := 0; n < len(peers); reads++ {
		runs, err := server.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if want := at(peers[n]); r.From != want || !bytes.Equal(r.Data, []byte{byte(n)}) {
				t.Errorf("%v from %v, want %v", r.Data, r.From, want)
			}
			n++
		}
	}
	if _, ok := server.carrier.(*plain); !ok && reads > 10 {
		t.Errorf("%d reads", reads)
	}
}

// TestECN: codepoints pass loopback, those of a run with each of it.
func TestECN(t *testing.T) {
	for _, tt := range []struct{ listen, to netip.Addr }{
		{loopback[0], loopback[0]}, {loopback[1], loopback[1]},
		{netip.IPv6Unspecified(), loopback[0]}, {netip.IPv6Unspecified(), loopback[1]},
	} {
		s := newTestSocket(t, tt.listen)
		if err := s.ReceiveECN(); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("not on this system")
		} else if err != nil {
			t.Fatal(err)
		}
		var out []Datagram
		for _, codepoint := range []byte{2, 3, 0, 1} {
			for range 10 {
				out = append(out, Datagram{Data: make([]byte, 100), To: netip.AddrPortFrom(tt.to, at(s).Port()), ECN: codepoint})
			}
		}
		if sent, err := s.Send(out); sent != len(out) || err != nil {
			t.Fatalf("%v: sent %d, %v", tt, sent, err)
		}
		for n := 0; n < len(out); {
			runs, err := s.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range runs {
				for range r.Datagrams() {
					if r.ECN != out[n].ECN {
						t.Errorf("%v: datagram %d with codepoint %d, want %d", tt, n, r.ECN, out[n].ECN)
					}
					n++
				}
			}
		}
	}
}

// TestPlain: a socket that is not the system's carries one datagram at a time.
func TestPlain(t *testing.T) {
	type packetConn struct{ PacketConn } // hides what it is
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	x, y := New(packetConn{a.PacketConn}), New(packetConn{b.PacketConn})
	x.SetBuffers(1<<20, 1<<20)
	packets := numbered([]int{1200, 1200, 0, 7}, true)
	out := to(at(b), packets)
	out = append(out[:3:3], Datagram{Data: make([]byte, 1<<16), To: at(b)}, out[3])
	if sent, err := x.Send(out); sent != 4 || err == nil {
		t.Errorf("sent %d, %v", sent, err)
	}
	for i, p := range collect(t, y, 4, at(a)) {
		if !bytes.Equal(p, packets[i]) {
			t.Errorf("datagram %d has %d bytes", i, len(p))
		}
	}
	for what, err := range map[string]error{"ECN": x.ReceiveECN(), "DF": x.SetDontFragment(true)} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	x.Close()
	if _, err := y.Send(to(at(a), packets[:1])); err != nil {
		t.Error(err)
	}
	if _, err := x.Receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive on a closed socket: %v", err)
	}
}

// TestConnected: batches on connected sockets, which come in as they are on those of the
// caller; a peer that is not there is reported and costs no packet once it is.
func TestConnected(t *testing.T) {
	for _, addr := range loopback {
		x, y := newTestSocket(t, addr), newTestSocket(t, addr)
		from, peer := net.UDPAddrFromAddrPort(at(x)), net.UDPAddrFromAddrPort(at(y))
		x.Close()
		y.Close()
		c, err := net.DialUDP("udp", from, peer)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a := NewConnected(c)
		if a == nil {
			t.Skip("no batches on this system")
		}
		packets := numbered(repeated(100, 1200), true)
		if _, err := a.Send(to(netip.AddrPort{}, packets[:2])); err != nil {
			t.Errorf("nobody there: %v", err)
		}
		d, err := net.DialUDP("udp", peer, from)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		b := NewConnected(d)
		b.SetBuffers(1<<20, 1<<20)
		if sent, err := a.Send(to(netip.AddrPort{}, packets)); sent != len(packets) || err != nil {
			t.Errorf("sent %d, %v", sent, err)
		}
		for i, p := range collect(t, b, len(packets), at(x)) {
			if !bytes.Equal(p, packets[i]) {
				t.Fatalf("datagram %d", i)
			}
		}
		if sent, err := a.Send(to(netip.AddrPort{}, packets[:1])); sent != 1 || err != nil {
			t.Errorf("sent %d by itself, %v", sent, err)
		}
		collect(t, b, 1, at(x))
		// The caller's own way to read finds datagrams as they were sent.
		a.Send(to(netip.AddrPort{}, packets[:2]))
		buf := make([]byte, 5000)
		for range 2 {
			if n, err := d.Read(buf); n != 1200 || err != nil {
				t.Errorf("read %d bytes, %v", n, err)
			}
		}
		d.SetReadDeadline(time.Unix(1, 0))
		if _, err := b.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("receive past the deadline: %v", err)
		}
	}
}
