package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// packetCase is a packet and what is in it.
type packetCase struct {
	desc     string
	in       labelled
	src, dst uint16
	vtag     uint32
	chunks   []any
}

var packetCases = []packetCase{
	{"9260-6.8-c COOKIE ACK", `
		1388         source port 5000
		1388         destination port 5000
		12345678     verification tag
		6742a804     checksum, little-endian
		0b           type COOKIE ACK
		00           flags
		0004         length 4
	`, 5000, 5000, 0x12345678, []any{emptyValue{TypeCookieAck, 0}}},
	{"9260-6.8-c DATA", `
		1388         source port 5000
		1388         destination port 5000
		12345678     verification tag
		695d525f     checksum
		00           type DATA
		03           flags BE
		0015         length 21
		00000001     TSN 1
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		68656c6c6f   payload
		000000       padding
	`, 5000, 5000, 0x12345678, []any{Data{FlagBegin | FlagEnd, 1, 0, 0, 51, []byte("hello")}}},
	{"9260-6.8-c SACK of 9260-3.3.4-b", `
		1388         source port 5000
		1388         destination port 5000
		12345678     verification tag
		2ded9491     checksum
		03           type SACK
		00           flags
		0018         length 24
		0000000c     cumulative TSN ack 12
		00001234     a_rwnd 4660
		0002         count of gap blocks
		0000         count of duplicates
		0002         start
		0003         end
		0005         start
		0005         end
	`, 5000, 5000, 0x12345678, []any{sackValue{TypeSack, 12, 4660, []GapBlock{{2, 3}, {5, 5}}, nil, nil}}},
	{"9653-5.3-a INIT whose checksum is 0", `
		1389         source port 5001
		1389         destination port 5001
		00000000     verification tag 0
		00000000     checksum
		01           type INIT
		00           flags
		0014         length 20
		fcb75cca     Initiate Tag
		000005dc     a_rwnd 1500
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
	`, 5001, 5001, 0, []any{initValue{TypeInit, 0xFCB75CCA, 1500, 1, 1, 0, nil}}},
	{"9260-3.2.2-a a bundle", `
		0001         source port 1
		ffff         destination port 65535
		ffffffff     verification tag
		fc31a534     checksum
		0a           type COOKIE ECHO
		00           flags
		0005         length 5
		63           cookie
		000000       padding
		09           type ERROR
		00           flags
		000c         length 12
		0008         code Unrecognized Parameters
		0008         length 8
		c123         type of the parameter
		0004         length of it
		00           type DATA
		03           flags BE
		0011         length 17
		00000001     TSN 1
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		61           payload
		000000       padding
	`, 1, 65535, 0xFFFFFFFF, []any{
		cookieEchoValue("c"),
		abortValue{TypeError, 0, []any{paramsCause{CauseUnrecognizedParams, []any{otherParam{0xC123, ""}}}}},
		Data{FlagBegin | FlagEnd, 1, 0, 0, 51, []byte("a")},
	}},
}

func TestPacket(t *testing.T) {
	for _, tc := range packetCases {
		in := tc.in.bytes()
		p, err := ParsePacket(in)
		if err != nil {
			t.Errorf("%s: %v", tc.desc, err)
			continue
		}
		if p.SrcPort() != tc.src || p.DstPort() != tc.dst || p.VTag() != tc.vtag || !p.ChecksumOK() {
			t.Errorf("%s: ports %d to %d, tag %#x, checksum OK %v (%08x is right)", tc.desc,
				p.SrcPort(), p.DstPort(), p.VTag(), p.ChecksumOK(), Checksum(p))
		}
		var got []any
		it := p.Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			v, err := decodeChunk(c)
			if err != nil {
				t.Errorf("%s: %v: %v", tc.desc, c.Type(), err)
			}
			got = append(got, v)
		}
		if it.Err() != nil || !it.Last() || !reflect.DeepEqual(got, tc.chunks) {
			t.Errorf("%s: decoded %+v, error %v\nwant %+v", tc.desc, got, it.Err(), tc.chunks)
		}

		b := AppendHeader(nil, tc.src, tc.dst, tc.vtag)
		for _, v := range tc.chunks {
			b = appendChunkValue(b, v)
		}
		if SetChecksum(b); !bytes.Equal(b, in) {
			t.Errorf("%s: encoded\ngot  %x\nwant %x", tc.desc, b, in)
		}
	}
}

// Who appends to a view does not write into what follows it in the packet.
func TestViewsEnd(t *testing.T) {
	for _, tc := range packetCases {
		in := tc.in.bytes()
		it := Packet(in).Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			if cap(c) != len(c) || cap(c.Value()) != len(c.Value()) {
				t.Errorf("%s: %v of %d bytes has room for %d", tc.desc, c.Type(), len(c), cap(c))
			}
		}
	}
}

// 9260-6.8-c, as the requirements write them.
func TestPacketVectors(t *testing.T) {
	for i, want := range []string{
		"13881388123456786742a8040b000004",
		"1388138812345678695d525f0003001500000001000000000000003368656c6c6f000000",
		"13881388123456782ded9491030000180000000c00001234000200000002000300050005",
	} {
		if got := hex.EncodeToString(packetCases[i].in.bytes()); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", packetCases[i].desc, got, want)
		}
	}
}

func TestParsePacketErrors(t *testing.T) {
	for _, tc := range []struct {
		desc string
		in   labelled
		want error
	}{
		{"nothing", ``, ErrPacketTooShort},
		{"header cut short", `
			1388         source port
			1388         destination port
			12345678     verification tag
			6742a8       checksum, three bytes of it
		`, ErrPacketTooShort},
		{"no chunk", `
			1388         source port
			1388         destination port
			12345678     verification tag
			6742a804     checksum
		`, ErrNoChunk},
		{"chunk header cut short", `
			1388         source port
			1388         destination port
			12345678     verification tag
			6742a804     checksum
			0b0000       type, flags, half a length
		`, ErrNoChunk},
		{"9260-3.1-a source port 0", `
			0000         source port
			1388         destination port
			12345678     verification tag
			6742a804     checksum
			0b000004     COOKIE ACK
		`, ErrZeroPort},
		{"9260-3.1-a destination port 0", `
			1388         source port
			0000         destination port
			12345678     verification tag
			6742a804     checksum
			0b000004     COOKIE ACK
		`, ErrZeroPort},
	} {
		if p, err := ParsePacket(tc.in.bytes()); !errors.Is(err, tc.want) || p != nil {
			t.Errorf("%s: error %v, want %v", tc.desc, err, tc.want)
		}
	}
}

// 9260-6.10-a: chunks are found up to the first that does not fit, whatever follows.
func TestChunksStop(t *testing.T) {
	for _, tc := range []struct {
		desc string
		in   labelled // behind a COOKIE ACK
		want error
	}{
		{"the end", ``, nil},
		{"length 0", `0a000000  COOKIE ECHO`, ErrLength},
		{"length 3", `0a000003  COOKIE ECHO`, ErrLength},
		{"length 0 with chunks behind it", `
			0a000000  COOKIE ECHO
			0b000004  COOKIE ACK
		`, ErrLength},
		{"longer than the packet", `
			0a000009  COOKIE ECHO
			01020304  cookie, a byte missing
		`, ErrTruncated},
		{"longest", `0a00ffff  COOKIE ECHO`, ErrTruncated},
		{"stray bytes", `000000  three of them`, ErrTruncated},
	} {
		b := AppendChunk(AppendHeader(nil, 1, 2, 3), TypeCookieAck, 0, nil)
		b = slices.Clip(append(b, tc.in.bytes()...))
		it := Packet(b).Chunks()
		if c, ok := it.Next(); !ok || c.Type() != TypeCookieAck || it.Last() != (len(tc.in) == 0) {
			t.Errorf("%s: first chunk %x, last %v", tc.desc, c, it.Last())
		}
		for range 3 { // no less the end when asked again
			if c, ok := it.Next(); ok || it.Err() != tc.want || !it.Last() {
				t.Errorf("%s: second chunk %x, error %v, last %v; want error %v", tc.desc, c, it.Err(), it.Last(), tc.want)
			}
		}
	}
}

// Every truncation of a packet: the chunks before the cut are found, nothing else.
func TestPacketTruncated(t *testing.T) {
	for _, tc := range packetCases {
		in, fields := tc.in.parse()
		for n := range in {
			p, err := ParsePacket(slices.Clip(in[:n]))
			if tooShort := n < HeaderLen+chunkHeaderLen; tooShort != (err != nil) {
				t.Errorf("%s: cut in %q at %d: error %v", tc.desc, fieldAt(fields, n), n, err)
			}
			if err != nil {
				continue
			}
			found := 0
			it := p.Chunks()
			for c, ok := it.Next(); ok; c, ok = it.Next() {
				if v, err := decodeChunk(c); err != nil || !reflect.DeepEqual(v, tc.chunks[found]) {
					t.Errorf("%s: cut in %q at %d: chunk %d is %+v, error %v", tc.desc, fieldAt(fields, n), n, found, v, err)
				}
				found++
			}
			if it.Err() == nil && found != len(tc.chunks) && !endsChunk(tc.chunks[:found], n-HeaderLen) {
				t.Errorf("%s: cut in %q at %d: %d chunks and no error", tc.desc, fieldAt(fields, n), n, found)
			}
		}
	}
}

// endsChunk reports whether the given chunks fill n bytes, the last perhaps without
// its padding.
func endsChunk(values []any, n int) bool {
	var b []byte
	for _, v := range values {
		b = appendChunkValue(b, v)
	}
	return pad4(n) == len(b)
}
