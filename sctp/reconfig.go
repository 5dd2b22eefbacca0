package sctp

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// resetState is how far the reset of an outgoing stream is.
type resetState uint8

const (
	resetNone   resetState = iota
	resetWanted            // once what is queued on the stream was sent
	resetSent              // the request is on its way
)

// reconfig resets streams (RFC 6525): it sends Outgoing SSN Reset Requests for
// the streams that the application is done with, one request at a time, and
// answers the requests of the peer.
type reconfig struct {
	enabled bool
	wanted  []uint16 // streams to reset, in the order of the calls
	asked   bool     // the peer was asked for a SACK at once, for the next request

	// Our request in flight.
	seq      wire.ReqSeq // of it, or of the next one
	inFlight bool
	due      bool // it is to be sent, again perhaps
	streams  []uint16
	lastTSN  wire.TSN
	timer    timer

	// The peer's requests.
	peerSeq   wire.ReqSeq              // expected next
	answers   [2]wire.ReconfigResponse // to its last requests, the latest last
	answered  int
	responses []wire.ReconfigResponse // to send
	deferred  []deferredReset         // in the order of their numbers
	performed deferredReset           // the last that was deferred, if it can come again
}

// deferredReset is a request of the peer that waits for data sent before it
// (RFC 6525, section 5.2.2, rule E2).
type deferredReset struct {
	seq     wire.ReqSeq
	lastTSN wire.TSN
	streams []uint16 // none means all
	again   bool     // it can come again under a new number
}

// Deferred requests are bounded in number, and by the streams that they name.
const (
	maxDeferred      = 16
	maxDeferredNames = 4096
)

// same reports whether the request is the deferred one.
func (d *deferredReset) same(req wire.OutReset) bool {
	if d.lastTSN != req.LastTSN || len(d.streams) != req.Streams.Len() {
		return false
	}
	for i, id := range d.streams {
		if id != req.Streams.At(i) {
			return false
		}
	}
	return true
}

func (r *reconfig) init(local, peer wire.TSN, enabled bool) {
	*r = reconfig{enabled: enabled, seq: wire.ReqSeq(local), peerSeq: wire.ReqSeq(peer)}
}

// stop gives up our requests: the association is ending.
func (r *reconfig) stop() {
	r.wanted, r.inFlight, r.due = nil, false, false
	r.timer.stop()
}

// prepare makes a request of the wanted streams that are ready, if none is in flight
// and the peer has acknowledged all that was sent. Then the peer need not defer it
// (RFC 6525, section 5.2.2, rule E2), which is where others fail: usrsctp, and
// libwebrtc until 2025, answer a deferred request "in progress" for ever.
func (r *reconfig) prepare(o *outbound, q *sentQueue, mtu int) {
	if r.inFlight || len(r.wanted) == 0 || q.span() > 0 {
		return
	}
	limit := (mtu - commonHeader - 20) / 2
	r.streams = r.streams[:0]
	r.wanted = slices.DeleteFunc(r.wanted, func(id uint16) bool {
		s := o.stream(id)
		if s.head != nil || len(r.streams) == limit {
			return false
		}
		s.reset = resetSent
		r.streams = append(r.streams, id)
		return true
	})
	if len(r.streams) > 0 {
		r.inFlight, r.due, r.lastTSN, r.asked = true, true, q.highest(), false
	}
}

// drains reports whether a request waits only for what was sent to be acknowledged.
// New data waits with it, or a busy association would never come to it. The first
// chunk sent meanwhile asks for a SACK at once, lest the peer delay the last one.
func (r *reconfig) drains(o *outbound) bool {
	return !r.inFlight && slices.ContainsFunc(r.wanted, func(id uint16) bool { return o.stream(id).head == nil })
}

// append appends the answers and the request that are due: at most two
// parameters to a chunk, as RFC 6525, section 3.1 allows.
func (r *reconfig) append(now time.Time, p *builder, rto time.Duration) bool {
	for len(r.responses) > 0 {
		if p.room() < 4+2*12 {
			return false
		}
		n := min(len(r.responses), 2)
		start := len(p.b)
		p.b = wire.BeginChunk(p.b, wire.TypeReconfig, 0)
		for _, a := range r.responses[:n] {
			p.b = wire.AppendReconfigResponse(p.b, start, a)
		}
		p.b = wire.EndChunk(p.b, start)
		r.responses = append(r.responses[:0], r.responses[n:]...)
	}
	if !r.due {
		return true
	}
	if p.room() < 20+2*len(r.streams) {
		return false
	}
	start := len(p.b)
	p.b = wire.BeginChunk(p.b, wire.TypeReconfig, 0)
	p.b = wire.AppendOutReset(p.b, start, wire.OutReset{ReqSeq: r.seq, RespSeq: r.peerSeq.Prev(), LastTSN: r.lastTSN}, r.streams)
	p.b = wire.EndChunk(p.b, start)
	r.due = false
	r.timer.start(now, rto)
	return true
}

// response takes a Re-configuration Response. done says that our request is over;
// err is why it failed, nil if it was performed.
func (r *reconfig) response(now time.Time, a wire.ReconfigResponse, rto time.Duration) (done bool, err error) {
	if !r.inFlight || a.RespSeq != r.seq {
		return false, nil
	}
	if a.Result == wire.ResultInProgress { // 6525-5.2.7-a
		r.timer.start(now, rto)
		return false, nil
	}
	r.inFlight, r.due = false, false
	r.timer.stop()
	r.seq = r.seq.Next()
	if a.Result != wire.ResultNothingToDo && a.Result != wire.ResultPerformed {
		return true, &ResetError{Result: uint32(a.Result)}
	}
	return true, nil
}

// request answers any request of the peer but an Outgoing SSN Reset that may be
// performed: those are refused, repeated ones get the answer that they got, and
// wrong numbers are told so. It returns false for what is left to the caller.
func (r *reconfig) request(seq wire.ReqSeq, outReset bool) bool {
	switch {
	case seq == r.peerSeq && outReset:
		return false
	case seq == r.peerSeq && len(r.deferred) > 0:
		r.answer(seq, wire.ResultAlreadyPending)
	case seq == r.peerSeq:
		r.answer(seq, wire.ResultDenied)
	default:
		for _, a := range r.answers[2-r.answered:] {
			if a.RespSeq == seq {
				r.respond(a)
				return true
			}
		}
		r.respond(wire.ReconfigResponse{RespSeq: seq, Result: wire.ResultBadSequence})
	}
	return true
}

// answer answers a new request, and remembers the answer should it be repeated.
func (r *reconfig) answer(seq wire.ReqSeq, result wire.ReconfigResult) {
	a := wire.ReconfigResponse{RespSeq: seq, Result: result}
	r.answers[0], r.answers[1] = r.answers[1], a
	r.answered = min(r.answered+1, 2)
	r.peerSeq = seq.Next()
	r.respond(a)
}

// again answers a new request that is one before it under a new number: libwebrtc
// until 2025 repeats it so when told that it waits. It is not performed a second time,
// as its streams may be in use again.
func (r *reconfig) again(req wire.OutReset) bool {
	for i := range r.deferred {
		if d := &r.deferred[i]; d.same(req) {
			d.seq = req.ReqSeq
			r.answer(req.ReqSeq, wire.ResultInProgress)
			return true
		}
	}
	if d := &r.performed; d.again && d.same(req) {
		d.again = false
		r.answer(req.ReqSeq, wire.ResultPerformed)
		return true
	}
	return false
}

// hold defers a new request until its last TSN came in. Several may wait: to usrsctp
// "in progress" is as good as done, and its next request follows.
func (r *reconfig) hold(req wire.OutReset) {
	names := req.Streams.Len()
	for _, d := range r.deferred {
		names += len(d.streams)
	}
	if n := len(r.deferred); n == maxDeferred || n > 0 && names > maxDeferredNames {
		r.answer(req.ReqSeq, wire.ResultAlreadyPending)
		return
	}
	d := deferredReset{seq: req.ReqSeq, lastTSN: req.LastTSN, again: true}
	for i := range req.Streams.Len() {
		d.streams = append(d.streams, req.Streams.At(i))
	}
	r.deferred = append(r.deferred, d)
	r.answer(req.ReqSeq, wire.ResultInProgress)
}

// holds reports whether a chunk is of after a reset that is deferred. It must not
// reach its stream before (RFC 6525, section 5.2.2, rule E2), so it is not taken:
// a peer that sends without waiting for the answer sends it again.
func (r *reconfig) holds(stream uint16, t wire.TSN) bool {
	for i := range r.deferred {
		d := &r.deferred[i]
		if d.lastTSN.Before(t) && (len(d.streams) == 0 || slices.Contains(d.streams, stream)) {
			return true
		}
	}
	return false
}

// release takes the first deferred request once the cumulative TSN reached its last
// TSN, and answers it.
func (r *reconfig) release(cum wire.TSN) (d deferredReset, ok bool) {
	if len(r.deferred) == 0 || cum.Before(r.deferred[0].lastTSN) {
		return d, false
	}
	d = r.deferred[0]
	r.deferred = slices.Delete(r.deferred, 0, 1)
	r.performed = d
	final := wire.ReconfigResponse{RespSeq: d.seq, Result: wire.ResultPerformed}
	for i := range r.answers {
		if a := &r.answers[i]; a.RespSeq == d.seq && a.Result == wire.ResultInProgress {
			*a = final
		}
	}
	r.respond(final)
	return d, true
}

// maxResponses bounds the answers that wait to be sent.
const maxResponses = 8

func (r *reconfig) respond(a wire.ReconfigResponse) {
	if len(r.responses) < maxResponses {
		r.responses = append(r.responses, a)
	}
}

// A ResetError says that the peer refused to reset a stream.
type ResetError struct {
	Result uint32 // of RFC 6525, section 4.4
}

func (e *ResetError) Error() string {
	return fmt.Sprintf("sctp: the peer refused the stream reset with result %d (RFC 6525, section 4.4)", e.Result)
}

// reconfigAllowed reports whether a RE-CONFIG chunk may hold these parameters
// (RFC 6525, section 3.1).
func reconfigAllowed(params wire.Params) bool {
	first, ok := params.Next()
	if !ok {
		return false
	}
	second, two := params.Next()
	if _, three := params.Next(); three || params.Err() != nil {
		return false
	}
	if !two {
		return first.Type() >= wire.ParamOutReset && first.Type() <= wire.ParamAddInStreams
	}
	type pair struct{ a, b wire.ParamType }
	p := pair{min(first.Type(), second.Type()), max(first.Type(), second.Type())}
	switch p {
	case pair{wire.ParamOutReset, wire.ParamInReset}, pair{wire.ParamAddOutStreams, wire.ParamAddInStreams},
		pair{wire.ParamOutReset, wire.ParamReconfigResponse}, pair{wire.ParamReconfigResponse, wire.ParamReconfigResponse}:
		return true
	}
	return false
}
