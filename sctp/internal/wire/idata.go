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
	v, err := c.IDataView()
	if err != nil {
		return IData{}, err
	}
	return IData{v.Flags(), v.TSN(), v.Stream(), v.MID(), v.PPID(), v.FSN(), v.Payload()}, nil
}

// IDataView is an I-DATA chunk that is read where it lies, as DataView is.
type IDataView Chunk

// IDataView checks what Chunk.IData does.
func (c Chunk) IDataView() (IDataView, error) {
	return IDataView(c), c.expect(TypeIData, IDataHeaderLen-chunkHeaderLen)
}

// The fields are those of IData.
func (v IDataView) Flags() DataFlags { return DataFlags(v[1]) & dataFlags }
func (v IDataView) TSN() TSN         { return TSN(be.Uint32(v[4:])) }
func (v IDataView) Stream() uint16   { return be.Uint16(v[8:]) }
func (v IDataView) MID() MID         { return MID(be.Uint32(v[12:])) }
func (v IDataView) Payload() []byte  { return v[IDataHeaderLen:] }

// PPID and FSN share a place: the first fragment has the one, any other the other.
func (v IDataView) PPID() uint32 {
	if v[1]&byte(FlagBegin) == 0 {
		return 0
	}
	return be.Uint32(v[16:])
}

func (v IDataView) FSN() FSN {
	if v[1]&byte(FlagBegin) != 0 {
		return 0
	}
	return FSN(be.Uint32(v[16:]))
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
