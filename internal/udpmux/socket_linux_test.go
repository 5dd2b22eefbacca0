package udpmux

import (
	"bytes"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// withoutGSO and withoutGRO make a socket one of an older kernel.
func withoutGSO(s *socket) { s.out.maxGSO = 0 }

func withoutGRO(t testing.TB, s *socket) {
	s.in.slots = maxSlots
	s.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 0); err != nil {
			t.Error(err)
		}
	})
}

// Without coalescing, one read of the system returns several datagrams, and loses the
// one that is too long.
func TestReadSlots(t *testing.T) {
	a, b, c := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	withoutGRO(t, c)
	for i, n := range []int{100, 9000, 20000, 9001, 0, 7} {
		from := a
		if i%2 == 1 {
			from = b
		}
		if _, err := from.send(numbered([]int{n}, true), c.local, fragmentAny); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []struct {
		n    int
		from *socket
	}{{100, a}, {9000, b}, {9001, b}, {0, a}, {7, b}} {
		p, size, from, err := c.in.receive()
		if err != nil || len(p) != want.n || size != want.n || from != want.from.local {
			t.Errorf("%d: %d bytes in datagrams of %d from %v, %v; want %d from %v", i, len(p), size, from, err, want.n, want.from.local)
		}
		if i == 0 && c.in.n < 2 {
			t.Error("one datagram at a time")
		}
	}
}

// The kernel refuses to cut segments larger than the link's MTU, 65536 on loopback: they go
// out one by one, and smaller ones are cut as before.
func TestSegmentsTooLarge(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if a.out.maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EMSGSIZE} {
		a.out.maxGSO, a.out.err = maxBytes, errno
		if !a.out.refusesGSO(9000) || a.out.maxGSO != 8999 {
			t.Errorf("%v: segments up to %d", errno, a.out.maxGSO)
		}
	}
	packets := numbered([]int{9000, 9000, 9000, 1200, 1200, 1200}, true)
	a.out.prepare(packets)
	if a.out.prepared != 4 || a.out.sizes[3] != 3 {
		t.Errorf("%d messages of %v", a.out.prepared, a.out.sizes[:a.out.prepared])
	}
	if sent, err := a.send(packets, b.local, fragmentAny); sent != 6 || err != nil {
		t.Fatalf("send = %d, %v", sent, err)
	}
	for i, p := range collect(t, b, 6, a.local) {
		if !bytes.Equal(p, packets[i]) {
			t.Errorf("datagram %d", i)
		}
	}
	a.out.err = syscall.EIO
	if !a.out.refusesGSO(1200) || a.out.maxGSO != 0 {
		t.Errorf("EIO: segments up to %d", a.out.maxGSO)
	}
	a.out.err = syscall.ENETUNREACH
	if a.out.refusesGSO(1200) {
		t.Error("ENETUNREACH is no refusal of GSO")
	}
}

// A refusal may have been of one path among many of the socket, or for a smaller MTU that
// somebody has made up (ICMP): what the kernel can do is tried again after a while.
func TestGSOComesBack(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if a.out.maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINVAL} {
		a.out.err = errno
		a.out.refusesGSO(1200)
		for _, after := range []time.Duration{0, gsoRetry} {
			a.out.refused = a.out.refused.Add(-after)
			if sent, err := a.send(numbered(repeated(10, 1200), true), b.local, fragmentAny); sent != 10 || err != nil {
				t.Fatalf("send = %d, %v", sent, err)
			}
			collect(t, b, 10, a.local)
			if back := a.out.maxGSO == maxBytes; back != (after > 0) {
				t.Errorf("%v, after %v: segments up to %d", errno, after, a.out.maxGSO)
			}
		}
	}
	withoutGSO(a)
	a.send(numbered(repeated(2, 1200), true), b.local, fragmentAny)
	if a.out.maxGSO != 0 {
		t.Error("a kernel without it was asked")
	}
}

// Where datagrams are refused one by one, too, it was not for the cutting: here for their
// destination, to which the kernel sends nothing.
func TestRefusedForAnotherReason(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if a.out.maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	nowhere := netip.MustParseAddrPort("192.0.2.1:9") // from 127.0.0.1: EINVAL
	for range 3 {
		if sent, err := a.send(numbered(repeated(10, 1200), true), nowhere, fragmentAny); sent != 0 || err == nil {
			t.Skipf("%d were sent, %v", sent, err)
		}
		if a.out.maxGSO != maxBytes {
			t.Fatalf("segments up to %d from now on", a.out.maxGSO)
		}
	}
	if sent, err := a.send(numbered(repeated(10, 1200), true), b.local, fragmentAny); sent != 10 || err != nil {
		t.Errorf("send = %d, %v", sent, err)
	}
	collect(t, b, 10, a.local)
	// As it was, if it was for the cutting.
	a.out.err = syscall.EINVAL
	if !a.out.refusesGSO(1200) || a.out.before != maxBytes {
		t.Errorf("before: %d", a.out.before)
	}
	if sent, err := a.send(numbered(repeated(3, 1200), true), b.local, fragmentAny); sent != 3 || err != nil || a.out.maxGSO != 1199 {
		t.Errorf("send = %d, %v; segments up to %d", sent, err, a.out.maxGSO)
	}
}

// Batches are cut so that the kernel takes them at once.
func TestBatchesFitKernel(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if a.out.maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, sizes := range [][]int{repeated(150, 300), repeated(60, 1472), repeated(1000, 20)} {
		if sent, err := a.send(numbered(sizes, true), b.local, fragmentAny); sent != len(sizes) || err != nil || a.out.maxGSO != maxBytes {
			t.Errorf("%d of %d: sent %d, %v; segments up to %d from now on", len(sizes), sizes[0], sent, err, a.out.maxGSO)
		}
		collect(t, b, len(sizes), a.local)
	}
}

// A socket changes with what it sends, and not between.
func TestDontFragment(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	for i, c := range []struct {
		f    fragmentation
		want int
	}{{fragmentAny, unix.IP_PMTUDISC_DONT}, {fragmentNever, unix.IP_PMTUDISC_PROBE}, {fragmentAny, unix.IP_PMTUDISC_PROBE},
		{fragmentAllow, unix.IP_PMTUDISC_DONT}, {fragmentAny, unix.IP_PMTUDISC_DONT}, {fragmentNever, unix.IP_PMTUDISC_PROBE}} {
		if _, err := a.send(numbered([]int{10}, true), b.local, c.f); err != nil {
			t.Fatal(err)
		}
		a.raw.Control(func(fd uintptr) {
			if mode, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); mode != c.want || err != nil {
				t.Errorf("%d: mode %d, %v; want %d", i, mode, err, c.want)
			}
		})
	}
}

// A socket on which nothing comes in holds no buffer.
func TestIdleSocket(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	a.send(numbered([]int{10}, true), b.local, fragmentAny)
	collect(t, b, 1, a.local)
	b.raw.Control(func(fd uintptr) {
		if b.in.recvmmsg(fd) || b.in.buf != nil {
			t.Error("a buffer is held")
		}
	})
}
