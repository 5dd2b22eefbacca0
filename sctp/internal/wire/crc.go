package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli is the polynomial of RFC 9260, appendix A. hash/crc32 uses the
// processor's instruction for it where there is one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var zeroChecksum [4]byte

// Checksum returns the CRC32c of a packet, its checksum field taken as zero
// (RFC 9260, section 6.8). The packet holds at least a common header.
func Checksum(packet []byte) uint32 {
	c := crc32.Update(0, castagnoli, packet[:8])
	c = crc32.Update(c, castagnoli, zeroChecksum[:])
	return crc32.Update(c, castagnoli, packet[HeaderLen:])
}

// SetChecksum stores the CRC32c in a finished packet whose checksum field is
// zero. Unlike everything else it is little-endian.
func SetChecksum(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], crc32.Update(0, castagnoli, packet))
}
