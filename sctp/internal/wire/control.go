package wire

// HeartbeatInfo returns the opaque information of a HEARTBEAT or HEARTBEAT ACK
// chunk: the value of its one parameter (RFC 9260, section 3.3.5).
func (c Chunk) HeartbeatInfo() ([]byte, error) {
	if t := c.Type(); t != TypeHeartbeat && t != TypeHeartbeatAck {
		return nil, ErrType
	}
	it := ParseParams(c.Value())
	p, ok := it.Next()
	switch {
	case !ok:
		return nil, ErrLength
	case p.Type() != ParamHeartbeatInfo:
		return nil, ErrType
	}
	return p.Value(), nil
}

// AppendHeartbeat appends a HEARTBEAT or HEARTBEAT ACK chunk.
func AppendHeartbeat(b []byte, t ChunkType, info []byte) []byte {
	start := len(b)
	b = BeginChunk(b, t, 0)
	b = AppendParam(b, start, ParamHeartbeatInfo, info)
	return EndChunk(b, start)
}

// Causes returns an iterator over the error causes of an ABORT or ERROR chunk.
func (c Chunk) Causes() (Causes, error) {
	if t := c.Type(); t != TypeAbort && t != TypeError {
		return Causes{}, ErrType
	}
	return ParseCauses(c.Value()), nil
}

// ShutdownTSN returns the cumulative TSN ack of a SHUTDOWN chunk.
func (c Chunk) ShutdownTSN() (TSN, error) { return c.tsn(TypeShutdown) }

// AppendShutdown appends a SHUTDOWN chunk.
func AppendShutdown(b []byte, cum TSN) []byte { return appendTSNChunk(b, TypeShutdown, cum) }

// CWR returns the TSN of a CWR chunk (RFC 9260 reserves it; the format is that
// of RFC 4960, appendix A).
func (c Chunk) CWR() (TSN, error) { return c.tsn(TypeCWR) }

// AppendCWR appends a CWR chunk.
func AppendCWR(b []byte, t TSN) []byte { return appendTSNChunk(b, TypeCWR, t) }

// ECNE is an ECNE chunk: the lowest TSN of a packet marked as having met
// congestion, and how many were so since the last CWR.
type ECNE struct {
	TSN   TSN
	Count uint32
}

// ECNE decodes an ECNE chunk. The form of RFC 4960, appendix A has no count,
// which then is 1; the form of draft-stewart-tsvwg-sctpecn has one.
func (c Chunk) ECNE() (ECNE, error) {
	if err := c.expect(TypeECNE, 4); err != nil {
		return ECNE{}, err
	}
	switch len(c) {
	case 8:
		return ECNE{TSN(be.Uint32(c[4:])), 1}, nil
	case 12:
		return ECNE{TSN(be.Uint32(c[4:])), be.Uint32(c[8:])}, nil
	}
	return ECNE{}, ErrLength
}

// AppendECNE appends an ECNE chunk that carries the count.
func AppendECNE(b []byte, e ECNE) []byte {
	start := len(b)
	b = BeginChunk(b, TypeECNE, 0)
	b = be.AppendUint32(b, uint32(e.TSN))
	b = be.AppendUint32(b, e.Count)
	return EndChunk(b, start)
}

func (c Chunk) tsn(t ChunkType) (TSN, error) {
	if err := c.expect(t, 4); err != nil {
		return 0, err
	}
	if len(c) != 8 {
		return 0, ErrLength
	}
	return TSN(be.Uint32(c[4:])), nil
}

func appendTSNChunk(b []byte, t ChunkType, tsn TSN) []byte {
	b = append(b, byte(t), 0, 0, 8)
	return be.AppendUint32(b, uint32(tsn))
}

// AppendPad appends a PAD chunk that is n bytes long in all, a multiple of 4
// that is at least 4 (RFC 4820, section 3).
func AppendPad(b []byte, n int) []byte {
	b = append(b, byte(TypePad), 0, byte(n>>8), byte(n))
	for i := chunkHeaderLen; i < n; i++ {
		b = append(b, 0)
	}
	return b
}
