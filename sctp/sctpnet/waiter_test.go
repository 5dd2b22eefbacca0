package sctpnet

import (
	"testing"
)

func TestWaitListOrder(t *testing.T) {
	var pool waiters
	var l waitList
	w := make([]*waiter, 5)
	for i := range w {
		w[i] = pool.get()
	}
	l.pushBack(w[1])
	l.pushBack(w[2])
	l.pushBack(w[3])
	l.pushFront(w[0])
	l.pushBack(w[4])
	l.remove(w[2])
	for _, i := range []int{0, 1, 3, 4} {
		l.wake()
		select {
		case <-w[i].ready:
		default:
			t.Fatalf("waiter %d was not woken in its turn", i)
		}
		if w[i].list != nil {
			t.Fatalf("waiter %d is still in the list", i)
		}
	}
	l.wake() // of nobody
	if !l.empty() || l.tail != nil {
		t.Error("list is not empty")
	}
	for _, w := range w {
		pool.put(w)
	}
	if w := pool.get(); w != pool.free && len(w.ready) != 0 {
		t.Error("a pooled waiter holds a token")
	}
}

func TestWaitListRemove(t *testing.T) {
	for _, gone := range []int{0, 1, 2} {
		var pool waiters
		var l waitList
		w := []*waiter{pool.get(), pool.get(), pool.get()}
		for _, w := range w {
			l.pushBack(w)
		}
		l.remove(w[gone])
		l.wakeAll()
		for i, w := range w {
			if got, want := len(w.ready), 1; i != gone && got != want || i == gone && got != 0 {
				t.Errorf("%d removed: waiter %d has %d tokens", gone, i, got)
			}
		}
	}
}
