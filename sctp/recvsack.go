package sctp

import (
	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// handleSack takes a SACK (RFC 9260, section 6.2.1) or NR-SACK.
func (a *Association) handleSack(now instant, path *path, c wire.Chunk) {
	var s wire.Sack
	if s.Decode(c) != nil || !a.sendsData() || s.CumTSN.Before(a.sent.cum) || a.sent.highest().Before(s.CumTSN) || !a.sent.valid(&s) {
		return
	}
	a.counters.sacksReceived++
	before, f := a.sent.flight, ackFacts{minRTT: path.rack.minRTT.least()}
	a.sent.ackThrough(now, s.CumTSN, &f)
	if a.sent.gapped() || s.Blocks() > 0 {
		a.sent.ackGaps(now, &s, &f)
	}
	a.acknowledged(now, path, &f, before)
	a.detect(now, path, &f, &s, before)
	if a.window.update(s.ARwnd) {
		path.rto.relax()
		if !f.any && a.sent.outstanding > 0 {
			a.sent.markAllLost(now) // a probe of the closed window, which was dropped
			a.sent.rate.forgive()
		}
	}
	if f.reneged && !path.t3.on() {
		path.t3.start(now, path.rto.rto)
	}
	a.finishAck(now, path, f.cumMoved)
}

// sendsData reports whether the state has DATA of ours outstanding, perhaps.
func (a *Association) sendsData() bool {
	return a.state == Established || a.state == ShutdownPending || a.state == ShutdownReceived // 9260-6-a
}

// acknowledged passes on what a SACK or SHUTDOWN acknowledged; before is what was
// outstanding until then.
func (a *Association) acknowledged(now instant, path *path, f *ackFacts, before int) {
	path.burst = 0
	if f.hasRTT {
		path.rto.sample(f.rtt)
		path.rack.tlp.fresh = true
	}
	if !f.any && !f.cumMoved {
		a.out.acked(f.freed, nil, f.settled) // reported before, and now for good
		return
	}
	a.answered(path) // also if it is a FORWARD-TSN that was acknowledged
	a.recovery.single = false
	if f.any {
		path.cc.acked(now, ackEvent{
			bytes: f.bytes, before: before, flight: a.sent.flight, rtt: f.delay, srtt: path.rto.srtt,
			cum: a.sent.cum, next: a.sent.next, recovering: a.recovery.on, rate: a.sent.rate.sample(),
		})
	}
	if f.cumMoved {
		if a.recovery.advanced(a.sent.cum) {
			path.rack.recovered()
		}
		a.reportDelivered(f.done)
		path.t3.stop()
	}
	a.out.acked(f.freed, f.done, f.settled)
}

// largePacket looks what became of the large packet that path.pmtu has marked.
func (a *Association) largePacket(now instant, path *path) {
	switch d := &path.pmtu; {
	case a.sent.at(d.mark).arrived():
		d.passed()
	case a.sent.at(d.mark).state == chunkLost:
		a.largeLoss(now, path, lossBySack)
	case d.mark.AtOrBefore(a.sent.cum): // given up, and skipped
		d.gone()
	}
}

// largeLoss takes note of the loss of that packet, which may show that there is a
// black hole.
func (a *Association) largeLoss(now instant, path *path, weight uint8) {
	if path.pmtu.lost(now, path.mtu, weight) {
		path.setMTU(path.pmtu.low)
		a.counters.seldom().blackHoles++
	}
}

// finishAck settles, after acknowledgements, T3-rtx and what follows; moved says that
// the Cumulative TSN Ack Point has.
func (a *Association) finishAck(now instant, path *path, moved bool) {
	if path.pmtu.marked {
		a.largePacket(now, path)
	}
	if a.sent.span() == 0 {
		path.cc.drained()
		a.sent.drained()
	}
	a.forward.advance(now, &a.sent, path.rto.srtt)
	switch busy := a.sent.span() > 0; {
	case !busy && !a.window.probing: // 9260-6.3.2-a
		path.t3.stop()
	case busy && !path.t3.on():
		path.t3.start(now, path.rto.rto)
	}
	a.armRack(now, path, moved)
	a.reportSend()
	a.progressShutdown(now)
}

// answered takes note that the peer acknowledged something sent on a path.
func (a *Association) answered(path *path) {
	if a.paths.answered(path) {
		a.tellUp(path)
	}
}

func (a *Association) tellUp(path *path) { a.events.push(Event{Kind: EventPathUp, Path: path.id}) }
