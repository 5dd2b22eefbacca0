package sctp

import (
	"slices"
	"sort"
)

// waitList is the messages of a stream that are complete, but ahead of their turn: by
// number, no two alike. They are taken from the front, and mostly put in at the end.
type waitList struct {
	list  []*inMessage
	taken int // of its beginning, which is nil
}

// keepWaiting is for how many messages an empty list keeps memory, until the association
// rests.
const keepWaiting = 16

func (w *waitList) len() int {
	if w == nil {
		return 0
	}
	return len(w.list) - w.taken
}

// rest returns what is to be kept of the list: nothing if it is empty.
func (w *waitList) rest() *waitList {
	if w.len() == 0 {
		return nil
	}
	return w
}

// first returns the message with the lowest number; there is one.
func (w *waitList) first() *inMessage { return w.list[w.taken] }

// add puts in a message, unless there is one of its number.
func (w *waitList) add(m *inMessage) bool {
	n := len(w.list)
	i := n
	if n > 0 && !w.list[n-1].info.mid.Before(m.info.mid) { // else it is the last, as is usual
		i = w.taken + sort.Search(w.len(), func(i int) bool { return !w.list[w.taken+i].info.mid.Before(m.info.mid) })
		if w.list[i].info.mid == m.info.mid {
			return false
		}
	}
	if n == cap(w.list) && 2*w.taken > n { // else it grows
		w.list, i, w.taken = slices.Delete(w.list, 0, w.taken), i-w.taken, 0
	}
	w.list = slices.Insert(w.list, i, m)
	return true
}

// take takes out the first message.
func (w *waitList) take() *inMessage {
	m := w.list[w.taken]
	w.list[w.taken] = nil
	w.taken++
	switch n := w.len(); {
	case n == 0:
		if w.list, w.taken = w.list[:0], 0; cap(w.list) > keepWaiting {
			w.list = nil
		}
	case n < cap(w.list)/8 && cap(w.list) > 4*keepWaiting: // each stream has one
		w.list, w.taken = slices.Clone(w.list[w.taken:]), 0
	}
	return m
}
