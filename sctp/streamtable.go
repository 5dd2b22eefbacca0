package sctp

import "iter"

// streamTable maps stream identifiers to the state of those streams that have
// been used. The stream that is used first, often the only one, has its state in the table itself,
// which therefore must not be copied.
type streamTable[T any] struct {
	n     int32  // streams
	at    uint16 // the identifier of first
	first T
	more  *streamPages[T] // with first; nil: there is no other
}

// streamPages are indexed in two steps, so that a lookup costs two loads, a few low identifiers,
// which are most, cost little memory, and iteration is in order.
type streamPages[T any] struct {
	low   []*T // the first page, as far as it is in use
	pages []*[streamPage]*T
}

const streamPage = 64

// get returns the state of a stream, nil if it has none.
func (t *streamTable[T]) get(id uint16) *T {
	if id == t.at && t.n > 0 {
		return &t.first
	}
	if t.more == nil {
		return nil
	}
	return t.more.get(id)
}

func (p *streamPages[T]) get(id uint16) *T {
	if int(id) < len(p.low) {
		return p.low[id]
	}
	if page := int(id) / streamPage; page < len(p.pages) && p.pages[page] != nil {
		return p.pages[page][id%streamPage]
	}
	return nil
}

// add returns state for a stream that has none.
func (t *streamTable[T]) add(id uint16) *T {
	if t.n++; t.n == 1 {
		t.at = id
		return &t.first
	}
	if t.more == nil {
		t.more = new(streamPages[T])
		t.more.put(t.at, &t.first)
	}
	s := new(T)
	t.more.put(id, s)
	return s
}

// put stores the state of a stream that had none.
func (p *streamPages[T]) put(id uint16, s *T) {
	if id < streamPage {
		for int(id) >= len(p.low) {
			p.low = append(p.low, nil)
		}
		p.low[id] = s
		return
	}
	page := int(id) / streamPage
	for page >= len(p.pages) {
		p.pages = append(p.pages, nil)
	}
	if p.pages[page] == nil {
		p.pages[page] = new([streamPage]*T)
	}
	p.pages[page][id%streamPage] = s
}

// all iterates over the streams that have state, by identifier.
func (t *streamTable[T]) all() iter.Seq2[uint16, *T] {
	return func(yield func(uint16, *T) bool) {
		switch {
		case t.more != nil:
			t.more.all(yield)
		case t.n > 0:
			yield(t.at, &t.first)
		}
	}
}

func (p *streamPages[T]) all(yield func(uint16, *T) bool) {
	for id, s := range p.low {
		if s != nil && !yield(uint16(id), s) {
			return
		}
	}
	for i, page := range p.pages {
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
