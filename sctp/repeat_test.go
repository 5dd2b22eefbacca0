package sctp

import (
	"io"
	"slices"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// resets returns the streams of the EventStreamReset among the events, and takes all.
func (tc *testConn) resets() (ids []uint16) {
	tc.drain()
	for _, e := range tc.events {
		if e.Kind == EventStreamReset {
			ids = append(ids, e.Stream)
		}
	}
	tc.events = nil
	return ids
}

// wantResets wants these streams, and no others, to be reported as reset.
func (tc *testConn) wantResets(why string, want ...uint16) {
	tc.t.Helper()
	if got := tc.resets(); !slices.Equal(got, want) {
		tc.t.Fatalf("%s: %d, want %d", why, got, want)
	}
}

// resetOurs goes through the reset of our side of a stream, the first request of ours
// being number req.
func (tc *testConn) resetOurs(req int, id uint16) {
	tc.t.Helper()
	tc.check(tc.a.ResetStreams(tc.now, id))
	tc.wantPackets("our reset", 1)
	tc.write(tc.response(req, wire.ResultPerformed))
	tc.sent = nil
}

// TestResetAgainAtOnce: a second reset, under a new number, before our side is reset. // 8831-6.7-a
func TestResetAgainAtOnce(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.write(sack{cum: 0})
	tc.write(data{tsn: 0, sid: 5, flags: whole, payload: "a"})
	tc.write(tc.outReset(0, 0, 5))
	tc.wantResets("the channel ends", 5)
	tc.sent = nil
	tc.write(tc.outReset(1, 0, 5))
	tc.want("done long ago", "RE-CONFIG response req=1 result=1", "SACK")
	tc.wantResets("said once")
	tc.check(tc.a.ResetStreams(tc.now, 5))
	tc.sent = nil
	tc.write(tc.outReset(2, 0, 5))
	tc.wantResets("nor while ours is under way")
	tc.wantRead("one end", 5, "a", io.EOF.Error())
}

// TestResetAgainLate: such a reset that was lost and comes when the identifier is in use
// again. The answer of the peer to the new channel came first; it was sent behind the
// reset. // 8831-6.7-a
func TestResetAgainLate(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.write(sack{cum: 0})
	tc.write(data{tsn: 0, sid: 5, flags: whole, payload: "a"})
	tc.write(tc.outReset(0, 0, 5))
	tc.sent = nil
	tc.resetOurs(0, 5)
	tc.wantResets("the channel ends", 5)
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.write(sack{cum: 1}, data{tsn: 2, sid: 5, ssn: 1, flags: whole, payload: "c"}, data{tsn: 1, sid: 5, ssn: 0, flags: whole, payload: "b"})
	tc.sent = nil
	tc.write(tc.outReset(1, 0, 5))
	tc.want("answered", "RE-CONFIG response req=1 result=1", "SACK")
	tc.wantResets("the new channel lives")
	tc.write(data{tsn: 3, sid: 5, ssn: 2, flags: whole, payload: "d"})
	tc.wantRead("and its numbers go on", 5, "a", io.EOF.Error(), "b", "c", "d")
	tc.sent = nil
	tc.write(tc.outReset(2, 1, 5))
	tc.wantResets("one that is behind any of it counts", 5)
}

// TestResetWithoutData: a peer may close a channel on which it never sent, the first on
// its identifier or a later one, and whoever was first to close the one before. // 8831-6.7-a
func TestResetWithoutData(t *testing.T) {
	tests := []struct {
		desc string
		use  func(tc *testConn) // what is before the reset
	}{
		{"the first, with nothing in either direction", func(tc *testConn) {}},
		{"the first, on which we sent", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
		}},
		{"the second, the peer having closed first", func(tc *testConn) {
			tc.write(tc.outReset(0, -1, 5))
			tc.sent = nil
			tc.resetOurs(0, 5)
		}},
		{"so too, and we had sent", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
			tc.write(sack{cum: 0})
			tc.write(tc.outReset(0, -1, 5))
			tc.sent = nil
			tc.resetOurs(0, 5)
		}},
		{"the second, we having closed first", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
			tc.write(sack{cum: 0})
			tc.sent = nil
			tc.resetOurs(0, 5)
			tc.write(tc.outReset(0, -1, 5))
		}},
		{"so too, and we send on the new one", func(tc *testConn) {
			tc.sent = nil
			tc.resetOurs(0, 5)
			tc.write(tc.outReset(0, -1, 5))
			tc.send(Message{Stream: 5, Payload: payload(10)})
		}},
		{"one with a message that was given up", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
			tc.write(tc.outReset(0, -1, 5))
			tc.write(forwardTSN{0, []wire.SkippedStream{{Stream: 5}}})
		}},
		{"asked for", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
			tc.write(tc.outReset(0, -1, 5))
			tc.check(tc.a.RequestReset(tc.now, 5))
		}},
		{"after a restart", func(tc *testConn) {
			tc.send(Message{Stream: 5, Payload: payload(10)})
			tc.write(tc.outReset(0, -1, 5))
			tc.peerRestarts()
			tc.send(Message{Stream: 5, Payload: payload(10)})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newConnected(t, Config{HeartbeatInterval: -1})
			tt.use(tc)
			tc.resets()
			tc.sent = nil
			req := int32(tc.a.reconfig.peer.next - wire.ReqSeq(tc.peerTSN))
			tc.write(tc.outReset(int(req), tc.a.tsns.cum.Since(tc.peerTSN), 5))
			tc.wantResets("reported", 5)
		})
	}
}

// TestResetPositions: a message of so long ago that its TSN seems to lie ahead does not
// make a reset a repetition.
func TestResetPositions(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.write(tc.outReset(0, -1, 5))
	tc.write(data{tsn: 0, sid: 5, flags: whole, payload: "a"})
	tc.resets()
	for range 40_000 { // between 2^31 and 2^32 TSNs
		tc.a.tsns.forward(tc.a.tsns.cum.Add(maxTSNSpan))
		if p, q := tc.a.tsns.position(tc.a.tsns.cum), tc.a.tsns.position(tc.a.tsns.cum.Add(-1)); p != q+1 {
			t.Fatal(p, q)
		}
	}
	tc.write(tc.outReset(1, tc.a.tsns.cum.Since(tc.peerTSN), 5))
	tc.wantResets("reported", 5)
}

// TestResetPositionsAnew: when TSNs begin anew, those that came in above the cumulative
// one of before are behind all that follow.
func TestResetPositionsAnew(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, PeerReconfig: ReconfigPolicy{AllowAssociationReset: true}})
	tc.write(tc.outReset(0, -1, 5))
	tc.write(data{tsn: 100, sid: 5, flags: whole, payload: "a"})
	tc.resets()
	tc.write(tc.tsnReset(1))
	tc.peerTSN = tc.peerTSN.Opposite()
	tc.write(data{tsn: 0, sid: 6, flags: whole, payload: "b"})
	tc.resets()
	tc.write(reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendOutReset(b, n, wire.OutReset{ReqSeq: tc.a.reconfig.peer.next, LastTSN: tc.peerTSN}, []uint16{5})
	}))
	tc.wantResets("reported", 5)
}

// TestResetAllAgain: streams that are as new are passed over, at no cost. // 6525-4.1-a
func TestResetAllAgain(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	all := func(req int) {
		tc.write(tc.outReset(req, tc.a.tsns.cum.Since(tc.peerTSN)))
		tc.sent = nil
	}
	tc.write(data{tsn: 0, sid: 300, flags: whole, payload: "x"}, data{tsn: 1, sid: 3, flags: whole, payload: "y"})
	tc.send(Message{Stream: 9, Payload: payload(10)})
	all(0)
	tc.wantResets("those in use", 3, 9, 300)
	all(1)
	tc.wantResets("as new")
	if len(tc.a.in.touched) != 0 {
		t.Fatal("something is left to look at")
	}
	tc.write(data{tsn: 2, sid: 3, flags: whole, payload: "z"})
	tc.write(sack{cum: 0})
	tc.sent = nil
	tc.resetOurs(0, 9)
	tc.send(Message{Stream: 7, Payload: payload(10)})
	all(2)
	tc.wantResets("what was used since, by either side", 3, 7, 9)
	tc.write(data{tsn: 3, sid: 3, flags: whole, payload: "z"})
	tc.write(tc.outReset(3, 3, 3))
	tc.resets()
	all(4)
	tc.wantResets("one that was reset by itself")
	tc.write(data{tsn: 4, sid: 3, flags: whole, payload: "z"})
	all(5)
	tc.wantResets("and used again", 3)
	tc.wantRead("each end once", 3, "y", io.EOF.Error(), "z", io.EOF.Error(), "z", io.EOF.Error(), "z", io.EOF.Error())
	tc.wantRead("with something before it", 300, "x", io.EOF.Error())
}

// TestResetAllEvents: the events of a request are paid for by what was sent, and their
// memory is given back.
func TestResetAllEvents(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for id := range 65535 {
		tc.a.in.stream(uint16(id))
	}
	events := func(req int) int {
		b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tc.localTag)
		b = tc.outReset(req+1, -1).append(tc, tc.outReset(req, -1).append(tc, b))
		wire.SetChecksum(b)
		before := tc.a.events.pushed
		tc.a.HandlePacket(tc.now, 0, b)
		return int(tc.a.events.pushed - before)
	}
	if n := events(0); n != 2*65535 { // each is readable, too: its end
		t.Fatalf("%d events", n)
	}
	tc.drop()
	if n := len(tc.a.events.ring); n > idleRing {
		t.Fatalf("memory for %d events when there is none", n)
	}
	if n := events(2); n != 0 {
		t.Fatalf("%d events of streams that are as new", n)
	}
}

// TestForwardTSNOutdated: an entry that means the stream as it was before its reset does
// not move what it is used for next ahead; one that can mean that does. // 3758-3.6-a 8260-2.3.1-a
func TestForwardTSNOutdated(t *testing.T) {
	for _, interleaved := range []bool{false, true} {
		for _, tt := range []struct {
			name   string
			cum, n int // of the FORWARD-TSN, and the number that it gives for the stream
			came   int // TSN that came in before it, on another stream; 0: none
			next   int // number of the message that is delivered after it
		}{
			{"the last message of before", 4, 3, 0, 0},
			{"another, for as many TSNs", 5, 2, 0, 0},
			{"for more TSNs, of which one is not missing", 6, 2, 5, 0},
			{"the first of the new ones is given up", 4, 0, 0, 1},
			{"and two more", 6, 2, 0, 3},
			{"and another stream's", 7, 2, 5, 3},
			{"what came in lies above", 6, 2, 8, 3},
		} {
			tc := newConnected(t, Config{HeartbeatInterval: -1})
			if interleaved {
				tc = newInterleaved(t, Config{HeartbeatInterval: -1})
			}
			message := func(tsn int, sid uint16, n int, s string) {
				if interleaved {
					tc.write(iData{tsn: tsn, sid: sid, mid: wire.MID(n), flags: whole, payload: s})
				} else {
					tc.write(data{tsn: tsn, sid: sid, ssn: wire.SSN(n), flags: whole, payload: s})
				}
			}
			for i := range 4 {
				message(i, 1, i, "old")
			}
			tc.write(tc.outReset(0, 3, 1))
			tc.wantResets("performed", 1)
			if tt.came > 0 {
				message(tt.came, 2, 0, "of another")
			}
			if interleaved {
				tc.write(iForwardTSN{tt.cum, []wire.SkippedMessage{{Stream: 1, MID: wire.MID(tt.n)}}})
			} else {
				tc.write(forwardTSN{tt.cum, []wire.SkippedStream{{Stream: 1, SSN: wire.SSN(tt.n)}}})
			}
			message(10, 1, tt.next, "new")
			tc.wantRead(tt.name, 1, "old", "old", "old", "old", io.EOF.Error(), "new")
		}
	}
}
