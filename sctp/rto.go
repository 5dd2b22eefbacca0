package sctp

import "time"

// rtoEstimator computes the retransmission timeout of a path from round-trip
// samples (RFC 9260, section 6.3.1).
type rtoEstimator struct {
	sampled       bool
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
	e.rto = e.initial
	if e.sampled {
		e.rto = min(max(e.srtt+max(4*e.rttvar, clockGranularity), e.minimum), e.maxi)
	}
}

// backoff doubles the timeout (RFC 9260, section 6.3.3, rule E2).
func (e *rtoEstimator) backoff() { e.rto = min(2*e.rto, e.maxi) }
