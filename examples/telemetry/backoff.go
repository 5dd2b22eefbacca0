package main

import (
	"math/rand/v2"
	"time"
)

// A backoff is how long to wait before the next try: twice as long each time, up
// to a bound, and changed at random so that gateways which lost the same server do not
// come back at the same moment.
type backoff struct {
	min, max time.Duration
}

// next returns half to all of the present bound, and doubles it.
func (b *backoff) next() time.Duration {
	d := b.min
	b.min = min(2*b.min, b.max)
	return d/2 + rand.N(d/2+1)
}
