//go:build !js

package datachannel

import "math/bits"

// idSet holds the stream identifiers in use: a bit for each, in words that grow
// up to the greatest ever used, so that a session with few channels stays small
// and a full one finds a free identifier in a thousand steps.
type idSet struct{ words []uint64 }

func (s *idSet) add(id uint16) {
	for int(id)/64 >= len(s.words) {
		s.words = append(s.words, 0)
	}
	s.words[id/64] |= 1 << (id % 64)
}

func (s *idSet) remove(id uint16) { s.words[id/64] &^= 1 << (id % 64) }

func (s *idSet) has(id uint16) bool {
	return int(id)/64 < len(s.words) && s.words[id/64]&(1<<(id%64)) != 0
}

// free returns the lowest identifier below limit that is not in use: an even one
// for the DTLS client, an odd one for the server (RFC 8832, section 6).
func (s *idSet) free(dtlsClient bool, limit int) (uint16, bool) {
	candidates := uint64(0xaaaaaaaaaaaaaaaa)
	if dtlsClient {
		candidates = 0x5555555555555555
	}
	for i := 0; i*64 < limit; i++ {
		free := candidates
		if i < len(s.words) {
			free &^= s.words[i]
		}
		if free != 0 {
			id := i*64 + bits.TrailingZeros64(free)
			return uint16(id), id < limit
		}
	}
	return 0, false
}
