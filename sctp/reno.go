package sctp

import "time"

// reno is the congestion control of RFC 9260, section 7.2, for one path. All
// amounts are bytes of chunks, headers and padding included.
type reno struct {
	cwnd              int
	ssthresh          int
	partialBytesAcked int
	pmdcs             int // largest DATA chunk that fits a packet, header included
	lastSend          time.Time
	idleSteps         int // halvings since the last packet was sent
}

// ssthreshInitial is "arbitrarily high" (RFC 9260, section 7.2.1).
const ssthreshInitial = 1 << 30

func (c *reno) init(pmdcs int) {
	*c = reno{
		cwnd:     min(4*pmdcs, max(2*pmdcs, 4404)), // 9260-7.2.1-a
		ssthresh: ssthreshInitial,
		pmdcs:    pmdcs,
	}
}

// acked takes what a SACK newly acknowledged; flight is what was outstanding
// before it.
func (c *reno) acked(bytes, flight int, inRecovery bool) {
	fullyUsed := flight >= c.cwnd
	if c.cwnd <= c.ssthresh {
		if fullyUsed && !inRecovery { // 9260-7.2.1-b, with L = 1
			c.cwnd += min(bytes, c.pmdcs)
		}
		return
	}
	// 9260-7.2.2-a
	c.partialBytesAcked += bytes
	switch {
	case c.partialBytesAcked > c.cwnd && !fullyUsed:
		c.partialBytesAcked = c.cwnd
	case c.partialBytesAcked >= c.cwnd && fullyUsed:
		c.partialBytesAcked -= c.cwnd
		c.cwnd += c.pmdcs
	}
}

// drained says that nothing is outstanding any more.
func (c *reno) drained() { c.partialBytesAcked = 0 }

// lost reacts to a loss found by SACKs (RFC 9260, section 7.2.3).
func (c *reno) lost() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd = min(c.cwnd, c.ssthresh) // the initial window may be the smaller one
	c.partialBytesAcked = 0
}

// timedOut reacts to an expiry of T3-rtx (RFC 9260, section 7.2.3).
func (c *reno) timedOut() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd = c.pmdcs
	c.partialBytesAcked = 0
}

// sending is called before data goes out; while the path was idle the window
// decays (RFC 9260, section 7.2.1, rule on idle destinations).
func (c *reno) sending(now time.Time, flight int, rto time.Duration) {
	if flight == 0 && !c.lastSend.IsZero() {
		for idle := now.Sub(c.lastSend); idle >= rto*time.Duration(c.idleSteps+1) && c.cwnd > 4*c.pmdcs; c.idleSteps++ {
			if c.idleSteps == 0 {
				c.ssthresh = c.cwnd
			}
			c.cwnd = max(c.cwnd/2, 4*c.pmdcs)
		}
	}
	c.lastSend, c.idleSteps = now, 0
}
