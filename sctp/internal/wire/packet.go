package wire

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of the common header (RFC 9260, section 3.1).
const HeaderLen = 12

// Errors of the decoders. They name the rule that the bytes break.
var (
	ErrPacketTooShort = errors.New("sctp: packet shorter than the common header")
	ErrZeroPort       = errors.New("sctp: port 0 in the common header")
	ErrNoChunk        = errors.New("sctp: packet without a chunk")
	ErrTruncated      = errors.New("sctp: chunk, parameter or cause runs past its end")
	ErrLength         = errors.New("sctp: length field disagrees with the format")
	ErrType           = errors.New("sctp: not a chunk, parameter or cause of this type")
)

// Packet is a view of an SCTP packet.
type Packet []byte

// ParsePacket checks the common header and that at least one chunk may follow.
// It verifies no checksum.
func ParsePacket(b []byte) (Packet, error) {
	switch {
	case len(b) < HeaderLen:
		return nil, ErrPacketTooShort
	case be.Uint16(b[0:]) == 0 || be.Uint16(b[2:]) == 0:
		return nil, ErrZeroPort
	case len(b) < HeaderLen+chunkHeaderLen:
		return nil, ErrNoChunk
	}
	return Packet(b), nil
}

// SrcPort returns the source port.
func (p Packet) SrcPort() uint16 { return be.Uint16(p[0:]) }

// DstPort returns the destination port.
func (p Packet) DstPort() uint16 { return be.Uint16(p[2:]) }

// VTag returns the verification tag.
func (p Packet) VTag() uint32 { return be.Uint32(p[4:]) }

// Checksum returns the checksum field.
func (p Packet) Checksum() uint32 { return binary.LittleEndian.Uint32(p[8:]) }

// ChecksumOK reports whether the checksum field holds the CRC32c.
func (p Packet) ChecksumOK() bool { return p.Checksum() == Checksum(p) }

// Chunks returns an iterator over the chunks.
func (p Packet) Chunks() Chunks { return Chunks{tlvs{b: p, at: HeaderLen}} }

// Walk makes a new iterator, in its place, what Chunks returns.
func (p Packet) Walk(it *Chunks) { it.b, it.at = p, HeaderLen }

// AppendHeader appends a common header whose checksum field is zero.
func AppendHeader(b []byte, srcPort, dstPort uint16, vtag uint32) []byte {
	start := len(b)
	b = extend(b, HeaderLen)
	h := b[start : start+HeaderLen]
	be.PutUint16(h, srcPort)
	be.PutUint16(h[2:], dstPort)
	be.PutUint32(h[4:], vtag)
	be.PutUint32(h[8:], 0)
	return b
}
