package sctp

import "testing"

// TestSegmentPoolTurnover: what was kept of another size does not keep the one in use out.
func TestSegmentPoolTurnover(t *testing.T) {
	var p segmentPool
	p.bound(64<<10, false)
	turn := func(size int) {
		var all []*segment
		for range 48 << 10 / size {
			all = append(all, p.segment(make([]byte, size)))
		}
		for _, s := range all {
			p.freeSegment(s)
		}
	}
	for _, size := range []int{1 << 10, 1200, 16 << 10, 100} {
		turn(size)
		turn(size)
		payload := make([]byte, size)
		if n := testing.AllocsPerRun(10, func() { p.freeSegment(p.segment(payload)) }); n != 0 {
			t.Errorf("%v allocations for a segment of %d bytes", n, size)
		}
		if p.bytes < 48<<10/size*size || p.bytes > p.limit {
			t.Errorf("%d bytes kept after segments of %d", p.bytes, size)
		}
	}
}

// TestSegmentClasses: a payload gets the smallest segment that holds it, with a quarter
// of its size to spare at most.
func TestSegmentClasses(t *testing.T) {
	for n := 0; n <= 256<<10; n++ {
		switch c := class(n); {
		case c >= poolClasses, classSize(c) < n, c > 0 && classSize(c-1) >= n, class(classSize(c)) != c:
			t.Fatalf("%d bytes are of class %d, which has %d", n, c, classSize(c))
		case n > 64 && classSize(c)-n > n/4:
			t.Fatalf("%d bytes for %d", classSize(c), n)
		}
	}
	if c := class(256<<10 + 1); c < poolClasses {
		t.Errorf("there is a class %d above the last", c)
	}
}
