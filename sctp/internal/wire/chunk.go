package wire

import "fmt"

// ChunkType is the type of a chunk. Its two highest bits say what a receiver
// that does not know it does (RFC 9260, section 3.2).
type ChunkType uint8

// The chunk types.
const (
	TypeData             ChunkType = 0
	TypeInit             ChunkType = 1
	TypeInitAck          ChunkType = 2
	TypeSack             ChunkType = 3
	TypeHeartbeat        ChunkType = 4
	TypeHeartbeatAck     ChunkType = 5
	TypeAbort            ChunkType = 6
	TypeShutdown         ChunkType = 7
	TypeShutdownAck      ChunkType = 8
	TypeError            ChunkType = 9
	TypeCookieEcho       ChunkType = 10
	TypeCookieAck        ChunkType = 11
	TypeECNE             ChunkType = 12
	TypeCWR              ChunkType = 13
	TypeShutdownComplete ChunkType = 14
	TypeAuth             ChunkType = 15
	TypeNRSack           ChunkType = 16
	TypeIData            ChunkType = 64
	TypeAsconfAck        ChunkType = 128
	TypeReconfig         ChunkType = 130
	TypePad              ChunkType = 132
	TypeForwardTSN       ChunkType = 192
	TypeAsconf           ChunkType = 193
	TypeIForwardTSN      ChunkType = 194
)

var chunkNames = map[ChunkType]string{
	TypeData: "DATA", TypeInit: "INIT", TypeInitAck: "INIT ACK", TypeSack: "SACK",
	TypeHeartbeat: "HEARTBEAT", TypeHeartbeatAck: "HEARTBEAT ACK", TypeAbort: "ABORT",
	TypeShutdown: "SHUTDOWN", TypeShutdownAck: "SHUTDOWN ACK", TypeError: "ERROR",
	TypeCookieEcho: "COOKIE ECHO", TypeCookieAck: "COOKIE ACK", TypeECNE: "ECNE",
	TypeCWR: "CWR", TypeShutdownComplete: "SHUTDOWN COMPLETE", TypeAuth: "AUTH",
	TypeNRSack: "NR-SACK", TypeIData: "I-DATA", TypeAsconfAck: "ASCONF-ACK",
	TypeReconfig: "RE-CONFIG", TypePad: "PAD", TypeForwardTSN: "FORWARD-TSN",
	TypeAsconf: "ASCONF", TypeIForwardTSN: "I-FORWARD-TSN",
}

func (t ChunkType) String() string {
	if s, ok := chunkNames[t]; ok {
		return s
	}
	return fmt.Sprintf("chunk type %d", uint8(t))
}

// SkipUnknown reports whether a receiver that does not know the type goes on
// with the next chunk; if not, it drops the rest of the packet.
func (t ChunkType) SkipUnknown() bool { return t&0x80 != 0 }

// ReportUnknown reports whether a receiver that does not know the type tells
// so in an ERROR chunk.
func (t ChunkType) ReportUnknown() bool { return t&0x40 != 0 }

const chunkHeaderLen = tlvHeaderLen

// Chunk is a view of one chunk with its header and without its padding.
type Chunk []byte

// ParseChunk returns the chunk that b holds, on its own and not in a packet: that
// is how SNAP carries an INIT in SDP.
func ParseChunk(b []byte) (Chunk, error) { return oneTLV(b) }

// Type returns the chunk type.
func (c Chunk) Type() ChunkType { return ChunkType(c[0]) }

// Flags returns the chunk flags. Those that the type does not define are to be
// ignored (RFC 9260, section 3.2).
func (c Chunk) Flags() uint8 { return c[1] }

// Value returns what follows the chunk header.
func (c Chunk) Value() []byte { return c[chunkHeaderLen:] }

// Empty checks a chunk that says everything with its type and flags, and has no
// value: SHUTDOWN ACK, COOKIE ACK or SHUTDOWN COMPLETE (RFC 9260, sections 3.3.9,
// 3.3.12 and 3.3.13).
func (c Chunk) Empty() error {
	if t := c.Type(); t != TypeShutdownAck && t != TypeCookieAck && t != TypeShutdownComplete {
		return ErrType
	}
	if len(c) != chunkHeaderLen {
		return ErrLength
	}
	return nil
}

// expect checks that c is of type t and has at least n bytes of value.
func (c Chunk) expect(t ChunkType, n int) error {
	if c.Type() != t {
		return ErrType
	}
	if len(c) < chunkHeaderLen+n {
		return ErrLength
	}
	return nil
}

// tsn decodes a chunk of type t whose value is one TSN.
func (c Chunk) tsn(t ChunkType) (TSN, error) {
	if c.Type() != t {
		return 0, ErrType
	}
	if len(c) != chunkHeaderLen+4 {
		return 0, ErrLength
	}
	return TSN(be.Uint32(c[chunkHeaderLen:])), nil
}

// Chunks iterates over the chunks of a packet:
//
//	for c, ok := it.Next(); ok; c, ok = it.Next() { ... }
//	if it.Err() != nil { ... }
type Chunks struct{ tlvs }

// Next returns the next chunk. After a chunk that does not fit the packet, or
// whose length field is below 4, there is none (RFC 9260, section 6.10).
func (it *Chunks) Next() (c Chunk, ok bool) {
	if it.more() {
		c = it.next()
	}
	return c, c != nil
}

// Last reports whether no bytes are left.
func (it *Chunks) Last() bool { return !it.more() }

// Err returns why the iteration stopped before the end of the packet.
func (it *Chunks) Err() error { return it.err }

// BeginChunk appends a chunk header whose length EndChunk fills in, given
// the length that b had before.
func BeginChunk(b []byte, t ChunkType, flags uint8) []byte {
	return append(b, byte(t), flags, 0, 0)
}

// putChunkHeader writes the header of a chunk whose length is known.
func putChunkHeader(h []byte, t ChunkType, flags uint8, length int) {
	h[0], h[1] = byte(t), flags
	putLength(h, length)
}

// EndChunk sets the length of the chunk that starts at b[start] and pads it.
func EndChunk(b []byte, start int) []byte {
	setLength(b, start)
	return appendPadding(b, start)
}

// AppendChunk appends a chunk with the given value: that of COOKIE ECHO is the
// cookie, those of SHUTDOWN ACK, COOKIE ACK and SHUTDOWN COMPLETE are empty.
func AppendChunk(b []byte, t ChunkType, flags uint8, value []byte) []byte {
	start := len(b)
	b = BeginChunk(b, t, flags)
	b = append(b, value...)
	return EndChunk(b, start)
}

func appendTSNChunk(b []byte, t ChunkType, tsn TSN) []byte {
	b = append(b, byte(t), 0, 0, chunkHeaderLen+4)
	return be.AppendUint32(b, uint32(tsn))
}
