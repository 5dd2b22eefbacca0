package sctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestRestOfAbort: behind an ABORT with the peer's tag nothing is processed, whatever
// the ABORT holds. // 9260-8.5-a 9260-3.3.7-a
func TestRestOfAbort(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.writeTag(testPeerTag, chunk{t: wire.TypeAbort, flags: wire.FlagT, value: []byte{0, 12, 0, 99}},
		data{tsn: 0, flags: whole, payload: "x"})
	tc.wantIdle("the packet has not our tag")
	tc.wantRead("and brings nothing", 0)
}

// TestAbortFitsPacket: a long reason is cut, and so is what an ABORT quotes; the
// length of a packet is a multiple of 4, that of the MTU need not be.
func TestAbortFitsPacket(t *testing.T) {
	for _, mtu := range []int{1188, 1189, 1190, 1191} {
		tc := newConnected(t, Config{MTU: mtu})
		tc.a.Abort(tc.now, string(payload(3000)))
		tc.want("cut", "ABORT")
		tc = newTestConn(t, Config{MTU: mtu})
		tc.peerParams = func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamHostName, payload(5000)) }
		tc.write(tc.init())
		tc.want("so is the host name", "ABORT")
	}
}

// TestOwnCookieAlwaysStale: a peer whose clock is broken is given up on. // 9260-5.2.6-a
func TestOwnCookieAlwaysStale(t *testing.T) {
	tc := inState(t, CookieEchoed)
	for range 8 {
		tc.write(causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\x00\x00\x01"))
		tc.want("from the start", "INIT")
		tc.write(tc.initAck())
		tc.want("the new cookie", "COOKIE ECHO")
	}
	tc.write(causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\x00\x00\x01"))
	if e := tc.wantEvent("the end", EventClosed); e.Err != ErrHandshakeTimeout {
		t.Fatal(e.Err)
	}
}

// TestShutdownOvertaken: a SHUTDOWN that a later SACK has overtaken still counts. // 9260-9.2-b
func TestShutdownOvertaken(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(1000)})
	tc.send(Message{Payload: payload(1000)})
	tc.wantPackets("two messages", 2)
	tc.write(sack{cum: 1})
	tc.write(shutdownChunk{cum: 0})
	tc.wantState("all is acknowledged", ShutdownAckSent)
}

// TestInitIsNoSignOfLife: in SHUTDOWN-ACK-SENT, INITs, which need no tag, do not keep
// the association. // 9260-9.2-d
func TestInitIsNoSignOfLife(t *testing.T) {
	tc := inState(t, ShutdownAckSent)
	for range 100 {
		if tc.advanceToTimer(); tc.a.State() == Closed {
			return
		}
		tc.write(tc.init())
		tc.sent = nil
	}
	t.Fatal("never ends")
}

// TestForwardTSNIsAnswered: a peer that acknowledges each FORWARD-TSN is there, even
// if all data is lost on its way. // 9260-8.1-a
func TestForwardTSNIsAnswered(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for i := range 30 {
		tc.send(Message{Payload: payload(1000), Reliability: rexmit(0)})
		tc.advanceToTimer()
		tc.write(sack{cum: i})
		tc.wantState("the peer answers", Established)
	}
}

// TestForwardTSNAtOnce: what is given up while a packet is filled is told in that
// packet, and so is the reset that waited for it. // 3758-3.5-b
func TestForwardTSNAtOnce(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	var buf [2000]byte
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: rexmit(0)})
	tc.want("sent once", "DATA tsn=0")
	at, _ := tc.a.Timeout()
	tc.a.HandleTimeout(at)
	if _, ok := tc.a.Transmit(at, buf[:0]); !ok {
		t.Fatal("the FORWARD-TSN waits for the next occasion")
	}
	tc.write(sack{cum: 0, closed: true})
	tc.send(Message{Stream: 1, Payload: payload(10), Reliability: lifetime(time.Second)})
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.wantIdle("the window is closed, and the reset waits")
	at, _ = tc.a.Timeout()
	at = at.Add(time.Second)
	tc.a.HandleTimeout(at)
	if _, ok := tc.a.Transmit(at, buf[:0]); !ok {
		t.Fatal("the reset waits for the next occasion")
	}
}

// TestTimedChunkAbandoned: round trips are measured on after the chunk that was
// timed has been given up. // 9260-6.3.1-b
func TestTimedChunkAbandoned(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Stream: 1, Payload: payload(1000), Reliability: rexmit(0)})
	for range 3 {
		tc.send(Message{Stream: 2, Payload: payload(1000)})
	}
	tc.wantPackets("the first is timed", 4)
	for end := uint16(2); end <= 4; end++ {
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: end}}})
	}
	tc.want("and lost", "FORWARD-TSN cum=0")
	tc.write(sack{cum: 3})
	before := tc.a.Stats().SRTT
	tc.send(Message{Stream: 2, Payload: payload(1000)})
	tc.advance(500 * time.Millisecond)
	tc.write(sack{cum: 4})
	if got := tc.a.Stats().SRTT; got == before {
		t.Fatalf("SRTT is still %v", got)
	}
}

// TestFastRetransmitRestartsT3: the first chunk that is outstanding has a whole RTO
// again. // 9260-7.2.4-b
func TestFastRetransmitRestartsT3(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1, LossDetection: MissIndications})
	for range 4 {
		tc.send(Message{Payload: payload(1000)})
	}
	tc.wantPackets("the window", 4)
	tc.advance(600 * time.Millisecond)
	for end := uint16(2); end <= 4; end++ {
		tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: end}}})
	}
	tc.want("fast retransmission", "DATA tsn=0")
	if d := tc.advanceToTimer(); d != tc.a.cfg.RTOInitial {
		t.Fatalf("T3-rtx expires %v later", d)
	}
}

// TestGapBlockBehindCumTSN: a peer that reports all by gap blocks and never moves the
// cumulative TSN does not stop the timers. // 9260-6.3.2-a
func TestGapBlockBehindCumTSN(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(1000)})
	tc.want("a message", "DATA tsn=0")
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 1, End: 1}}})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.advanceToTimer()
	tc.want("sent again", "DATA tsn=0")
	for range 20 {
		if tc.a.State() != Closed {
			tc.advanceToTimer()
		}
	}
	tc.wantState("at last the peer is given up", Closed)
}

// TestRestartIsWritable: what a writer waited for before a restart has come. // 9260-5.2.4-c DCSCTP-restart
func TestRestartIsWritable(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 50_000})
	tc.a.SetBufferedAmountLowThreshold(0, 100)
	tc.send(Message{Payload: payload(50_000)})
	if err := tc.a.Send(tc.now, Message{Payload: payload(1000)}); !errors.Is(err, ErrSendBufferFull) {
		t.Fatal(err)
	}
	tc.peerRestarts()
	tc.wantEvent("restart", EventRestarted)
	tc.wantEvent("the queue is empty", EventBufferedAmountLow)
	tc.wantEvent("and has room", EventWritable)
	tc.send(Message{Payload: payload(20_000)})
	for tc.a.Stats().UnackedDataChunks > 0 {
		tc.write(sack{cum: tc.a.sent.highest().Since(tc.localTSN)})
	}
	if !tc.hasEvent(EventBufferedAmountLow) {
		t.Fatal("the threshold was forgotten")
	}
}

// TestRestartGoesOnShuttingDown: a shutdown that was begun ends a restarted
// association too. // 9260-5.2.4-c 9260-9.2-a
func TestRestartGoesOnShuttingDown(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(10)})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("what is to be delivered first", "DATA tsn=0")
	tc.wantState("waiting for its SACK", ShutdownPending)
	tc.peerRestarts()
	tc.want("nothing is left", "COOKIE ACK", "SHUTDOWN cum=-1")
	tc.wantState("so the end goes on", ShutdownSent)
}

// TestRestartDuringPartialDelivery: the message being read is aborted, and the streams
// begin anew behind it. // 9260-5.2.4-c 9260-6.9-a
func TestRestartDuringPartialDelivery(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 4096})
	tc.write(data{tsn: 0, sid: 5, flags: wire.FlagBegin, payload: string(payload(1100))})
	tc.write(data{tsn: 1, sid: 5, payload: string(payload(1100))})
	tc.read(5)
	tc.write(data{tsn: 2, sid: 5, payload: string(payload(1100))})
	tc.write(data{tsn: 4, sid: 5, ssn: 1, flags: whole, payload: "x"})
	tc.peerRestarts()
	tc.write(data{tsn: 0, sid: 5, flags: whole, payload: "new"})
	tc.wantRead("anew", 5, ErrMessageAborted.Error(), "EOF", "new")
	if s := tc.a.Stats(); s.ReceiveBuffered != 0 {
		t.Fatalf("%d bytes are held", s.ReceiveBuffered)
	}
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
}

// peerRestarts goes through a restart of the peer.
func (tc *testConn) peerRestarts() {
	tc.t.Helper()
	tc.sent, tc.events = nil, nil
	tc.peerTag++
	tc.write(tc.init())
	tc.want("INIT ACK", "INIT ACK")
	tc.write(tc.cookieEcho())
}

// TestSmallMessagesAreNoBurst: Max.Burst is for full packets; small messages need not
// wait for the peer, and what is sent later is another opportunity. // 9260-6.1-c DCSCTP-retransmission
func TestSmallMessagesAreNoBurst(t *testing.T) {
	tc := newConnected(t, Config{})
	for range 20 {
		tc.send(Message{Payload: payload(10)})
	}
	tc.wantPackets("at once", 20)
	tc = newConnected(t, Config{LossDetection: MissIndications})
	tc.a.paths.primary().cc.init(100_000, testPMDCS)
	tc.send(Message{Payload: payload(20_000)})
	tc.wantPackets("a burst", 4)
	tc.advance(20 * time.Millisecond)
	tc.send(Message{Payload: payload(1000)})
	tc.wantPackets("the next", 4)
}

// TestProbeOfLargerMessage: a window too small for one message is not probed for
// smaller ones that fit. // 9260-6.1-a
func TestProbeOfLargerMessage(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.write(sack{cum: -1, window: 600})
	tc.send(Message{Payload: payload(1000)})
	tc.wantIdle("the window is too small")
	tc.advanceToTimer()
	tc.want("a probe", "DATA tsn=0")
	tc.write(sack{cum: 0, window: 600})
	for range 5 {
		if err := tc.a.Send(tc.now, Message{Payload: payload(100)}); err != nil {
			t.Fatal(err)
		}
	}
	tc.want("they go together", "DATA tsn=1", "DATA tsn=2", "DATA tsn=3", "DATA tsn=4", "DATA tsn=5")
}

// TestSillyWindow: a window too small for a packet is not offered. // 9260-6.2-d
func TestSillyWindow(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 8000})
	tc.write(data{tsn: 0, flags: whole, payload: string(payload(6812))})
	tc.want("room for a packet", "SACK cum=0 gaps= dups= rwnd=1188")
	tc.write(data{tsn: 1, sid: 1, flags: whole | wire.FlagImmediate, payload: "x"})
	tc.want("or none", "SACK cum=1 gaps= dups= rwnd=0")
	tc.read(0)
	tc.want("until there is", "SACK cum=1 gaps= dups= rwnd=7936")
}

// TestHugeWindow: a window of 4 GiB is no closed one where an int has 32 bits.
func TestHugeWindow(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(sack{cum: -1, window: 1<<32 - 1})
	if got := tc.a.Stats().PeerWindow; int32(got) <= 0 {
		t.Fatalf("PeerWindow is %d", got)
	}
}

// TestManyOrderedMessages: messages so far ahead that their sequence numbers look old
// are left to be sent again, not lost; nor are they sent. // 9260-6.1-d 9260-6.6-a
func TestManyOrderedMessages(t *testing.T) {
	tc := newConnected(t, Config{})
	for i := 1; i < 40_000; i += 10 {
		var chunks []written
		for j := range 10 {
			chunks = append(chunks, data{tsn: i + j, ssn: wire.SSN(i + j), flags: whole, payload: "x"})
		}
		tc.write(chunks...)
		tc.sent = nil
	}
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	acked := tc.a.tsns.cum.Since(tc.peerTSN) + 1
	read := 0
	for {
		var buf [1]byte
		if _, _, err := tc.a.Read(tc.now, 0, buf[:]); err != nil {
			break
		}
		read++
	}
	if read != acked || acked < 30_000 {
		t.Errorf("%d messages acknowledged, %d read", acked, read)
	}

	tc = tinyChunks(t, 40_000, false)
	if got := tc.a.sent.span(); got >= 1<<15 {
		t.Errorf("%d ordered messages outstanding", got)
	}
}

// tinyChunks is connected and has sent n messages of a byte, or as many as may be
// outstanding.
func tinyChunks(t testing.TB, n int, unordered bool) *testConn {
	t.Helper()
	tc := newConnected(t, Config{HeartbeatInterval: -1, MaxBurst: maxBurst, SendBuffer: 1 << 24})
	tc.a.paths.primary().cc.init(1<<28, testPMDCS)
	tc.a.window.advertised = 1 << 28
	for range n {
		if err := tc.a.Send(tc.now, Message{Payload: []byte{1}, Unordered: unordered}); err != nil {
			t.Fatal(err)
		}
	}
	tc.drop()
	return tc
}

// drop forgets what the association sends and reports.
func (tc *testConn) drop() {
	buf := make([]byte, 0, 1500)
	for {
		if _, ok := tc.a.Transmit(tc.now, buf); !ok {
			break
		}
	}
	for {
		if _, ok := tc.a.NextEvent(); !ok {
			break
		}
	}
}

// TestResetRepeatedUnderNewNumber: libwebrtc until 2025 numbers a request anew when
// told that it waits. It is one reset all the same. // 6525-5.2.2-a
func TestResetRepeatedUnderNewNumber(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 3, flags: whole, payload: "a"})
	tc.want("first DATA", "SACK cum=0")
	tc.write(tc.outReset(0, 1, 3))
	tc.want("in progress", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(tc.outReset(1, 1, 3))
	tc.want("the same is still in progress", "RE-CONFIG response req=1 result=6", "SACK")
	tc.write(data{tsn: 1, sid: 3, ssn: 1, flags: whole, payload: "b"})
	tc.want("performed", "RE-CONFIG response req=1 result=1")
	tc.advance(time.Second)
	tc.sent = nil
	tc.write(tc.outReset(2, 1, 3))
	tc.want("the answer crossed the repetition", "RE-CONFIG response req=2 result=1", "SACK cum=1")
	tc.wantRead("one reset", 3, "a", "b", "EOF")
	tc.write(tc.outReset(3, 1, 3))
	tc.want("a reset once more", "RE-CONFIG response req=3 result=1", "SACK cum=1")
	tc.wantRead("is another", 3, "EOF")
}

// TestTinyMessagesFillTheBuffer: what is held for them counts, not only their bytes.
func TestTinyMessagesFillTheBuffer(t *testing.T) {
	tc := newConnected(t, Config{SendBuffer: 64 << 10})
	n := 0
	for ; tc.a.Send(tc.now, Message{Payload: payload(1)}) == nil; n++ {
	}
	if n != 512 {
		t.Errorf("%d messages of a byte fill 64 KiB", n)
	}
	tc.drop()
	tc.write(sack{cum: 99})
	tc.wantEvent("there is room again", EventWritable)
	tc.drop()
	if s := tc.a.invariants(tc.now); s != "" {
		t.Error(s)
	}
}

// TestResetAllStreams does not take the square of their number.
func TestResetAllStreams(t *testing.T) {
	tc := newConnected(t, Config{})
	all := make([]uint16, 65535)
	for i := range all {
		all[i] = uint16(i)
	}
	all[0] = 65535
	if err := tc.a.ResetStreams(tc.now, all...); err != ErrInvalidStream {
		t.Fatal(err)
	}
	all[0] = 1
	if err := tc.a.ResetStreams(tc.now, all...); err != ErrResetPending {
		t.Fatal(err)
	}
	all[0] = 0
	if err := tc.a.ResetStreams(tc.now, all...); err != nil {
		t.Fatal(err)
	}
}
