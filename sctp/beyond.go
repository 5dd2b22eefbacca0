package sctp

import (
	"container/heap"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// beyond lists the messages in I-DATA chunks, and beginnings of such, that came in beyond a gap of the
// cumulative TSN and may not be read yet: a heap, by the TSN of the first fragment. What fills
// the gap may be of the same stream, and must be read before. Or it shows, when there is nothing missing
// any more before a message, that what it waits for will not come.
type beyond struct{ list []*inMessage }

func (q *beyond) Len() int           { return len(q.list) }
func (q *beyond) Less(i, j int) bool { return q.list[i].head.tsn.Before(q.list[j].head.tsn) }

func (q *beyond) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].place, q.list[j].place = int32(i)+1, int32(j)+1
}

// Push and Pop are for package heap.
func (q *beyond) Push(m any) {
	q.list = append(q.list, m.(*inMessage))
	q.list[len(q.list)-1].place = int32(len(q.list))
}

func (q *beyond) Pop() any {
	n := len(q.list) - 1
	m := q.list[n]
	q.list[n], q.list = nil, q.list[:n]
	m.place = 0
	return m
}

// add puts in a message, once.
func (q *beyond) add(m *inMessage) {
	if m.place == 0 {
		heap.Push(q, m)
	}
}

// remove takes out a message, if it is there.
func (q *beyond) remove(m *inMessage) {
	if m.place > 0 {
		heap.Remove(q, int(m.place)-1)
	}
}

// clear takes out all.
func (q *beyond) clear() {
	for i, m := range q.list {
		m.place = 0
		q.list[i] = nil
	}
	q.list = q.list[:0]
}

// reached takes out the first one that is not beyond the gap any more; nil if there is none.
func (q *beyond) reached(cum wire.TSN) *inMessage {
	if len(q.list) == 0 || cum.Before(q.list[0].head.tsn) {
		return nil
	}
	return heap.Pop(q).(*inMessage)
}
