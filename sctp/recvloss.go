package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// detect finds out what is lost by what came in: s is the SACK, nil if it was a
// SHUTDOWN, f what it acknowledged, and before how much was outstanding until then.
func (a *Association) detect(now instant, path *path, f *ackFacts, s *wire.Sack, before int) {
	if a.cfg.LossDetection == MissIndications {
		limit, ok := a.missLimit(f)
		missed := ok && a.sent.miss(limit)
		a.passLosses(now, path)
		if missed && a.recovery.lost(a.sent.highest()) {
			a.counters.seldom().recoveries++
			if !path.ecn.covers(a.sent.lostFrom) { // ecn-b
				a.reduce(now, path, before, false)
			}
		}
		return
	}
	r := &path.rack
	r.delivered(now, f)
	repeated := false
	if s != nil {
		if r.silent = s.Blocks() >= manyGapBlocks; r.silent {
			r.heard = lastBlock(s)
		}
		if s.Dups() > 0 {
			a.duplicates(now, path, s)
		}
		repeated = !f.any && !f.cumMoved && s.Blocks() == 0 && windowBytes(s.ARwnd) == a.window.advertised
	}
	begun := a.recovery.proportional()
	lost := 0
	if a.sent.outstanding > 0 {
		lost = a.overtake(now, path, before)
	}
	switch {
	case !a.recovery.proportional():
	case f.any:
		a.recovery.prr.acked(f.bytes, a.sent.flight, f.cumMoved && lost == 0)
	case begun && r.silent && s != nil:
		a.recovery.prr.unheard(a.sent.flight)
	}
	if r.tlp.out && r.tlp.acked(a.sent.cum, s, repeated) && !a.recovery.active() {
		a.recovery.reacted(a.sent.order.packet)
		a.reduce(now, path, before, false)
	}
}

// missLimit returns below which TSN a SACK indicates misses: the highest TSN
// that it newly acknowledged, or in Fast Recovery, if it moved the Cumulative
// TSN Ack Point, the highest that it reports (RFC 9260, section 7.2.4).
func (a *Association) missLimit(f *ackFacts) (wire.TSN, bool) {
	if runs := a.sent.gapRuns(); a.recovery.on && f.cumMoved && len(runs) > 0 {
		return runs[len(runs)-1].last, true
	}
	return f.newest, f.any
}

// overtake marks what is lost by RACK, returns how many chunks, and begins a
// recovery if that calls for one.
func (a *Association) overtake(now instant, path *path, before int) int {
	r := &path.rack
	r.reoWnd = r.window(a.sent.gapPackets(), a.recovery.active(), path.rto.srtt)
	var l losses
	a.sent.markOvertaken(now, r, r.rtt+r.reoWnd, &l)
	a.passLosses(now, path)
	if l.chunks == 0 {
		return 0
	}
	a.counters.seldom().rackLosses += uint64(l.chunks)
	recovering, was := a.recovery.active(), a.recovery.on
	reduces, begins := a.recovery.congested(a.sent.highest(), l.newest, a.sent.order.packet)
	if reduces {
		a.reduce(now, path, before, recovering)
	}
	if begins {
		if !was {
			a.counters.seldom().recoveries++
		}
		if a.recovery.packet = true; path.cc.proportional() {
			a.recovery.prr.start(path.cc.window(), before, path.pmdcs())
			a.recovery.prr.acked(0, a.sent.flight, false)
			a.recovery.packet = false
		}
		r.tlp.reset()
	}
	return l.chunks
}

// passLosses tells the congestion controller what was found lost.
func (a *Association) passLosses(now instant, path *path) {
	if a.sent.rate != nil {
		a.tellLosses(now, path)
	}
}

func (a *Association) tellLosses(now instant, path *path) {
	for _, loss := range a.sent.rate.losses {
		path.cc.lost(now, loss)
	}
	a.sent.rate.taken()
}

// reduce makes the congestion window smaller (RFC 9260, section 7.2.3).
func (a *Association) reduce(now instant, path *path, before int, recovering bool) {
	path.cc.congested(now, lossEvent{flight: before, next: a.sent.next, recovering: recovering})
}

// duplicates takes the reports of what came in more than once. If that accounts for
// all retransmissions of a recovery nothing had been lost, and it is taken back.
func (a *Association) duplicates(now instant, path *path, s *wire.Sack) {
	if a.recovery.repair == nil {
		return
	}
	u, needless, spurious := &a.recovery.undo, false, false
	for i := range s.Dups() {
		if t := s.Dup(i); u.duplicate(t) {
			needless = true
			spurious = spurious || !path.rack.tlp.repeated(t) // that was no error of the reordering window
		}
	}
	if spurious {
		path.rack.spurious(a.sent.cum, a.sent.next)
	}
	if !needless || !u.complete() {
		return
	}
	a.counters.seldom().undone++
	path.cc.undo(now)
	if a.recovery.active() && !a.window.probing {
		a.sent.unmark(now)
	}
	a.recovery.undone()
}

// armRack sets the timer of RACK-TLP after a SACK; moved says that it moved the
// Cumulative TSN Ack Point. Only one timer is to run (RFC 8985, section 8): T3-rtx
// expires later than this one.
func (a *Association) armRack(now instant, path *path, moved bool) {
	r := &path.rack
	switch {
	case a.cfg.LossDetection != RACK:
	case a.sent.overtaken(r.packet):
		at := r.settles()
		if !at.After(now) { // what the peer may have had no room to report; and at once not all of that is looked at
			at = max(r.renewal(a.sent.at(a.sent.order.oldest)), now.Add(clockGranularity))
		}
		r.await(waitReordering, at)
		if !path.t3.at.After(r.timer.at) {
			path.t3.start(r.timer.at, path.rto.rto)
		}
	case a.sent.outstanding == 0:
		r.timer.stop()
	case r.waits(waitReordering):
		r.timer.stop()
		a.scheduleProbe(now, path)
	case moved || !a.mayProbe(path):
		a.scheduleProbe(now, path)
	}
}

// scheduleProbe sets the timer for a probe of the tail, after data was sent or
// the Cumulative TSN Ack Point has moved (RFC 8985, section 7.2), or stops it.
func (a *Association) scheduleProbe(now instant, path *path) {
	r := &path.rack
	switch {
	case r.waits(waitReordering):
	case a.mayProbe(path):
		single := a.sent.onePacket() && len(a.sent.gapRuns()) == 0 // above a gap all is acknowledged at once (RFC 9260, section 6.7)
		at := now.Add(probeTimeout(path.rto.srtt, single))
		if path.t3.at.Before(at) {
			at = path.t3.at
		}
		r.await(waitProbe, at)
	default:
		r.timer.stop()
	}
}

// mayProbe reports whether a probe of the tail is of use (RFC 8985, sections 7.2
// and 7.3): not while losses are known, nor while a probe is outstanding, nor
// without a measurement of the round-trip time since the last, nor after T3-rtx
// expired, until something is acknowledged.
func (a *Association) mayProbe(path *path) bool {
	q, p := &a.sent, &path.rack.tlp
	return a.cfg.LossDetection == RACK && p.fresh && !p.out && q.outstanding > 0 && q.lost == 0 &&
		!a.recovery.single && !a.window.probing && path.t3.on()
}

// repairing reports whether losses are being repaired, or the peer lacks something that is
// outstanding.
func (a *Association) repairing() bool { return a.recovery.active() || len(a.sent.gapRuns()) > 0 }

// expireRack does what the timer of RACK-TLP was set for.
func (a *Association) expireRack(now instant, path *path) {
	switch {
	case path.rack.waitFor == waitReordering:
		a.overtake(now, path, a.sent.flight)
		a.forward.advance(now, &a.sent, path.rto.srtt)
		if path.pmtu.marked {
			a.largePacket(now, path)
		}
		a.armRack(now, path, false)
	case a.mayProbe(path):
		if _, c := a.sent.probeChunk(now, path.mtu, false); c != nil || a.out.queued > 0 {
			path.rack.tlp.due = true
			path.t3.start(now, path.rto.rto)
		}
	}
}
