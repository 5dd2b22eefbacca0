//go:build !js

package sluice

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

const (
	// maxUnsent bounds the bytes that wait to be written to a stream, besides those
	// being written. Frames beyond it are lost, as datagrams are.
	maxUnsent = 256 << 10

	// keptUnsent is the buffer that a streamQueue keeps, in bytes.
	keptUnsent = 16 << 10

	// streamFlush is how long closing waits for what is still to be written: that
	// the allocation of a TURN server is not needed any more.
	streamFlush = 100 * time.Millisecond
)

// streamQueue writes frames to a stream on a goroutine of its own, which ends with Close.
// Who sends packets must not wait: it may be the agent, or the goroutine that reads the
// packets of a thousand others, and a server that stops reading would keep it.
type streamQueue struct {
	c    net.Conn
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	wake   sync.Cond
	unsent []byte
	closed bool
	err    error // nothing can be written any more
}

func newStreamQueue(c net.Conn) *streamQueue {
	q := &streamQueue{c: c, done: make(chan struct{})}
	q.wake.L = &q.mu
	go q.run()
	return q
}

// Write takes a copy of one frame.
func (q *streamQueue) Write(frame []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return 0, net.ErrClosed
	case q.err != nil:
		return 0, q.err
	case len(q.unsent)+len(frame) <= maxUnsent:
		q.unsent = append(q.unsent, frame...)
		q.wake.Signal()
	}
	return len(frame), nil
}

func (q *streamQueue) run() {
	defer close(q.done)
	var b []byte
	for {
		if b = q.next(b[:0]); len(b) == 0 {
			return
		}
		if _, err := q.c.Write(b); err != nil {
			q.mu.Lock()
			q.err, q.unsent = err, nil
			q.mu.Unlock()
			return
		}
	}
}

// next waits for something to write, nothing after Close, and leaves the other buffer.
func (q *streamQueue) next(empty []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.unsent) == 0 && !q.closed {
		q.wake.Wait()
	}
	if cap(empty) > keptUnsent {
		empty = nil
	}
	b := q.unsent
	q.unsent = empty
	return b
}

// Close writes what can be written in no time, and closes the stream.
func (q *streamQueue) Close() error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		q.c.SetWriteDeadline(time.Now().Add(streamFlush))
		q.wake.Signal()
	}
	q.mu.Unlock()
	<-q.done
	if secure, ok := q.c.(*tls.Conn); ok && q.err != nil {
		return secure.NetConn().Close() // it would try to say goodbye
	}
	return q.c.Close()
}
