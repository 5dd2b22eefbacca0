package wire

import "math"

// Chunks, parameters and causes share a shape: a header of 4 bytes whose second
// half is the length, header included, then the value, then zeros up to a
// multiple of 4 that the length does not count (RFC 9260, sections 3.2, 3.2.1
// and 3.3.10).
const tlvHeaderLen = 4

// nextTLV cuts the next chunk, parameter or cause off rest, and returns nil if there is
// none, as after an error.
//
// The length of a chunk should not count its final padding, nor that of its last
// parameter, but is accepted if it does (RFC 9260, section 3.2): up to three
// bytes behind the last parameter that its length calls for as padding are
// skipped. The formats of fixed and counted length are multiples of 4, which
// leaves DATA, COOKIE ECHO and PAD: there such padding is part of the value,
// because nothing tells them apart. Padding may also be missing at the end.
func nextTLV(rest *[]byte, err *error) []byte {
	b := *rest
	n := len(b) + 1 // unless the header says otherwise
	if len(b) >= tlvHeaderLen {
		n = int(be.Uint16(b[2:]))
	}
	switch {
	case len(b) == 0:
		return nil
	case n > len(b):
		*rest, *err = nil, ErrTruncated
		return nil
	case n < tlvHeaderLen: // a length of 0 would never end
		*rest, *err = nil, ErrLength
		return nil
	}
	*rest = b[min(pad4(n), len(b)):]
	return b[:n:n]
}

// oneTLV returns the only chunk or parameter in b, which holds nothing behind it
// but its padding.
func oneTLV(b []byte) ([]byte, error) {
	var err error
	tlv := nextTLV(&b, &err)
	switch {
	case err != nil:
		return nil, err
	case tlv == nil:
		return nil, ErrTruncated
	case len(b) != 0:
		return nil, ErrLength
	}
	return tlv, nil
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

// extend makes b longer by n bytes, at most 32, of arbitrary contents.
func extend(b []byte, n int) []byte {
	var zero [32]byte
	if cap(b)-len(b) < n {
		return append(b, zero[:n]...)
	}
	return b[:len(b)+n]
}

// pad4 rounds n up to a multiple of 4.
func pad4(n int) int { return (n + 3) &^ 3 }

// appendPayload appends what ends a chunk, and its padding, where there is room mostly.
func appendPayload(b, payload []byte) []byte {
	n, padded := len(b), pad4(len(payload))
	if cap(b)-n < padded {
		return appendPadding(append(b, payload...), n)
	}
	b = b[:n+padded]
	if padded > 0 {
		be.PutUint32(b[n+padded-4:], 0)
	}
	copy(b[n:], payload)
	return b
}

// appendPadding appends zeros until the length counted from start is a
// multiple of 4 (RFC 9260, section 3.2).
func appendPadding(b []byte, start int) []byte {
	for (len(b)-start)&3 != 0 {
		b = append(b, 0)
	}
	return b
}
