package sctpnet

import (
	"sync"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// BatchWriter is what a net.Conn implements besides if it can send several
// packets at once. WriteBatch sends them in order and returns how many it sent;
// the error says why the next one was not. It does not keep the packets.
type BatchWriter interface {
	WriteBatch(packets [][]byte) (int, error)
}

// BatchReader is what a net.Conn implements besides if it can bring several packets at once.
// ReadBatch waits as Read does, and returns the packets that are there: at least one, unless there
// is an error. They are the caller's until the next call. With a BatchReader Read is not called.
type BatchReader interface {
	ReadBatch() ([][]byte, error)
}

// InPlaceWriter is what a net.Conn implements besides if it protects packets where
// they lie and sends them from there.
//
// Room returns how many bytes it needs before and after each packet; it is asked
// once. WriteInPlace sends frames, in order: each is a packet with that room around
// it, and they lie one behind the other in one piece of memory: the first, extended to
// the length of all, is all. What is in them is the transport's to overwrite, until it
// returns. A frame that cannot be sent does not keep back those behind it:
// WriteInPlace returns how many were lost, and the error of the last of these.
//
// With an InPlaceWriter neither Write nor WriteBatch is called.
type InPlaceWriter interface {
	Room() (before, after int)
	WriteInPlace(frames [][]byte) (lost int, err error)
}

const (
	// maxBatch bounds the packets of a batch, and batchBytes its buffer.
	maxBatch   = udpsock.MaxSegments
	batchBytes = 64 << 10
)

// A batch is the packets of one turn, in one buffer, one behind the other. Batches
// are pooled: at most one is in use per Conn, none while it is idle.
type batch struct {
	buf           []byte // used up to its length
	before, after int    // room around each packet, in bytes
	packets       [][]byte
	whole         []bool             // of each: sctp.Transmit.Whole
	out           []udpsock.Datagram // each, on a socket
	ids           []sctp.AssociationID
}

var batches = sync.Pool{New: func() any { return &batch{packets: make([][]byte, 0, maxBatch)} }}

// newBatch returns an empty batch for packets of up to mtu bytes, with room around
// each.
func newBatch(mtu, before, after int) *batch {
	b := batches.Get().(*batch)
	if want := max(batchBytes, before+mtu+after); cap(b.buf) < want {
		b.buf = make([]byte, 0, want)
	}
	b.before, b.after = before, after
	return b
}

func (b *batch) free() {
	clear(b.packets)
	clear(b.out)
	b.reset()
	batches.Put(b)
}

func (b *batch) reset() {
	b.buf, b.packets, b.whole = b.buf[:0], b.packets[:0], b.whole[:0]
	b.out, b.ids = b.out[:0], b.ids[:0]
}

// next returns the place of the next packet; ok is false if there is none for mtu
// bytes.
func (b *batch) next(mtu int) (dst []byte, ok bool) {
	start := len(b.buf) + b.before
	end := cap(b.buf) - b.after
	if len(b.packets) == maxBatch || end-start < mtu {
		return nil, false
	}
	return b.buf[start:start:end], true
}

// add takes a packet that was appended to what next returned. Should it not have
// kept to its mtu bytes and outgrown that place, the batch moves to a larger one.
func (b *batch) add(packet []byte, whole bool) {
	from := len(b.buf)
	start := from + b.before
	end := start + len(packet) + b.after
	if end > cap(b.buf) {
		b.move(end)
	}
	b.buf = b.buf[:end]
	if &b.buf[start] != &packet[0] {
		copy(b.buf[start:], packet)
	}
	b.packets, b.whole = append(b.packets, b.buf[from:end]), append(b.whole, whole)
}

// addTo is add for a datagram of an endpoint.
func (b *batch) addTo(d *sctp.Datagram) {
	b.add(d.Packet, d.Whole)
	b.out, b.ids = append(b.out, udpsock.Datagram{To: d.To, ECN: byte(d.ECN)}), append(b.ids, d.ID)
}

// move gives the batch a buffer of another size.
func (b *batch) move(size int) {
	buf := make([]byte, len(b.buf), size)
	copy(buf, b.buf)
	b.buf = buf
	for i, p := range b.packets {
		b.packets[i], buf = buf[:len(p)], buf[len(p):]
	}
}
