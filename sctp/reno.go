package sctp

import "time"

// reno is the congestion control of RFC 9260, section 7.2.
type reno struct {
	cwnd              int
	threshold         int // ssthresh
	partialBytesAcked int
	pmdcs             int
	idle              idleDecay

	// What undo goes back to; cwnd is 0 if there is nothing to take back.
	undoCwnd, undoThreshold int
}

// ssthreshInitial is "arbitrarily high" (RFC 9260, section 7.2.1).
const ssthreshInitial = 1 << 30

func (c *reno) init(window, pmdcs int) {
	*c = reno{cwnd: window, threshold: ssthreshInitial, pmdcs: pmdcs}
}

func (c *reno) resize(pmdcs int) { c.pmdcs = pmdcs }

func (c *reno) acked(_ instant, ack ackEvent) {
	fullyUsed := ack.before >= c.cwnd
	if c.cwnd <= c.threshold {
		if fullyUsed && !ack.recovering { // 9260-7.2.1-b, with L = 1
			c.cwnd += min(ack.bytes, c.pmdcs)
		}
		return
	}
	// 9260-7.2.2-a
	c.partialBytesAcked += ack.bytes
	switch {
	case c.partialBytesAcked > c.cwnd && !fullyUsed:
		c.partialBytesAcked = c.cwnd
	case c.partialBytesAcked >= c.cwnd && fullyUsed:
		c.partialBytesAcked -= c.cwnd
		c.cwnd += c.pmdcs
	}
}

func (c *reno) drained() { c.partialBytesAcked = 0 }

// congested is RFC 9260, section 7.2.3, first rule.
func (c *reno) congested(_ instant, loss lossEvent) {
	c.save(loss.recovering)
	c.threshold = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd = min(c.cwnd, c.threshold) // the initial window may be the smaller one
	c.partialBytesAcked = 0
}

// timedOut is RFC 9260, section 7.2.3, second rule.
func (c *reno) timedOut(_ instant, loss lossEvent) {
	c.save(loss.recovering)
	c.threshold = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd = c.pmdcs
	c.partialBytesAcked = 0
}

// save remembers what undo goes back to, all of a recovery being taken back at once.
func (c *reno) save(recovering bool) {
	if c.undoCwnd == 0 || !recovering {
		c.undoCwnd, c.undoThreshold = c.cwnd, c.threshold
	}
}

func (c *reno) undo(instant) {
	if c.undoCwnd > 0 {
		c.cwnd, c.threshold = max(c.cwnd, c.undoCwnd), max(c.threshold, c.undoThreshold)
		c.undoCwnd = 0
	}
}

func (c *reno) sending(now instant, flight int, rto time.Duration) {
	c.cwnd, c.threshold = c.idle.decay(now, flight, rto, c.cwnd, c.threshold, c.pmdcs)
}

func (c *reno) window() int        { return c.cwnd }
func (c *reno) pacing() int64      { return 0 }
func (c *reno) ssthresh() int      { return c.threshold }
func (c *reno) proportional() bool { return true }
func (c *reno) measures() bool     { return false }

func (c *reno) lost(instant, rateLoss) {}
