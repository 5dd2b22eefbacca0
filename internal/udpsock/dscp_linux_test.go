package udpsock

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// TestSetDSCP: datagrams have the codepoint that was set last when they arrive, in both
// versions of IP (8837-t).
func TestSetDSCP(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		in, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		if err != nil {
			t.Logf("no socket at %s: %v", at, err)
			continue
		}
		defer in.Close()
		raw, err := in.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, optReceiveTOS, 1))
			if at[0] == '[' {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, optReceiveTraffic, 1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		if err != nil {
			t.Fatal(err)
		}
		out := New(conn)
		defer out.Close()
		to := in.LocalAddr().(*net.UDPAddr).AddrPort()
		for _, want := range []uint8{0, 18, 1, 10, 63, 0} {
			if err := out.SetDSCP(want); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			if _, err := out.Send([]Datagram{{Data: []byte("x"), To: to}}); err != nil {
				t.Fatal(err)
			}
			var data, control [200]byte
			_, n, _, _, err := in.ReadMsgUDPAddrPort(data[:], control[:])
			if err != nil {
				t.Fatal(err)
			}
			messages, err := syscall.ParseSocketControlMessage(control[:n])
			if err != nil || len(messages) != 1 {
				t.Fatalf("%d control messages, %v", len(messages), err)
			}
			if got := messages[0].Data[0]; got != want<<2 {
				t.Errorf("%s: octet %#x, want codepoint %d", at, got, want)
			}
		}
	}
}

// TestSetDSCPClosed: a closed socket is an error, and so is one that cannot be told.
func TestSetDSCPClosed(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := New(conn)
	s.Close()
	if err := s.SetDSCP(0); err == nil {
		t.Error("no error")
	}
	if err := (&Socket{}).SetDSCP(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}
