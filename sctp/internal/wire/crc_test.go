package wire

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"testing"
)

// 9260-6.8-b: the polynomial, its reflection, initial value and final complement.
func TestCastagnoli(t *testing.T) {
	ascending := make([]byte, 32)
	for i := range ascending {
		ascending[i] = byte(i)
	}
	descending := slices.Clone(ascending)
	slices.Reverse(descending)
	for _, tc := range []struct {
		desc string
		in   []byte
		want string // as it is sent
	}{
		{"the digits", []byte("123456789"), "839206e3"},
		{"32 bytes of 0", make([]byte, 32), "aa36918a"},
		{"32 bytes of FF", bytes.Repeat([]byte{0xFF}, 32), "43aba862"},
		{"00 to 1f", ascending, "4e79dd46"},
		{"1f to 00", descending, "5cdb3f11"},
	} {
		// As a packet: 8 bytes, a checksum field, the rest.
		packet := AppendHeader(nil, 0x0102, 0x0304, 0x05060708)
		packet = append(packet, tc.in...)
		SetChecksum(packet)
		if p := Packet(packet); !p.ChecksumOK() || p.Checksum() != Checksum(packet) {
			t.Errorf("%s: the checksum just set is not accepted", tc.desc)
		}
		sum := crc32.Checksum(tc.in, castagnoli)
		if got := hex.EncodeToString([]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.desc, got, tc.want)
		}
	}
}

// 9260-6.8-a: every bit of the packet counts, and the field itself is taken as 0.
func TestChecksumBits(t *testing.T) {
	packet := AppendHeader(nil, 5000, 5000, 0x12345678)
	packet = AppendData(packet, Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: []byte("hello")})
	SetChecksum(packet)
	sum := Checksum(packet)
	for i := range len(packet) * 8 {
		packet[i/8] ^= 1 << (i % 8)
		if Packet(packet).ChecksumOK() {
			t.Errorf("bit %d does not count", i)
		}
		if inField := i/8 >= 8 && i/8 < HeaderLen; inField != (Checksum(packet) == sum) {
			t.Errorf("bit %d: the checksum field is taken as what it holds", i)
		}
		packet[i/8] ^= 1 << (i % 8)
	}
}

// 9653-5.3-a: a checksum of zero can be the right one.
func TestZeroIsTheChecksum(t *testing.T) {
	packet := AppendHeader(nil, 5001, 5001, 0)
	start := len(packet)
	packet = EndChunk(BeginInit(packet, TypeInit, Init{Tag: 0xFCB75CCA, ARwnd: 1500, OutStreams: 1, InStreams: 1}), start)
	if sum := Checksum(packet); sum != 0 {
		t.Fatalf("checksum %#x, want 0", sum)
	}
	SetChecksum(packet)
	if p := Packet(packet); p.Checksum() != 0 || !p.ChecksumOK() {
		t.Errorf("checksum field %#x, OK %v", p.Checksum(), p.ChecksumOK())
	}
}
