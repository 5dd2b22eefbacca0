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
	v, err := c.DataView()
	if err != nil {
		return Data{}, err
	}
	return Data{v.Flags(), v.TSN(), v.Stream(), v.SSN(), v.PPID(), v.Payload()}, nil
}

// DataView is a DATA chunk that is read where it lies: copies of structs like Data are
// what decoding costs else.
type DataView Chunk

// DataView checks what Chunk.Data does.
func (c Chunk) DataView() (DataView, error) {
	return DataView(c), c.expect(TypeData, DataHeaderLen-chunkHeaderLen)
}

// The fields are those of Data.
func (v DataView) Flags() DataFlags { return DataFlags(v[1]) & dataFlags }
func (v DataView) TSN() TSN         { return TSN(be.Uint32(v[4:])) }
func (v DataView) Stream() uint16   { return be.Uint16(v[8:]) }
func (v DataView) SSN() SSN         { return SSN(be.Uint16(v[10:])) }
func (v DataView) PPID() uint32     { return be.Uint32(v[12:]) }
func (v DataView) Payload() []byte  { return v[DataHeaderLen:] }

// AppendData appends a DATA chunk.
func AppendData(b []byte, d Data) []byte { return d.Append(b) }

// Append appends the chunk.
func (d *Data) Append(b []byte) []byte {
	start := len(b)
	b = extend(b, DataHeaderLen)
	h := b[start : start+DataHeaderLen]
	putChunkHeader(h, TypeData, uint8(d.Flags), DataHeaderLen+len(d.Payload))
	be.PutUint32(h[4:], uint32(d.TSN))
	be.PutUint16(h[8:], d.Stream)
	be.PutUint16(h[10:], uint16(d.SSN))
	be.PutUint32(h[12:], d.PPID)
	return appendPadding(append(b, d.Payload...), start)
}
