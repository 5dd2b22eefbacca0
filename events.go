package sluice

import "sync"

// eventQueue runs functions one at a time, in the order they were posted, on a
// goroutine that exists only while there is something to run. Callbacks of the
// application go through one, so they never run with a lock held and may call
// back into the object, Close included. The zero value is ready.
type eventQueue struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	closed  bool
}

// post queues f. After close it does nothing.
func (q *eventQueue) post(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.queue = append(q.queue, f)
	if !q.running {
		q.running = true
		go q.run()
	}
}

// close refuses further functions; those already posted still run.
func (q *eventQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *eventQueue) run() {
	for {
		q.mu.Lock()
		if len(q.queue) == 0 {
			q.queue, q.running = nil, false
			q.mu.Unlock()
			return
		}
		f := q.queue[0]
		q.queue[0] = nil
		q.queue = q.queue[1:]
		q.mu.Unlock()
		f()
	}
}
