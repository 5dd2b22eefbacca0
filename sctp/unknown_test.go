package sctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestUnknownChunks applies the two highest bits of an unknown type. // 9260-3.2-c DCSCTP-unknown-chunks
func TestUnknownChunks(t *testing.T) {
	tests := []struct {
		typ          wire.ChunkType
		report, skip bool
	}{{0x3A, false, false}, {0x7A, true, false}, {0xBA, false, true}, {0xFA, true, true}}
	for _, tt := range tests {
		tc := newConnected(t, Config{})
		tc.write(
			data{tsn: 0, flags: whole, payload: "before"},
			chunk{t: tt.typ, value: []byte("what?")},
			data{tsn: 1, ssn: 1, flags: whole, payload: "after"})
		var want []string
		if tt.report {
			want = append(want, "ERROR cause=6 info="+map[wire.ChunkType]string{0x7A: "7a000009776861743f", 0xFA: "fa000009776861743f"}[tt.typ])
		}
		if tt.skip {
			tc.want(tt.typ.String(), append(want, "SACK cum=1")...)
			tc.wantRead("all of the packet counts", 0, "before", "after")
		} else {
			tc.want(tt.typ.String(), append(want, "SACK cum=0")...)
			tc.wantRead("the rest is dropped", 0, "before")
		}
	}
}

// TestPadBundled: DATA with PAD is not lost (PIONS-1). // 4820-3-a
func TestPadBundled(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(chunk{t: wire.TypePad, value: make([]byte, 100)}, data{tsn: 0, flags: whole, payload: "x"}, chunk{t: wire.TypePad})
	tc.want("acknowledged", "SACK cum=0")
	tc.wantRead("and delivered", 0, "x")
}

// TestErrorChunkCloses nothing, whatever it says. // DCSCTP-unknown-chunks
func TestErrorChunkCloses(t *testing.T) {
	for code := wire.CauseCode(1); code <= 14; code++ {
		tc := newConnected(t, Config{})
		tc.write(causeChunk(wire.TypeError, 0, code, "info"))
		tc.wantState("open", Established)
		tc.wantIdle("an ERROR is not answered")
		if code == wire.CauseStaleCookie {
			continue
		}
		e := tc.wantEvent("reported", EventPeerError)
		if pe, ok := e.Err.(*PeerError); !ok || pe.Code != CauseCode(code) || pe.Info != "info" {
			t.Fatalf("%v", e.Err)
		}
	}
	tc := newConnected(t, Config{})
	b := wire.AppendHeader(nil, 5000, 5000, tc.localTag)
	for range 200 {
		b = causeChunk(wire.TypeError, 0, wire.CauseProtocolViolation, "x").append(tc, b)
	}
	wire.SetChecksum(b)
	for range 100 {
		tc.a.HandlePacket(tc.now, 0, b)
	}
	if tc.a.events.n > maxPeerErrors {
		t.Fatalf("%d events", tc.a.events.n)
	}
}

// TestControlFlood: a peer that asks for answers and takes none gets a bounded number.
func TestControlFlood(t *testing.T) {
	tc := newConnected(t, Config{})
	b := wire.AppendHeader(nil, 5000, 5000, tc.localTag)
	b = heartbeatChunk(wire.TypeHeartbeat, payload(100)).append(tc, b)
	b = chunk{t: 0xFA, value: payload(100)}.append(tc, b)
	wire.SetChecksum(b)
	for range 1000 {
		tc.a.HandlePacket(tc.now, 0, b)
	}
	if n := len(tc.a.control.buf); n > maxControl {
		t.Fatalf("%d bytes wait", n)
	}
	tc.drain()
	if len(tc.sent) > 5 {
		t.Fatalf("%d packets", len(tc.sent))
	}
}

// TestTruncatedPackets cuts a packet of many chunks everywhere, in every state;
// the part that is whole counts. // 9260-6.10-a
func TestTruncatedPackets(t *testing.T) {
	for _, s := range allStates {
		for cut := 0; ; cut++ {
			tc := inState(t, s)
			b := wire.AppendHeader(nil, 5000, 5000, tc.localTag)
			for _, c := range []written{
				heartbeatChunk(wire.TypeHeartbeat, []byte("info")), sack{cum: -1},
				data{tsn: 0, flags: whole, payload: "one"}, forwardTSN{cum: 1, streams: []wire.SkippedStream{{Stream: 1}}},
				tc.outReset(0, 1, 1), data{tsn: 2, flags: whole, ssn: 1, payload: "two"},
			} {
				b = c.append(tc, b)
			}
			if cut > len(b) {
				break
			}
			b = b[:cut]
			if cut >= wire.HeaderLen {
				wire.SetChecksum(b)
			}
			tc.writeRaw(b)
			if s == Established && cut < 12+12+16+19 && tc.a.in.entries > 0 {
				t.Fatalf("cut at %d: a partial chunk was taken", cut)
			}
		}
	}
}

// TestPorts: packets between other ports are none of ours.
func TestPorts(t *testing.T) {
	tc := newConnected(t, Config{})
	for _, ports := range [][2]uint16{{5000, 5001}, {5001, 5000}, {0, 5000}, {5000, 0}} {
		b := wire.AppendHeader(nil, ports[0], ports[1], tc.localTag)
		b = data{tsn: 0, flags: whole, payload: "x"}.append(tc, b)
		wire.SetChecksum(b)
		tc.writeRaw(b)
		tc.wantIdle("dropped")
	}
	if s := tc.a.Stats(); s.PacketsDropped != 4 {
		t.Fatalf("%d dropped", s.PacketsDropped)
	}
}
