package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// strays are packets that do not belong to the association's flow, or end it:
// INIT ACK, ABORT, SHUTDOWN COMPLETE, and the answers to packets out of the blue
// (RFC 9260, section 8.4). Each is a packet of its own with the verification tag
// that it needs, and always has its CRC32c (RFC 9653, section 5.2).
type strays struct{ first *stray }

type stray struct {
	packet []byte // in room, as far as that goes
	next   *stray
	room   [192]byte
}

// maxStrays bounds the packets that wait to be sent; more are not answered.
const maxStrays = 8

// add queues a packet; chunks appends what follows the header.
func (s *strays) add(src, dst uint16, vtag uint32, chunks func(b []byte) []byte) {
	last, n := &s.first, 0
	for ; *last != nil; last = &(*last).next {
		n++
	}
	if n >= maxStrays {
		return
	}
	one := new(stray)
	one.packet = chunks(wire.AppendHeader(one.room[:0], src, dst, vtag))
	wire.SetChecksum(one.packet)
	*last = one
}

// next returns the next packet, nil if there is none.
func (s *strays) next() []byte {
	p := s.first
	if p == nil {
		return nil
	}
	s.first = p.next
	return p.packet
}
