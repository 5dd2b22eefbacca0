package sctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// newECN returns an established testConn whose peer takes part in ECN, too.
func newECN(t testing.TB, cfg Config) *testConn {
	t.Helper()
	cfg.ECN = true
	set(&cfg.CongestionControl, Reno)
	tc := newTestConn(t, cfg)
	params := tc.peerParams
	tc.peerParams = func(b []byte, chunk int) []byte {
		return wire.AppendParam(params(b, chunk), chunk, wire.ParamECN, nil)
	}
	tc.connect()
	return tc
}

func ecne(tc *testConn, tsn int, count uint32) written {
	return built(func(b []byte) []byte {
		return wire.AppendECNE(b, wire.ECNE{TSN: tc.localTSN.Add(tsn), Count: count})
	})
}

func cwr(tc *testConn, tsn int) written {
	return built(func(b []byte) []byte { return wire.AppendCWR(b, tc.peerTSN.Add(tsn)) })
}

// writeCE is write for a packet that met congestion.
func (tc *testConn) writeCE(chunks ...written) {
	tc.t.Helper()
	b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tc.localTag)
	for _, c := range chunks {
		b = c.append(tc, b)
	}
	wire.SetChecksum(b)
	tc.a.HandlePacketECN(tc.now, 0, b, CE)
	tc.drain()
}

// TestECNNegotiated: both sides must say so, as initiator and not, over the cookie.
// ecn-a ecn-d
func TestECNNegotiated(t *testing.T) {
	for _, ours := range []bool{false, true} {
		for _, peers := range []bool{false, true} {
			for _, initiate := range []bool{false, true} {
				tc := newTestConn(t, Config{ECN: ours})
				params := tc.peerParams
				tc.peerParams = func(b []byte, chunk int) []byte {
					if b = params(b, chunk); peers {
						b = wire.AppendParam(b, chunk, wire.ParamECN, nil)
					}
					return b
				}
				var b []byte
				if initiate {
					if err := tc.a.Connect(tc.now); err != nil {
						t.Fatal(err)
					}
					tc.drain()
					b = tc.sent[0]
					tc.sent = nil
					tc.write(tc.initAck())
					tc.write(chunk{t: wire.TypeCookieAck})
				} else {
					tc.write(tc.init())
					b = tc.sent[0]
					tc.sent = nil
					tc.write(tc.cookieEcho())
				}
				if got := hasParam(b, wire.ParamECN); got != ours {
					t.Errorf("ours %v, peer's %v: the parameter is there: %v", ours, peers, got)
				}
				if got := tc.a.Stats().ECN; got != (ours && peers) {
					t.Errorf("ours %v, peer's %v, initiating %v: %v", ours, peers, initiate, got)
				}
			}
		}
	}
}

// hasParam reports whether the INIT or INIT ACK in a packet has a parameter.
func hasParam(packet []byte, want wire.ParamType) bool {
	it := wire.Packet(packet).Chunks()
	c, _ := it.Next()
	in, err := c.Init()
	if err != nil {
		in, _ = c.InitAck()
	}
	for p, ok := in.Params.Next(); ok; p, ok = in.Params.Next() {
		if p.Type() == want {
			return true
		}
	}
	return false
}

// TestECNEcho: a mark is told at once, with the lowest TSN of its packet, and again
// with every SACK until a CWR covers it. // ecn-a ecn-b ecn-c
func TestECNEcho(t *testing.T) {
	tc := newECN(t, Config{})
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("no mark", "SACK cum=0")
	tc.writeCE(data{tsn: 1, ssn: 1, flags: whole, payload: "y"}, data{tsn: 2, ssn: 2, flags: whole, payload: "z"})
	tc.want("a mark", "ECNE tsn=1 count=1", "SACK cum=2")
	tc.write(data{tsn: 3, ssn: 3, flags: whole, payload: "x"}, data{tsn: 3, ssn: 3, flags: whole, payload: "x"})
	tc.advance(tc.a.cfg.SackDelay)
	tc.want("with each SACK", "ECNE tsn=1 count=1", "SACK cum=3")
	tc.writeCE(data{tsn: 4, ssn: 4, flags: whole, payload: "x"})
	tc.want("another mark", "ECNE tsn=4 count=2", "SACK cum=4")
	tc.write(cwr(tc, 1))
	tc.writeCE(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("CWR for the first mark; one of an old duplicate", "ECNE tsn=4 count=3", "SACK cum=4")
	tc.write(cwr(tc, 4), data{tsn: 5, ssn: 5, flags: whole, payload: "x"}, data{tsn: 5, ssn: 5, flags: whole, payload: "x"})
	tc.advance(tc.a.cfg.SackDelay)
	tc.want("CWR for the last", "SACK cum=5")
	tc.writeCE(heartbeatChunk(wire.TypeHeartbeat, []byte("no data")))
	tc.want("nothing to name", "HEARTBEAT ACK")
	if st := tc.a.Stats(); st.CEReceived != 3 {
		t.Errorf("%+v", st)
	}
}

// TestECNPiggyback: ECNE goes with a SACK that rides along with data, and not
// without.
func TestECNPiggyback(t *testing.T) {
	tc := newECN(t, Config{})
	tc.writeCE(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("at once", "ECNE tsn=0", "SACK cum=0")
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "x"})
	tc.wantIdle("delayed")
	tc.send(Message{Payload: payload(10)})
	tc.want("with data", "ECNE tsn=0", "SACK cum=1", "DATA tsn=0")
	tc.send(Message{Payload: payload(10)})
	tc.want("no SACK", "DATA tsn=1")
}

// TestECNReaction: as to a loss, once per window; each ECNE is confirmed. // ecn-b
func TestECNReaction(t *testing.T) {
	tc := newECN(t, Config{})
	cc := tc.a.paths.primary().cc.(*reno)
	cc.cwnd = 40_000
	tc.send(Message{Payload: payload(10_000)})
	tc.sent = nil
	last := tc.a.sent.highest().Since(tc.localTSN)
	tc.write(ecne(tc, 2, 1), sack{cum: 0})
	if cc.cwnd != 20_000 {
		t.Fatalf("cwnd %d", cc.cwnd)
	}
	b := tc.sent[0]
	tc.sent = nil
	if got := tc.describePacket(b); got[0] != "CWR tsn=2" {
		t.Fatalf("%q", got)
	}
	tc.write(ecne(tc, 3, 2), sack{cum: 1})
	if cc.cwnd != 20_000 {
		t.Fatalf("twice in a window: %d", cc.cwnd)
	}
	if got := tc.describePacket(tc.sent[0]); got[0] != "CWR tsn=3" {
		t.Fatalf("%q", got)
	}
	tc.sent = nil
	for cum := 2; tc.a.sent.span() > 0; cum++ {
		tc.write(sack{cum: cum})
	}
	tc.send(Message{Payload: payload(1000)})
	tc.sent = nil
	tc.write(ecne(tc, last, 3))
	if cc.cwnd != 20_000 {
		t.Fatalf("of the old window: %d", cc.cwnd)
	}
	tc.write(ecne(tc, last+1, 3))
	if cc.cwnd != 10_000 {
		t.Fatalf("of the next: %d", cc.cwnd)
	}
	tc.write(ecne(tc, last+100, 3), chunk{t: wire.TypeECNE, value: []byte{1}}, chunk{t: wire.TypeCWR})
	if cc.cwnd != 10_000 || tc.a.Stats().ECNEReceived != 4 {
		t.Fatalf("TSNs never sent: %d", cc.cwnd)
	}
}

// TestECNAndLoss: a loss and a mark in one window count once. // ecn-b
func TestECNAndLoss(t *testing.T) {
	lose := func(tc *testConn) {
		for end := uint16(2); end < 5; end++ {
			tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: end}}})
		}
	}
	for _, markFirst := range []bool{true, false} {
		tc := newECN(t, Config{})
		cc := tc.a.paths.primary().cc.(*reno)
		cc.cwnd = 40_000
		for range 8 {
			tc.send(Message{Payload: payload(1100)})
		}
		if markFirst {
			tc.write(ecne(tc, 3, 1))
			lose(tc)
		} else {
			lose(tc)
			tc.write(ecne(tc, 3, 1))
		}
		if cc.cwnd != 20_000 || tc.a.Stats().FastRetransmits != 1 {
			t.Errorf("mark first %v: cwnd %d, %d recoveries", markFirst, cc.cwnd, tc.a.Stats().FastRetransmits)
		}
	}
}

// TestECNAndUndo: a recovery in whose window there was a mark stays, though nothing had been lost. // ecn-b
func TestECNAndUndo(t *testing.T) {
	for _, marked := range []bool{false, true} {
		tc := newECN(t, Config{HeartbeatInterval: -1, MaxBurst: maxBurst})
		cc := tc.a.paths.primary().cc.(*reno)
		cc.cwnd = 40_000
		tc.more(8)
		tc.sent = nil
		tc.advance(testRTT)
		tc.write(gaps(0, 4, 6))
		for tc.a.sent.lost > 0 || !tc.a.recovery.active() {
			tc.advanceToTimer()
		}
		tc.sent = nil
		if marked {
			tc.write(ecne(tc, 5, 1))
		}
		tc.write(sack{cum: 7, dups: []int{1, 2, 3}})
		want := 40_000
		if marked {
			want = 20_000
		}
		if s := tc.a.Stats(); cc.cwnd != want || s.FastRetransmits != 1 {
			t.Errorf("marked %v: window of %d, not %d: %+v", marked, cc.cwnd, want, s)
		}
	}
}

// TestECNCodepoints: new data goes out with ECT(0), and nothing else; nothing at all
// with BBR, which still tells of the peer's marks.
func TestECNCodepoints(t *testing.T) {
	tc := newECN(t, Config{})
	var buf [2000]byte
	want := func(why string, mark ECN) {
		t.Helper()
		if tx, ok := tc.a.Transmit(tc.now, buf[:0]); !ok || tx.ECN != mark {
			t.Fatalf("%s: %v, %d", why, ok, tx.ECN)
		}
	}
	tc.a.Send(tc.now, Message{Payload: payload(10)})
	want("data", ECT0)
	tc.now, _ = tc.a.Timeout()
	tc.a.HandleTimeout(tc.now)
	want("again", NotECT)
	tc = newConnected(t, Config{ECN: true})
	tc.a.Send(tc.now, Message{Payload: payload(10)})
	want("not negotiated", NotECT)
	tc = newECN(t, Config{CongestionControl: BBR})
	tc.a.Send(tc.now, Message{Payload: payload(10)})
	want("BBR", NotECT)
	tc.writeCE(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("it tells of marks", "ECNE tsn=0 count=1", "SACK cum=0")
	tc = newECN(t, Config{})
	b := wire.AppendHeader(nil, 5000, 5000, tc.localTag)
	b = wire.AppendData(b, wire.Data{Flags: whole, TSN: tc.peerTSN, Payload: []byte("x")})
	wire.SetChecksum(b)
	tc.a.HandlePacketECN(tc.now, 0, b, ECT0)
	want("a SACK", NotECT)
}

// TestECNOff: without negotiation the chunks are unknown, and what is behind them is
// not looked at (9260-3.2-c).
func TestECNOff(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(ecne(tc, -1, 1), heartbeatChunk(wire.TypeHeartbeat, []byte("x")))
	tc.wantIdle("ECNE")
	tc.write(cwr(tc, -1), heartbeatChunk(wire.TypeHeartbeat, []byte("x")))
	tc.wantIdle("CWR")
	tc.writeCE(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("the mark means nothing", "SACK cum=0")
}
