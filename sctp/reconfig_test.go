package sctp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// outReset is an Outgoing SSN Reset Request of the peer; req, resp and last count
// from the initial TSNs of the sides that number them.
func (tc *testConn) outReset(req, last int, streams ...uint16) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendOutReset(b, n, wire.OutReset{
			ReqSeq: wire.ReqSeq(tc.peerTSN.Add(req)), RespSeq: wire.ReqSeq(tc.localTSN.Add(-1)), LastTSN: tc.peerTSN.Add(last),
		}, streams)
	})
}

// response is a Re-configuration Response of the peer to our request req.
func (tc *testConn) response(req int, result wire.ReconfigResult) written {
	return reconfigChunk(func(b []byte, n int) []byte {
		return wire.AppendReconfigResponse(b, n, wire.ReconfigResponse{RespSeq: wire.ReqSeq(tc.localTSN.Add(req)), Result: result})
	})
}

// TestResetOutgoing: the request goes out once all data was acknowledged, and the stream starts anew once it is performed. // 6525-5.1.1-a 6525-5.1.2-a 6525-5.2.7-a DCSCTP-stream-reset
func TestResetOutgoing(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("first message", "DATA tsn=0 sid=5 ssn=0")
	if err := tc.a.ResetStreams(tc.now, 5); err != nil {
		t.Fatal(err)
	}
	tc.wantIdle("the peer must not have to defer it")
	tc.write(sack{cum: 0})
	tc.want("the first request has the number of the initial TSN", "RE-CONFIG out-reset req=0 resp=-1 last=0 streams=5")
	if err := tc.a.Send(tc.now, Message{Stream: 5, Payload: payload(1)}); !errors.Is(err, ErrResetPending) {
		t.Fatalf("Send: %v", err)
	}
	if err := tc.a.ResetStreams(tc.now, 5); !errors.Is(err, ErrResetPending) {
		t.Fatalf("ResetStreams: %v", err)
	}
	tc.write(tc.response(0, wire.ResultPerformed))
	if e := tc.wantEvent("sent", EventBufferedAmountLow); e.Stream != 5 {
		t.Fatalf("%+v", e)
	}
	if e := tc.wantEvent("performed", EventStreamResetDone); e.Stream != 5 {
		t.Fatalf("%+v", e)
	}
	tc.send(Message{Stream: 5, Payload: payload(10)})
	tc.want("sequence numbers start anew", "DATA tsn=1 sid=5 ssn=0")
	if err := tc.a.ResetStreams(tc.now, 5); err != nil {
		t.Fatal(err)
	}
	tc.write(sack{cum: 1})
	tc.want("the next request has the next number", "RE-CONFIG out-reset req=1 resp=-1 last=1 streams=5")
}

// TestResetWaitsForData: data accepted before is sent first. // 8831-6.7-a
func TestResetWaitsForData(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 5, Payload: payload(8000)})
	n := len(tc.wantPackets("as the window allows", 4))
	if err := tc.a.ResetStreams(tc.now, 5, 6); err != nil {
		t.Fatal(err)
	}
	tc.write(sack{cum: n - 1})
	tc.want("what is ready goes", "RE-CONFIG out-reset req=0 resp=-1 last=3 streams=6", "DATA tsn=4")
	tc.wantPackets("the rest of the message", 2)
	tc.write(sack{cum: 6}, tc.response(0, wire.ResultPerformed))
	tc.want("one request at a time", "RE-CONFIG out-reset req=1 resp=-1 last=6 streams=5")
}

// TestResetRetransmission: the same request again, with backoff; the peer's "in
// progress" is no error. // 6525-5.1.1-a 6525-5.2.7-a
func TestResetRetransmission(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	const request = "RE-CONFIG out-reset req=0 resp=-1 last=-1 streams=1"
	tc.want("request", request)
	if d := tc.advanceToTimer(); d != time.Second {
		t.Fatalf("repeated after %v", d)
	}
	tc.want("repeated", request)
	if d := tc.advanceToTimer(); d != 2*time.Second {
		t.Fatalf("repeated after %v", d)
	}
	tc.want("repeated", request)
	for range 30 {
		tc.write(tc.response(0, wire.ResultInProgress))
		tc.advanceToTimer()
		tc.want("asked again", request)
	}
	tc.wantState("in progress is no error", Established)
	tc.write(tc.response(7, wire.ResultPerformed))
	tc.wantNoEvent("a response to something else is ignored")
	tc.write(tc.response(0, wire.ResultNothingToDo))
	tc.wantEvent("done", EventStreamResetDone)
	tc.write(tc.response(0, wire.ResultPerformed))
	tc.wantNoEvent("a duplicate response changes nothing")
}

// TestResetUnanswered: a peer that never answers is unreachable (PIONS-7). // 6525-5.1.1-a
func TestResetUnanswered(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, RTOMax: 2 * time.Second})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.advance(time.Minute)
	if n := len(tc.sent); n != 11 {
		t.Fatalf("%d requests, want 1 + Association.Max.Retrans", n)
	}
	tc.wantEvent("the path is down", EventPathDown)
	if e := tc.wantEvent("and the association", EventClosed); !errors.Is(e.Err, ErrPeerUnreachable) {
		t.Fatal(e.Err)
	}
}

// TestResetRefused reports each result that is not success.
func TestResetRefused(t *testing.T) {
	for _, result := range []wire.ReconfigResult{wire.ResultDenied, wire.ResultWrongSSN, wire.ResultAlreadyPending, wire.ResultBadSequence, 99} {
		tc := newConnected(t, Config{})
		if err := tc.a.ResetStreams(tc.now, 1); err != nil {
			t.Fatal(err)
		}
		tc.wantPackets("request", 1)
		tc.write(tc.response(0, result))
		e := tc.wantEvent("refused", EventStreamResetFailed)
		var re *ReconfigError
		if !errors.As(e.Err, &re) || re.Result != uint32(result) || e.Stream != 1 {
			t.Fatalf("%+v", e)
		}
		tc.send(Message{Stream: 1, Payload: payload(1)})
		tc.want("the stream goes on as it was", "DATA tsn=0 sid=1 ssn=0")
	}
}

// TestResetIncoming: what was received stays readable, and ends with io.EOF; the
// stream starts anew. // 6525-5.2.2-a
func TestResetIncoming(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "old"})
	tc.want("first DATA", "SACK cum=0")
	tc.write(tc.outReset(0, 0, 3))
	tc.want("performed", "RE-CONFIG response req=0 result=1", "SACK")
	tc.wantEvent("readable", EventReadable)
	if e := tc.wantEvent("reset", EventStreamReset); e.Stream != 3 {
		t.Fatalf("%+v", e)
	}
	tc.write(data{tsn: 1, sid: 3, ssn: 0, flags: whole, payload: "new"})
	tc.wantRead("in order, with the end of the old between", 3, "old", io.EOF.Error(), "new")
}

// TestResetIncomingRepeated: a request that comes again gets the same answer and
// does not reset the stream again (PIONS-3). // 6525-5.2.1-a
func TestResetIncomingRepeated(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "old"})
	tc.write(tc.outReset(0, 0, 3))
	tc.wantPackets("SACK and answer", 2)
	tc.write(data{tsn: 1, sid: 3, ssn: 0, flags: whole, payload: "new"})
	tc.write(tc.outReset(0, 0, 3))
	tc.want("the same answer", "RE-CONFIG response req=0 result=1", "SACK")
	tc.write(data{tsn: 2, sid: 3, ssn: 1, flags: whole, payload: "newer"})
	tc.wantRead("reset once", 3, "old", io.EOF.Error(), "new", "newer")
	tc.sent = nil
	tc.write(tc.outReset(5, 2, 3))
	tc.want("a number out of turn", "RE-CONFIG response req=5 result=5", "SACK")
	tc.write(tc.outReset(-9, 2, 3))
	tc.want("an old number", "RE-CONFIG response req=-9 result=5", "SACK")
	tc.write(data{tsn: 3, sid: 3, ssn: 2, flags: whole, payload: "newest"})
	tc.wantRead("not reset", 3, "newest")
}

// TestResetIncomingDeferred: a request that overtakes data waits for it. // 6525-5.2.2-a DCSCTP-stream-reset
func TestResetIncomingDeferred(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "a"})
	tc.want("first DATA", "SACK cum=0")
	tc.write(tc.outReset(0, 2, 3))
	tc.want("in progress", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(data{tsn: 2, sid: 3, ssn: 2, flags: whole, payload: "c"})
	tc.want("a gap", "SACK cum=0 gaps=2-2")
	tc.write(tc.outReset(0, 2, 3))
	tc.want("still in progress", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(data{tsn: 3, sid: 3, ssn: 0, flags: whole, payload: "too early"})
	tc.want("what is behind the reset is not taken before it", "SACK cum=0 gaps=2-2")
	tc.write(tc.outReset(1, 2, 4))
	tc.want("another waits, too", "RE-CONFIG response req=1 result=6", "SACK")
	tc.write(data{tsn: 1, sid: 3, ssn: 1, flags: whole, payload: "b"})
	tc.want("performed as soon as all is here", "RE-CONFIG response req=0 result=1 response req=1 result=1", "SACK cum=2")
	tc.write(data{tsn: 3, sid: 3, ssn: 0, flags: whole, payload: "new"})
	tc.wantRead("the reset is behind what was sent before it", 3, "a", "b", "c", io.EOF.Error(), "new")
}

// TestResetIncomingManyDeferred: to usrsctp "in progress" is as good as done, so that
// its next request follows. They are performed in order, and only so many held. // 6525-5.2.2-a
func TestResetIncomingManyDeferred(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 1, sid: 3, ssn: 1, flags: whole, payload: "b"})
	tc.want("a gap", "SACK cum=-1 gaps=2-2")
	for i := range maxDeferred {
		tc.write(tc.outReset(i, 1+i/4, 3+uint16(i)))
		tc.want("waits", fmt.Sprintf("RE-CONFIG response req=%d result=6", i), "SACK")
	}
	tc.write(tc.outReset(maxDeferred, 1, 100))
	tc.want("one too many", fmt.Sprintf("RE-CONFIG response req=%d result=4", maxDeferred), "SACK")
	tc.events = nil
	tc.write(data{tsn: 0, sid: 3, ssn: 0, flags: whole, payload: "a"})
	var got []uint16
	for _, e := range tc.events {
		if e.Kind == EventStreamReset {
			got = append(got, e.Stream)
		}
	}
	if !slices.Equal(got, []uint16{3, 4, 5, 6}) || len(tc.a.reconfig.peer.deferred) != maxDeferred-4 {
		t.Fatalf("reset %d, %d wait", got, len(tc.a.reconfig.peer.deferred))
	}

	tc = newConnected(t, Config{})
	names := make([]uint16, maxDeferredNames)
	for i := range names {
		names[i] = uint16(i)
	}
	tc.write(tc.outReset(0, 1, names...))
	tc.want("as many streams as it may name", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(tc.outReset(1, 2, 3))
	tc.want("one name too many", "RE-CONFIG response req=1 result=4", "SACK")
}

// TestResetIncomingAll: no streams listed means all that are in use. // 6525-4.1-a
func TestResetIncomingAll(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 3, flags: whole, payload: "x"}, data{tsn: 1, sid: 300, flags: whole, payload: "y"})
	tc.write(tc.outReset(0, 1))
	tc.wantRead("one", 3, "x", io.EOF.Error())
	tc.wantRead("the other", 300, "y", io.EOF.Error())
	tc.wantRead("none that was not used", 4)
	tc = newConnected(t, Config{})
	tc.send(Message{Stream: 9, Payload: payload(4)})
	tc.write(tc.outReset(0, -1))
	tc.wantRead("one on which only we have sent", 9, io.EOF.Error())
}

// TestResetIncomingBad: a stream that does not exist, and memory (CVE-2009-0065 class).
func TestResetIncomingBad(t *testing.T) {
	tc := newConnected(t, Config{InboundStreams: 10})
	tc.write(tc.outReset(0, -1, 3, 10))
	tc.want("refused as a whole", "RE-CONFIG response req=0 result=3", "SACK")
	tc.wantNoEvent("nothing was reset")
	for i := range 1000 {
		tc.write(tc.outReset(1+i, -1, 3))
	}
	tc.sent = nil
	n := 0
	var buf [16]byte
	for {
		if _, _, err := tc.a.Read(tc.now, 3, buf[:]); err != io.EOF {
			break
		}
		n++
	}
	if n != 1000 || tc.a.in.pool.in.n > 1 {
		t.Fatalf("%d resets, %d marks", n, tc.a.in.pool.in.n)
	}
}

// TestResetArguments: errors before any state changes.
func TestResetArguments(t *testing.T) {
	tc := newTestConn(t, Config{OutboundStreams: 10})
	if err := tc.a.ResetStreams(tc.now, 1); !errors.Is(err, ErrNotConnected) {
		t.Fatal(err)
	}
	tc.connect()
	for _, bad := range [][]uint16{{1, 10}, {1, 65535}} {
		if err := tc.a.ResetStreams(tc.now, bad...); !errors.Is(err, ErrInvalidStream) {
			t.Fatal(err)
		}
	}
	if err := tc.a.ResetStreams(tc.now, 1, 2, 1); !errors.Is(err, ErrResetPending) {
		t.Fatal(err)
	}
	tc.wantIdle("nothing was begun")
	if err := tc.a.ResetStreams(tc.now, 1, 2); err != nil {
		t.Fatal(err)
	}
	tc.want("one request for both", "RE-CONFIG out-reset req=0 resp=-1 last=-1 streams=1,2")
}

// TestResetManyStreams: a request never exceeds a packet. // DCSCTP-stream-reset
func TestResetManyStreams(t *testing.T) {
	tc := newConnected(t, Config{})
	ids := make([]uint16, 2000)
	for i := range ids {
		ids[i] = uint16(i)
	}
	if err := tc.a.ResetStreams(tc.now, ids...); err != nil {
		t.Fatal(err)
	}
	for req, done := 0, 0; done < len(ids); req++ {
		tc.wantPackets("one request at a time", 1)
		tc.write(tc.response(req, wire.ResultPerformed))
		for tc.hasEvent(EventStreamResetDone) {
			done++
		}
		if req > 10 {
			t.Fatal("no end")
		}
	}
	tc.wantIdle("all done")
}

// TestResetHoldsNothingUp: a stream is reset when all that was sent on it is
// acknowledged, the request goes when its Last Assigned TSN is; other streams go on. // 6525-5.1.2-a
func TestResetHoldsNothingUp(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(0)})
	tc.want("on the stream", "DATA tsn=0 sid=1 ssn=0")
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.send(Message{Stream: 2, Payload: payload(10), Reliability: rexmit(0)})
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.send(Message{Stream: 3, Payload: payload(10)})
	tc.wantPackets("further data goes", 3)
	tc.advanceToTimer()
	tc.want("reliable ones again, the others are abandoned", "FORWARD-TSN cum=1 streams=1:0,2:0", "DATA tsn=2", "DATA tsn=3")
	tc.write(sack{cum: 0})
	tc.wantIdle("a FORWARD-TSN that names the stream may still be on its way")
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.want("nothing waits for the reset", "DATA tsn=4 sid=2 ssn=2")
	tc.write(sack{cum: 3})
	tc.want("acknowledged up to where the reset was decided", "RE-CONFIG out-reset req=0 resp=-1 last=3 streams=1")
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.want("a request in flight stops nothing", "DATA tsn=5 sid=2 ssn=3 flags=BE")
	if err := tc.a.ResetStreams(tc.now, 3); err != nil {
		t.Fatal(err)
	}
	tc.write(sack{cum: 5}, tc.response(0, wire.ResultPerformed))
	tc.want("the next one", "RE-CONFIG out-reset req=1 resp=-1 last=5 streams=3")
}

// TestResetAsksForSACK: the last chunk of a stream that is to be reset asks for a SACK
// at once. // 7053-5-a
func TestResetAsksForSACK(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.send(Message{Stream: 2, Payload: payload(5000)})
	tc.wantPackets("as the window allows", 4)
	tc.send(Message{Stream: 1, Payload: payload(10)})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.write(sack{cum: 1})
	tc.want("the rest", "DATA tsn=4 sid=2 ssn=0 flags=E", "DATA tsn=5 sid=1 ssn=0 flags=IBE")
}
