package sctp

import (
	"fmt"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// reconfig changes the streams of the association while it runs (RFC 6525):
// requests of ours, of which one is in flight at a time, and answers to those of
// the peer.
type reconfig struct {
	own     requester
	enabled bool
	out, in int // streams that this side and the peer may use
	peer    responder
}

func (r *reconfig) init(local, peer wire.TSN, enabled bool, out, in int) {
	*r = reconfig{enabled: enabled, out: out, in: in}
	r.own.seq = wire.ReqSeq(local)
	r.peer.next = wire.ReqSeq(peer)
}

const (
	maxResponseLen = 20 // with TSNs
	requestLen     = 16 // of a reset that names no streams
	maxJoinedLen   = 256
)

// append appends the answers and the request that are due: at most two
// parameters to a chunk, as RFC 6525, section 3.1 allows.
func (r *reconfig) append(now instant, p *builder, rto time.Duration) bool {
	return !r.peer.owes() && !r.own.due || r.write(now, p, rto)
}

func (r *reconfig) write(now instant, p *builder, rto time.Duration) bool {
	for r.peer.owes() {
		n := min(len(r.peer.due), 2)
		// Both may answer one chunk of the peer, 6525-5.2.1-a.
		joined := n == 1 && r.own.due && r.own.current.answering &&
			r.own.current.kind == wire.ParamOutReset && r.own.current.len() <= maxJoinedLen
		size := 4 + 2*maxResponseLen
		if joined {
			size += r.own.current.len()
		}
		if p.room() < size {
			return false
		}
		start := len(p.b)
		p.b = wire.BeginChunk(p.b, wire.TypeReconfig, 0)
		for _, a := range r.peer.due[:n] {
			p.b = wire.AppendReconfigResponse(p.b, start, a)
		}
		if joined {
			r.own.append(now, p, start, rto)
		}
		p.b = wire.EndChunk(p.b, start)
		r.peer.due = append(r.peer.due[:0], r.peer.due[n:]...)
	}
	if !r.own.due {
		return true
	}
	if p.room() < 4+r.own.current.len() {
		return false
	}
	start := len(p.b)
	p.b = wire.BeginChunk(p.b, wire.TypeReconfig, 0)
	r.own.append(now, p, start, rto)
	p.b = wire.EndChunk(p.b, start)
	return true
}

// ReconfigRequest is a kind of request of RFC 6525: its parameter type.
type ReconfigRequest uint16

// The kinds.
const (
	OutgoingReset    ReconfigRequest = 13 // reset outgoing streams of the sender
	IncomingReset    ReconfigRequest = 14 // reset outgoing streams of the receiver
	AssociationReset ReconfigRequest = 15 // reset all streams and both TSNs
	AddOutgoing      ReconfigRequest = 17 // the sender wants more outgoing streams
	AddIncoming      ReconfigRequest = 18 // the receiver is to have more
)

func (k ReconfigRequest) String() string {
	switch k {
	case OutgoingReset:
		return "stream reset"
	case IncomingReset:
		return "request for a stream reset"
	case AssociationReset:
		return "association reset"
	case AddOutgoing:
		return "more outgoing streams"
	case AddIncoming:
		return "more incoming streams"
	}
	return fmt.Sprintf("request %d", uint16(k))
}

// A ReconfigError says that the peer did not do what it was asked for.
type ReconfigError struct {
	Request ReconfigRequest
	Result  uint32 // of RFC 6525, section 4.4
}

func (e *ReconfigError) Error() string {
	return fmt.Sprintf("sctp: the peer refused: %v, with result %d (RFC 6525, section 4.4)", e.Request, e.Result)
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
