package udpsock

import (
	"net"
	"testing"
)

// TestSetDontFragment: sockets of each family take the option, and still send.
func TestSetDontFragment(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		addr, err := net.ResolveUDPAddr("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.ListenUDP("udp", addr)
		if err != nil {
			t.Logf("no socket at %s: %v", at, err)
			continue
		}
		defer c.Close()
		for _, on := range []bool{true, false, true} {
			if err := SetDontFragment(c, on); err != nil {
				t.Errorf("%s, %v: %v", at, on, err)
			}
		}
		to := c.LocalAddr().(*net.UDPAddr)
		if to.IP.IsUnspecified() {
			continue
		}
		if _, err := c.WriteToUDP(make([]byte, 1400), to); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		var buf [2000]byte
		if n, _, err := c.ReadFromUDP(buf[:]); n != 1400 || err != nil {
			t.Errorf("%s: read %d bytes, %v", at, n, err)
		}
	}
}

// TestSetDontFragmentClosed: a closed socket is an error.
func TestSetDontFragmentClosed(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := SetDontFragment(c, true); err == nil {
		t.Error("no error")
	}
}
