package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// progressShutdown takes the step of the shutdown that is possible once nothing
// of ours is left to deliver (RFC 9260, section 9.2).
func (a *Association) progressShutdown(now instant) {
	if a.state == ShutdownPending || a.state == ShutdownReceived {
		a.proceed(now)
	}
}

func (a *Association) proceed(now instant) {
	if a.out.queued > 0 || a.sent.span() > 0 || a.reconfig.own.flying(wire.ParamTSNReset) {
		return
	}
	if a.state == ShutdownPending {
		a.state = ShutdownSent
		a.guardShutdown(now)
	} else {
		a.state = ShutdownAckSent
	}
	a.paths.stopTimers()
	a.reconfig.own.stop()
	a.closer.want()
}

// minGuard is the least duration of T5-shutdown-guard, for small values of RTO.Max.
const minGuard = time.Minute

// guardShutdown starts T5-shutdown-guard (RFC 9260, section 9.2), again whenever
// the peer sends data, of which it may have much.
func (a *Association) guardShutdown(now instant) {
	a.closer.t5.start(now, max(5*a.cfg.RTOMax, minGuard))
}

// handleShutdown takes a SHUTDOWN (RFC 9260, section 9.2).
func (a *Association) handleShutdown(now instant, path *path, c wire.Chunk) {
	cum, err := c.ShutdownTSN()
	if err != nil {
		return
	}
	switch a.state {
	case Established, ShutdownPending, ShutdownReceived:
		if a.sent.highest().Before(cum) {
			return
		}
		if a.state != ShutdownReceived {
			a.cancelAll(now)
			a.state = ShutdownReceived
			a.events.push(Event{Kind: EventShutdownReceived})
		}
		moved := false
		if flight := a.sent.flight; a.sent.cum.AtOrBefore(cum) { // else a later SACK has overtaken it
			f := ackFacts{minRTT: path.rack.minRTT.least()}
			a.sent.ackThrough(now, cum, &f)
			a.acknowledged(now, path, &f, flight)
			a.detect(now, path, &f, nil, flight)
			moved = f.cumMoved
		}
		a.finishAck(now, path, moved)
	case ShutdownSent: // both at once, 9260-9.2-b
		a.state = ShutdownAckSent
		a.closer.want()
	case ShutdownAckSent:
		a.closer.want()
	}
}

// handleShutdownAck ends the association.
func (a *Association) handleShutdownAck(now instant) {
	if a.state != ShutdownSent && a.state != ShutdownAckSent { // 9260-9.2-d
		return
	}
	a.strays.add(a.id.localPort, a.id.remotePort, a.id.peerTag, func(b []byte) []byte {
		return wire.AppendChunk(b, wire.TypeShutdownComplete, 0, nil)
	})
	a.end(nil)
}
