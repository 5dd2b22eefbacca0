package sctp

import "time"

// rtoEstimator computes the retransmission timeout of a path from round-trip
// samples (RFC 9260, section 6.3.1).
type rtoEstimator struct {
	sampled       bool
	held          uint8 // expiries since the last sample, or backoff taken back, that did not double it
	initial       time.Duration
	minimum, maxi time.Duration
	latest        time.Duration // sample
	srtt, rttvar  time.Duration
	rto           time.Duration // with backoff
}

// clockGranularity is the least RTTVAR term (RFC 9260, section 6.3.1, rule G1).
const clockGranularity = time.Millisecond

func (e *rtoEstimator) init(cfg *Config) {
	*e = rtoEstimator{rto: cfg.RTOInitial, initial: cfg.RTOInitial, minimum: cfg.RTOMin, maxi: cfg.RTOMax}
}

// expect takes the round-trip time that something else has measured: before the first
// sample the timeout is as after one of that size, if that is less.
func (e *rtoEstimator) expect(r time.Duration) {
	e.initial = min(e.initial, max(3*r, e.minimum)) // rule C2: R + 4*(R/2)
	e.rto = e.initial
}

// sample takes a round-trip time. It ends any backoff.
func (e *rtoEstimator) sample(r time.Duration) {
	r = max(r, 0)
	e.latest = r
	if !e.sampled {
		e.srtt, e.rttvar, e.sampled = r, r/2, true
	} else {
		e.rttvar += ((e.srtt - r).Abs() - e.rttvar) / 4
		e.srtt += (r - e.srtt) / 8
	}
	e.relax()
}

// relax takes back any backoff: the peer was alive all the time.
func (e *rtoEstimator) relax() {
	e.rto, e.held = e.initial, 0
	if e.sampled {
		e.rto = min(max(e.srtt+max(4*e.rttvar, clockGranularity), e.minimum), e.maxi)
	}
}

// backoff doubles the timeout (RFC 9260, section 6.3.3, rule E2).
func (e *rtoEstimator) backoff() { e.rto = min(2*e.rto, e.maxi) }

// maxHeld is how many timeouts in a row of a thin flow are equally long; it is what
// Linux has for TCP, too (TCP_THIN_LINEAR_TIMEOUTS).
const maxHeld = 6

// hold leaves the timeout as it is, in place of backoff, and reports whether it may. That is
// for a known round trip only, and comes to an end: if the path has become so long that
// each timeout is one too many, no sample can be had before the timeout has grown.
func (e *rtoEstimator) hold() bool {
	if !e.sampled || e.held == maxHeld {
		return false
	}
	e.held++
	return true
}
