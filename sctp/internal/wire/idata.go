package wire

// IData is an I-DATA chunk (RFC 8260, section 2.1).
type IData struct {
	Flags   DataFlags
	TSN     TSN
	Stream  uint16
	MID     MID
	PPID    uint32 // of a first fragment
	FSN     FSN    // of any other; 0 for the first
	Payload []byte
}

// IData decodes an I-DATA chunk.
func (c Chunk) IData() (IData, error) {
	if err := c.expect(TypeIData, IDataHeaderLen-chunkHeaderLen); err != nil {
		return IData{}, err
	}
	d := IData{
		Flags:   DataFlags(c[1]) & dataFlags,
		TSN:     TSN(be.Uint32(c[4:])),
		Stream:  be.Uint16(c[8:]),
		MID:     MID(be.Uint32(c[12:])),
		Payload: c[IDataHeaderLen:],
	}
	if d.Flags&FlagBegin != 0 {
		d.PPID = be.Uint32(c[16:])
	} else {
		d.FSN = FSN(be.Uint32(c[16:]))
	}
	return d, nil
}

// AppendIData appends an I-DATA chunk.
func AppendIData(b []byte, d IData) []byte {
	start := len(b)
	b = BeginChunk(b, TypeIData, uint8(d.Flags))
	b = be.AppendUint32(b, uint32(d.TSN))
	b = be.AppendUint16(b, d.Stream)
	b = be.AppendUint16(b, 0)
	b = be.AppendUint32(b, uint32(d.MID))
	if d.Flags&FlagBegin != 0 {
		b = be.AppendUint32(b, d.PPID)
	} else {
		b = be.AppendUint32(b, uint32(d.FSN))
	}
	b = append(b, d.Payload...)
	return EndChunk(b, start)
}
