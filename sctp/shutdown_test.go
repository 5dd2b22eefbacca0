package sctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestShutdown from our side, with nothing left to send. // 9260-9.2-a 9260-9.2-d 9260-11.2-a DCSCTP-shutdown
func TestShutdown(t *testing.T) {
	tc := newConnected(t, Config{})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("at once", "SHUTDOWN cum=-1")
	tc.wantState("sent", ShutdownSent)
	tc.write(chunk{t: wire.TypeShutdownAck})
	tc.want("the end", "SHUTDOWN COMPLETE")
	if e := tc.wantEvent("graceful", EventClosed); e.Err != nil {
		t.Fatal(e.Err)
	}
	var buf [1]byte
	if _, _, err := tc.a.Read(tc.now, 0, buf[:]); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("a timer runs")
	}
}

// TestShutdownByPeer: what was accepted is delivered first. // 9260-9.2-b
func TestShutdownByPeer(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(6000)})
	tc.wantPackets("as the window allows", 4)
	tc.write(shutdownChunk{cum: 0})
	tc.wantEvent("told", EventShutdownReceived)
	tc.wantState("data is left", ShutdownReceived)
	if err := tc.a.Send(tc.now, Message{Payload: payload(1)}); !errors.Is(err, ErrShuttingDown) {
		t.Fatal(err)
	}
	tc.sent = nil
	tc.write(sack{cum: 3})
	tc.sent = nil
	tc.write(shutdownChunk{cum: 5}) // its cum field acknowledges too
	tc.want("all delivered", "SHUTDOWN ACK")
	tc.wantState("nearly", ShutdownAckSent)
	tc.write(chunk{t: wire.TypeShutdownComplete})
	tc.events = tc.events[len(tc.events)-1:]
	if e := tc.wantEvent("graceful", EventClosed); e.Err != nil {
		t.Fatal(e.Err)
	}
}

// TestShutdownWithData: ours is delivered before SHUTDOWN goes out, the peer's is
// taken after. // 9260-9.2-a 9260-9.2-c 9260-4-d DCSCTP-shutdown
func TestShutdownWithData(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(100)})
	tc.want("DATA", "DATA tsn=0")
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.wantIdle("SHUTDOWN waits")
	tc.wantState("pending", ShutdownPending)
	tc.advanceToTimer()
	tc.want("retransmissions ask for haste", "DATA tsn=0 sid=0 ssn=0 flags=IBE")
	tc.write(sack{cum: 0})
	tc.want("now", "SHUTDOWN cum=-1")
	tc.write(data{tsn: 0, flags: whole, payload: "late"})
	tc.want("acknowledged at once, by SHUTDOWN", "SACK cum=0", "SHUTDOWN cum=0")
	tc.write(data{tsn: 2, ssn: 2, flags: whole, payload: "later"})
	tc.want("a gap needs a SACK", "SACK cum=0 gaps=2-2", "SHUTDOWN cum=0")
	tc.write(data{tsn: 0, flags: whole, payload: "late"})
	tc.want("so does a duplicate", "SACK cum=0 gaps=2-2 dups=0", "SHUTDOWN cum=0")
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "between"})
	tc.sent = nil
	tc.wantRead("all of it", 0, "late", "between", "later")
	tc.write(chunk{t: wire.TypeShutdownAck})
	tc.want("the end", "SHUTDOWN COMPLETE")
}

// TestShutdownCrossing: both sides at once. // 9260-9.2-b
func TestShutdownCrossing(t *testing.T) {
	for _, answer := range []wire.ChunkType{wire.TypeShutdownAck, wire.TypeShutdownComplete} {
		tc := inState(t, ShutdownSent)
		tc.write(shutdownChunk{cum: -1})
		tc.want("crossed", "SHUTDOWN ACK")
		tc.wantState("both", ShutdownAckSent)
		tc.write(chunk{t: answer})
		if answer == wire.TypeShutdownAck {
			tc.want("the end", "SHUTDOWN COMPLETE")
		}
		tc.wantIdle("no more")
		if e := tc.wantEvent("graceful", EventClosed); e.Err != nil {
			t.Fatal(e.Err)
		}
	}
}

// TestT2: SHUTDOWN and SHUTDOWN ACK are repeated with backoff, and given up. // 9260-9.2-a DCSCTP-shutdown
func TestT2(t *testing.T) {
	for s, want := range map[State][]string{
		ShutdownSent:    {"SACK cum=-1", "SHUTDOWN cum=-1"},
		ShutdownAckSent: {"SHUTDOWN ACK"},
	} {
		tc := inState(t, s)
		tc.a.cfg.MaxRetransmits = 5
		for i := range 5 {
			if d := tc.advanceToTimer(); d != time.Second<<i {
				t.Fatalf("%v: repetition %d after %v", s, i, d)
			}
			tc.want("again", want...)
		}
		tc.advanceToTimer()
		if e := tc.wantEvent("given up", EventClosed); !errors.Is(e.Err, ErrPeerUnreachable) {
			t.Fatal(e.Err)
		}
	}
}

// TestT5: a peer that goes on sending data, and nothing new of it, is cut off. // 9260-9.2-c
func TestT5(t *testing.T) {
	tc := newConnected(t, Config{RTOMax: 2 * time.Second, MaxRetransmits: 1000})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	start := tc.now
	for !tc.a.ended {
		tc.advanceToTimer()
	}
	if d := tc.now.Sub(start); d != minGuard {
		t.Fatalf("after %v", d)
	}
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.want("told", "ABORT cause=13")
	var ae *AbortedError
	if e := tc.wantEvent("and reported", EventClosed); !errors.As(e.Err, &ae) {
		t.Fatal(e.Err)
	}
}

// TestShutdownEarly: before the association is established it just ends; and what
// comes too early from the peer is discarded. // 9260-9.2-b
func TestShutdownEarly(t *testing.T) {
	for _, s := range []State{Closed, CookieWait, CookieEchoed} {
		tc := inState(t, s)
		if s != Closed {
			tc.write(shutdownChunk{cum: -1})
			tc.wantState("discarded", s)
		}
		if err := tc.a.Shutdown(tc.now); err != nil {
			t.Fatal(err)
		}
		if e := tc.wantEvent("over", EventClosed); e.Err != nil {
			t.Fatal(e.Err)
		}
		tc.wantIdle("silently")
	}
}

// TestShutdownForged: a SHUTDOWN that acknowledges what was not sent is discarded.
func TestShutdownForged(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.send(Message{Payload: payload(10)})
	tc.want("DATA", "DATA tsn=0")
	tc.write(sack{cum: 0})
	for _, cum := range []int{1, 1 << 30, -1 << 31} {
		tc.write(shutdownChunk{cum: cum})
		tc.wantState("discarded", Established)
	}
}

// TestReflectedAbortIsTheEnd: in SHUTDOWN-ACK-SENT all is delivered; a peer without
// the association has ended it too.
func TestReflectedAbortIsTheEnd(t *testing.T) {
	tc := inState(t, ShutdownAckSent)
	tc.writeTag(tc.peerTag, chunk{t: wire.TypeAbort, flags: wire.FlagT})
	if e := tc.wantEvent("graceful", EventClosed); e.Err != nil {
		t.Fatal(e.Err)
	}
}
