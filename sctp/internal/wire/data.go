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
func (c Chunk) Data() (d Data, err error) {
	err = d.Decode(c)
	return d, err
}

// Decode is Chunk.Data into a place that the caller has: copies of structs of this size
// are what decoding costs else. After an error it is as it was.
func (d *Data) Decode(c Chunk) error {
	if err := c.expect(TypeData, DataHeaderLen-chunkHeaderLen); err != nil {
		return err
	}
	d.Flags = DataFlags(c[1]) & dataFlags
	d.TSN = TSN(be.Uint32(c[4:]))
	d.Stream = be.Uint16(c[8:])
	d.SSN = SSN(be.Uint16(c[10:]))
	d.PPID = be.Uint32(c[12:])
	d.Payload = c[DataHeaderLen:]
	return nil
}

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
