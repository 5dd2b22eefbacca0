package sctp

import "iter"

// streamTable maps stream identifiers to the state of those streams that have
// been used. It is indexed in two steps, so that a lookup costs two loads, a
// few low identifiers, which are most, cost little memory, and iteration is in order.
// The stream that is used first, often the only one, has its state in the table itself,
// which therefore must not be copied.
type streamTable[T any] struct {
	n     int    // streams
	at    uint16 // the identifier of first
	first T
	low   []*T // the first page, as far as it is in use
	pages []*[streamPage]*T
}

const streamPage = 64

// get returns the state of a stream, nil if it has none.
func (t *streamTable[T]) get(id uint16) *T {
	if id == t.at && t.n > 0 {
		return &t.first
	}
	if int(id) < len(t.low) {
		return t.low[id]
	}
	if page := int(id) / streamPage; page < len(t.pages) && t.pages[page] != nil {
		return t.pages[page][id%streamPage]
	}
	return nil
}

// add returns state for a stream that has none.
func (t *streamTable[T]) add(id uint16) *T {
	s := &t.first
	if t.n == 0 {
		t.at = id
	} else {
		s = new(T)
	}
	t.put(id, s)
	return s
}

// put stores the state of a stream that had none.
func (t *streamTable[T]) put(id uint16, s *T) {
	t.n++
	if id < streamPage {
		for int(id) >= len(t.low) {
			t.low = append(t.low, nil)
		}
		t.low[id] = s
		return
	}
	page := int(id) / streamPage
	for page >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[page] == nil {
		t.pages[page] = new([streamPage]*T)
	}
	t.pages[page][id%streamPage] = s
}

// all iterates over the streams that have state, by identifier.
func (t *streamTable[T]) all() iter.Seq2[uint16, *T] {
	return func(yield func(uint16, *T) bool) {
		for id, s := range t.low {
			if s != nil && !yield(uint16(id), s) {
				return
			}
		}
		for i, page := range t.pages {
			if page == nil {
				continue
			}
			for j, s := range page {
				if s != nil && !yield(uint16(i*streamPage+j), s) {
					return
				}
			}
		}
	}
}
