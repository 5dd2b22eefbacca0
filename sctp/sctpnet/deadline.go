package sctpnet

import (
	"sync"
	"time"
)

// A deadline is a point in time that blocked calls wait for, and that may move
// while they do. The zero value is none.
type deadline struct {
	mu     sync.Mutex
	passed chan struct{} // closed once the time has come; made on first use
	over   bool          // passed is closed
	timer  *time.Timer
	turn   int // counts the calls of set, to know a timer that fired too late
}

// set moves the deadline; a zero t removes it.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.disarm()
	if d.passed == nil || d.over {
		d.passed, d.over = make(chan struct{}), false
	}
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expire()
		return
	}
	turn := d.turn
	d.timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.turn == turn {
			d.expire()
		}
	})
}

// stop stops the clock for good.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.disarm()
}

func (d *deadline) disarm() {
	d.turn++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) expire() {
	close(d.passed)
	d.over = true
}

// wait returns a channel that is closed when the deadline passes. One obtained
// before set took an expired deadline away stays closed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// hasPassed tells whether the deadline lies behind.
func (d *deadline) hasPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}
