package wire

// SkippedStream is an entry of FORWARD-TSN: the highest skipped stream sequence
// number of a stream (RFC 3758, section 3.2).
type SkippedStream struct {
	Stream uint16
	SSN    SSN
}

// ForwardTSN is a FORWARD-TSN chunk.
type ForwardTSN struct {
	NewCumTSN TSN
	entries   []byte
}

// ForwardTSN decodes a FORWARD-TSN chunk.
func (c Chunk) ForwardTSN() (ForwardTSN, error) {
	if err := c.expect(TypeForwardTSN, 4); err != nil {
		return ForwardTSN{}, err
	}
	if len(c)%4 != 0 {
		return ForwardTSN{}, ErrLength
	}
	return ForwardTSN{NewCumTSN: TSN(be.Uint32(c[4:])), entries: c[8:]}, nil
}

// Len returns the number of streams listed.
func (f *ForwardTSN) Len() int { return len(f.entries) / 4 }

// At returns entry i.
func (f *ForwardTSN) At(i int) SkippedStream {
	e := f.entries[4*i:]
	return SkippedStream{be.Uint16(e), SSN(be.Uint16(e[2:]))}
}

// ForwardTSNLen returns the length of a FORWARD-TSN chunk with n entries.
func ForwardTSNLen(n int) int { return 8 + 4*n }

// AppendForwardTSN appends a FORWARD-TSN chunk.
func AppendForwardTSN(b []byte, cum TSN, streams []SkippedStream) []byte {
	start := len(b)
	b = BeginChunk(b, TypeForwardTSN, 0)
	b = be.AppendUint32(b, uint32(cum))
	for _, s := range streams {
		b = be.AppendUint16(b, s.Stream)
		b = be.AppendUint16(b, uint16(s.SSN))
	}
	return EndChunk(b, start)
}
