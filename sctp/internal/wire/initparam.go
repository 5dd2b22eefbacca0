package wire

// The parameters of INIT and INIT ACK that are no addresses (address.go) and no
// cookie (cookie.go); those of AUTH are in auth.go.

// Unrecognized returns the parameter that an Unrecognized Parameter parameter of
// an INIT ACK gives back (RFC 9260, section 3.3.3.1.2). It is sent with
// AppendParam.
func (p Param) Unrecognized() (Param, error) {
	if p.Type() != ParamUnrecognized {
		return nil, ErrType
	}
	return oneTLV(p.Value())
}

// Uint32 returns the value of a parameter that holds one 32-bit integer: Cookie
// Preservative (ms; RFC 9260, section 3.3.2.1.3), Zero Checksum Acceptable (the
// error detection method; RFC 9653, section 4) and Adaptation Layer Indication
// (RFC 5061, section 4.2.6). They are sent with AppendParamUint32.
func (p Param) Uint32() (uint32, error) {
	switch p.Type() {
	case ParamCookiePreservative, ParamZeroChecksum, ParamAdaptation:
	default:
		return 0, ErrType
	}
	if len(p) != paramHeaderLen+4 {
		return 0, ErrLength
	}
	return be.Uint32(p[paramHeaderLen:]), nil
}

// Uint16s returns the value of a parameter that is a list of 16-bit integers:
// Supported Address Types (RFC 9260, section 3.3.2.1.5) and HMAC-ALGO (RFC 4895,
// section 3.3).
func (p Param) Uint16s() (Uint16s, error) {
	if t := p.Type(); t != ParamSupportedAddrTypes && t != ParamHMACAlgo {
		return nil, ErrType
	}
	if len(p)%2 != 0 {
		return nil, ErrLength
	}
	return Uint16s(p.Value()), nil
}

// AppendUint16s appends a parameter of type t that is a list of 16-bit integers.
func AppendUint16s(b []byte, chunk int, t ParamType, values ...uint16) []byte {
	b, p := BeginParam(b, chunk, t)
	return EndParam(appendUint16s(b, values), p)
}

// maxChunksLen is the longest that a CHUNKS parameter may be: every chunk type.
const maxChunksLen = 260

// ChunkTypes returns the value of a parameter that is a list of chunk types:
// Supported Extensions (RFC 5061, section 4.2.7) and CHUNKS (RFC 4895, section
// 3.2). For the latter, INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH are to be
// ignored.
func (p Param) ChunkTypes() (ChunkTypes, error) {
	if t := p.Type(); t != ParamExtensions && t != ParamChunks {
		return nil, ErrType
	}
	if p.Type() == ParamChunks && len(p) > maxChunksLen {
		return nil, ErrLength
	}
	return ChunkTypes(p.Value()), nil
}

// AppendChunkTypes appends a parameter of type t that is a list of chunk types.
func AppendChunkTypes(b []byte, chunk int, t ParamType, types ...ChunkType) []byte {
	b, p := BeginParam(b, chunk, t)
	for _, c := range types {
		b = append(b, byte(c))
	}
	return EndParam(b, p)
}

// Empty checks a parameter that says everything with its type and has no value:
// ECN Capable (RFC 4960, appendix A) or Forward-TSN-Supported (RFC 3758, section
// 3.1). They are sent with AppendParam.
func (p Param) Empty() error {
	if t := p.Type(); t != ParamECN && t != ParamForwardTSN {
		return ErrType
	}
	if len(p) != paramHeaderLen {
		return ErrLength
	}
	return nil
}
