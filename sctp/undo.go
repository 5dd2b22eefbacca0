package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// undo knows the retransmissions of a recovery that the peer has not reported as
// duplicates. When none is left, every one was needless: nothing had been lost,
// and the congestion window is to be what it would be without the recovery. A
// peer that lies here gets no more than that.
type undo struct {
	on     bool   // a recovery began, and can be taken back
	any    bool   // something was retransmitted in it
	once   tsnSet // retransmitted
	twice  tsnSet // retransmitted another time
	before tsnSet // retransmitted in the recovery before this one

	reduced uint64 // repair.reduced, without the recovery
}

// start begins a recovery, before which the window was reduced last after the packet of that number.
func (u *undo) start(reduced uint64) {
	u.reduced = reduced
	u.before, u.once = u.once, u.before
	u.once.clear()
	u.twice.clear()
	u.on, u.any = true, false
}

// resent takes note of the retransmission of t.
func (u *undo) resent(t wire.TSN) {
	if !u.on {
		return
	}
	u.any = true
	switch {
	case !u.once.contains(t) && !u.once.full(t):
		u.once.add(t)
	case u.once.contains(t) && !u.twice.contains(t) && !u.twice.full(t):
		u.twice.add(t)
	default: // too much to keep
		u.on = false
	}
}

// duplicate takes the report that t came in more than once, and reports whether
// a retransmission accounts for it.
func (u *undo) duplicate(t wire.TSN) bool {
	for _, s := range [...]*tsnSet{&u.twice, &u.once, &u.before} {
		if s.contains(t) {
			s.remove(t)
			return true
		}
	}
	return false
}

// complete reports, once, that nothing was lost.
func (u *undo) complete() bool {
	if !u.on || !u.any || len(u.once.runs) > 0 || len(u.twice.runs) > 0 {
		return false
	}
	u.on = false
	return true
}
