package sctp

import (
	"math"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// parts is a message that the application hands over in parts (Message.More). Each part is
// an outMessage, queued, sent and forgotten like others; here is what they have in
// common. They are reliable. Without interleaving nothing of other messages is sent from
// the first to the last.
type parts struct {
	id        uint64 // Message.ID and Message.Immediate, of which the last part makes use
	immediate bool
	unordered bool
	ppid      uint32
	begun     bool     // its first chunk was sent; it has a number
	mid       wire.MID // which is this
	fsn       wire.FSN // of the next chunk
	refused   int      // size of the part refused last; 0: it was accepted then
	since     uint32   // outbound.told at that time
}

// maxParted is how many messages in parts may be open at a time: each keeps a TSN free that giving
// it up may need, of the 32767 there are for ordered messages in DATA chunks.
const maxParted = 1 << 14

// open says that a message that was just queued is the first part of one.
func (o *outbound) open(m *outMessage) {
	m.parts = &parts{id: m.id, immediate: m.immediate, unordered: m.unordered, ppid: m.ppid}
	m.id, m.immediate = 0, false
	m.stream.open = m.parts
	o.parted++
}

// sentPart records that a part was sent completely.
func (o *outbound) sentPart(m *outMessage) {
	m.parts.fsn = m.fsn
	switch {
	case m.ends:
		o.parted--
	case !o.interleaved:
		o.begun = m.stream
	}
}

// finishes reports whether a part of n bytes may be accepted because the message of the stream
// has to be finished before anything else is sent: what waits behind it, and may fill the
// buffer, gets none of it free until then, and does not count. So the buffer may hold as
// much again.
func (o *outbound) finishes(s *outStream, n int) bool {
	if o.begun != s || s.head != nil || s.open == nil {
		return false
	}
	used := o.buffered
	if o.frugal {
		used = o.held
	}
	sent := o.messages - o.queued
	return !o.excludesPart(s, n) && (sent == 0 || o.charge(n) <= o.limit-(used-o.waiting) && o.cost()*(sent+1) <= o.limit)
}

// excludesPart reports whether a part of n bytes for the message of the stream must wait for a large
// message: not for one that waits for its end.
func (o *outbound) excludesPart(s *outStream, n int) bool {
	return o.excludes(n) && (o.begun != s || o.large.sent > 0)
}

// finishable reports, as long as no EventWritable has told, that the part that was refused may come for that reason.
func (o *outbound) finishable() bool {
	s := o.begun
	return s != nil && s.open != nil && s.open.refused > 0 && s.open.since == o.told && o.finishes(s, s.open.refused)
}

// SendMore goes on with the message that was begun on the stream by Send with
// Message.More; the payload, which is copied, must not be empty, and without more it ends
// the message. Until then Send on the stream is refused with ErrMessageOpen and, with a peer
// that does not support interleaving (RFC 8260), no other stream sends anything: who begins a
// message should end it soon, and send nothing else meanwhile, as that takes the room in the send buffer
// that the message needs. It returns ErrNoMessage if there is no such message,
// which may have been given up meanwhile: by Cancel, Shutdown or ResetStreams, by a peer that
// asked for the reset of the stream or was started again. Other errors are those of Send.
func (a *Association) SendMore(now time.Time, stream uint16, payload []byte, more bool) error {
	at := a.clock.read(now)
	n, s := len(payload), a.out.streams.get(stream)
	switch {
	case a.ended:
		return ErrClosed
	case a.state < Established:
		return ErrNotConnected
	case a.state > Established:
		return ErrShuttingDown
	case s == nil || s.open == nil:
		return ErrNoMessage
	case n == 0:
		return ErrEmptyMessage
	case n > math.MaxInt32:
		return ErrMessageTooLong
	case !a.out.hasRoom(n) && !a.out.finishes(s, n) && !a.displace(at, n, ranksAll):
		a.out.refuse(n)
		s.open.refused, s.open.since = n, a.out.told
		if a.out.excludesPart(s, n) {
			return ErrLargeMessagePending
		}
		return ErrSendBufferFull
	}
	p := s.open
	p.refused = 0
	m := a.out.push(at, s, &Message{Stream: stream, PPID: p.ppid, Unordered: p.unordered, Payload: payload}, true)
	if m.parts, m.ends = p, !more; !more {
		m.id, m.immediate = p.id, p.immediate
		s.open = nil
	}
	a.observe(at)
	return nil
}

// Cancel gives up the message that was begun on the stream by Send with Message.More and
// has not ended. A peer that has a part of it is told to forget it (RFC 3758), and
// EventMessageAbandoned follows. Without such a message it does nothing.
func (a *Association) Cancel(now time.Time, stream uint16) {
	at := a.clock.read(now)
	if s := a.out.streams.get(stream); s != nil {
		a.cancel(at, s)
	}
	a.reportSend()
	a.observe(at)
}

// cancelAll gives up every message that has not ended.
func (a *Association) cancelAll(now instant) {
	if a.out.parted == 0 {
		return
	}
	for _, s := range a.out.streams.all() {
		a.cancel(now, s)
	}
}

// cancel gives up the message that was begun on the stream and has not ended. Parts that
// were sent stay reliable: FORWARD-TSN cannot skip what is missing of them alone.
func (a *Association) cancel(now instant, s *outStream) {
	p := s.open
	if p == nil {
		return
	}
	s.open = nil
	a.out.parted--
	path := a.paths.primary()
	midway := false // a part is: its rest is given up as that of other messages is
	for m := s.head; m != nil; {
		next := m.next
		switch {
		case m.parts != p:
		case m.sent > 0:
			midway = true
			m.id = p.id
			a.abandon(now, path, m)
		default:
			a.out.abandon(m)
		}
		m = next
	}
	if p.begun && a.out.begun == s {
		a.out.begun = nil
	}
	if !midway {
		a.events.push(Event{Kind: EventMessageAbandoned, Stream: s.id, Message: p.id, Begun: p.begun})
	}
	if p.begun && !midway {
		a.sent.closeMessage(now, a.out.terminator(s, p))
		a.forward.advance(now, &a.sent, path.rto.srtt)
	}
}

// terminator returns a message that stands for the unsent rest of one in parts, for
// sentQueue.closeMessage.
func (o *outbound) terminator(s *outStream, p *parts) *outMessage {
	m := o.pool.toSend()
	*m = outMessage{stream: s, mid: p.mid, ppid: p.ppid, unordered: p.unordered, abandoned: true}
	o.messages++
	s.pending++
	return m
}
