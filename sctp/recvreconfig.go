package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// handleReconfig takes a RE-CONFIG chunk (RFC 6525, section 5.2).
func (a *Association) handleReconfig(now time.Time, r *received, c wire.Chunk) bool {
	if a.state != Established && a.state != ShutdownPending && a.state != ShutdownReceived && a.state != ShutdownSent {
		return false
	}
	params := wire.ParseParams(c.Value())
	if !reconfigAllowed(params) { // 6525-3.1-a
		a.control.errorCause(wire.CauseProtocolViolation, []byte("RE-CONFIG parameters"), r.path.pmtu.base)
		return true
	}
	for p, ok := params.Next(); ok; p, ok = params.Next() {
		if p.Type() != wire.ParamReconfigResponse {
			a.ack.now() // the peer may wait for both, 6525-5.2.1-a
		}
		switch p.Type() {
		case wire.ParamReconfigResponse:
			if resp, err := p.ReconfigResponse(); err == nil {
				a.handleReconfigResponse(now, r.path, resp)
			}
		case wire.ParamOutReset:
			if req, err := p.OutReset(); err == nil {
				a.handleOutReset(r, req)
			}
		default:
			if seq, err := p.ReqSeq(); err == nil {
				a.reconfig.request(seq, false)
			}
		}
	}
	return true
}

// handleOutReset takes an Outgoing SSN Reset Request (RFC 6525, section 5.2.2).
func (a *Association) handleOutReset(in *received, req wire.OutReset) {
	r := &a.reconfig
	if r.request(req.ReqSeq, true) || r.again(req) || in.reset {
		return // one new request to a packet: a peer has one in flight, and it may name every stream
	}
	in.reset = true
	for i := range req.Streams.Len() {
		if int(req.Streams.At(i)) >= a.InboundStreams() {
			r.answer(req.ReqSeq, wire.ResultWrongSSN)
			return
		}
	}
	if len(r.deferred) > 0 || a.tsns.cum.Before(req.LastTSN) {
		r.hold(req)
		return
	}
	r.answer(req.ReqSeq, wire.ResultPerformed)
	if req.Streams.Len() == 0 {
		a.resetAllInbound()
	}
	for i := range req.Streams.Len() {
		a.resetInbound(req.Streams.At(i))
	}
	a.in.relieve()
}

// performDeferred performs the deferred requests for which everything has come in.
func (a *Association) performDeferred() {
	for {
		d, ok := a.reconfig.release(a.tsns.cum)
		if !ok {
			return
		}
		if len(d.streams) == 0 {
			a.resetAllInbound()
		}
		for _, id := range d.streams {
			a.resetInbound(id)
		}
		a.in.relieve()
	}
}

// resetAllInbound starts all incoming streams anew.
func (a *Association) resetAllInbound() {
	for id := range a.out.streams.all() { // also those that the peer has sent nothing on
		a.in.stream(id)
	}
	for id := range a.in.streams.all() {
		a.resetInbound(id)
	}
}

// resetInbound starts an incoming stream anew.
func (a *Association) resetInbound(id uint16) {
	a.in.resetStream(a.in.stream(id))
	a.events.push(Event{Kind: EventStreamReset, Stream: id})
}

// handleReconfigResponse takes the answer to our reset request.
func (a *Association) handleReconfigResponse(now time.Time, path *path, resp wire.ReconfigResponse) {
	done, err := a.reconfig.response(now, resp, path.rto.rto)
	a.answered(path)
	if !done {
		return
	}
	for _, id := range a.reconfig.streams {
		s := a.out.stream(id)
		s.reset = resetNone
		if err != nil {
			a.events.push(Event{Kind: EventStreamResetFailed, Stream: id, Err: err})
			continue
		}
		s.restarted()
		a.events.push(Event{Kind: EventStreamResetDone, Stream: id})
	}
	a.progressShutdown(now)
}
