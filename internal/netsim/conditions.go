package netsim

import (
	"fmt"
	"time"
)

// Conditions describe one direction of a link. The zero value is a perfect
// link: no delay, no limit, no damage. Probabilities are between 0 and 1 and
// apply to each packet.
type Conditions struct {
	// Latency is the time a packet takes when nothing else holds it up.
	Latency time.Duration

	// Jitter bounds a random delay, uniform in [0, Jitter), added to Latency.
	// Jitter alone keeps the order of packets, as a queue does.
	Jitter time.Duration

	// Rate is what the bottleneck carries, in bytes per second; 0 is no limit.
	Rate int

	// Queue bounds the bytes at the bottleneck, the packet being sent included:
	// one that does not fit is dropped, unless the bottleneck is idle. It
	// matters only with a Rate; 0 is no bound.
	Queue int

	// Loss is the probability that a packet is lost, independent of others.
	Loss float64

	// Burst adds loss in bursts.
	Burst Burst

	// Reorder is the probability that a packet is held back by an extra delay,
	// uniform in (0, ReorderDelay], while later ones overtake it.
	Reorder      float64
	ReorderDelay time.Duration

	// Duplicate is the probability that a packet arrives twice, the second copy
	// up to DuplicateDelay after the first; 0 is right behind it.
	Duplicate      float64
	DuplicateDelay time.Duration

	// Corrupt is the probability that CorruptBits different bits (default 1)
	// of a packet are flipped. The second copy of a duplicate stays intact.
	Corrupt     float64
	CorruptBits int

	// MTU is the largest packet in bytes that gets through whole; a larger one
	// vanishes silently. 0 is any.
	MTU int

	// Down lists the times in which every packet handed in is swallowed.
	Down []Window
}

// Burst is the loss model of Gilbert and Elliott: two states, with a chance to
// move to the other at each packet, and a loss probability in each. The mean
// burst is 1/Leave packets; the share of packets met by the bad state is
// Enter/(Enter+Leave).
type Burst struct {
	Enter, Leave      float64 // probability to turn bad, to turn good
	LossGood, LossBad float64 // probability of loss in each state
}

// A Window is a span of time [From, To), counted from the start of the network
// or pipe.
type Window struct{ From, To time.Duration }

// Always is the window that never ends.
var Always = Window{To: 1<<63 - 1}

// isDown tells whether packets handed in at now are swallowed.
func (c *Conditions) isDown(now time.Duration) bool {
	for _, w := range c.Down {
		if w.From <= now && now < w.To {
			return true
		}
	}
	return false
}

// check panics on conditions that mean nothing: they are a mistake in a test.
func (c *Conditions) check() {
	for _, p := range []struct {
		name  string
		value float64
	}{
		{"Loss", c.Loss}, {"Reorder", c.Reorder}, {"Duplicate", c.Duplicate}, {"Corrupt", c.Corrupt},
		{"Burst.Enter", c.Burst.Enter}, {"Burst.Leave", c.Burst.Leave},
		{"Burst.LossGood", c.Burst.LossGood}, {"Burst.LossBad", c.Burst.LossBad},
	} {
		if !(p.value >= 0 && p.value <= 1) {
			panic(fmt.Sprintf("netsim: Conditions.%s is %v, not a probability", p.name, p.value))
		}
	}
	for _, d := range []struct {
		name  string
		value int64
	}{
		{"Latency", int64(c.Latency)}, {"Jitter", int64(c.Jitter)},
		{"ReorderDelay", int64(c.ReorderDelay)}, {"DuplicateDelay", int64(c.DuplicateDelay)},
		{"Rate", int64(c.Rate)}, {"Queue", int64(c.Queue)},
		{"CorruptBits", int64(c.CorruptBits)}, {"MTU", int64(c.MTU)},
	} {
		if d.value < 0 {
			panic(fmt.Sprintf("netsim: Conditions.%s is negative", d.name))
		}
	}
	if c.Reorder > 0 && c.ReorderDelay == 0 {
		panic("netsim: Conditions.Reorder without a ReorderDelay does nothing")
	}
}

// Stats count what became of the packets of one direction.
type Stats struct {
	Sent, SentBytes uint64 // handed in
	Arrived         uint64 // arrived, second copies included
	Lost            uint64 // by Loss or Burst
	QueueDrops      uint64 // did not fit the bottleneck's queue
	TooLarge        uint64 // larger than MTU
	Swallowed       uint64 // handed in while the link was down
	Reordered       uint64 // held back
	Duplicated      uint64 // given a second copy
	Corrupted       uint64 // got bits flipped
	Unread          uint64 // arrived at a Conn whose receive queue was full or closed
}
