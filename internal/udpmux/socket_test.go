package udpmux

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
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

// numbered returns packets of the given sizes, back to back in memory, each with its
// number in front if there is room.
func numbered(sizes []int) [][]byte {
	total := 0
	for _, n := range sizes {
		total += n
	}
	buf := make([]byte, total)
	var packets [][]byte
	for i, n := range sizes {
		p := buf[:n:n]
		buf = buf[n:]
		if n >= 4 {
			binary.BigEndian.PutUint32(p, uint32(i))
		}
		packets = append(packets, p)
	}
	return packets
}

func repeated(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// More packets than the system takes at once go out in order, whatever happens to one
// of them.
func TestSend(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	sizes := repeated(200, 500)
	sizes[100] = 1 << 16 // more than an IP packet holds
	if sent, err := a.send(numbered(sizes), b.local, asBefore); sent != 199 || err == nil {
		t.Fatalf("send = %d, %v", sent, err)
	}
	for next := 0; next < 200; {
		runs, err := b.receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			for d := range r.Datagrams() {
				if next == 100 {
					next++
				}
				if n := int(binary.BigEndian.Uint32(d)); n != next || r.From != a.local {
					t.Fatalf("%d from %v, want %d", n, r.From, next)
				}
				next++
			}
		}
	}
}

func TestSocketClosed(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	a.close()
	for _, f := range []fragmentation{fragmentAny, fragmentAllow, fragmentNever} {
		if sent, err := a.send(numbered(repeated(100, 10)), b.local, treatment{fragmentation: f}); sent != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("send on a closed socket = %d, %v", sent, err)
		}
	}
}
