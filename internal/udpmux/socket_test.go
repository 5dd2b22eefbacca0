package udpmux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
)

var testBuffers = socketBuffers{receive: 4 << 20, send: 4 << 20}

// loopback are the addresses that sockets are tested on.
var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}

func newTestSocket(t testing.TB, addr netip.Addr) *socket {
	t.Helper()
	s, err := openSocket(netip.AddrPortFrom(addr, 0), testBuffers)
	if err != nil {
		t.Skipf("no socket at %v: %v", addr, err)
	}
	t.Cleanup(func() { s.close() })
	return s
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
func collect(t testing.TB, s *socket, n int, from netip.AddrPort) [][]byte {
	t.Helper()
	var got [][]byte
	for len(got) < n {
		b, size, at, err := s.in.receive()
		if err != nil {
			t.Fatal(err)
		}
		if at != from {
			t.Fatalf("from %v, want %v", at, from)
		}
		if len(b) == 0 {
			got = append(got, []byte{})
		}
		for len(b) > 0 {
			k := min(size, len(b))
			got = append(got, bytes.Clone(b[:k]))
			b = b[k:]
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
						if sent, err := a.send(packets, b.local, fragmentAny); sent != len(packets) || err != nil {
							t.Fatalf("send = %d, %v; want %d", sent, err, len(packets))
						}
						for i, p := range collect(t, b, len(packets), a.local) {
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
			sent, err := a.send(packets, b.local, fragmentNever)
			if sent != 7 || err == nil || errors.Is(err, net.ErrClosed) {
				t.Fatalf("send = %d, %v; want 7 and why one was not sent", sent, err)
			}
			got := collect(t, b, 7, a.local)
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
		gone.close()
		for range 20 {
			if _, err := a.send(numbered(repeated(5, 100), true), gone.local, fragmentAny); errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
		}
		if sent, err := a.send(numbered([]int{10}, true), b.local, fragmentAny); sent != 1 || err != nil {
			t.Errorf("send = %d, %v", sent, err)
		}
		collect(t, b, 1, a.local)
		if sent, err := b.send(numbered([]int{10}, true), a.local, fragmentAny); sent != 1 || err != nil {
			t.Errorf("send = %d, %v", sent, err)
		}
		collect(t, a, 1, b.local)
	}
}

func TestSocketClosed(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	ended := make(chan error)
	go func() {
		_, _, _, err := a.in.receive()
		ended <- err
	}()
	a.close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive on a closed socket: %v", err)
	}
	for _, f := range []fragmentation{fragmentAny, fragmentAllow, fragmentNever} {
		if sent, err := a.send(numbered([]int{10, 10}, true), b.local, f); sent != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("send on a closed socket = %d, %v", sent, err)
		}
	}
}

// An address of the other family is refused without harm.
func TestOtherFamily(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[1])
	if sent, err := a.send(numbered([]int{10, 10}, true), b.local, fragmentAny); sent != 0 || err == nil {
		t.Errorf("send = %d, %v", sent, err)
	}
	c := newTestSocket(t, loopback[0])
	if sent, err := a.send(numbered([]int{10}, true), c.local, fragmentAny); sent != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", sent, err)
	}
}

// One packet's way through takes no memory.
func TestSocketAllocs(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	packets := numbered(repeated(30, 1200), true)
	got := 0
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := a.send(packets, b.local, fragmentAny); err != nil {
			t.Fatal(err)
		}
		for left := len(packets) * 1200; left > 0; {
			p, _, _, err := b.in.receive()
			if err != nil {
				t.Fatal(err)
			}
			left -= len(p)
			got++
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for %d datagrams", allocs, len(packets))
	}
}
