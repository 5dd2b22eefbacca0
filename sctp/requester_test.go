package sctp

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// check fails the test on an error.
func (tc *testConn) check(err error) {
	tc.t.Helper()
	if err != nil {
		tc.t.Fatal(err)
	}
	tc.drain()
}

// wantErr wants an error that is target.
func (tc *testConn) wantErr(why string, err, target error) {
	tc.t.Helper()
	if !errors.Is(err, target) {
		tc.t.Fatalf("%s: %v, want %v", why, err, target)
	}
}

// wantRefused wants an event with a *ReconfigError.
func (tc *testConn) wantRefused(why string, kind EventKind, request ReconfigRequest, result wire.ReconfigResult) {
	tc.t.Helper()
	var re *ReconfigError
	if e := tc.wantEvent(why, kind); !errors.As(e.Err, &re) || *re != (ReconfigError{request, uint32(result)}) {
		tc.t.Fatalf("%s: %+v", why, e)
	}
}

// tsnResponse is the peer's response to SSN/TSN reset req of ours: sender counts from
// its initial TSN, receiver is that which our next DATA is to have.
func (tc *testConn) tsnResponse(req, sender int, receiver wire.TSN) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendReconfigResponse(b, n, wire.ReconfigResponse{
			RespSeq: wire.ReqSeq(tc.localTSN.Add(req)), Result: wire.ResultPerformed,
			HasTSNs: true, SenderNextTSN: tc.peerTSN.Add(sender), ReceiverNextTSN: receiver,
		})
	})
}

// TestRequestReset: the peer is asked to reset streams; its own request, naming ours,
// is answer enough. // 6525-5.1.1-a 6525-5.2.2-a
func TestRequestReset(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.check(tc.a.RequestReset(tc.now, 3, 4))
	tc.want("asked", "RE-CONFIG in-reset req=0 streams=3,4")
	tc.wantErr("asked already", tc.a.RequestReset(tc.now, 5, 4), ErrResetPending)
	tc.check(tc.a.RequestReset(tc.now, 5))
	tc.wantIdle("one request at a time")
	answer := func(req, resp int, streams ...uint16) written {
		return reconfigChunk(func(b []byte, n int) []byte {
			return wire.AppendOutReset(b, n, wire.OutReset{
				ReqSeq: wire.ReqSeq(tc.peerTSN.Add(req)), RespSeq: wire.ReqSeq(tc.localTSN.Add(resp)), LastTSN: tc.peerTSN.Add(-1),
			}, streams)
		})
	}
	tc.write(answer(0, 0, 9))
	tc.want("another reset, though it names our request", "RE-CONFIG response req=0 result=1", "SACK")
	if !tc.hasEvent(EventStreamReset) {
		t.Fatal("another stream was not reset")
	}
	tc.events = nil
	tc.write(answer(1, 0, 3, 4))
	tc.want("that is the one, and the next goes", "RE-CONFIG response req=1 result=1", "RE-CONFIG in-reset req=1 streams=5", "SACK")
	for _, id := range []uint16{3, 4} {
		if e := tc.wantEvent("performed", EventStreamReset); e.Stream != id {
			t.Fatalf("%+v", e)
		}
	}
	tc.events = nil
	tc.write(tc.response(1, wire.ResultInProgress))
	tc.wantNoEvent("not yet")
	tc.write(tc.response(1, wire.ResultPerformed))
	tc.wantNoEvent("it says that it will")
	tc.check(tc.a.RequestReset(tc.now, 5))
	tc.want("again", "RE-CONFIG in-reset req=2 streams=5")
	tc.write(tc.response(2, wire.ResultDenied))
	tc.wantRefused("denied", EventStreamResetRefused, IncomingReset, wire.ResultDenied)
	tc.check(tc.a.RequestReset(tc.now, 5))
	tc.want("it may be tried again", "RE-CONFIG in-reset req=3 streams=5")
	tc.write(tc.response(3, wire.ResultNothingToDo))
	tc.wantNoEvent("nothing to do is no refusal")
	tc.wantErr("no such stream", tc.a.RequestReset(tc.now, 1, 65535), ErrInvalidStream)
	tc.check(tc.a.RequestReset(tc.now, 1))
}

// TestAddStreams: more streams, after the peer has said yes. // 6525-4.2-a 6525-5.2.5-a 6525-5.2.7-a
func TestAddStreams(t *testing.T) {
	tc := newTestConn(t, Config{OutboundStreams: 10, InboundStreams: 20})
	tc.connect()
	tc.wantErr("beyond", tc.a.Send(tc.now, Message{Stream: 12, Payload: payload(1)}), ErrInvalidStream)
	tc.check(tc.a.AddStreams(tc.now, 2, 0))
	tc.want("asked", "RE-CONFIG add-out req=0 n=2")
	tc.check(tc.a.AddStreams(tc.now, 1, 3))
	tc.check(tc.a.AddStreams(tc.now, 4, 0))
	tc.wantErr("not yet", tc.a.Send(tc.now, Message{Stream: 10, Payload: payload(1)}), ErrInvalidStream)
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.want("what came later in one", "RE-CONFIG add-out req=1 n=5")
	tc.wantEvent("granted", EventStreamsAdded)
	if n := tc.a.OutboundStreams(); n != 12 {
		t.Fatalf("%d streams", n)
	}
	tc.send(Message{Stream: 11, Payload: payload(1)})
	tc.want("sequence numbers begin at 0", "DATA tsn=0 sid=11 ssn=0")
	tc.write(tc.response(1, wire.ResultDenied), sack{cum: 0})
	tc.want("the next", "RE-CONFIG add-in req=2 n=3")
	if tc.hasEvent(EventBufferedAmountLow); tc.a.OutboundStreams() != 12 {
		t.Fatal("denied, and yet there are more")
	}
}

// TestAddIncomingImplied: the peer adds streams, which may be its answer, and never gives another. // 6525-5.2.5-a
func TestAddIncomingImplied(t *testing.T) {
	tc := newTestConn(t, Config{InboundStreams: 20, HeartbeatInterval: -1, MaxRetransmits: 3})
	tc.peerStreams = 10
	tc.connect()
	tc.check(tc.a.AddStreams(tc.now, 0, 3))
	const request = "RE-CONFIG add-in req=0 n=3"
	tc.want("asked", request)
	tc.write(tc.addStreams(wire.ParamAddOutStreams, 0, 3))
	tc.want("granted", "RE-CONFIG response req=0 result=1", "SACK")
	tc.wantEvent("there they are", EventStreamsAdded)
	for range 3 {
		tc.advanceToTimer()
		tc.want("asked on", request)
	}
	tc.advanceToTimer()
	tc.wantIdle("that was the answer")
	tc.wantState("and no error", Established)
	tc.check(tc.a.AddStreams(tc.now, 0, 3))
	tc.want("the next", "RE-CONFIG add-in req=1 n=3")
	tc.write(tc.response(1, wire.ResultPerformed))
	tc.wantNoEvent("they come by a request of the peer")
}

// TestAddStreamsRefused: each way to be refused is reported.
func TestAddStreamsRefused(t *testing.T) {
	tc := newConnected(t, Config{OutboundStreams: 10, InboundStreams: 10})
	tc.check(tc.a.AddStreams(tc.now, 1, 1))
	tc.want("asked", "RE-CONFIG add-out req=0 n=1")
	tc.write(tc.response(0, wire.ResultNothingToDo))
	tc.wantRefused("nothing done is not what was wanted", EventReconfigFailed, AddOutgoing, wire.ResultNothingToDo)
	tc.want("the next", "RE-CONFIG add-in req=1 n=1")
	tc.write(tc.response(1, wire.ResultDenied))
	tc.wantRefused("denied", EventReconfigFailed, AddIncoming, wire.ResultDenied)
	for _, bad := range [][2]int{{-1, 1}, {1, -1}, {math.MaxUint16 - 9, 0}, {0, math.MaxUint16 - 9}, {math.MaxInt32, 0}} {
		tc.wantErr("too many", tc.a.AddStreams(tc.now, bad[0], bad[1]), ErrTooManyStreams)
	}
	tc.check(tc.a.AddStreams(tc.now, math.MaxUint16-10, 0))
	tc.wantErr("with those asked for", tc.a.AddStreams(tc.now, 1, 0), ErrTooManyStreams)
}

// TestResetAssociation: TSNs go on as the peer says, SSNs begin at 0, and what was
// to be sent waits. // 6525-5.2.4-a 6525-5.2.7-a 6525-4.4-a
func TestResetAssociation(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "a"})
	tc.want("first DATA", "SACK cum=0")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("before", "DATA tsn=0 sid=1 ssn=0")
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.wantErr("once", tc.a.ResetAssociation(tc.now), ErrResetPending)
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.wantIdle("waits for the acknowledgement, and new data with it")
	tc.write(sack{cum: 0})
	tc.want("nothing is outstanding", "RE-CONFIG tsn-reset req=0")
	tc.write(data{tsn: 1, sid: 3, ssn: 0, flags: whole, payload: "b"})
	tc.want("perhaps of after the reset: not taken", "SACK cum=0")
	tc.write(forwardTSN{cum: 2})
	tc.wantIdle("nor this")
	tc.advanceToTimer()
	tc.want("the same again", "RE-CONFIG tsn-reset req=0")
	far := tc.localTSN.Add(1).Opposite()
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantIdle("without TSNs it says nothing")
	tc.write(tc.tsnResponse(0, 1, far))
	if !tc.hasEvent(EventAssociationReset) {
		t.Fatal("not reported")
	}
	tc.localTSN = far // from here on TSNs count from there
	tc.want("what waited", "DATA tsn=0 sid=1 ssn=0")
	tc.write(data{tsn: 1, sid: 3, ssn: 0, flags: whole | wire.FlagImmediate, payload: "b"})
	tc.want("the peer sends it again", "SACK cum=1")
	tc.write(data{tsn: 2, sid: 3, ssn: 1, flags: whole, payload: "c"})
	tc.wantRead("messages are not affected", 3, "a", "b", "c")
	tc.sent = nil
	tc.write(sack{cum: -1})
	tc.write(sack{cum: 0})
	if tc.a.sent.span() != 0 {
		t.Fatal("not acknowledged")
	}
	tc.wantErr("too soon", tc.a.ResetAssociation(tc.now), ErrResetTooSoon)
	tc.advance(minResetPause)
	tc.check(tc.a.ResetAssociation(tc.now))
}

// TestResetAssociationRefused: all goes on as it was.
func TestResetAssociationRefused(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("before", "DATA tsn=0 sid=1 ssn=0")
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.write(sack{cum: 0})
	tc.want("asked", "RE-CONFIG tsn-reset req=0")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.write(tc.response(0, wire.ResultDenied))
	if tc.hasEvent(EventBufferedAmountLow); len(tc.events) == 0 {
		t.Fatal("not reported")
	}
	tc.wantRefused("denied", EventReconfigFailed, AssociationReset, wire.ResultDenied)
	tc.want("as before", "DATA tsn=1 sid=1 ssn=1")
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "a"})
	tc.want("DATA is taken again", "SACK cum=0")
}

// TestResetAssociationWithin: a message that was begun is finished first, one with a
// limit given up.
func TestResetAssociationWithin(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 1, Payload: payload(6000)})
	tc.send(Message{Stream: 2, Payload: payload(10), Reliability: lifetime(time.Millisecond)})
	n := len(tc.wantPackets("as the window allows", 4))
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.write(sack{cum: n - 1})
	tc.wantPackets("the rest of the message", 2)
	tc.advance(2 * time.Millisecond)
	tc.write(sack{cum: 5})
	tc.want("", "RE-CONFIG tsn-reset req=0")
}

// TestResetAssociationAtTheEnd: Shutdown waits for the answer to a request in flight, for
// the numbers of what the peer still sends depend on it.
func TestResetAssociationAtTheEnd(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.want("asked", "RE-CONFIG tsn-reset req=0")
	tc.check(tc.a.Shutdown(tc.now))
	tc.wantIdle("it may have been performed")
	tc.write(tc.tsnResponse(0, 0, tc.localTSN.Opposite()))
	tc.want("now", "SHUTDOWN")
}

// TestRequestOrder: requests go in the order in which they became possible, whatever
// their kind.
func TestRequestOrder(t *testing.T) {
	tc := newConnected(t, Config{OutboundStreams: 100, InboundStreams: 100})
	tc.check(tc.a.ResetStreams(tc.now, 1))
	tc.want("first", "RE-CONFIG out-reset req=0 resp=-1 last=-1 streams=1")
	tc.check(tc.a.AddStreams(tc.now, 5, 0))
	tc.check(tc.a.ResetStreams(tc.now, 2))
	tc.check(tc.a.RequestReset(tc.now, 7))
	tc.check(tc.a.ResetStreams(tc.now, 3))
	tc.check(tc.a.ResetAssociation(tc.now))
	for i, want := range []string{
		"RE-CONFIG add-out req=1 n=5", "RE-CONFIG out-reset req=2 resp=-1 last=-1 streams=2,3",
		"RE-CONFIG in-reset req=3 streams=7", "RE-CONFIG tsn-reset req=4",
	} {
		tc.write(tc.response(i, wire.ResultPerformed))
		tc.want("next", want)
	}
}

// TestWaitingIsNoError: after "in progress" a timeout counts for nothing, but a peer
// that then says nothing any more is found out (PIONS-7). // 6525-5.2.7-a
func TestWaitingIsNoError(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxRetransmits: 2, RTOMax: 2 * time.Second})
	tc.check(tc.a.ResetStreams(tc.now, 1))
	tc.want("request", "RE-CONFIG out-reset")
	tc.write(tc.response(0, wire.ResultInProgress))
	for range 3 {
		tc.advanceToTimer()
	}
	tc.wantState("the first does not count", Established)
	tc.advanceToTimer()
	tc.wantState("unreachable", Closed)
}
