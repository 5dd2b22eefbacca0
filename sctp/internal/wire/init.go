package wire

const initValueLen = 16

// Init is an INIT or INIT ACK chunk (RFC 9260, sections 3.3.2 and 3.3.3).
type Init struct {
	Tag        uint32 // Initiate Tag
	ARwnd      uint32 // bytes
	OutStreams uint16
	InStreams  uint16
	InitialTSN TSN
	Params     Params
}

// Init decodes an INIT chunk. Whether the values make sense is for the
// association to judge.
func (c Chunk) Init() (Init, error) { return c.init(TypeInit) }

// InitAck decodes an INIT ACK chunk.
func (c Chunk) InitAck() (Init, error) { return c.init(TypeInitAck) }

func (c Chunk) init(t ChunkType) (Init, error) {
	if err := c.expect(t, initValueLen); err != nil {
		return Init{}, err
	}
	return Init{
		Tag:        be.Uint32(c[4:]),
		ARwnd:      be.Uint32(c[8:]),
		OutStreams: be.Uint16(c[12:]),
		InStreams:  be.Uint16(c[14:]),
		InitialTSN: TSN(be.Uint32(c[16:])),
		Params:     Params{tlvs{b: c[chunkHeaderLen+initValueLen:]}},
	}, nil
}

// BeginInit appends the fixed part of an INIT or INIT ACK chunk; the caller
// appends parameters with AppendParam and then calls EndChunk, both with the
// length that b has now. in.Params is not used.
func BeginInit(b []byte, t ChunkType, in Init) []byte {
	b = BeginChunk(b, t, 0)
	b = be.AppendUint32(b, in.Tag)
	b = be.AppendUint32(b, in.ARwnd)
	b = be.AppendUint16(b, in.OutStreams)
	b = be.AppendUint16(b, in.InStreams)
	return be.AppendUint32(b, uint32(in.InitialTSN))
}
