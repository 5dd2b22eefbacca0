package datachannel

import "slices"

// fifo is a first-in, first-out queue. One that runs empty keeps room for a few items
// only.
type fifo[T any] struct {
	items []T
	head  int // index of the oldest
}

// keptItems is the capacity that an empty queue keeps: one that takes an item now and
// then allocates nothing.
const keptItems = 2

func (q *fifo[T]) len() int    { return len(q.items) - q.head }
func (q *fifo[T]) at(i int) *T { return &q.items[q.head+i] }
func (q *fifo[T]) front() *T   { return q.at(0) }

// push adds an item. When half of its memory is unused the queue moves to the beginning
// of it before, which costs each item less than one move.
func (q *fifo[T]) push(item T) {
	if q.head > 16 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

// pushFront makes items the next ones, in their order.
func (q *fifo[T]) pushFront(items ...T) {
	if len(items) > 0 {
		q.items, q.head = slices.Concat(items, q.items[q.head:]), 0
	}
}

// remove takes out item i; 0 is the oldest, and cheap.
func (q *fifo[T]) remove(i int) T {
	item := *q.at(i)
	copy(q.items[q.head+1:q.head+i+1], q.items[q.head:q.head+i])
	clear(q.items[q.head : q.head+1])
	q.head++
	if q.len() == 0 {
		if q.items, q.head = q.items[:0], 0; cap(q.items) > keptItems {
			q.items = nil
		}
	}
	return item
}

func (q *fifo[T]) pop() T { return q.remove(0) }
