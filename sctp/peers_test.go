package sctp

import (
	"io"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// What peers did to other stacks, and to their users, beyond what the tests of the
// single rules cover.

// TestAuthAndAsconf: without either extension AUTH and ASCONF are unknown chunks in every
// state, where ever they stand, and what INIT says of them has no consequence
// (CVE-2014-0101, CVE-2014-3673, CVE-2014-3687, CVE-2015-1421 class). // 9260-3.2-c
func TestAuthAndAsconf(t *testing.T) {
	auth := chunk{t: wire.TypeAuth, value: make([]byte, 24)}
	asconf := []written{
		chunk{t: wire.TypeAsconf},
		chunk{t: wire.TypeAsconf, value: []byte{0, 0, 0, 1}},
		chunk{t: wire.TypeAsconf, value: []byte{0, 0, 0, 1, 0, 5, 0, 200, 127, 0, 0, 1}},
		chunk{t: wire.TypeAsconf, value: []byte{0, 0, 0, 1, 0xC0, 1, 0, 0, 0xC0, 1, 0, 0}},
		chunk{t: wire.TypeAsconfAck, value: []byte{0, 0, 0, 1}},
	}
	for _, s := range allStates[CookieEchoed:] {
		tc := inState(t, s)
		tc.write(auth, chunk{t: wire.TypeCookieEcho, value: []byte("cookie")})
		tc.wantIdle("AUTH stops the packet")
		for range 2 {
			for _, c := range asconf {
				tc.write(c)
				tc.sent = nil // at most an ERROR
			}
		}
		tc.wantState("unchanged", s)
		if e := tc.a.invariants(tc.now); e != "" {
			t.Fatal(e)
		}
	}
	for _, params := range []func(b []byte, n int) []byte{
		func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamChunks, []byte{0xC1, 0x80, 0}) },
		func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamHMACAlgo, []byte{0, 3}) },
		func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamHMACAlgo, nil) },
		func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamRandom, payload(3)) },
		func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, wire.ParamExtensions, []byte{byte(wire.TypeAsconf), byte(wire.TypeAsconfAck)})
		},
	} {
		tc := newTestConn(t, Config{})
		tc.peerParams = params
		tc.write(tc.init())
		tc.want("an INIT like any other", "INIT ACK")
		tc.write(tc.cookieEcho())
		tc.want("and an association", "COOKIE ACK")
		tc.write(data{tsn: 0, flags: whole, payload: "x"})
		tc.want("without either", "SACK cum=0")
	}
}

// TestRestartWithFewerStreams: after a restart the streams are those that were agreed
// on then, whatever was under way on others. // 9260-5.2.4-c 9260-5.1.1-a
func TestRestartWithFewerStreams(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 9, flags: whole, payload: "old"})
	tc.write(data{tsn: 2, sid: 60_000, flags: wire.FlagBegin, payload: "part"})
	for _, id := range []uint16{0, 9, 60_000} {
		tc.send(Message{Stream: id, Payload: payload(3000)})
	}
	if err := tc.a.ResetStreams(tc.now, 8, 9, 60_001); err != nil {
		t.Fatal(err)
	}
	tc.peerStreams = 2
	tc.peerRestarts()
	if in, out := tc.a.InboundStreams(), tc.a.OutboundStreams(); in != 2 || out != 2 {
		t.Fatalf("%d and %d streams", in, out)
	}
	if err := tc.a.Send(tc.now, Message{Stream: 9, Payload: payload(1)}); err != ErrInvalidStream {
		t.Fatal(err)
	}
	tc.want("set up", "COOKIE ACK")
	tc.wantRead("what came in before", 9, "old", "EOF")
	tc.write(data{tsn: 0, sid: 9, flags: whole, payload: "x"})
	tc.want("a stream that is no more", "ERROR cause=1 info=00090000", "SACK cum=0")
	tc.send(Message{Stream: 1, Payload: payload(1)})
	tc.want("numbers start anew", "DATA tsn=0 sid=1 ssn=0")
	tc.write(sack{cum: 0})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("and so do requests", "RE-CONFIG out-reset req=0")
	if e := tc.a.invariants(tc.now); e != "" {
		t.Fatal(e)
	}
}

// TestSplitSacks: a peer that acknowledges in many small steps makes the window grow
// by what it acknowledges, not by how often (ACK division). // 9260-7.2.1-b 9260-7.2-a
func TestSplitSacks(t *testing.T) {
	grown := func(step int) int {
		tc := newConnected(t, Config{HeartbeatInterval: -1, MaxBurst: 1000})
		for range 40 {
			if err := tc.a.Send(tc.now, Message{Payload: payload(100)}); err != nil {
				t.Fatal(err)
			}
		}
		tc.drain()
		tc.send(Message{Payload: payload(100_000)})
		before := tc.a.Stats().CongestionWindow
		for cum := step - 1; cum < 40; cum += step {
			tc.write(sack{cum: cum})
		}
		return tc.a.Stats().CongestionWindow - before
	}
	if one, all := grown(1), grown(40); one > 40*116+all {
		t.Errorf("a window grew by %d bytes with 40 SACKs, by %d with one", one, all)
	}
}

// TestOptimisticSacks: acknowledging what was not sent gets nothing, however it is said:
// neither a larger window nor a shorter timeout. // 9260-6.2.1-b
func TestOptimisticSacks(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(100_000)})
	sent := len(tc.sent)
	before := tc.a.Stats()
	for ahead := range 3000 {
		tc.write(sack{cum: sent + ahead})
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: uint16(sent + 1 + ahead), End: 65535}}})
	}
	tc.write(shutdownChunk{cum: sent})
	after := tc.a.Stats()
	if after.CongestionWindow != before.CongestionWindow || after.UnackedDataChunks != before.UnackedDataChunks || len(tc.sent) != sent {
		t.Fatalf("before %+v\nafter %+v", before, after)
	}
	tc.wantState("nor is the SHUTDOWN taken", Established)
}

// TestTimeoutNeverOverflows: however often a timeout is doubled, or how ever long a
// round trip seems to take, it stays between its bounds (CVE-2025-40281 class). // 9260-6.3.1-a 9260-6.3.3-a
func TestTimeoutNeverOverflows(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxRetransmits: 100_000, RTOMax: maxDuration})
	tc.send(Message{Payload: payload(10)})
	for range 200 {
		if d := tc.advanceToTimer(); d <= 0 || d > maxDuration {
			t.Fatalf("a timeout of %v", d)
		}
	}
}

// A message given up halfway, as dcSCTP does, ends with the reset of its stream; what
// comes on the stream then is not taken for a part of it. // 6525-5.2.2-a
func TestResetAfterUnfinishedMessage(t *testing.T) {
	for _, ssn := range []int{0, 3} {
		tc := newConnected(t, Config{HeartbeatInterval: -1})
		var want []string
		for i := range ssn {
			tc.write(data{tsn: i, sid: 1, ssn: wire.SSN(i), flags: whole, payload: "old"})
			want = append(want, "old")
		}
		tc.write(data{tsn: ssn, sid: 1, ssn: wire.SSN(ssn), flags: wire.FlagBegin, payload: "part"})
		tc.write(tc.outReset(0, ssn, 1))
		tc.write(data{tsn: ssn + 1, sid: 2, ssn: 0, flags: whole, payload: "other"})
		want = append(want, io.EOF.Error())
		for i := range 4 {
			tc.write(data{tsn: ssn + 2 + i, sid: 1, ssn: wire.SSN(i), flags: whole, payload: "new"})
			want = append(want, "new")
		}
		tc.sent = nil
		tc.wantRead("the new messages", 1, want...)
	}
}
