package wire

import (
	"math"
	"slices"
)

// Chunks, parameters and causes share a shape: a header of 4 bytes whose second
// half is the length, header included, then the value, then zeros up to a
// multiple of 4 that the length does not count (RFC 9260, sections 3.2, 3.2.1
// and 3.3.10).
const tlvHeaderLen = 4

// tlvs iterates over chunks, parameters or causes.
//
// The length of a chunk should not count its final padding, nor that of its last
// parameter, but is accepted if it does (RFC 9260, section 3.2): up to three
// bytes behind the last parameter that its length calls for as padding are
// skipped. The formats of fixed and counted length are multiples of 4, which
// leaves DATA, COOKIE ECHO and PAD: there such padding is part of the value,
// because nothing tells them apart. Padding may also be missing at the end.
type tlvs struct {
	b   []byte
	at  int // of the next in b; behind its end perhaps
	err error
}

// more reports whether there may be a next one.
func (it *tlvs) more() bool { return it.at < len(it.b) }

// next returns the next one where there may be one, nil if there is none, as after an error.
func (it *tlvs) next() []byte {
	b := it.b[it.at:]
	n := len(b) + 1 // unless the header says otherwise
	if len(b) >= tlvHeaderLen {
		n = int(be.Uint16(b[2:]))
	}
	switch {
	case n > len(b):
		it.at, it.err = len(it.b), ErrTruncated
		return nil
	case n < tlvHeaderLen: // a length of 0 would never end
		it.at, it.err = len(it.b), ErrLength
		return nil
	}
	it.at += pad4(n)
	return b[:n:n]
}

// oneTLV returns the only chunk or parameter in b, which holds nothing behind it
// but its padding.
func oneTLV(b []byte) ([]byte, error) {
	it := tlvs{b: b}
	if !it.more() {
		return nil, ErrTruncated
	}
	tlv := it.next()
	if it.err == nil && it.more() {
		return nil, ErrLength
	}
	return tlv, it.err
}

// setLength sets the length of the chunk, parameter or cause that starts at
// b[start] and is complete.
func setLength(b []byte, start int) { putLength(b[start:], len(b)-start) }

// putLength sets the length in a header.
func putLength(h []byte, n int) {
	if n > math.MaxUint16 {
		panic("sctp: BUG: a chunk, parameter or cause of more than 65535 bytes")
	}
	be.PutUint16(h[2:], uint16(n))
}

// extend makes b longer by n bytes of arbitrary contents.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = slices.Grow(b, n)
	}
	return b[:len(b)+n]
}

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
