package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// forwardState is the sender's side of partial reliability (RFC 3758, section
// 3.5): it moves the Advanced Peer Ack Point over abandoned chunks and tells the
// peer with FORWARD-TSN.
type forwardState struct {
	*skips      // nil: none was sent since the association rested last
	lastAt      instant
	enabled     bool     // both sides announced it
	interleaved bool     // it is I-FORWARD-TSN that is sent (RFC 8260, section 2.3.1)
	due         bool     // a FORWARD-TSN is to be sent
	point       wire.TSN // Advanced.Peer.Ack.Point
}

// skips is what a FORWARD-TSN lists.
type skips struct {
	skipped []wire.SkippedMessage // scratch
	streams []wire.SkippedStream  // scratch
}

func (f *forwardState) init(initial wire.TSN, enabled, interleaved bool) {
	*f = forwardState{enabled: enabled, interleaved: interleaved, point: initial.Add(-1), skips: f.skips}
}

// advance is called when the Cumulative TSN Ack Point moved or chunks were
// abandoned (rules C1 to C3). A point that did not move is announced again only
// once in a round trip, however many SACKs come in.
func (f *forwardState) advance(now instant, q *sentQueue, srtt time.Duration) {
	if f.point.Before(q.cum) {
		f.point = q.cum
	}
	if q.span() > 0 {
		f.pass(now, q, srtt)
	}
}

func (f *forwardState) pass(now instant, q *sentQueue, srtt time.Duration) {
	moved := false
	for f.point != q.highest() && q.at(f.point.Add(1)).state == chunkAbandoned {
		f.point = f.point.Add(1)
		moved = true
	}
	if f.pending(q.cum) && (moved || now.Sub(f.lastAt) >= max(srtt, clockGranularity)) {
		f.due = true
	}
}

// pending reports whether the peer has to be told about the point.
func (f *forwardState) pending(cum wire.TSN) bool { return cum.Before(f.point) }

// append appends the FORWARD-TSN, which is due: up to the point, or as far as the
// streams it must list fit the packet.
func (f *forwardState) append(now instant, p *builder, q *sentQueue) bool {
	if !f.pending(q.cum) {
		f.due = false
		return true
	}
	room := p.room()
	if room < wire.ForwardTSNLen(0) {
		return false
	}
	if f.skips == nil {
		f.skips = new(skips)
	}
	f.skipped = f.skipped[:0]
	cum := q.cum
	for t := q.cum.Add(1); t.AtOrBefore(f.point); t = t.Add(1) {
		m := q.at(t).msg
		if (!m.unordered || f.interleaved) && !f.skip(m, room) {
			break
		}
		cum = t
	}
	if cum == q.cum {
		f.due = false
		return true
	}
	f.write(p, cum)
	f.due, f.lastAt = false, now
	return true
}

// skip lists a skipped message, keeping the highest of each stream, if it fits.
func (f *forwardState) skip(m *outMessage, room int) bool {
	for i := len(f.skipped) - 1; i >= 0; i-- {
		if s := &f.skipped[i]; s.Stream == m.stream.id && s.Unordered == m.unordered {
			if s.MID.Before(m.mid) {
				s.MID = m.mid
			}
			return true
		}
	}
	length := wire.ForwardTSNLen
	if f.interleaved {
		length = wire.IForwardTSNLen
	}
	if length(len(f.skipped)+1) > room {
		return false
	}
	f.skipped = append(f.skipped, wire.SkippedMessage{Stream: m.stream.id, Unordered: m.unordered, MID: m.mid})
	return true
}

// write appends the chunk.
func (f *forwardState) write(p *builder, cum wire.TSN) {
	if f.interleaved {
		p.b = wire.AppendIForwardTSN(p.b, cum, f.skipped)
		return
	}
	f.streams = f.streams[:0]
	for _, s := range f.skipped {
		f.streams = append(f.streams, wire.SkippedStream{Stream: s.Stream, SSN: s.MID.SSN()})
	}
	p.b = wire.AppendForwardTSN(p.b, cum, f.streams)
}
