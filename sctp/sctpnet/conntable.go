package sctpnet

import (
	"iter"

	"github.com/sluice-rtc/sluice/sctp"
)

// connTable holds the Conns of a socket by the slots of their associations, so that among
// many the way from an association to its Conn is one step in memory.
type connTable struct {
	slots []*Conn // nil: free
	n     int     // Conns

	touched int // of touch: it means nothing
}

// touch reads what a packet of an association and the call that reads its message will look at of its Conn, lest
// one line of memory be waited for after the other.
func (t *connTable) touch(id sctp.AssociationID) {
	if id == 0 {
		return
	}
	if c := t.get(id); c != nil {
		t.touched += c.events.head + int(c.events.one[0].Kind) + int(c.streams.unread.low) + len(c.life.reason)
	}
}

// get returns the Conn of an association, nil if it has none.
func (t *connTable) get(id sctp.AssociationID) *Conn {
	if slot := id.Slot(); slot < len(t.slots) {
		if c := t.slots[slot]; c != nil && c.id == id {
			return c
		}
	}
	return nil
}

// put stores the Conn of an association that has none. That of another one which had the slot
// before is gone, or it is as good as gone: its association has ended.
func (t *connTable) put(c *Conn) {
	slot := c.id.Slot()
	for slot >= len(t.slots) {
		t.slots = append(t.slots, nil)
	}
	if t.slots[slot] == nil {
		t.n++
	}
	t.slots[slot] = c
}

// remove takes a Conn out, if it is there.
func (t *connTable) remove(c *Conn) {
	if t.get(c.id) == c {
		t.slots[c.id.Slot()] = nil
		t.n--
	}
}

// all iterates over the Conns.
func (t *connTable) all() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, c := range t.slots {
			if c != nil && !yield(c) {
				return
			}
		}
	}
}

// connQueue is a queue of Conns. The zero value is empty.
type connQueue struct {
	conns  []*Conn // from head on
	head   int
	looked int // at the first, ever
}

func (q *connQueue) len() int { return len(q.conns) - q.head }

// first returns the head of a queue that is not empty.
func (q *connQueue) first() *Conn {
	q.looked++
	return q.conns[q.head]
}

func (q *connQueue) push(c *Conn) {
	if len(q.conns) == cap(q.conns) && q.head > len(q.conns)/2 {
		n := copy(q.conns, q.conns[q.head:])
		clear(q.conns[n:])
		q.conns, q.head = q.conns[:n], 0
	}
	q.conns = append(q.conns, c)
}

// pop takes the head off.
func (q *connQueue) pop() {
	q.conns[q.head] = nil
	if q.head++; q.head == len(q.conns) {
		q.conns, q.head = q.conns[:0], 0
	}
}
