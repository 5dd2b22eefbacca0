package sluice

import (
	"syscall"
	"testing"
)

// mtuDiscovery returns IP_MTU_DISCOVER of a socket: 0 leaves the DF bit away.
func mtuDiscovery(t *testing.T, g *udpGuard) (mode int) {
	t.Helper()
	raw, err := g.sock.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		mode, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER)
	}))
	must(t, err)
	return mode
}

// TestLaterSockets: sockets that are opened later treat datagrams as those before.
func TestLaterSockets(t *testing.T) {
	n := newGuardedNet(nil, &iceMarks{}, scopedLogger{})
	defer n.close()
	for _, on := range []bool{false, true, false} {
		must(t, n.setDontFragment(on))
		c, err := n.ListenPacket("udp4", "127.0.0.1:0")
		must(t, err)
		if mode := mtuDiscovery(t, c.(*udpGuard)); mode != map[bool]int{false: syscall.IP_PMTUDISC_DONT, true: syscall.IP_PMTUDISC_PROBE}[on] {
			t.Errorf("whole %v, and the socket has mode %d", on, mode)
		}
	}
}
