package udpsock

import (
	"errors"
	"net"
	"testing"
)

// TestECN: codepoints pass loopback, between sockets of each family.
func TestECN(t *testing.T) {
	for _, tt := range []struct{ listen, to string }{
		{"127.0.0.1:0", ""}, {"[::1]:0", ""}, {"[::]:0", "127.0.0.1"}, {"[::]:0", "::1"},
	} {
		addr, err := net.ResolveUDPAddr("udp", tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.ListenUDP("udp", addr)
		if err != nil {
			t.Logf("no socket at %s: %v", tt.listen, err)
			continue
		}
		defer c.Close()
		if err := ReceiveECN(c); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("not on this system")
		} else if err != nil {
			t.Errorf("%s: %v", tt.listen, err)
			continue
		}
		to := c.LocalAddr().(*net.UDPAddr)
		if tt.to != "" {
			to.IP = net.ParseIP(tt.to)
		}
		for _, codepoint := range []byte{2, 3, 0, 1} {
			at := to.AddrPort()
			if _, _, err := c.WriteMsgUDPAddrPort([]byte("x"), AppendECN(nil, at.Addr(), codepoint), at); err != nil {
				t.Errorf("%v: %v", tt, err)
				break
			}
			var b [10]byte
			var oob [ECNRoom]byte
			n, k, _, _, err := c.ReadMsgUDPAddrPort(b[:], oob[:])
			if got := ECN(oob[:k]); err != nil || n != 1 || got != codepoint {
				t.Errorf("%v: codepoint %d, want %d; %v", tt, got, codepoint, err)
			}
		}
	}
}

// TestECNMalformed: control messages that are none.
func TestECNMalformed(t *testing.T) {
	for n := range ECNRoom {
		for _, fill := range []byte{0, 1, 16, 20, 0xff} {
			oob := make([]byte, n)
			for i := range oob {
				oob[i] = fill
			}
			if got := ECN(oob); got != 0 {
				t.Errorf("%d times %d: %d", n, fill, got)
			}
		}
	}
}
