package udpsock

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func writerOf(s *Socket) *writer { return &s.carrier.(*batching).out }

// withoutGSO and withoutGRO make a socket one of an older kernel.
func withoutGSO(s *Socket) { writerOf(s).maxGSO = 0 }

func withoutGRO(_ testing.TB, s *Socket) { s.carrier.(*batching).in.coalesce = false }

// TestCoalescing: the kernel is to coalesce what comes in from the moment on at which there is
// something to coalesce, and not before.
func TestCoalescing(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	coalesces := func() (on bool) {
		b.carrier.(*batching).raw.Control(func(fd uintptr) {
			n, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_UDP, optGRO)
			if err != nil {
				t.Skip("a kernel without it")
			}
			on = n != 0
		})
		return on
	}
	exchange := func(datagrams int) {
		t.Helper()
		sizes := make([]int, datagrams)
		for i := range sizes {
			sizes[i] = 100
		}
		if _, err := a.Send(to(at(b), numbered(sizes, true))); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < datagrams; {
			runs, err := b.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for i := range runs {
				for range runs[i].Datagrams() {
					got++
				}
			}
		}
	}
	for range 4 {
		exchange(1)
	}
	if coalesces() {
		t.Error("though datagrams come one by one")
	}
	if exchange(10); !coalesces() {
		t.Error("not after ten at once")
	}
	exchange(10)
}

// A socket that came with coalescing, as one that another process has used, tells datagrams apart
// from the first on.
func TestCoalescingAlready(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	c := b.PacketConn.(*net.UDPConn)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, optGRO, 1) })
	if err != nil {
		t.Skip("a kernel without it")
	}
	packets := numbered(repeated(5, 100), true)
	if _, err := a.Send(to(at(b), packets)); err != nil {
		t.Fatal(err)
	}
	for i, p := range collect(t, New(c), 5, at(a)) {
		if !bytes.Equal(p, packets[i]) {
			t.Errorf("datagram %d", i)
		}
	}
}

// One read of the system returns as many datagrams as there are, once there have been
// several, of whatever size and sender.
func TestReadSlots(t *testing.T) {
	a, b, c := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	withoutGRO(t, c)
	sizes := []int{100, 60000, 20000, 9001, 0, 7, 8, 9}
	for i, n := range sizes {
		from := a
		if i%2 == 1 {
			from = b
		}
		if _, err := from.Send(to(at(c), numbered([]int{n}, true))); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	for i := 0; i < len(sizes); reads++ {
		runs, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			want := at(a)
			if i%2 == 1 {
				want = at(b)
			}
			if len(r.Data) != sizes[i] || r.Size != sizes[i] || r.From != want {
				t.Errorf("%d: %d bytes in datagrams of %d from %v", i, len(r.Data), r.Size, r.From)
			}
			i++
		}
	}
	if reads > 5 {
		t.Errorf("%d reads", reads)
	}
}

// Control messages that are none.
func TestControlMalformed(t *testing.T) {
	for n := range len(control{}.b) + 10 {
		for _, fill := range []byte{0, 1, 16, 17, 20, 24, 0xff} {
			var c control
			for i := range c.b {
				c.b[i] = fill
			}
			if segment, ecn := c.parse(n); segment != 0 || ecn != 0 {
				t.Errorf("%d times %d: segments of %d, codepoint %d", n, fill, segment, ecn)
			}
		}
	}
}

// Addresses go to the kernel's form and back.
func TestAddresses(t *testing.T) {
	var z zone
	lo := "lo"
	if i, err := net.InterfaceByIndex(1); err == nil {
		lo = i.Name
	}
	for _, tt := range []struct {
		family   int
		in, want string
	}{
		{syscall.AF_INET, "192.0.2.1:9899", "192.0.2.1:9899"},
		{syscall.AF_INET, "[::ffff:192.0.2.1]:9899", "192.0.2.1:9899"},
		{syscall.AF_INET, "[2001:db8::1]:9899", ""},
		{syscall.AF_INET6, "192.0.2.1:9899", "192.0.2.1:9899"},
		{syscall.AF_INET6, "[2001:db8::1]:9899", "[2001:db8::1]:9899"},
		{syscall.AF_INET6, "[fe80::1%" + lo + "]:1", "[fe80::1%" + lo + "]:1"},
		{syscall.AF_INET6, "[fe80::1%1]:1", "[fe80::1%" + lo + "]:1"},
		{syscall.AF_INET6, "[fe80::1%70000]:1", "[fe80::1%70000]:1"},
		{syscall.AF_INET6, "[fe80::1%no-such]:1", "[fe80::1]:1"},
		{syscall.AF_INET6, "", ""},
		{syscall.AF_INET, "", ""},
	} {
		var in netip.AddrPort
		if tt.in != "" {
			in = netip.MustParseAddrPort(tt.in)
		}
		var sa sockaddr
		switch n := sa.put(tt.family, in, &zone{}); {
		case tt.want == "" && n == 0:
		case tt.want == "" || n == 0:
			t.Errorf("%v: %d bytes", tt, n)
		default:
			if got := sa.get(&z); got.String() != tt.want {
				t.Errorf("%v: %v", tt, got)
			}
		}
	}
	if sa := new(sockaddr); sa.get(&z).IsValid() {
		t.Error("an address of no family is valid")
	}
}

// The kernel refuses to cut segments larger than the link's MTU, 65536 on loopback: they go
// out one by one, and smaller ones are cut as before.
func TestSegmentsTooLarge(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if writerOf(a).maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EMSGSIZE} {
		writerOf(a).maxGSO, writerOf(a).err = maxBytes, errno
		if !writerOf(a).refusesGSO(9000) || writerOf(a).maxGSO != 8999 {
			t.Errorf("%v: segments up to %d", errno, writerOf(a).maxGSO)
		}
	}
	packets := numbered([]int{9000, 9000, 9000, 1200, 1200, 1200}, true)
	w := writerOf(a)
	w.out = outboxes.Get().(*outbox)
	w.prepare(to(at(b), packets))
	if w.out.prepared != 4 || w.out.sizes[3] != 3 {
		t.Errorf("%d messages of %v", w.out.prepared, w.out.sizes[:w.out.prepared])
	}
	w.release()
	if sent, err := a.Send(to(at(b), packets)); sent != 6 || err != nil {
		t.Fatalf("send = %d, %v", sent, err)
	}
	for i, p := range collect(t, b, 6, at(a)) {
		if !bytes.Equal(p, packets[i]) {
			t.Errorf("datagram %d", i)
		}
	}
	writerOf(a).err = syscall.EIO
	if !writerOf(a).refusesGSO(1200) || writerOf(a).maxGSO != 0 {
		t.Errorf("EIO: segments up to %d", writerOf(a).maxGSO)
	}
	writerOf(a).err = syscall.ENETUNREACH
	if writerOf(a).refusesGSO(1200) {
		t.Error("ENETUNREACH is no refusal of GSO")
	}
}

// A refusal may have been of one path among many of the socket, or for a smaller MTU that
// somebody has made up (ICMP): what the kernel can do is tried again after a while.
func TestGSOComesBack(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if writerOf(a).maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINVAL} {
		writerOf(a).err = errno
		writerOf(a).refusesGSO(1200)
		for _, after := range []time.Duration{0, gsoRetry} {
			writerOf(a).refused = writerOf(a).refused.Add(-after)
			if sent, err := a.Send(to(at(b), numbered(repeated(10, 1200), true))); sent != 10 || err != nil {
				t.Fatalf("send = %d, %v", sent, err)
			}
			collect(t, b, 10, at(a))
			if back := writerOf(a).maxGSO == maxBytes; back != (after > 0) {
				t.Errorf("%v, after %v: segments up to %d", errno, after, writerOf(a).maxGSO)
			}
		}
	}
	withoutGSO(a)
	a.Send(to(at(b), numbered(repeated(2, 1200), true)))
	if writerOf(a).maxGSO != 0 {
		t.Error("a kernel without it was asked")
	}
}

// Where datagrams are refused one by one, too, it was not for the cutting: here for their
// destination, to which the kernel sends nothing.
func TestRefusedForAnotherReason(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if writerOf(a).maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	nowhere := netip.MustParseAddrPort("192.0.2.1:9") // from 127.0.0.1: EINVAL
	for range 3 {
		if sent, err := a.Send(to(nowhere, numbered(repeated(10, 1200), true))); sent != 0 || err == nil {
			t.Skipf("%d were sent, %v", sent, err)
		}
		if writerOf(a).maxGSO != maxBytes {
			t.Fatalf("segments up to %d from now on", writerOf(a).maxGSO)
		}
	}
	if sent, err := a.Send(to(at(b), numbered(repeated(10, 1200), true))); sent != 10 || err != nil {
		t.Errorf("send = %d, %v", sent, err)
	}
	collect(t, b, 10, at(a))
	// As it was, if it was for the cutting.
	writerOf(a).err = syscall.EINVAL
	if !writerOf(a).refusesGSO(1200) || writerOf(a).before != maxBytes {
		t.Errorf("before: %d", writerOf(a).before)
	}
	if sent, err := a.Send(to(at(b), numbered(repeated(3, 1200), true))); sent != 3 || err != nil || writerOf(a).maxGSO != 1199 {
		t.Errorf("send = %d, %v; segments up to %d", sent, err, writerOf(a).maxGSO)
	}
}

// Batches are cut so that the kernel takes them at once.
func TestBatchesFitKernel(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	if writerOf(a).maxGSO == 0 {
		t.Skip("no UDP_SEGMENT here")
	}
	for _, sizes := range [][]int{repeated(150, 300), repeated(60, 1472), repeated(1000, 20)} {
		if sent, err := a.Send(to(at(b), numbered(sizes, true))); sent != len(sizes) || err != nil || writerOf(a).maxGSO != maxBytes {
			t.Errorf("%d of %d: sent %d, %v; segments up to %d from now on", len(sizes), sizes[0], sent, err, writerOf(a).maxGSO)
		}
		collect(t, b, len(sizes), at(a))
	}
}

// A socket on which nothing happens holds no memory.
func TestIdleSocket(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	a.Send(to(at(b), numbered([]int{10}, true)))
	collect(t, b, 1, at(a))
	r := &b.carrier.(*batching).in
	r.raw.Control(func(fd uintptr) {
		if r.attempt(fd) || r.in != nil || writerOf(a).out != nil {
			t.Error("memory is held")
		}
	})
}

// TestBlockingDescriptor: a descriptor that somebody has set to blocking blocks no thread that Go counts on: neither
// does reading nothing, which Close ends, nor sending, be it little or much.
func TestBlockingDescriptor(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	for _, s := range []*Socket{a, b} {
		s.carrier.(*batching).raw.Control(func(fd uintptr) {
			if err := syscall.SetNonblock(int(fd), false); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, n := range []int{1, maxQuick, MaxSegments} {
		sizes := repeated(n, 100)
		if sent, err := a.Send(to(at(b), numbered(sizes, true))); sent != n || err != nil {
			t.Fatalf("sent %d of %d: %v", sent, n, err)
		}
		collect(t, b, n, at(a))
	}
	ended := make(chan error)
	go func() {
		_, err := b.Receive()
		ended <- err
	}()
	runtime.GC() // would wait for a thread that waits in the kernel
	b.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
