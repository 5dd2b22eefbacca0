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

// setTimer makes the timer fire at the given time, or earlier.
func (c *Conn) setTimer(at time.Time) {
	if !c.timer.at.IsZero() && !at.Before(c.timer.at) {
		return
	}
	c.timer.at = at
	if !c.timer.t.Reset(max(0, time.Until(at))) {
		c.life.holds++ // one more call of onTimer to come
	}
}

// fireTimer makes the timer fire at once.
func (c *Conn) fireTimer() { c.setTimer(time.Now()) }

func (c *Conn) stopTimer() {
	c.timer.at = time.Time{}
	if c.timer.t.Stop() {
		c.life.holds--
	}
}

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
