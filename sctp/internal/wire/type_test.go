package wire

import "testing"

// 9260-3.2-c: what a type that is unknown says of the rest of the packet.
func TestUnknownChunkType(t *testing.T) {
	for _, tc := range []struct {
		desc         string
		types        []ChunkType
		skip, report bool
	}{
		{"00: stop", []ChunkType{0, 16, 17, 62, 63}, false, false},
		{"01: stop and report", []ChunkType{64, 65, 126, 127}, false, true},
		{"10: skip", []ChunkType{128, 132, 190, 191}, true, false},
		{"11: skip and report", []ChunkType{192, 194, 254, 255}, true, true},
	} {
		for _, typ := range tc.types {
			if typ.SkipUnknown() != tc.skip || typ.ReportUnknown() != tc.report {
				t.Errorf("%s: type %d: skip %v, report %v", tc.desc, typ, typ.SkipUnknown(), typ.ReportUnknown())
			}
		}
	}
}

// 9260-3.2.1-a: what a type that is unknown says of the parameters behind it.
func TestUnknownParamType(t *testing.T) {
	for _, tc := range []struct {
		desc         string
		types        []ParamType
		skip, report bool
	}{
		{"00: stop", []ParamType{0, 0x0001, 0x3FFF}, false, false},
		{"01: stop and report", []ParamType{0x4000, 0x7FFF}, false, true},
		{"10: skip", []ParamType{0x8000, 0x8008, 0xBFFF}, true, false},
		{"11: skip and report", []ParamType{0xC000, 0xFFFF}, true, true},
	} {
		for _, typ := range tc.types {
			if typ.SkipUnknown() != tc.skip || typ.ReportUnknown() != tc.report {
				t.Errorf("%s: %v: skip %v, report %v", tc.desc, typ, typ.SkipUnknown(), typ.ReportUnknown())
			}
		}
	}
}

func TestTypeNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{TypeData.String(), "DATA"},
		{TypeIForwardTSN.String(), "I-FORWARD-TSN"},
		{ChunkType(63).String(), "chunk type 63"},
		{ParamZeroChecksum.String(), "parameter 0x8001"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

// Every chunk, parameter and cause that there is has a case that decodes and encodes
// it, which also pins its number.
func TestCodePoints(t *testing.T) {
	// 0-chunks, 0-params, 0-causes
	all := map[kind][]int{
		chunks: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 64, 128, 130, 132, 192, 193, 194},
		params: {1, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 0x8000, 0x8001, 0x8002, 0x8003, 0x8004,
			0x8005, 0x8008, 0xC000, 0xC001, 0xC002, 0xC003, 0xC004, 0xC005, 0xC006},
		causes: {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0x105},
	}
	type point struct {
		kind kind
		code int
	}
	decoded := make(map[point]bool)
	for _, fam := range families {
		for _, tc := range fam.cases {
			b := tc.in.bytes()
			code := int(b[0])
			if fam.kind != chunks {
				code = int(be.Uint16(b))
			}
			if _, malformed := tc.want.(error); !malformed && !tc.other {
				decoded[point{fam.kind, code}] = true
			}
		}
	}
	for k, codes := range all {
		for _, code := range codes {
			if !decoded[point{k, code}] {
				t.Errorf("no case decodes and encodes %s %#x", [...]string{"chunk", "parameter", "cause"}[k], code)
			}
		}
	}
}

// A method of one format does not take another for it.
func TestWrongType(t *testing.T) {
	chunk := Chunk(AppendChunk(nil, 63, 0, make([]byte, 32)))
	param := Param(AppendParam(nil, 0, 0x3FFF, make([]byte, 32)))
	cause := Cause(AppendCause(nil, 0, 0x3FFF, make([]byte, 32)))
	for _, tc := range []struct {
		desc   string
		decode func() error
	}{
		{"Data", func() error { _, err := chunk.Data(); return err }},
		{"IData", func() error { _, err := chunk.IData(); return err }},
		{"Init", func() error { _, err := chunk.Init(); return err }},
		{"InitAck", func() error { _, err := chunk.InitAck(); return err }},
		{"Sack", func() error { _, err := chunk.Sack(); return err }},
		{"NRSack", func() error { _, err := chunk.NRSack(); return err }},
		{"HeartbeatInfo", func() error { _, err := chunk.HeartbeatInfo(); return err }},
		{"Causes", func() error { _, err := chunk.Causes(); return err }},
		{"ShutdownTSN", func() error { _, err := chunk.ShutdownTSN(); return err }},
		{"Empty", func() error { return chunk.Empty() }},
		{"CookieEcho", func() error { _, err := chunk.CookieEcho(); return err }},
		{"ECNE", func() error { _, err := chunk.ECNE(); return err }},
		{"CWR", func() error { _, err := chunk.CWR(); return err }},
		{"Auth", func() error { _, err := chunk.Auth(); return err }},
		{"Asconf", func() error { _, err := chunk.Asconf(); return err }},
		{"Reconfig", func() error { _, err := chunk.Reconfig(); return err }},
		{"ForwardTSN", func() error { _, err := chunk.ForwardTSN(); return err }},
		{"IForwardTSN", func() error { _, err := chunk.IForwardTSN(); return err }},
		{"Param.Addr", func() error { _, err := param.Addr(); return err }},
		{"Param.HostName", func() error { _, err := param.HostName(); return err }},
		{"Param.StateCookie", func() error { _, err := param.StateCookie(); return err }},
		{"Param.Unrecognized", func() error { _, err := param.Unrecognized(); return err }},
		{"Param.Uint32", func() error { _, err := param.Uint32(); return err }},
		{"Param.Uint16s", func() error { _, err := param.Uint16s(); return err }},
		{"Param.ChunkTypes", func() error { _, err := param.ChunkTypes(); return err }},
		{"Param.Empty", func() error { return param.Empty() }},
		{"Param.Random", func() error { _, err := param.Random(); return err }},
		{"Param.OutReset", func() error { _, err := param.OutReset(); return err }},
		{"Param.InReset", func() error { _, err := param.InReset(); return err }},
		{"Param.TSNReset", func() error { _, err := param.TSNReset(); return err }},
		{"Param.ReconfigResponse", func() error { _, err := param.ReconfigResponse(); return err }},
		{"Param.AddStreams", func() error { _, err := param.AddStreams(); return err }},
		{"Param.ReqSeq", func() error { _, err := param.ReqSeq(); return err }},
		{"Param.AsconfParam", func() error { _, err := param.AsconfParam(); return err }},
		{"Cause.InvalidStream", func() error { _, err := cause.InvalidStream(); return err }},
		{"Cause.MissingParams", func() error { _, err := cause.MissingParams(); return err }},
		{"Cause.Staleness", func() error { _, err := cause.Staleness(); return err }},
		{"Cause.NoUserData", func() error { _, err := cause.NoUserData(); return err }},
		{"Cause.UnsupportedHMAC", func() error { _, err := cause.UnsupportedHMAC(); return err }},
		{"Cause.Chunk", func() error { _, err := cause.Chunk(); return err }},
		{"Cause.Param", func() error { _, err := cause.Param(); return err }},
		{"Cause.Params", func() error { _, err := cause.Params(); return err }},
		{"Cause.Text", func() error { _, err := cause.Text(); return err }},
	} {
		if err := tc.decode(); err != ErrType {
			t.Errorf("%s of another type: error %v, want %v", tc.desc, err, ErrType)
		}
	}
}
