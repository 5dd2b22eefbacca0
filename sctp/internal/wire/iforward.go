package wire

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

// IForwardTSNLen returns the length of an I-FORWARD-TSN chunk with n entries.
func IForwardTSNLen(n int) int { return 8 + 8*n }

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
