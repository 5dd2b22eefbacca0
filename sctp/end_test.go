package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// busy returns a testConn in a state with every timer running that can run in it.
func busy(t *testing.T, s State) *testConn {
	t.Helper()
	tc := newTestConn(t, Config{HeartbeatInterval: 700 * time.Millisecond, SackDelay: 150 * time.Millisecond, RTOMax: 4 * time.Second})
	if s >= CookieWait {
		if err := tc.a.Connect(tc.now); err != nil {
			t.Fatal(err)
		}
		tc.drain()
	}
	if s >= CookieEchoed {
		tc.write(tc.initAck())
	}
	if s >= Established {
		tc.write(chunk{t: wire.TypeCookieAck})
		tc.write(data{tsn: 0, flags: whole, payload: "x"})
		tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "y"}) // a delayed SACK
		if err := tc.a.ResetStreams(tc.now, 9); err != nil {
			t.Fatal(err)
		}
		tc.drain() // the request is in flight
		if s != ShutdownSent && s != ShutdownAckSent {
			tc.send(Message{Payload: payload(5000)})
			tc.send(Message{Payload: payload(100), Reliability: lifetime(time.Second)})
		}
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

// TestEndAtEveryTimer: the association ends, in one of many ways, at every moment at
// which a timer of a state is about to fire or has just done so. It ends once, with
// nothing left behind (CVE-2020-6532, CVE-2020-15969 class). // 9260-9.1-a 9260-12-a
func TestEndAtEveryTimer(t *testing.T) {
	ends := []struct {
		desc string
		do   func(tc *testConn)
	}{
		{"Abort", func(tc *testConn) { tc.a.Abort(tc.now, "enough") }},
		{"Shutdown", func(tc *testConn) { tc.a.Shutdown(tc.now) }},
		{"ABORT", func(tc *testConn) { tc.write(chunk{t: wire.TypeAbort}) }},
		{"ABORT, reflected", func(tc *testConn) { tc.writeTag(tc.peerTag, chunk{t: wire.TypeAbort, flags: wire.FlagT}) }},
		{"SHUTDOWN", func(tc *testConn) { tc.write(shutdownChunk{cum: -1}) }},
		{"SHUTDOWN ACK", func(tc *testConn) { tc.write(chunk{t: wire.TypeShutdownAck}) }},
		{"SHUTDOWN COMPLETE", func(tc *testConn) { tc.write(chunk{t: wire.TypeShutdownComplete}) }},
		{"empty DATA", func(tc *testConn) { tc.write(data{tsn: 2, flags: whole}) }},
		{"silence", func(tc *testConn) {}},
	}
	for _, s := range allStates {
		for _, end := range ends {
			for timers := range 12 {
				for _, fired := range []bool{false, true} {
					name := fmt.Sprintf("%v, %s at timer %d, fired %v", s, end.desc, timers, fired)
					tc := busy(t, s)
					if !tc.toTimer(timers, fired) {
						break
					}
					end.do(tc)
					tc.drain()
					for range 200 { // whatever is left to happen
						if _, on := tc.a.Timeout(); !on || tc.a.ended {
							break
						}
						tc.advanceToTimer()
					}
					if s == Closed && !tc.a.ended {
						continue // nothing has begun
					}
					if !tc.a.ended {
						t.Fatalf("%s: it never ends", name)
					}
					tc.checkEnd(name)
				}
			}
		}
	}
}

// toTimer lets n timers fire, and goes to the next one, which fires if fired says so.
// It reports whether there are so many before the end.
func (tc *testConn) toTimer(n int, fired bool) bool {
	for range n {
		if _, on := tc.a.Timeout(); !on || tc.a.ended {
			return false
		}
		tc.advanceToTimer()
	}
	at, on := tc.a.Timeout()
	if !on {
		return n == 0 && !tc.a.ended && !fired
	}
	if at.After(tc.now) {
		tc.now = at
	}
	if fired {
		tc.a.HandleTimeout(tc.now)
		tc.drain()
	}
	return !tc.a.ended
}

// checkEnd wants one EventClosed, the last event, and nothing that stirs any more.
func (tc *testConn) checkEnd(name string) {
	tc.t.Helper()
	closed := 0
	for _, e := range tc.events {
		if e.Kind == EventClosed {
			closed++
		}
	}
	if n := len(tc.events); closed != 1 || tc.events[n-1].Kind != EventClosed {
		tc.t.Fatalf("%s: events %v", name, tc.events)
	}
	if s := tc.a.invariants(tc.now); s != "" {
		tc.t.Fatalf("%s: %s", name, s)
	}
	tc.sent, tc.events = nil, nil
	tc.a.HandleTimeout(tc.now.Add(time.Hour))
	tc.wantIdle(name)
	tc.wantNoEvent(name)
	if s := tc.a.Stats(); s.SendBuffered != 0 || s.FlightSize != 0 {
		tc.t.Fatalf("%s: %+v", name, s)
	}
}

// TestLengths gives each chunk every length but its own, and cuts it everywhere, in
// every state: nothing panics, hangs, or puts the association into disorder
// (CVE-2020-6831, CVE-2016-9555, CVE-2021-3655, CVE-2019-20503 class). // 9260-3.2-a 9260-6.10-a 9260-12-a
func TestLengths(t *testing.T) {
	for _, s := range allStates {
		tc := busy(t, s)
		all := append(allChunks(), tc.init(), tc.initAck(), chunk{t: wire.TypeCookieEcho, value: []byte("cookie")}, tc.outReset(0, 1, 3, 4))
		for _, c := range all {
			encoded := c.append(tc, nil)
			for n := range len(encoded) + 12 {
				long := append([]byte(nil), encoded...)
				long[2], long[3] = byte(n>>8), byte(n)
				tc.hurl(s, long)
				if n < len(encoded) {
					tc.hurl(s, encoded[:n])
				}
			}
		}
	}
}

// hurl hands a packet with these bytes behind the header to an association in a state.
func (tc *testConn) hurl(s State, chunks []byte) {
	tc.t.Helper()
	if tc.a.State() != s {
		*tc = *busy(tc.t.(*testing.T), s)
	}
	tag := tc.localTag
	if len(chunks) > 0 && wire.ChunkType(chunks[0]) == wire.TypeInit {
		tag = 0
	}
	b := append(wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tag), chunks...)
	wire.SetChecksum(b)
	tc.writeRaw(b)
	tc.sent, tc.events = nil, nil
	if e := tc.a.invariants(tc.now); e != "" {
		tc.t.Fatalf("%v, chunks %x: %s", s, chunks, e)
	}
}
