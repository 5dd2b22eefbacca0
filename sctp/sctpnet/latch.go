package sctpnet

// A latch is a channel that is closed once. It is made when somebody is to wait for that, which
// few Conns of a Listener see. The lock of the Conn guards it.
type latch struct {
	c      chan struct{}
	closed bool
}

func (l *latch) close() {
	l.closed = true
	if l.c != nil {
		close(l.c)
	}
}

func (l *latch) channel() <-chan struct{} {
	if l.c == nil {
		if l.c = make(chan struct{}); l.closed {
			close(l.c)
		}
	}
	return l.c
}

// when returns the channel of a latch of the Conn. The lock is not held.
func (c *Conn) when(l *latch) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.channel()
}
