package wire

import "testing"

var addressCases = []testCase{
	{"9260-3.3.2.1-a IPv4", `
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, addr("192.0.2.1"), false},
	{"9260-3.3.2.1-a IPv6", `
		0006         type IPv6
		0014         length 20
		20010db8000000000000000000000001  2001:db8::1
	`, addr("2001:db8::1"), false},
	{"5061-4.2-a wildcard", `
		0006         type IPv6
		0014         length 20
		00000000000000000000000000000000  ::
	`, addr("::"), false},
	{"IPv4 too short", `
		0005         type IPv4
		0007         length 7
		c00002       three bytes
	`, ErrLength, true},
	{"IPv4 as long as IPv6", `
		0005         type IPv4
		0014         length 20
		20010db8000000000000000000000001  2001:db8::1
	`, ErrLength, true},
	{"IPv6 as long as IPv4", `
		0006         type IPv6
		0008         length 8
		c0000201     192.0.2.1
	`, ErrLength, true},
	{"9260-3.3.2.1-a Host Name", `
		000b         type Host Name
		0006         length 6
		61           name
		00           end
	`, hostNameParam("a\x00"), false},
	{"Host Name without its zero", `
		000b         type Host Name
		0006         length 6
		6162         name
	`, ErrLength, true},
	{"Host Name of nothing", `
		000b         type Host Name
		0004         length 4
	`, ErrLength, true},
}

// 9260-3.3.2.1-a: no IPv4-mapped address is sent; one that is received can be told.
func TestMappedAddress(t *testing.T) {
	b := AppendAddr(nil, 0, addr("::ffff:192.0.2.1"))
	if a, err := Param(b).Addr(); err != nil || a != addr("192.0.2.1") {
		t.Errorf("sent as %v, error %v; want 192.0.2.1", a, err)
	}
	received := labelled(`
		0006         type IPv6
		0014         length 20
		00000000000000000000ffffc0000201  ::ffff:192.0.2.1
	`).bytes()
	if a, err := Param(received).Addr(); err != nil || !a.Is4In6() {
		t.Errorf("received as %v, error %v; want a mapped address", a, err)
	}
	if b := AppendAddr(nil, 0, addr("fe80::1%eth0")); len(b) != 20 {
		t.Errorf("an address with a zone takes %d bytes, want 20", len(b))
	}
}
