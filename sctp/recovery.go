package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// recovery is the Fast Recovery state of RFC 9260, section 7.2.4: after a loss
// found by SACKs the window is reduced once, until everything that was
// outstanding then is acknowledged.
type recovery struct {
	on     bool
	exit   wire.TSN // the Fast Recovery exit point
	packet bool     // one packet of retransmissions may go whatever cwnd says
}

// lost takes note of a newly marked loss; it reports whether this is the start
// of a recovery, in which case the window is to be reduced.
func (r *recovery) lost(highest wire.TSN) bool {
	if r.on {
		return false
	}
	*r = recovery{on: true, exit: highest, packet: true}
	return true
}

// advanced takes a new Cumulative TSN Ack Point.
func (r *recovery) advanced(cum wire.TSN) {
	if r.on && r.exit.AtOrBefore(cum) {
		*r = recovery{}
	}
}

// timedOut ends the recovery: T3-rtx takes over.
func (r *recovery) timedOut() { *r = recovery{} }
