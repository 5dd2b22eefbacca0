package sctpnet

import (
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// events is the queue towards OnEvent, in order. The goroutine that puts the first
// one in runs OnEvent until the queue is empty; others, and OnEvent itself when it
// calls back, leave their events to that one.
type events struct {
	queue []sctp.Event // from head on; mostly in one
	head  int
	busy  bool // a goroutine is running OnEvent
	one   [1]sctp.Event
	room  sync.Cond // broadcast when the queue is short again, and at the end
}

// keptEvents is the capacity that an emptied queue keeps.
const keptEvents = 64

func (e *events) len() int { return len(e.queue) - e.head }

func (e *events) push(ev sctp.Event) {
	if e.head > len(e.queue)/2 && len(e.queue) == cap(e.queue) { // else it would be moved for each event of a long queue
		n := copy(e.queue, e.queue[e.head:])
		clear(e.queue[n:])
		e.queue, e.head = e.queue[:n], 0
	}
	if e.queue == nil {
		e.queue = e.one[:0]
	}
	e.queue = append(e.queue, ev)
}

func (e *events) pop() sctp.Event {
	ev := e.queue[e.head]
	e.queue[e.head] = sctp.Event{}
	e.head++
	if e.head == len(e.queue) {
		e.queue, e.head = e.queue[:0], 0
		if cap(e.queue) > keptEvents {
			e.queue = nil
		}
	}
	return ev
}

// collect takes the association's events and carries them out.
func (c *Conn) collect(now time.Time) {
	if c.sock != nil {
		c.sock.ep.Update(c.id)
		c.sock.collect(now)
		return
	}
	for {
		ev, ok := c.assoc.NextEvent()
		if !ok {
			return
		}
		if c.handleEvent(now, ev) {
			c.sender.left = true
		}
	}
}

// handleEvent wakes whom an event concerns, and queues it for OnEvent. It tells whether
// there may be something to send for it.
func (c *Conn) handleEvent(now time.Time, ev sctp.Event) (more bool) {
	switch ev.Kind {
	case sctp.EventConnected:
		c.onConnected()
	case sctp.EventRestarted:
		c.onRestarted()
	case sctp.EventReadable:
		more = c.onReadable(now, ev.Stream)
	case sctp.EventWritable:
		c.writes.wake()
	case sctp.EventStreamResetDone, sctp.EventStreamResetFailed:
		c.onResetOver(now, ev.Stream)
		more = true
	case sctp.EventStreamResetAsked:
		c.streams.get(ev.Stream).resetting = true
	case sctp.EventShutdownReceived:
		c.writes.wakeAll()
	case sctp.EventClosed:
		ev.Err = c.onClosed(ev.Err)
		more = true
	}
	if c.cfg.OnEvent != nil {
		c.events.push(ev)
	}
	return more
}

// dispatch runs OnEvent on the queued events, without the lock.
func (c *Conn) dispatch(by actor) {
	if c.events.busy || c.events.len() == 0 {
		return
	}
	c.events.busy = true
	for n := 0; c.events.len() > 0; n++ {
		if by.borrowed() && n == maxRounds {
			c.fireTimer()
			break
		}
		ev := c.events.pop()
		if c.events.len() == maxEvents {
			c.events.room.Broadcast()
		}
		c.mu.Unlock()
		c.cfg.OnEvent(c, ev)
		c.mu.Lock()
	}
	c.events.busy = false
}
