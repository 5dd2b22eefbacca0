package wire

import "fmt"

// ParamType is the type of a parameter of INIT, INIT ACK, RE-CONFIG, ASCONF and
// HEARTBEAT chunks. Its two highest bits say what a receiver that does not know
// it does (RFC 9260, section 3.2.1).
type ParamType uint16

// The parameter types.
const (
	ParamHeartbeatInfo      ParamType = 1
	ParamIPv4               ParamType = 5
	ParamIPv6               ParamType = 6
	ParamStateCookie        ParamType = 7
	ParamUnrecognized       ParamType = 8
	ParamCookiePreservative ParamType = 9
	ParamHostName           ParamType = 11
	ParamSupportedAddrTypes ParamType = 12
	ParamOutReset           ParamType = 13
	ParamInReset            ParamType = 14
	ParamTSNReset           ParamType = 15
	ParamReconfigResponse   ParamType = 16
	ParamAddOutStreams      ParamType = 17
	ParamAddInStreams       ParamType = 18
	ParamECN                ParamType = 0x8000
	ParamZeroChecksum       ParamType = 0x8001
	ParamRandom             ParamType = 0x8002
	ParamChunks             ParamType = 0x8003
	ParamHMACAlgo           ParamType = 0x8004
	ParamPad                ParamType = 0x8005
	ParamExtensions         ParamType = 0x8008
	ParamForwardTSN         ParamType = 0xC000
	ParamAddIP              ParamType = 0xC001
	ParamDeleteIP           ParamType = 0xC002
	ParamErrorCause         ParamType = 0xC003
	ParamSetPrimary         ParamType = 0xC004
	ParamSuccess            ParamType = 0xC005
	ParamAdaptation         ParamType = 0xC006
)

func (t ParamType) String() string { return fmt.Sprintf("parameter %#04x", uint16(t)) }

// SkipUnknown reports whether a receiver that does not know the type goes on
// with the next parameter.
func (t ParamType) SkipUnknown() bool { return t&0x8000 != 0 }

// ReportUnknown reports whether a receiver that does not know the type tells so.
func (t ParamType) ReportUnknown() bool { return t&0x4000 != 0 }

const paramHeaderLen = tlvHeaderLen

// Param is a view of one parameter with its header and without its padding.
type Param []byte

// Type returns the parameter type.
func (p Param) Type() ParamType { return ParamType(be.Uint16(p)) }

// Value returns what follows the parameter header.
func (p Param) Value() []byte { return p[paramHeaderLen:] }

// expect checks that p is of type t and has a value of n bytes exactly.
func (p Param) expect(t ParamType, n int) error {
	if p.Type() != t {
		return ErrType
	}
	if len(p) != paramHeaderLen+n {
		return ErrLength
	}
	return nil
}

// Params is the encoded list of parameters of a chunk; as an iterator it is
// used like Chunks.
type Params struct{ tlvs }

// ParseParams returns an iterator over encoded parameters.
func ParseParams(b []byte) Params { return Params{tlvs{b: b}} }

// Next returns the next parameter.
func (it *Params) Next() (p Param, ok bool) {
	if it.more() {
		p = it.next()
	}
	return p, p != nil
}

// Err returns why the iteration stopped before the end of the list.
func (it *Params) Err() error { return it.err }

// BeginParam appends the header of a parameter of the chunk (or of the list)
// that starts at b[chunk], padding what precedes it: the padding of the last
// parameter does not count in the length of the chunk. It returns the start of
// the parameter for EndParam.
func BeginParam(b []byte, chunk int, t ParamType) ([]byte, int) {
	b = appendPadding(b, chunk)
	return append(b, byte(t>>8), byte(t), 0, 0), len(b)
}

// EndParam sets the length of the parameter that starts at b[start].
func EndParam(b []byte, start int) []byte {
	setLength(b, start)
	return b
}

// AppendParam appends a parameter with the given value to the chunk (or the
// list) that starts at b[chunk].
func AppendParam(b []byte, chunk int, t ParamType, value []byte) []byte {
	b, p := BeginParam(b, chunk, t)
	b = append(b, value...)
	return EndParam(b, p)
}

// AppendParamUint32 is AppendParam for a value of one 32-bit integer.
func AppendParamUint32(b []byte, chunk int, t ParamType, v uint32) []byte {
	b, p := BeginParam(b, chunk, t)
	b = be.AppendUint32(b, v)
	return EndParam(b, p)
}

// Uint16s is a view of a list of 16-bit integers: stream identifiers, address
// types, HMAC identifiers.
type Uint16s []byte

// Len returns the number of entries.
func (l Uint16s) Len() int { return len(l) / 2 }

// At returns entry i.
func (l Uint16s) At(i int) uint16 { return be.Uint16(l[2*i:]) }

func appendUint16s(b []byte, l []uint16) []byte {
	for _, v := range l {
		b = be.AppendUint16(b, v)
	}
	return b
}

// ChunkTypes is a view of a list of chunk types.
type ChunkTypes []byte

// Len returns the number of entries.
func (l ChunkTypes) Len() int { return len(l) }

// At returns entry i.
func (l ChunkTypes) At(i int) ChunkType { return ChunkType(l[i]) }
