package usrsctp

import (
	"context"
	"fmt"
	"sync"
)

// An inbox holds what one side has reported, by kind, until a test asks for it.
type inbox[K comparable, V any] struct {
	mu      sync.Mutex
	pending map[K][]V
	more    chan struct{} // closed and replaced with every report
	over    bool          // nothing more will come
}

func newInbox[K comparable, V any]() *inbox[K, V] {
	return &inbox[K, V]{pending: map[K][]V{}, more: make(chan struct{})}
}

func (b *inbox[K, V]) put(kind K, report V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending[kind] = append(b.pending[kind], report)
	b.wake()
}

// end makes every call of next that finds nothing fail.
func (b *inbox[K, V]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.wake()
}

func (b *inbox[K, V]) wake() {
	close(b.more)
	b.more = make(chan struct{})
}

// take returns the first report of the kind, if there is one now.
func (b *inbox[K, V]) take(kind K) (report V, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pop(kind)
}

func (b *inbox[K, V]) pop(kind K) (report V, ok bool) {
	list := b.pending[kind]
	if len(list) == 0 {
		return report, false
	}
	b.pending[kind] = list[1:]
	return list[0], true
}

// all returns the reports of the kind that nobody took.
func (b *inbox[K, V]) all(kind K) []V {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending[kind]
}

// next waits for a report of the kind.
func (b *inbox[K, V]) next(ctx context.Context, kind K) (V, error) {
	for {
		b.mu.Lock()
		report, ok := b.pop(kind)
		more, over := b.more, b.over
		b.mu.Unlock()
		switch {
		case ok:
			return report, nil
		case over:
			return report, fmt.Errorf("no %v: nothing more is reported", kind)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return report, fmt.Errorf("waiting for %v: %w", kind, context.Cause(ctx))
		}
	}
}
