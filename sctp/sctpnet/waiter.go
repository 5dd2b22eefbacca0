package sctpnet

// A waiter is one blocked call. It is woken through a channel, so that the call
// can wait for its context and deadline as well.
type waiter struct {
	ready      chan struct{} // holds a token when woken; capacity 1
	list       *waitList     // where it is queued, nil if nowhere
	next, prev *waiter

	sock  *socket // where others go by whether the call waits, or nil
	reads bool    // it waits for a message
	watch watch   // what else ends the waiting
}

// A waitList is a queue of blocked calls, woken one at a time in the order of
// their arrival: a call that is done, or gives up although woken, wakes the next.
// The Conn's lock guards it. The zero value is empty.
type waitList struct{ head, tail *waiter }

func (l *waitList) empty() bool { return l.head == nil }

func (l *waitList) pushBack(w *waiter) {
	w.list, w.prev, w.next = l, l.tail, nil
	if l.tail != nil {
		l.tail.next = w
	} else {
		l.head = w
	}
	l.tail = w
}

func (l *waitList) pushFront(w *waiter) {
	w.list, w.prev, w.next = l, nil, l.head
	if l.head != nil {
		l.head.prev = w
	} else {
		l.tail = w
	}
	l.head = w
}

func (l *waitList) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.tail = w.prev
	}
	w.list, w.prev, w.next = nil, nil, nil
}

// wake wakes the first waiter.
func (l *waitList) wake() {
	if w := l.head; w != nil {
		l.remove(w)
		if w.sock == nil || !w.sock.woken(w) {
			w.ready <- struct{}{} // has room: a queued waiter holds no token
		}
	}
}

func (l *waitList) wakeAll() {
	for l.head != nil {
		l.wake()
	}
}

// waiters keeps waiters for reuse. It is part of a Conn rather than of the
// package because a channel belongs to the synctest bubble that made it.
type waiters struct{ free *waiter }

func (p *waiters) get() *waiter {
	w := p.free
	if w == nil {
		return &waiter{ready: make(chan struct{}, 1)}
	}
	p.free, w.next = w.next, nil
	return w
}

func (p *waiters) put(w *waiter) {
	w.next, p.free = p.free, w
}
