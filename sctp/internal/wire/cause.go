package wire

// CauseCode is the code of an error cause (RFC 9260, section 3.3.10).
type CauseCode uint16

// The error causes. Those without a method of Cause to decode them have no
// information: 4, 7, 10 and 0xA3.
const (
	CauseInvalidStream       CauseCode = 1
	CauseMissingParam        CauseCode = 2
	CauseStaleCookie         CauseCode = 3
	CauseOutOfResource       CauseCode = 4
	CauseUnresolvableAddress CauseCode = 5
	CauseUnrecognizedChunk   CauseCode = 6
	CauseInvalidParam        CauseCode = 7
	CauseUnrecognizedParams  CauseCode = 8
	CauseNoUserData          CauseCode = 9
	CauseCookieShuttingDown  CauseCode = 10
	CauseRestartNewAddresses CauseCode = 11
	CauseUserAbort           CauseCode = 12
	CauseProtocolViolation   CauseCode = 13
	CauseDeleteLastIP        CauseCode = 0xA0
	CauseResourceShortage    CauseCode = 0xA1
	CauseDeleteSourceIP      CauseCode = 0xA2
	CauseIllegalAsconfAck    CauseCode = 0xA3
	CauseNoAuthorization     CauseCode = 0xA4
	CauseUnsupportedHMAC     CauseCode = 0x105
)

const causeHeaderLen = tlvHeaderLen

// Cause is a view of one error cause with its header and without its padding.
type Cause []byte

// Code returns the cause code.
func (c Cause) Code() CauseCode { return CauseCode(be.Uint16(c)) }

// Info returns the cause-specific information.
func (c Cause) Info() []byte { return c[causeHeaderLen:] }

// expect checks that c has one of the codes.
func (c Cause) expect(codes ...CauseCode) error {
	for _, code := range codes {
		if c.Code() == code {
			return nil
		}
	}
	return ErrType
}

// uint32 decodes a cause with 32 bits of information.
func (c Cause) uint32(code CauseCode) (uint32, error) {
	if c.Code() != code {
		return 0, ErrType
	}
	if len(c) != causeHeaderLen+4 {
		return 0, ErrLength
	}
	return be.Uint32(c[causeHeaderLen:]), nil
}

// InvalidStream returns the stream of cause 1 (RFC 9260, section 3.3.10.1).
func (c Cause) InvalidStream() (uint16, error) {
	v, err := c.uint32(CauseInvalidStream)
	return uint16(v >> 16), err // the other half is reserved
}

// MissingParams returns the parameter types that cause 2 lists (RFC 9260, section
// 3.3.10.2). Its count must agree with its length, padded or not.
func (c Cause) MissingParams() (Uint16s, error) {
	if c.Code() != CauseMissingParam {
		return nil, ErrType
	}
	if len(c) < causeHeaderLen+4 {
		return nil, ErrLength
	}
	n := 8 + 2*uint64(be.Uint32(c[4:])) // up to 2^33+6: no int of 32 bits
	if got := uint64(len(c)); got != n && got != (n+3)&^3 {
		return nil, ErrLength
	}
	return Uint16s(c[8:n]), nil
}

// Staleness returns how long, in microseconds, the cookie of cause 3 had been
// expired; 0 if the peer does not say (RFC 9260, section 3.3.10.3).
func (c Cause) Staleness() (uint32, error) { return c.uint32(CauseStaleCookie) }

// NoUserData returns the TSN of cause 9 (RFC 9260, section 3.3.10.9).
func (c Cause) NoUserData() (TSN, error) {
	v, err := c.uint32(CauseNoUserData)
	return TSN(v), err
}

// UnsupportedHMAC returns the identifier of cause 0x105 (RFC 4895, section 4.1).
// Its length does not count its padding, but may.
func (c Cause) UnsupportedHMAC() (uint16, error) {
	if c.Code() != CauseUnsupportedHMAC {
		return 0, ErrType
	}
	if n := causeHeaderLen + 2; len(c) != n && len(c) != pad4(n) {
		return 0, ErrLength
	}
	return be.Uint16(c[4:]), nil
}

// Chunk returns the chunk that cause 6 gives back (RFC 9260, section 3.3.10.6), or
// as much of it as the cause holds: who sends it may have to cut it to fit a
// packet.
func (c Cause) Chunk() (Chunk, error) {
	if c.Code() != CauseUnrecognizedChunk {
		return nil, ErrType
	}
	b := c.Info()
	if len(b) < chunkHeaderLen {
		return nil, ErrTruncated
	}
	n := int(be.Uint16(b[2:]))
	if n < chunkHeaderLen || len(b) > pad4(n) {
		return nil, ErrLength
	}
	n = min(n, len(b))
	return Chunk(b[:n:n]), nil
}

// Param returns the parameter that the cause gives back: the address of cause 5
// (RFC 9260, section 3.3.10.5), the refused request of causes 0xA0, 0xA1, 0xA2 and
// 0xA4 (RFC 5061, section 4.3).
func (c Cause) Param() (Param, error) {
	if err := c.expect(CauseUnresolvableAddress, CauseDeleteLastIP, CauseResourceShortage,
		CauseDeleteSourceIP, CauseNoAuthorization); err != nil {
		return nil, err
	}
	return oneTLV(c.Info())
}

// Params returns an iterator over the parameters that the cause gives back: the
// unrecognized ones of cause 8, the new addresses of cause 11 (RFC 9260, sections
// 3.3.10.8 and 3.3.10.11).
func (c Cause) Params() (Params, error) {
	if err := c.expect(CauseUnrecognizedParams, CauseRestartNewAddresses); err != nil {
		return Params{}, err
	}
	return ParseParams(c.Info()), nil
}

// Text returns the reason in cause 12 and the explanation in cause 13, in whatever
// form the peer chose (RFC 9260, sections 3.3.10.12 and 3.3.10.13).
func (c Cause) Text() ([]byte, error) {
	if err := c.expect(CauseUserAbort, CauseProtocolViolation); err != nil {
		return nil, err
	}
	return c.Info(), nil
}

// Causes iterates over the error causes of an ABORT or ERROR chunk, like Chunks.
type Causes struct{ tlvs }

// ParseCauses returns an iterator over encoded error causes.
func ParseCauses(b []byte) Causes { return Causes{tlvs{b: b}} }

// Next returns the next cause.
func (it *Causes) Next() (c Cause, ok bool) {
	if it.more() {
		c = it.next()
	}
	return c, c != nil
}

// Err returns why the iteration stopped before the end of the chunk.
func (it *Causes) Err() error { return it.err }

// AppendCause appends a cause with the given information to the chunk that
// starts at b[chunk]: none, text, or the chunk or parameters given back, which are
// padded to 4 bytes but for the last.
func AppendCause(b []byte, chunk int, code CauseCode, info []byte) []byte {
	return AppendParam(b, chunk, ParamType(code), info)
}

// AppendCauseUint32 is AppendCause for information of one 32-bit integer:
// the staleness of cause 3, the TSN of cause 9.
func AppendCauseUint32(b []byte, chunk int, code CauseCode, v uint32) []byte {
	return AppendParamUint32(b, chunk, ParamType(code), v)
}

// AppendInvalidStream appends cause 1.
func AppendInvalidStream(b []byte, chunk int, sid uint16) []byte {
	return AppendCauseUint32(b, chunk, CauseInvalidStream, uint32(sid)<<16)
}

// AppendMissingParams appends cause 2.
func AppendMissingParams(b []byte, chunk int, types ...ParamType) []byte {
	b, p := BeginParam(b, chunk, ParamType(CauseMissingParam))
	b = be.AppendUint32(b, uint32(len(types)))
	for _, t := range types {
		b = be.AppendUint16(b, uint16(t))
	}
	return EndParam(b, p)
}

// AppendUnsupportedHMAC appends cause 0x105, whose length does not count its
// two bytes of padding.
func AppendUnsupportedHMAC(b []byte, chunk int, id uint16) []byte {
	b, p := BeginParam(b, chunk, ParamType(CauseUnsupportedHMAC))
	b = be.AppendUint16(b, id)
	return EndParam(b, p)
}
