package netns

import (
	"net"
	"testing"
)

func TestInside(t *testing.T) {
	if !Inside(t, Wire("w", "10.9.9.1/24")...) {
		return
	}
	i, err := net.InterfaceByName("w")
	if err != nil {
		t.Fatal(err)
	}
	if addrs, err := i.Addrs(); err != nil || len(addrs) == 0 || addrs[0].String() != "10.9.9.1/24" {
		t.Errorf("addresses %v, %v", addrs, err)
	}
	if all, err := net.Interfaces(); err != nil || len(all) != 3 { // lo, and both ends
		t.Errorf("interfaces %v, %v", all, err)
	}
}
