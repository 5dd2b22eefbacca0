package wire

// ECNE is an ECNE chunk: the lowest TSN of a packet marked as having met
// congestion, and how many were so since the last CWR. RFC 9260 reserves the
// type; the format is that of RFC 4960, appendix A, or of
// draft-stewart-tsvwg-sctpecn, which added the count.
type ECNE struct {
	TSN   TSN
	Count uint32 // of packets; 1 if the chunk has none
}

// ECNE decodes an ECNE chunk of either form.
func (c Chunk) ECNE() (ECNE, error) {
	if c.Type() != TypeECNE {
		return ECNE{}, ErrType
	}
	switch len(c) {
	case 8:
		return ECNE{TSN(be.Uint32(c[4:])), 1}, nil
	case 12:
		return ECNE{TSN(be.Uint32(c[4:])), be.Uint32(c[8:])}, nil
	}
	return ECNE{}, ErrLength
}

// AppendECNE appends an ECNE chunk that carries the count.
func AppendECNE(b []byte, e ECNE) []byte {
	start := len(b)
	b = BeginChunk(b, TypeECNE, 0)
	b = be.AppendUint32(b, uint32(e.TSN))
	b = be.AppendUint32(b, e.Count)
	return EndChunk(b, start)
}

// CWR returns the TSN of a CWR chunk: that of the ECNE which it answers (RFC 4960,
// appendix A).
func (c Chunk) CWR() (TSN, error) { return c.tsn(TypeCWR) }

// AppendCWR appends a CWR chunk.
func AppendCWR(b []byte, t TSN) []byte { return appendTSNChunk(b, TypeCWR, t) }
