package sctp_test

import (
	"encoding/binary"
	"hash/crc32"
)

// A forger is an attacker who is not on the path: it knows the ports and can
// send what it likes, but not the verification tags. None of its packets may
// change anything (RFC 9260, section 8.5; CVE-2021-3772).
type forger struct{ dice }

// chunkTypes are all that RFC 9260 and its extensions define, and some that
// nobody has defined, with each of the four rules for unknown ones.
var chunkTypes = []byte{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 64, 128, 130, 132, 192, 193, 194,
	63, 100, 191, 255,
}

// forge makes a packet; p is one that the victim has just received.
func (f forger) forge(p []byte) []byte {
	q := append([]byte(nil), p...)
	switch f.IntN(7) {
	case 0: // the same under another tag
	case 1: // a chunk of any type and content
		q = append(q[:12], pick(f.dice, chunkTypes...), byte(f.IntN(256)), 0, 0)
		q = append(q, f.bytes(4*f.IntN(12))...)
		binary.BigEndian.PutUint16(q[14:], uint16(len(q)-12))
	case 2: // cut off
		q = q[:f.between(12, len(q))]
	case 3: // noise
		return f.bytes(f.IntN(100))
	case 4: // INIT needs no tag: it may be answered, and that is all
		q = append(q[:12], 1, 0, 0, 20)
		q = append(q, f.bytes(16)...)
		q[16] |= 1 // Initiate Tag
		q[20] |= 1 // a_rwnd
		return seal(q, 0)
	case 5: // from another port
		q[0] ^= byte(f.between(1, 255))
		return seal(q, binary.BigEndian.Uint32(q[4:]))
	case 6: // with another checksum; zero would be an honest one
		binary.LittleEndian.PutUint32(q[8:], checksum(q)^uint32(f.between(1, 1<<31-1)))
		if binary.LittleEndian.Uint32(q[8:]) == 0 {
			q[8] = 1
		}
		return q
	}
	return seal(q, f.Uint32())
}

func (f forger) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.Uint32())
	}
	return b
}

// checksum returns the CRC32c of a packet.
func checksum(p []byte) uint32 {
	q := append([]byte(nil), p...)
	clear(q[8:12])
	return crc32.Checksum(q, crc32.MakeTable(crc32.Castagnoli))
}

// seal gives a packet a verification tag and a good checksum.
func seal(p []byte, tag uint32) []byte {
	binary.BigEndian.PutUint32(p[4:], tag)
	binary.LittleEndian.PutUint32(p[8:], checksum(p))
	return p
}
