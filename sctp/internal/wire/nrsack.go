package wire

const nrSackValueLen = 16

// NRSack decodes an NR-SACK chunk (draft-natarajan-tsvwg-sctp-nrsack).
func (c Chunk) NRSack() (s Sack, err error) {
	err = s.decodeNR(c)
	return s, err
}

func (s *Sack) decodeNR(c Chunk) error {
	if err := c.expect(TypeNRSack, nrSackValueLen); err != nil {
		return err
	}
	gaps, nr, dups := int(be.Uint16(c[12:])), int(be.Uint16(c[14:])), int(be.Uint16(c[16:]))
	lists := c[chunkHeaderLen+nrSackValueLen:]
	if len(lists) != 4*(gaps+nr+dups) {
		return ErrLength
	}
	s.CumTSN, s.ARwnd = TSN(be.Uint32(c[4:])), be.Uint32(c[8:])
	s.gaps, s.nrGaps, s.dups, s.lists = gaps, nr, dups, lists
	return nil
}

// AppendNRSack appends an NR-SACK chunk.
func AppendNRSack(b []byte, cum TSN, aRwnd uint32, gaps, nrGaps []GapBlock, dups []TSN) []byte {
	start := len(b)
	b = BeginChunk(b, TypeNRSack, 0)
	b = be.AppendUint32(b, uint32(cum))
	b = be.AppendUint32(b, aRwnd)
	b = be.AppendUint16(b, uint16(len(gaps)))
	b = be.AppendUint16(b, uint16(len(nrGaps)))
	b = be.AppendUint16(b, uint16(len(dups)))
	b = be.AppendUint16(b, 0)
	b = appendTSNs(appendGaps(appendGaps(b, gaps), nrGaps), dups)
	return EndChunk(b, start)
}
