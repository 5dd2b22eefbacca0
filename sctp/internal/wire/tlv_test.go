package wire

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
)

// snap-e: an INIT as it stands in SDP.
func TestParseChunk(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString("AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseChunk(b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodeChunk(c)
	want := initValue{TypeInit, 0x896CDD1D, 0x500000, 65535, 65535, 0xE079651D, []any{
		emptyParam(ParamForwardTSN),
		chunkTypesParam{ParamExtensions, []ChunkType{TypeReconfig, TypeForwardTSN}},
	}}
	if err != nil || len(c) != 30 || !reflect.DeepEqual(v, want) {
		t.Errorf("%d bytes, decoded %+v, error %v\nwant %+v", len(c), v, err, want)
	}
}

func TestParseChunkErrors(t *testing.T) {
	for _, tc := range []struct {
		desc string
		in   labelled
		want error
	}{
		{"nothing", ``, ErrTruncated},
		{"half a header", `0100  type and flags`, ErrTruncated},
		{"cut short", `
			0a000009  COOKIE ECHO, length 9
			01020304  cookie, a byte missing
		`, ErrTruncated},
		{"length 0", `0a000000  COOKIE ECHO`, ErrLength},
		{"two chunks", `
			0b000004  COOKIE ACK
			0b000004  COOKIE ACK
		`, ErrLength},
		{"stray bytes", `
			0b000004  COOKIE ACK
			00        no padding
		`, ErrLength},
		{"padding", `
			0a000006  COOKIE ECHO, length 6
			0102      cookie
			0000      padding
		`, nil},
		{"half of the padding", `
			0a000006  COOKIE ECHO, length 6
			0102      cookie
			00        padding
		`, nil},
	} {
		if _, err := ParseChunk(tc.in.bytes()); err != tc.want {
			t.Errorf("%s: error %v, want %v", tc.desc, err, tc.want)
		}
	}
}

// A value too long for its length field is a bug of ours, never sent with the
// length cut to 16 bits.
func TestTooLong(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		append func(n int) []byte // of n bytes, header included
	}{
		{"chunk", func(n int) []byte { return AppendChunk(nil, TypePad, 0, make([]byte, n-4)) }},
		{"parameter", func(n int) []byte { return AppendParam(nil, 0, ParamPad, make([]byte, n-4)) }},
		{"cause", func(n int) []byte { return AppendCause(nil, 0, CauseUserAbort, make([]byte, n-4)) }},
		{"DATA", func(n int) []byte { return AppendData(nil, Data{Payload: make([]byte, n-DataHeaderLen)}) }},
	} {
		if b := tc.append(65535); be.Uint16(b[2:]) != 65535 {
			t.Errorf("%s of 65535 bytes has length %d", tc.desc, be.Uint16(b[2:]))
		}
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "sctp: BUG: ") {
					t.Errorf("%s of 65536 bytes: no panic of a bug, but %q", tc.desc, s)
				}
			}()
			tc.append(65536)
		}()
	}
}

// 4895-3.1-a: CHUNKS is at most 260 bytes long; Supported Extensions has no limit.
func TestChunkTypesLimit(t *testing.T) {
	for _, tc := range []struct {
		typ  ParamType
		n    int
		want error
	}{
		{ParamChunks, 256, nil},
		{ParamChunks, 257, ErrLength},
		{ParamExtensions, 257, nil},
	} {
		p := Param(AppendParam(nil, 0, tc.typ, make([]byte, tc.n)))
		if l, err := p.ChunkTypes(); err != tc.want || err == nil && l.Len() != tc.n {
			t.Errorf("%v with %d entries: error %v, want %v", tc.typ, tc.n, err, tc.want)
		}
	}
}
