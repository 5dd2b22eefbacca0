package sctp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// queue queues messages of these sizes on streams, without sending any yet.
func (tc *testConn) queue(messages ...[2]int) {
	tc.t.Helper()
	for _, m := range messages {
		if err := tc.a.Send(tc.now, Message{Stream: uint16(m[0]), Payload: payload(m[1])}); err != nil {
			tc.t.Fatal(err)
		}
	}
}

// wantTurns wants packets with chunks of these streams: "1 2|1" is a packet with a
// chunk each of streams 1 and 2, and one with a chunk of stream 1.
func (tc *testConn) wantTurns(why, want string) {
	tc.t.Helper()
	tc.drain()
	var packets []string
	for _, b := range tc.sent {
		var turns []string
		for _, line := range tc.describePacket(b) {
			var tsn, sid int
			name, rest, _ := strings.Cut(line, " ")
			if name != "DATA" && name != "I-DATA" {
				continue
			}
			if _, err := fmt.Sscanf(rest, "tsn=%d sid=%d", &tsn, &sid); err != nil {
				tc.t.Fatal(line, err)
			}
			turns = append(turns, fmt.Sprint(sid))
		}
		packets = append(packets, strings.Join(turns, " "))
	}
	tc.sent = nil
	if got := strings.Join(packets, "|"); got != want {
		tc.t.Fatalf("%s:\n got  %s\n want %s", why, got, want)
	}
}

// TestSchedulers without interleaving: turns are messages. // 8260-3-a DCSCTP-priority
func TestSchedulers(t *testing.T) {
	small := [][2]int{{1, 10}, {1, 10}, {1, 10}, {2, 10}, {3, 10}, {2, 10}}
	unequal := [][2]int{{1, 300}, {1, 10}, {1, 10}, {2, 100}, {2, 100}, {2, 100}, {3, 30}}
	for _, tt := range []struct {
		scheduler  Scheduler
		priorities map[uint16]uint16
		messages   [][2]int
		want       string
	}{
		{FirstComeFirstServed, nil, small, "1 1 1 2 3 2"},
		{FirstComeFirstServed, nil, [][2]int{{1, 2000}, {2, 10}, {1, 10}}, "1|1 2 1"},
		{RoundRobin, nil, small, "1 2 3 1 2 1"},
		{RoundRobin, nil, [][2]int{{1, 2000}, {1, 10}, {2, 10}}, "1|1 2 1"},
		{RoundRobinPacket, nil, small, "1 1 1|2 2|3"},
		{RoundRobinPacket, nil, [][2]int{{1, 500}, {1, 500}, {1, 500}, {2, 10}, {2, 10}, {3, 10}}, "1 1|2 2|3|1"},
		{RoundRobinPacket, nil, [][2]int{{1, 2000}, {2, 10}, {1, 10}}, "1|1 1|2"},
		{StrictPriority, nil, small, "1 2 3 1 2 1"},
		{StrictPriority, map[uint16]uint16{3: 1024, 1: 128}, small, "3 2 2 1 1 1"},
		{FairCapacity, nil, small, "1 2 3 1 2 1"},
		{FairCapacity, map[uint16]uint16{1: 1024}, unequal, "3 2 1 2 2 1 1"},
		{WeightedFairQueueing, nil, unequal, "3 2 1 2 2 1 1"},
		{WeightedFairQueueing, map[uint16]uint16{1: 1024}, unequal, "3 1 2 1 1 2 2"},
		{WeightedFairQueueing, map[uint16]uint16{1: 0, 2: 1, 3: 2}, small, "1 3 2 1 2 1"},
	} {
		tc := newConnected(t, Config{Scheduler: tt.scheduler})
		for stream, p := range tt.priorities {
			if err := tc.a.SetStreamPriority(stream, p); err != nil {
				t.Fatal(err)
			}
		}
		tc.queue(tt.messages...)
		tc.wantTurns(fmt.Sprintf("scheduler %d, priorities %v", tt.scheduler, tt.priorities), tt.want)
	}
}

// TestRoundRobinPacketRetransmits one stream to a packet, too. // 8260-3-a
func TestRoundRobinPacketRetransmits(t *testing.T) {
	tc := newConnected(t, Config{Scheduler: RoundRobinPacket})
	tc.queue([2]int{1, 10}, [2]int{2, 10})
	tc.wantTurns("apart", "1|2")
	tc.queue([2]int{2, 10})
	tc.wantTurns("new", "2")
	tc.advanceToTimer()
	tc.wantTurns("apart again", "1")
	tc.write(sack{cum: 0})
	tc.wantTurns("the rest", "2 2")
}

// TestSetStreamPriority while messages wait, and where there is no such stream. // DCSCTP-priority
func TestSetStreamPriority(t *testing.T) {
	tc := newConnected(t, Config{Scheduler: StrictPriority, OutboundStreams: 10})
	tc.queue([2]int{1, 10}, [2]int{2, 10}, [2]int{3, 10})
	if err := tc.a.SetStreamPriority(3, 300); err != nil {
		t.Fatal(err)
	}
	if err := tc.a.SetStreamPriority(1, 1); err != nil {
		t.Fatal(err)
	}
	tc.wantTurns("as they are now", "3 2 1")
	if err := tc.a.SetStreamPriority(10, 1); err != ErrInvalidStream {
		t.Fatal(err)
	}
	tc.a.Abort(tc.now, "")
	if err := tc.a.SetStreamPriority(1, 1); err != ErrClosed {
		t.Fatal(err)
	}
	if _, err := New(Config{Scheduler: FairCapacity + 1}); err == nil {
		t.Fatal("an unknown scheduler")
	}
}

// TestShares: over any stretch of time in which streams have something to send, their
// bytes are as their weights, to within a turn or two. // 8260-3-a
func TestShares(t *testing.T) {
	for _, weighted := range []bool{true, false} {
		rng := rand.New(rand.NewPCG(3, 4))
		for range 50 {
			const most = 1200 // bytes of a turn
			q := turnQueue{order: &fairQueueing{weighted: weighted}}
			streams := make([]*outStream, 2+rng.IntN(20))
			sent := make([]int, len(streams))
			next := func() *outMessage { return &outMessage{payload: make([]byte, 1+rng.IntN(most))} }
			for i := range streams {
				streams[i] = &outStream{id: uint16(i), priority: uint16(1 + rng.IntN(1024)), head: next()}
				q.add(streams[i])
			}
			for range 20_000 {
				s := q.first()
				n := len(s.head.payload)
				s.head = next()
				sent[s.id] += n
				q.served(s, n)
				if bad := q.invariants(); bad != "" {
					t.Fatal(bad)
				}
			}
			for i, a := range streams {
				for j, b := range streams[:i] {
					wa, wb := 1, 1
					if weighted {
						wa, wb = int(a.priority), int(b.priority)
					}
					// |sent_a/wa - sent_b/wb| <= most/wa + most/wb, and rounding
					if d := sent[i]*wb - sent[j]*wa; max(d, -d) > most*(wa+wb)+wa*wb {
						t.Fatalf("weights %d and %d: %d and %d bytes", wa, wb, sent[i], sent[j])
					}
				}
			}
		}
	}
}

// TestIdleStreamIsServedAtOnce, and what it did not use is not made up for.
func TestIdleStreamIsServedAtOnce(t *testing.T) {
	var q turnQueue
	q.init(WeightedFairQueueing)
	bulk, thin := &outStream{id: 1, priority: 1024, head: &outMessage{}}, &outStream{id: 2, priority: 128}
	q.add(bulk)
	for round := range 10 {
		for range 1000 {
			if q.first() != bulk {
				t.Fatalf("round %d: the other one", round)
			}
			q.served(bulk, 1000)
		}
		thin.head = &outMessage{}
		q.add(thin)
		for n := 0; q.first() != thin; n++ {
			if q.served(bulk, 1000); n > 0 {
				t.Fatal("it waits longer than for one turn")
			}
		}
		thin.head = nil
		q.served(thin, 100)
	}
	bulk.head = nil
	q.served(bulk, 1000)
	if f := &q.fair; q.order != f || f.weights != 0 || f.excess != 0 || f.now < max(thin.start, bulk.start) || len(q.heap) != 0 {
		t.Fatalf("%+v", f)
	}
}

// TestChangedPriorityPaysAtOnce: a stream whose priority was changed waits for what it has sent as long as
// its new share says, whether it has more to send meanwhile or not. // 8260-3-a
func TestChangedPriorityPaysAtOnce(t *testing.T) {
	const size = 16 << 10
	for _, tt := range []struct{ before, after uint16 }{{1, 1024}, {128, 1024}, {0, 65535}, {256, 256}, {1024, 128}, {65535, 16}} {
		for _, idle := range []bool{false, true} {
			var q turnQueue
			q.init(WeightedFairQueueing)
			message := &outMessage{payload: make([]byte, size)}
			bulk, other := &outStream{id: 1, priority: 256, head: message}, &outStream{id: 2, priority: tt.before, head: message}
			q.add(bulk)
			q.add(other)
			for q.first() != other {
				q.served(bulk, size)
			}
			if idle {
				other.head = nil
			}
			q.served(other, size)
			q.prioritize(other, tt.after)
			if !idle && q.invariants() != "" {
				t.Fatal(q.invariants())
			}
			if idle {
				other.head = message
				q.add(other)
			}
			n := 0
			for ; q.first() != other; n += size {
				q.served(bulk, size)
			}
			// What it sent is paid by then, and so is the next message, but for one of the other's.
			if most := 2*size*256/int(max(1, tt.after)) + 2*size; n > most {
				t.Errorf("%+v, idle %v: %d bytes of the other stream before its turn, expected %d at most", tt, idle, n, most)
			}
			if s := q.invariants(); s != "" {
				t.Fatal(s)
			}
		}
	}
}

// TestTurnsLast: what goes at the same time is not mixed more finely than by quanta, but for the
// first chunk of a stream that was idle, which goes before those that were not. // 8260-3-a
func TestTurnsLast(t *testing.T) {
	tc := newInterleaved(t, Config{MaxBurst: 1000, InitialWindow: 12_000, LossDetection: MissIndications})
	tc.queue([2]int{1, 10}, [2]int{2, 10}, [2]int{1, 60_000}, [2]int{2, 60_000})
	tc.wantTurns("the first message of each, and a quantum", "1 2 1|1|1|1|1|1|1|1|1|1|1")
	tc.queue([2]int{4, 10})
	tc.write(sack{cum: 5})
	tc.wantTurns("what was idle does not wait, and the turn goes on", "4 1|1|1|1|2|2|2|2")
	tc.queue([2]int{3, 4000})
	tc.write(sack{cum: 9})
	tc.wantTurns("which ends when another has one", "3|3|3|3 2|2|2|2|2")
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
	for _, late := range []time.Duration{0, 1} {
		tc := newInterleaved(t, Config{MaxBurst: 1000, InitialWindow: 4000, LossDetection: MissIndications})
		tc.queue([2]int{1, 10}, [2]int{2, 10}, [2]int{1, 60_000}, [2]int{2, 60_000})
		tc.wantTurns("a window", "1 2 1|1|1|1")
		tc.advance(turnTime + late)
		tc.write(sack{cum: 2})
		tc.wantTurns("a turn ends in time", []string{"1|1", "2|2"}[late])
	}
}

// TestTurnsEnd: whatever happens to the message or the stream whose turn lasts, the others go on, and what
// it has sent counts.
func TestTurnsEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Message
		do   func(tc *testConn)
		want string // the turns of the next 4000 bytes
	}{
		{"nothing", Message{}, func(tc *testConn) {}, "1|1"},
		{"it expires", Message{Reliability: Reliability{LimitLifetime: true, Lifetime: turnTime / 2}}, func(tc *testConn) { tc.advance(turnTime * 3 / 4) }, "2|2"},
		{"it is given up", Message{More: true}, func(tc *testConn) { tc.a.Cancel(tc.now, 1) }, "2|2"},
		{"the stream is reset", Message{}, func(tc *testConn) { tc.check(tc.a.ResetStreams(tc.now, 1)) }, "1|1"},
		{"and it is not at its end", Message{More: true}, func(tc *testConn) { tc.check(tc.a.ResetStreams(tc.now, 1)) }, "2|2"},
		{"it counts for less, with the chunk that is next", Message{}, func(tc *testConn) { tc.check(tc.a.SetStreamPriority(1, 1)) }, "1|2"},
		{"for nothing", Message{}, func(tc *testConn) { tc.check(tc.a.SetStreamPriority(1, 0)) }, "1|2"},
		{"for more", Message{}, func(tc *testConn) { tc.check(tc.a.SetStreamPriority(1, 65535)) }, "1|1"},
		{"the shutdown begins", Message{}, func(tc *testConn) { tc.a.Shutdown(tc.now) }, "1|1"},
		{"and it is not at its end", Message{More: true}, func(tc *testConn) { tc.a.Shutdown(tc.now) }, "2|2"},
	} {
		tc := newInterleaved(t, Config{MaxBurst: 1000, InitialWindow: 4000, LossDetection: MissIndications})
		tc.queue([2]int{1, 10}, [2]int{2, 10})
		tt.m.Stream, tt.m.Payload = 1, payload(60_000)
		if err := tc.a.Send(tc.now, tt.m); err != nil {
			t.Fatal(err)
		}
		tc.queue([2]int{2, 60_000})
		tc.wantTurns("a window", "1 2 1|1|1|1")
		tt.do(tc)
		if s := tc.a.invariants(tc.now); s != "" {
			t.Fatalf("%s: %s", tt.name, s)
		}
		tc.drain()
		tc.sent = nil
		tc.write(sack{cum: 2})
		tc.wantTurns(tt.name, tt.want)
		for cum := 4; tc.a.Stats().SendBuffered > 0; cum++ {
			if cum > 180 {
				t.Fatalf("%s: it does not go on: %+v", tt.name, tc.a.Stats())
			}
			tc.write(sack{cum: cum})
			tc.drain()
			if s := tc.a.invariants(tc.now); s != "" {
				t.Fatalf("%s: %s", tt.name, s)
			}
		}
	}
}
