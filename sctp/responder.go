package sctp

import (
	"slices"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// responder answers the peer's requests: each number once, however often it comes.
type responder struct {
	next      wire.ReqSeq // expected
	*dealings             // nil: there was none
}

// dealings are the requests that there were.
type dealings struct {
	due      []wire.ReconfigResponse  // to send
	deferred []deferredReset          // in the order of their numbers
	answered int                      // of them
	last     *deferredReset           // the last that was deferred and performed, if it can come again
	covered  int                      // streams in either direction that there were when all were reset last
	answers  [2]wire.ReconfigResponse // to the last requests, the latest last
}

// deferredReset is a request of the peer that waits for data sent before it
// (RFC 6525, section 5.2.2, rule E2).
type deferredReset struct {
	seq     wire.ReqSeq
	lastTSN wire.TSN
	streams []uint16 // none means all
	sorted  []uint16 // the same, in order, while it is deferred
}

// known returns the requests that there were, to add to them.
func (r *responder) known() *dealings {
	if r.dealings == nil {
		r.dealings = new(dealings)
	}
	return r.dealings
}

// owes reports whether an answer is to be sent, defers whether a request waits for data.
func (r *responder) owes() bool   { return r.dealings != nil && len(r.due) > 0 }
func (r *responder) defers() bool { return r.dealings != nil && len(r.deferred) > 0 }

// Deferred requests are bounded in number, and by the streams that they name;
// maxResponses bounds the answers that wait to be sent.
const (
	maxDeferred      = 16
	maxDeferredNames = 4096
	maxResponses     = 8
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

// fresh reports whether a request has the number that is due. One that is repeated
// gets the answer that it got, another number is told to be wrong (6525-5.2.1-a).
func (r *responder) fresh(seq wire.ReqSeq) bool {
	if seq == r.next {
		return true
	}
	d := r.known()
	for _, a := range d.answers[2-d.answered:] {
		if a.RespSeq == seq {
			r.respond(a)
			return false
		}
	}
	r.respond(wire.ReconfigResponse{RespSeq: seq, Result: wire.ResultBadSequence})
	return false
}

// answer answers the request that is due.
func (r *responder) answer(result wire.ReconfigResult) {
	r.respond(r.record(wire.ReconfigResponse{Result: result}))
}

// record remembers the answer to the request that is due, should it be repeated.
func (r *responder) record(a wire.ReconfigResponse) wire.ReconfigResponse {
	a.RespSeq = r.next
	d := r.known()
	d.answers[0], d.answers[1] = d.answers[1], a
	d.answered = min(d.answered+1, 2)
	r.next = r.next.Next()
	return a
}

// settle replaces the answer "in progress" to a request by the final one.
func (r *responder) settle(seq wire.ReqSeq, result wire.ReconfigResult) wire.ReconfigResponse {
	final := wire.ReconfigResponse{RespSeq: seq, Result: result}
	d := r.known()
	for i := range d.answers {
		if a := &d.answers[i]; a.RespSeq == seq && a.Result == wire.ResultInProgress {
			*a = final
		}
	}
	return final
}

func (r *responder) respond(a wire.ReconfigResponse) {
	if d := r.known(); len(d.due) < maxResponses {
		d.due = append(d.due, a)
	}
}

// again answers a new request that is one before it under a new number: libwebrtc
// until 2025 repeats it so when told that it waits. It is not performed a second time,
// as its streams may be in use again.
func (r *responder) again(req wire.OutReset) bool {
	if r.dealings == nil {
		return false
	}
	for i := range r.deferred {
		if d := &r.deferred[i]; d.same(req) {
			d.seq = req.ReqSeq
			r.answer(wire.ResultInProgress)
			return true
		}
	}
	if r.last != nil && r.last.same(req) {
		r.last = nil
		r.answer(wire.ResultPerformed)
		return true
	}
	return false
}

// hold defers a new request until its last TSN came in. Several may wait: to usrsctp
// "in progress" is as good as done, and its next request follows.
func (r *responder) hold(req wire.OutReset) {
	names := req.Streams.Len()
	for _, d := range r.known().deferred {
		names += len(d.streams)
	}
	if n := len(r.deferred); n == maxDeferred || n > 0 && names > maxDeferredNames {
		r.answer(wire.ResultAlreadyPending)
		return
	}
	d := deferredReset{seq: req.ReqSeq, lastTSN: req.LastTSN}
	for i := range req.Streams.Len() {
		d.streams = append(d.streams, req.Streams.At(i))
	}
	d.sorted = slices.Clone(d.streams)
	slices.Sort(d.sorted)
	r.deferred = append(r.deferred, d)
	r.answer(wire.ResultInProgress)
}

// holds reports whether a chunk is of after a reset that is deferred. It must not
// reach its stream before (RFC 6525, section 5.2.2, rule E2), so it is not taken:
// a peer that sends without waiting for the answer sends it again.
func (r *responder) holds(stream uint16, t wire.TSN) bool {
	if r.dealings == nil {
		return false
	}
	for i := range r.deferred {
		d := &r.deferred[i]
		if !d.lastTSN.Before(t) {
			continue
		}
		if _, named := slices.BinarySearch(d.sorted, stream); named || len(d.sorted) == 0 {
			return true
		}
	}
	return false
}

// ready reports whether there is a deferred request whose last TSN the cumulative TSN
// reached.
func (r *responder) ready(cum wire.TSN) bool {
	return r.defers() && r.deferred[0].lastTSN.AtOrBefore(cum)
}

// release takes the first deferred request, and answers it.
func (r *responder) release() deferredReset {
	d := r.deferred[0]
	r.deferred = slices.Delete(r.deferred, 0, 1)
	r.last = &deferredReset{seq: d.seq, lastTSN: d.lastTSN, streams: d.streams}
	r.respond(r.settle(d.seq, wire.ResultPerformed))
	return d
}
