package wire

import (
	"fmt"
	"net/netip"
)

// Values of parameters; an address is a netip.Addr. See value_test.go.
type (
	stateCookieParam  string
	hostNameParam     string // with the zeros that end it
	unrecognizedParam string // the parameter given back
	uint32Param       struct {
		Type  ParamType
		Value uint32
	}
	uint16sParam struct {
		Type   ParamType
		Values []uint16
	}
	chunkTypesParam struct {
		Type  ParamType
		Types []ChunkType
	}
	emptyParam    ParamType
	randomParam   string
	padParam      int // length
	outResetParam struct {
		ReqSeq, RespSeq ReqSeq
		LastTSN         TSN
		Streams         []uint16
	}
	inResetParam struct {
		ReqSeq  ReqSeq
		Streams []uint16
	}
	tsnResetParam   ReqSeq
	addStreamsParam struct {
		Type ParamType
		AddStreams
	}
	asconfAddrParam struct {
		Type          ParamType
		CorrelationID uint32
		Addr          netip.Addr
	}
	asconfErrorParam struct {
		CorrelationID uint32
		Causes        []any
	}
	asconfSuccessParam uint32   // correlation id
	otherParam         struct { // opaque, or unknown
		Type  ParamType
		Value string
	}
)

// decodeParam decodes a parameter and everything in it.
func decodeParam(p Param) (any, error) {
	switch t := p.Type(); t {
	case ParamIPv4, ParamIPv6:
		a, err := p.Addr()
		if a.Is4In6() { // is not encoded as such
			return otherParam{t, string(p.Value())}, err
		}
		return result(a, err)
	case ParamStateCookie:
		cookie, err := p.StateCookie()
		return result(stateCookieParam(cookie), err)
	case ParamUnrecognized:
		u, err := p.Unrecognized()
		return result(unrecognizedParam(u), err)
	case ParamHostName:
		name, err := p.HostName()
		return result(hostNameParam(name), err)
	case ParamCookiePreservative, ParamZeroChecksum, ParamAdaptation:
		v, err := p.Uint32()
		return result(uint32Param{t, v}, err)
	case ParamSupportedAddrTypes, ParamHMACAlgo:
		l, err := p.Uint16s()
		return result(uint16sParam{t, uint16s(l)}, err)
	case ParamExtensions, ParamChunks:
		l, err := p.ChunkTypes()
		v := chunkTypesParam{Type: t}
		for i := range l.Len() {
			v.Types = append(v.Types, l.At(i))
		}
		return result(v, err)
	case ParamECN, ParamForwardTSN:
		return result(emptyParam(t), p.Empty())
	case ParamRandom:
		r, err := p.Random()
		return result(randomParam(r), err)
	case ParamPad:
		return padParam(len(p)), nil
	case ParamOutReset, ParamInReset, ParamTSNReset, ParamReconfigResponse, ParamAddOutStreams, ParamAddInStreams:
		return decodeReconfigParam(p)
	case ParamAddIP, ParamDeleteIP, ParamSetPrimary, ParamErrorCause, ParamSuccess:
		return decodeAsconfParam(p)
	default:
		return otherParam{t, string(p.Value())}, nil
	}
}

func decodeReconfigParam(p Param) (any, error) {
	switch t := p.Type(); t {
	case ParamOutReset:
		r, err := p.OutReset()
		return result(outResetParam{r.ReqSeq, r.RespSeq, r.LastTSN, uint16s(r.Streams)}, err)
	case ParamInReset:
		r, err := p.InReset()
		return result(inResetParam{r.ReqSeq, uint16s(r.Streams)}, err)
	case ParamTSNReset:
		seq, err := p.TSNReset()
		return result(tsnResetParam(seq), err)
	case ParamReconfigResponse:
		return result(p.ReconfigResponse())
	default:
		a, err := p.AddStreams()
		return result(addStreamsParam{t, a}, err)
	}
}

func decodeAsconfParam(p Param) (any, error) {
	a, err := p.AsconfParam()
	if err != nil {
		return nil, err
	}
	switch t := p.Type(); t {
	case ParamSuccess:
		return asconfSuccessParam(a.CorrelationID), nil
	case ParamErrorCause:
		causes, err := decodeCauses(a.Causes())
		return result(asconfErrorParam{a.CorrelationID, causes}, err)
	default:
		address, err := a.Addr()
		if address.Is4In6() {
			return otherParam{t, string(p.Value())}, err
		}
		return result(asconfAddrParam{t, a.CorrelationID, address}, err)
	}
}

func uint16s(l Uint16s) []uint16 {
	var values []uint16
	for i := range l.Len() {
		values = append(values, l.At(i))
	}
	return values
}

func decodeParams(it Params) ([]any, error) {
	var values []any
	for p, ok := it.Next(); ok; p, ok = it.Next() {
		v, err := decodeParam(p)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, it.Err()
}

// appendParamValue encodes what decodeParam returns.
func appendParamValue(b []byte, chunk int, v any) []byte {
	switch v := v.(type) {
	case netip.Addr:
		return AppendAddr(b, chunk, v)
	case stateCookieParam:
		return AppendParam(b, chunk, ParamStateCookie, []byte(v))
	case hostNameParam:
		return AppendParam(b, chunk, ParamHostName, []byte(v))
	case unrecognizedParam:
		return AppendParam(b, chunk, ParamUnrecognized, []byte(v))
	case uint32Param:
		return AppendParamUint32(b, chunk, v.Type, v.Value)
	case uint16sParam:
		return AppendUint16s(b, chunk, v.Type, v.Values...)
	case chunkTypesParam:
		return AppendChunkTypes(b, chunk, v.Type, v.Types...)
	case emptyParam:
		return AppendParam(b, chunk, ParamType(v), nil)
	case randomParam:
		return AppendParam(b, chunk, ParamRandom, []byte(v))
	case padParam:
		return AppendPadParam(b, chunk, int(v))
	case outResetParam:
		return AppendOutReset(b, chunk, OutReset{ReqSeq: v.ReqSeq, RespSeq: v.RespSeq, LastTSN: v.LastTSN}, v.Streams)
	case inResetParam:
		return AppendInReset(b, chunk, v.ReqSeq, v.Streams)
	case tsnResetParam:
		return AppendTSNReset(b, chunk, ReqSeq(v))
	case ReconfigResponse:
		return AppendReconfigResponse(b, chunk, v)
	case addStreamsParam:
		return AppendAddStreams(b, chunk, v.Type, v.AddStreams)
	case asconfAddrParam:
		return AppendAsconfAddr(b, chunk, v.Type, v.CorrelationID, v.Addr)
	case asconfErrorParam:
		b, p := BeginAsconfParam(b, chunk, ParamErrorCause, v.CorrelationID)
		return EndParam(appendCauseValues(b, p, v.Causes), p)
	case asconfSuccessParam:
		return AppendAsconfParam(b, chunk, ParamSuccess, AsconfParam{CorrelationID: uint32(v)})
	case otherParam:
		return AppendParam(b, chunk, v.Type, []byte(v.Value))
	}
	panic(fmt.Sprintf("appendParamValue: %T", v))
}

func appendParamValues(b []byte, chunk int, values []any) []byte {
	for _, v := range values {
		b = appendParamValue(b, chunk, v)
	}
	return b
}
