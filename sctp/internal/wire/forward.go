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

// SkippedMessage is an entry of I-FORWARD-TSN: the highest skipped message
// identifier among the ordered or the unordered messages of a stream (RFC
// 8260, section 2.3.1).
type SkippedMessage struct {
	Stream    uint16
	Unordered bool
	MID       MID
}

// IForwardTSN is an I-FORWARD-TSN chunk.
type IForwardTSN struct {
	NewCumTSN TSN
	entries   []byte
}

// IForwardTSN decodes an I-FORWARD-TSN chunk.
func (c Chunk) IForwardTSN() (IForwardTSN, error) {
	if err := c.expect(TypeIForwardTSN, 4); err != nil {
		return IForwardTSN{}, err
	}
	if len(c)%8 != 0 {
		return IForwardTSN{}, ErrLength
	}
	return IForwardTSN{NewCumTSN: TSN(be.Uint32(c[4:])), entries: c[8:]}, nil
}

// Len returns the number of entries.
func (f *IForwardTSN) Len() int { return len(f.entries) / 8 }

// At returns entry i.
func (f *IForwardTSN) At(i int) SkippedMessage {
	e := f.entries[8*i:]
	return SkippedMessage{be.Uint16(e), be.Uint16(e[2:])&1 != 0, MID(be.Uint32(e[4:]))}
}

// AppendIForwardTSN appends an I-FORWARD-TSN chunk.
func AppendIForwardTSN(b []byte, cum TSN, messages []SkippedMessage) []byte {
	start := len(b)
	b = BeginChunk(b, TypeIForwardTSN, 0)
	b = be.AppendUint32(b, uint32(cum))
	for _, m := range messages {
		b = be.AppendUint16(b, m.Stream)
		if m.Unordered {
			b = be.AppendUint16(b, 1)
		} else {
			b = be.AppendUint16(b, 0)
		}
		b = be.AppendUint32(b, uint32(m.MID))
	}
	return EndChunk(b, start)
}
