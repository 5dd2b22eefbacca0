package sctp

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// inState returns a testConn in the given state, with nothing left to send.
func inState(t *testing.T, s State) *testConn {
	t.Helper()
	tc := newTestConn(t, Config{HeartbeatInterval: -1})
	if s >= CookieWait {
		if err := tc.a.Connect(tc.now); err != nil {
			t.Fatal(err)
		}
		tc.want("INIT", "INIT")
	}
	if s >= CookieEchoed {
		tc.write(tc.initAck())
		tc.want("COOKIE ECHO", "COOKIE ECHO")
	}
	if s >= Established {
		tc.write(chunk{t: wire.TypeCookieAck})
		tc.wantEvent("established", EventConnected)
	}
	if s == ShutdownPending || s == ShutdownReceived {
		tc.send(Message{Payload: payload(10)}) // keeps the state
		tc.want("DATA", "DATA tsn=0")
	}
	switch s {
	case ShutdownPending, ShutdownSent:
		if err := tc.a.Shutdown(tc.now); err != nil {
			t.Fatal(err)
		}
	case ShutdownReceived, ShutdownAckSent:
		tc.write(shutdownChunk{cum: -1})
	}
	tc.drain()
	tc.sent, tc.events = nil, nil
	tc.wantState("as asked for", s)
	return tc
}

var allStates = []State{Closed, CookieWait, CookieEchoed, Established, ShutdownPending, ShutdownSent, ShutdownReceived, ShutdownAckSent}

// allChunks has one well-formed chunk of each type that there is, INIT and COOKIE
// ECHO aside, whose tags have rules of their own.
func allChunks() []written {
	return []written{
		data{tsn: 0, flags: whole, payload: "x"},
		chunk{t: wire.TypeInitAck, value: make([]byte, 16)},
		sack{cum: -1},
		heartbeatChunk(wire.TypeHeartbeat, []byte("info")),
		heartbeatChunk(wire.TypeHeartbeatAck, []byte("info")),
		chunk{t: wire.TypeAbort},
		shutdownChunk{cum: -1},
		chunk{t: wire.TypeShutdownAck},
		causeChunk(wire.TypeError, 0, wire.CauseProtocolViolation, "x"),
		chunk{t: wire.TypeCookieAck},
		chunk{t: wire.TypeECNE, value: make([]byte, 4)},
		chunk{t: wire.TypeCWR, value: make([]byte, 4)},
		chunk{t: wire.TypeShutdownComplete},
		chunk{t: wire.TypeAuth, value: make([]byte, 24)},
		chunk{t: wire.TypeNRSack, value: make([]byte, 16)},
		chunk{t: wire.TypeIData, value: make([]byte, 20)},
		chunk{t: wire.TypeAsconfAck, value: make([]byte, 4)},
		chunk{t: wire.TypeReconfig, value: make([]byte, 8)},
		chunk{t: wire.TypePad, value: make([]byte, 4)},
		forwardTSN{cum: 0},
		chunk{t: wire.TypeAsconf, value: make([]byte, 12)},
		chunk{t: wire.TypeIForwardTSN, value: make([]byte, 4)},
		chunk{t: 63}, chunk{t: 127}, chunk{t: 191}, chunk{t: 255},
	}
}

// TestWrongTag: a wrong verification tag, whatever the chunk and the state, changes
// nothing and is not answered (CVE-2021-3772, PIONS-4). // 9260-8.5-a DCSCTP-verification-tag
func TestWrongTag(t *testing.T) {
	for _, s := range allStates[CookieWait:] {
		for _, c := range append(allChunks(), written(chunk{t: wire.TypeCookieEcho, value: []byte("cookie")})) {
			b := c.append(inState(t, Established), nil)
			name := fmt.Sprintf("%v/%v", s, wire.ChunkType(b[0]))
			for _, tag := range []uint32{0, 1, 0xFFFFFFFF} {
				for _, flags := range []byte{0, wire.FlagT} {
					tc := inState(t, s)
					typ := wire.ChunkType(b[0])
					if typ == wire.TypeShutdownAck && s < Established {
						continue // out of the blue, 9260-8.5-a
					}
					before, _ := tc.a.Timeout()
					tc.writeTag(tag, built(func(p []byte) []byte {
						n := len(p)
						p = c.append(tc, p)
						p[n+1] |= flags
						return p
					}))
					tc.wantIdle(name)
					tc.wantNoEvent(name)
					tc.wantState(name, s)
					if after, _ := tc.a.Timeout(); after != before {
						t.Fatalf("%s: a timer changed", name)
					}
				}
			}
		}
	}
}

// TestTagOfAbort: ABORT and SHUTDOWN COMPLETE are right with our tag, or with
// the peer's if they say so. // 9260-8.5-a 9260-3.3.7-a DCSCTP-verification-tag
func TestTagOfAbort(t *testing.T) {
	tests := []struct {
		desc  string
		flags byte
		own   bool // the tag is ours
		ends  bool
	}{
		{"our tag", 0, true, true},
		{"the peer's tag, reflected", wire.FlagT, false, true},
		{"the peer's tag, not said to be reflected", 0, false, false},
		{"our tag, said to be reflected", wire.FlagT, true, false},
	}
	for _, tt := range tests {
		for _, typ := range []wire.ChunkType{wire.TypeAbort, wire.TypeShutdownComplete} {
			for _, s := range allStates[CookieEchoed:] {
				if typ == wire.TypeAbort && tt.own && tt.flags != 0 {
					continue // as our tag is right, it is not worth losing
				}
				tc := inState(t, s)
				tag := uint32(testPeerTag)
				if tt.own {
					tag = tc.localTag
				}
				tc.writeTag(tag, chunk{t: typ, flags: tt.flags})
				ends := tt.ends && (typ == wire.TypeAbort || s == ShutdownAckSent)
				if got := tc.a.State() == Closed; got != ends {
					t.Fatalf("%v in %v with %s: ended %v, want %v", typ, s, tt.desc, got, ends)
				}
				tc.wantIdle("neither is answered")
			}
		}
	}
}

// TestAbortReason reports what the peer says. // 9260-9.1-a
func TestAbortReason(t *testing.T) {
	tc := inState(t, Established)
	tc.write(causeChunk(wire.TypeAbort, 0, wire.CauseUserAbort, "bye"))
	e := tc.wantEvent("closed", EventClosed)
	var pe *PeerAbortError
	if !errors.As(e.Err, &pe) || pe.Code != 12 || pe.Info != "bye" {
		t.Fatalf("%v", e.Err)
	}
	var buf [8]byte
	if _, _, err := tc.a.Read(tc.now, 0, buf[:]); !errors.As(err, &pe) {
		t.Fatalf("Read: %v", err)
	}
}

// TestAbortMalformed: it is discarded. // 9260-3.3.7-a
func TestAbortMalformed(t *testing.T) {
	tc := inState(t, Established)
	tc.write(chunk{t: wire.TypeAbort, value: []byte{0, 12, 0, 99}})
	tc.wantState("discarded", Established)
	tc.wantIdle("and not answered")
}

// TestAbortAnywhere: Abort ends every state at once, whatever timer runs, and
// nothing happens afterwards (CVE-2020-6532 class). // 9260-9.1-a 9260-4-a
func TestAbortAnywhere(t *testing.T) {
	for _, s := range allStates {
		tc := inState(t, s)
		if s == Established { // T3-rtx, the reset timer and a delayed SACK run too
			tc.write(data{tsn: 0, flags: whole, payload: "x"})
			tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "y"})
			tc.send(Message{Payload: payload(5000)})
			if err := tc.a.ResetStreams(tc.now, 9); err != nil {
				t.Fatal(err)
			}
			tc.drain()
			tc.sent, tc.events = nil, nil
		}
		tc.a.Abort(tc.now, "enough")
		if s >= CookieEchoed {
			tc.want("the peer is told", "ABORT cause=12 info=656e6f756768")
		}
		tc.wantIdle("a peer that is not known cannot be told")
		e := tc.wantEvent("closed", EventClosed)
		var ae *AbortedError
		if s != Closed && s != CookieWait && (!errors.As(e.Err, &ae) || ae.Info != "enough") {
			t.Fatalf("%v", e.Err)
		}
		if _, ok := tc.a.Timeout(); ok {
			t.Fatalf("%v: a timer runs", s)
		}
		tc.a.HandleTimeout(tc.now.Add(time.Hour))
		tc.wantIdle("nothing fires")
		tc.a.Abort(tc.now, "again")
		tc.wantNoEvent("the end comes once")
	}
}

// TestOutOfTheBlue answers packets that belong to no association. // 9260-8.4-a 9260-3.1-b
func TestOutOfTheBlue(t *testing.T) {
	const tag = 0xB1EE5EED
	tests := []struct {
		desc   string
		chunks []written
		want   []string
	}{
		{"ABORT", []written{chunk{t: wire.TypeAbort}}, nil},
		{"SHUTDOWN ACK", []written{chunk{t: wire.TypeShutdownAck}}, []string{"SHUTDOWN COMPLETE T"}},
		{"SHUTDOWN COMPLETE", []written{chunk{t: wire.TypeShutdownComplete}}, nil},
		{"COOKIE ACK", []written{chunk{t: wire.TypeCookieAck}}, nil},
		{"stale cookie", []written{causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\x00\x00\x00")}, nil},
		{"another error", []written{causeChunk(wire.TypeError, 0, wire.CauseProtocolViolation, "")}, []string{"ABORT T"}},
		{"DATA", []written{data{flags: whole, payload: "x"}}, []string{"ABORT T"}},
		{"SACK", []written{sack{}}, []string{"ABORT T"}},
		{"HEARTBEAT", []written{heartbeatChunk(wire.TypeHeartbeat, []byte("x"))}, []string{"ABORT T"}},
		{"SHUTDOWN", []written{shutdownChunk{}}, []string{"ABORT T"}},
		{"unknown", []written{chunk{t: 63}}, []string{"ABORT T"}},
		{"an ABORT behind another chunk", []written{sack{}, chunk{t: wire.TypeAbort}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newTestConn(t, Config{ZeroChecksum: DTLSDetection})
			tc.localTag = tag // so that it shows as reflected
			tc.writeTag(tag, tt.chunks...)
			if tt.want == nil {
				tc.wantIdle("not answered")
			} else {
				tc.want("answered, with the tag reflected and a checksum", append([]string{"tag reflected"}, tt.want...)...)
			}
			tc.wantState("still nothing", Closed)
		})
	}
	for _, s := range []State{CookieWait, CookieEchoed} {
		tc := inState(t, s)
		tc.writeTag(tag, chunk{t: wire.TypeShutdownAck})
		tc.localTag = tag
		tc.want("SHUTDOWN ACK before the association is as out of the blue", "tag reflected", "SHUTDOWN COMPLETE T")
		tc.wantState("unchanged", s)
	}
}

// TestAfterTheEnd: an association that has ended begins no other, helps a peer
// that missed the end, and is quiet about old duplicates.
func TestAfterTheEnd(t *testing.T) {
	tc := inState(t, ShutdownSent)
	tc.write(chunk{t: wire.TypeShutdownAck})
	tc.want("the end", "SHUTDOWN COMPLETE")
	tc.wantEvent("closed", EventClosed)
	tc.write(chunk{t: wire.TypeShutdownAck})
	tc.want("SHUTDOWN COMPLETE was lost", "tag reflected", "SHUTDOWN COMPLETE T")
	tc.write(data{tsn: 0, flags: whole, payload: "late"})
	tc.wantIdle("all was delivered, so this is an old duplicate")
	tc.write(tc.init())
	tc.wantIdle("no new association")
	tc = inState(t, Established)
	tc.a.Abort(tc.now, "enough")
	tc.wantPackets("ABORT", 1)
	tc.write(data{tsn: 0, flags: whole, payload: "late"})
	tc.want("the ABORT was lost", "tag reflected", "ABORT T")
}
