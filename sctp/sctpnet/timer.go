package sctpnet

import "time"

// timer calls the association back in time. It is set lazily: one that is due
// earlier than needed is left alone, and set anew when it fires, so that a
// deadline that moves with every packet costs nothing.
type timer struct {
	t  *time.Timer
	at time.Time // when it fires; zero if it is not set
}

// init makes the timer, stopped.
func (t *timer) init(f func()) {
	t.t = time.AfterFunc(time.Hour, f)
	t.t.Stop()
}

// set makes the timer fire at the given time, or earlier. It returns how many more
// calls of its function are to come now.
func (t *timer) set(at time.Time) int {
	if !t.at.IsZero() && !at.Before(t.at) {
		return 0
	}
	t.at = at
	if t.t.Reset(max(0, time.Until(at))) {
		return 0
	}
	return 1
}

// stop stops the timer, and returns how many calls fewer are to come now.
func (t *timer) stop() int {
	t.at = time.Time{}
	if t.t.Stop() {
		return 1
	}
	return 0
}

// setTimer makes the timer fire at the given time, or earlier.
func (c *Conn) setTimer(at time.Time) { c.life.holds += c.timer.set(at) }

// fireTimer makes the timer fire at once.
func (c *Conn) fireTimer() {
	if c.sock != nil {
		// Also when the socket is closed: OnEvent may have to hear more.
		c.sock.holds += c.sock.timer.set(time.Now())
		return
	}
	c.setTimer(time.Now())
}

func (c *Conn) stopTimer() { c.life.holds -= c.timer.stop() }

// armTimer sets the timer to what has to happen next: the association's timeout,
// and a look at the transport if it is writing.
func (c *Conn) armTimer() {
	if c.life.isReleasing {
		return
	}
	if c.sender.busy && (!c.sender.own || c.life.isOver) {
		c.setTimer(c.sender.since.Add(stallTime))
	}
	if c.life.isOver {
		return
	}
	if at, ok := c.assoc.Timeout(); ok {
		c.setTimer(at)
	}
}

// onTimer runs on a goroutine of the timer.
func (c *Conn) onTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attach()
	now := time.Now()
	if !c.timer.at.After(now) {
		c.timer.at = time.Time{}
	}
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
