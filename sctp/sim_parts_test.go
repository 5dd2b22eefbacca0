package sctp_test

import (
	"bytes"
	"errors"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Messages in parts: the sender hands them over piece by piece, does other things meanwhile,
// and may give one up; the receiver reads them as they come in, or borrows what came.

// An openMessage is one in parts that has not ended.
type openMessage struct {
	id      int // in the ledger
	stream  uint16
	payload []byte // all of it
	sent    int    // bytes of it
}

// A loan is what was borrowed and not returned.
type loan struct {
	l    sctp.Loan
	from engine
	was  []byte
}

// drawParts cuts messages of the scripts into parts, and draws how the hosts read.
func (s *scenario) drawParts(d dice) {
	for i := range s.hosts {
		p := &s.hosts[i]
		p.eager, p.borrows = pick(d, 0, 0, 0.01, 0.3), pick(d, 0, 0, 0.3, 1)
		if chance := pick(d, 0, 0.02, 0.3, 1); chance > 0 && d.chance(0.6) {
			p.script = cut(d, p.script, chance)
		}
	}
}

// cut cuts messages of a script into parts, with other actions between them. Some of those
// begun do not end.
func cut(d dice, script []action, chance float64) []action {
	var out, rest []action
	open := 0
	for _, a := range script {
		for len(rest) > 0 && d.chance(0.6) {
			out, rest = append(out, rest[0]), rest[1:]
		}
		if a.do != doSend || a.size < 2 || a.msg.Reliability != (sctp.Reliability{}) || !d.chance(chance) {
			out = append(out, a)
			continue
		}
		open++
		a.open, a.whole = open, a.size
		a.size = d.scale(1, a.whole-1)
		out = append(out, a)
		for left, n := a.whole-a.size, 1; left > 0; n++ {
			more := action{do: doMore, open: open, size: d.scale(1, left)}
			if n > 20 {
				more.size = left
			}
			if d.chance(0.03) {
				more.do, more.size = doCancel, left
			}
			left -= more.size
			rest = append(rest, more)
		}
	}
	return out
}

// goOn sends the next part of a message, or gives it up, and tells whether the script may go on.
func (h *host) goOn(a *action) bool {
	o := h.open[a.open]
	switch {
	case o == nil: // refused, or given up
		return true
	case a.do == doCancel:
		h.giveUp(a.open)
		return true
	}
	end := min(o.sent+a.size, len(o.payload))
	part, more := bytes.Clone(o.payload[o.sent:end]), end < len(o.payload)
	err := h.SendMore(h.w.now, o.stream, part, more)
	clear(part)
	h.w.note(h, "SendMore stream %d id %d size %d more %v: %v", o.stream, o.id, len(part), more, err)
	switch {
	case err == nil:
		if h.shutting {
			h.w.fail("host %d: SendMore accepted during shutdown", h.side)
		}
		o.sent = end
		h.largest = max(h.largest, len(part))
		h.w.work += 1 + len(part)/h.w.s.smallestFragment(h.side)
		if !more {
			h.out.completed(o.id)
			delete(h.open, a.open)
		}
	case errors.Is(err, sctp.ErrSendBufferFull):
		h.full = true
		if errors.Is(err, sctp.ErrLargeMessagePending) { // which may wait for the end of this one
			h.giveUp(a.open)
		}
		if !h.w.s.interleaved() { // another one may have to be finished before
			h.makeWay(a.open)
		}
		return false
	case errors.Is(err, sctp.ErrNoMessage):
		if h.w.drain(h); h.open[a.open] != nil {
			h.w.fail("host %d: message %d is gone, and that was not told", h.side, o.id)
		}
	case h.shutting && errors.Is(err, sctp.ErrShuttingDown):
	default:
		h.w.fail("host %d: SendMore: %v (shutting down: %v)", h.side, err, h.shutting)
	}
	return true
}

// begins notes that the first part of a message was accepted.
func (h *host) begins(a *action, m sctp.Message) {
	id := len(h.out.sent) - 1
	h.out.begun(id, a.whole)
	h.open[a.open] = &openMessage{id: id, stream: m.Stream, payload: h.out.content(id, a.whole), sent: a.size}
	h.displaced, h.inParts = true, true
}

// giveUp gives up a message in parts.
func (h *host) giveUp(open int) {
	o := h.open[open]
	h.w.note(h, "Cancel stream %d id %d", o.stream, o.id)
	h.Cancel(h.w.now, o.stream)
	h.w.work++
	if h.w.drain(h); h.open[open] != nil && !h.shutting {
		h.w.fail("host %d: message %d was given up, and that was not told", h.side, o.id)
	}
}

// makeWay gives up every message in parts but one, so that others may be sent.
func (h *host) makeWay(but int) {
	for open := range len(h.plan.script) + 1 { // in the same order each time
		if h.open[open] != nil && open != but {
			h.giveUp(open)
		}
	}
}

// unblock, after the last action, gives up every message in parts that will not end, if others may wait for that.
func (h *host) unblock() {
	if !h.closed && !h.w.s.interleaved() && h.Stats().QueuedMessages > 0 {
		h.makeWay(0)
	}
}

// gone notes that a message was given up.
func (h *host) gone(e sctp.Event) {
	for open, o := range h.open {
		if uint64(o.id)+1 == e.Message {
			delete(h.open, open)
		}
	}
}

// hasOpen reports whether a message in parts was begun on a stream.
func (h *host) hasOpen(stream uint16) bool {
	for _, o := range h.open {
		if o.stream == stream {
			return true
		}
	}
	return false
}

// beEager has a stream of the peer read in parts now and then, or no longer.
func (h *host) beEager() {
	if !h.connected || h.closed || !h.dice.chance(h.plan.eager) {
		return
	}
	if n := h.InboundStreams(); n > 0 {
		streams := h.w.s.hosts[1-h.side].streams
		id, on := uint16(int(streams[h.dice.IntN(len(streams))])%n), h.dice.chance(0.7)
		h.w.note(h, "DeliverParts stream %d %v", id, on)
		h.DeliverParts(id, on)
		h.in.stream(id) // which counts as used, so that a restart ends it
		h.w.drain(h)
	}
}

// borrow is Read to the scratch buffer, by way of a loan.
func (h *host) borrow(id uint16) (int, sctp.MessageInfo, error) {
	l, info, err := h.Borrow(h.w.now, id)
	if err != nil {
		if h.dice.chance(0.5) { // it is nothing, and so is what returns it
			h.Return(l)
		}
		return 0, info, err
	}
	n := copy(h.scratch, l.Bytes())
	h.loans = append(h.loans, loan{l, h.engine, bytes.Clone(l.Bytes())})
	return n, info, nil
}

// giveBack returns what was borrowed, some time.
func (h *host) giveBack() {
	for len(h.loans) > 0 && h.dice.chance(0.7) {
		l := h.loans[0]
		h.loans = h.loans[1:]
		if !bytes.Equal(l.l.Bytes(), l.was) {
			h.w.fail("host %d: what was lent has changed", h.side)
		}
		l.from.Return(l.l)
	}
}

// begun notes that a message that was just accepted is the first part of one of size bytes. As long as
// it has not ended, none of it may be read as a whole message.
func (l *ledger) begun(id, size int) {
	m := &l.sent[id]
	m.size, m.open = size, true
}

// completed notes that the last part of a message was accepted.
func (l *ledger) completed(id int) {
	m := &l.sent[id]
	m.open = false
	l.stream(m.stream).fresh = true
}

func (e *endpointEngine) Cancel(now time.Time, stream uint16) {
	e.command(func() { e.a.Cancel(now, stream) })
}

func (e *endpointEngine) SendMore(now time.Time, stream uint16, payload []byte, more bool) (err error) {
	e.command(func() { err = e.a.SendMore(now, stream, payload, more) })
	return err
}

func (e *endpointEngine) Borrow(now time.Time, stream uint16) (l sctp.Loan, info sctp.MessageInfo, err error) {
	e.command(func() { l, info, err = e.a.Borrow(now, stream) })
	return l, info, err
}

func (e *endpointEngine) Return(l sctp.Loan) { e.a.Return(l) }

func (e *endpointEngine) DeliverParts(stream uint16, on bool) {
	e.command(func() { e.a.DeliverParts(stream, on) })
}
