package netsim

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"testing"
	"time"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// An arrival is a packet as the far end saw it.
type arrival struct {
	at time.Duration // since epoch
	id uint32        // number that send wrote at its front
	p  []byte
}

// oneWay sends count packets of size bytes, one each gap, from A to B, and
// returns what arrives and the counters.
func oneWay(seed uint64, c Conditions, count, size int, gap time.Duration) ([]arrival, Stats) {
	n := New(seed, epoch)
	l := n.AddLink(c, Conditions{})
	var got []arrival
	collect := func(now time.Time) {
		for {
			d, ok := n.Deliver(now)
			if !ok {
				return
			}
			p := bytes.Clone(d.Packet)
			got = append(got, arrival{d.At.Sub(epoch), binary.BigEndian.Uint32(p), p})
		}
	}
	for i := range count {
		now := epoch.Add(time.Duration(i) * gap)
		collect(now)
		n.Send(now, l, AtoB, testPacket(uint32(i), size))
	}
	for {
		at, ok := n.Next()
		if !ok {
			return got, n.Stats(l, AtoB)
		}
		collect(at)
	}
}

// testPacket is a packet of size bytes (at least 4) that starts with id.
func testPacket(id uint32, size int) []byte {
	p := bytes.Repeat([]byte{byte(id)}, size)
	binary.BigEndian.PutUint32(p, id)
	return p
}

func TestPerfectLink(t *testing.T) {
	got, _ := oneWay(1, Conditions{}, 100, 50, ms)
	if len(got) != 100 {
		t.Fatalf("%d of 100 packets arrived", len(got))
	}
	for i, a := range got {
		if a.at != time.Duration(i)*ms || !bytes.Equal(a.p, testPacket(uint32(i), 50)) {
			t.Fatalf("packet %d arrived at %v as %x", i, a.at, a.p)
		}
	}
}

func TestLatency(t *testing.T) {
	got, _ := oneWay(1, Conditions{Latency: 35 * ms}, 10, 50, ms)
	for i, a := range got {
		if want := time.Duration(i)*ms + 35*ms; a.at != want {
			t.Errorf("packet %d arrived at %v, want %v", i, a.at, want)
		}
	}
}

func TestJitterKeepsOrder(t *testing.T) {
	const n = 5000
	got, _ := oneWay(2, Conditions{Latency: 20 * ms, Jitter: 10 * ms}, n, 8, 20*ms)
	var sum time.Duration
	for i, a := range got {
		delay := a.at - time.Duration(i)*20*ms
		if a.id != uint32(i) || delay < 20*ms || delay >= 30*ms {
			t.Fatalf("arrival %d is packet %d after %v", i, a.id, delay)
		}
		sum += delay
	}
	if mean := sum / n; mean < 24*ms || mean > 26*ms {
		t.Errorf("mean delay %v, want about 25 ms", mean)
	}
	got, _ = oneWay(2, Conditions{Latency: 20 * ms, Jitter: 10 * ms}, n, 8, ms)
	for i, a := range got {
		if a.id != uint32(i) {
			t.Fatalf("packets sent closer than the jitter: arrival %d is packet %d", i, a.id)
		}
	}
}

func TestRateSpacesPackets(t *testing.T) {
	got, s := oneWay(1, Conditions{Latency: 5 * ms, Rate: 100_000}, 50, 1000, 0)
	for i, a := range got {
		want := 5*ms + time.Duration(i+1)*10*ms // 1000 B at 100 kB/s
		if a.at != want {
			t.Fatalf("packet %d arrived at %v, want %v", i, a.at, want)
		}
	}
	if len(got) != 50 || s.QueueDrops != 0 {
		t.Errorf("%d packets arrived, %d dropped by a queue without bound", len(got), s.QueueDrops)
	}
	// Slower than the rate, nothing waits.
	got, _ = oneWay(1, Conditions{Rate: 100_000}, 50, 1000, 20*ms)
	for i, a := range got {
		if want := time.Duration(i)*20*ms + 10*ms; a.at != want {
			t.Fatalf("packet %d arrived at %v, want %v", i, a.at, want)
		}
	}
}

func TestQueueDropsTail(t *testing.T) {
	got, s := oneWay(1, Conditions{Rate: 100_000, Queue: 5000}, 50, 1000, 0)
	if len(got) != 5 || s.QueueDrops != 45 {
		t.Fatalf("%d packets arrived, %d dropped; want 5 and 45", len(got), s.QueueDrops)
	}
	for i, a := range got {
		if a.id != uint32(i) {
			t.Errorf("arrival %d is packet %d: not the tail was dropped", i, a.id)
		}
	}
	// A packet larger than the queue passes when the bottleneck is idle.
	got, _ = oneWay(1, Conditions{Rate: 100_000, Queue: 500}, 3, 1000, 20*ms)
	if len(got) != 3 {
		t.Errorf("%d of 3 lone packets arrived", len(got))
	}
	// Sustained overload gets exactly the rate through.
	got, _ = oneWay(1, Conditions{Rate: 100_000, Queue: 5000}, 10_000, 1000, ms)
	if len(got) < 995 || len(got) > 1010 {
		t.Errorf("%d packets of 1000 B got through 100 kB/s in 10 s", len(got))
	}
}

// near fails unless got is within 4 standard deviations of a binomial mean.
func near(t *testing.T, what string, got uint64, n int, p float64) {
	t.Helper()
	mean := float64(n) * p
	if dev := math.Sqrt(mean * (1 - p)); math.Abs(float64(got)-mean) > 4*dev {
		t.Errorf("%s: %d of %d, want about %.0f", what, got, n, mean)
	}
}

func TestLoss(t *testing.T) {
	const n = 20_000
	for _, p := range []float64{0, 0.01, 0.2, 0.9, 1} {
		got, s := oneWay(3, Conditions{Loss: p}, n, 8, ms)
		near(t, "lost", s.Lost, n, p)
		if uint64(len(got)) != n-s.Lost || s.Arrived != n-s.Lost {
			t.Errorf("%d arrived, counted %d, lost %d", len(got), s.Arrived, s.Lost)
		}
	}
}

func TestBurstLoss(t *testing.T) {
	const n = 100_000
	c := Conditions{Burst: Burst{Enter: 0.01, Leave: 0.25, LossGood: 0.001, LossBad: 0.8}}
	got, s := oneWay(4, c, n, 8, ms)
	share := 0.01 / 0.26 // of packets that meet the bad state
	want := share*0.8 + (1-share)*0.001
	if rate := float64(s.Lost) / n; rate < 0.9*want || rate > 1.1*want {
		t.Errorf("loss rate %.4f, want about %.4f", rate, want)
	}
	// After a loss the next packet is far more likely to be lost than on average.
	pairs, next := 0, uint32(0)
	for _, a := range got {
		if gap := a.id - next; gap >= 2 {
			pairs += int(gap) - 1
		}
		next = a.id + 1
	}
	if after := float64(pairs) / float64(s.Lost); after < 0.5 {
		t.Errorf("a loss follows a loss with probability %.2f: not a burst", after)
	}
}

func TestReorder(t *testing.T) {
	const n = 10_000
	c := Conditions{Latency: 10 * ms, Reorder: 0.1, ReorderDelay: 20 * ms}
	got, s := oneWay(5, c, n, 8, ms)
	near(t, "held back", s.Reordered, n, 0.1)
	var late uint64
	highest := int64(-1)
	for _, a := range got {
		delay := a.at - time.Duration(a.id)*ms
		if delay < 10*ms || delay > 30*ms+1 {
			t.Fatalf("packet %d took %v", a.id, delay)
		}
		if int64(a.id) < highest {
			late++
			if delay == 10*ms {
				t.Fatalf("packet %d was overtaken without being held back", a.id)
			}
		}
		highest = max(highest, int64(a.id))
	}
	// Held back by less than the 1 ms between packets, a packet is not overtaken.
	if late < s.Reordered*8/10 || late > s.Reordered {
		t.Errorf("%d of %d packets held back were overtaken", late, s.Reordered)
	}
}

func TestDuplicate(t *testing.T) {
	const n = 10_000
	for _, delay := range []time.Duration{0, 15 * ms} {
		got, s := oneWay(6, Conditions{Latency: ms, Duplicate: 0.1, DuplicateDelay: delay}, n, 8, ms)
		near(t, "duplicated", s.Duplicated, n, 0.1)
		if uint64(len(got)) != n+s.Duplicated {
			t.Errorf("%d arrived, %d sent, %d duplicated", len(got), n, s.Duplicated)
		}
		count := make(map[uint32]int)
		for _, a := range got {
			count[a.id]++
			if late := a.at - time.Duration(a.id)*ms - ms; late < 0 || late > delay || count[a.id] > 2 {
				t.Fatalf("copy %d of packet %d came %v late", count[a.id], a.id, late)
			}
		}
	}
}

func TestCorrupt(t *testing.T) {
	const n = 10_000
	for _, flips := range []int{0, 1, 7} {
		got, s := oneWay(7, Conditions{Corrupt: 0.1, CorruptBits: flips}, n, 40, ms)
		near(t, "corrupted", s.Corrupted, n, 0.1)
		var damaged uint64
		for i, a := range got {
			diff := 0
			for j, want := range testPacket(uint32(i), 40) {
				diff += bits.OnesCount8(a.p[j] ^ want)
			}
			if diff != 0 {
				damaged++
				if diff != max(flips, 1) {
					t.Fatalf("%d bits flipped, want %d", diff, max(flips, 1))
				}
			}
		}
		if damaged != s.Corrupted {
			t.Errorf("%d packets damaged, %d counted", damaged, s.Corrupted)
		}
	}
	// More bits than the packet has: all of them.
	p := []byte{0xa5}
	flipBits(p, 8, 1)
	if p[0] != 0x5a {
		t.Errorf("flipping 8 bits of a5 gives %x", p)
	}
}

func TestCorruptLeavesSecondCopy(t *testing.T) {
	got, _ := oneWay(7, Conditions{Corrupt: 1, Duplicate: 1}, 1, 40, ms)
	if len(got) != 2 || bytes.Equal(got[0].p, testPacket(0, 40)) || !bytes.Equal(got[1].p, testPacket(0, 40)) {
		t.Errorf("got %v, want a damaged copy, then an intact one", got)
	}
}

func TestMTU(t *testing.T) {
	for _, tc := range []struct {
		desc      string
		mtu, size int
		want      int
	}{
		{"smaller", 1200, 1199, 1},
		{"as large", 1200, 1200, 1},
		{"larger", 1200, 1201, 0},
		{"no limit", 0, 65536, 1},
	} {
		got, s := oneWay(1, Conditions{MTU: tc.mtu}, 1, tc.size, 0)
		if len(got) != tc.want || int(s.TooLarge) != 1-tc.want {
			t.Errorf("%s: %d arrived, %d too large", tc.desc, len(got), s.TooLarge)
		}
	}
}

func TestDown(t *testing.T) {
	c := Conditions{Latency: 50 * ms, Down: []Window{{10 * ms, 20 * ms}, {30 * ms, 31 * ms}}}
	got, s := oneWay(1, c, 40, 8, ms)
	if s.Swallowed != 11 {
		t.Errorf("%d packets swallowed, want 11", s.Swallowed)
	}
	for _, a := range got {
		if a.id >= 10 && a.id < 20 || a.id == 30 {
			t.Errorf("packet %d arrived, sent while the link was down", a.id)
		}
	}
	if got, _ := oneWay(1, Conditions{Down: []Window{Always}}, 40, 8, time.Hour); len(got) != 0 {
		t.Errorf("%d packets arrived over a link that is always down", len(got))
	}
}

// everything is a link on which all goes wrong.
var everything = Conditions{
	Latency: 20 * ms, Jitter: 10 * ms, Rate: 200_000, Queue: 20_000, Loss: 0.05,
	Burst:   Burst{Enter: 0.01, Leave: 0.2, LossBad: 0.5},
	Reorder: 0.05, ReorderDelay: 30 * ms, Duplicate: 0.05, DuplicateDelay: 40 * ms,
	Corrupt: 0.02, CorruptBits: 3, MTU: 1200, Down: []Window{{500 * ms, 700 * ms}},
}

// converse sends packets both ways over two links, answering some, and returns
// the network at the end.
func converse(seed uint64) *Network {
	n := New(seed, epoch)
	a, b := n.AddLink(everything, everything), n.AddLink(everything, Conditions{Loss: 0.5})
	for i := range 1000 {
		now := epoch.Add(time.Duration(i) * 3 * ms)
		for {
			d, ok := n.Deliver(now)
			if !ok {
				break
			}
			if d.Packet[3]%4 == 0 {
				n.Send(now, d.Link, d.Dir.Reverse(), testPacket(uint32(i), 100))
			}
		}
		n.Send(now, a, AtoB, testPacket(uint32(i), 100+i))
		n.Send(now, b, Dir(i%2), testPacket(uint32(i), 500))
	}
	return n
}

func TestDeterminism(t *testing.T) {
	seen := make(map[uint64]uint64)
	for seed := range uint64(20) {
		one, two := converse(seed), converse(seed)
		if one.TraceHash() != two.TraceHash() {
			t.Errorf("seed %d: two runs, traces %x and %x", seed, one.TraceHash(), two.TraceHash())
		}
		if other, ok := seen[one.TraceHash()]; ok {
			t.Errorf("seeds %d and %d have the same trace", seed, other)
		}
		seen[one.TraceHash()] = seed
	}
	// The same on every machine and with every release of Go.
	const want = 0xd2de0104051209cb
	if got := converse(42).TraceHash(); got != want {
		t.Errorf("the trace of seed 42 is %#x, was %#x", got, uint64(want))
	}
}

// TestConditionsAreIndependent holds that switching other conditions on leaves
// the choice of the packets that one strikes alone.
func TestConditionsAreIndependent(t *testing.T) {
	lost := func(c Conditions) map[uint32]bool {
		got, _ := oneWay(9, c, 2000, 8, ms)
		m := make(map[uint32]bool)
		for i := range uint32(2000) {
			m[i] = true
		}
		for _, a := range got {
			delete(m, a.id)
		}
		return m
	}
	alone := lost(Conditions{Loss: 0.1})
	more := lost(Conditions{Loss: 0.1, Latency: ms, Jitter: 3 * ms, Reorder: 0.2, ReorderDelay: ms, Duplicate: 0.2})
	if len(alone) != len(more) {
		t.Fatalf("%d packets lost alone, %d with other conditions", len(alone), len(more))
	}
	for id := range alone {
		if !more[id] {
			t.Errorf("packet %d lost only without the other conditions", id)
		}
	}
}

func TestDirectionsAreIndependent(t *testing.T) {
	run := func(back int) Stats {
		n := New(10, epoch)
		l := n.AddLink(Conditions{Loss: 0.3}, Conditions{Loss: 0.3})
		if back > 0 {
			n.AddLink(Conditions{}, Conditions{})
		}
		for i := range 1000 {
			n.Send(epoch, l, AtoB, testPacket(uint32(i), 8))
			for range back {
				n.Send(epoch, l, BtoA, testPacket(0, 8))
			}
		}
		return n.Stats(l, AtoB)
	}
	if a, b := run(0), run(3); a != b {
		t.Errorf("traffic the other way changed %+v to %+v", a, b)
	}
}

func TestSenderMayReuseItsBuffer(t *testing.T) {
	n := New(1, epoch)
	l := n.AddLink(Conditions{Latency: ms}, Conditions{})
	buf := []byte("first")
	n.Send(epoch, l, AtoB, buf)
	copy(buf, "-----")
	n.Send(epoch, l, AtoB, buf)
	if at, ok := n.Next(); !ok || at != epoch.Add(ms) || n.InFlight() != 2 {
		t.Fatalf("Next is %v %v with %d in flight", at, ok, n.InFlight())
	}
	d, ok := n.Deliver(epoch.Add(ms))
	if !ok || string(d.Packet) != "first" {
		t.Fatalf("delivered %q %v", d.Packet, ok)
	}
	if d, ok = n.Deliver(epoch.Add(ms)); !ok || string(d.Packet) != "-----" {
		t.Fatalf("delivered %q %v", d.Packet, ok)
	}
	if _, ok = n.Deliver(epoch.Add(ms)); ok {
		t.Error("a third packet arrived")
	}
	if n.Now() != epoch.Add(ms) {
		t.Errorf("Now is %v", n.Now())
	}
}

func TestNothingEarly(t *testing.T) {
	n := New(1, epoch)
	l := n.AddLink(Conditions{Latency: ms}, Conditions{})
	n.Send(epoch, l, AtoB, []byte("p"))
	if _, ok := n.Deliver(epoch.Add(ms - 1)); ok {
		t.Error("delivered before its time")
	}
}

func TestSetConditions(t *testing.T) {
	n := New(1, epoch)
	l := n.AddLink(Conditions{Latency: ms}, Conditions{})
	n.Send(epoch, l, AtoB, []byte("before"))
	n.SetConditions(l, AtoB, Conditions{Loss: 1})
	n.Send(epoch, l, AtoB, []byte("after"))
	if d, ok := n.Deliver(epoch.Add(ms)); !ok || string(d.Packet) != "before" {
		t.Errorf("delivered %q %v, want the packet already on its way", d.Packet, ok)
	}
	if s := n.Stats(l, AtoB); s.Lost != 1 {
		t.Errorf("%+v, want one lost", s)
	}
}

func TestMisuse(t *testing.T) {
	for _, tc := range []struct {
		desc string
		do   func()
	}{
		{"loss of 2", func() { New(1, epoch).AddLink(Conditions{Loss: 2}, Conditions{}) }},
		{"loss of NaN", func() { New(1, epoch).AddLink(Conditions{Loss: math.NaN()}, Conditions{}) }},
		{"negative latency", func() { New(1, epoch).AddLink(Conditions{}, Conditions{Latency: -1}) }},
		{"reordering by nothing", func() { New(1, epoch).AddLink(Conditions{Reorder: 1}, Conditions{}) }},
		{"bad conditions later", func() {
			n := New(1, epoch)
			n.SetConditions(n.AddLink(Conditions{}, Conditions{}), AtoB, Conditions{MTU: -1})
		}},
		{"time runs backwards", func() {
			n := New(1, epoch)
			l := n.AddLink(Conditions{}, Conditions{})
			n.Send(epoch.Add(ms), l, AtoB, nil)
			n.Send(epoch, l, AtoB, nil)
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			tc.do()
		})
	}
}

func BenchmarkSendDeliver(b *testing.B) {
	n := New(1, epoch)
	l := n.AddLink(Conditions{Latency: ms, Loss: 0.01}, Conditions{})
	p := make([]byte, 1200)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		now := n.Now().Add(10 * time.Microsecond)
		n.Send(now, l, AtoB, p)
		for {
			if _, ok := n.Deliver(now); !ok {
				break
			}
		}
	}
}
