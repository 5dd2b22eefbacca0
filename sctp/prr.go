package sctp

// prr is Proportional Rate Reduction (RFC 9937): within a recovery it lets out
// data in proportion to what arrives, so that what is outstanding comes down to
// the reduced window smoothly, and up to it again where losses went below. All
// amounts are bytes of chunks, headers and padding included.
type prr struct {
	on        bool
	target    int   // the reduced window
	delivered int64 // to the peer since the recovery began, prr_delivered
	flight    int64 // what was outstanding or lost when it began, RecoverFS
	pmdcs     int
	budget    int   // what may be sent now
	out       int64 // sent since then, prr_out
}

// start begins a recovery (RFC 9937, section 6.1); flight is what was neither
// acknowledged nor given up before the SACK that shows the loss.
func (p *prr) start(target, flight, pmdcs int) {
	*p = prr{on: true, pmdcs: pmdcs, target: target, flight: max(int64(flight), 1)}
}

// open reports whether more may be sent. Two packets may be outstanding at any time,
// which RFC 9260 allows: the second finds out when the first is lost again, where
// the application does not send more than now and then.
func (p *prr) open(flight int) bool { return p.budget > 0 || flight < min(2*p.pmdcs, p.target) }

// acked takes what a SACK newly acknowledged; flight is what is outstanding after
// it. progress says that the cumulative TSN moved and no further loss was found.
// (RFC 9937, section 6.2)
func (p *prr) acked(bytes, flight int, progress bool) {
	p.delivered += int64(bytes)
	var n int64
	if flight > p.target {
		n = (p.delivered*int64(p.target)+p.flight-1)/p.flight - p.out
	} else {
		n = max(p.delivered-p.out, int64(bytes))
		if progress {
			n += int64(p.pmdcs)
		}
		n = min(n, int64(p.target-flight))
	}
	if p.out == 0 && n <= 0 {
		n = int64(p.pmdcs) // one retransmission at least
	}
	p.budget = int(min(max(n, 0), maxWindow))
}

// unheard is for a SACK without room for all that arrived. It may have been sent for a
// packet that it does not list, as a duplicate acknowledgement without SACK is
// in RFC 9937; no more than were sent.
func (p *prr) unheard(flight int) {
	if n := min(int64(p.pmdcs), p.flight-p.delivered); n > 0 {
		p.acked(int(n), flight, false)
	}
}

// sent takes note of a chunk that was sent.
func (p *prr) sent(bytes int) {
	p.out += int64(bytes)
	p.budget -= bytes
}
