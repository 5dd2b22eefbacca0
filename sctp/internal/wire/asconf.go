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
	return Asconf{ReqSeq(be.Uint32(c[4:])), Params{tlvs{b: c[8:]}}}, nil
}

// BeginAsconf appends the fixed part of an ASCONF or ASCONF-ACK chunk; the
// caller appends parameters and then calls EndChunk.
func BeginAsconf(b []byte, t ChunkType, seq ReqSeq) []byte {
	return be.AppendUint32(BeginChunk(b, t, 0), uint32(seq))
}

// AsconfParam is a request or response of an ASCONF or ASCONF-ACK chunk (RFC
// 5061, section 4.2): a correlation id and what follows it, which is an address
// parameter in Add IP, Delete IP and Set Primary, error causes in Error Cause
// Indication, and nothing in Success Indication.
type AsconfParam struct {
	CorrelationID uint32
	Body          []byte
}

// AsconfParam decodes a request or response parameter.
func (p Param) AsconfParam() (AsconfParam, error) {
	switch p.Type() {
	case ParamAddIP, ParamDeleteIP, ParamSetPrimary, ParamErrorCause:
		if len(p) < 8 {
			return AsconfParam{}, ErrLength
		}
	case ParamSuccess:
		if len(p) != 8 {
			return AsconfParam{}, ErrLength
		}
	default:
		return AsconfParam{}, ErrType
	}
	return AsconfParam{be.Uint32(p[4:]), p[8:]}, nil
}

// Addr returns the address that a request is about.
func (a AsconfParam) Addr() (netip.Addr, error) {
	p, err := oneTLV(a.Body)
	if err != nil {
		return netip.Addr{}, err
	}
	return Param(p).Addr()
}

// Causes returns an iterator over the causes of an Error Cause Indication.
func (a AsconfParam) Causes() Causes { return ParseCauses(a.Body) }

// BeginAsconfParam appends the fixed part of a parameter of type t; the caller
// appends an address or causes and then calls EndParam, both with the start that
// it returns.
func BeginAsconfParam(b []byte, chunk int, t ParamType, correlationID uint32) ([]byte, int) {
	b, p := BeginParam(b, chunk, t)
	return be.AppendUint32(b, correlationID), p
}

// AppendAsconfParam appends a parameter of type t.
func AppendAsconfParam(b []byte, chunk int, t ParamType, a AsconfParam) []byte {
	b, p := BeginAsconfParam(b, chunk, t, a.CorrelationID)
	b = append(b, a.Body...)
	return EndParam(b, p)
}

// AppendAsconfAddr appends a request of type t: Add IP, Delete IP or Set Primary.
func AppendAsconfAddr(b []byte, chunk int, t ParamType, correlationID uint32, addr netip.Addr) []byte {
	b, p := BeginAsconfParam(b, chunk, t, correlationID)
	return EndParam(AppendAddr(b, p, addr), p)
}
