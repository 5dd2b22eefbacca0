package sctp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// inReset is an Incoming SSN Reset Request of the peer, tsnReset an SSN/TSN Reset
// Request, addStreams one for more streams; req counts from its initial TSN.
func (tc *testConn) inReset(req int, streams ...uint16) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendInReset(b, n, wire.ReqSeq(tc.peerTSN.Add(req)), streams)
	})
}

func (tc *testConn) tsnReset(req int) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendTSNReset(b, n, wire.ReqSeq(tc.peerTSN.Add(req)))
	})
}

func (tc *testConn) addStreams(kind wire.ParamType, req int, count uint16) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendAddStreams(b, n, kind, wire.AddStreams{ReqSeq: wire.ReqSeq(tc.peerTSN.Add(req)), Count: count})
	})
}

// TestAskedToReset: the answer is our request, with the streams and the number of the
// peer's. Repeated, it brings our request again, and afterwards the result. // 6525-5.2.3-a 6525-4.1-a 6525-5.2.1-a
func TestAskedToReset(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("before", "DATA tsn=0 sid=5 ssn=0")
	tc.write(sack{cum: 0})
	tc.events = nil
	tc.write(tc.inReset(0, 5, 6))
	const request = "RE-CONFIG out-reset req=0 resp=0 last=0 streams=5,6"
	tc.want("the answer", request, "SACK")
	for _, id := range []uint16{5, 6} {
		if e := tc.wantEvent("told", EventStreamResetAsked); e.Stream != id {
			t.Fatalf("%+v", e)
		}
	}
	tc.wantErr("the stream ends", tc.a.Send(tc.now, Message{Stream: 5, Payload: payload(1)}), ErrResetPending)
	tc.write(tc.inReset(0, 5, 6))
	tc.want("the same", request, "SACK")
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantEvent("done", EventStreamResetDone)
	tc.wantEvent("done", EventStreamResetDone)
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("anew", "DATA tsn=1 sid=5 ssn=0")
	tc.write(tc.inReset(0, 5, 6))
	tc.want("a late repetition harms nothing (PIONS-3)", "RE-CONFIG response req=0 result=1", "SACK")
	if tc.hasEvent(EventStreamResetAsked) {
		t.Fatal("asked again")
	}
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("it goes on", "DATA tsn=2 sid=5 ssn=1")
}

// TestAskedToResetWaits: what was sent before is delivered first. // 6525-5.2.3-a
func TestAskedToResetWaits(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("before", "DATA tsn=0 sid=5 ssn=0")
	tc.write(tc.inReset(0, 5))
	tc.want("not yet", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(tc.inReset(0, 5))
	tc.want("nor now", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(tc.inReset(1, 6))
	tc.want("one at a time", "RE-CONFIG response req=1 result=4", "SACK")
	tc.write(sack{cum: 0})
	tc.want("it names the request", "RE-CONFIG out-reset req=0 resp=0 last=0 streams=5")
	tc.write(tc.response(0, wire.ResultDenied))
	tc.write(tc.inReset(0, 5))
	tc.want("what came of it", "RE-CONFIG response req=0 result=2", "SACK")
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("it goes on", "DATA tsn=1 sid=5 ssn=1")
}

// TestBothAsk: each side waits for a request of the other, and so must answer without. // 6525-5.2.3-a
func TestBothAsk(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, OutboundStreams: 10})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("before", "DATA tsn=0 sid=5 ssn=0")
	tc.write(sack{cum: 0})
	tc.check(tc.a.RequestReset(tc.now, 3))
	tc.want("ours", "RE-CONFIG in-reset req=0 streams=3")
	tc.write(tc.inReset(0, 5))
	tc.want("theirs", "RE-CONFIG response req=0 result=1", "SACK")
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.want("and then", "RE-CONFIG out-reset req=1 resp=0 last=0 streams=5")
}

// TestAskedToResetCrossing: the peer asks for what we are doing anyway, wholly or in
// part. // 6525-5.2.3-a
func TestAskedToResetCrossing(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for _, id := range []uint16{1, 2, 3, 4} {
		tc.send(Message{Stream: id, Payload: payload(10)})
	}
	tc.wantPackets("before", 4)
	tc.write(sack{cum: 3})
	tc.check(tc.a.ResetStreams(tc.now, 1, 2))
	tc.want("ours", "RE-CONFIG out-reset req=0 resp=-1 last=3 streams=1,2")
	tc.write(tc.inReset(0, 2))
	tc.want("under way", "RE-CONFIG response req=0 result=0", "SACK")
	tc.check(tc.a.ResetStreams(tc.now, 4))
	tc.events = nil
	tc.write(tc.inReset(1, 2, 3, 4))
	tc.want("some are not", "RE-CONFIG response req=1 result=6", "SACK")
	if e := tc.wantEvent("told of what is new", EventStreamResetAsked); e.Stream != 3 {
		t.Fatalf("%+v", e)
	}
	tc.wantNoEvent("one")
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.want("all three, one for the second time", "RE-CONFIG out-reset req=1 resp=1 last=3 streams=2,3,4")
	tc.wantErr("not free between", tc.a.Send(tc.now, Message{Stream: 2, Payload: payload(1)}), ErrResetPending)
	tc.write(tc.response(1, wire.ResultPerformed))
	tc.wantIdle("the request for stream 4 went with it")
	for _, want := range []Event{
		{Kind: EventStreamResetDone, Stream: 1}, {Kind: EventStreamResetDone, Stream: 2}, {Kind: EventStreamResetAsked, Stream: 2},
		{Kind: EventStreamResetDone, Stream: 2}, {Kind: EventStreamResetDone, Stream: 3}, {Kind: EventStreamResetDone, Stream: 4},
	} {
		if e := tc.wantEvent("in order", want.Kind); e != want {
			t.Fatalf("%+v, want %+v", e, want)
		}
	}
	tc.write(tc.inReset(2, 3))
	tc.want("as new", "RE-CONFIG response req=2 result=0", "SACK")
}

// TestAskedToResetAll: none listed means all. // 6525-4.1-a
func TestAskedToResetAll(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.write(tc.inReset(0))
	tc.want("none is in use", "RE-CONFIG response req=0 result=0", "SACK")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.send(Message{Stream: 300, Payload: payload(10), Unordered: true})
	tc.wantPackets("in use", 2)
	tc.write(tc.inReset(1))
	tc.want("later", "RE-CONFIG response req=1 result=6", "SACK")
	tc.wantErr("those in use", tc.a.Send(tc.now, Message{Stream: 1, Payload: payload(1)}), ErrResetPending)
	for _, n := range []int{1, 1 << 20} { // no more than fits the send buffer, and more
		tc.wantErr("also those not in use", tc.a.Send(tc.now, Message{Stream: 7, Payload: payload(n)}), ErrAllResetPending)
	}
	tc.wantErr("which can wait", ErrAllResetPending, ErrSendBufferFull)
	tc.write(sack{cum: 1})
	tc.want("all", "RE-CONFIG out-reset req=0 resp=1 last=1 streams=")
	if tc.hasEvent(EventWritable) {
		t.Fatal("though nothing can be sent yet")
	}
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantEvent("one", EventStreamResetDone)
	tc.wantEvent("the other", EventStreamResetDone)
	tc.wantEvent("what was refused can be sent", EventWritable)
	tc.wantNoEvent("no more")
	tc.send(Message{Stream: 7, Payload: payload(1)})
	tc.want("free", "DATA tsn=2 sid=7 ssn=0")
}

// TestAskedToResetAllEnds: however it ends, what was refused is told. // 6525-4.1-a
func TestAskedToResetAllEnds(t *testing.T) {
	for desc, end := range map[string]func(tc *testConn){
		"denied":    func(tc *testConn) { tc.write(tc.response(0, wire.ResultDenied)) },
		"restarted": func(tc *testConn) { tc.peerRestarts() },
	} {
		t.Run(desc, func(t *testing.T) {
			tc := newConnected(t, Config{HeartbeatInterval: -1})
			tc.send(Message{Stream: 1, Payload: payload(10)})
			tc.write(sack{cum: 0})
			tc.write(tc.inReset(0))
			tc.sent = nil
			tc.wantErr("not in use", tc.a.Send(tc.now, Message{Stream: 7, Payload: payload(1)}), ErrAllResetPending)
			end(tc)
			if !tc.hasEvent(EventWritable) {
				t.Fatal("nothing says that it can be sent")
			}
			tc.check(tc.a.Send(tc.now, Message{Stream: 7, Payload: payload(1)}))
		})
	}
}

// TestAskedToResetBad: streams that do not exist, more than a request of ours can
// name, streams named twice (CVE-2009-0065 class).
func TestAskedToResetBad(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, OutboundStreams: 1000})
	tc.write(tc.inReset(0, 1, 1000))
	tc.want("no such stream", "RE-CONFIG response req=0 result=3", "SACK")
	many := make([]uint16, maxResetNames+1)
	for i := range many {
		many[i] = uint16(i)
	}
	tc.write(tc.inReset(1, many...))
	tc.want("too many", "RE-CONFIG response req=1 result=2", "SACK")
	tc.send(Message{Stream: 9, Payload: payload(10)})
	tc.want("", "DATA tsn=0")
	tc.write(tc.inReset(2, 9, 9))
	tc.want("", "RE-CONFIG response req=2 result=6", "SACK")
	tc.write(sack{cum: 0})
	tc.want("as asked", "RE-CONFIG out-reset req=0 resp=2 last=0 streams=9,9")
	tc.events = nil
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantEvent("once", EventStreamResetDone)
	tc.wantNoEvent("once")
}

// TestBothResets: a chunk that resets and asks for a reset gets both answers in one. // 6525-3.1-a 6525-5.2.1-a
func TestBothResets(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 3, Payload: payload(10)})
	tc.want("", "DATA tsn=0")
	tc.write(sack{cum: 0})
	both := reconfigChunk(func(b []byte, n int) []byte {
		b = wire.AppendOutReset(b, n, wire.OutReset{
			ReqSeq: wire.ReqSeq(tc.peerTSN), RespSeq: wire.ReqSeq(tc.localTSN.Add(-1)), LastTSN: tc.peerTSN.Add(-1),
		}, []uint16{3})
		return wire.AppendInReset(b, n, wire.ReqSeq(tc.peerTSN.Add(1)), []uint16{3})
	})
	for range 2 {
		tc.write(both)
		tc.want("both", "RE-CONFIG response req=0 result=1 out-reset req=0 resp=1 last=0 streams=3", "SACK")
	}
	tc.wantRead("once", 3, io.EOF.Error())
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.write(both)
	tc.want("results", "RE-CONFIG response req=0 result=1 response req=1 result=1", "SACK")
	tc.wantRead("not again", 3)
}

// TestAskedToResetMeanwhile: the peer asks for streams that are being drained for us, in
// the packet that acknowledges the last of one.
func TestAskedToResetMeanwhile(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.wantPackets("before", 2)
	tc.check(tc.a.ResetStreams(tc.now, 1))
	tc.write(sack{cum: 0}, tc.inReset(0, 1, 2))
	tc.want("stream 2 is not drained", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(sack{cum: 1})
	tc.want("both", "RE-CONFIG out-reset req=0 resp=0 last=1 streams=1,2")
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantIdle("stream 1 once")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("anew", "DATA tsn=2 sid=1 ssn=0")
}

// TestReconfigSmallPackets: the longest answers and requests fit the smallest packets. // 6525-5.2.1-a
func TestReconfigSmallPackets(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MTU: 512})
	names := make([]uint16, maxResetNames)
	for i := range names {
		names[i] = uint16(i)
	}
	tc.send(Message{Stream: 0, Payload: payload(10)})
	tc.want("", "DATA tsn=0")
	tc.write(sack{cum: 0})
	tc.write(reconfigChunk(func(b []byte, n int) []byte {
		b = wire.AppendOutReset(b, n, wire.OutReset{
			ReqSeq: wire.ReqSeq(tc.peerTSN), RespSeq: wire.ReqSeq(tc.localTSN.Add(-1)), LastTSN: tc.peerTSN.Add(-1),
		}, names)
		return wire.AppendInReset(b, n, wire.ReqSeq(tc.peerTSN.Add(1)), names)
	}))
	tc.want("a result", "RE-CONFIG response req=0 result=1")
	if got := tc.wantPackets("a request and a SACK", 2); !strings.HasPrefix(got[0], "RE-CONFIG out-reset req=0 resp=1 last=0 streams=0,1,") {
		t.Fatal(got)
	}
}

// TestPeerAddsStreams: within our limit, with no request twice. // 6525-5.2.5-a
func TestPeerAddsStreams(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1, InboundStreams: 20})
	tc.peerStreams = 10
	tc.connect()
	tc.write(data{tsn: 0, sid: 12, flags: whole, payload: "x"})
	tc.want("no such stream", "ERROR cause=1", "SACK cum=0")
	add := tc.addStreams(wire.ParamAddOutStreams, 0, 5)
	tc.write(add)
	tc.want("granted", "RE-CONFIG response req=0 result=1", "SACK")
	tc.wantEvent("told", EventStreamsAdded)
	tc.write(add)
	tc.want("the same answer", "RE-CONFIG response req=0 result=1", "SACK")
	tc.write(data{tsn: 1, sid: 14, flags: whole, payload: "x"}, data{tsn: 2, sid: 15, flags: whole, payload: "y"})
	tc.want("five are added, once", "ERROR cause=1")
	tc.wantRead("the last", 14, "x")
	tc.advance(time.Second)
	tc.want("late", "SACK cum=2")
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 1, 6))
	tc.want("too many", "RE-CONFIG response req=1 result=2", "SACK")
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 2, 65535))
	tc.want("many too many", "RE-CONFIG response req=2 result=2", "SACK")
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 3, 0))
	tc.want("none", "RE-CONFIG response req=3 result=0", "SACK")
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 4, 5))
	tc.want("up to the limit", "RE-CONFIG response req=4 result=1", "SACK")
	if n := tc.a.InboundStreams(); n != 20 {
		t.Fatalf("%d streams", n)
	}
}

// TestPeerAsksForStreams: the answer is our request; the result follows. // 6525-5.2.5-a
func TestPeerAsksForStreams(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1, OutboundStreams: 30})
	tc.peerStreams = 10
	tc.connect()
	tc.write(tc.addStreams(wire.ParamAddInStreams, 0, 5))
	tc.want("granted", "RE-CONFIG add-out req=0 n=5", "SACK")
	tc.write(tc.addStreams(wire.ParamAddInStreams, 0, 5))
	tc.want("the same", "RE-CONFIG add-out req=0 n=5", "SACK")
	tc.write(tc.addStreams(wire.ParamAddInStreams, 1, 16))
	tc.want("with those on the way too many", "RE-CONFIG response req=1 result=2", "SACK")
	tc.write(tc.addStreams(wire.ParamAddInStreams, 2, 1))
	tc.want("one at a time", "RE-CONFIG response req=2 result=4", "SACK")
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.want("for a peer that does not count our request as an answer", "RE-CONFIG response req=0 result=1")
	tc.wantEvent("told", EventStreamsAdded)
	if n := tc.a.OutboundStreams(); n != 15 {
		t.Fatalf("%d streams", n)
	}
	tc.write(tc.addStreams(wire.ParamAddInStreams, 3, 0))
	tc.want("none", "RE-CONFIG response req=3 result=0", "SACK")
}

// TestBothAddStreams: both requests for streams in one chunk. // 6525-3.1-a
func TestBothAddStreams(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1})
	tc.peerStreams = 10
	tc.connect()
	tc.write(reconfigChunk(func(b []byte, n int) []byte {
		b = wire.AppendAddStreams(b, n, wire.ParamAddOutStreams, wire.AddStreams{ReqSeq: wire.ReqSeq(tc.peerTSN), Count: 1})
		return wire.AppendAddStreams(b, n, wire.ParamAddInStreams, wire.AddStreams{ReqSeq: wire.ReqSeq(tc.peerTSN.Add(1)), Count: 2})
	}))
	tc.want("answered by a result and a request", "RE-CONFIG response req=0 result=1", "RE-CONFIG add-out req=0 n=2", "SACK")
	tc.write(tc.response(0, wire.ResultPerformed))
	if in, out := tc.a.InboundStreams(), tc.a.OutboundStreams(); in != 11 || out != 12 {
		t.Fatalf("%d and %d streams", in, out)
	}
}

// TestPeerResetsAssociation: performed when allowed and nothing is outstanding: the
// peer's TSNs jump, ours go on, SSNs begin at 0. // 6525-5.2.4-a 6525-4.4-a
func TestPeerResetsAssociation(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, PeerReconfig: ReconfigPolicy{AllowAssociationReset: true}})
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "a"})
	tc.write(data{tsn: 1, sid: 3, ssn: 2, flags: whole, payload: "c"})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.wantPackets("before", 2)
	tc.write(tc.tsnReset(0))
	tc.want("not while DATA is outstanding", "RE-CONFIG response req=0 result=4", "SACK")
	tc.write(sack{cum: 0})
	tc.write(tc.tsnReset(0))
	tc.want("that was the answer", "RE-CONFIG response req=0 result=4", "SACK")
	tc.events = nil
	tc.write(tc.tsnReset(1))
	tc.want("performed", "RE-CONFIG response req=1 result=1 sender=1 receiver=2", "SACK")
	tc.wantEvent("told", EventAssociationReset)
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("our TSNs go on", "DATA tsn=1 sid=1 ssn=0")
	tc.write(tc.tsnReset(1))
	tc.want("the same answer, and nothing done", "RE-CONFIG response req=1 result=1 sender=1 receiver=2", "SACK")
	tc.write(data{tsn: 2, sid: 3, ssn: 3, flags: whole, payload: "old"})
	tc.want("a TSN of before is nothing", "SACK")
	tc.peerTSN = tc.peerTSN.Opposite()
	tc.write(data{tsn: 2, sid: 3, ssn: 0, flags: whole | wire.FlagImmediate, payload: "new"})
	tc.want("a TSN of after", "SACK cum=2")
	tc.wantRead("what waited for what is gone is free", 3, "a", "c", "new")
}

// TestPeerReconfigPolicy: what is denied, and by default an association reset. // 6525-6-a 6525-5.2.1-a
func TestPeerReconfigPolicy(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, PeerReconfig: ReconfigPolicy{DenyResets: true, DenyStreams: true}})
	for i, request := range []written{
		tc.inReset(0, 1), tc.tsnReset(1), tc.addStreams(wire.ParamAddOutStreams, 2, 1), tc.addStreams(wire.ParamAddInStreams, 3, 1),
	} {
		tc.write(request)
		tc.want("denied", fmt.Sprintf("RE-CONFIG response req=%d result=2", i), "SACK")
	}
	tc.write(tc.outReset(4, -1, 1))
	tc.want("always granted", "RE-CONFIG response req=4 result=1", "SACK")
	tc.wantEvent("performed", EventStreamReset)
	if tc.hasEvent(EventStreamResetAsked) || tc.hasEvent(EventStreamsAdded) {
		t.Fatal("granted")
	}
}

// TestSetPeerReconfig: the policy can change. // 6525-5.2.1-a
func TestSetPeerReconfig(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, InboundStreams: 100})
	tc.a.SetPeerReconfig(ReconfigPolicy{DenyStreams: true})
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 0, 1))
	tc.want("denied", "RE-CONFIG response req=0 result=2", "SACK")
	tc.a.SetPeerReconfig(ReconfigPolicy{InboundStreams: 101})
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 1, 1))
	tc.want("granted", "RE-CONFIG response req=1 result=1", "SACK")
}

// TestReconfigFormats: combinations that do not exist are reported, malformed requests
// refused. // 6525-3.1-a 6525-5.2.1-a
func TestReconfigFormats(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	req := func(i int) wire.ReqSeq { return wire.ReqSeq(tc.peerTSN.Add(i)) }
	for _, bad := range []written{
		chunk{t: wire.TypeReconfig},
		reconfigChunk(func(b []byte, n int) []byte {
			return wire.AppendTSNReset(wire.AppendTSNReset(b, n, req(4)), n, req(5))
		}),
		reconfigChunk(func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamStateCookie, nil) }),
	} {
		tc.write(bad)
		tc.want("no such chunk", "ERROR cause=13")
	}
	for i, kind := range []wire.ParamType{wire.ParamOutReset, wire.ParamInReset, wire.ParamAddOutStreams} {
		tc.write(reconfigChunk(func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, kind, append([]byte{0, 0, 0, byte(tc.peerTSN) + byte(i)}, 1))
		}))
		tc.want("malformed", fmt.Sprintf("RE-CONFIG response req=%d result=2", i), "SACK")
	}
	tc.wantState("nothing happened", Established)
}

// TestReconfigRestart: a restart forgets requests in both directions, and streams that were added. // 9260-5.2.4-c
func TestReconfigRestart(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1})
	tc.peerStreams = 10
	tc.connect()
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.check(tc.a.RequestReset(tc.now, 3))
	tc.check(tc.a.AddStreams(tc.now, 4, 4))
	tc.write(tc.inReset(0, 1))
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 1, 5))
	tc.sent = nil
	tc.peerRestarts()
	tc.sent = nil
	if in, out := tc.a.InboundStreams(), tc.a.OutboundStreams(); in != 10 || out != 10 {
		t.Fatalf("%d and %d streams", in, out)
	}
	tc.wantIdle("nothing is asked")
	tc.advance(5 * time.Second)
	tc.wantIdle("nothing waits")
	tc.check(tc.a.RequestReset(tc.now, 3))
	tc.want("numbers begin anew", "RE-CONFIG in-reset req=0 streams=3")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("no reset is pending", "DATA tsn=0 sid=1 ssn=0")
}
