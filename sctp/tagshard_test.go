package sctp

import (
	"net/netip"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestTagShards: four Endpoints behind one address, to which packets are handed out by
// their tags and INITs by the address that they come from. Peers move to other addresses,
// and one starts again.
func TestTagShards(t *testing.T) {
	const bits = 2
	w := newTown(t)
	var shards [1 << bits]*host
	for i := range shards {
		shards[i] = w.host("192.0.2.1:9899", EndpointConfig{Listen: true, Config: Config{TagShard: TagShard{bits, uint32(i)}, Seed: [32]byte{31: byte(i)}}})
	}
	// say hands a packet to its Endpoint, and takes the answer.
	say := func(s *stranger, packet []byte, want string) *host {
		t.Helper()
		index, ok := ShardOf(packet, bits)
		if !ok {
			index = uint32(s.addr.Port()) % uint32(len(shards))
		}
		s.h = shards[index]
		s.want(want, packet, want)
		return s.h
	}
	connect := func(s *stranger) *host {
		t.Helper()
		say(s, s.packet(0, s.init()), "INIT ACK")
		return say(s, s.packet(s.localTag, s.cookieEcho()), "COOKIE ACK")
	}
	count := map[*host]int{}
	for i := range 40 {
		s := newStranger(w, nil, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), uint16(100+i)).String())
		home := connect(s)
		if index, ok := ShardOf(s.packet(s.localTag, data{flags: whole, payload: "x"}), bits); !ok || shards[index] != home {
			t.Fatalf("the tag %#x is of shard %d", s.localTag, index)
		}
		s.addr = netip.AddrPortFrom(s.addr.Addr(), uint16(1000+7*i)) // by its address it would go elsewhere
		if got := say(s, s.packet(s.localTag, data{flags: whole, payload: "moved"}), "SACK"); got != home {
			t.Fatal("another Endpoint answers")
		}
		if i == 0 { // a peer that restarts from where it is gets another tag, of the shard that its INIT went to
			s.peerTag++
			home = connect(s)
		}
		count[home]++
	}
	lost := newStranger(w, nil, "192.0.2.3:100") // a peer that forgets the association, and says so // 9260-8.5-a
	lost.peerTag = 0xC0000001                    // of shard 3, if it were one of ours
	home := connect(lost)                        // to shard 0, by its port
	before := home.e.Stats().Associations
	say(lost, lost.packet(lost.peerTag, chunk{t: wire.TypeAbort, flags: wire.FlagT}), "")
	if got := home.e.Stats().Associations; got != before-1 {
		t.Errorf("%d associations of %d after an ABORT with the peer's tag", got, before)
	}
	for i, h := range shards {
		if h.e.Stats().OutOfTheBlue != 0 || count[h] == 0 {
			t.Errorf("shard %d: %d peers, %+v", i, count[h], h.e.Stats())
		}
		for _, a := range h.e.All() {
			if a.id.localTag>>(32-bits) != uint32(i) {
				t.Errorf("the tag %#x in shard %d", a.id.localTag, i)
			}
		}
	}
}

// TestShardOf: what names no shard goes by its address.
func TestShardOf(t *testing.T) {
	tagged := func(tag uint32) []byte {
		return wire.AppendChunk(wire.AppendHeader(nil, 5000, 5000, tag), wire.TypeCookieAck, 0, nil)
	}
	packet := tagged(0xABCDEF01)
	for _, tt := range []struct {
		desc   string
		packet []byte
		bits   uint8
		want   uint32
		ok     bool
	}{
		{"no bits", packet, 0, 0, true},
		{"four", packet, 4, 0xA, true},
		{"twelve", packet, 12, 0xABC, true},
		{"INIT", tagged(0), 4, 0, false},
		{"ABORT", wire.AppendChunk(packet[:wire.HeaderLen:wire.HeaderLen], wire.TypeAbort, 0, nil), 4, 0xA, true},
		{"ABORT, reflected", wire.AppendChunk(packet[:wire.HeaderLen:wire.HeaderLen], wire.TypeAbort, wire.FlagT, nil), 4, 0, false},
		{"SHUTDOWN COMPLETE, reflected", wire.AppendChunk(packet[:wire.HeaderLen:wire.HeaderLen], wire.TypeShutdownComplete, wire.FlagT, nil), 4, 0, false},
		{"too short", packet[:11], 4, 0, false},
	} {
		if index, ok := ShardOf(tt.packet, tt.bits); index != tt.want || ok != tt.ok {
			t.Errorf("%s: %#x, %v", tt.desc, index, ok)
		}
	}
	for _, shard := range []TagShard{{13, 0}, {0, 1}, {2, 4}} {
		if _, err := New(Config{TagShard: shard}); err == nil {
			t.Errorf("%+v is accepted", shard)
		}
	}
}
