package sctp

import (
	"net/netip"
	"slices"
)

// slotQueue is a queue of associations. Whoever puts them in sees to it that each
// is there once.
type slotQueue struct {
	ring []int32 // its length is a power of 2
	head int
	n    int
}

func (q *slotQueue) push(slot int32) {
	if q.n == len(q.ring) {
		ring := make([]int32, max(16, 2*len(q.ring)))
		for i := range q.n {
			ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = slot
	q.n++
}

// first returns the head of the queue.
func (q *slotQueue) first() (int32, bool) {
	if q.n == 0 {
		return noSlot, false
	}
	return q.ring[q.head], true
}

// pop takes the head off the queue.
func (q *slotQueue) pop() {
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
}

// answers are packets that belong to no association and wait to be sent.
type answers struct {
	queue []answer
	head  int
}

type answer struct {
	to     netip.AddrPort
	packet []byte
}

// maxAnswers bounds them: whoever floods the Endpoint and does not let it send is
// not owed more.
const maxAnswers = 64

// add queues an answer; false means that there are too many.
func (s *answers) add(to netip.AddrPort, packet []byte) bool {
	if len(s.queue)-s.head >= maxAnswers {
		return false
	}
	if s.head > 0 && len(s.queue) == cap(s.queue) {
		s.queue, s.head = slices.Delete(s.queue, 0, s.head), 0
	}
	s.queue = append(s.queue, answer{to, packet})
	return true
}

// next returns the next answer.
func (s *answers) next() (answer, bool) {
	if s.head == len(s.queue) {
		return answer{}, false
	}
	a := s.queue[s.head]
	s.queue[s.head] = answer{}
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	return a, true
}
