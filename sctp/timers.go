package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// Timeout returns when HandleTimeout is to be called next; false if nothing
// waits for a time.
func (a *Association) Timeout() (time.Time, bool) {
	at, on := a.deadline()
	if !on {
		return time.Time{}, false
	}
	return a.clock.time(at), true
}

func (a *Association) deadline() (at instant, on bool) {
	at, on = a.paths.deadline()
	if a.hs.attempt != nil {
		at, on = a.hs.t1.earlier(at, on)
	}
	at, on = a.closer.t2.earlier(at, on)
	at, on = a.closer.t5.earlier(at, on)
	at, on = a.ack.delay.earlier(at, on)
	at, on = a.out.deadline(at, on)
	return a.reconfig.own.timer.earlier(at, on)
}

// HandleTimeout does what is due at now.
func (a *Association) HandleTimeout(now time.Time) { a.timeout(a.clock.read(now)) }

func (a *Association) timeout(now instant) {
	path := a.paths.primary()
	if a.hs.attempt != nil && a.expired(now, &a.hs.t1, TimerT1) {
		a.expireT1(path)
	}
	if a.expired(now, &a.ack.delay, TimerDelayedSACK) {
		a.counters.delayedSACKs++
		a.ack.now()
	}
	path.pacer.timer.due(now) // what it held goes with the next packet
	if a.out.expired(now) != nil {
		a.expireQueued(now, path)
	}
	if a.expired(now, &path.rack.timer, TimerRACK) {
		a.expireRack(now, path)
	}
	if a.expired(now, &path.t3, TimerT3) {
		a.expireT3(now, path)
	}
	if a.expired(now, &path.hb.timer, TimerHeartbeat) {
		a.expireHeartbeat(now, path)
	}
	if a.expired(now, &path.pmtu.timer, TimerPathMTU) && a.state == Established { // its expiry is no error of the path, 8899-6.2-a
		path.pmtu.expire(now)
	}
	if a.expired(now, &a.reconfig.own.timer, TimerReconfig) {
		a.expireReconfig(now, path)
	}
	if a.expired(now, &a.closer.t2, TimerT2) {
		a.expireT2(path)
	}
	if a.expired(now, &a.closer.t5, TimerT5) { // 9260-9.2-c
		a.abort(wire.CauseProtocolViolation, []byte("shutdown took too long"))
	}
	a.observe(now)
}

// expireT1 repeats INIT or COOKIE ECHO, or gives up (RFC 9260, sections 5.1.6
// and 4, notes 2 and 3).
func (a *Association) expireT1(path *path) {
	if !a.hs.retry(a.cfg.MaxInitRetransmits) {
		a.end(ErrHandshakeTimeout)
		return
	}
	if !a.hs.wasQuick() {
		path.rto.backoff()
	}
}

// expireT3 takes everything outstanding as lost (RFC 9260, section 6.3.3), or
// paces the probes of a closed window.
func (a *Association) expireT3(now instant, path *path) {
	w := &a.window
	if w.probing && a.out.queued == 0 && a.sent.span() == 0 { // what was to be sent has expired
		w.probing = false
		return
	}
	// What the peer dropped for want of room is a probe from now on.
	if a.sent.span() > 0 && w.answered && w.advertised < int(a.sent.at(a.sent.cum.Add(1)).size) {
		w.probing = true
	}
	held := a.thin(path) && path.rto.hold()
	// Timeouts that are not longer than the one before count as one.
	if (!w.probing || !w.answered) && !(held && path.errors > 0) {
		if !a.fail(path) {
			return
		}
	}
	if !held {
		path.rto.backoff()
	}
	path.burst = 0
	// A peer without room answers, and one that shuts down sends SACKs anyway.
	if !w.probing || !w.answered || a.state == ShutdownReceived {
		a.largeLoss(now, path, lossByTimeout)
	}
	if w.probing {
		w.probe = a.sent.outstanding == 0 && a.sent.lost == 0
	} else if a.sent.outstanding > 0 || a.sent.lost > 0 {
		a.counters.seldom().timeouts++
		path.cc.timedOut(now, lossEvent{flight: a.sent.flight, next: a.sent.next, recovering: a.recovery.active() || a.recovery.single})
		a.recovery.timedOut(a.cfg.LossDetection == RACK, a.sent.highest(), a.sent.order.packet)
	}
	r := &path.rack
	r.timer.stop()
	r.tlp.reset()
	if a.cfg.LossDetection == RACK && !w.probing {
		a.sent.markTimedOut(now, r.rtt+r.window(a.sent.gapPackets(), true, path.rto.srtt))
	} else {
		a.sent.markAllLost(now)
	}
	if w.probing {
		a.sent.rate.forgive()
	}
	a.passLosses(now, path)
	a.sent.timing = false
	a.forward.lastAt = 0 // 3758-3.5-b: C2 to C5 again
	a.forward.advance(now, &a.sent, path.rto.srtt)
	path.t3.start(now, path.rto.rto)
}

// thin reports whether all that waits for the peer is less than what congestion control would
// let out after any loss (RFC 9260, section 7.2.3): it is the application that sends no more, and repeating
// one packet is all that a path which loses some can be asked for.
func (a *Association) thin(path *path) bool {
	return a.cfg.LossDetection == RACK && !a.window.probing && a.out.buffered < 4*path.pmdcs()
}

// expireReconfig repeats the request in flight (RFC 6525, section 5.1.1). While the
// peer says "in progress", or seems to have answered otherwise, that is no error.
func (a *Association) expireReconfig(now instant, path *path) {
	switch own := &a.reconfig.own; {
	case own.waiting: // 6525-5.2.7-a
	case own.implied:
		if own.repeats++; int(own.repeats) > a.cfg.MaxRetransmits {
			a.handleReconfigResponse(now, path, &wire.ReconfigResponse{RespSeq: own.seq, Result: wire.ResultPerformed})
			return
		}
	case !a.fail(path):
		return
	default:
		path.rto.backoff()
	}
	a.reconfig.own.again()
}

// fail counts a timeout, and ends the association when there were too many in a
// row (RFC 9260, section 8.1); false means that it has.
func (a *Association) fail(path *path) bool {
	if a.paths.failed(path, a.cfg.MaxRetransmits) {
		a.events.push(Event{Kind: EventPathDown, Path: path.id})
	}
	if a.paths.errors > a.cfg.MaxRetransmits {
		a.end(ErrPeerUnreachable)
		return false
	}
	return true
}

// expireHeartbeat sends a HEARTBEAT on an idle path, after taking note that the
// last one was not answered (RFC 9260, section 8.3). Where nothing came in either the
// association rests.
func (a *Association) expireHeartbeat(now instant, path *path) {
	h := &path.hb
	busy := h.busy
	h.busy = false
	switch {
	case h.awaiting:
		h.awaiting = false
		if !a.fail(path) {
			return
		}
		path.rto.backoff()
		a.scheduleHeartbeat(now, path)
	case h.used: // not idle
		a.scheduleHeartbeat(now, path)
	default:
		h.want(a.rng.Uint64())
		if !busy {
			a.rest()
		}
	}
}

// expireT2 repeats SHUTDOWN or SHUTDOWN ACK, or gives up (RFC 9260, section 9.2).
func (a *Association) expireT2(path *path) {
	if int(a.closer.transmits) > a.cfg.MaxRetransmits {
		a.end(ErrPeerUnreachable)
		return
	}
	path.rto.backoff()
	a.closer.due = true
	if a.state == ShutdownSent {
		a.ack.now() // the peer may wait for our window
	}
}
