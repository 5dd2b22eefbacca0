package wire

// DataFlags are the flags of DATA and I-DATA chunks (RFC 9260, section 3.3.1).
type DataFlags uint8

// The flags.
const (
	FlagEnd       DataFlags = 0x01 // last fragment
	FlagBegin     DataFlags = 0x02 // first fragment
	FlagUnordered DataFlags = 0x04
	FlagImmediate DataFlags = 0x08 // the receiver should acknowledge at once (RFC 7053)
)

// Lengths of the headers of DATA and I-DATA, chunk header included.
const (
	DataHeaderLen  = 16
	IDataHeaderLen = 20
)

// Data is a DATA chunk.
type Data struct {
	Flags   DataFlags
	TSN     TSN
	Stream  uint16
	SSN     SSN // ignored if unordered
	PPID    uint32
	Payload []byte // a conforming sender's is not empty
}

// Data decodes a DATA chunk. An empty payload is no error here: RFC 9260,
// section 6.2 has an answer to it.
func (c Chunk) Data() (Data, error) {
	if err := c.expect(TypeData, DataHeaderLen-chunkHeaderLen); err != nil {
		return Data{}, err
	}
	return Data{
		Flags:   DataFlags(c[1]),
		TSN:     TSN(be.Uint32(c[4:])),
		Stream:  be.Uint16(c[8:]),
		SSN:     SSN(be.Uint16(c[10:])),
		PPID:    be.Uint32(c[12:]),
		Payload: c[DataHeaderLen:],
	}, nil
}

// AppendData appends a DATA chunk.
func AppendData(b []byte, d Data) []byte {
	start := len(b)
	b = BeginChunk(b, TypeData, uint8(d.Flags))
	b = be.AppendUint32(b, uint32(d.TSN))
	b = be.AppendUint16(b, d.Stream)
	b = be.AppendUint16(b, uint16(d.SSN))
	b = be.AppendUint32(b, d.PPID)
	b = append(b, d.Payload...)
	return EndChunk(b, start)
}

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
		Flags:   DataFlags(c[1]),
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
