package sctp

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestInterleavingNegotiation: I-DATA is used if both sides list it, partial
// reliability then if both list I-FORWARD-TSN. // 8260-2.2.1-a 8260-2.3.1-a 3758-3.1-a DCSCTP-interleaving
func TestInterleavingNegotiation(t *testing.T) {
	none := func(b []byte, _ int) []byte { return b }
	classic := func(b []byte, chunk int) []byte { return wire.AppendParam(b, chunk, wire.ParamForwardTSN, nil) }
	for _, tt := range []struct {
		desc        string
		off         bool
		peer        func(b []byte, chunk int) []byte
		interleaved bool
		forward     bool
	}{
		{"all of it", false, extensions(wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN), true, true},
		{"no I-FORWARD-TSN", false, extensions(wire.TypeForwardTSN, wire.TypeIData), true, false},
		{"no I-DATA", false, extensions(wire.TypeForwardTSN, wire.TypeIForwardTSN), false, true},
		{"classic", false, classic, false, true},
		{"nothing", false, none, false, false},
		{"switched off", true, extensions(wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN), false, true},
	} {
		for _, active := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, active %v", tt.desc, active), func(t *testing.T) {
				tc := newTestConn(t, Config{NoInterleaving: tt.off})
				tc.peerParams = tt.peer
				if active {
					tc.connect()
				} else {
					tc.write(tc.init())
					tc.want("answered", "INIT ACK")
					tc.write(tc.cookieEcho())
					tc.want("established", "COOKIE ACK")
				}
				if tc.a.peer.interleaving != tt.interleaved || tc.a.forward.enabled != tt.forward {
					t.Fatalf("interleaving %v, partial reliability %v", tc.a.peer.interleaving, tc.a.forward.enabled)
				}
				tc.send(Message{Stream: 1, PPID: 51, Payload: payload(10)})
				if tt.interleaved {
					tc.want("data", "I-DATA tsn=0 sid=1 mid=0 fsn=0 flags=BE ppid=51 len=10")
				} else {
					tc.want("data", "DATA tsn=0 sid=1 ssn=0 flags=BE ppid=51 len=10")
				}
			})
		}
	}
}

// TestInterleavingAnnounced unless it is switched off.
func TestInterleavingAnnounced(t *testing.T) {
	for _, off := range []bool{false, true} {
		token, err := InitToken(Config{NoInterleaving: off, Seed: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		in, err := wire.Chunk(token).Init()
		if err != nil {
			t.Fatal(err)
		}
		if f := readInit(in, &Config{}); f.iData == off || f.iForwardTSN == off || !f.peer.forwardTSN {
			t.Fatalf("off %v: %+v", off, f)
		}
	}
}

// TestInterleavingMismatch: the chunks of the other kind end the association.
// // 8260-2.2.1-a 8260-2.3.1-a DCSCTP-interleaving
func TestInterleavingMismatch(t *testing.T) {
	for _, tt := range []struct {
		desc        string
		interleaved bool
		chunk       written
		want        string
	}{
		{"DATA", true, data{tsn: 0, flags: whole, payload: "x"}, "DATA was not negotiated"},
		{"FORWARD-TSN", true, forwardTSN{cum: 3}, "FORWARD-TSN was not negotiated"},
		{"I-DATA", false, iData{tsn: 0, flags: whole, payload: "x"}, "I-DATA was not negotiated"},
		{"a malformed I-DATA", false, chunk{t: wire.TypeIData}, "I-DATA was not negotiated"},
		{"I-FORWARD-TSN", false, iForwardTSN{cum: 3}, "I-FORWARD-TSN was not negotiated"},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newTestConn(t, Config{NoInterleaving: !tt.interleaved})
			tc.peerParams = extensions(wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN)
			tc.connect()
			tc.write(tt.chunk)
			tc.want("aborted", fmt.Sprintf("ABORT cause=13 info=%x", tt.want))
			e := tc.wantEvent("closed", EventClosed)
			var abort *AbortedError
			if !errors.As(e.Err, &abort) || abort.Info != tt.want {
				t.Fatalf("closed with %v", e.Err)
			}
		})
	}
	tc := newTestConn(t, Config{})
	tc.peerParams = extensions(wire.TypeIData)
	tc.connect()
	tc.write(iForwardTSN{cum: 3})
	tc.want("not announced by the peer", "ABORT cause=13")
}

// TestIDataSent: numbers of messages and fragments, and the PPID, once. // 8260-2.1-a 8260-2.1-b
func TestIDataSent(t *testing.T) {
	tc := newInterleaved(t, Config{LossDetection: MissIndications})
	tc.send(Message{Stream: 1, PPID: 53, Payload: payload(2500)})
	tc.want("first", "I-DATA tsn=0 sid=1 mid=0 fsn=0 flags=B ppid=53 len=1156")
	tc.want("second", "I-DATA tsn=1 sid=1 mid=0 fsn=1 flags= len=1156")
	tc.want("last", "I-DATA tsn=2 sid=1 mid=0 fsn=2 flags=E len=188")
	tc.write(sack{cum: 2})
	tc.queue([2]int{1, 10})
	tc.want("ordered", "I-DATA tsn=3 sid=1 mid=1 fsn=0 flags=BE")
	for i := range 2 {
		tc.send(Message{Stream: 1, PPID: 50, Unordered: true, Payload: payload(10)})
		tc.want("unordered are counted apart", fmt.Sprintf("I-DATA tsn=%d sid=1 mid=%d fsn=0 flags=UBE ppid=50", 4+i, i))
	}
	tc.queue([2]int{1, 10})
	tc.want("ordered", "I-DATA tsn=6 sid=1 mid=2 fsn=0 flags=BE")
	tc.advanceToTimer()
	tc.want("again, as before", "I-DATA tsn=3 sid=1 mid=1 fsn=0", "I-DATA tsn=4 sid=1 mid=0 fsn=0",
		"I-DATA tsn=5 sid=1 mid=1 fsn=0", "I-DATA tsn=6 sid=1 mid=2 fsn=0")
}

// TestIDataRetransmittedFragment keeps its FSN. // 8260-2.2.2-a
func TestIDataRetransmittedFragment(t *testing.T) {
	tc := newInterleaved(t, Config{LossDetection: MissIndications})
	tc.send(Message{Stream: 1, PPID: 53, Payload: payload(3000)})
	tc.wantPackets("three", 3)
	tc.write(sack{cum: 0, gaps: []wire.GapBlock{{Start: 2, End: 2}}})
	tc.advanceToTimer()
	tc.want("the middle", "I-DATA tsn=1 sid=1 mid=0 fsn=1 flags=I len=1156")
}

// TestSchedulersInterleaving: turns are chunks, or fair ones quanta. // 8260-3-a 8260-2.2.2-a
func TestSchedulersInterleaving(t *testing.T) {
	large := [][2]int{{1, 3000}, {2, 1100}, {3, 10}, {2, 10}}
	for _, tt := range []struct {
		scheduler  Scheduler
		priorities map[uint16]uint16
		messages   [][2]int
		want       string
	}{
		{FirstComeFirstServed, nil, large, "1|1|1 2|2 3 2"},
		{RoundRobin, nil, large, "1|2 3|1|2 1"},
		{RoundRobinPacket, nil, large, "1|2 2|3|1|1"},
		{StrictPriority, map[uint16]uint16{2: 1000, 1: 1}, large, "2 2|3 1|1|1"},
		{FairCapacity, nil, large, "3 2|1|1|1 2"},
		{WeightedFairQueueing, nil, large, "3 2|1|1|1 2"},
		{WeightedFairQueueing, map[uint16]uint16{1: 1024}, large, "3 1|1|1 2|2 2"},
	} {
		tc := newInterleaved(t, Config{Scheduler: tt.scheduler})
		for stream, p := range tt.priorities {
			if err := tc.a.SetStreamPriority(stream, p); err != nil {
				t.Fatal(err)
			}
		}
		tc.queue(tt.messages...)
		tc.wantTurns(fmt.Sprintf("scheduler %d, priorities %v", tt.scheduler, tt.priorities), tt.want)
	}
}

// TestOneMessageOfAStreamAtATime, whatever the scheduler. // 8260-2.2.2-a
func TestOneMessageOfAStreamAtATime(t *testing.T) {
	for s := WeightedFairQueueing; s <= FairCapacity; s++ {
		p := newPipe(t, Config{HeartbeatInterval: -1, Scheduler: s})
		rng := rand.New(rand.NewPCG(1, uint64(s)))
		current := make(map[uint16]wire.IData)
		p.tap = func(b []byte) {
			it := wire.Packet(b).Chunks()
			for c, ok := it.Next(); ok; c, ok = it.Next() {
				d, err := c.IData()
				if err != nil {
					continue
				}
				last := current[d.Stream]
				inside := last.Payload != nil && last.Flags&wire.FlagEnd == 0
				switch begins := d.Flags&wire.FlagBegin != 0; {
				case inside == begins:
					t.Fatalf("scheduler %d: stream %d: begins %v within a message %v", s, d.Stream, begins, inside)
				case inside && (d.MID != last.MID || d.FSN != last.FSN.Next() || (d.Flags^last.Flags)&wire.FlagUnordered != 0):
					t.Fatalf("scheduler %d: stream %d: %v after %v", s, d.Stream, d, last)
				}
				d.Payload = []byte{1}
				current[d.Stream] = d
			}
		}
		for range 50 {
			for range 5 {
				m := Message{Stream: uint16(rng.IntN(4)), Unordered: rng.IntN(2) == 0, Payload: payload(1 + rng.IntN(9000))}
				if err := p.a.Send(p.now, m); err != nil {
					t.Fatal(err)
				}
			}
			p.run()
		}
		p.settle()
		if p.a.sent.span() != 0 || len(current) != 4 {
			t.Fatal("not all was sent")
		}
	}
}

// TestIDataReassembly delivers interleaved fragments that come in any order, twice.
// // 8260-2.2.3-a
func TestIDataReassembly(t *testing.T) {
	const u, b, e = wire.FlagUnordered, wire.FlagBegin, wire.FlagEnd
	parts := []iData{
		{tsn: 0, sid: 1, mid: 0, flags: b, ppid: 51, payload: "a1"},
		{tsn: 1, sid: 2, mid: 0, flags: b, ppid: 52, payload: "c1"},
		{tsn: 2, sid: 1, mid: 0, fsn: 1, payload: "a2"},
		{tsn: 3, sid: 2, mid: 0, fsn: 1, flags: e, payload: "c2"},
		{tsn: 4, sid: 3, mid: 0, flags: whole | u, payload: "x"},
		{tsn: 5, sid: 1, mid: 0, fsn: 2, flags: e, payload: "a3"},
		{tsn: 6, sid: 1, mid: 1, flags: whole, ppid: 53, payload: "b"},
		{tsn: 7, sid: 1, mid: 0, flags: b | u, ppid: 54, payload: "d1"},
		{tsn: 8, sid: 1, mid: 0, fsn: 1, flags: e | u, payload: "d2"},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		order := append(rng.Perm(len(parts)), rng.Perm(len(parts))...)
		tc := newInterleaved(t, Config{})
		for _, i := range order {
			tc.write(parts[i])
			if s := tc.a.invariants(tc.now); s != "" {
				t.Fatalf("order %v: %s", order, s)
			}
		}
		var got []string
		var buf [64]byte
		for {
			n, info, err := tc.a.Read(tc.now, 1, buf[:])
			if err != nil {
				break
			}
			got = append(got, fmt.Sprintf("%s %d %v", buf[:n], info.PPID, info.Complete))
		}
		ordered := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s == "d1d2 54 true" })
		if fmt.Sprint(ordered) != "[a1a2a3 51 true b 53 true]" || len(got) != 3 {
			t.Fatalf("order %v: %q", order, got)
		}
		tc.wantRead("another stream", 2, "c1c2")
		tc.wantRead("and another", 3, "x")
		if tc.a.tsns.cum != tc.peerTSN.Add(8) || tc.a.in.entries != 0 || tc.a.in.bytes != 0 || tc.a.in.recent.newest != nil {
			t.Fatalf("order %v: %d entries, %d bytes left", order, tc.a.in.entries, tc.a.in.bytes)
		}
	}
}

// TestIDataThatDoesNotFit is acknowledged and dropped. // 8260-2.2.3-a
func TestIDataThatDoesNotFit(t *testing.T) {
	const u, b, e = wire.FlagUnordered, wire.FlagBegin, wire.FlagEnd
	first := iData{tsn: 0, sid: 1, mid: 5, flags: b, payload: "begin"}
	for _, tt := range []struct {
		desc   string
		chunks []iData
	}{
		{"a beginning again", []iData{first, {tsn: 1, sid: 1, mid: 5, flags: b, payload: "x"}}},
		{"a number again", []iData{first, {tsn: 1, sid: 1, mid: 5, fsn: 1, payload: "x"}, {tsn: 2, sid: 1, mid: 5, fsn: 1, payload: "x"}}},
		{"behind the end", []iData{{tsn: 0, sid: 1, mid: 5, fsn: 3, flags: e, payload: "x"}, {tsn: 1, sid: 1, mid: 5, fsn: 7, payload: "x"}}},
		{"an end before others", []iData{{tsn: 0, sid: 1, mid: 5, fsn: 7, payload: "x"}, {tsn: 1, sid: 1, mid: 5, fsn: 3, flags: e, payload: "x"}}},
		{"far from its neighbour", []iData{first, {tsn: 1, sid: 1, mid: 5, fsn: 1 << 20, payload: "x"}}},
		{"far behind it", []iData{{tsn: 0, sid: 1, mid: 5, fsn: 1 << 20, payload: "x"}, {tsn: 1, sid: 1, mid: 5, fsn: 1, payload: "x"}}},
		{"far ahead", []iData{{tsn: 0, sid: 1, mid: 1 << 20, flags: whole, payload: "x"}}},
		{"long delivered", []iData{{tsn: 0, sid: 1, mid: 1<<32 - 1, flags: whole, payload: "x"}}},
		{"unordered and ordered", []iData{{tsn: 0, sid: 1, mid: 5, flags: b, payload: "x"}, {tsn: 1, sid: 1, mid: 5, fsn: 1, flags: u | e, payload: "y"}}},
		{"another message", []iData{{tsn: 0, sid: 1, mid: 5, flags: b, payload: "x"}, {tsn: 1, sid: 1, mid: 6, fsn: 1, flags: e, payload: "y"}}},
		{"another stream", []iData{{tsn: 0, sid: 1, mid: 5, flags: b, payload: "x"}, {tsn: 1, sid: 2, mid: 5, fsn: 1, flags: e, payload: "y"}}},
	} {
		tc := newInterleaved(t, Config{})
		for _, c := range tt.chunks {
			tc.write(c)
		}
		for id := range uint16(3) {
			tc.wantRead(tt.desc, id)
		}
		if got := tc.a.tsns.cum.Since(tc.peerTSN); got != len(tt.chunks)-1 {
			t.Errorf("%s: cumulative TSN %d", tt.desc, got)
		}
		if s := tc.a.invariants(tc.now); s != "" {
			t.Errorf("%s: %s", tt.desc, s)
		}
	}
}

// TestIDataLeftovers: an end that comes too early completes a message; what is left of
// it is dropped with it.
func TestIDataLeftovers(t *testing.T) {
	tc := newInterleaved(t, Config{})
	tc.write(iData{tsn: 0, sid: 1, mid: 0, flags: wire.FlagBegin, payload: "x"})
	tc.write(iData{tsn: 1, sid: 1, mid: 0, fsn: 5, payload: "z"})
	tc.write(iData{tsn: 2, sid: 1, mid: 0, flags: whole, payload: "again, whole"})
	tc.wantRead("as it says", 1, "again, whole")
	if tc.a.in.entries != 0 {
		t.Fatalf("%d fragments left", tc.a.in.entries)
	}
}

// TestEmptyIData ends the association. // 9260-6.2-f
func TestEmptyIData(t *testing.T) {
	tc := newInterleaved(t, Config{})
	tc.write(iData{tsn: 0, flags: whole})
	tc.want("told which", "ABORT cause=9 info=00000064")
}

// TestUnorderedMIDsWrap: a stream may see any number of unordered messages, and what
// was begun long before is dropped. // 8260-2.1-b
func TestUnorderedMIDsWrap(t *testing.T) {
	tc := newInterleaved(t, Config{})
	const u = wire.FlagUnordered
	tc.write(iData{tsn: 0, sid: 1, mid: 7, flags: u | wire.FlagBegin, payload: "never ends"})
	tsn := 0
	for mid := uint64(0); mid < 1<<33; mid += maxAhead {
		tsn++
		tc.write(iData{tsn: tsn, sid: 1, mid: wire.MID(mid), flags: u | whole, payload: "x"})
		tc.wantRead("delivered", 1, "x")
	}
	if tc.a.in.entries != 0 {
		t.Fatalf("%d fragments left", tc.a.in.entries)
	}
	tc.write(iData{tsn: tsn + 1, sid: 1, mid: wire.MID(1<<32 - 1<<20), flags: u | whole, payload: "late"})
	tc.wantRead("long gone", 1)
}

// TestFSNsWrap within a message that is delivered in pieces. // 8260-2.1-a
func TestFSNsWrap(t *testing.T) {
	tc := newInterleaved(t, Config{ReceiveBuffer: 4096})
	tc.write(iData{tsn: 0, sid: 1, flags: wire.FlagBegin, payload: string(payload(3000))})
	tc.read(1)
	r := &tc.a.in.streams.get(1).fragments.runs[0]
	r.last = 0xFFFFFFFE // as if as many had come
	for i, fsn := range []wire.FSN{0xFFFFFFFF, 1, 0, 2} {
		flags := wire.DataFlags(0)
		if fsn == 2 {
			flags = wire.FlagEnd
		}
		tc.write(iData{tsn: 1 + i, sid: 1, fsn: fsn, flags: flags, payload: fmt.Sprint(fsn % 10)})
	}
	s, info := tc.read(1)
	if s != "5012" || !info.Complete {
		t.Fatalf("%q %+v", s, info)
	}
}

// TestIForwardTSNReceived covers what an I-FORWARD-TSN does to each kind of message.
// // 8260-2.3.1-a 3758-3.6-a
func TestIForwardTSNReceived(t *testing.T) {
	const u, b, e = wire.FlagUnordered, wire.FlagBegin, wire.FlagEnd
	skip := func(cum int, m ...wire.SkippedMessage) iForwardTSN { return iForwardTSN{cum, m} }
	for _, tt := range []struct {
		desc   string
		before []iData
		f      iForwardTSN
		after  []iData
		want   map[uint16][]string
		cum    int
	}{
		{
			desc:   "a stranded ordered message is delivered",
			before: []iData{{tsn: 1, sid: 1, mid: 1, flags: whole, payload: "b"}},
			f:      skip(0, wire.SkippedMessage{Stream: 1, MID: 0}),
			want:   map[uint16][]string{1: {"b"}}, cum: 1,
		},
		{
			desc: "messages at or before the MID are delivered in order",
			before: []iData{
				{tsn: 3, sid: 1, mid: 3, flags: whole, payload: "d"}, {tsn: 1, sid: 1, mid: 1, flags: whole, payload: "b"},
			},
			f:    skip(2, wire.SkippedMessage{Stream: 1, MID: 2}),
			want: map[uint16][]string{1: {"b", "d"}}, cum: 3,
		},
		{
			desc:   "a partial ordered message is dropped",
			before: []iData{{tsn: 1, sid: 1, mid: 0, fsn: 1, payload: "middle"}, {tsn: 2, sid: 1, mid: 0, fsn: 4, payload: "more"}},
			f:      skip(3, wire.SkippedMessage{Stream: 1, MID: 0}),
			after:  []iData{{tsn: 4, sid: 1, mid: 1, flags: whole, payload: "next"}},
			want:   map[uint16][]string{1: {"next"}}, cum: 4,
		},
		{
			desc:   "a partial unordered message is dropped, an ordered one of the same number is not",
			before: []iData{{tsn: 0, sid: 1, mid: 0, flags: b | u, payload: "begin"}, {tsn: 2, sid: 1, mid: 0, flags: b, payload: "or"}},
			f:      skip(1, wire.SkippedMessage{Stream: 1, Unordered: true, MID: 0}),
			after:  []iData{{tsn: 3, sid: 1, mid: 0, fsn: 1, flags: e, payload: "dered"}, {tsn: 4, sid: 1, mid: 1, flags: whole | u, payload: "next"}},
			want:   map[uint16][]string{1: {"ordered", "next"}}, cum: 4,
		},
		{
			desc:   "the rest of skipped messages, behind the new cumulative TSN, is dropped",
			before: []iData{{tsn: 0, sid: 1, mid: 0, flags: b | u, payload: "be"}, {tsn: 1, sid: 2, mid: 0, flags: b, payload: "be"}},
			f:      skip(2, wire.SkippedMessage{Stream: 1, Unordered: true, MID: 0}, wire.SkippedMessage{Stream: 2, MID: 0}),
			after: []iData{
				{tsn: 3, sid: 1, mid: 0, fsn: 1, flags: u, payload: "g"}, {tsn: 4, sid: 2, mid: 0, fsn: 1, payload: "g"},
				{tsn: 5, sid: 2, mid: 0, fsn: 2, flags: e, payload: "in"},
			},
			want: map[uint16][]string{1: nil, 2: nil}, cum: 5,
		},
		{
			desc:   "a message that is not listed goes on",
			before: []iData{{tsn: 0, sid: 1, mid: 0, flags: b, payload: "be"}, {tsn: 1, sid: 3, mid: 0, flags: b | u, payload: "un"}},
			f:      skip(2, wire.SkippedMessage{Stream: 2, MID: 0}),
			after:  []iData{{tsn: 3, sid: 1, mid: 0, fsn: 1, flags: e, payload: "gin"}, {tsn: 4, sid: 3, mid: 0, fsn: 1, flags: e | u, payload: "ordered"}},
			want:   map[uint16][]string{1: {"begin"}, 3: {"unordered"}}, cum: 4,
		},
		{
			desc:   "a stream out of range is ignored",
			before: []iData{{tsn: 1, sid: 1, mid: 0, flags: whole, payload: "a"}},
			f:      skip(0, wire.SkippedMessage{Stream: 65535, MID: 0}),
			want:   map[uint16][]string{1: {"a"}}, cum: 1,
		},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newInterleaved(t, Config{})
			for _, w := range tt.before {
				tc.write(w)
			}
			tc.write(tt.f)
			for _, w := range tt.after {
				tc.write(w)
			}
			tc.advance(200 * time.Millisecond)
			for id, want := range tt.want {
				tc.wantRead("what remains", id, want...)
			}
			if got := tc.a.tsns.cum.Since(tc.peerTSN); got != tt.cum {
				t.Fatalf("cumulative TSN %d, want %d", got, tt.cum)
			}
			if s := tc.a.Stats(); s.ReceiveBuffered != 0 || tc.a.in.entries != 0 {
				t.Fatalf("%d bytes, %d entries held", s.ReceiveBuffered, tc.a.in.entries)
			}
		})
	}
}

// TestIForwardTSNStale is answered with a SACK and changes nothing. // 3758-3.6-a
func TestIForwardTSNStale(t *testing.T) {
	tc := newInterleaved(t, Config{})
	tc.write(iData{tsn: 0, flags: whole, payload: "a"})
	tc.want("first", "SACK cum=0")
	tc.write(iForwardTSN{0, []wire.SkippedMessage{{MID: 5}}})
	tc.want("our SACK was lost", "SACK cum=0")
	tc.write(iForwardTSN{1 << 30, []wire.SkippedMessage{{MID: 5}}})
	tc.wantIdle("a jump out of reach is not followed")
	tc.write(iData{tsn: 1, mid: 1, flags: whole, payload: "b"})
	tc.wantRead("their MIDs do not count", 0, "a", "b")
}

// TestIForwardTSNSent lists the highest MIDs given up, ordered and unordered.
// // 8260-2.3.1-a 3758-3.5-a 3758-3.5-b
func TestIForwardTSNSent(t *testing.T) {
	once := Reliability{LimitRetransmits: true}
	tc := newInterleaved(t, Config{Scheduler: RoundRobin, LossDetection: MissIndications})
	for _, m := range []Message{
		{Stream: 1, Payload: payload(1500), Reliability: once},
		{Stream: 2, Payload: payload(1500), Unordered: true, Reliability: once},
		{Stream: 2, Payload: payload(10), Unordered: true, Reliability: once},
		{Stream: 2, Payload: payload(10), Reliability: once},
	} {
		if err := tc.a.Send(tc.now, m); err != nil {
			t.Fatal(err)
		}
	}
	tc.wantTurns("interleaved", "1|2|1 2 2 2")
	tc.advanceToTimer()
	tc.want("all of it is given up", "I-FORWARD-TSN cum=5 messages=1:0,2:1U,2:0")
	tc.write(sack{cum: 5})
	tc.send(Message{Stream: 2, Payload: payload(10), Unordered: true})
	tc.want("the next", "I-DATA tsn=6 sid=2 mid=2 fsn=0 flags=UBE")
}

// TestAbandonInterleaved: chunks of a message that is given up lie between those of one
// that is not, and one half sent ends with a TSN that nothing carries.
// // 3758-3.5-a 8260-2.3.1-a
func TestAbandonInterleaved(t *testing.T) {
	tc := newInterleaved(t, Config{Scheduler: RoundRobin, LossDetection: MissIndications})
	tc.a.Send(tc.now, Message{Stream: 1, Payload: payload(20_000), Reliability: lifetime(500 * time.Millisecond)})
	tc.a.Send(tc.now, Message{Stream: 2, Payload: payload(20_000)})
	tc.wantTurns("a window", "1|2|1|2")
	tc.write(sack{cum: -1, gaps: []wire.GapBlock{{Start: 2, End: 2}}})
	tc.wantTurns("two more", "1|2")
	tc.advanceToTimer()
	tc.wantIdle("it has expired, and what was sent may yet arrive")
	tc.advanceToTimer()
	// TSNs 0, 2 and 4 are of stream 1, 1, 3 and 5 of stream 2; 6 ends the message of stream 1.
	tc.want("1 is known to be there", "I-FORWARD-TSN cum=0 messages=1:0")
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
	tc.sent = nil
	tc.advanceToTimer()
	tc.want("again, with what else is lost", "I-FORWARD-TSN cum=0 messages=1:0")
	tc.sent = nil
	tc.write(sack{cum: 1})
	tc.want("on", "I-FORWARD-TSN cum=2 messages=1:0")
	tc.sent = nil
	tc.write(sack{cum: 3})
	tc.want("and on", "I-FORWARD-TSN cum=4 messages=1:0")
	tc.sent = nil
	tc.write(sack{cum: 5})
	tc.want("to its end", "I-FORWARD-TSN cum=6 messages=1:0", "I-DATA tsn=8 sid=2 mid=0 fsn=4")
	for tc.a.out.queued > 0 || tc.a.sent.span() > 0 {
		tc.write(sack{cum: tc.a.sent.highest().Since(tc.localTSN)})
	}
	tc.sent = nil
	tc.send(Message{Stream: 1, Payload: payload(10)})
	tc.want("the next message has the next number", "I-DATA tsn=22 sid=1 mid=1 fsn=0 flags=BE")
}

// TestPartialDeliveryInterleaved: messages larger than the window arrive though others
// are on their way, on other streams and of both kinds, and one of them that is given up
// is reported to its reader. // PIONS-5 9260-6.9-a 8260-2.2.3-a
func TestPartialDeliveryInterleaved(t *testing.T) {
	tc := newInterleaved(t, Config{ReceiveBuffer: 10_000})
	got := make([]int, 4)
	tsn := 0
	for fsn := range 100 {
		for sid := range 4 {
			d := iData{tsn: tsn, sid: uint16(sid), fsn: wire.FSN(fsn), payload: string(payload(1000))}
			if fsn == 0 {
				d.flags |= wire.FlagBegin
			}
			if sid == 3 {
				d.flags |= wire.FlagUnordered
			}
			if tc.a.Stats().LocalWindow < 1000 {
				t.Fatalf("the window closes at %d, though all that can be is read", tsn)
			}
			tc.write(d)
			tsn++
			for tc.hasEvent(EventReadable) {
			}
			for id := range got {
				for {
					var buf [4096]byte
					n, info, err := tc.a.Read(tc.now, uint16(id), buf[:])
					if err != nil {
						break
					}
					if info.Complete {
						t.Fatal("complete")
					}
					got[id] += n
				}
			}
		}
	}
	for id, n := range got {
		if n < 90_000 {
			t.Errorf("stream %d: %d bytes read", id, n)
		}
	}
	tc.write(iForwardTSN{tsn, []wire.SkippedMessage{{Stream: 1, MID: 0}, {Stream: 3, Unordered: true, MID: 0}}})
	for sid := range 4 {
		flags := wire.FlagEnd
		if sid == 3 {
			flags |= wire.FlagUnordered
		}
		tc.write(iData{tsn: tsn + 1 + sid, sid: uint16(sid), fsn: 100, flags: flags, payload: "end"})
	}
	var buf [8192]byte
	for id := range got {
		_, info, err := tc.a.Read(tc.now, uint16(id), buf[:])
		if skipped := id%2 == 1; skipped && err != ErrMessageAborted || !skipped && (err != nil || !info.Complete) {
			t.Errorf("stream %d: %+v, %v", id, info, err)
		}
	}
	if tc.a.in.held() != 0 {
		t.Errorf("%d bytes held", tc.a.in.held())
	}
}

// TestTurnOfALargeMessage: one that fills the buffer while it waits for another of its
// stream can be read once that is there, or is given up. // PIONS-5
func TestTurnOfALargeMessage(t *testing.T) {
	for _, given := range []bool{false, true} {
		tc := newInterleaved(t, Config{ReceiveBuffer: 8000})
		tc.write(iData{tsn: 1, mid: 1, flags: wire.FlagBegin, payload: string(payload(1000))})
		for i := 2; i < 9; i++ {
			tc.write(iData{tsn: i, mid: 1, fsn: wire.FSN(i - 1), payload: string(payload(1000))})
		}
		if _, err := tc.a.Peek(0); err != ErrWouldBlock {
			t.Fatal(err)
		}
		if given {
			tc.write(iForwardTSN{0, []wire.SkippedMessage{{MID: 0}}})
		} else {
			tc.write(iData{tsn: 0, mid: 0, flags: whole, payload: "first"})
			tc.read(0)
		}
		if s, info := tc.read(0); len(s) != 8000 || info.Complete {
			t.Fatalf("given up %v: %d bytes, %+v", given, len(s), info)
		}
	}
}

// TestWindowFullGapInterleaved: as TestWindowFullGap. // 9260-6.2-c
func TestWindowFullGapInterleaved(t *testing.T) {
	tc := newInterleaved(t, Config{ReceiveBuffer: 4096})
	for i := 1; i < 9; i++ {
		tc.write(iData{tsn: 3 * i, sid: uint16(i), fsn: 9, payload: string(payload(1000))})
	}
	if n := tc.a.in.entries; n != 5 {
		t.Fatalf("%d chunks taken", n)
	}
	tc.sent = nil
	for i := range 14 {
		tc.write(iData{tsn: 3*(i/4) + 1 + i%2, sid: 100 + uint16(i), fsn: 1, payload: string(payload(1000))})
		if s := tc.a.invariants(tc.now); s != "" {
			t.Fatal(s)
		}
	}
	if held := tc.a.in.held(); held > 2*4096+1000 {
		t.Fatalf("%d bytes held", held)
	}
	if tc.a.tsns.seen(tc.peerTSN.Add(15)) || !tc.a.tsns.seen(tc.peerTSN.Add(4)) {
		t.Fatal("what came last did not give way")
	}
	tc.write(iData{tsn: 0, sid: 50, flags: whole, payload: "the next"})
	tc.wantRead("what adjoins the cumulative TSN always gets through", 50, "the next")
}

// TestResetRestartsMIDs of both kinds, on both sides. // 8260-2.3.2-a
func TestResetRestartsMIDs(t *testing.T) {
	tc := newInterleaved(t, Config{})
	send := func(mid int) {
		t.Helper()
		for _, unordered := range []bool{false, true} {
			tsn := tc.a.sent.next.Since(tc.localTSN)
			tc.send(Message{Stream: 1, Unordered: unordered, Payload: payload(10)})
			tc.want("sent", fmt.Sprintf("I-DATA tsn=%d sid=1 mid=%d", tsn, mid))
			tc.write(sack{cum: tsn})
		}
	}
	send(0)
	send(1)
	if err := tc.a.ResetStreams(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	tc.want("the request", "RE-CONFIG out-reset")
	tc.write(reconfigChunk(func(b []byte, chunk int) []byte {
		return wire.AppendReconfigResponse(b, chunk, wire.ReconfigResponse{RespSeq: wire.ReqSeq(tc.localTSN), Result: wire.ResultPerformed})
	}))
	tc.sent = nil
	send(0)

	in := newInterleaved(t, Config{})
	in.write(iData{tsn: 0, sid: 1, mid: 0, flags: whole, payload: "a"}, iData{tsn: 1, sid: 1, mid: 0, flags: whole | wire.FlagUnordered, payload: "b"})
	in.write(iForwardTSN{2, []wire.SkippedMessage{{Stream: 1, Unordered: true, MID: 9}}})
	in.write(iData{tsn: 3, sid: 1, mid: 1, flags: wire.FlagBegin, payload: "left over"})
	in.write(reconfigChunk(func(b []byte, chunk int) []byte {
		return wire.AppendOutReset(b, chunk, wire.OutReset{ReqSeq: wire.ReqSeq(in.peerTSN), LastTSN: in.peerTSN.Add(3)}, []uint16{1})
	}))
	in.write(iData{tsn: 4, sid: 1, mid: 0, flags: whole, payload: "c"}, iData{tsn: 5, sid: 1, mid: 0, flags: whole | wire.FlagUnordered, payload: "d"})
	in.wantRead("both begin anew", 1, "a", "b", io.EOF.Error(), "c", "d")
	if in.a.in.entries != 0 {
		t.Fatalf("%d entries held", in.a.in.entries)
	}
}

// TestRestartInterleaving: a peer that restarts may come back without it, or with it.
// // 9260-5.2.4-b 8260-2.2.1-a
func TestRestartInterleaving(t *testing.T) {
	plain := extensions(wire.TypeReconfig, wire.TypeForwardTSN)
	full := extensions(wire.TypeReconfig, wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN)
	for _, before := range []bool{true, false} {
		tc := newTestConn(t, Config{})
		if tc.peerParams = plain; before {
			tc.peerParams = full
		}
		tc.connect()
		if err := tc.a.SetStreamPriority(1, 77); err != nil {
			t.Fatal(err)
		}
		tc.queue([2]int{1, 5000}, [2]int{2, 5000})
		if before {
			tc.write(iData{tsn: 0, sid: 1, flags: wire.FlagBegin, payload: "half"}, iData{tsn: 1, sid: 2, fsn: 1, payload: "of it"})
		} else {
			tc.write(data{tsn: 0, sid: 1, flags: wire.FlagBegin, payload: "half"})
		}
		tc.sent = nil
		if tc.peerParams = full; before {
			tc.peerParams = plain
		}
		tc.peerTag++
		tc.write(tc.init())
		tc.want("answered", "INIT ACK")
		tc.write(tc.cookieEcho())
		tc.want("restarted", "COOKIE ACK")
		if s := tc.a.invariants(tc.now); s != "" || tc.a.in.entries != 0 {
			t.Fatalf("%s; %d entries", s, tc.a.in.entries)
		}
		tc.queue([2]int{1, 10})
		if before {
			tc.want("DATA now", "DATA tsn=0 sid=1 ssn=0")
			tc.write(data{tsn: 0, sid: 1, flags: whole, payload: "new"})
		} else {
			tc.want("I-DATA now", "I-DATA tsn=0 sid=1 mid=0")
			tc.write(iData{tsn: 0, sid: 1, flags: whole, payload: "new"})
		}
		tc.wantRead("behind the end", 1, io.EOF.Error(), "new")
		if p := tc.a.out.stream(1).priority; p != 77 {
			t.Fatalf("priority %d", p)
		}
	}
}

// TestHandoverInterleaved: the numbers of messages go on, of both kinds and ways, and
// there is an obstacle while one is incomplete.
func TestHandoverInterleaved(t *testing.T) {
	tc := newInterleaved(t, Config{HeartbeatInterval: -1})
	for _, unordered := range []bool{false, true} {
		tc.send(Message{Stream: 1, Unordered: unordered, Payload: payload(10)})
	}
	tc.wantPackets("messages", 2)
	tc.write(sack{cum: 1})
	tc.write(iData{tsn: 0, sid: 1, flags: whole, payload: "a"})
	tc.write(iForwardTSN{1, []wire.SkippedMessage{{Stream: 1, Unordered: true, MID: 6}}})
	tc.write(iData{tsn: 2, sid: 1, mid: 1, flags: wire.FlagBegin, payload: "b"})
	tc.wantRead("what came", 1, "a")
	tc.advance(time.Second)
	if o := tc.a.HandoverObstacles(); o != ObstacleMissing|ObstacleUnread {
		t.Fatalf("obstacles: %v", o)
	}
	tc.write(iData{tsn: 3, sid: 1, mid: 1, fsn: 1, flags: wire.FlagEnd, payload: "c"})
	tc.wantRead("and the rest", 1, "bc")
	tc.advance(time.Second)
	tc.events, tc.sent = nil, nil
	state, err := tc.a.Handover(tc.now)
	if err != nil {
		t.Fatal(err)
	}
	if tc.a, err = Resume(tc.now, Config{Seed: [32]byte{9}, HeartbeatInterval: -1, MaxMTU: -1}, state); err != nil {
		t.Fatal(err)
	}
	for _, unordered := range []bool{false, true} {
		tc.send(Message{Stream: 1, Unordered: unordered, Payload: payload(10)})
	}
	tc.want("on in order", "I-DATA tsn=2 sid=1 mid=1 fsn=0 flags=BE")
	tc.want("and out of it", "I-DATA tsn=3 sid=1 mid=1 fsn=0 flags=UBE")
	tc.write(iData{tsn: 4, sid: 1, mid: 2, flags: whole, payload: "d"})
	tc.write(iData{tsn: 5, sid: 1, mid: 6, flags: whole | wire.FlagUnordered, payload: "skipped"})
	tc.write(iData{tsn: 6, sid: 1, mid: 7, flags: whole | wire.FlagUnordered, payload: "e"})
	tc.wantRead("so does the peer", 1, "d", "e")
}

// TestFirstUnorderedMessage: of the unordered messages of a stream the first is read in pieces, though
// its rest comes late; what is behind it cannot keep it, and all the room it takes, from the reader.
func TestFirstUnorderedMessage(t *testing.T) { // PIONS-5
	const u = wire.FlagUnordered
	tc := newInterleaved(t, Config{ReceiveBuffer: 4096})
	tc.write(iData{tsn: 0, flags: u | wire.FlagBegin, payload: string(payload(1300))})
	tc.write(iData{tsn: 3, mid: 1, flags: u | wire.FlagBegin, payload: string(payload(900))})
	if _, err := tc.a.Peek(0); err != nil { // in the hands of the reader: half of the buffer is full
		t.Fatal(err)
	}
	if s, info := tc.read(0); len(s) != 1300 || info.Complete {
		t.Fatalf("%d bytes of the first, %+v", len(s), info)
	}
	tc.write(iData{tsn: 2, fsn: 2, flags: u | wire.FlagEnd, payload: string(payload(1300))})
	tc.write(iData{tsn: 1, fsn: 1, flags: u, payload: string(payload(1300))})
	if s, info := tc.read(0); len(s) != 2600 || !info.Complete {
		t.Fatalf("the rest of the first has %d bytes, %+v", len(s), info)
	}
	tc.write(iData{tsn: 4, mid: 1, fsn: 1, flags: u | wire.FlagEnd, payload: "end"})
	if s, info := tc.read(0); len(s) != 903 || !info.Complete {
		t.Fatalf("the second has %d bytes, %+v", len(s), info)
	}
}
