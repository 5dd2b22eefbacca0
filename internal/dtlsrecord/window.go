package dtlsrecord

const (
	windowWords = 32

	// windowSize is how far a record may lag behind the newest one, in records. A
	// word is always in use only partly.
	windowSize = (windowWords - 1) * 64
)

// window remembers which sequence numbers have been seen, and takes those too old
// to tell for seen (RFC 6347, section 4.1.2.6): a ring of bits that only ever moves
// forward.
type window struct {
	next uint64 // one more than the highest number seen
	bits [windowWords]uint64
}

// fresh says whether a number has not been seen.
func (w *window) fresh(sequence uint64) bool {
	switch {
	case sequence >= w.next:
		return true
	case w.next-sequence > windowSize:
		return false
	}
	return w.bits[sequence/64%windowWords]&(1<<(sequence%64)) == 0
}

// mark puts down that a number was seen. It must be fresh.
func (w *window) mark(sequence uint64) {
	if sequence >= w.next {
		// Words that come into use hold what was a whole turn ago.
		first := (w.next + 63) / 64
		for i := first; i <= sequence/64 && i-first < windowWords; i++ {
			w.bits[i%windowWords] = 0
		}
		w.next = sequence + 1
	}
	w.bits[sequence/64%windowWords] |= 1 << (sequence % 64)
}
