package wire

import (
	"fmt"
	"net/netip"
)

// The tests compare decoded values by what they mean. A value of each format is
// one of the types below, or of the package itself where it has one without
// views; decodeX and appendX of this file and of paramvalue_test.go convert
// between them and bytes, through the package's own decoders and encoders.

type (
	initValue struct {
		Type       ChunkType
		Tag, ARwnd uint32
		Out, In    uint16
		TSN        TSN
		Params     []any
	}
	sackValue struct {
		Type         ChunkType
		Cum          TSN
		ARwnd        uint32
		Gaps, NRGaps []GapBlock
		Dups         []TSN
	}
	heartbeatValue struct {
		Type ChunkType
		Info string
	}
	abortValue struct { // ABORT or ERROR
		Type   ChunkType
		Flags  uint8
		Causes []any
	}
	emptyValue struct {
		Type  ChunkType
		Flags uint8
	}
	tsnValue struct { // SHUTDOWN or CWR
		Type ChunkType
		TSN  TSN
	}
	cookieEchoValue string
	authValue       struct {
		KeyID, HMACID uint16
		HMAC          string
	}
	asconfValue struct {
		Type   ChunkType
		Seq    ReqSeq
		Params []any
	}
	reconfigValue   []any
	padValue        int // length
	forwardTSNValue struct {
		Cum     TSN
		Streams []SkippedStream
	}
	iForwardTSNValue struct {
		Cum      TSN
		Messages []SkippedMessage
	}
	unknownChunk struct {
		Type  ChunkType
		Flags uint8
		Value string
	}
)

// decodeChunk decodes a chunk and everything in it.
func decodeChunk(c Chunk) (any, error) {
	switch t := c.Type(); t {
	case TypeData:
		return result(c.Data())
	case TypeIData:
		return result(c.IData())
	case TypeInit, TypeInitAck:
		return decodeInit(c)
	case TypeSack, TypeNRSack:
		return decodeSack(c)
	case TypeHeartbeat, TypeHeartbeatAck:
		info, err := c.HeartbeatInfo()
		return result(heartbeatValue{t, string(info)}, err)
	case TypeAbort, TypeError:
		it, err := c.Causes()
		if err != nil {
			return nil, err
		}
		causes, err := decodeCauses(it)
		return result(abortValue{t, c.Flags() & FlagT, causes}, err)
	case TypeShutdown:
		tsn, err := c.ShutdownTSN()
		return result(tsnValue{t, tsn}, err)
	case TypeCWR:
		tsn, err := c.CWR()
		return result(tsnValue{t, tsn}, err)
	case TypeShutdownAck, TypeCookieAck, TypeShutdownComplete:
		return result(emptyValue{t, c.Flags() & FlagT}, c.Empty())
	case TypeCookieEcho:
		cookie, err := c.CookieEcho()
		return result(cookieEchoValue(cookie), err)
	case TypeECNE:
		return result(c.ECNE())
	case TypeAuth:
		a, err := c.Auth()
		return result(authValue{a.KeyID, a.HMACID, string(a.HMAC)}, err)
	case TypeAsconf, TypeAsconfAck:
		a, err := c.Asconf()
		if err != nil {
			return nil, err
		}
		params, err := decodeParams(a.Params)
		return result(asconfValue{t, a.Seq, params}, err)
	case TypeReconfig:
		it, err := c.Reconfig()
		if err != nil {
			return nil, err
		}
		params, err := decodeParams(it)
		return result(reconfigValue(params), err)
	case TypePad:
		return padValue(len(c)), nil
	case TypeForwardTSN:
		return decodeForwardTSN(c)
	case TypeIForwardTSN:
		return decodeIForwardTSN(c)
	default:
		return unknownChunk{t, c.Flags(), string(c.Value())}, nil
	}
}

// result returns v, or nil if there is an error.
func result[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func decodeInit(c Chunk) (any, error) {
	decode := c.Init
	if c.Type() == TypeInitAck {
		decode = c.InitAck
	}
	in, err := decode()
	if err != nil {
		return nil, err
	}
	params, err := decodeParams(in.Params)
	return result(initValue{c.Type(), in.Tag, in.ARwnd, in.OutStreams, in.InStreams, in.InitialTSN, params}, err)
}

func decodeSack(c Chunk) (any, error) {
	decode := c.Sack
	if c.Type() == TypeNRSack {
		decode = c.NRSack
	}
	s, err := decode()
	if err != nil {
		return nil, err
	}
	v := sackValue{Type: c.Type(), Cum: s.CumTSN, ARwnd: s.ARwnd}
	for i := range s.Gaps() {
		v.Gaps = append(v.Gaps, s.Gap(i))
	}
	for i := range s.NRGaps() {
		v.NRGaps = append(v.NRGaps, s.NRGap(i))
	}
	for i := range s.Dups() {
		v.Dups = append(v.Dups, s.Dup(i))
	}
	return v, nil
}

func decodeForwardTSN(c Chunk) (any, error) {
	f, err := c.ForwardTSN()
	v := forwardTSNValue{Cum: f.NewCumTSN}
	for i := range f.Len() {
		v.Streams = append(v.Streams, f.At(i))
	}
	return result(v, err)
}

func decodeIForwardTSN(c Chunk) (any, error) {
	f, err := c.IForwardTSN()
	v := iForwardTSNValue{Cum: f.NewCumTSN}
	for i := range f.Len() {
		v.Messages = append(v.Messages, f.At(i))
	}
	return result(v, err)
}

// appendChunkValue encodes what decodeChunk returns.
func appendChunkValue(b []byte, v any) []byte {
	start := len(b)
	switch v := v.(type) {
	case Data:
		return AppendData(b, v)
	case IData:
		return AppendIData(b, v)
	case initValue:
		b = BeginInit(b, v.Type, Init{Tag: v.Tag, ARwnd: v.ARwnd, OutStreams: v.Out, InStreams: v.In, InitialTSN: v.TSN})
		return EndChunk(appendParamValues(b, start, v.Params), start)
	case sackValue:
		if v.Type == TypeNRSack {
			return AppendNRSack(b, v.Cum, v.ARwnd, v.Gaps, v.NRGaps, v.Dups)
		}
		return AppendSack(b, v.Cum, v.ARwnd, v.Gaps, v.Dups)
	case heartbeatValue:
		return AppendHeartbeat(b, v.Type, []byte(v.Info))
	case abortValue:
		b = BeginChunk(b, v.Type, v.Flags)
		return EndChunk(appendCauseValues(b, start, v.Causes), start)
	case emptyValue:
		return AppendChunk(b, v.Type, v.Flags, nil)
	case tsnValue:
		if v.Type == TypeCWR {
			return AppendCWR(b, v.TSN)
		}
		return AppendShutdown(b, v.TSN)
	case cookieEchoValue:
		return AppendChunk(b, TypeCookieEcho, 0, []byte(v))
	case ECNE:
		return AppendECNE(b, v)
	case authValue:
		return AppendAuth(b, Auth{v.KeyID, v.HMACID, []byte(v.HMAC)})
	case asconfValue:
		b = BeginAsconf(b, v.Type, v.Seq)
		return EndChunk(appendParamValues(b, start, v.Params), start)
	case reconfigValue:
		b = BeginChunk(b, TypeReconfig, 0)
		return EndChunk(appendParamValues(b, start, v), start)
	case padValue:
		return AppendPad(b, int(v))
	case forwardTSNValue:
		return AppendForwardTSN(b, v.Cum, v.Streams)
	case iForwardTSNValue:
		return AppendIForwardTSN(b, v.Cum, v.Messages)
	case unknownChunk:
		return AppendChunk(b, v.Type, v.Flags, []byte(v.Value))
	}
	panic(fmt.Sprintf("appendChunkValue: %T", v))
}

type (
	invalidStreamCause   uint16
	missingParamsCause   []ParamType
	staleCookieCause     uint32 // µs
	noUserDataCause      TSN
	unsupportedHMACCause uint16
	chunkCause           string // the chunk given back
	paramCause           struct {
		Code  CauseCode
		Param any
	}
	paramsCause struct {
		Code   CauseCode
		Params []any
	}
	textCause struct {
		Code CauseCode
		Text string
	}
	otherCause struct { // without information, or unknown
		Code CauseCode
		Info string
	}
)

// decodeCause decodes a cause and everything in it.
func decodeCause(c Cause) (any, error) {
	switch code := c.Code(); code {
	case CauseInvalidStream:
		sid, err := c.InvalidStream()
		return result(invalidStreamCause(sid), err)
	case CauseMissingParam:
		l, err := c.MissingParams()
		v := missingParamsCause{}
		for i := range l.Len() {
			v = append(v, ParamType(l.At(i)))
		}
		return result(v, err)
	case CauseStaleCookie:
		us, err := c.Staleness()
		return result(staleCookieCause(us), err)
	case CauseNoUserData:
		tsn, err := c.NoUserData()
		return result(noUserDataCause(tsn), err)
	case CauseUnsupportedHMAC:
		id, err := c.UnsupportedHMAC()
		return result(unsupportedHMACCause(id), err)
	case CauseUnrecognizedChunk:
		chunk, err := c.Chunk()
		return result(chunkCause(chunk), err)
	case CauseUnresolvableAddress, CauseDeleteLastIP, CauseResourceShortage, CauseDeleteSourceIP, CauseNoAuthorization:
		p, err := c.Param()
		if err != nil {
			return nil, err
		}
		v, err := decodeParam(p)
		return result(paramCause{code, v}, err)
	case CauseUnrecognizedParams, CauseRestartNewAddresses:
		it, err := c.Params()
		if err != nil {
			return nil, err
		}
		params, err := decodeParams(it)
		return result(paramsCause{code, params}, err)
	case CauseUserAbort, CauseProtocolViolation:
		text, err := c.Text()
		return result(textCause{code, string(text)}, err)
	default:
		return otherCause{code, string(c.Info())}, nil
	}
}

func decodeCauses(it Causes) ([]any, error) {
	var values []any
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		v, err := decodeCause(c)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, it.Err()
}

// appendCauseValue encodes what decodeCause returns.
func appendCauseValue(b []byte, chunk int, v any) []byte {
	switch v := v.(type) {
	case invalidStreamCause:
		return AppendInvalidStream(b, chunk, uint16(v))
	case missingParamsCause:
		return AppendMissingParams(b, chunk, v...)
	case staleCookieCause:
		return AppendCauseUint32(b, chunk, CauseStaleCookie, uint32(v))
	case noUserDataCause:
		return AppendCauseUint32(b, chunk, CauseNoUserData, uint32(v))
	case unsupportedHMACCause:
		return AppendUnsupportedHMAC(b, chunk, uint16(v))
	case chunkCause:
		return AppendCause(b, chunk, CauseUnrecognizedChunk, []byte(v))
	case paramCause:
		return AppendCause(b, chunk, v.Code, appendParamValue(nil, 0, v.Param))
	case paramsCause:
		return AppendCause(b, chunk, v.Code, appendParamValues(nil, 0, v.Params))
	case textCause:
		return AppendCause(b, chunk, v.Code, []byte(v.Text))
	case otherCause:
		return AppendCause(b, chunk, v.Code, []byte(v.Info))
	}
	panic(fmt.Sprintf("appendCauseValue: %T", v))
}

func appendCauseValues(b []byte, chunk int, values []any) []byte {
	for _, v := range values {
		b = appendCauseValue(b, chunk, v)
	}
	return b
}

// addr returns an address for a table.
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
