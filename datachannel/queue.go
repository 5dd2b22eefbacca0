package datachannel

// queue is a first-in, first-out queue of messages that gives its memory back
// when it runs empty.
type queue struct {
	items []outgoing
	head  int // index of the oldest
}

func (q *queue) len() int           { return len(q.items) - q.head }
func (q *queue) at(i int) *outgoing { return &q.items[q.head+i] }
func (q *queue) front() *outgoing   { return q.at(0) }
func (q *queue) push(m outgoing)    { q.compact(); q.items = append(q.items, m) }

// compact moves the queue to the beginning of its memory when half of that is
// unused, which costs each message less than one move.
func (q *queue) compact() {
	if q.head > 16 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// pushFront makes m the next message.
func (q *queue) pushFront(m outgoing) {
	q.items = append([]outgoing{m}, q.items[q.head:]...)
	q.head = 0
}

// remove takes out message i; 0 is the oldest, and cheap.
func (q *queue) remove(i int) outgoing {
	m := *q.at(i)
	copy(q.items[q.head+1:q.head+i+1], q.items[q.head:q.head+i])
	q.items[q.head] = outgoing{}
	q.head++
	if q.len() == 0 {
		*q = queue{}
	}
	return m
}

// find returns the index of the message whose writer waits on done, or -1.
func (q *queue) find(done chan error) int {
	for i := range q.len() {
		if q.at(i).done == done {
			return i
		}
	}
	return -1
}
