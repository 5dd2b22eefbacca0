package sctp

// eventQueue holds events until NextEvent takes them. Events that repeat (a
// stream turning readable, say) are edges that the stream remembers, so that
// what the peer sends cannot make the queue grow without bound.
type eventQueue struct {
	ring []Event
	head int
	n    int
	most int // n at most since it was empty
	heat int // how much the ring was needed of late

	pushed uint64 // ever
}

// A ring of more than idleEvents is given up when it is empty, unless it is needed
// again and again: what fills most of it warms it, what does not cools it.
const (
	idleEvents = 256
	warming    = 8
	keeping    = 2 * warming // from then on it stays
	hottest    = 8 * warming
)

// at returns the i-th event.
func (q *eventQueue) at(i int) Event { return q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *eventQueue) push(e Event) {
	if q.n == len(q.ring) {
		ring := make([]Event, max(8, 2*len(q.ring)))
		for i := range q.n {
			ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = e
	q.n++
	q.most = max(q.most, q.n)
	q.pushed++
}

func (q *eventQueue) pop() (Event, bool) {
	if q.n == 0 {
		return Event{}, false
	}
	e := q.ring[q.head]
	q.ring[q.head] = Event{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	if q.n--; q.n == 0 {
		q.emptied()
	}
	return e, true
}

// emptied gives up a ring that is larger than is needed.
func (q *eventQueue) emptied() {
	if len(q.ring) > idleEvents {
		if 4*q.most > len(q.ring) {
			q.heat = min(q.heat+warming, hottest)
		} else {
			q.heat = max(q.heat-1, 0)
		}
		if q.heat < keeping {
			q.ring, q.head = nil, 0
		}
	}
	q.most = 0
}
