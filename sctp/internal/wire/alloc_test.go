package wire

import "testing"

// Decoding and encoding what every packet of a transfer is made of allocates
// nothing.
func TestNoAllocation(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	payload := make([]byte, 1100)
	gaps, dups := []GapBlock{{2, 3}, {5, 5}}, []TSN{7, 7}
	skipped := []SkippedStream{{1, 2}}
	data := Data{Flags: FlagBegin | FlagEnd, TSN: 1, Stream: 2, SSN: 3, PPID: 51, Payload: payload}
	iData := IData{Flags: FlagEnd, TSN: 1, Stream: 2, MID: 3, FSN: 4, Payload: payload}
	packet := AppendHeader(nil, 5000, 5000, 1)
	packet = AppendSack(packet, 9, 1<<20, gaps, dups)
	packet = AppendForwardTSN(packet, 10, skipped)
	packet = AppendHeartbeat(packet, TypeHeartbeat, payload[:16])
	packet = AppendIData(packet, iData)
	packet = AppendData(packet, data)
	SetChecksum(packet)
	buf := make([]byte, 0, 4096)
	for _, tc := range []struct {
		desc string
		run  func() bool
	}{
		{"walk a packet", func() bool {
			p, err := ParsePacket(packet)
			if err != nil || !p.ChecksumOK() {
				return false
			}
			n := 0
			it := p.Chunks()
			for c, ok := it.Next(); ok; c, ok = it.Next() {
				n++
				switch c.Type() {
				case TypeData:
					d, err := c.Data()
					if err != nil || len(d.Payload) != len(payload) {
						return false
					}
				case TypeIData:
					d, err := c.IData()
					if err != nil || len(d.Payload) != len(payload) {
						return false
					}
				case TypeSack:
					s, err := c.Sack()
					if err != nil || s.Gap(1) != gaps[1] || s.Dup(s.Dups()-1) != dups[1] {
						return false
					}
				case TypeForwardTSN:
					f, err := c.ForwardTSN()
					if err != nil || f.At(f.Len()-1) != skipped[0] {
						return false
					}
				case TypeHeartbeat:
					info, err := c.HeartbeatInfo()
					if err != nil || len(info) != 16 {
						return false
					}
				}
			}
			return it.Err() == nil && n == 5
		}},
		{"append DATA", func() bool {
			b := AppendData(AppendHeader(buf, 5000, 5000, 1), data)
			SetChecksum(b)
			return len(b) == HeaderLen+DataHeaderLen+len(payload)
		}},
		{"append I-DATA", func() bool { return len(AppendIData(buf, iData)) > 0 }},
		{"append SACK", func() bool { return len(AppendSack(buf, 9, 1<<20, gaps, dups)) == SackLen(2, 2) }},
		{"append FORWARD-TSN", func() bool { return len(AppendForwardTSN(buf, 10, skipped)) == ForwardTSNLen(1) }},
		{"append HEARTBEAT and PAD", func() bool {
			return len(AppendPad(AppendHeartbeat(buf, TypeHeartbeat, payload[:16]), 1000)) == 24+1000
		}},
		{"append ERROR", func() bool {
			b := BeginChunk(buf, TypeError, 0)
			b = AppendMissingParams(b, 0, ParamStateCookie, ParamRandom)
			b = AppendInvalidStream(b, 0, 7)
			return len(EndChunk(b, 0)) == 4+12+8
		}},
		{"append INIT and walk its parameters", func() bool {
			b := BeginInit(buf, TypeInit, Init{Tag: 1})
			b = AppendChunkTypes(b, 0, ParamExtensions, TypeReconfig, TypeForwardTSN)
			b = AppendParamUint32(b, 0, ParamZeroChecksum, 1)
			in, err := Chunk(EndChunk(b, 0)).Init()
			n := 0
			for _, ok := in.Params.Next(); ok; _, ok = in.Params.Next() {
				n++
			}
			return err == nil && n == 2
		}},
	} {
		ok := true
		if n := testing.AllocsPerRun(100, func() { ok = tc.run() && ok }); n != 0 {
			t.Errorf("%s: %v allocations", tc.desc, n)
		}
		if !ok {
			t.Errorf("%s: wrong", tc.desc)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	packet := AppendSack(AppendHeader(nil, 5000, 5000, 1), 9, 1<<20, []GapBlock{{2, 3}}, nil)
	packet = AppendData(packet, Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: make([]byte, 1100)})
	b.ReportAllocs()
	for b.Loop() {
		it := Packet(packet).Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			switch c.Type() {
			case TypeSack:
				_, _ = c.Sack()
			case TypeData:
				_, _ = c.Data()
			}
		}
	}
}

func BenchmarkAppendData(b *testing.B) {
	d := Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: make([]byte, 1100)}
	buf := make([]byte, 0, 2048)
	b.SetBytes(1100)
	b.ReportAllocs()
	for b.Loop() {
		SetChecksum(AppendData(AppendHeader(buf, 5000, 5000, 1), d))
	}
}
