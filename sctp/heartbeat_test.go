package sctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestHeartbeatAnswered: the information comes back unchanged, bundled with other
// answers, from COOKIE-ECHOED on and until the end is near (PIONS-1). // 9260-8.3-a 9260-3.3.5-a DCSCTP-heartbeat
func TestHeartbeatAnswered(t *testing.T) {
	for _, s := range allStates {
		tc := inState(t, s)
		tc.write(heartbeatChunk(wire.TypeHeartbeat, []byte("opaque information")))
		switch s {
		case Closed:
			tc.want("out of the blue", "tag 0", "ABORT T")
		case CookieWait, ShutdownSent, ShutdownAckSent:
			tc.wantIdle(s.String())
		default:
			b := tc.sent[0]
			tc.want(s.String(), "HEARTBEAT ACK")
			it := wire.Packet(b).Chunks()
			c, _ := it.Next()
			if info, _ := c.HeartbeatInfo(); string(info) != "opaque information" {
				t.Fatalf("%q", info)
			}
		}
	}
}

// TestHeartbeatLong: the answer to a probe as long as a packet leaves nothing behind; what ordinary ones need is kept.
func TestHeartbeatLong(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for _, size := range []int{100, 1100} {
		tc.write(heartbeatChunk(wire.TypeHeartbeat, make([]byte, size)))
		tc.want("the answer", "HEARTBEAT ACK")
		if kept := cap(tc.a.control.buf); kept > keptControl || size == 100 && kept < size {
			t.Fatalf("%d bytes kept after an answer with %d", kept, size)
		}
	}
}

// TestHeartbeatMalformed is not answered.
func TestHeartbeatMalformed(t *testing.T) {
	for _, value := range [][]byte{nil, {0, 1}, {0, 1, 0, 3}, {0, 1, 0, 200}, {0, 2, 0, 4}} {
		tc := newConnected(t, Config{})
		tc.write(chunk{t: wire.TypeHeartbeat, value: value})
		tc.wantIdle("not answered")
		tc.write(chunk{t: wire.TypeHeartbeatAck, value: value})
		tc.wantState("nor is the answer taken", Established)
	}
}

// TestHeartbeatIdle: on an idle path every RTO + HB.interval, half an RTO more or
// less; its answer is a round-trip sample. // 9260-8.3-a DCSCTP-heartbeat
func TestHeartbeatIdle(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: 10 * time.Second})
	for range 20 {
		rto := tc.a.Stats().RTO
		d := tc.advanceToTimer()
		if low, high := 10*time.Second+rto/2, 10*time.Second+3*rto/2; d < low || d > high {
			t.Fatalf("after %v, want %v to %v", d, low, high)
		}
		tc.want("idle", "HEARTBEAT")
		tc.now = tc.now.Add(400 * time.Millisecond)
		tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
		tc.wantIdle("an answer needs none")
	}
	if s := tc.a.Stats(); s.SRTT < 300*time.Millisecond || s.SRTT > 400*time.Millisecond {
		t.Fatalf("SRTT %v", s.SRTT)
	}
}

// TestHeartbeatOnDemand: when asked for, and only then if heartbeats are off. // 9260-8.3-a
func TestHeartbeatOnDemand(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1, MaxRetransmits: 1})
	tc.wantErr("not yet", tc.a.RequestHeartbeat(tc.now, 0), ErrNotConnected)
	tc.connect()
	tc.wantErr("there is no such path", tc.a.RequestHeartbeat(tc.now, 7), ErrInvalidPath)
	for range 2 {
		tc.check(tc.a.RequestHeartbeat(tc.now, 0))
		tc.want("at once", "HEARTBEAT")
		tc.check(tc.a.RequestHeartbeat(tc.now, 0))
		tc.wantIdle("one at a time")
		tc.now = tc.now.Add(300 * time.Millisecond)
		tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
		tc.advance(time.Hour)
		tc.wantIdle("and none by itself")
	}
	if rtt := tc.a.Stats().SRTT; rtt == 0 {
		t.Error("no round-trip time")
	}
	for range 2 {
		tc.check(tc.a.RequestHeartbeat(tc.now, 0))
		tc.want("at once", "HEARTBEAT")
		tc.advanceToTimer()
		tc.drain()
	}
	tc.wantState("two that are not answered are too many", Closed)
	tc.wantErr("too late", tc.a.RequestHeartbeat(tc.now, 0), ErrClosed)
	tc = newConnected(t, Config{})
	tc.send(Message{Payload: payload(1)})
	tc.a.Shutdown(tc.now)
	tc.wantErr("it is ending", tc.a.RequestHeartbeat(tc.now, 0), ErrShuttingDown)
}

// TestHeartbeatForged: an answer without the nonce, or a second one, is no answer
// (heartbeat reflection). // 9260-3.3.5-a
func TestHeartbeatForged(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: 10 * time.Second})
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, make([]byte, heartbeatInfoLen)))
	tc.advanceToTimer()
	tc.want("idle", "HEARTBEAT")
	info := tc.lastInfo
	forged := append([]byte(nil), info...)
	forged[3] ^= 1
	srtt := tc.a.Stats().SRTT
	tc.now = tc.now.Add(500 * time.Millisecond)
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, forged))
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, info[:4]))
	if tc.a.Stats().SRTT != srtt || !tc.a.paths.primary().hb.awaiting {
		t.Fatal("taken")
	}
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, info))
	srtt = tc.a.Stats().SRTT
	tc.now = tc.now.Add(5 * time.Second)
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, info))
	if tc.a.Stats().SRTT != srtt {
		t.Fatal("a repeated answer is a sample")
	}
}

// TestHeartbeatUnanswered: the path goes down and the association ends; an answer
// in between clears the count (PIONS-7). // 9260-8.1-a 9260-8.2-a 9260-11.2-a DCSCTP-heartbeat
func TestHeartbeatUnanswered(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: time.Second, MaxRetransmits: 3})
	count := func() (n int) {
		for range 100 {
			tc.advanceToTimer()
			for _, b := range tc.sent {
				if tc.describePacket(b)[0] == "HEARTBEAT" {
					n++
				}
			}
			tc.sent = nil
			if len(tc.events) > 0 || n == 3 {
				return n
			}
		}
		return n
	}
	if n := count(); n != 3 {
		t.Fatalf("%d heartbeats", n)
	}
	tc.wantNoEvent("three may be lost")
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
	if tc.a.paths.errors != 0 {
		t.Fatal("the answer did not clear the count")
	}
	for len(tc.events) == 0 {
		count()
	}
	tc.wantEvent("too many", EventPathDown)
	if e := tc.wantEvent("no other path", EventClosed); !errors.Is(e.Err, ErrPeerUnreachable) {
		t.Fatal(e.Err)
	}
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("a timer runs")
	}
}

// TestBlackHole: data that is never acknowledged ends the association after
// Association.Max.Retrans timeouts (PIONS-7), of which those that are not longer than the first count
// as one. // 9260-8.1-a
func TestBlackHole(t *testing.T) {
	for how, want := range []int{RACK: 5 + maxHeld - 1, MissIndications: 5} {
		tc := newConnected(t, Config{HeartbeatInterval: -1, MaxRetransmits: 4, LossDetection: LossDetection(how)})
		tc.send(Message{Payload: payload(10)})
		n := 0
		for !tc.a.ended {
			tc.advanceToTimer()
			n++
		}
		if n != want || len(tc.sent) != want {
			t.Fatalf("%d timeouts, %d packets, want %d", n, len(tc.sent), want)
		}
	}
}

// TestHeartbeatOff: a negative interval sends none.
func TestHeartbeatOff(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("a timer runs")
	}
}

// TestRestOfReceiver: who only receives is busy, too, and keeps the memory that it has for
// reuse; it is given back when nothing has come in for a heartbeat interval.
func TestRestOfReceiver(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: 10 * time.Second})
	for i := range 30 {
		tc.write(data{tsn: i, ssn: wire.SSN(i), flags: whole, payload: "a"})
		tc.wantRead("in order", 0, "a")
		tc.advance(time.Second)
		tc.drain()
		if tc.lastInfo != nil {
			tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
			tc.lastInfo = nil
		}
		if tc.a.in.pool.in.first == nil {
			t.Fatalf("nothing is kept after %d seconds", i)
		}
	}
	for range 4 {
		tc.advance(10 * time.Second)
		tc.drain()
		tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
	}
	if tc.a.in.pool.in.first != nil {
		t.Error("memory is kept though nothing goes on")
	}
}
