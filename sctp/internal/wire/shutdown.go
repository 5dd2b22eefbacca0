package wire

// ShutdownTSN returns the cumulative TSN ack of a SHUTDOWN chunk (RFC 9260,
// section 3.3.8). SHUTDOWN ACK and SHUTDOWN COMPLETE have no value: see
// Chunk.Empty.
func (c Chunk) ShutdownTSN() (TSN, error) { return c.tsn(TypeShutdown) }

// AppendShutdown appends a SHUTDOWN chunk.
func AppendShutdown(b []byte, cum TSN) []byte { return appendTSNChunk(b, TypeShutdown, cum) }
