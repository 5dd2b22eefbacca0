package wire

// GapBlock is a Gap Ack Block: the first and last TSN of a run of received
// TSNs, as offsets from the cumulative TSN ack (RFC 9260, section 3.3.4).
type GapBlock struct{ Start, End uint16 }

// Sack is a SACK chunk, or an NR-SACK chunk with its second list of blocks.
type Sack struct {
	CumTSN             TSN
	ARwnd              uint32 // bytes
	gaps, nrGaps, dups int
	lists              []byte // all of them, one behind the other, 4 bytes each
}

const sackValueLen = 12

// SackLen returns the length of a SACK chunk with that many entries.
func SackLen(gaps, dups int) int { return chunkHeaderLen + sackValueLen + 4*gaps + 4*dups }

// Sack decodes a SACK chunk. The counts it claims are checked against its
// length.
func (c Chunk) Sack() (s Sack, err error) {
	if err := c.expect(TypeSack, sackValueLen); err != nil {
		return Sack{}, err
	}
	err = s.Decode(c)
	return s, err
}

// Decode decodes a SACK or NR-SACK chunk into a place that the caller has, with what
// Chunk.Sack and Chunk.NRSack check. After an error it is as it was.
func (s *Sack) Decode(c Chunk) error {
	if c.Type() != TypeSack {
		return s.decodeNR(c)
	}
	if len(c) < chunkHeaderLen+sackValueLen {
		return ErrLength
	}
	gaps, dups := int(be.Uint16(c[12:])), int(be.Uint16(c[14:]))
	if len(c) != SackLen(gaps, dups) {
		return ErrLength
	}
	s.CumTSN, s.ARwnd = TSN(be.Uint32(c[4:])), be.Uint32(c[8:])
	s.gaps, s.nrGaps, s.dups, s.lists = gaps, 0, dups, c[chunkHeaderLen+sackValueLen:]
	return nil
}

// Gaps returns the number of gap blocks that the receiver may renege.
func (s *Sack) Gaps() int { return s.gaps }

// Gap returns gap block i.
func (s *Sack) Gap(i int) GapBlock { return s.Block(i) }

// NRGaps returns the number of gap blocks that are never reneged.
func (s *Sack) NRGaps() int { return s.nrGaps }

// NRGap returns non-renegable gap block i.
func (s *Sack) NRGap(i int) GapBlock { return s.Block(s.gaps + i) }

// Blocks returns the number of gap blocks of both kinds.
func (s *Sack) Blocks() int { return s.gaps + s.nrGaps }

// Block returns gap block i of both kinds: those that are never reneged come last.
func (s *Sack) Block(i int) GapBlock {
	b := s.lists[4*i:]
	return GapBlock{be.Uint16(b), be.Uint16(b[2:])}
}

// Dups returns the number of duplicate reports.
func (s *Sack) Dups() int { return s.dups }

// Dup returns duplicate TSN i.
func (s *Sack) Dup(i int) TSN { return TSN(be.Uint32(s.lists[4*(s.Blocks()+i):])) }

func appendGaps(b []byte, gaps []GapBlock) []byte {
	for _, g := range gaps {
		b = be.AppendUint16(b, g.Start)
		b = be.AppendUint16(b, g.End)
	}
	return b
}

func appendTSNs(b []byte, tsns []TSN) []byte {
	for _, t := range tsns {
		b = be.AppendUint32(b, uint32(t))
	}
	return b
}

// AppendSack appends a SACK chunk.
func AppendSack(b []byte, cum TSN, aRwnd uint32, gaps []GapBlock, dups []TSN) []byte {
	start := len(b)
	b = extend(b, chunkHeaderLen+sackValueLen)
	h := b[start : start+chunkHeaderLen+sackValueLen]
	putChunkHeader(h, TypeSack, 0, SackLen(len(gaps), len(dups)))
	be.PutUint32(h[4:], uint32(cum))
	be.PutUint32(h[8:], aRwnd)
	be.PutUint16(h[12:], uint16(len(gaps)))
	be.PutUint16(h[14:], uint16(len(dups)))
	return appendTSNs(appendGaps(b, gaps), dups)
}
