package stunmsg

import (
	"bytes"
	"slices"
	"testing"
)

// build returns a message of the type with attributes.
func build(kind uint16, attributes ...[]byte) []byte {
	body := slices.Concat(attributes...)
	m := []byte{byte(kind >> 8), byte(kind), byte(len(body) >> 8), byte(len(body)), 0x21, 0x12, 0xa4, 0x42,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	return append(m, body...)
}

// attribute returns an attribute with its padding.
func attribute(kind uint16, value []byte) []byte {
	a := append([]byte{byte(kind >> 8), byte(kind), byte(len(value) >> 8), byte(len(value))}, value...)
	for len(a)%4 != 0 {
		a = append(a, 0xff)
	}
	return a
}

func TestParse(t *testing.T) {
	id := [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	username := attribute(attrUsername, []byte("abcd:ef"))
	cases := []struct {
		desc string
		in   []byte
		want Message
		bad  bool
	}{
		{desc: "bare", in: build(BindingRequest), want: Message{Type: BindingRequest, ID: id}},
		{desc: "check", in: build(BindingRequest, username, attribute(attrUseCandidate, nil)),
			want: Message{Type: BindingRequest, ID: id, Username: []byte("abcd:ef"), UseCandidate: true}},
		{desc: "the first username counts", in: build(BindingRequest, username, attribute(attrUsername, []byte("x"))),
			want: Message{Type: BindingRequest, ID: id, Username: []byte("abcd:ef")}},
		{desc: "IPv4", in: build(BindingSuccess, attribute(attrXORMappedAddress, make([]byte, 8))), want: Message{Type: BindingSuccess, ID: id}},
		{desc: "IPv6", in: build(BindingSuccess, attribute(attrXORMappedAddress, make([]byte, 20))), want: Message{Type: BindingSuccess, ID: id}},
		{desc: "unknown attribute", in: build(BindingError, attribute(0x7777, []byte("?"))), want: Message{Type: BindingError, ID: id}},
		{desc: "empty", in: nil, bad: true},
		{desc: "no cookie", in: make([]byte, 20), bad: true},
		{desc: "first bits", in: build(0x4001), bad: true},
		{desc: "something behind", in: append(build(BindingRequest), 0, 0, 0, 0), bad: true},
		{desc: "half an attribute", in: build(BindingRequest, []byte{0, 6}), bad: true},
		{desc: "too long an attribute", in: build(BindingRequest, []byte{0, 6, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8}), bad: true},
		{desc: "no padding", in: build(BindingRequest, []byte{0, 6, 0, 1, 'x'}), bad: true},
		{desc: "largest length", in: build(BindingRequest, []byte{0, 6, 0xff, 0xff}), bad: true},
	}
	for _, kind := range []uint16{attrMappedAddress, attrXORMappedAddress, attrXORPeerAddress, attrXORRelayedAddress, attrAlternateServer,
		attrResponseOrigin, attrOtherAddress, 0x8020} {
		for _, n := range []int{0, 4, 7, 9, 12, 19, 21} {
			cases = append(cases, struct {
				desc string
				in   []byte
				want Message
				bad  bool
			}{desc: "address", in: build(BindingSuccess, username, attribute(kind, make([]byte, n))), bad: true})
		}
	}
	for _, c := range cases {
		m, ok := Parse(c.in)
		if ok == c.bad {
			t.Errorf("%s: %x: %v", c.desc, c.in, ok)
		}
		if ok && (m.Type != c.want.Type || m.ID != c.want.ID || !bytes.Equal(m.Username, c.want.Username) || m.UseCandidate != c.want.UseCandidate) {
			t.Errorf("%s: %+v, want %+v", c.desc, m, c.want)
		}
		if Is(c.in) && Admit(c.in) != ok {
			t.Errorf("%s: admitted %v", c.desc, !ok)
		}
		for cut := range c.in { // every truncation
			if _, ok := Parse(c.in[:cut]); ok && c.desc != "something behind" {
				t.Errorf("%s cut to %d of %d was taken", c.desc, cut, len(c.in))
			}
		}
	}
	for _, b := range [][]byte{nil, {22, 254, 253}, bytes.Repeat([]byte{23}, 100)} {
		if !Admit(b) {
			t.Errorf("%x is no STUN and was refused", b)
		}
	}
}

func TestParseAllocs(t *testing.T) {
	b := build(BindingRequest, attribute(attrUsername, []byte("abcd:ef")), attribute(attrXORMappedAddress, make([]byte, 8)))
	if n := testing.AllocsPerRun(100, func() {
		if m, ok := Parse(b); !ok || len(m.Username) != 7 {
			t.Error("not taken")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(build(BindingRequest, attribute(attrUsername, []byte("abcd:ef"))))
	f.Add(build(BindingSuccess, attribute(attrXORMappedAddress, make([]byte, 8))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := Parse(b); ok && (len(b) < headerSize || len(m.Username) > len(b)) {
			t.Errorf("%+v", m)
		}
	})
}
