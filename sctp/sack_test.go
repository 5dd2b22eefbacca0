package sctp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestSackTiming: the first DATA and every second packet at once, else after the
// delay. // 9260-5.1-d 9260-6.2-a
func TestSackTiming(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	next := 0
	d := func() data { next++; return data{tsn: next - 1, ssn: wire.SSN(next - 1), flags: whole, payload: "x"} }
	tc.write(d())
	tc.want("the first", "SACK cum=0")
	tc.write(d())
	tc.wantIdle("delayed")
	if w := tc.advanceToTimer(); w != 200*time.Millisecond {
		t.Fatalf("after %v", w)
	}
	tc.want("in time", "SACK cum=1")
	tc.write(d())
	tc.write(d())
	tc.want("the second packet", "SACK cum=3")
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("the timer was not stopped")
	}
	tc.write(d(), d(), d())
	tc.wantIdle("it is packets that count")
	tc.send(Message{Payload: payload(4)})
	tc.want("it rides along with DATA", "SACK cum=6", "DATA tsn=0")
}

// TestSackImmediate lists the reasons for haste. // 9260-6.2-b 7053-5-a
func TestSackImmediate(t *testing.T) {
	start := func(t *testing.T) *testConn {
		tc := newConnected(t, Config{})
		tc.write(data{tsn: 0, flags: whole, payload: "x"})
		tc.want("the first", "SACK cum=0")
		return tc
	}
	t.Run("gap", func(t *testing.T) {
		tc := start(t)
		tc.write(data{tsn: 2, ssn: 2, flags: whole, payload: "x"})
		tc.want("a new gap", "SACK cum=0 gaps=2-2")
		tc.write(data{tsn: 3, ssn: 3, flags: whole, payload: "x"})
		tc.want("a gap is there", "SACK cum=0 gaps=2-3")
		tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "x"})
		tc.want("it closes", "SACK cum=3 gaps= dups=")
	})
	t.Run("duplicate", func(t *testing.T) {
		tc := start(t)
		tc.write(data{tsn: 0, flags: whole, payload: "x"})
		tc.want("only duplicates", "SACK cum=0 gaps= dups=0")
		tc.write(data{tsn: 0, flags: whole, payload: "x"}, data{tsn: 0, flags: whole, payload: "x"})
		tc.want("each is listed, and only once", "SACK cum=0 gaps= dups=0,0") // 9260-3.3.4-b
		tc.write(data{tsn: 1, ssn: 1, flags: whole | wire.FlagImmediate, payload: "x"})
		tc.want("the list is empty again", "SACK cum=1 gaps= dups=")
	})
	t.Run("I bit", func(t *testing.T) {
		tc := start(t)
		tc.write(data{tsn: 1, ssn: 1, flags: whole | wire.FlagImmediate, payload: "x"})
		tc.want("asked for", "SACK cum=1")
	})
}

// TestSackExample is the example of the RFC. // 9260-3.3.4-b
func TestSackExample(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.peerTSN = 10
	tc.a.tsns.init(10)
	for _, tsn := range []int{0, 1, 2, 4, 5, 7} {
		tc.write(data{tsn: tsn, ssn: wire.SSN(tsn), flags: whole, payload: "x"})
	}
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.want("10, 11, 12, 14, 15, 17 came in", "SACK cum=2 gaps=2-3,5-5 dups=")
}

// TestSackFitsPacket: with more gaps than fit, the lowest are reported. // 9260-6.2-e
func TestSackFitsPacket(t *testing.T) {
	tc := newConnected(t, Config{MTU: 512})
	for i := range 1000 {
		tc.write(data{tsn: 2*i + 1, sid: 1, flags: whole | wire.FlagUnordered, payload: "x"})
		for range 3 {
			tc.write(data{tsn: 2*i + 1, sid: 1, flags: whole | wire.FlagUnordered, payload: "x"})
		}
	}
	b := wire.Packet(tc.sent[len(tc.sent)-1]) // the language checks the size of each
	it := b.Chunks()
	c, _ := it.Next()
	s, err := c.Sack()
	if err != nil || s.Gaps() != (512-12-16)/4 || s.Gap(0) != (wire.GapBlock{Start: 2, End: 2}) {
		t.Fatalf("%d gaps, %v", s.Gaps(), err)
	}
}

// sending returns a connection with n full packets in flight, missing one that
// counts misses.
func sending(t *testing.T, n int) *testConn { return sendingBy(t, RACK, n) }
func missing(t *testing.T, n int) *testConn { return sendingBy(t, MissIndications, n) }

func sendingBy(t *testing.T, how LossDetection, n int) *testConn {
	t.Helper()
	tc := newConnected(t, Config{CongestionControl: Reno, HeartbeatInterval: -1, MaxBurst: maxBurst, LossDetection: how})
	tc.a.paths.primary().cc.init(n*1176, testPMDCS)
	for range n {
		if err := tc.a.Send(tc.now, Message{Payload: payload(1160)}); err != nil {
			t.Fatal(err)
		}
	}
	tc.wantPackets("in flight", n)
	return tc
}

// TestCraftedSacks: a SACK that speaks of what was not sent, or is old, or makes no
// sense, changes nothing.
func TestCraftedSacks(t *testing.T) {
	for desc, s := range map[string]sack{
		"beyond what was sent":             {cum: 10},
		"far beyond":                       {cum: 1 << 30},
		"older than the ack point":         {cum: -2},
		"much older":                       {cum: -1 << 30},
		"a gap beyond what was sent":       {cum: -1, gaps: []wire.GapBlock{{Start: 2, End: 11}}},
		"a gap at offset 0":                {cum: -1, gaps: []wire.GapBlock{{Start: 0, End: 2}}},
		"a gap that ends before it starts": {cum: -1, gaps: []wire.GapBlock{{Start: 5, End: 4}}},
		"one good gap and a bad one":       {cum: -1, gaps: []wire.GapBlock{{Start: 2, End: 3}, {Start: 5, End: 65535}}},
	} {
		tc := sending(t, 10)
		tc.write(sack{cum: -1})
		before, at := tc.a.Stats(), tc.a.paths.primary().t3
		s.window = 5000
		tc.write(s)
		tc.wantIdle(desc)
		after := tc.a.Stats()
		after.PacketsReceived, after.BytesReceived = before.PacketsReceived, before.BytesReceived
		if after != before || tc.a.paths.primary().t3 != at {
			t.Errorf("%s:\n%+v\n%+v", desc, before, after)
		}
	}
	tc := sending(t, 10)
	tc.write(chunk{t: wire.TypeSack, value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}})
	if tc.a.Stats().UnackedDataChunks != 10 {
		t.Error("counts that the chunk does not hold")
	}
}

// TestUnsortedGaps are understood: the RFC does not forbid them.
func TestUnsortedGaps(t *testing.T) {
	tc := sending(t, 10)
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 8, End: 9}, {Start: 3, End: 4}, {Start: 3, End: 5}}})
	if got := tc.a.Stats().FlightSize; got != 5*1176 {
		t.Fatalf("%d bytes in flight", got)
	}
	tc.write(sack{cum: 9})
	if s := tc.a.Stats(); s.FlightSize != 0 || s.SendBuffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestReneging: what a SACK no longer reports is outstanding again, and sent again
// if need be. // 9260-6.2.1-b
func TestReneging(t *testing.T) {
	tc := missing(t, 6)
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: 6}}})
	if got := tc.a.Stats().FlightSize; got != 1176 {
		t.Fatalf("%d bytes in flight", got)
	}
	tc.write(sack{cum: 0, gaps: []wire.GapBlock{{Start: 2, End: 3}}}) // of 1..5 only 2 and 3 are left
	if got := tc.a.Stats().FlightSize; got != 3*1176 {
		t.Fatalf("%d bytes in flight", got)
	}
	if !tc.a.paths.primary().t3.on() {
		t.Fatal("T3-rtx does not run")
	}
	tc.advanceToTimer()
	tc.want("the earliest again", "DATA tsn=1")
	tc.write(sack{cum: 5})
	if s := tc.a.Stats(); s.FlightSize != 0 || s.SendBuffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestManyGapBlocks: silence beyond a long list of gaps is no reneging: peers report
// a limited number of them.
func TestManyGapBlocks(t *testing.T) {
	tc := sending(t, 60)
	var gaps []wire.GapBlock
	for i := range 25 {
		gaps = append(gaps, wire.GapBlock{Start: uint16(2*i + 2), End: uint16(2*i + 2)})
	}
	tc.write(sack{cum: -1, gaps: gaps})
	flight := tc.a.Stats().FlightSize
	tc.write(sack{cum: -1, gaps: gaps[:20]})
	if got := tc.a.Stats().FlightSize; got > flight {
		t.Fatalf("%d bytes in flight, were %d", got, flight)
	}
}

// TestSentQueueModel compares acknowledgement by SACKs of a random receiver with a
// list of states. // 9260-1.3-b
func TestSentQueueModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var q sentQueue
		q.init(0xFFFFFFF0)
		m := &outMessage{payload: make([]byte, 1<<20)}
		n := 20 + rng.IntN(60)
		for range n {
			c := q.blank()
			c.msg, c.header, c.size = m, wire.DataHeaderLen, 100
			q.push(0, c)
		}
		got := make([]bool, n) // by the receiver
		for range 30 {
			for range rng.IntN(8) {
				got[rng.IntN(n)] = true
			}
			if rng.IntN(6) == 0 { // reneges on the highest
				for i := n - 1; i > 0; i-- {
					if got[i] && !got[i-1] {
						got[i] = false
						break
					}
				}
			}
			cum := 0
			for cum < n && got[cum] {
				cum++
			}
			cum = max(cum, q.cum.Since(0xFFFFFFF0)+1)
			for i := range cum {
				got[i] = true
			}
			var gaps []wire.GapBlock
			for i := cum; i < n; i++ {
				if got[i] && (i == cum || !got[i-1]) {
					gaps = append(gaps, wire.GapBlock{Start: uint16(i - cum + 1)})
				}
				if got[i] {
					gaps[len(gaps)-1].End = uint16(i - cum + 1)
				}
			}
			b := wire.AppendSack(nil, wire.TSN(0xFFFFFFF0).Add(cum-1), 0, gaps, nil)
			s, err := wire.Chunk(b).Sack()
			if err != nil || q.highest().Before(s.CumTSN) || !q.valid(&s) {
				t.Fatal("invalid", err)
			}
			var f ackFacts
			q.ackThrough(0, s.CumTSN, &f)
			q.ackGaps(0, &s, &f)
			outstanding := 0
			for i := cum; i < n; i++ {
				if c := q.at(wire.TSN(0xFFFFFFF0).Add(i)); (c.state == chunkAcked) != got[i] {
					if len(gaps) < manyGapBlocks || got[i] {
						t.Fatalf("chunk %d: state %d, received %v", i, c.state, got[i])
					}
				} else if !got[i] {
					outstanding++
				}
			}
			if len(gaps) < manyGapBlocks && (q.outstanding != outstanding || q.flight != 116*outstanding || q.flightPayload != 100*outstanding) {
				t.Fatalf("%d outstanding, want %d", q.outstanding, outstanding)
			}
		}
	}
}
