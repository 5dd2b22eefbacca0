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
func (c Chunk) IData() (d IData, err error) {
	err = d.Decode(c)
	return d, err
}

// Decode is Chunk.IData into a place that the caller has. After an error it is as it was.
func (d *IData) Decode(c Chunk) error {
	if err := c.expect(TypeIData, IDataHeaderLen-chunkHeaderLen); err != nil {
		return err
	}
	d.Flags = DataFlags(c[1]) & dataFlags
	d.TSN = TSN(be.Uint32(c[4:]))
	d.Stream = be.Uint16(c[8:])
	d.MID = MID(be.Uint32(c[12:]))
	d.PPID, d.FSN = 0, 0
	if d.Flags&FlagBegin != 0 {
		d.PPID = be.Uint32(c[16:])
	} else {
		d.FSN = FSN(be.Uint32(c[16:]))
	}
	d.Payload = c[IDataHeaderLen:]
	return nil
}

// AppendIData appends an I-DATA chunk.
func AppendIData(b []byte, d IData) []byte { return d.Append(b) }

// Append appends the chunk.
func (d *IData) Append(b []byte) []byte {
	start := len(b)
	b = extend(b, IDataHeaderLen)
	h := b[start : start+IDataHeaderLen]
	putChunkHeader(h, TypeIData, uint8(d.Flags), IDataHeaderLen+len(d.Payload))
	be.PutUint32(h[4:], uint32(d.TSN))
	be.PutUint32(h[8:], uint32(d.Stream)<<16) // and 2 bytes that are reserved
	be.PutUint32(h[12:], uint32(d.MID))
	number := uint32(d.FSN)
	if d.Flags&FlagBegin != 0 {
		number = d.PPID
	}
	be.PutUint32(h[16:], number)
	return appendPadding(append(b, d.Payload...), start)
}
