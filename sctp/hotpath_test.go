package sctp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/hotpath"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths()) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths()) }

// hotPaths are what the engine does for every packet and message.
func hotPaths() []hotpath.Path {
	var paths []hotpath.Path
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		ops := max(8, 64<<10/max(size, 1<<10)) // fewer than the messages kept for reuse
		for _, sender := range []bool{true, false} {
			name := fmt.Sprintf("receive a message of %d bytes", size)
			if sender {
				name = fmt.Sprintf("send a message of %d bytes", size)
			}
			paths = append(paths, hotpath.Path{Name: name, Part: true, Ops: ops, Prepare: func(t testing.TB) func() {
				l := &haul{pipe: newPipe(t, Config{HeartbeatInterval: -1, MaxMTU: -1})}
				payload := make([]byte, size)
				return func() { l.run(sender, ops, payload) }
			}})
		}
	}
	return append(paths,
		hotpath.Path{Name: "a message of 64 bytes there and one back", Prepare: preparePingPong},
		hotpath.Path{Name: "a SACK of two packets", Part: true, Prepare: func(t testing.TB) func() { return prepareSACK(t, 0, 1) }},
		hotpath.Path{Name: "a SACK with two gaps", Part: true, Prepare: func(t testing.TB) func() { return prepareSACK(t, 1, 3) }},
		hotpath.Path{Name: "Endpoint, 1 association: 1 KiB in", Part: true, Prepare: func(t testing.TB) func() { return prepareEndpoint(t, 1) }},
		hotpath.Path{Name: "Endpoint, 1,000 associations: 1 KiB in", Part: true, Prepare: func(t testing.TB) func() { return prepareEndpoint(t, 1000) }},
	)
}

// haul is a transfer from one association to another in batches, as a driver moves
// packets, and with something queued at any time.
type haul struct {
	*pipe
	frames [32][2048]byte
	there  [][]byte
	back   [][]byte
}

// run has the sender take messages and both go on until as many have arrived. What
// one side does is counted.
func (h *haul) run(sender bool, messages int, payload []byte) {
	const tick = 100 * time.Microsecond
	count(sender, func() {
		for range messages {
			if h.a.Send(h.now, Message{Payload: payload}) != nil {
				panic("not accepted")
			}
		}
	})
	for h.a.TotalBufferedAmount() > messages*max(len(payload), 128) {
		count(sender, func() { h.there = h.transmit(h.a, h.there[:0]) })
		count(!sender, func() {
			for _, packet := range h.there {
				h.b.HandlePacket(h.now, 0, packet)
			}
			h.drain()
			h.back = h.transmit(h.b, h.back[:0])
		})
		count(sender, func() {
			for _, packet := range h.back {
				h.a.HandlePacket(h.now, 0, packet)
			}
			h.now = h.now.Add(tick)
			h.a.HandleTimeout(h.now)
		})
	}
}

// transmit collects the packets of a batch.
func (h *haul) transmit(from *Association, batch [][]byte) [][]byte {
	for i := range h.frames {
		tx, ok := from.Transmit(h.now, h.frames[i][:0])
		if !ok {
			break
		}
		batch = append(batch, tx.Packet)
	}
	return batch
}

// count counts f or not.
func count(yes bool, f func()) {
	if yes {
		hotpath.Count(f)
	} else {
		f()
	}
}

// preparePingPong returns one exchange.
func preparePingPong(t testing.TB) func() {
	p := newPipe(t, Config{HeartbeatInterval: -1, MaxMTU: -1})
	payload := make([]byte, 64)
	half := func(from, to *Association) {
		if from.Send(p.now, Message{Payload: payload}) != nil {
			t.Fatal("not accepted")
		}
		for p.move(from, to) {
		}
		p.now = p.now.Add(20 * time.Microsecond)
		for ok := true; ok; _, ok = to.NextEvent() {
		}
		if n, _, err := to.Read(p.now, 0, p.read); n != len(payload) || err != nil {
			t.Fatal(n, err)
		}
	}
	return func() {
		half(p.a, p.b)
		half(p.b, p.a)
	}
}

// prepareSACK returns an exchange of four packets, of which two arrive first: the
// SACK of these is counted.
func prepareSACK(t testing.TB, first, second int) func() {
	h := &haul{pipe: newPipe(t, Config{HeartbeatInterval: -1, MaxMTU: -1, InitialWindow: 1 << 20, MaxBurst: 1000})}
	payload := make([]byte, 1100)
	var back [2048]byte
	answer := func(counted bool) {
		h.drain()
		for {
			tx, ok := h.b.Transmit(h.now, back[:0])
			if !ok {
				return
			}
			count(counted, func() { h.a.HandlePacket(h.now, 0, tx.Packet) })
		}
	}
	return func() {
		for range 4 {
			if h.a.Send(h.now, Message{Payload: payload}) != nil {
				t.Fatal("not accepted")
			}
		}
		h.there = h.transmit(h.a, h.there[:0])
		if len(h.there) != 4 {
			t.Fatalf("%d packets", len(h.there))
		}
		h.now = h.now.Add(time.Millisecond)
		h.b.HandlePacket(h.now, 0, h.there[first])
		h.b.HandlePacket(h.now, 0, h.there[second])
		answer(true)
		for i, packet := range h.there {
			if i != first && i != second {
				h.b.HandlePacket(h.now, 0, packet)
				answer(false)
			}
		}
		h.now = h.now.Add(time.Millisecond)
		h.a.HandleTimeout(h.now)
		if h.a.out.buffered != 0 {
			t.Fatal("not acknowledged")
		}
	}
}

// prepareEndpoint returns how a message comes in on one of n associations, in turn, and
// is read and acknowledged, at one of two Endpoints.
func prepareEndpoint(t testing.TB, n int) func() {
	endpoint := func(seed byte) *Endpoint {
		e, err := NewEndpoint(EndpointConfig{Listen: true, Config: Config{Seed: [32]byte{seed}, HeartbeatInterval: -1, MaxMTU: -1}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	x, y := endpoint(1), endpoint(2)
	now := time.Unix(1_000_000, 0)
	var buf, message [2048]byte
	move := func(from, to *Endpoint) bool {
		d, ok := from.Transmit(now, buf[:0])
		if ok {
			to.HandlePacket(now, d.To, d.Packet) // each pair has an address, of both
		}
		return ok
	}
	ids := make([]AssociationID, n)
	for i := range ids {
		var err error
		if ids[i], err = x.Connect(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7)); err != nil {
			t.Fatal(err)
		}
		for move(x, y) || move(y, x) {
		}
	}
	skip := func(e *Endpoint) {
		for _, ok := e.NextEvent(); ok; _, ok = e.NextEvent() {
		}
	}
	skip(x)
	skip(y)
	payload := make([]byte, 1024)
	next := 0
	one := func() {
		id := ids[next%n]
		next++
		if err := x.Association(id).Send(now, Message{Payload: payload, Immediate: true}); err != nil {
			t.Fatal(err)
		}
		x.Update(id)
		d, ok := x.Transmit(now, buf[:0])
		if !ok {
			t.Fatal("nothing to send")
		}
		now = now.Add(time.Millisecond)
		hotpath.Count(func() {
			y.HandlePacket(now, d.To, d.Packet)
			for e, some := y.NextEvent(); some; e, some = y.NextEvent() {
				if e.Kind != EventReadable {
					continue
				}
				a := y.Association(e.ID)
				for err := error(nil); err == nil; {
					_, _, err = a.Read(now, e.Stream, message[:])
				}
				y.Update(e.ID)
			}
			d, ok = y.Transmit(now, buf[:0])
		})
		if !ok {
			t.Fatal("no SACK")
		}
		x.HandlePacket(now, d.To, d.Packet)
		skip(x)
		if x.Association(id).out.buffered != 0 {
			t.Fatal("not acknowledged")
		}
	}
	for range 3 * n { // a steady state for each
		one()
	}
	return one
}
