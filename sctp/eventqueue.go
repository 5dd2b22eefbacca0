package sctp

// eventQueue holds events until NextEvent takes them. Events that repeat (a
// stream turning readable, say) are edges that the stream remembers, so that
// what the peer sends cannot make the queue grow without bound.
type eventQueue struct {
	ring   []Event
	head   int
	n      int
	pushed uint64 // ever
	use    ringUse
	few    [1]Event // ring, mostly
}

// at returns the i-th event.
func (q *eventQueue) at(i int) Event { return q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *eventQueue) push(e Event) { *q.add() = e }

// pushOf is push for an event of a stream, of which there may be some for each message:
// written where it stays, since copies of structs of this size are slow.
func (q *eventQueue) pushOf(kind EventKind, stream uint16) {
	e := q.add()
	e.Kind, e.Stream = kind, stream
}

// add makes room for an event, which is empty.
func (q *eventQueue) add() *Event {
	if q.n == len(q.ring) {
		q.grow()
	}
	e := &q.ring[(q.head+q.n)&(len(q.ring)-1)]
	q.n++
	q.use.holds(q.n)
	q.pushed++
	return e
}

func (q *eventQueue) grow() {
	if q.n < len(q.few) {
		q.ring = q.few[:]
		return
	}
	ring := make([]Event, max(4, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head, q.few = ring, 0, [len(q.few)]Event{}
}

func (q *eventQueue) pop() (Event, bool) {
	if q.n == 0 {
		return Event{}, false
	}
	e := q.ring[q.head]
	q.ring[q.head] = Event{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	if q.n--; q.n == 0 {
		q.head = 0 // the first place is at hand
		if q.use.emptied(len(q.ring)) {
			q.ring = q.few[:]
		}
	}
	return e, true
}
