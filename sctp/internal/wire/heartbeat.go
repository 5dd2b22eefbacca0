package wire

// HeartbeatInfo returns the opaque information of a HEARTBEAT or HEARTBEAT ACK
// chunk: the value of its Heartbeat Info parameter, which comes first (RFC 9260,
// sections 3.3.5 and 3.3.6). Nothing is defined to follow it; what does is
// ignored.
func (c Chunk) HeartbeatInfo() ([]byte, error) {
	if t := c.Type(); t != TypeHeartbeat && t != TypeHeartbeatAck {
		return nil, ErrType
	}
	it := ParseParams(c.Value())
	p, ok := it.Next()
	switch {
	case it.Err() != nil:
		return nil, it.Err()
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
