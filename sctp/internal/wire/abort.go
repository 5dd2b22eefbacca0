package wire

// FlagT, in ABORT and SHUTDOWN COMPLETE, says that the verification tag is
// reflected: that of the packet answered, which is the sender's own, and not the
// receiver's (RFC 9260, sections 3.3.7 and 8.5.1).
const FlagT = 0x01

// Causes returns an iterator over the error causes of an ABORT or ERROR chunk
// (RFC 9260, sections 3.3.7 and 3.3.10). Both are built with BeginChunk,
// AppendCause and EndChunk; an ABORT may have no cause at all.
func (c Chunk) Causes() (Causes, error) {
	if t := c.Type(); t != TypeAbort && t != TypeError {
		return Causes{}, ErrType
	}
	return ParseCauses(c.Value()), nil
}
