// Package wire encodes and decodes SCTP packets: the common header, every
// chunk, parameter and error cause of RFC 9260 and of the extensions that this
// module knows, the serial numbers they carry, and the CRC32c.
//
// Decoding is a view: nothing is copied or allocated, and a decoded value is
// valid as long as the packet it came from. Encoding appends to the caller's
// buffer. There is one parser for each format, and nothing looks at bytes
// that it has not accepted.
package wire

import "encoding/binary"

// be is the byte order of everything in SCTP but the checksum.
var be = binary.BigEndian

// pad4 rounds n up to a multiple of 4.
func pad4(n int) int { return (n + 3) &^ 3 }

// appendPadding appends zeros until the length counted from start is a
// multiple of 4 (RFC 9260, section 3.2).
func appendPadding(b []byte, start int) []byte {
	for (len(b)-start)&3 != 0 {
		b = append(b, 0)
	}
	return b
}
