// Package tally counts what arrives, so that a sender below SCTP, which nothing else holds back, can wait for it.
package tally

import (
	"sync/atomic"
	"time"
)

// maxStall is how long nothing arrives before what is on its way counts as lost.
const maxStall = 100 * time.Millisecond

// A Tally counts bytes as they arrive, and wakes the one who waits for them.
type Tally struct {
	atomic.Int64
	more  chan struct{} // capacity 1: some may have arrived
	stall *time.Timer
}

func New() *Tally {
	return &Tally{more: make(chan struct{}, 1), stall: time.NewTimer(maxStall)}
}

// Arrive counts n more.
func (y *Tally) Arrive(n int) {
	y.Add(int64(n))
	select {
	case y.more <- struct{}{}:
	default:
	}
}

// Await waits until at most limit bytes of those sent are on their way. It returns what was
// sent less what was lost.
func (y *Tally) Await(sent, limit int64) int64 {
	for sent-y.Load() > limit {
		y.stall.Reset(maxStall)
		select {
		case <-y.more:
		case <-y.stall.C:
			return y.Load()
		}
	}
	return sent
}
