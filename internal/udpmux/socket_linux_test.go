package udpmux

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket changes with what it sends, and not between.
func TestDontFragment(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	for i, c := range []struct {
		f    fragmentation
		want int
	}{{fragmentAny, unix.IP_PMTUDISC_DONT}, {fragmentNever, unix.IP_PMTUDISC_PROBE}, {fragmentAny, unix.IP_PMTUDISC_PROBE},
		{fragmentAllow, unix.IP_PMTUDISC_DONT}, {fragmentAny, unix.IP_PMTUDISC_DONT}, {fragmentNever, unix.IP_PMTUDISC_PROBE}} {
		if _, err := a.send(numbered([]int{10}), b.local, treatment{fragmentation: c.f}); err != nil {
			t.Fatal(err)
		}
		raw, err := a.sock.PacketConn.(*net.UDPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if mode, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); mode != c.want || err != nil {
				t.Errorf("%d: mode %d, %v; want %d", i, mode, err, c.want)
			}
		})
	}
}
