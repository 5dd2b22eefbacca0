package wire

import "net/netip"

// Asconf is an ASCONF or ASCONF-ACK chunk (RFC 5061, section 4.1).
type Asconf struct {
	Seq    ReqSeq
	Params Params // of ASCONF: an address parameter first, then requests
}

// Asconf decodes an ASCONF or ASCONF-ACK chunk.
func (c Chunk) Asconf() (Asconf, error) {
	if t := c.Type(); t != TypeAsconf && t != TypeAsconfAck {
		return Asconf{}, ErrType
	}
	if len(c) < 8 {
		return Asconf{}, ErrLength
	}
	return Asconf{ReqSeq(be.Uint32(c[4:])), Params{rest: c[8:]}}, nil
}

// BeginAsconf appends the fixed part of an ASCONF or ASCONF-ACK chunk; the
// caller appends parameters and then calls EndChunk.
func BeginAsconf(b []byte, t ChunkType, seq ReqSeq) []byte {
	return be.AppendUint32(BeginChunk(b, t, 0), uint32(seq))
}

// AsconfParam is a request or response of an ASCONF or ASCONF-ACK chunk (RFC
// 5061, section 4.2): a correlation id and what follows it, which is an address
// parameter, error causes or nothing.
type AsconfParam struct {
	CorrelationID uint32
	Body          []byte
}

// AsconfParam decodes an Add IP, Delete IP, Set Primary, Error Cause Indication
// or Success Indication parameter.
func (p Param) AsconfParam() (AsconfParam, error) {
	switch p.Type() {
	case ParamAddIP, ParamDeleteIP, ParamSetPrimary, ParamErrorCause, ParamSuccess:
	default:
		return AsconfParam{}, ErrType
	}
	if len(p) < 8 {
		return AsconfParam{}, ErrLength
	}
	return AsconfParam{be.Uint32(p[4:]), p[8:]}, nil
}

// AppendAsconfParam appends a parameter of type t.
func AppendAsconfParam(b []byte, chunk int, t ParamType, a AsconfParam) []byte {
	b, p := BeginParam(b, chunk, t)
	b = be.AppendUint32(b, a.CorrelationID)
	b = append(b, a.Body...)
	return EndParam(b, p)
}

// Addr decodes an IPv4 or IPv6 address parameter.
func (p Param) Addr() (netip.Addr, error) {
	switch {
	case p.Type() != ParamIPv4 && p.Type() != ParamIPv6:
		return netip.Addr{}, ErrType
	case p.Type() == ParamIPv4 && len(p) == 8, p.Type() == ParamIPv6 && len(p) == 20:
		a, _ := netip.AddrFromSlice(p.Value())
		return a, nil
	}
	return netip.Addr{}, ErrLength
}

// AppendAddr appends an address parameter.
func AppendAddr(b []byte, chunk int, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return AppendParam(b, chunk, ParamIPv4, v[:])
	}
	v := a.As16()
	return AppendParam(b, chunk, ParamIPv6, v[:])
}
