package wire

// AppendPad appends a PAD chunk that is n bytes long in all, a multiple of 4
// from 4 to 65532 (RFC 4820, section 3). What it holds is ignored, so that there
// is nothing to decode.
func AppendPad(b []byte, n int) []byte {
	start := len(b)
	b = BeginChunk(b, TypePad, 0)
	b = append(b, make([]byte, n-chunkHeaderLen)...)
	return EndChunk(b, start)
}

// AppendPadParam appends a PAD parameter that is n bytes long in all, a multiple
// of 4 that is at least 4, to an INIT chunk (RFC 4820, section 4).
func AppendPadParam(b []byte, chunk, n int) []byte {
	b, p := BeginParam(b, chunk, ParamPad)
	b = append(b, make([]byte, n-paramHeaderLen)...)
	return EndParam(b, p)
}
