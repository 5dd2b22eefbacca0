package sctpnet

import "time"

// timer calls the association back in time. It is set lazily: one that is due
// earlier than needed is left alone, and set anew when it fires, so that a
// deadline that moves with every packet costs nothing. But it is set anew before it comes close.
type timer struct {
	t      *time.Timer
	spare  *time.Timer // stopped, or nil: see renew
	f      func()      // what it calls
	at     time.Time   // when it fires; zero if it is not set
	urgent bool        // it is to fire, whatever deadlines there are
}

// renewTime is how close a timer comes that is not needed by then. When a process goes to sleep with one
// that is due before the system's next tick (4 ms, often), the system sets the clock of the
// processor for it, and again when the process wakes; in a virtual machine each takes 10 us. Without that a message
// there and back between processes takes 11 us, not 13 to 32.
const renewTime = 8 * time.Millisecond

// init makes the timer, stopped.
func (t *timer) init(f func()) {
	t.f, t.t = f, time.AfterFunc(time.Hour, f)
	t.t.Stop()
}

// set makes the timer fire at the given time, or earlier. at is the earliest of all deadlines.
// It returns how many more calls of its function are to come now.
func (t *timer) set(now, at time.Time) int {
	switch {
	case t.at.IsZero(), at.Before(t.at):
	case !t.urgent && t.at.Sub(now) < renewTime && at.Sub(t.at) >= renewTime:
		return t.renew(at)
	default:
		return 0
	}
	t.at = at
	if t.t.Reset(max(0, time.Until(at))) {
		return 0
	}
	return 1
}

// renew is set for a timer that would fire soon, and need not: another takes its place, as one
// that is set to a later time has the process wake at the earlier one all the same.
func (t *timer) renew(at time.Time) int {
	n := 1 - t.stop()
	t.t, t.spare = t.spare, t.t
	if t.at = at; t.t == nil {
		t.t = time.AfterFunc(time.Until(at), t.f)
	} else {
		t.t.Reset(time.Until(at))
	}
	return n
}

// fire makes the timer fire at once. It returns what set does.
func (t *timer) fire(now time.Time) int {
	n := t.set(now, now)
	t.urgent = true
	return n
}

// fired takes note of that it has.
func (t *timer) fired(now time.Time) {
	if !t.at.After(now) {
		t.at, t.urgent = time.Time{}, false
	}
}

// stop stops the timer, and returns how many calls fewer are to come now.
func (t *timer) stop() int {
	t.at, t.urgent = time.Time{}, false
	if t.t.Stop() {
		return 1
	}
	return 0
}

// fireTimer makes the timer fire at once.
func (c *Conn) fireTimer() {
	if c.sock != nil {
		// Also when the socket is closed: OnEvent may have to hear more.
		c.sock.holds += c.sock.timer.fire(time.Now())
		return
	}
	c.life.holds += c.timer.fire(time.Now())
}

func (c *Conn) stopTimer() { c.life.holds -= c.timer.stop() }

// armTimer sets the timer to what has to happen next: the association's timeout,
// and a look at the transport if it is writing.
func (c *Conn) armTimer(now time.Time) {
	if c.life.isReleasing {
		return
	}
	var at time.Time
	if c.sender.busy && (!c.sender.own || c.life.isOver) {
		at = c.sender.since.Add(stallTime)
	}
	if !c.life.isOver {
		if due, ok := c.assoc.Timeout(); ok && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	if !at.IsZero() {
		c.life.holds += c.timer.set(now, at)
	}
}

// onTimer runs on a goroutine of the timer.
func (c *Conn) onTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attach()
	now := time.Now()
	c.timer.fired(now)
	if c.sender.busy && now.Sub(c.sender.since) >= stallTime {
		c.unstick()
		now = time.Now()
	}
	if !c.life.isOver {
		if at, ok := c.assoc.Timeout(); ok && !at.After(now) {
			c.assoc.HandleTimeout(now)
		}
	}
	c.settle(now, aTimer)
	c.drop()
}
