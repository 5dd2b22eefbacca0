package sctp

import (
	"encoding/binary"
	"math/bits"
)

// slotTable finds associations by what is known of a packet: their verification tag, or
// the peer. It is a hash table with open addressing. A tag is its own hash: tags are random,
// and we choose them, so that no peer can make them collide; of peers a hash is made with a
// secret. The same hash may stand for several associations, with different peers.
//
// With each entry is what it is to find, lest that has to be looked up by the slot: of thousands of
// associations neither is in the cache, and the one would wait for the other.
type slotTable[T any] struct {
	entries []slotEntry[T] // their number is a power of 2
	n       int
	probes  uint64 // entries looked at, ever
}

type slotEntry[T any] struct {
	hash  uint32 // 0: the entry is free
	slot  int32
	found T
}

// find returns the association with this hash and this peer, whose UDP port may
// have changed if any says so; noSlot if there is none.
func (t *slotTable[T]) find(hash uint32, members []member, from *peerKey, any bool) (slot int32, found T) {
	if len(t.entries) == 0 || hash == 0 {
		return noSlot, found
	}
	mask := uint32(len(t.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		t.probes++
		entry := &t.entries[i]
		if entry.hash == 0 {
			return noSlot, found
		}
		if entry.hash == hash {
			peer := &members[entry.slot].peer
			if peer.port == from.port && peer.ip == from.ip && (any || peer.udp == from.udp) {
				return entry.slot, entry.found
			}
		}
	}
}

// hint returns the slot of an association with this hash, noSlot if there is none where it is looked for first.
func (t *slotTable[T]) hint(hash uint32) int32 {
	if len(t.entries) == 0 || hash == 0 {
		return noSlot
	}
	if entry := &t.entries[hash&uint32(len(t.entries)-1)]; entry.hash == hash {
		return entry.slot
	}
	return noSlot
}

// add enters an association.
func (t *slotTable[T]) add(hash uint32, slot int32, found T) {
	if 2*(t.n+1) > len(t.entries) {
		old := t.entries
		t.entries = make([]slotEntry[T], max(4, 2*len(old)))
		for _, entry := range old {
			if entry.hash != 0 {
				t.place(entry)
			}
		}
	}
	t.place(slotEntry[T]{hash, slot, found})
	t.n++
}

func (t *slotTable[T]) place(entry slotEntry[T]) {
	mask := uint32(len(t.entries) - 1)
	i := entry.hash & mask
	for t.entries[i].hash != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = entry
}

// remove takes an association out, and moves up those behind that would not be
// found any more.
func (t *slotTable[T]) remove(hash uint32, slot int32) {
	mask := uint32(len(t.entries) - 1)
	i := hash & mask
	for t.entries[i].hash != hash || t.entries[i].slot != slot {
		i = (i + 1) & mask
	}
	t.n--
	for j := (i + 1) & mask; t.entries[j].hash != 0; j = (j + 1) & mask {
		// The entry at j may move to i if that is not before its own place.
		if home := t.entries[j].hash & mask; (j-home)&mask >= (j-i)&mask {
			t.entries[i] = t.entries[j]
			i = j
		}
	}
	t.entries[i] = slotEntry[T]{}
}

// peerHash makes hashes of peers. Peers choose their addresses, so it has a key, which
// they do not know.
type peerHash struct{ key [2]uint64 }

// of returns the hash of a peer, which is not 0.
func (h *peerHash) of(peer peerKey) uint32 {
	ip := peer.ip.As16()
	ports := uint64(peer.udp)<<16 | uint64(peer.port)
	v := fold(binary.LittleEndian.Uint64(ip[:])^h.key[0], binary.LittleEndian.Uint64(ip[8:])^h.key[1])
	v = fold(v^h.key[1], ports^h.key[0])
	return max(uint32(v^v>>32), 1)
}

// fold mixes two words: the halves of their product.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
