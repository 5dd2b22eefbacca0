package udpsock

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// TestFamilies: an option that could not be set matters on sockets that send with that
// version of IP.
func TestFamilies(t *testing.T) {
	err4, err6 := errors.New("IPv4"), errors.New("IPv6")
	for _, tt := range []struct {
		desc  string
		local string
		only6 bool
		want4 bool
		want6 bool
	}{
		{"IPv4", "0.0.0.0", false, true, false},
		{"IPv4, one address", "192.0.2.1", false, true, false},
		{"both", "::", false, true, true},
		{"IPv6 only", "::", true, false, true},
		{"IPv6, one address", "2001:db8::1", false, false, true},
		{"IPv4 in IPv6, one address", "::ffff:192.0.2.1", false, true, false},
	} {
		local := netip.MustParseAddr(tt.local)
		err := needed(local, tt.only6, err4, err6)
		if errors.Is(err, err4) != tt.want4 || errors.Is(err, err6) != tt.want6 {
			t.Errorf("%s: %v", tt.desc, err)
		}
		if err := needed(local, tt.only6, nil, nil); err != nil {
			t.Errorf("%s: %v", tt.desc, err)
		}
	}
}

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
