package dtlsrecord

import (
	"sync"
	"time"
)

// readDeadline is a deadline to select on. The zero value never passes.
type readDeadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{} // closed when the deadline has passed; nil until first used
}

// passed returns a channel that is closed once the deadline has passed.
func (d *readDeadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open()
}

// open returns the present channel, making it on first use.
func (d *readDeadline) open() chan struct{} {
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

// set moves the deadline; the zero time removes it. Who waits on the channel of
// a deadline that was moved before it passed keeps waiting on the right one: a
// channel is replaced only after it was closed.
func (d *readDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	ch := d.open()
	select {
	case <-ch:
		d.ch = make(chan struct{})
		ch = d.ch
	default:
	}
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(ch)
	default:
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.timer == timer {
				close(ch)
			}
		})
		d.timer = timer
	}
}
