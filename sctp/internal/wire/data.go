package wire

// DataFlags are the flags of DATA and I-DATA chunks (RFC 9260, section 3.3.1).
type DataFlags uint8

// The flags.
const (
	FlagEnd       DataFlags = 0x01 // last fragment
	FlagBegin     DataFlags = 0x02 // first fragment
	FlagUnordered DataFlags = 0x04
	FlagImmediate DataFlags = 0x08 // the receiver should acknowledge at once (RFC 7053)

	dataFlags = FlagEnd | FlagBegin | FlagUnordered | FlagImmediate // the others are reserved
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
		Flags:   DataFlags(c[1]) & dataFlags,
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
