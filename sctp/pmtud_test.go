package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// newProbing returns an established testConn that searches for a larger MTU; its
// first probe is on its way.
func newProbing(t testing.TB, cfg Config) *testConn {
	t.Helper()
	if cfg.MaxMTU == 0 {
		cfg.MaxMTU = 1432
	}
	if cfg.HeartbeatInterval == 0 {
		cfg.HeartbeatInterval = -1
	}
	cfg.LossDetection = MissIndications // the next timer is T3-rtx
	cfg.CongestionControl = Reno
	tc := newTestConn(t, cfg)
	tc.peerCookie = "KAME-BSD 1.1"
	tc.shakeHands()
	return tc
}

// wantProbe wants a probe of n bytes next, alone in its packet.
func (tc *testConn) wantProbe(why string, n int) {
	tc.t.Helper()
	tc.drain()
	if len(tc.sent) > 0 && len(tc.sent[0]) != n {
		tc.t.Fatalf("%s: packet of %d bytes, want a probe of %d: %q", why, len(tc.sent[0]), n, tc.describePacket(tc.sent[0]))
	}
	tc.want(why, "HEARTBEAT", "PAD")
}

// answerProbe lets the last probe be answered.
func (tc *testConn) answerProbe() {
	tc.t.Helper()
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, tc.lastInfo))
}

// newRaised returns a testConn whose search has ended with an MTU of 1432.
func newRaised(t testing.TB, cfg Config) *testConn {
	t.Helper()
	tc := newProbing(t, cfg)
	tc.wantProbe("the base", tc.a.paths.primary().pmtu.base)
	tc.answerProbe()
	tc.wantProbe("all at once", 1432)
	tc.answerProbe()
	tc.wantIdle("nothing is left to find out")
	if mtu := tc.a.Stats().MTU; mtu != 1432 {
		t.Fatalf("MTU %d", mtu)
	}
	return tc
}

// TestSearch: the base first, once there is an association, then the limit, which
// ends the search for good. // 8899-5.2-a 8899-5.2-b 8899-6.2-a 4820-3-a 9260-7.3-a
func TestSearch(t *testing.T) {
	tc := newRaised(t, Config{})
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("a timer runs: there is nothing to raise, and no CONFIRMATION_TIMER") // 8899-5.1-a
	}
	if st := tc.a.Stats(); st.MTUProbesSent != 2 {
		t.Fatalf("%+v", st)
	}
	tc.send(Message{Payload: payload(5000)})
	if n := len(tc.sent[0]); n != 1432 {
		t.Fatalf("packet of %d bytes", n)
	}
}

// TestSearchWithoutPad: a peer that shows neither a known cookie nor a newer extension gets probes without PAD,
// also anew when the path changes; its answers are as long. // 8899-6.2-a
func TestSearchWithoutPad(t *testing.T) {
	tc := newTestConn(t, Config{MaxMTU: 1432, HeartbeatInterval: -1})
	tc.shakeHands()
	for range 2 {
		for _, size := range []int{1188, 1432} {
			tc.drain()
			if n := len(tc.sent[0]); n != size {
				t.Fatalf("packet of %d bytes, want a probe of %d", n, size)
			}
			tc.want("a probe", "HEARTBEAT")
			if n := len(tc.lastInfo); n != size-commonHeader-8 {
				t.Fatalf("information of %d bytes", n)
			}
			tc.answerProbe()
		}
		tc.wantIdle("nothing is left to find out")
		if mtu := tc.a.Stats().MTU; mtu != 1432 {
			t.Fatalf("MTU %d", mtu)
		}
		tc.a.PathChanged(tc.now, 0)
	}
}

// TestSearchAfterHandover: what probes are made of is as before the association was handed over.
func TestSearchAfterHandover(t *testing.T) {
	for _, tt := range []struct {
		cookie string
		probe  []string
	}{{"KAME-BSD 1.1", []string{"HEARTBEAT", "PAD"}}, {"of nobody's", []string{"HEARTBEAT"}}} {
		cfg := Config{MaxMTU: 1432, HeartbeatInterval: -1}
		tc := newTestConn(t, cfg)
		tc.peerCookie = tt.cookie
		tc.shakeHands()
		tc.drain()
		tc.answerProbe()
		tc.answerProbe()
		state, err := tc.a.Handover(tc.now)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Seed = [32]byte{99}
		if tc.a, err = Resume(tc.now, cfg, state); err != nil {
			t.Fatal(err)
		}
		tc.sent = nil
		tc.want(tt.cookie, tt.probe...)
	}
}

// TestSearchKnowsPeer: whichever way the association is set up, a peer that names more than the oldest extensions
// gets probes with PAD, also where we do without what it names, and after a handover. That it knows SNAP is enough, too.
func TestSearchKnowsPeer(t *testing.T) {
	lists := func(types ...wire.ChunkType) func(b []byte, chunk int) []byte {
		return extensions(append(types, wire.TypeReconfig, wire.TypeForwardTSN)...)
	}
	for _, tt := range []struct {
		desc   string
		params func(b []byte, chunk int) []byte
		pad    bool
	}{
		{"nothing newer", lists(), false},
		{"I-DATA", lists(wire.TypeIData), true},
		{"ASCONF", lists(wire.TypeAsconf), true},
		{"zero checksum", func(b []byte, chunk int) []byte {
			return wire.AppendParamUint32(b, chunk, wire.ParamZeroChecksum, uint32(DTLSDetection))
		}, true},
	} {
		for _, way := range []string{"client", "server", "tokens"} {
			cfg := Config{MaxMTU: 1432, HeartbeatInterval: -1, NoInterleaving: true}
			tc := newTestConn(t, cfg)
			tc.peerParams = tt.params
			switch way {
			case "client":
				tc.shakeHands()
			case "server":
				tc.write(tc.init())
				tc.want("answered", "INIT ACK")
				tc.write(tc.cookieEcho())
				tc.want("established", "COOKIE ACK")
			case "tokens":
				tc.learnToken()
				if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != nil {
					t.Fatal(err)
				}
			}
			probe := []string{"HEARTBEAT"}
			if tt.pad || way == "tokens" {
				probe = []string{"HEARTBEAT", "PAD"}
			}
			tc.drain()
			tc.want(tt.desc+", "+way, probe...)
			tc.answerProbe()
			tc.answerProbe()
			state, err := tc.a.Handover(tc.now)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Seed = [32]byte{99}
			if tc.a, err = Resume(tc.now, cfg, state); err != nil {
				t.Fatal(err)
			}
			tc.sent = nil
			tc.want(tt.desc+", "+way+", resumed", probe...)
		}
	}
}

// TestSearchSizes: what is found on paths of any MTU, within what a probe has to
// gain, and in few probes. // 8899-5.3-a 8899-5.2-b
func TestSearchSizes(t *testing.T) {
	for _, limit := range []int{1432, 1472, 1200, 1220, 8152, 65532} {
		for path := 1188; path <= limit+40; path += 4 {
			tc := newProbing(t, Config{MaxMTU: limit})
			for probes := 0; ; probes++ {
				if len(tc.sent) == 0 {
					if probes > 3*20 {
						t.Fatalf("limit %d, path %d: %d probes", limit, path, probes)
					}
					break
				}
				fits := len(tc.sent[0]) <= path
				tc.sent = nil
				if fits {
					tc.answerProbe()
				} else if d := tc.advanceToTimer(); d < minProbeTimer { // 8899-5.1-a
					t.Fatalf("next probe after %v", d)
				}
				if tc.a.paths.primary().pmtu.state == pmtudComplete {
					tc.wantIdle("the search has ended")
				}
			}
			mtu := tc.a.Stats().MTU
			if mtu > path || mtu < min(path, limit)-2*minProbeGain {
				t.Errorf("limit %d: found %d on a path of %d", limit, mtu, path)
			}
			if path > 2000 {
				path += 400
			}
		}
	}
}

// TestSearchCommonSizes: how many probes usual paths cost.
func TestSearchCommonSizes(t *testing.T) {
	for _, tt := range []struct {
		desc                string
		limit, path         int
		wantMTU, wantProbes int
	}{
		{"DTLS, IPv4", 1432, 1432, 1432, 2},
		{"DTLS, IPv6", 1432, 1412, 1408, 2 + 3},
		{"DTLS, IPv6 and TURN", 1432, 1408, 1408, 2 + 3},
		{"DTLS, IPv4 in WireGuard", 1432, 1352, 1352, 2 + 2*3},
		{"UDP, IPv6", 1472, 1452, 1452, 2 + 3},
		{"nothing more than the base", 1432, 1188, 1188, 1 + 5*3},
	} {
		tc := newProbing(t, Config{MaxMTU: tt.limit})
		n := 0
		for ; len(tc.sent) > 0; n++ {
			fits := len(tc.sent[0]) <= tt.path
			tc.sent = nil
			if fits {
				tc.answerProbe()
			} else {
				tc.advanceToTimer()
			}
		}
		if mtu := tc.a.Stats().MTU; mtu != tt.wantMTU || n != tt.wantProbes {
			t.Errorf("%s: MTU %d after %d probes, want %d after %d", tt.desc, mtu, n, tt.wantMTU, tt.wantProbes)
		}
	}
}

// TestSearchRaise: ten minutes after a search that found less than the limit there
// is another. // 8899-5.1-a 8899-5.2-b
func TestSearchRaise(t *testing.T) {
	tc := newProbing(t, Config{MaxMTU: 1220})
	tc.wantProbe("the base", 1188)
	tc.answerProbe()
	for range maxProbes {
		tc.wantProbe("the limit", 1220)
		tc.advanceToTimer()
	}
	tc.wantIdle("given up")
	if d := tc.advanceToTimer(); d != pmtuRaiseTimer {
		t.Fatalf("again after %v", d)
	}
	tc.wantProbe("the limit once more", 1220)
	tc.answerProbe()
	if mtu := tc.a.Stats().MTU; mtu != 1220 {
		t.Fatalf("MTU %d", mtu)
	}
}

// TestSearchUnanswered: a peer that never answers is left at the base, which the
// network may fragment, and asked again after ten minutes. None of it is an error
// of the path. // 8899-5.2-a 8899-6.2-a
func TestSearchUnanswered(t *testing.T) {
	tc := newProbing(t, Config{})
	rto := tc.a.Stats().RTO
	for range maxProbes {
		tc.wantProbe("the base", 1188)
		if d := tc.advanceToTimer(); d < minProbeTimer || d < rto {
			t.Fatalf("next after %v", d)
		}
	}
	tc.wantIdle("the peer does not answer")
	if p := tc.a.paths.primary(); p.errors != 0 || tc.a.paths.errors != 0 || p.pmtu.state != pmtudError || p.mtu != 1188 {
		t.Fatalf("%+v", p)
	}
	if tc.a.Stats().RTO != rto {
		t.Fatal("RTO has changed")
	}
	tc.wantNoEvent("no error")
	var buf [2000]byte
	tc.a.Send(tc.now, Message{Payload: payload(5000)})
	if tx, ok := tc.a.Transmit(tc.now, buf[:0]); !ok || len(tx.Packet) != 1188 || tx.Whole {
		t.Fatalf("%v, %d bytes, whole %v", ok, len(tx.Packet), tx.Whole)
	}
	tc.write(sack{cum: 0})
	tc.write(sack{cum: 4})
	tc.sent = nil
	for len(tc.sent) == 0 {
		tc.advanceToTimer()
	}
	tc.wantProbe("after PMTU_RAISE_TIMER", 1188)
	tc.answerProbe()
	tc.wantProbe("it answers now", 1432)
}

// TestSearchLoss: a lost probe is repeated, and is neither an error nor a sign of
// congestion; an answer clears the counters. // 8899-6.2-a
func TestSearchLoss(t *testing.T) {
	tc := newProbing(t, Config{})
	tc.wantProbe("the base", 1188)
	tc.a.paths.primary().errors, tc.a.paths.errors = 3, 3
	tc.now = tc.now.Add(30 * time.Millisecond)
	tc.answerProbe()
	if p := tc.a.paths.primary(); p.errors != 0 || tc.a.paths.errors != 0 || p.rto.srtt == 0 {
		t.Fatalf("%+v", p)
	}
	before := tc.a.Stats()
	tc.wantProbe("once", 1432)
	tc.advanceToTimer()
	tc.wantProbe("twice", 1432)
	after := tc.a.Stats()
	if before.CongestionWindow != after.CongestionWindow || before.RTO != after.RTO || tc.a.paths.errors != 0 || after.MTU != 1188 {
		t.Fatalf("%+v, %+v", before, after)
	}
	tc.answerProbe()
	if mtu := tc.a.Stats().MTU; mtu != 1432 {
		t.Fatal(mtu)
	}
}

// TestSearchForged: an answer without the nonce, for another size, or late, finds
// nothing.
func TestSearchForged(t *testing.T) {
	tc := newProbing(t, Config{})
	tc.wantProbe("the base", 1188)
	good := tc.lastInfo
	for _, i := range []int{0, 7, 10, 11} {
		info := append([]byte(nil), good...)
		info[i] ^= 1
		tc.write(heartbeatChunk(wire.TypeHeartbeatAck, info))
		tc.wantIdle("forged")
	}
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, good[:8]))
	tc.wantIdle("cut off")
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, good))
	tc.wantProbe("the answer", 1432)
	tc.write(heartbeatChunk(wire.TypeHeartbeatAck, good))
	tc.wantIdle("no answer to this probe")
	if mtu := tc.a.Stats().MTU; mtu != 1188 {
		t.Fatal(mtu)
	}
}

// TestSearchUnderLoad: neither a full congestion window nor a closed window of the
// peer holds a probe up, and it has its packet for itself. // 8899-6.2-a
func TestSearchUnderLoad(t *testing.T) {
	tc := newProbing(t, Config{})
	tc.wantProbe("the base", 1188)
	tc.send(Message{Payload: payload(100_000)})
	tc.sent = nil
	tc.answerProbe()
	tc.wantProbe("the congestion window is full", 1432)
	for cum := 0; tc.a.sent.span() > 0; cum++ {
		tc.write(sack{cum: cum, closed: true})
	}
	tc.sent = nil
	tc.advance(minProbeTimer)
	found := false
	for _, b := range tc.sent {
		if got := tc.describePacket(b); len(b) == 1432 && strings.Join(got, " ") == "HEARTBEAT PAD" {
			found = true
		} else if strings.Contains(fmt.Sprint(got), "PAD") {
			t.Fatalf("bundled: %q", got)
		}
	}
	if !found {
		t.Fatal("no probe")
	}
}

// TestSearchOff: no probes with a limit that is not above the base.
func TestSearchOff(t *testing.T) {
	for _, cfg := range []Config{{MaxMTU: -1}, {MTU: 1432, MaxMTU: 1432}, {MTU: 1400, MaxMTU: 1000}} {
		tc := newProbing(t, cfg)
		tc.wantIdle("off")
		if _, ok := tc.a.Timeout(); ok {
			t.Error("a timer runs")
		}
	}
}

// TestSearchEnds: there is no probe when the end is near or has come, and none is
// left behind.
func TestSearchEnds(t *testing.T) {
	tc := newProbing(t, Config{})
	tc.wantProbe("the base", 1188)
	tc.send(Message{Payload: payload(10)})
	tc.sent = nil
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.answerProbe()
	tc.wantIdle("in SHUTDOWN-PENDING")
	tc.a.Abort(tc.now, "")
	tc.drain()
	if _, ok := tc.a.Timeout(); ok {
		t.Error("a timer runs")
	}
}

// TestSearchBlackHole: when large packets are lost twice in a row by T3-rtx, though
// small ones may pass, the MTU falls to the base and the search begins anew. Chunks
// cut for the larger MTU leave alone, in packets that may be fragmented.
// 8899-4.3-a 8899-5.2-b 9260-6.9-a
func TestSearchBlackHole(t *testing.T) {
	tc := newRaised(t, Config{})
	tc.send(Message{Payload: payload(2804)}) // two full packets
	if len(tc.sent) != 2 || len(tc.sent[0]) != 1432 {
		t.Fatalf("%d packets", len(tc.sent))
	}
	tc.sent = nil
	tc.send(Message{Stream: 1, Payload: payload(8)})
	tc.want("a small one", "DATA tsn=2")
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 3, End: 3}}}) // it passes
	tc.advanceToTimer()
	if st := tc.a.Stats(); st.MTU != 1432 || st.BlackHoles != 0 {
		t.Fatalf("after one timeout: %+v", st)
	}
	tc.want("T3-rtx", "DATA tsn=0")
	tc.advanceToTimer()
	if st := tc.a.Stats(); st.MTU != 1188 || st.BlackHoles != 1 || st.CongestionWindow != testPMDCS {
		t.Fatalf("after two: %+v", st)
	}
	if n := len(tc.sent[0]); n != 1432 {
		t.Fatalf("packet of %d bytes", n)
	}
	tc.want("it cannot be cut again", "DATA tsn=0 sid=0 ssn=0 flags=IB")
	tc.wantProbe("from the base on", 1188)
	tc.answerProbe()
	tc.wantProbe("once more", 1432)
	tc.write(sack{cum: 0, gaps: []wire.GapBlock{{Start: 2, End: 2}}})
	tc.want("the other one", "DATA tsn=1 sid=0 ssn=0")
	tc.write(sack{cum: 2})
	tc.send(Message{Payload: payload(5000)})
	if n := len(tc.sent[0]); n != 1188 {
		t.Fatalf("packet of %d bytes", n)
	}
}

// TestSearchBlackHoleBelow: a path that ceases to carry the base, which is a large one,
// may fragment packets of less than half of it, too. // 8899-4.3-a 8899-5.2-b
func TestSearchBlackHoleBelow(t *testing.T) {
	tc := newProbing(t, Config{MTU: 9000, MaxMTU: 9004})
	for _, size := range []int{9000, 9004} {
		tc.wantProbe("a probe", size)
		tc.answerProbe()
	}
	tc.a.Send(tc.now, Message{Payload: payload(1000)})
	for n := range 4 {
		tx, ok := tc.a.Transmit(tc.now, nil)
		if !ok || tx.Whole != (n < 2) {
			t.Fatalf("transmission %d: %v, whole %v", n, ok, tx.Whole)
		}
		tc.drop()
		tc.now, _ = tc.a.Timeout()
		tc.a.HandleTimeout(tc.now)
	}
}

// TestSearchBlackHoleBusy: T3-rtx need not expire, as small packets pass and what is
// lost is given up, or sent again meanwhile. // 8899-4.3-a
func TestSearchBlackHoleBusy(t *testing.T) {
	for _, detection := range []LossDetection{RACK, MissIndications} {
		tc := newRaised(t, Config{MaxBurst: 100})
		tc.a.cfg.LossDetection = detection
		var peer tsnMap
		peer.init(tc.localTSN)
		for round := 0; tc.a.Stats().BlackHoles == 0; round++ {
			if round == 200 {
				t.Fatalf("%d: %+v", detection, tc.a.Stats())
			}
			tc.send(Message{Payload: payload(1400), Reliability: rexmit(0)})
			for range 4 {
				tc.send(Message{Stream: 1, Payload: payload(8)})
				tc.advance(10 * time.Millisecond)
				tc.passSmall(&peer)
			}
		}
		if st := tc.a.Stats(); st.MTU != 1188 || st.Timeouts > 0 {
			t.Errorf("%d: %+v", detection, st)
		}
		for range 20 {
			tc.advance(10 * time.Millisecond)
			tc.passSmall(&peer)
		}
		before := tc.a.Stats().MessagesDelivered
		tc.send(Message{Payload: payload(5000)})
		for range 100 {
			tc.advance(10 * time.Millisecond)
			tc.passSmall(&peer)
		}
		if st := tc.a.Stats(); st.MessagesDelivered != before+1 {
			t.Errorf("%d: %+v", detection, st)
		}
	}
}

// passSmall lets the peer, which has the TSNs in m, take packets up to the base, and
// answer.
func (tc *testConn) passSmall(m *tsnMap) {
	tc.t.Helper()
	data := false
	for _, b := range tc.sent {
		if len(b) > 1188 {
			continue
		}
		it := wire.Packet(b).Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			switch c.Type() {
			case wire.TypeData:
				data = true
				if d, _ := c.Data(); !m.seen(d.TSN) {
					m.add(d.TSN)
				}
			case wire.TypeForwardTSN:
				data = true
				if f, _ := c.ForwardTSN(); m.cum.Before(f.NewCumTSN) {
					m.forward(f.NewCumTSN)
				}
			}
		}
	}
	tc.sent = nil
	if data {
		tc.write(built(func(b []byte) []byte {
			var gaps []wire.GapBlock
			for _, r := range m.above.runs {
				gaps = append(gaps, wire.GapBlock{Start: uint16(r.first.Since(m.cum)), End: uint16(r.last.Since(m.cum))})
			}
			return wire.AppendSack(b, m.cum, 1<<20, gaps, nil)
		}))
	}
}

// TestSearchWhole: which packets may be fragmented. // 8899-4.3-a 9260-6.9-a 9260-7.3-a
func TestSearchWhole(t *testing.T) {
	tc := newProbing(t, Config{})
	var buf [2000]byte
	want := func(why string, size int, whole bool) {
		t.Helper()
		tx, ok := tc.a.Transmit(tc.now, buf[:0])
		if !ok || len(tx.Packet) != size || tx.Whole != whole {
			t.Fatalf("%s: %v, %d bytes, whole %v", why, ok, len(tx.Packet), tx.Whole)
		}
		tc.learn(tx.Packet)
	}
	tc.sent = nil
	tc.a.Send(tc.now, Message{Payload: payload(1100)})
	want("the base is not known to pass", 1128, false)
	answer := func() {
		b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tc.localTag)
		b = wire.AppendHeartbeat(b, wire.TypeHeartbeatAck, tc.lastInfo)
		wire.SetChecksum(b)
		tc.a.HandlePacket(tc.now, 0, b)
	}
	answer()
	want("a probe", 1432, true)
	answer()
	tc.a.Send(tc.now, Message{Payload: payload(1404)})
	want("data", 1432, true)
	expire := func() {
		tc.now, _ = tc.a.Timeout()
		tc.a.HandleTimeout(tc.now)
	}
	expire()
	want("once more", 1128, true)
	expire()
	want("small enough, but is the base?", 1128, false)
	tc.a.paths.primary().cc.init(10_000, testPMDCS)
	tc.a.recovery.clear() // as if something had been acknowledged
	want("too large", 1432, false)
	want("the probe", 1188, true)
}

// TestSearchNoBlackHole: small packets that are lost, and large ones that arrive in
// the end, are no black hole.
func TestSearchNoBlackHole(t *testing.T) {
	tc := newRaised(t, Config{MaxRetransmits: 20})
	tc.send(Message{Payload: payload(100)})
	for range 5 {
		tc.advanceToTimer()
	}
	tc.write(sack{cum: 0})
	for i := range 5 {
		tc.send(Message{Payload: payload(1300)})
		tc.advanceToTimer()
		tc.write(sack{cum: 1 + i})
	}
	if st := tc.a.Stats(); st.MTU != 1432 || st.BlackHoles != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestSearchInconsistent: a path whose probes pass and whose data does not gets
// packets smaller than the size at which it failed twice (RFC 8899, section 5.3.3).
func TestSearchInconsistent(t *testing.T) {
	tc := newRaised(t, Config{MaxRetransmits: 20})
	tc.send(Message{Payload: payload(1400)})
	for range 2 {
		tc.advanceToTimer()
	}
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.wantProbe("the base", 1188)
	tc.answerProbe()
	tc.wantProbe("as before", 1432)
	tc.answerProbe()
	tc.write(sack{cum: 0})
	tc.send(Message{Payload: payload(1400)})
	for range 2 {
		tc.advanceToTimer()
	}
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.wantProbe("the base", 1188)
	tc.answerProbe()
	tc.wantProbe("something less", 1408)
}

// TestPathChanged: on another way nothing is known any more, and what is
// outstanding stays so. // 8261-6.1-a 9260-7.2.5-a 9260-7.3-a
func TestPathChanged(t *testing.T) {
	tc := newRaised(t, Config{})
	tc.send(Message{Payload: payload(1400)})
	tc.sent = nil
	p := tc.a.paths.primary()
	p.cc.init(100_000, testPMDCS)
	flight := tc.a.Stats().FlightSize
	tc.a.PathChanged(tc.now, 0)
	tc.a.PathChanged(tc.now, 7) // there is none
	st := tc.a.Stats()
	if st.MTU != 1188 || st.SRTT != 0 || st.CongestionWindow > 4*1188 || st.FlightSize != flight || !p.t3.on() {
		t.Fatalf("%+v", st)
	}
	tc.wantProbe("from the base on", 1188)
	tc.advanceToTimer()
	tc.write(sack{cum: 0})
	tc.sent = nil
	tc.answerProbe()
	tc.wantProbe("and up", 1432)
}

// TestPadReceived: what PAD holds is ignored, and the chunks behind it count.
// 4820-3-a
func TestPadReceived(t *testing.T) {
	tc := newConnected(t, Config{})
	pad := func(n int) written { return built(func(b []byte) []byte { return wire.AppendPad(b, n) }) }
	tc.write(pad(4), data{tsn: 0, flags: whole, payload: "x"}, pad(800))
	tc.want("DATA behind PAD", "SACK cum=0")
	tc.wantRead("and read", 0, "x")
	tc.write(heartbeatChunk(wire.TypeHeartbeat, []byte("probe of the peer")), pad(1000))
	if n := len(tc.sent[0]); n > 60 {
		t.Fatalf("answer of %d bytes", n)
	}
	tc.want("a probe", "HEARTBEAT ACK")
	tc.write(chunk{t: wire.TypePad, flags: 0xff, value: []byte("flags and content mean nothing")}, data{tsn: 1, ssn: 1, flags: whole, payload: "y"})
	tc.wantRead("processing continues", 0, "y")
}
