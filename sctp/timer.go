package sctp

import "time"

// timer is a deadline that may be set. It belongs to the component that it is a
// field of; timers.go asks all of them for the earliest and runs those due.
type timer struct {
	at time.Time
	on bool
}

func (t *timer) start(now time.Time, d time.Duration) { t.at, t.on = now.Add(d), true }

func (t *timer) stop() { t.on = false }

// due reports whether the timer has run out, and stops it if so.
func (t *timer) due(now time.Time) bool {
	if !t.on || now.Before(t.at) {
		return false
	}
	t.on = false
	return true
}

// earlier merges the timer into the earliest deadline found so far.
func (t *timer) earlier(at time.Time, on bool) (time.Time, bool) {
	if t.on && (!on || t.at.Before(at)) {
		return t.at, true
	}
	return at, on
}
