package sctp

import "fmt"

// heapInvariants: which messages are in which heap, and the order of those.
func (o *outbound) heapInvariants() string {
	lifetimes, unsent, bytes := 0, 0, 0
	for _, s := range o.streams.all() {
		for m := s.head; m != nil; m = m.next {
			bytes += len(m.payload) - m.sent
			if m.next != nil && m.next.prev != m || m.prev == nil != (m == s.head) {
				return fmt.Sprintf("stream %d: the queue is not linked both ways", s.id)
			}
			switch {
			case m.policy == policyLifetime:
				lifetimes++
			case m.policy == policyPriority && m.sent == 0:
				unsent++
			}
		}
	}
	if bytes != o.waiting {
		return fmt.Sprintf("%d bytes wait, counted %d", o.waiting, bytes)
	}
	l := o.limits()
	if len(l.deadlines.list) != lifetimes || len(l.unsent.list) != unsent {
		return fmt.Sprintf("%d deadlines, counted %d; %d expendable, counted %d",
			len(l.deadlines.list), lifetimes, len(l.unsent.list), unsent)
	}
	for _, h := range []*messageHeap{&l.deadlines, &l.unsent, &l.begun} {
		for i, m := range h.list {
			if int(m.place) != i+1 || m.policy != h.by || m.abandoned || m.displaced || i > 0 && h.before(m, h.list[(i-1)/2]) {
				return fmt.Sprintf("message %d at %d of a heap: %+v", i, m.place, *m)
			}
			if h == &l.begun && m.sent == 0 {
				return "a message not begun is among those begun"
			}
		}
	}
	return ""
}
