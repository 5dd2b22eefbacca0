package sctp

import (
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// requester sends our requests, in the order in which they became possible and
// one at a time (RFC 6525, section 5.1.1).
//
// A stream is reset when everything sent on it is acknowledged. Then no
// FORWARD-TSN names its old sequence numbers any more, and the request need not hold
// up what is sent on other streams: it waits only until the peer has acknowledged
// the Last Assigned TSN that it carries, so that the peer never has to defer it.
type requester struct {
	current *request // has seq, if inFlight; else nil

	// A request of the peer to reset outgoing streams of ours, until it is queued.
	asked     *request // nil: there is none
	resetAt   instant  // when the last SSN/TSN reset was requested
	undrained int32    // its streams on which not everything is acknowledged; 0: there is none
	repeats   int32    // since the one in flight was sent first, or the peer said "in progress"
	seq       wire.ReqSeq
	waiting   bool // the peer said "in progress" since it was sent last
	implied   bool // a request of the peer seems to be the answer; Linux gives no other to AddIncoming

	// What each packet looks at is at the end, with what follows.
	stopped  bool // no request is made any more
	inFlight bool
	due      bool // it is to be sent, again perhaps
	holding  bool // for an SSN/TSN reset no message is begun
	all      bool // what the peer asked for, until it is done, concerns all streams
	timer    timer
	queue    []request // in order
}

// request is one request of ours.
type request struct {
	streams   []uint16 // to reset; none means all
	kind      wire.ParamType
	count     uint16 // streams to add
	answering bool   // it carries out the request answers of the peer
	closed    bool   // lastTSN is set, and no stream joins any more
	answers   wire.ReqSeq
	respSeq   wire.ReqSeq
	lastTSN   wire.TSN
}

// maxResetNames bounds the streams that a request names: it must fit the smallest
// MTU, and usrsctp refuses parameters of more than 512 bytes.
const maxResetNames = 240

// len returns the length of the parameter.
func (q *request) len() int { return requestLen + (2*len(q.streams)+3)&^3 }

// stop gives up everything: the association is ending.
func (r *requester) stop() {
	r.timer.stop()
	*r = requester{seq: r.seq, stopped: true}
}

// reset queues the reset of outgoing streams, on which everything is acknowledged,
// or a request that the peer reset some of its own: both with as many to a request
// as it may name.
func (r *requester) reset(kind wire.ParamType, id uint16) {
	for i := range r.queue {
		if q := &r.queue[i]; q.kind == kind && !q.closed && !q.answering && len(q.streams) < maxResetNames {
			q.streams = append(q.streams, id)
			return
		}
	}
	r.queue = append(r.queue, request{kind: kind, streams: []uint16{id}})
}

// add queues a request for more streams.
func (r *requester) add(kind wire.ParamType, n uint16) {
	for i := range r.queue {
		if q := &r.queue[i]; q.kind == kind && !q.answering {
			q.count += n
			return
		}
	}
	r.queue = append(r.queue, request{kind: kind, count: n})
}

// adding returns how many streams were asked for and not answered yet.
func (r *requester) adding(kind wire.ParamType) (n int) {
	if r.inFlight && r.current.kind == kind {
		n = int(r.current.count)
	}
	for i := range r.queue {
		if r.queue[i].kind == kind {
			n += int(r.queue[i].count)
		}
	}
	return n
}

// pending reports whether a request of this kind is queued or in flight.
func (r *requester) pending(kind wire.ParamType) bool {
	return r.flying(kind) || slices.ContainsFunc(r.queue, func(q request) bool { return q.kind == kind })
}

// flying reports whether a request of this kind is in flight.
func (r *requester) flying(kind wire.ParamType) bool { return r.inFlight && r.current.kind == kind }

// asksFor reports whether the peer is or will be asked to reset the stream.
func (r *requester) asksFor(id uint16) bool {
	if r.flying(wire.ParamInReset) && slices.Contains(r.current.streams, id) {
		return true
	}
	return slices.ContainsFunc(r.queue, func(q request) bool {
		return q.kind == wire.ParamInReset && slices.Contains(q.streams, id)
	})
}

// answers reports whether a request that carries out one of the peer waits, or
// waits for streams to be drained.
func (r *requester) answers(kind wire.ParamType) bool {
	if r.undrained > 0 && kind == wire.ParamOutReset || r.flying(kind) && r.current.answering {
		return true
	}
	return slices.ContainsFunc(r.queue, func(q request) bool { return q.kind == kind && q.answering })
}

// carriesOut reports whether the request in flight carries out that of the peer.
func (r *requester) carriesOut(seq wire.ReqSeq) bool {
	return r.inFlight && r.current.answering && r.current.answers == seq
}

// gated reports whether DATA must not be taken: while an SSN/TSN reset is in flight,
// what the peer sends may already be numbered as after it. It sends it again.
func (r *requester) gated() bool { return r.flying(wire.ParamTSNReset) && !r.waiting }

// drained takes streams that are to be reset and on which now everything is acknowledged.
func (r *requester) drained(o *outbound) {
	for _, id := range o.drained {
		if s := o.stream(id); !s.asked {
			r.reset(wire.ParamOutReset, id)
		} else if r.undrained--; r.undrained == 0 {
			r.submit()
		}
	}
	o.drained = o.drained[:0]
}

// submit queues what carries out the request of the peer.
func (r *requester) submit() {
	r.queue = append(r.queue, *r.asked)
	r.asked = nil
}

// prepare begins with the first request of the queue if it can be sent now.
// respSeq is the peer's last request.
func (r *requester) prepare(now instant, o *outbound, q *sentQueue, respSeq wire.ReqSeq) {
	if len(r.queue) > 0 || len(o.drained) > 0 {
		r.begin(now, o, q, respSeq)
	}
}

func (r *requester) begin(now instant, o *outbound, q *sentQueue, respSeq wire.ReqSeq) {
	if r.stopped {
		return
	}
	r.drained(o)
	for !r.inFlight && len(r.queue) > 0 {
		head := &r.queue[0]
		switch head.kind {
		case wire.ParamOutReset:
			if !head.closed { // 6525-5.1.2-a
				head.closed, head.lastTSN = true, q.highest()
			}
			if q.cum.Before(head.lastTSN) {
				return
			}
			o.resetting(head)
			if len(head.streams) == 0 && !head.answering { // all are in a request of the peer
				r.queue = slices.Delete(r.queue, 0, 1)
				continue
			}
		case wire.ParamTSNReset:
			r.holding = true
			if q.span() > 0 || o.midway > 0 { // 6525-5.2.4-a
				return
			}
			r.resetAt = now
		}
		next := *head
		r.queue = slices.Delete(r.queue, 0, 1)
		if next.respSeq = respSeq; next.answering {
			next.respSeq = next.answers
		}
		r.current = &next
		r.inFlight, r.due = true, true
	}
}

// resetting marks the streams of a request that goes out. One of ours drops those
// that go, or went, with a request of the peer.
func (o *outbound) resetting(q *request) {
	if q.answering && len(q.streams) == 0 {
		for _, s := range o.streams.all() {
			if s.reset == resetWanted {
				s.reset, s.asked = resetSent, false
			}
		}
		return
	}
	q.streams = slices.DeleteFunc(q.streams, func(id uint16) bool {
		s := o.stream(id)
		if !q.answering && (s.asked || s.reset != resetWanted || s.pending > 0) {
			return true
		}
		s.reset, s.asked = resetSent, false
		return false
	})
}

// append appends the parameter of the request in flight and starts its timer.
func (r *requester) append(now instant, p *builder, start int, rto time.Duration) {
	q := r.current
	switch q.kind {
	case wire.ParamOutReset:
		p.b = wire.AppendOutReset(p.b, start, wire.OutReset{ReqSeq: r.seq, RespSeq: q.respSeq, LastTSN: q.lastTSN}, q.streams)
	case wire.ParamInReset:
		p.b = wire.AppendInReset(p.b, start, r.seq, q.streams)
	case wire.ParamTSNReset:
		p.b = wire.AppendTSNReset(p.b, start, r.seq)
	default:
		p.b = wire.AppendAddStreams(p.b, start, q.kind, wire.AddStreams{ReqSeq: r.seq, Count: q.count})
	}
	r.due, r.waiting = false, false
	r.timer.start(now, rto)
}

// response takes a Re-configuration Response (RFC 6525, section 5.2.7); ours says
// that it is for the request in flight, final that this is over.
func (r *requester) response(now instant, a *wire.ReconfigResponse, rto time.Duration) (ours, final bool) {
	if !r.inFlight || a.RespSeq != r.seq {
		return false, false
	}
	if a.Result == wire.ResultInProgress {
		r.waiting = true
		r.timer.start(now, rto)
		return true, false
	}
	if r.current.kind == wire.ParamTSNReset && a.Result == wire.ResultPerformed && !a.HasTSNs {
		return true, false // 6525-4.4-a
	}
	r.inFlight, r.due, r.waiting, r.implied, r.holding = false, false, false, false, false
	r.repeats = 0
	r.timer.stop()
	r.seq = r.seq.Next()
	return true, true
}

// again lets the request in flight be sent again.
func (r *requester) again() { r.due = r.inFlight }
