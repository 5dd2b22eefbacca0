package netsim

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"time"
)

// A trace is a running hash of what happened on a network.
type trace struct {
	hash hash.Hash64
	buf  []byte
}

func newTrace() trace { return trace{hash: fnv.New64a(), buf: make([]byte, 0, 64)} }

func (t *trace) sent(now time.Duration, l Link, d Dir, packet []byte, f fate) {
	b := append(t.buf[:0], 'S', byte(d), byte(f.copies), byte(f.flip))
	b = binary.BigEndian.AppendUint64(b, uint64(l))
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	b = binary.BigEndian.AppendUint64(b, uint64(f.at[0]))
	b = binary.BigEndian.AppendUint64(b, uint64(f.at[1]))
	t.write(b, packet)
}

// arrived leaves the bytes out: those sent and their fate determine them.
func (t *trace) arrived(p parcel) {
	b := append(t.buf[:0], 'R', byte(p.dir))
	b = binary.BigEndian.AppendUint64(b, uint64(p.link))
	b = binary.BigEndian.AppendUint64(b, uint64(p.at))
	b = binary.BigEndian.AppendUint64(b, p.seq)
	t.write(b, nil)
}

func (t *trace) write(head, packet []byte) {
	head = binary.BigEndian.AppendUint32(head, uint32(len(packet)))
	t.hash.Write(head)
	t.hash.Write(packet)
	t.buf = head[:0]
}

func (t *trace) sum() uint64 { return t.hash.Sum64() }
