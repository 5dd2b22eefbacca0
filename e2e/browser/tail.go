package browser

import "sync"

// tail is a Writer that keeps the last tailSize bytes of what a browser prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool // something was dropped
}

// tailSize is enough for the last words of a browser that crashes.
const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.cut = true
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return "..." + string(t.buf)
	}
	return string(t.buf)
}
