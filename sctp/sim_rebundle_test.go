package sctp_test

import (
	"bytes"
	"encoding/binary"
)

// Another sender than this package's may put its chunks into packets in other ways. So the network
// takes packets apart now and then: their chunks come one by one or together with those of others, in
// another order, twice, or late. SCTP must make as much of them.

// A bundler takes apart what is on its way to a host.
type bundler struct {
	dice
	late [][]byte // chunks that are to come with a later packet
	tag  uint32   // of the packets in which they came
}

// loose tells whether a chunk of a type may come in any packet and in any order: DATA, SACK,
// HEARTBEAT, its answer, NR-SACK, I-DATA, FORWARD-TSN, I-FORWARD-TSN.
func loose(kind byte) bool {
	switch kind {
	case 0, 3, 4, 5, 16, 64, 192, 194:
		return true
	}
	return false
}

// chunksOf returns the chunks of a packet, padding included; nil if one may not come in another.
func chunksOf(p []byte) (chunks [][]byte) {
	if len(p) < 16 {
		return nil
	}
	if sum := binary.LittleEndian.Uint32(p[8:]); sum != 0 && sum != checksum(p) {
		return nil
	}
	for rest := p[12:]; len(rest) > 0; {
		if len(rest) < 4 || !loose(rest[0]) {
			return nil
		}
		n := (int(binary.BigEndian.Uint16(rest[2:])) + 3) &^ 3
		if n < 4 || n > len(rest) {
			return nil
		}
		chunks, rest = append(chunks, rest[:n:n]), rest[n:]
	}
	return chunks
}

// again returns the packets that come instead of p.
func (b *bundler) again(p []byte) (packets [][]byte) {
	chunks := chunksOf(p)
	if chunks == nil {
		return [][]byte{p}
	}
	for i, c := range chunks {
		chunks[i] = bytes.Clone(c)
	}
	if tag := binary.BigEndian.Uint32(p[4:]); tag != b.tag { // another association
		b.tag, b.late = tag, nil
	}
	chunks, b.late = append(chunks, b.late...), nil
	b.Shuffle(len(chunks), func(i, j int) { chunks[i], chunks[j] = chunks[j], chunks[i] })
	packet := bytes.Clone(p[:12])
	for _, c := range chunks {
		if len(b.late) < 20 && b.chance(0.1) {
			b.late = append(b.late, c)
			if b.chance(0.8) {
				continue // else it comes twice
			}
		}
		packet = append(packet, c...)
		if len(packet) > 1000 || b.chance(0.3) {
			packets, packet = append(packets, packet), bytes.Clone(p[:12])
		}
	}
	if len(packet) > 12 {
		packets = append(packets, packet)
	}
	for _, q := range packets {
		seal(q, binary.BigEndian.Uint32(p[4:]))
	}
	return packets
}
