package wire

// Reconfig returns the parameters of a RE-CONFIG chunk: at least one, and at most
// two in the combinations of RFC 6525, section 3.1, which are for the association
// to judge.
func (c Chunk) Reconfig() (Params, error) {
	if err := c.expect(TypeReconfig, paramHeaderLen); err != nil {
		return Params{}, err
	}
	return ParseParams(c.Value()), nil
}

// ReconfigResult is the result in a Re-configuration Response (RFC 6525,
// section 4.4).
type ReconfigResult uint32

// The results.
const (
	ResultNothingToDo    ReconfigResult = 0
	ResultPerformed      ReconfigResult = 1
	ResultDenied         ReconfigResult = 2
	ResultWrongSSN       ReconfigResult = 3
	ResultAlreadyPending ReconfigResult = 4
	ResultBadSequence    ReconfigResult = 5
	ResultInProgress     ReconfigResult = 6
)

// OutReset is an Outgoing SSN Reset Request parameter (RFC 6525, section 4.1).
type OutReset struct {
	ReqSeq  ReqSeq
	RespSeq ReqSeq  // the peer's request that this answers, or the one before its next
	LastTSN TSN     // the last TSN the sender assigned
	Streams Uint16s // empty: all
}

// OutReset decodes the parameter.
func (p Param) OutReset() (OutReset, error) {
	if p.Type() != ParamOutReset {
		return OutReset{}, ErrType
	}
	if len(p) < 16 || len(p)%2 != 0 {
		return OutReset{}, ErrLength
	}
	return OutReset{ReqSeq(be.Uint32(p[4:])), ReqSeq(be.Uint32(p[8:])), TSN(be.Uint32(p[12:])), Uint16s(p[16:])}, nil
}

// AppendOutReset appends the parameter with the given streams (r.Streams is not used).
func AppendOutReset(b []byte, chunk int, r OutReset, streams []uint16) []byte {
	b, p := BeginParam(b, chunk, ParamOutReset)
	b = be.AppendUint32(b, uint32(r.ReqSeq))
	b = be.AppendUint32(b, uint32(r.RespSeq))
	b = be.AppendUint32(b, uint32(r.LastTSN))
	return EndParam(appendUint16s(b, streams), p)
}

// InReset is an Incoming SSN Reset Request parameter (RFC 6525, section 4.2).
type InReset struct {
	ReqSeq  ReqSeq
	Streams Uint16s // empty: all
}

// InReset decodes the parameter.
func (p Param) InReset() (InReset, error) {
	if p.Type() != ParamInReset {
		return InReset{}, ErrType
	}
	if len(p) < 8 || len(p)%2 != 0 {
		return InReset{}, ErrLength
	}
	return InReset{ReqSeq(be.Uint32(p[4:])), Uint16s(p[8:])}, nil
}

// AppendInReset appends the parameter.
func AppendInReset(b []byte, chunk int, seq ReqSeq, streams []uint16) []byte {
	b, p := BeginParam(b, chunk, ParamInReset)
	b = be.AppendUint32(b, uint32(seq))
	return EndParam(appendUint16s(b, streams), p)
}

// TSNReset decodes an SSN/TSN Reset Request parameter (RFC 6525, section 4.3).
func (p Param) TSNReset() (ReqSeq, error) {
	if err := p.expect(ParamTSNReset, 4); err != nil {
		return 0, err
	}
	return ReqSeq(be.Uint32(p[4:])), nil
}

// AppendTSNReset appends the parameter.
func AppendTSNReset(b []byte, chunk int, seq ReqSeq) []byte {
	return AppendParamUint32(b, chunk, ParamTSNReset, uint32(seq))
}

// ReconfigResponse is a Re-configuration Response parameter (RFC 6525, section
// 4.4).
type ReconfigResponse struct {
	RespSeq ReqSeq
	Result  ReconfigResult
	// HasTSNs says that the two next TSNs are present: in the response to an
	// SSN/TSN reset.
	HasTSNs                        bool
	SenderNextTSN, ReceiverNextTSN TSN
}

// ReconfigResponse decodes the parameter.
func (p Param) ReconfigResponse() (ReconfigResponse, error) {
	if p.Type() != ParamReconfigResponse {
		return ReconfigResponse{}, ErrType
	}
	if len(p) != 12 && len(p) != 20 {
		return ReconfigResponse{}, ErrLength
	}
	r := ReconfigResponse{RespSeq: ReqSeq(be.Uint32(p[4:])), Result: ReconfigResult(be.Uint32(p[8:]))}
	if len(p) == 20 {
		r.HasTSNs = true
		r.SenderNextTSN, r.ReceiverNextTSN = TSN(be.Uint32(p[12:])), TSN(be.Uint32(p[16:]))
	}
	return r, nil
}

// AppendReconfigResponse appends the parameter.
func AppendReconfigResponse(b []byte, chunk int, r ReconfigResponse) []byte {
	b, p := BeginParam(b, chunk, ParamReconfigResponse)
	b = be.AppendUint32(b, uint32(r.RespSeq))
	b = be.AppendUint32(b, uint32(r.Result))
	if r.HasTSNs {
		b = be.AppendUint32(b, uint32(r.SenderNextTSN))
		b = be.AppendUint32(b, uint32(r.ReceiverNextTSN))
	}
	return EndParam(b, p)
}

// AddStreams is an Add Outgoing or Add Incoming Streams Request parameter (RFC
// 6525, sections 4.5 and 4.6).
type AddStreams struct {
	ReqSeq ReqSeq
	Count  uint16
}

// AddStreams decodes either parameter.
func (p Param) AddStreams() (AddStreams, error) {
	if t := p.Type(); t != ParamAddOutStreams && t != ParamAddInStreams {
		return AddStreams{}, ErrType
	}
	if len(p) != 12 {
		return AddStreams{}, ErrLength
	}
	return AddStreams{ReqSeq(be.Uint32(p[4:])), be.Uint16(p[8:])}, nil
}

// AppendAddStreams appends the parameter of type t.
func AppendAddStreams(b []byte, chunk int, t ParamType, a AddStreams) []byte {
	b, p := BeginParam(b, chunk, t)
	b = be.AppendUint32(b, uint32(a.ReqSeq))
	b = be.AppendUint16(b, a.Count)
	b = be.AppendUint16(b, 0)
	return EndParam(b, p)
}

// ReqSeq returns the request sequence number of any request parameter, even if the
// rest of the request is not in order.
func (p Param) ReqSeq() (ReqSeq, error) {
	switch p.Type() {
	case ParamOutReset, ParamInReset, ParamTSNReset, ParamAddOutStreams, ParamAddInStreams:
	default:
		return 0, ErrType
	}
	if len(p) < 8 {
		return 0, ErrLength
	}
	return ReqSeq(be.Uint32(p[4:])), nil
}
