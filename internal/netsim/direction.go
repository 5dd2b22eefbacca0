package netsim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// A direction decides the fate of each packet sent one way over a link. Times
// are offsets from the start of the network.
type direction struct {
	c     Conditions
	rng   *rand.Rand
	bad   bool          // state of the burst model
	idle  time.Duration // when the bottleneck will have sent all it took
	last  time.Duration // latest arrival among packets that keep their order
	final time.Duration // latest arrival of all
	stats Stats
}

// A fate is what becomes of one packet.
type fate struct {
	copies   int              // 0 is dropped
	at       [2]time.Duration // arrival of each copy
	flip     int              // bits to flip in the first copy
	flipSeed uint64
}

// newDirection derives the direction's own source of randomness, so that what
// happens on one link, or one way, changes nothing elsewhere.
func newDirection(seed uint64, link Link, dir Dir, c Conditions) direction {
	c.check()
	var key [32]byte
	copy(key[:], "sluice netsim")
	binary.BigEndian.PutUint64(key[16:], seed)
	binary.BigEndian.PutUint32(key[24:], uint32(link))
	key[31] = byte(dir)
	return direction{c: c, rng: rand.New(rand.NewChaCha8(key))}
}

// setConditions changes the conditions for packets handed in from now on.
func (d *direction) setConditions(c Conditions) {
	c.check()
	d.c = c
}

// draws are the random values of one packet. All are drawn for every packet,
// used or not, which keeps each condition's luck independent of the others.
type draws struct {
	loss, turn, burst, jitter, reorder, reorderDelay, duplicate, duplicateDelay, corrupt float64
	flipSeed                                                                             uint64
}

func (d *direction) draw() draws {
	f := d.rng.Float64
	return draws{f(), f(), f(), f(), f(), f(), f(), f(), f(), d.rng.Uint64()}
}

// decide takes a packet of size bytes handed in at now; whole says that it must not
// be fragmented.
func (d *direction) decide(now time.Duration, size int, whole bool) fate {
	r := d.draw()
	d.stats.Sent++
	d.stats.SentBytes += uint64(size)
	burstLoss := d.burst(r)
	if d.c.isDown(now) {
		d.stats.Swallowed++
		return fate{}
	}
	if d.c.MTU > 0 && size > d.c.MTU && whole {
		d.stats.TooLarge++
		return fate{}
	}
	sent, ok := d.bottleneck(now, size)
	if !ok {
		d.stats.QueueDrops++
		return fate{}
	}
	// A packet lost on the way has used the bottleneck all the same.
	if r.loss < d.c.Loss || burstLoss {
		d.stats.Lost++
		return fate{}
	}
	return d.arrivals(r, sent, size)
}

// burst moves the burst model on by one packet and tells whether it is lost.
func (d *direction) burst(r draws) bool {
	b := d.c.Burst
	switch {
	case d.bad && r.turn < b.Leave:
		d.bad = false
	case !d.bad && r.turn < b.Enter:
		d.bad = true
	}
	if d.bad {
		return r.burst < b.LossBad
	}
	return r.burst < b.LossGood
}

// bottleneck returns when the last byte of the packet has left the queue.
func (d *direction) bottleneck(now time.Duration, size int) (time.Duration, bool) {
	if d.c.Rate == 0 {
		return now, true
	}
	if wait := d.idle - now; wait > 0 {
		queued := int(wait.Seconds() * float64(d.c.Rate))
		if d.c.Queue > 0 && queued+size > d.c.Queue {
			return 0, false
		}
	}
	d.idle = max(d.idle, now) + time.Duration(float64(size)/float64(d.c.Rate)*float64(time.Second))
	return d.idle, true
}

// arrivals places the copies of a packet that left the bottleneck at sent.
func (d *direction) arrivals(r draws, sent time.Duration, size int) fate {
	f := fate{copies: 1, flipSeed: r.flipSeed}
	at := sent + d.c.Latency + fraction(r.jitter, d.c.Jitter)
	if r.reorder < d.c.Reorder {
		d.stats.Reordered++
		at = max(at, d.last) + 1 + fraction(r.reorderDelay, d.c.ReorderDelay)
	} else {
		at = max(at, d.last)
		d.last = at
	}
	f.at[0] = at
	if r.duplicate < d.c.Duplicate {
		d.stats.Duplicated++
		f.copies = 2
		f.at[1] = at + fraction(r.duplicateDelay, d.c.DuplicateDelay)
	}
	if r.corrupt < d.c.Corrupt && size > 0 {
		d.stats.Corrupted++
		f.flip = min(max(d.c.CorruptBits, 1), 8*size)
	}
	d.final = max(d.final, f.at[0], f.at[1])
	return f
}

// fraction scales r in [0, 1) to [0, d).
func fraction(r float64, d time.Duration) time.Duration { return time.Duration(r * float64(d)) }

// flipBits flips n different bits of p, which has at least n.
func flipBits(p []byte, n int, seed uint64) {
	var flipped []uint64
next:
	for len(flipped) < n {
		seed += 0x9e3779b97f4a7c15
		bit := mix(seed) % uint64(8*len(p))
		for _, b := range flipped {
			if b == bit {
				continue next
			}
		}
		flipped = append(flipped, bit)
		p[bit/8] ^= 1 << (bit % 8)
	}
}

// mix scrambles x (the output function of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
