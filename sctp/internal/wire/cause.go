package wire

// CauseCode is the code of an error cause (RFC 9260, section 3.3.10).
type CauseCode uint16

// The error causes.
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

const causeHeaderLen = 4

// Cause is a view of one error cause with its header and without its padding.
type Cause []byte

// Code returns the cause code.
func (c Cause) Code() CauseCode { return CauseCode(be.Uint16(c)) }

// Info returns the cause-specific information.
func (c Cause) Info() []byte { return c[causeHeaderLen:] }

func (c Cause) expect(code CauseCode, n int) error {
	if c.Code() != code {
		return ErrType
	}
	if len(c) < causeHeaderLen+n {
		return ErrLength
	}
	return nil
}

// InvalidStream returns the stream of cause 1.
func (c Cause) InvalidStream() (uint16, error) {
	if err := c.expect(CauseInvalidStream, 4); err != nil {
		return 0, err
	}
	return be.Uint16(c[4:]), nil
}

// MissingParams returns the parameter types that cause 2 lists.
func (c Cause) MissingParams() (Uint16s, error) {
	if err := c.expect(CauseMissingParam, 4); err != nil {
		return nil, err
	}
	n := be.Uint32(c[4:])
	if uint64(len(c)) != 8+2*uint64(n) {
		return nil, ErrLength
	}
	return Uint16s(c[8:]), nil
}

// Staleness returns how long, in microseconds, the cookie of cause 3 had been
// expired.
func (c Cause) Staleness() (uint32, error) {
	if err := c.expect(CauseStaleCookie, 4); err != nil {
		return 0, err
	}
	return be.Uint32(c[4:]), nil
}

// NoUserData returns the TSN of cause 9.
func (c Cause) NoUserData() (TSN, error) {
	if err := c.expect(CauseNoUserData, 4); err != nil {
		return 0, err
	}
	return TSN(be.Uint32(c[4:])), nil
}

// UnsupportedHMAC returns the identifier of cause 0x105 (RFC 4895, section 4.1).
func (c Cause) UnsupportedHMAC() (uint16, error) {
	if err := c.expect(CauseUnsupportedHMAC, 2); err != nil {
		return 0, err
	}
	return be.Uint16(c[4:]), nil
}

// Causes iterates over the error causes of an ABORT or ERROR chunk, like Chunks.
type Causes struct {
	rest []byte
	err  error
}

// ParseCauses returns an iterator over encoded error causes.
func ParseCauses(b []byte) Causes { return Causes{rest: b} }

// Next returns the next cause.
func (it *Causes) Next() (Cause, bool) {
	tlv, ok := nextTLV(&it.rest, 2, &it.err)
	return Cause(tlv), ok
}

// Err returns why the iteration stopped before the end of the chunk.
func (it *Causes) Err() error { return it.err }

// AppendCause appends a cause with the given information to the chunk that
// starts at b[chunk].
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
