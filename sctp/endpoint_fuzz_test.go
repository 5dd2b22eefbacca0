package sctp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// FuzzEndpoint hands an endpoint packets of a few peers, most of them with a good
// checksum: handshakes in any order, cookies from the wrong place, chunks at random.
// Each step is an operation, a peer, and what the operation takes.
func FuzzEndpoint(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 1, 1, 1, 2, 0, 3, 0, 0, 3, 0, 4, 0, 5, 9})
	f.Add([]byte{0, 1, 1, 1, 0, 1, 1, 1, 6, 1, 2, 1, 6, 1, 0, 0, 4, 200, 2, 1, 7, 0, 0, 4})
	f.Add([]byte{5, 0, 0, 0, 1, 1, 4, 255, 4, 255, 2, 0, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newTown(t)
		h := w.host("192.0.2.1:9899", EndpointConfig{Listen: true, MaxAssociations: 3, MaxHalfOpen: 2})
		e := h.e
		var peers [4]struct {
			tag    uint32
			cookie []byte
		}
		next := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		address := func(i byte) netip.AddrPort { // two addresses, two ports
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2 + i&1}), 7+uint16(i>>1&1))
		}
		hand := func(i byte, tag uint32, chunk []byte) {
			b := append(wire.AppendHeader(nil, 5000, 5000, tag), chunk...)
			wire.SetChecksum(b)
			e.HandlePacket(w.now, address(i), b)
		}
		for len(script) > 0 {
			op, i := next(), next()&3
			p := &peers[i]
			switch op % 7 {
			case 0:
				in := wire.Init{Tag: uint32(next()), ARwnd: 1 << 16, OutStreams: uint16(next()), InStreams: 9, InitialTSN: 1}
				hand(i, 0, wire.EndChunk(wire.BeginInit(nil, wire.TypeInit, in), 0))
			case 1: // the cookie of any peer, at any
				from := &peers[next()&3]
				hand(i, from.tag, wire.AppendChunk(nil, wire.TypeCookieEcho, 0, from.cookie))
			case 2:
				n := min(int(next()), len(script))
				hand(i, p.tag, wire.AppendChunk(nil, wire.ChunkType(next()), next(), script[:min(n, len(script))]))
				script = script[min(n, len(script)):]
			case 3:
				n := min(int(next()), len(script))
				e.HandlePacket(w.now, address(i), script[:n])
				script = script[n:]
			case 4:
				w.now = w.now.Add(time.Duration(next()) * time.Second)
				e.HandleTimeout(w.now)
			case 5:
				_, _ = e.Connect(w.now, address(i))
			case 6:
				for id, a := range e.All() {
					switch next() % 3 {
					case 0:
						_ = a.Shutdown(w.now)
					case 1:
						a.Abort(w.now, "enough")
					default:
						_ = a.Send(w.now, Message{Payload: []byte("message")})
					}
					e.Update(id)
				}
			}
			w.drain(h)
			for _, d := range w.air {
				it := wire.Packet(d.packet).Chunks()
				c, _ := it.Next()
				for j := range peers {
					if in, err := c.InitAck(); err == nil && d.to == address(byte(j)) {
						peers[j].tag = in.Tag
						params := in.Params
						for q, ok := params.Next(); ok; q, ok = params.Next() {
							if q.Type() == wire.ParamStateCookie {
								peers[j].cookie = append([]byte(nil), q.Value()...)
							}
						}
					}
				}
			}
			w.air = nil
			checkEndpoint(t, e)
		}
	})
}

// checkEndpoint wants an endpoint's tables to agree.
func checkEndpoint(t *testing.T, e *Endpoint) {
	t.Helper()
	n, half, tags := 0, 0, 0
	for slot, a := range e.assocs {
		if a == nil {
			continue
		}
		m := &e.members[slot]
		n++
		if m.halfOpen {
			half++
		}
		if m.tag != 0 {
			tags++
		}
		if a.ended {
			t.Fatal("an association that has ended is kept")
		}
		if m.tag != a.id.localTag || e.byTag(m.tag, m.peer) == noSlot {
			t.Fatal("an association is not found by its tag")
		}
		if found := e.known(m.peer); m.byPeer && found != int32(slot) {
			t.Fatal("an association is not found by its peer")
		}
		if other, found := e.tags.find(m.tag, e.members, &m.peer, true); other != noSlot && found != e.assocs[other] {
			t.Fatal("the table of tags has another association than the slot")
		}
		if at, on := a.Timeout(); on && (e.agenda.place[slot] < 0 || e.agenda.clock.time(e.agenda.heap[e.agenda.place[slot]].at).After(at)) {
			t.Fatal("a deadline is not on the agenda")
		}
	}
	if n != e.stats.Associations || n > e.cfg.MaxAssociations || half != e.stats.HalfOpen || tags != e.tags.n ||
		e.peers.n > n || len(e.agenda.heap) > n || n+len(e.free) != len(e.assocs) {
		t.Fatalf("%d associations, %d half open, %d tags, %d peers: %+v", n, half, tags, e.peers.n, e.stats)
	}
}
