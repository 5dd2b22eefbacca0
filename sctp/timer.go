package sctp

import (
	"math"
	"time"
)

// instant is a moment on the clock of an association, in nanoseconds. It takes the place
// of time.Time inside, which is larger and slower to compare and to count with. Zero is
// long before the association.
type instant int64

// firstInstant is when an association was first told the time: nine years after zero.
const firstInstant instant = 1 << 58

// Add returns the instant d later; what is too far to be told is as far as can be.
func (t instant) Add(d time.Duration) instant {
	if u := t + instant(d); d < 0 || u >= t {
		return u
	}
	return math.MaxInt64
}

// Sub returns how long after u it is.
func (t instant) Sub(u instant) time.Duration { return time.Duration(t - u) }

// Before, After and IsZero are those of time.Time.
func (t instant) Before(u instant) bool { return t < u }
func (t instant) After(u instant) bool  { return t > u }
func (t instant) IsZero() bool          { return t == 0 }

// clock translates the times that the caller tells, which often are the same for many
// calls in a row.
type clock struct {
	last   instant   // the last time read, here
	told   time.Time // and as told
	origin time.Time // what time it was at firstInstant
}

// read returns the instant of a time.
func (c *clock) read(now time.Time) instant {
	if now != c.told || c.last == 0 {
		c.translate(now)
	}
	return c.last
}

func (c *clock) translate(now time.Time) {
	if c.last == 0 {
		c.origin = now
	}
	c.told, c.last = now, firstInstant.Add(now.Sub(c.origin))
}

// time returns the time of an instant.
func (c *clock) time(t instant) time.Time { return c.origin.Add(t.Sub(firstInstant)) }

// timer is a deadline that may be set. It belongs to the component that it is a
// field of; timers.go asks all of them for the earliest and runs those due.
type timer struct{ at instant } // zero: it is not set

func (t *timer) start(now instant, d time.Duration) { t.at = now.Add(d) }

func (t *timer) stop() { t.at = 0 }

// on reports whether the timer is set.
func (t *timer) on() bool { return t.at != 0 }

// due reports whether the timer has run out, and stops it if so.
func (t *timer) due(now instant) bool {
	if t.at == 0 || now.Before(t.at) {
		return false
	}
	t.at = 0
	return true
}

// earlier merges the timer into the earliest deadline found so far.
func (t *timer) earlier(at instant, on bool) (instant, bool) {
	if t.at != 0 && (!on || t.at.Before(at)) {
		return t.at, true
	}
	return at, on
}
