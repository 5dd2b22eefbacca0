package sctp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestSlotTable compares the table with a map, hashes that collide included.
func TestSlotTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 300
	var table slotTable[int32]
	members := make([]member, n)
	model := make(map[int32]uint32) // by slot
	key := func(slot int32) peerKey {
		return peerKey{netip.AddrFrom4([4]byte{10, 0, 0, byte(slot % 100)}), uint16(slot), uint16(slot / 100)}
	}
	for i := range members {
		members[i].peer = key(int32(i))
	}
	for range 100_000 {
		slot := int32(rng.IntN(n))
		if tag, in := model[slot]; in {
			table.remove(tag, slot)
			delete(model, slot)
		} else {
			tag := rng.Uint32N(64) << 8 // far too few, and all in one place
			tag |= 1 + rng.Uint32N(3)
			model[slot] = tag
			table.add(tag, slot, slot)
		}
		probe := int32(rng.IntN(n))
		from := key(probe)
		any := rng.IntN(2) == 0
		if any {
			from.udp = 9 // the UDP port does not count
		}
		tag, in := model[probe]
		if !in {
			tag, probe = 1+rng.Uint32N(3), noSlot
			for slot, other := range model {
				if other == tag && key(slot).port == from.port && key(slot).ip == from.ip && (any || key(slot) == from) {
					probe = slot
				}
			}
		}
		if got, found := table.find(tag, members, &from, any); got != probe || got != noSlot && found != got || table.n != len(model) {
			t.Fatalf("found %d, want %d; %d entries, want %d", got, probe, table.n, len(model))
		}
	}
}

// TestAgenda compares the heap with a list.
func TestAgenda(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const n = 100
	var g agenda
	for range n {
		g.grow()
	}
	model := make(map[int32]instant)
	for range 100_000 {
		slot := int32(rng.IntN(n))
		switch at := instant(1 + rng.IntN(50)); rng.IntN(4) {
		case 0:
			g.remove(slot)
			delete(model, slot)
		case 1:
			first := noSlot
			for s, when := range model {
				if !when.After(at) && (first == noSlot || when.Before(model[first]) || when == model[first] && s < first) {
					first = s
				}
			}
			if got := g.due(at); got != first {
				t.Fatalf("due %d, want %d", got, first)
			}
			delete(model, first)
		default:
			g.atLatest(slot, at)
			if old, in := model[slot]; !in || at.Before(old) {
				model[slot] = at
			}
		}
		if len(g.heap) != len(model) {
			t.Fatalf("%d appointments, want %d", len(g.heap), len(model))
		}
	}
}

// crowd is a listening endpoint with n associations, and the peer of the last.
func crowd(t *testing.T, n int) (*town, *host, *stranger) {
	w, h, s := listening(t, EndpointConfig{Config: Config{HeartbeatInterval: 30 * time.Second, MaxMTU: -1}})
	for i := range n {
		s.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 7)
		s.peerTag = uint32(i + 1)
		s.connect()
	}
	return w, h, s
}

// TestEndpointCostFlat: a packet, its answer and the timers that it moves cost as
// many steps among 10,000 associations as among 10, and no allocation.
func TestEndpointCostFlat(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const packets = 2000
	cost := func(n int) (probes, moves uint64) {
		w, h, s := crowd(t, n)
		e := h.e
		id := newAssociationID(int32(n-1), 1)
		a := e.Association(id)
		var in, out, message [2048]byte
		tsn, ssn, payload := s.peerTSN, wire.SSN(0), make([]byte, 1000)
		sent := a.hs.localTSN
		round := func() {
			b := wire.AppendHeader(in[:0], 5000, 5000, s.localTag)
			b = wire.AppendSack(b, sent.Add(-1), 1<<20, nil, nil)
			b = wire.AppendData(b, wire.Data{Flags: whole, TSN: tsn, SSN: ssn, Payload: payload})
			wire.SetChecksum(b)
			tsn, ssn = tsn.Add(1), ssn.Next()
			w.now = w.now.Add(time.Millisecond)
			e.HandlePacket(w.now, s.addr, b)
			if _, _, err := a.Read(w.now, 0, message[:]); err != nil {
				t.Fatal(err)
			}
			if err := a.Send(w.now, Message{Payload: payload}); err != nil {
				t.Fatal(err)
			}
			sent = sent.Add(1)
			e.Update(id)
			for ok := true; ok; _, ok = e.NextEvent() {
			}
			for ok := true; ok; _, ok = e.Transmit(w.now, out[:0]) {
			}
			if at, ok := e.Timeout(); ok && !at.After(w.now) {
				e.HandleTimeout(w.now)
			}
		}
		for range 1000 {
			round()
		}
		probes, moves = e.tags.probes, e.agenda.moves
		allocs := testing.AllocsPerRun(packets-1, round)
		if allocs != 0 {
			t.Errorf("%d associations: %v allocations for a packet and its answer", n, allocs)
		}
		if a.sent.span() > 1 {
			t.Fatal("what was sent is not acknowledged")
		}
		return e.tags.probes - probes, e.agenda.moves - moves
	}
	few, fewMoves := cost(10)
	many, manyMoves := cost(10_000)
	t.Logf("per packet: %.2f and %.2f steps in the table, %.3f and %.3f in the agenda",
		float64(few)/packets, float64(many)/packets, float64(fewMoves)/packets, float64(manyMoves)/packets)
	if many > 4*packets {
		t.Errorf("%d steps in the table of tags for %d packets", many, packets)
	}
	if manyMoves > packets/2 {
		t.Errorf("%d steps in the agenda for %d packets", manyMoves, packets)
	}
}

// TestExpect: of many associations a packet that is expected names its own, by the tag alone, and nothing comes of
// what it does not name.
func TestExpect(t *testing.T) {
	for _, n := range []int{fewAssociations, fewAssociations + 1} {
		_, h, _ := crowd(t, n)
		before := h.e.Stats()
		slot := int32(n - 1)
		for h.e.tags.hint(h.e.assocs[slot].id.localTag) != slot { // another lies where it is looked for first
			slot--
		}
		packet := wire.AppendHeader(nil, 5000, 5000, h.e.assocs[slot].id.localTag)
		want := AssociationID(0)
		if n > fewAssociations {
			want = newAssociationID(slot, 1)
		}
		if id := h.e.Expect(packet); id != want {
			t.Errorf("%d associations: %x expected, want %x", n, id, want)
		}
		for i := range packet {
			if id := h.e.Expect(packet[:i]); id != 0 {
				t.Errorf("%x expected by %d bytes", id, i)
			}
		}
		if id := h.e.Expect(wire.AppendHeader(nil, 5000, 5000, 0)); id != 0 {
			t.Errorf("%x expected by tag 0", id)
		}
		if after := h.e.Stats(); after != before {
			t.Errorf("%+v, before %+v", after, before)
		}
	}
}

// TestEndpointTurns: an association with much to send does not keep others waiting.
func TestEndpointTurns(t *testing.T) {
	w := newTown(t)
	h := w.host("192.0.2.1:9899", EndpointConfig{Listen: true, Config: Config{MaxBurst: 1000}})
	var ids []AssociationID
	for i := range 3 {
		c := w.host(fmt.Sprintf("192.0.2.2:%d", i+1), EndpointConfig{})
		w.connect(c, h)
		w.run()
		ids = append(ids, h.events[len(h.events)-1].ID)
	}
	for _, id := range ids {
		a := h.e.Association(id)
		a.paths.primary().cc.init(1<<20, testPMDCS)
		if err := a.Send(w.now, Message{Payload: make([]byte, 200_000)}); err != nil {
			t.Fatal(err)
		}
		h.e.Update(id)
	}
	run, last, seen := 0, AssociationID(0), make(map[AssociationID]int)
	for range 6 * maxRun {
		d, ok := h.e.Transmit(w.now, w.buf[:0])
		if !ok {
			t.Fatal("nothing to send")
		}
		if run++; d.ID != last {
			run, last = 1, d.ID
		}
		if seen[d.ID]++; run > maxRun {
			t.Fatalf("%d packets in a row", run)
		}
	}
	for _, id := range ids {
		if seen[id] != 2*maxRun {
			t.Fatalf("%v", seen)
		}
	}
}

// TestPeerHash: peers whose addresses differ in little spread over the table, and
// without the key nobody knows how.
func TestPeerHash(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	places := make(map[uint32]int)
	h := peerHash{[2]uint64{rng.Uint64(), rng.Uint64()}}
	const n = 1 << 14
	for i := range n {
		ip := [16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(i >> 12), 15: byte(i >> 4)}
		places[h.of(peerKey{netip.AddrFrom16(ip), uint16(i & 15), 5000})%n]++
	}
	if free := n - len(places); free > n/2 { // of 1/e are expected
		t.Errorf("%d of %d places are not in use", free, n)
	}
	peer := keyOf(address("192.0.2.1:7"), 5000)
	other := peerHash{[2]uint64{rng.Uint64(), rng.Uint64()}}
	if h.of(peer) == other.of(peer) {
		t.Error("another key makes the same hash")
	}
}

// TestFewAlarms: deadlines that have moved away when their time comes do not wake the driver one
// by one.
func TestFewAlarms(t *testing.T) {
	const n, ticks = 50, 2000
	c := newCrossing(t, n, Config{MaxMTU: -1})
	c.pass(time.Second)
	var alarms [2]int
	for i := range ticks {
		c.send(0, i%n, 0, make([]byte, 1000)) // each second one is acknowledged at once
		c.run()
		c.now = c.now.Add(time.Millisecond)
		for side, e := range c.ends {
			if at, ok := e.Timeout(); ok && !at.After(c.now) {
				alarms[side]++
				e.HandleTimeout(c.now)
			}
		}
		c.run()
	}
	t.Logf("%d and %d alarms in %d ms", alarms[0], alarms[1], ticks)
	if most := ticks / 20; alarms[0] > most || alarms[1] > most {
		t.Errorf("%d and %d alarms, want at most %d", alarms[0], alarms[1], most)
	}
}
