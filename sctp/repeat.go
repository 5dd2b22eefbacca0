package sctp

import (
	"math"
	"slices"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// sinceReset is what has happened on a stream since the peer reset its side of it, by
// which a further reset that only repeats the last is told from the end of what the
// stream was used for next. sctp-proto resets a channel's stream a second time, under a
// new number, when it hears of our reset; if that request is lost, it is repeated when
// the identifier may long be in use again. All that is sure is used; in doubt a reset is
// reported, as a peer may end a channel (RFC 8831, section 6.7) on which it sent nothing.
type sinceReset struct {
	touched bool   // something: the peer or we sent on it, or ours was reset; or it never was reset
	listed  bool   // is in inbound.touched
	from    uint64 // position of the first TSN that came in; 0: not known
}

// nothing is sinceReset.from while nothing came in.
const nothing = math.MaxUint64

// touch takes note that the stream is not as it was after its last reset.
func (in *inbound) touch(s *inStream) {
	s.touched = true
	if !s.listed {
		s.listed = true
		in.touched = append(in.touched, s.id)
	}
}

// news takes note of what happens on our side of the stream.
func (in *inbound) news(id uint16) {
	if s := in.streams.get(id); s != nil {
		in.touch(s)
	}
}

// came takes note of a chunk by the position of its TSN, and returns its stream.
func (in *inbound) came(id uint16, position uint64) *inStream {
	s := in.stream(id)
	in.touch(s)
	s.from = min(s.from, position)
	return s
}

// skipped takes note of messages that will not come, whatever their TSNs were.
func (in *inbound) skipped(s *inStream) {
	in.touch(s)
	s.from = 0
}

// outdated reports whether an entry of a FORWARD-TSN that passes over so many missing TSNs
// means a message of before the reset: with nothing come in since, each message up to
// it takes a TSN of those. dcSCTP resets a stream without waiting until what it abandoned
// is acknowledged, and lists it again if our SACK was lost.
func (s *sinceReset) outdated(mid wire.MID, missing int) bool {
	return s.from == nothing && !mid.Before(wire.MID(missing))
}

// repeats reports whether an outgoing reset of the peer, which names the stream and
// has this last TSN, leaves nothing to do: all that came since the one before it was
// sent after it, or nothing happened since and our side is still that of before, whose
// reset is to come before the identifier is free.
func (a *Association) repeats(s *inStream, last wire.TSN) bool {
	if s.touched {
		return s.from != nothing && a.tsns.position(last) < s.from
	}
	o := a.out.streams.get(s.id)
	return o != nil && (o.used || o.reset != resetNone)
}

// resetNamed starts an incoming stream anew that a request names.
func (a *Association) resetNamed(id uint16, last wire.TSN) {
	if s := a.in.stream(id); !a.repeats(s, last) {
		a.resetInbound(s)
	}
}

// resetAllInbound starts all incoming streams anew that are not as new. Its cost is
// that of what happened since it was called last.
func (a *Association) resetAllInbound() {
	if n, d := int(a.out.streams.n)+a.InboundStreams(), a.reconfig.peer.known(); n != d.covered { // both only grow
		d.covered = n
		for id := range a.out.streams.all() { // also those that the peer has sent nothing on
			if int(id) < a.InboundStreams() {
				a.in.stream(id)
			}
		}
	}
	ids := a.in.touched
	a.in.touched = nil
	slices.Sort(ids)
	for _, id := range ids {
		s := a.in.streams.get(id)
		if s.listed = false; s.touched {
			a.resetInbound(s)
		}
	}
}

// resetInbound starts an incoming stream anew.
func (a *Association) resetInbound(s *inStream) {
	a.in.buryOf(s, a.tsns.cum)
	a.in.resetStream(s)
	a.events.push(Event{Kind: EventStreamReset, Stream: s.id})
}
