package sctp

// turnQueue orders the streams that have something to send: a heap by rank, and
// among equal ones by the time of their last turn, but those first that were idle.
type turnQueue struct {
	order scheduler
	fair  fairQueueing // order, if it is that
	heap  []*outStream
	one   [1]*outStream // heap, mostly
	turns uint64
}

func (q *turnQueue) init(s Scheduler) {
	q.order = s.scheduler(&q.fair)
	q.heap = q.one[:0]
}

// rest gives up memory for many streams.
func (q *turnQueue) rest() {
	if len(q.heap) == 0 {
		q.heap = q.one[:0]
	}
}

// standing is the place of a stream in the order.
type standing struct {
	index int32  // in the heap, plus 1; 0: not in it
	rest  uint32 // of fairQueueing: what of start is too early by, times its weight
	rank  uint64 // of the scheduler
	turn  uint64 // number of its last turn, plus inTurn unless it was idle and had none since
	start uint64 // of fairQueueing: of its next turn
}

// inTurn is more than any number of a turn.
const inTurn = 1 << 63

func (p *standing) before(q *standing) bool {
	return p.rank < q.rank || p.rank == q.rank && p.turn < q.turn
}

// first returns the stream whose turn it is, nil if none has anything to send.
func (q *turnQueue) first() *outStream {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// add puts in a stream whose queue is no longer empty.
func (q *turnQueue) add(s *outStream) {
	if len(q.heap) == 1 { // was alone
		q.heap[0].rank = q.order.rank(q.heap[0])
	}
	q.heap = append(q.heap, s)
	s.index = int32(len(q.heap))
	q.turns++
	s.turn = q.turns
	if !q.order.enter(s) {
		s.turn += inTurn
	}
	q.rerank(s)
}

// lasts reports whether the turn of a stream that has sent n bytes at the same time goes on.
func (q *turnQueue) lasts(s *outStream, n int) bool {
	return s.turn >= inTurn && n < q.order.quantum(s)
}

// served says that a stream had its turn and sent n bytes, or lost its first message
// if n is 0. It has its next turn if it has anything left.
func (q *turnQueue) served(s *outStream, n int) {
	if s.head == nil && len(q.heap) == 1 { // what it has sent is forgotten at once
		q.remove(s)
		return
	}
	if n > 0 {
		q.order.charge(s, n)
	}
	if s.head == nil {
		q.remove(s)
		return
	}
	if n == 0 || s.turn < inTurn && s.head.midway && s.head.sent < q.order.quantum(s) {
		q.rerank(s)
	} else {
		q.pass(s)
	}
}

// pass lets the others have their turn before the stream has another.
func (q *turnQueue) pass(s *outStream) {
	q.turns++
	s.turn = q.turns + inTurn
	q.rerank(s)
}

// prioritize sets the priority of a stream.
func (q *turnQueue) prioritize(s *outStream, priority uint16) {
	q.order.prioritize(s, priority)
	if s.index > 0 {
		q.rerank(s)
	}
}

// rerank puts a stream that is in the heap where it belongs now. One that is alone has its
// rank when it is no longer.
func (q *turnQueue) rerank(s *outStream) {
	if len(q.heap) == 1 {
		return
	}
	s.rank = q.order.rank(s)
	i := int(s.index) - 1
	if i > 0 { // else it has had its turn, as is usual
		i = q.up(i)
	}
	q.down(i)
}

func (q *turnQueue) remove(s *outStream) {
	q.order.leave(s)
	i, n := int(s.index)-1, len(q.heap)-1
	last := q.heap[n]
	q.heap[n] = nil
	q.heap = q.heap[:n]
	s.index = 0
	if last != s {
		q.place(i, last)
		q.down(q.up(i))
	}
}

func (q *turnQueue) place(i int, s *outStream) {
	q.heap[i] = s
	s.index = int32(i + 1)
}

// up and down move the stream at i to where it belongs; up returns its new index.
func (q *turnQueue) up(i int) int {
	s := q.heap[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !s.before(&q.heap[parent].standing) {
			break
		}
		q.place(i, q.heap[parent])
		i = parent
	}
	q.place(i, s)
	return i
}

func (q *turnQueue) down(i int) {
	s := q.heap[i]
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if right := child + 1; right < len(q.heap) && q.heap[right].before(&q.heap[child].standing) {
			child = right
		}
		if !q.heap[child].before(&s.standing) {
			break
		}
		q.place(i, q.heap[child])
		i = child
	}
	q.place(i, s)
}
