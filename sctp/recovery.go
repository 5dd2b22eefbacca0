package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// recovery is the repair of a loss: Fast Recovery (RFC 9260, section 7.2.4) after
// one found by SACKs or, with RACK, by time; or after T3-rtx expired. It lasts
// until everything that was outstanding when it began is acknowledged.
type recovery struct {
	on      bool     // Fast Recovery
	timeout bool     // T3-rtx has expired, with RACK
	packet  bool     // one packet of retransmissions may go whatever cwnd says
	single  bool     // T3-rtx has expired: one packet at a time until something is acknowledged
	exit    wire.TSN // the Fast Recovery exit point
	*repair          // nil: there was none since the association rested last
}

// repair is what is kept of recoveries.
type repair struct {
	prr     prr
	reduced uint64 // number of the last packet sent before the window was reduced
	undo    undo
}

// known returns what is kept of recoveries, to add to it.
func (r *recovery) known() *repair {
	if r.repair == nil {
		r.repair = new(repair)
	}
	return r.repair
}

// active reports whether a loss is being repaired.
func (r *recovery) active() bool { return r.on || r.timeout }

// lost takes note of a newly marked loss by misses; it reports whether this is
// the start of a recovery, in which case the window is to be reduced.
func (r *recovery) lost(highest wire.TSN) bool {
	if r.on {
		return false
	}
	r.on, r.exit, r.packet = true, highest, true
	return true
}

// congested takes note of a loss found by RACK, of which the newest chunk went out
// in the given packet. The window is to be reduced if that was sent after the last
// reduction, be it a retransmission (RFC 8985, section 9.3); with that, or if there
// is none, a recovery begins. One that reduces nothing is taken back with the one before it, or not at all.
func (r *recovery) congested(highest wire.TSN, newest, lastPacket uint64) (reduces, begins bool) {
	r.known()
	reduces = newest > r.reduced
	if r.active() && !reduces {
		return false, false
	}
	if reduces {
		if !r.active() {
			r.undo.start(r.reduced)
		}
		r.reduced = lastPacket
	}
	r.on, r.timeout, r.exit = true, false, highest
	return reduces, true
}

// reacted takes note that the window was reduced for something else: a congestion
// mark, or a loss that a probe has repaired. That cannot be taken back.
func (r *recovery) reacted(lastPacket uint64) {
	r.known().reduced = lastPacket
	r.undo.on = false
}

// open reports whether more may be sent, with flight bytes outstanding and this
// congestion window.
func (r *recovery) open(flight, cwnd int) bool {
	if r.proportional() {
		return r.prr.open(flight)
	}
	return flight < cwnd
}

// proportional reports whether what goes out is in proportion to what arrives.
func (r *recovery) proportional() bool { return r.repair != nil && r.prr.on }

// resent takes note of the retransmission of t.
func (r *recovery) resent(t wire.TSN) {
	if r.repair != nil {
		r.undo.resent(t)
	}
}

// advanced takes a new Cumulative TSN Ack Point, and reports whether the recovery
// is over.
func (r *recovery) advanced(cum wire.TSN) bool {
	if !r.active() || cum.Before(r.exit) {
		return false
	}
	r.stop()
	return true
}

// stop ends the recovery. It may still be found to have been needless.
func (r *recovery) stop() {
	r.on, r.timeout, r.packet, r.single = false, false, false, false
	if r.repair != nil {
		r.prr = prr{}
	}
}

// warranted takes note that the last recovery would have been called for by a congestion mark, too.
func (r *recovery) warranted() { r.known().undo.on = false }

// undone ends the recovery that turned out to have been needless. It reduced nothing, so a loss of
// what was sent before it, or meanwhile, is to.
func (r *recovery) undone() {
	r.reduced = r.undo.reduced
	r.stop()
}

// timedOut takes the expiry of T3-rtx, which ends Fast Recovery. With RACK a recovery
// begins, or the one going on continues.
func (r *recovery) timedOut(rack bool, highest wire.TSN, lastPacket uint64) {
	was := r.active()
	r.stop()
	r.single = true // 9260-7.2.3-a
	if !rack {
		return
	}
	r.known()
	if !was {
		r.undo.start(r.reduced)
	}
	r.timeout, r.packet, r.exit, r.reduced = true, true, highest, lastPacket
}

// clear forgets everything.
func (r *recovery) clear() { *r = recovery{} }
