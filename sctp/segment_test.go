package sctp

import "testing"

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
