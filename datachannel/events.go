//go:build !js

package datachannel

import (
	"sync"

	"github.com/sluice-rtc/sluice/sctp"
)

// eventQueue holds what the association reported and nobody has handled yet. The
// driver reports on whatever goroutine it is on, perhaps one that is inside a
// call of this package and holds the session's lock; so an event is put down
// here, and handled by whoever holds that lock, when it lets go of it.
type eventQueue struct {
	mu     sync.Mutex
	events []sctp.Event
	next   int // index of the oldest
}

func (q *eventQueue) push(ev sctp.Event) {
	q.mu.Lock()
	q.events = append(q.events, ev)
	q.mu.Unlock()
}

func (q *eventQueue) pop() (sctp.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == len(q.events) {
		// Reuse the space, unless a burst made it large.
		if cap(q.events) > 64 {
			q.events = nil
		}
		q.events, q.next = q.events[:0], 0
		return sctp.Event{}, false
	}
	ev := q.events[q.next]
	q.next++
	return ev, true
}

func (q *eventQueue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.next == len(q.events)
}

func (s *Session) lock() { s.mu.Lock() }

// unlock handles the events that came in the meantime and releases the lock. An
// event pushed after the last look is not lost: its pusher either gets the lock,
// or sees it taken, and then the holder looks again after releasing it.
func (s *Session) unlock() {
	for {
		for ev, ok := s.events.pop(); ok; ev, ok = s.events.pop() {
			s.handle(ev)
		}
		s.mu.Unlock()
		if s.events.empty() || !s.mu.TryLock() {
			return
		}
	}
}

// onEvent takes an event from the driver. It never blocks.
func (s *Session) onEvent(ev sctp.Event) {
	switch ev.Kind {
	case sctp.EventMessageAbandoned, sctp.EventMessageSent, sctp.EventMessageDelivered, sctp.EventPeerError, sctp.EventPathDown, sctp.EventPathUp:
		return // of no consequence here
	}
	s.events.push(ev)
	if s.mu.TryLock() {
		s.unlock()
	}
}

// handle acts on one event. The lock is held.
func (s *Session) handle(ev sctp.Event) {
	if s.ended {
		return
	}
	switch ev.Kind {
	case sctp.EventConnected:
		s.onConnected()
	case sctp.EventRestarted:
		s.onRestarted()
	case sctp.EventReadable:
		s.pump(ev.Stream)
	case sctp.EventWritable:
		s.flush()
	case sctp.EventBufferedAmountLow:
		if st := s.streams[ev.Stream]; st != nil && st.ch != nil {
			st.ch.checkLow()
		}
	case sctp.EventStreamReset:
		s.onPeerReset(ev.Stream)
	case sctp.EventStreamResetDone:
		s.onResetDone(ev.Stream)
	case sctp.EventStreamResetFailed:
		s.onResetFailed(ev.Stream, ev.Err)
	case sctp.EventStreamResetAsked:
		s.onResetAsked(ev.Stream)
	case sctp.EventStreamsAdded:
		s.onStreamsAdded()
	case sctp.EventReconfigFailed:
		s.onGrowthRefused(ev.Err)
	case sctp.EventShutdownReceived:
		s.onShutdown()
	case sctp.EventClosed:
		s.end(ev.Err)
	}
}
