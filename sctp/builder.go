package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// builder assembles one packet in the buffer that Transmit was given. The
// components append chunks to it as long as they fit.
type builder struct {
	b      []byte
	start  int      // of the packet in b
	limit  int      // length that b must not exceed
	data   int      // DATA chunks appended
	chunks int      // their bytes, headers and padding included
	fresh  int      // of those, bytes sent for the first time
	stream uint16   // of the last of them
	last   wire.TSN // its TSN
	crc    bool     // the packet needs its CRC32c whatever was negotiated
}

// begin begins a packet of at most mtu bytes behind what dst holds.
func (p *builder) begin(dst []byte, mtu int, id *identity) {
	p.start, p.limit = len(dst), len(dst)+mtu
	p.b = wire.AppendHeader(dst, id.localPort, id.remotePort, id.peerTag)
}

// stretch makes room for a chunk of n bytes that fits no packet any more, since the
// MTU is smaller than when it was cut (9260-6.9-a). It has its packet for itself.
func (p *builder) stretch(n int) { p.limit = max(p.limit, len(p.b)+n) }

// room returns how many bytes, a multiple of 4, still fit.
func (p *builder) room() int { return (p.limit - len(p.b)) &^ 3 }

// empty reports whether the packet has no chunk yet.
func (p *builder) empty() bool { return len(p.b) == p.start+wire.HeaderLen }

// packet finishes the packet: its checksum stays zero if the peer accepts that
// and nothing in the packet forbids it (RFC 9653, section 5.2).
func (p *builder) packet(zeroChecksum bool) []byte {
	packet := p.b[p.start:]
	if p.crc || !zeroChecksum {
		wire.SetChecksum(packet)
	}
	return packet
}
