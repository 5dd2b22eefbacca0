package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// maxRequests bounds the new requests of one packet that are looked at: a peer has
// one chunk of them in flight, and each may name every stream.
const maxRequests = 2

// handleReconfig takes a RE-CONFIG chunk (RFC 6525, section 5.2).
func (a *Association) handleReconfig(now instant, r *received, c wire.Chunk) bool {
	if a.state != Established && a.state != ShutdownPending && a.state != ShutdownReceived && a.state != ShutdownSent {
		return false
	}
	params := wire.ParseParams(c.Value())
	if !reconfigAllowed(params) { // 6525-3.1-a
		a.control.errorCause(wire.CauseProtocolViolation, []byte("RE-CONFIG parameters"), r.path.pmtu.base)
		return true
	}
	for p, ok := params.Next(); ok; p, ok = params.Next() {
		if p.Type() == wire.ParamReconfigResponse {
			if resp, err := p.ReconfigResponse(); err == nil {
				a.handleReconfigResponse(now, r.path, &resp)
			}
			continue
		}
		a.ack.now() // the peer may wait for both, 6525-5.2.1-a
		if seq, err := p.ReqSeq(); err == nil {
			a.handleReconfigRequest(now, r, p, seq)
		}
	}
	return true
}

// handleReconfigRequest takes one request of the peer.
func (a *Association) handleReconfigRequest(now instant, r *received, p wire.Param, seq wire.ReqSeq) {
	a.implied(now, r, p, seq)
	if a.reconfig.own.carriesOut(seq) {
		a.reconfig.own.again()
		return
	}
	if r.requests == maxRequests || !a.reconfig.peer.fresh(seq) {
		return
	}
	r.requests++
	out, err := p.OutReset()
	switch {
	case err == nil && a.reconfig.own.gated(): // its last TSN may already be one of after it
		r.requests = maxRequests // the peer sends all of it again
		return
	case err == nil:
		a.handleOutReset(out)
		return
	}
	if p.Type() == wire.ParamTSNReset {
		a.handleTSNReset()
		return
	}
	if a.state != Established { // nothing new is begun at the end
		a.reconfig.peer.answer(wire.ResultDenied)
		return
	}
	switch p.Type() {
	case wire.ParamInReset:
		if req, err := p.InReset(); err == nil {
			a.handleInReset(now, req)
			return
		}
	case wire.ParamAddOutStreams:
		if req, err := p.AddStreams(); err == nil {
			a.handleAddOut(int(req.Count))
			return
		}
	case wire.ParamAddInStreams:
		if req, err := p.AddStreams(); err == nil {
			a.handleAddIn(now, req)
			return
		}
	}
	a.reconfig.peer.answer(wire.ResultDenied) // malformed
}

// implied takes a request of the peer that says by itself that it took ours: the
// reset of the streams that it was asked to reset, naming our request (RFC 6525,
// section 5.2.2, rule E1), or as many streams as it was asked to add (section 5.2.6).
// The latter names nothing, and may be the peer's own idea.
func (a *Association) implied(now instant, r *received, p wire.Param, seq wire.ReqSeq) {
	own := &a.reconfig.own
	if add, err := p.AddStreams(); err == nil && p.Type() == wire.ParamAddOutStreams {
		if own.flying(wire.ParamAddInStreams) && add.Count == own.current.count && seq == a.reconfig.peer.next {
			own.implied = true
		}
		return
	}
	out, err := p.OutReset()
	if err != nil || !own.flying(wire.ParamInReset) || out.RespSeq != own.seq {
		return
	}
	n := out.Streams.Len()
	for i, id := range own.current.streams { // 6525-5.1.2-a, rule A4: all, or the same
		if n > 0 && (n != len(own.current.streams) || out.Streams.At(i) != id) {
			return
		}
	}
	a.handleReconfigResponse(now, r.path, &wire.ReconfigResponse{RespSeq: own.seq, Result: wire.ResultPerformed})
}

// handleOutReset takes an Outgoing SSN Reset Request (RFC 6525, section 5.2.2).
func (a *Association) handleOutReset(req wire.OutReset) {
	r := &a.reconfig.peer
	if r.again(req) {
		return
	}
	for i := range req.Streams.Len() {
		if int(req.Streams.At(i)) >= a.InboundStreams() {
			r.answer(wire.ResultWrongSSN)
			return
		}
	}
	if r.defers() || a.tsns.cum.Before(req.LastTSN) {
		r.hold(req)
		return
	}
	r.answer(wire.ResultPerformed)
	if req.Streams.Len() == 0 {
		a.resetAllInbound()
	}
	for i := range req.Streams.Len() {
		a.resetNamed(req.Streams.At(i), req.LastTSN)
	}
	a.in.relieve(a.tsns.cum)
}

// performDeferred performs the deferred requests for which everything has come in.
func (a *Association) performDeferred() {
	for a.reconfig.peer.ready(a.tsns.cum) {
		a.performNext()
	}
}

// performNext performs the first deferred request.
func (a *Association) performNext() {
	d := a.reconfig.peer.release()
	if len(d.streams) == 0 {
		a.resetAllInbound()
	}
	for _, id := range d.streams {
		a.resetNamed(id, d.lastTSN)
	}
	a.in.relieve(a.tsns.cum)
}

// held reports whether a chunk must not be taken before a deferred reset is performed.
func (a *Association) held(f *fragment) bool {
	id := f.info.stream
	if !a.reconfig.peer.holds(id, f.tsn) {
		return false
	}
	if int(id) < a.InboundStreams() {
		a.in.stream(id).ahead = true
	}
	return true
}

// passOver lets skip take the entries of a FORWARD-TSN up to t, by index; stream
// returns that of an entry. One that is to be reset first, by a request that
// this FORWARD-TSN lets go, counts its messages from before the reset: a peer that
// waits for the answer has sent none behind it. One that sent some has not waited, and
// then it is those that the entry means.
func (a *Association) passOver(t wire.TSN, n int, stream func(i int) uint16, skip func(i int)) {
	var anew []int
	for i := range n {
		id := stream(i)
		if int(id) >= a.InboundStreams() {
			continue
		}
		if s := a.in.streams.get(id); s != nil && s.ahead && a.reconfig.peer.holds(id, t) {
			anew = append(anew, i)
		} else {
			skip(i)
		}
	}
	if len(anew) == 0 {
		return
	}
	a.performDeferred()
	for _, i := range anew {
		skip(i)
	}
}

// handleInReset takes an Incoming SSN Reset Request (RFC 6525, section 5.2.3): it is
// answered by our request to reset the same streams, which goes out when everything
// sent on them is acknowledged.
func (a *Association) handleInReset(now instant, req wire.InReset) {
	r, own := &a.reconfig.peer, &a.reconfig.own
	own.drained(&a.out)
	n := req.Streams.Len()
	for i := range n {
		if int(req.Streams.At(i)) >= a.OutboundStreams() {
			r.answer(wire.ResultWrongSSN)
			return
		}
	}
	switch {
	case a.cfg.PeerReconfig.DenyResets, n > maxResetNames:
		r.answer(wire.ResultDenied)
		return
	case own.answers(wire.ParamOutReset):
		r.answer(wire.ResultAlreadyPending)
		return
	case !a.needReset(req.Streams):
		r.answer(wire.ResultNothingToDo)
		return
	}
	own.asked = &request{kind: wire.ParamOutReset, answering: true, answers: r.next}
	for i := range n {
		id := req.Streams.At(i)
		own.asked.streams = append(own.asked.streams, id)
		a.askedToReset(now, a.out.stream(id))
	}
	if own.all = n == 0; own.all {
		for _, s := range a.out.streams.all() {
			if s.used || s.reset != resetNone {
				a.askedToReset(now, s)
			}
		}
	}
	if own.undrained == 0 {
		own.submit()
	}
	a.promise(now)
}

// needReset reports whether a request to reset streams (none: all) leaves anything
// to do: not if they are as new, or are being reset.
func (a *Association) needReset(streams wire.Uint16s) bool {
	if streams.Len() == 0 {
		for _, s := range a.out.streams.all() {
			if s.used && s.reset == resetNone {
				return true
			}
		}
		return false
	}
	for i := range streams.Len() {
		if s := a.out.streams.get(streams.At(i)); s != nil && s.used && s.reset == resetNone {
			return true
		}
	}
	return false
}

// askedToReset marks a stream that the peer asked us to reset. One that is to be reset
// anyway goes with the others.
func (a *Association) askedToReset(now instant, s *outStream) {
	if s.asked {
		return
	}
	a.cancel(now, s)
	s.asked = true
	if s.pending > 0 {
		a.reconfig.own.undrained++
	}
	if s.reset == resetNone {
		s.reset = resetWanted
		a.events.push(Event{Kind: EventStreamResetAsked, Stream: s.id})
	}
}

// promise answers a request that is carried out by one of ours: by nothing else if
// that can go at once, and else "in progress". While we wait for a request of the peer
// in the same way, both would wait for ever, so then ours is taken as performed.
func (a *Association) promise(now instant) {
	r, own := &a.reconfig.peer, &a.reconfig.own
	own.prepare(now, &a.out, &a.sent, r.next)
	result := wire.ResultInProgress
	ready := own.carriesOut(r.next)
	if !ready && (own.flying(wire.ParamInReset) || own.flying(wire.ParamAddInStreams)) {
		result = wire.ResultPerformed
	}
	if answer := r.record(wire.ReconfigResponse{Result: result}); !ready {
		r.respond(answer)
	}
}

// handleTSNReset takes an SSN/TSN Reset Request (RFC 6525, section 5.2.4). Performed
// while data of ours is outstanding it would lose that (rule G3); performed while a
// request of ours of this kind is in flight, both sides would number anew at odds.
func (a *Association) handleTSNReset() {
	resp := wire.ReconfigResponse{Result: wire.ResultPerformed, HasTSNs: true, SenderNextTSN: a.sent.next, ReceiverNextTSN: a.tsns.cum.Add(1)}
	switch {
	case a.state != Established, !a.cfg.PeerReconfig.AllowAssociationReset:
		resp.Result = wire.ResultDenied
	case a.sent.span() > 0, a.out.midway+a.out.parted > 0, a.reconfig.own.flying(wire.ParamTSNReset):
		resp.Result = wire.ResultAlreadyPending
	default:
		resp.ReceiverNextTSN = resp.ReceiverNextTSN.Opposite()
		a.renumber(resp.ReceiverNextTSN)
	}
	a.reconfig.peer.respond(a.reconfig.peer.record(resp))
}

// renumber starts all streams anew; theirs is the peer's next TSN. What was sent with
// TSNs of before counts as received (RFC 6525, section 5.2.4, rule G4), so that no
// request waits for it any more.
func (a *Association) renumber(theirs wire.TSN) {
	for a.reconfig.peer.defers() {
		a.performNext()
	}
	if d := a.reconfig.peer.dealings; d != nil {
		d.last = nil
	}
	a.in.renumber()
	a.tsns.init(theirs)
	a.ack.forget()
	path := a.paths.primary()
	path.ecn = ecn{on: path.ecn.on}
	for _, s := range a.out.streams.all() {
		s.restarted()
	}
	a.events.push(Event{Kind: EventAssociationReset})
}

// handleAddOut takes an Add Outgoing Streams Request (RFC 6525, section 5.2.5).
func (a *Association) handleAddOut(n int) {
	r := &a.reconfig
	switch {
	case a.cfg.PeerReconfig.DenyStreams, r.in+n > int(a.cfg.PeerReconfig.InboundStreams):
		r.peer.answer(wire.ResultDenied)
	case n == 0:
		r.peer.answer(wire.ResultNothingToDo)
	default:
		r.peer.answer(wire.ResultPerformed)
		r.in += n
		a.events.push(Event{Kind: EventStreamsAdded})
	}
}

// handleAddIn takes an Add Incoming Streams Request (RFC 6525, section 5.2.6): it is
// carried out by a request of ours to add outgoing streams.
func (a *Association) handleAddIn(now instant, req wire.AddStreams) {
	r := &a.reconfig
	switch {
	case a.cfg.PeerReconfig.DenyStreams,
		r.out+r.own.adding(wire.ParamAddOutStreams)+int(req.Count) > int(a.cfg.PeerReconfig.OutboundStreams):
		r.peer.answer(wire.ResultDenied)
	case r.own.answers(wire.ParamAddOutStreams):
		r.peer.answer(wire.ResultAlreadyPending)
	case req.Count == 0:
		r.peer.answer(wire.ResultNothingToDo)
	default:
		r.own.queue = append(r.own.queue, request{
			kind: wire.ParamAddOutStreams, count: req.Count, answering: true, answers: r.peer.next,
		})
		a.promise(now)
	}
}

// handleReconfigResponse takes the answer to our request.
func (a *Association) handleReconfigResponse(now instant, path *path, resp *wire.ReconfigResponse) {
	own := &a.reconfig.own
	ours, final := own.response(now, resp, path.rto.rto)
	if ours {
		a.answered(path)
	}
	if !final {
		return
	}
	q := own.current
	result := resp.Result
	ok := result == wire.ResultPerformed
	switch q.kind {
	case wire.ParamOutReset, wire.ParamInReset, wire.ParamAddInStreams:
		ok = ok || result == wire.ResultNothingToDo
	}
	var err error
	if !ok {
		err = &ReconfigError{ReconfigRequest(q.kind), uint32(result)}
	}
	a.requestOver(resp, err)
	if q.answering {
		if result = wire.ResultPerformed; !ok {
			result = wire.ResultDenied
		}
		answer := a.reconfig.peer.settle(q.answers, result)
		if q.kind == wire.ParamAddOutStreams { // which does not name what it answers
			a.reconfig.peer.respond(answer)
		}
	}
	own.current = nil
	a.progressShutdown(now)
}

// requestOver does what the end of the request in flight means; err is why it failed.
func (a *Association) requestOver(resp *wire.ReconfigResponse, err error) {
	switch q := a.reconfig.own.current; q.kind {
	case wire.ParamOutReset:
		for _, id := range q.streams {
			a.resetOver(a.out.stream(id), err)
		}
		if len(q.streams) == 0 {
			a.reconfig.own.all = false
			for _, s := range a.out.streams.all() {
				a.resetOver(s, err)
			}
			a.reportSend()
		}
	case wire.ParamInReset:
		for _, id := range q.streams {
			if err != nil {
				a.events.push(Event{Kind: EventStreamResetRefused, Stream: id, Err: err})
			}
		}
	case wire.ParamTSNReset:
		if err != nil {
			a.events.push(Event{Kind: EventReconfigFailed, Err: err})
			return
		}
		a.sent.renumber(resp.ReceiverNextTSN)
		a.forward.init(resp.ReceiverNextTSN, a.forward.enabled, a.peer.interleaving)
		a.recovery.clear()
		a.paths.primary().rack.renumber()
		a.renumber(resp.SenderNextTSN)
	default:
		switch {
		case err != nil:
			a.events.push(Event{Kind: EventReconfigFailed, Err: err})
		case q.kind == wire.ParamAddOutStreams:
			a.reconfig.out += int(q.count)
			a.events.push(Event{Kind: EventStreamsAdded})
		}
	}
}

// resetOver ends the reset of an outgoing stream.
func (a *Association) resetOver(s *outStream, err error) {
	if s.reset != resetSent {
		return
	}
	s.reset = resetNone
	if err != nil {
		a.events.push(Event{Kind: EventStreamResetFailed, Stream: s.id, Err: err})
	} else {
		s.restarted()
		a.in.news(s.id)
		a.events.push(Event{Kind: EventStreamResetDone, Stream: s.id})
	}
	if s.asked { // meanwhile, so once more
		s.reset = resetWanted
		a.events.push(Event{Kind: EventStreamResetAsked, Stream: s.id})
	}
}
