package sctpnet

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// pollEvery is how long no round is polled at most, as long as answers come: that is when the runtime looks after
	// timers and the network, and with one processor when other goroutines have it. So other sockets of the process are
	// read that much later. Else they would wait for what watches over calls of the system, up to 10 ms, as they do while an answer is late.
	pollEvery = 200 * time.Microsecond

	// worthShare is by what share of itself a blocked round may exceed the polled one before it, and maxScore how many
	// more may do so than do not.
	worthShare = 8
	maxScore   = 16

	// firstPause is how many rounds are polled before the first that is blocked, after one that took promptTime, and after
	// those that were not worth it; again and again they are more.
	firstPause = 1 << 10
	maxPause   = 1 << 18
)

// A round is where a leader waits for what comes next.
type round uint8

const (
	polled   round = iota // in Go's poller
	yielding              // there, when other goroutines have had their turn
	blocked               // with its thread, in the system: udpsock.Socket.ReceiveSoon
)

// pace says which kind the rounds are of a leader whose messages are answered at once.
//
// Blocked rounds take a sixth less where the peer is another process. Else their thread keeps those waiting who
// would answer. So there are none while this process has a second socket that is left to calls; and now and then
// one is compared with a polled one.
type pace struct {
	round    round         // at hand
	took     time.Duration // by the last that was not blocked
	lately   time.Time     // when that was, while others are blocked
	compared bool          // a blocked one was, with that one
	score    int           // how many more were slower than were not

	paused int // polled rounds to go until one is blocked
	pause  int // how many there are after the next ones that are not worth it
	run    int // blocked rounds since the last pause
}

// leftSockets is how many sockets of this process are left to calls.
var leftSockets atomic.Int32

func (p *pace) init() { p.paused, p.pause = firstPause, firstPause }

// begin says of which kind a leader's round is to be. at is when the last one ended.
func (p *pace) begin(at time.Time) round {
	p.round = polled
	switch {
	case p.paused > 0:
		p.paused--
	case leftSockets.Load() > 1, p.took >= promptTime:
	case at.Sub(p.lately) >= pollEvery:
		if p.lately = at; runtime.GOMAXPROCS(0) == 1 {
			p.round = yielding
		}
	default:
		p.round = blocked
		p.run++
	}
	return p.round
}

// ended takes note of how long a round took.
func (p *pace) ended(took time.Duration) {
	switch {
	case p.round != blocked:
		p.took, p.compared = took, false
		return
	case took >= promptTime:
		p.paused = firstPause // nobody looked after the network meanwhile
	}
	if p.compared {
		return
	}
	p.compared = true
	if took <= p.took+p.took/worthShare {
		p.score = max(0, p.score-1)
		return
	}
	if p.score++; p.score == maxScore {
		if p.run > maxPause {
			p.pause = firstPause
		}
		p.score, p.run, p.paused, p.pause = 0, 0, p.pause, min(4*p.pause, maxPause)
	}
}
