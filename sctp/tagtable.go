package sctp

// tagTable finds associations by the verification tag that their peers send. It
// is a hash table with open addressing in which the tag is its own hash: tags are
// random, and we choose them, so that no peer can make them collide. The same tag
// may stand for several associations, with different peers.
type tagTable struct {
	entries []tagEntry // their number is a power of 2
	n       int
	probes  uint64 // entries looked at, ever
}

type tagEntry struct {
	tag  uint32 // 0: the entry is free
	slot int32
}

// find returns the association with this tag and this peer, whose UDP port may
// have changed; noSlot if there is none.
func (t *tagTable) find(tag uint32, members []member, from peerKey) int32 {
	if len(t.entries) == 0 || tag == 0 {
		return noSlot
	}
	mask := uint32(len(t.entries) - 1)
	for i := tag & mask; ; i = (i + 1) & mask {
		t.probes++
		entry := &t.entries[i]
		if entry.tag == 0 {
			return noSlot
		}
		if entry.tag == tag {
			peer := &members[entry.slot].peer
			if peer.port == from.port && peer.addr.Addr() == from.addr.Addr() {
				return entry.slot
			}
		}
	}
}

// add enters an association.
func (t *tagTable) add(tag uint32, slot int32) {
	if 2*(t.n+1) > len(t.entries) {
		old := t.entries
		t.entries = make([]tagEntry, max(16, 2*len(old)))
		for _, entry := range old {
			if entry.tag != 0 {
				t.place(entry)
			}
		}
	}
	t.place(tagEntry{tag, slot})
	t.n++
}

func (t *tagTable) place(entry tagEntry) {
	mask := uint32(len(t.entries) - 1)
	i := entry.tag & mask
	for t.entries[i].tag != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = entry
}

// remove takes an association out, and moves up those behind that would not be
// found any more.
func (t *tagTable) remove(tag uint32, slot int32) {
	mask := uint32(len(t.entries) - 1)
	i := tag & mask
	for t.entries[i] != (tagEntry{tag, slot}) {
		i = (i + 1) & mask
	}
	t.n--
	for j := (i + 1) & mask; t.entries[j].tag != 0; j = (j + 1) & mask {
		// The entry at j may move to i if that is not before its own place.
		if home := t.entries[j].tag & mask; (j-home)&mask >= (j-i)&mask {
			t.entries[i] = t.entries[j]
			i = j
		}
	}
	t.entries[i] = tagEntry{}
}
