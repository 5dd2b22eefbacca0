package sctp

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// handOver hands the association of tc over, and goes on with the one resumed.
func (tc *testConn) handOver(cfg Config) {
	tc.t.Helper()
	tc.drain()
	tc.wantIdle("before a handover")
	tc.events = nil
	old := tc.a
	state, err := old.Handover(tc.now)
	if err != nil {
		tc.t.Fatal(err)
	}
	tc.wantEvent("the old one has ended", EventClosed)
	tc.wantSilent(old)
	cfg.Seed, cfg.MaxMTU = [32]byte{99}, -1
	if tc.a, err = Resume(tc.now, cfg, state); err != nil {
		tc.t.Fatal(err)
	}
	tc.wantEvent("the new one is established", EventConnected)
	tc.wantState("at once", Established)
}

// wantSilent lets chunks of all kinds come for an association, which wants nothing.
func (tc *testConn) wantSilent(a *Association) {
	tc.t.Helper()
	now := tc.a
	defer func() { tc.a = now }()
	tc.a = a
	for _, c := range []written{
		data{tsn: 0, flags: whole, payload: "x"}, sack{cum: 0}, tc.init(), tc.initAck(), tc.cookieEcho(),
		chunk{t: wire.TypeCookieAck}, heartbeatChunk(wire.TypeHeartbeat, []byte("info")), shutdownChunk{0},
		chunk{t: wire.TypeShutdownAck}, causeChunk(wire.TypeAbort, 0, wire.CauseUserAbort, ""),
	} {
		tc.write(c)
	}
	tc.advance(time.Hour)
	tc.wantIdle("an association that was handed over")
	tc.wantNoEvent("and it reports nothing")
	if _, on := a.Timeout(); on {
		tc.t.Error("a timer of it runs")
	}
	if err := a.Send(tc.now, Message{Payload: payload(1)}); err != ErrClosed {
		tc.t.Errorf("Send: %v", err)
	}
	if _, _, err := a.Read(tc.now, 0, nil); err != ErrHandedOver {
		tc.t.Errorf("Read: %v", err)
	}
	var notReady *HandoverError
	if _, err := a.Handover(tc.now); !errors.As(err, &notReady) || notReady.Obstacles != ObstacleEnding {
		tc.t.Errorf("Handover again: %v", err)
	}
}

// TestHandover: numbers go on where they were, in both directions. // DCSCTP-handover
func TestHandover(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.send(Message{Stream: 9, Payload: payload(10)})
	tc.wantPackets("three messages", 3)
	tc.write(data{tsn: 0, sid: 4, flags: whole, payload: "a"}, data{tsn: 1, sid: 4, ssn: 1, flags: whole, payload: "b"}, sack{cum: 2})
	tc.want("acknowledged", "SACK cum=1")
	tc.wantRead("what came", 4, "a", "b")
	tc.a.SetBufferedAmountLowThreshold(9, 5)
	tc.a.SetTotalBufferedAmountLowThreshold(7)
	tc.a.SetStreamPriority(1000, 3)
	tc.handOver(Config{})

	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("the next TSN and SSN", "DATA tsn=3 sid=1 ssn=2")
	tc.send(Message{Stream: 9, Payload: payload(10)})
	tc.want("of each stream", "DATA tsn=4 sid=9 ssn=1")
	tc.events = nil
	tc.write(sack{cum: 2}, sack{cum: 2})
	tc.wantIdle("an old SACK says nothing")
	tc.write(sack{cum: 4})
	tc.write(data{tsn: 0, sid: 4, flags: whole, payload: "a"})
	tc.want("a duplicate is one still", "SACK cum=1 gaps= dups=0")
	tc.write(data{tsn: 2, sid: 4, ssn: 2, flags: whole, payload: "c"})
	tc.advance(time.Second)
	tc.want("acknowledged", "SACK cum=2")
	tc.wantRead("in its turn", 4, "c")
	if o := &tc.a.out; o.stream(9).threshold != 5 || o.stream(9).priority != DefaultPriority || o.stream(1000).priority != 3 || o.allLow != 7 {
		t.Error("a threshold or priority is lost")
	}
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("extensions are in force", "RE-CONFIG out-reset req=0 resp=-1 last=4 streams=1")
}

// TestHandoverTwice hands an association over again and again.
func TestHandoverTwice(t *testing.T) {
	tc := newConnected(t, Config{})
	for i := range 5 {
		tc.send(Message{Stream: 1, Payload: payload(10)})
		tc.wantPackets("a message", 1)
		tc.write(sack{cum: i}, data{tsn: i, sid: 4, ssn: wire.SSN(i), flags: whole, payload: "a"})
		tc.wantRead("the peer's", 4, "a")
		tc.advance(time.Second)
		tc.sent = nil
		tc.handOver(Config{})
	}
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("five went before", "DATA tsn=5 sid=1 ssn=5")
}

// TestHandoverAfterResets: numbers of requests go on, and a repeated request gets the
// answer that it got.
func TestHandoverAfterResets(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.wantPackets("a message", 1)
	tc.write(sack{cum: 0})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("reset", "RE-CONFIG out-reset req=0 resp=-1 last=0 streams=1")
	respond := func(seq int) written {
		return reconfigChunk(func(b []byte, n int) []byte {
			return wire.AppendReconfigResponse(b, n, wire.ReconfigResponse{RespSeq: wire.ReqSeq(tc.localTSN) + wire.ReqSeq(seq), Result: wire.ResultPerformed})
		})
	}
	ask := func(seq int) written {
		return reconfigChunk(func(b []byte, n int) []byte {
			return wire.AppendOutReset(b, n, wire.OutReset{ReqSeq: wire.ReqSeq(tc.peerTSN) + wire.ReqSeq(seq), LastTSN: tc.peerTSN.Add(-1)}, []uint16{2})
		})
	}
	tc.write(respond(0))
	tc.write(ask(0))
	tc.want("the peer's reset", "RE-CONFIG response req=0 result=1", "SACK")
	tc.wantRead("is an end", 2, io.EOF.Error())
	tc.handOver(Config{})
	tc.write(ask(0))
	tc.want("answered as before", "RE-CONFIG response req=0 result=1", "SACK")
	tc.wantNoEvent("and not performed again") // PIONS-3
	tc.write(ask(1))
	tc.want("the next one", "RE-CONFIG response req=1 result=1", "SACK")
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("a stream begins anew", "DATA tsn=1 sid=1 ssn=0")
	tc.write(sack{cum: 1})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("the next number", "RE-CONFIG out-reset req=1 resp=1 last=1 streams=1")
}

// TestHandoverResetPause: two SSN/TSN resets keep their distance (RFC 6525, section 5.1.4).
func TestHandoverResetPause(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.want("asked", "RE-CONFIG tsn-reset req=0")
	tc.write(tc.tsnResponse(0, 0, tc.localTSN))
	if !tc.hasEvent(EventAssociationReset) {
		t.Fatal("not reset")
	}
	tc.sent, tc.events = nil, nil
	for range 2 {
		tc.now = tc.now.Add(minResetPause/2 - 1)
		state, err := tc.a.Handover(tc.now)
		if err != nil {
			t.Fatal(err)
		}
		if tc.a, err = Resume(tc.now, Config{Seed: [32]byte{5}, HeartbeatInterval: -1, MaxMTU: -1}, state); err != nil {
			t.Fatal(err)
		}
		tc.wantErr("too soon", tc.a.ResetAssociation(tc.now), ErrResetTooSoon)
		tc.drain()
		tc.events, tc.sent = nil, nil
	}
	tc.now = tc.now.Add(2 * time.Millisecond)
	tc.check(tc.a.ResetAssociation(tc.now))
}

// TestHandoverDelayedSack: an acknowledgement that waits is not forgotten.
func TestHandoverDelayedSack(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("the first at once", "SACK cum=0")
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "y"})
	tc.wantIdle("the second later")
	tc.wantRead("read", 0, "x", "y")
	tc.handOver(Config{})
	tc.want("by the new one", "SACK cum=1")
}

// TestHandoverZeroChecksum, and a peer that restarts later.
func TestHandoverZeroChecksum(t *testing.T) {
	cfg := Config{ZeroChecksum: DTLSDetection}
	tc := newTestConn(t, cfg)
	tc.acceptsZero(DTLSDetection)
	tc.connect()
	tc.handOver(cfg)
	tc.send(Message{Payload: payload(3)})
	tc.want("no checksum", "zero checksum", "DATA tsn=0")
	tc.zeroWrites = true
	tc.write(sack{cum: 0})
	if tc.a.sent.span() != 0 {
		t.Error("a packet without a checksum was dropped")
	}
	tc.zeroWrites = false
	tc.peerTag, tc.peerTSN = 0xABCD, 500
	tc.write(tc.init())
	tc.want("a restart", "INIT ACK")
	tc.events = nil
	tc.write(tc.cookieEcho())
	tc.want("is possible", "zero checksum", "COOKIE ACK") // with the Tie-Tags of before
	tc.wantEvent("as ever", EventRestarted)
}

// TestHandoverDuringRestart: the cookie that was given before comes back after.
func TestHandoverDuringRestart(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.peerTag, tc.peerTSN = 0xABCD, 500
	tc.write(tc.init())
	tc.want("answered", "INIT ACK")
	echo, tag := tc.cookieEcho(), tc.localTag
	tc.localTag = tc.a.id.localTag
	state, err := tc.a.Handover(tc.now)
	if err != nil {
		t.Fatal(err)
	}
	if tc.a, err = Resume(tc.now, Config{Seed: [32]byte{5}, MaxMTU: -1}, state); err != nil {
		t.Fatal(err)
	}
	tc.wantEvent("established", EventConnected)
	tc.writeTag(tag, echo)
	tc.want("the new one knows the cookie", "COOKIE ACK")
	tc.wantEvent("a restart", EventRestarted)
}

// TestHandoverObstacles: each keeps the association, says so, and changes nothing. // DCSCTP-handover
func TestHandoverObstacles(t *testing.T) {
	quiet := Config{HeartbeatInterval: -1}
	connected := func(t *testing.T) *testConn { return newConnected(t, quiet) }
	tests := []struct {
		want  HandoverObstacles
		setup func(t *testing.T) *testConn
	}{
		{ObstacleHandshake, func(t *testing.T) *testConn { return newTestConn(t, quiet) }},
		{ObstacleHandshake, func(t *testing.T) *testConn {
			tc := newTestConn(t, quiet)
			tc.a.Connect(tc.now)
			tc.drain()
			return tc
		}},
		{ObstacleHandshake, func(t *testing.T) *testConn { return newByToken(t, quiet) }},
		{ObstacleEnding, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.a.Shutdown(tc.now)
			tc.drain()
			return tc
		}},
		{ObstacleEnding, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.a.Abort(tc.now, "")
			tc.drain()
			return tc
		}},
		{ObstacleSending, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.send(Message{Payload: payload(10)})
			return tc
		}},
		{ObstacleSending, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.write(sack{cum: -1, closed: true})
			tc.a.Send(tc.now, Message{Payload: payload(10)})
			return tc
		}},
		{ObstacleUnread, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.write(data{tsn: 0, flags: whole, payload: "x"})
			return tc
		}},
		{ObstacleUnread, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.write(reconfigChunk(func(b []byte, n int) []byte {
				return wire.AppendOutReset(b, n, wire.OutReset{ReqSeq: wire.ReqSeq(tc.peerTSN), LastTSN: tc.peerTSN.Add(-1)}, []uint16{2})
			}))
			return tc
		}},
		{ObstacleUnread | ObstacleMissing, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.write(data{tsn: 1, flags: whole, payload: "x"})
			return tc
		}},
		{ObstacleUnread | ObstacleMissing, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.write(data{tsn: 0, flags: wire.FlagBegin, payload: "x"})
			return tc
		}},
		{ObstacleReconfig, func(t *testing.T) *testConn {
			tc := connected(t)
			if err := tc.a.ResetStreams(tc.now, 3); err != nil {
				t.Fatal(err)
			}
			tc.drain()
			return tc
		}},
		{ObstaclePackets, func(t *testing.T) *testConn {
			tc := connected(t)
			tc.a.HandlePacket(tc.now, 0, tc.packet(heartbeatChunk(wire.TypeHeartbeat, []byte("info"))))
			return tc
		}},
		{ObstaclePackets, func(t *testing.T) *testConn {
			tc := connected(t)
			b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, 0)
			b = tc.init().append(tc, b)
			wire.SetChecksum(b)
			tc.a.HandlePacket(tc.now, 0, b)
			return tc
		}},
		{ObstaclePackets, func(t *testing.T) *testConn {
			tc := newECN(t, quiet)
			tc.send(Message{Payload: payload(10)})
			tc.write(sack{cum: 0})
			tc.sent = nil
			tc.a.HandlePacket(tc.now, 0, tc.packet(ecne(tc, 0, 1))) // the CWR
			return tc
		}},
	}
	for _, tt := range tests {
		t.Run(tt.want.String(), func(t *testing.T) {
			tc := tt.setup(t)
			tc.events = nil
			if got := tc.a.HandoverObstacles(); got != tt.want {
				t.Fatalf("obstacles: %v, want %v", got, tt.want)
			}
			var notReady *HandoverError
			if b, err := tc.a.Handover(tc.now); b != nil || !errors.As(err, &notReady) || notReady.Obstacles != tt.want {
				t.Fatalf("Handover: %x, %v", b, err)
			}
			tc.wantNoEvent("nothing has changed")
		})
	}
	t.Run("events", func(t *testing.T) {
		tc := connected(t)
		tc.a.events.push(Event{Kind: EventPathUp})
		if got := tc.a.HandoverObstacles(); got != ObstacleEvents {
			t.Fatalf("obstacles: %v", got)
		}
		tc.drain()
		tc.a.paths.primary().down = true
		if got := tc.a.HandoverObstacles(); got != ObstaclePath {
			t.Fatalf("obstacles: %v", got)
		}
	})
	if got := HandoverObstacles(0).String(); got != "none" {
		t.Error(got)
	}
}

// packet returns a packet of these chunks with the tag that the association expects.
func (tc *testConn) packet(chunks ...written) []byte {
	b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tc.localTag)
	for _, c := range chunks {
		b = c.append(tc, b)
	}
	wire.SetChecksum(b)
	return b
}

// handoverExample returns a state with something in every list.
func handoverExample(t testing.TB) []byte {
	t.Helper()
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for _, id := range []uint16{5, 700, 65534} {
		tc.send(Message{Stream: id, Payload: payload(10)})
	}
	tc.wantPackets("messages", 3)
	tc.write(data{tsn: 0, sid: 4, flags: whole, payload: "a"}, sack{cum: 2})
	tc.wantRead("what came", 4, "a")
	tc.drain()
	state, err := tc.a.Handover(tc.now)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TestHandoverBytes: the same association gives the same bytes.
func TestHandoverBytes(t *testing.T) {
	state := handoverExample(t)
	if again := handoverExample(t); !bytes.Equal(state, again) {
		t.Errorf("%x and %x", state, again)
	}
}

// TestResumeRefuses: what is not a state, is cut off, or is of another configuration.
func TestResumeRefuses(t *testing.T) {
	state := handoverExample(t)
	now := time.Unix(5, 0)
	seed := [32]byte{8}
	refused := func(desc string, cfg Config, b []byte) {
		t.Helper()
		cfg.Seed = seed
		var bad *ResumeError
		if _, err := Resume(now, cfg, b); !errors.As(err, &bad) {
			t.Errorf("%s: %v", desc, err)
		}
	}
	for n := range state {
		refused("cut off", Config{}, state[:n])
	}
	refused("longer", Config{}, append(bytes.Clone(state), 0))
	other := bytes.Clone(state)
	other[len(handoverMagic)-1]++
	refused("another version", Config{}, other)
	refused("other streams", Config{OutboundStreams: 5}, state)
	refused("other streams", Config{InboundStreams: 5}, state)
	refused("another checksum", Config{ZeroChecksum: DTLSDetection}, state)
	var bad *ConfigError
	if _, err := Resume(now, Config{MTU: 1}, state); !errors.As(err, &bad) {
		t.Errorf("a bad configuration: %v", err)
	}
	if _, err := Resume(now, Config{Seed: seed, LocalPort: 1, MTU: 600, ReceiveBuffer: 5000, SendBuffer: 1}, state); err != nil {
		t.Errorf("another size: %v", err)
	}
}

// FuzzResume: no bytes do harm, and those that are a state make an association that
// works and can be handed over again, to the same bytes.
func FuzzResume(f *testing.F) {
	f.Add(handoverExample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		tc := newTestConn(t, Config{HeartbeatInterval: -1})
		a, err := Resume(tc.now, Config{Seed: [32]byte{1}, HeartbeatInterval: -1}, b)
		if err != nil {
			return
		}
		tc.a, tc.localTag = a, a.id.localTag
		tc.drain()
		if o := a.HandoverObstacles(); o != 0 {
			t.Fatalf("obstacles of a resumed association: %v", o)
		}
		if a.OutboundStreams() > 0 {
			tc.send(Message{Payload: payload(3000)})
		}
		tc.advance(time.Minute)
		a.Abort(tc.now, "")
		tc.drain()
		if a, err = Resume(tc.now, Config{Seed: [32]byte{1}, HeartbeatInterval: -1}, b); err != nil {
			t.Fatal(err)
		}
		tc.a = a
		tc.drain()
		again, err := a.Handover(tc.now)
		if err != nil || len(again) > len(b) {
			t.Fatalf("handed over again: %x, %v", again, err)
		}
	})
}
