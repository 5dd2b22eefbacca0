package sctp

import (
	"slices"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestWaitList: messages are taken in the order of their numbers, which wrap, however they
// come; and a few that wait again and again cost no memory anew.
func TestWaitList(t *testing.T) {
	const first = wire.MID(1<<32 - 40)
	var w waitList
	add := func(n int) bool { return w.add(&inMessage{info: inInfo{mid: first.Add(n)}}) }
	rng := splitmix(7)
	var held []int
	for i := range 2000 {
		n := int(rng.next() % 100)
		at, has := slices.BinarySearch(held, n)
		if add(n) == has {
			t.Fatalf("%d: number %d, among %v", i, n, held)
		}
		if !has {
			held = slices.Insert(held, at, n)
		}
		for rng.next()%3 == 0 && len(held) > 0 || len(held) > 60 {
			if got := w.first().info.mid; got != first.Add(held[0]) || w.take().info.mid != got {
				t.Fatalf("%d: %d is taken, not %d", i, got, held[0])
			}
			held = held[1:]
		}
		if w.len() != len(held) {
			t.Fatalf("%d: %d, not %d", i, w.len(), len(held))
		}
	}
	for w.len() > 0 {
		w.take()
	}
	m := make([]inMessage, 1000)
	for i := range m { // a few wait at any time, always others
		m[i].info.mid = first.Add(i)
		if w.add(&m[i]); i >= 20 {
			w.take()
		}
	}
	if cap(w.list) > 128 {
		t.Errorf("room for %d, and 20 wait", cap(w.list))
	}
	for w.len() > 0 {
		w.take()
	}
	if cap(w.list) > keepWaiting {
		t.Errorf("room for %d, and none waits", cap(w.list))
	}
	if raceDetector {
		return
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range keepWaiting {
			w.add(&m[i])
		}
		for w.len() > 0 {
			w.take()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
