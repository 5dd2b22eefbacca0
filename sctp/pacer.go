package sctp

import "time"

// pacer spreads the data sent on a path over time. It remembers when the data sent
// so far would all be out if it went at exactly the rate that the congestion
// controller gives; a packet may go when that time is over. It may lie back by a
// burst at most, which is what may be sent at once after a pause, and by some
// milliseconds when data waited meanwhile, which makes up for a driver that wakes up late.
//
// It delays DATA only, never a packet without any. The unit is bytes of chunks, as
// in congestion control.
type pacer struct {
	timer  timer   // runs while data waits
	behind bool    // nothing but pacing held data back since it did last
	free   instant // when all is out
}

const (
	// paceQuantum is how long the driver may sleep at least when it has to, so that
	// at high rates it sends several packets each time it wakes up, and
	// paceQuantumBytes the most that is sent then.
	paceQuantum      = time.Millisecond
	paceQuantumBytes = 64 << 10

	// tooShortToPace, in place of a rate, says that a round trip is shorter than timers
	// are accurate, so that the window is all there is to it. At one opportunity goes
	// what a paced path sends when it wakes up at the highest rates; each SACK is one, and
	// where they come late by now, each quantum of time.
	tooShortToPace = -1

	// maxPaceDelay bounds how long one packet delays the next, whatever a
	// controller believes.
	maxPaceDelay = time.Second

	// maxLate is how late a driver may wake up without sending less for it.
	maxLate = 4 * time.Millisecond
)

// sendQuantum returns how many bytes may be sent at once at a rate in bytes per
// second.
func sendQuantum(rate int64, pmdcs int) int {
	return int(max(min(rate*int64(paceQuantum)/int64(time.Second), paceQuantumBytes), int64(2*pmdcs)))
}

// held reports whether data has to wait, and if so runs the timer; rate is in bytes
// per second.
func (p *pacer) held(now instant, rate int64) bool {
	if !now.Before(p.free) {
		p.timer.stop()
		return false
	}
	wake := p.free.Add(min(paceQuantum, paceTime(paceQuantumBytes, rate)) / 2)
	p.timer = timer{at: wake}
	p.behind = true
	return true
}

// sent takes note of n bytes; burst is how many may go at once after a pause.
func (p *pacer) sent(now instant, n int, rate int64, burst int) {
	back := paceTime(burst, rate)
	if p.behind {
		back = max(back, maxLate)
	}
	if least := now.Add(-back); p.free.Before(least) {
		p.free = least
	}
	p.free = p.free.Add(paceTime(n, rate))
	if latest := now.Add(maxPaceDelay); p.free.After(latest) {
		p.free = latest
	}
}

// rest says that there is nothing that waits for its time.
func (p *pacer) rest() { p.behind = false }

// paceTime returns how long n bytes take at a rate in bytes per second.
func paceTime(n int, rate int64) time.Duration {
	return time.Duration(int64(n) * int64(time.Second) / rate)
}
