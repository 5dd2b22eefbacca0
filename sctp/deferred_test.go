package sctp

import (
	"fmt"
	"io"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// newDeferred returns a testConn whose peer waits for the reset of stream 1, behind TSN
// 0, which is missing.
func newDeferred(t *testing.T, cfg Config) *testConn {
	t.Helper()
	cfg.HeartbeatInterval = -1
	tc := newConnected(t, cfg)
	tc.write(data{tsn: 1, sid: 2, ssn: 0, flags: whole, payload: "b"})
	tc.write(tc.outReset(0, 0, 1))
	if tc.sent, tc.events = nil, nil; !tc.a.reconfig.peer.defers() || len(tc.a.reconfig.peer.deferred) != 1 {
		t.Fatal("not deferred")
	}
	return tc
}

// TestDeferredPeerResetsAssociation: the cumulative TSN passes what a reset waits for
// in the packet that numbers everything anew. // 6525-5.2.2-a 6525-5.2.4-a
func TestDeferredPeerResetsAssociation(t *testing.T) {
	tc := newDeferred(t, Config{PeerReconfig: ReconfigPolicy{AllowAssociationReset: true}})
	tc.write(data{tsn: 0, sid: 1, ssn: 0, flags: whole, payload: "a"}, tc.tsnReset(1))
	tc.want("both", "RE-CONFIG response req=0 result=1 response req=1 result=1 sender=0 receiver=2", "SACK")
	tc.wantResets("performed", 1)
	tc.wantRead("in order", 1, "a", io.EOF.Error())
	tc.peerTSN = tc.peerTSN.Opposite()
	tc.write(data{tsn: 2, sid: 1, ssn: 0, flags: whole, payload: "new"})
	tc.wantRead("anew", 1, "new")

	tc = newDeferred(t, Config{PeerReconfig: ReconfigPolicy{AllowAssociationReset: true}})
	tc.write(tc.tsnReset(1))
	tc.want("what is missing will not come", "RE-CONFIG response req=0 result=1 response req=1 result=1", "SACK")
	tc.wantResets("performed", 1)
}

// TestDeferredOurAssociationReset: so too if it is our request that numbers everything
// anew. The TSNs that the peer goes on with have nothing to do with those of before. // 6525-5.2.2-a 6525-5.2.7-a
func TestDeferredOurAssociationReset(t *testing.T) {
	for _, next := range []int{-5, 2, 1000, 1 << 30} {
		t.Run(fmt.Sprint(next), func(t *testing.T) {
			tc := newDeferred(t, Config{})
			tc.check(tc.a.ResetAssociation(tc.now))
			tc.want("ours", "RE-CONFIG tsn-reset req=0")
			tc.write(tc.tsnResponse(0, next, tc.localTSN.Add(500)))
			tc.want("what waited is performed", "RE-CONFIG response req=0 result=1")
			tc.wantResets("performed", 1)
			var want []string
			for i := range 10 {
				tc.write(data{tsn: next + i, sid: 1, ssn: wire.SSN(i), flags: whole, payload: string(rune('a' + i))})
				want = append(want, string(rune('a'+i)))
			}
			tc.wantRead("nothing is held back", 1, append([]string{io.EOF.Error()}, want...)...)
			if n := tc.a.Stats().DataChunksDropped; n != 0 {
				t.Fatalf("%d chunks dropped", n)
			}
		})
	}
}

// TestResetWhileNumbersChange: while our SSN/TSN reset is in flight the last TSN of a
// request may be one of after it, and what it is behind was not taken. // 6525-5.2.2-a 6525-5.2.4-a
func TestResetWhileNumbersChange(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	tc.check(tc.a.ResetAssociation(tc.now))
	tc.want("ours", "RE-CONFIG tsn-reset req=0")
	tc.write(data{tsn: 1000, sid: 1, ssn: 0, flags: whole, payload: "a"})
	tc.write(tc.outReset(0, 1000, 1))
	tc.wantResets("not yet")
	tc.sent = nil
	tc.write(reconfigChunk(func(b []byte, n int) []byte {
		b = wire.AppendOutReset(b, n, wire.OutReset{ReqSeq: wire.ReqSeq(tc.peerTSN), LastTSN: tc.peerTSN.Add(1000)}, []uint16{1})
		return wire.AppendInReset(b, n, wire.ReqSeq(tc.peerTSN.Add(1)), []uint16{1})
	}))
	tc.want("nor what comes with it", "SACK")
	tc.write(tc.tsnResponse(0, 1000, tc.localTSN.Add(500)))
	tc.write(tc.outReset(0, 1000, 1))
	tc.want("it waits for what it is behind", "RE-CONFIG response req=0 result=6", "SACK")
	tc.write(data{tsn: 1000, sid: 1, ssn: 0, flags: whole, payload: "a"})
	tc.wantResets("then", 1)
	tc.wantRead("in order", 1, "a", io.EOF.Error())
}

// TestDeferredForwardTSN: a FORWARD-TSN lets a deferred reset go. What it says of the
// stream is of before the reset: a peer that waits for the answer sent nothing after
// it. usrsctp takes "in progress" as done; one that was heard to send on means that. // 6525-5.2.2-a 3758-3.6-a
func TestDeferredForwardTSN(t *testing.T) {
	const old, early = 4, 2 // messages before the reset; number after it that are given up
	for _, interleaved := range []bool{false, true} {
		for _, waits := range []bool{true, false} {
			t.Run(fmt.Sprintf("interleaved %v, the peer waits %v", interleaved, waits), func(t *testing.T) {
				tc := newConnected(t, Config{HeartbeatInterval: -1})
				if interleaved {
					tc = newInterleaved(t, Config{HeartbeatInterval: -1})
				}
				message := func(tsn, n int, s string) {
					if interleaved {
						tc.write(iData{tsn: tsn, sid: 1, mid: wire.MID(n), flags: whole, payload: s})
					} else {
						tc.write(data{tsn: tsn, sid: 1, ssn: wire.SSN(n), flags: whole, payload: s})
					}
				}
				forward := func(cum, n int) {
					if interleaved {
						tc.write(iForwardTSN{cum, []wire.SkippedMessage{{Stream: 1, MID: wire.MID(n)}}})
					} else {
						tc.write(forwardTSN{cum, []wire.SkippedStream{{Stream: 1, SSN: wire.SSN(n)}}})
					}
				}
				for i := range old {
					message(i, i, "old")
				}
				// The last of before is lost, and on other streams or this one two more.
				tc.write(tc.outReset(0, old, 1))
				if waits {
					forward(old+early, old)
				} else {
					message(old+early, early-1, "too early")
					forward(old+early, early-1)
				}
				tc.wantResets("let go", 1)
				next := 0
				if !waits {
					next = early
				}
				message(old+early+1, next, "new")
				tc.wantRead("goes on", 1, "old", "old", "old", "old", io.EOF.Error(), "new")
			})
		}
	}
}
