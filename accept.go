package sluice

import (
	"context"
	"sync"

	"github.com/sluice-rtc/sluice/datachannel"
)

// acceptQueue holds the channels that the peer opened until Accept takes them.
type acceptQueue struct {
	mu      sync.Mutex
	waiting []*datachannel.Channel
	more    chan struct{} // capacity 1: there may be one
}

// maxUnaccepted bounds the channels of the peer that wait for Accept; further
// ones are closed.
const maxUnaccepted = 1024

func newAcceptQueue() acceptQueue { return acceptQueue{more: make(chan struct{}, 1)} }

// push adds a channel, unless too many wait.
func (q *acceptQueue) push(ch *datachannel.Channel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxUnaccepted {
		return false
	}
	q.waiting = append(q.waiting, ch)
	q.wake()
	return true
}

func (q *acceptQueue) pop() *datachannel.Channel {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	ch := q.waiting[0]
	q.waiting[0] = nil
	if q.waiting = q.waiting[1:]; len(q.waiting) > 0 {
		q.wake() // for the next one who waits
	}
	return ch
}

func (q *acceptQueue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// accept waits for a channel, until ctx is done or ended is closed. It returns neither
// channel nor error if it ended and none is left.
func (q *acceptQueue) accept(ctx context.Context, ended <-chan struct{}) (*datachannel.Channel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		if ch := q.pop(); ch != nil {
			return ch, nil
		}
		select {
		case <-q.more:
		case <-ended:
			return q.pop(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// deliver hands a channel of the peer to f, or to those who accept if f is nil. It closes one
// for which there is no room, which is false.
func (q *acceptQueue) deliver(ch *datachannel.Channel, f func(*datachannel.Channel)) bool {
	switch {
	case f != nil:
		f(ch)
	case !q.push(ch):
		ch.Close()
		return false
	}
	return true
}
