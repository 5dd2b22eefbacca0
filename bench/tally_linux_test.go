package bench

import (
	"sync/atomic"
	"time"
)

// maxStall is how long nothing arrives before what is on its way counts as lost.
const maxStall = 100 * time.Millisecond

// A tally counts bytes as they arrive, and wakes the one who waits for them.
type tally struct {
	atomic.Int64
	more  chan struct{} // capacity 1: some may have arrived
	stall *time.Timer
}

func newTally() *tally {
	return &tally{more: make(chan struct{}, 1), stall: time.NewTimer(maxStall)}
}

func (y *tally) arrive(n int) {
	y.Add(int64(n))
	select {
	case y.more <- struct{}{}:
	default:
	}
}

// await waits until less than limit of what was sent is on its way. It returns what was
// sent less what was lost.
func (y *tally) await(sent, limit int64) int64 {
	for sent-y.Load() >= limit {
		y.stall.Reset(maxStall)
		select {
		case <-y.more:
		case <-y.stall.C:
			return y.Load()
		}
	}
	return sent
}
