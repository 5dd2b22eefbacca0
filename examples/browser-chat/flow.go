package main

import (
	"context"
	"sync/atomic"
	"time"
)

// bucket is a token bucket: burst at once, then rate per second. The zero
// value with rate and burst set is full.
type bucket struct {
	rate, burst float64
	used        float64 // tokens taken and not yet refilled
	last        time.Time
}

// take spends one token; false means the limit is reached.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.used = max(0, b.used-now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	if b.used+1 > b.burst {
		return false
	}
	b.used++
	return true
}

// window bounds the bytes of a file that are sent and not yet consumed at the
// other end. Without it a slow receiver would fill the receive buffer of the
// whole connection, and chat would wait behind the file.
type window struct {
	sent  int64 // owned by the sender
	acked atomic.Int64
	wake  chan struct{} // has a value after acked changed
}

func newWindow() *window { return &window{wake: make(chan struct{}, 1)} }

// ack notes that the other end has consumed n bytes in all.
func (w *window) ack(n int64) {
	if n <= w.acked.Load() {
		return
	}
	w.acked.Store(n)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// reserve waits until n more bytes fit and counts them as sent.
func (w *window) reserve(ctx context.Context, n int) error {
	for w.sent+int64(n)-w.acked.Load() > fileWindow {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	w.sent += int64(n)
	return nil
}
