//go:build !js

package datachannel

import (
	"errors"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice/sctp"
)

// This file hands messages to the association in parts, for MessageWriter.

// part says which part of a message an outgoing one is.
type part uint8

const (
	wholeMessage part = iota
	firstPart
	nextPart
	lastPart
)

// partSize is how much of a message is handed over at a time, in bytes; less where the send buffer of the
// association is small, so that a writer needs no more than that.
const partSize = 64 << 10

// leastPart is what it is at least, whatever the send buffer.
const leastPart = 1 << 10

func (s *Session) partSize() int {
	if n := s.cfg.SCTP.SendBuffer; n > 0 {
		return min(partSize, max(leastPart, n/2))
	}
	return partSize
}

// take buffers what was written, and hands over what is more than a part, if the message may
// be sent before it is complete.
func (w *MessageWriter) take(p []byte) (n int, err error) {
	inParts := !w.ch.kind.LimitsRetransmits() && !w.ch.kind.LimitsLifetime()
	for {
		k := len(p) - n
		if inParts {
			k = min(k, w.room())
		}
		w.buf = append(w.buf, p[n:n+k]...)
		n += k
		if w.n += int64(k); n == len(p) {
			return n, nil
		}
		// Before the first part there may have been no association, and no limit of the peer.
		if err := w.ch.checkGrowth(w.n, len(p)-n); err != nil {
			return n, err
		}
		if err := w.flush(); err != nil {
			return n, err
		}
	}
}

// room returns how much more goes into the part that is buffered. The first is the largest, though of
// text a rune may be missing at its end: when it is acknowledged there is room for the next, whatever
// else is in the send buffer.
func (w *MessageWriter) room() int {
	size := w.ch.s.partSize()
	if w.begun && w.text {
		size -= utf8.UTFMax
	}
	return size - len(w.buf)
}

// flush hands over what is buffered as a part that is not the last.
func (w *MessageWriter) flush() error {
	kind, cut := firstPart, len(w.buf)
	if w.begun {
		kind = nextPart
	}
	if w.text {
		cut = wholeRunes(w.buf)
		if !utf8.Valid(w.buf[:cut]) {
			return &TypeError{"Write", "the text is not UTF-8"}
		}
	}
	if err := w.ch.writePart("Write", w.buf[:cut], kind, w.text, cancelWith(w.ctx)); err != nil {
		return err
	}
	w.begun = true
	w.buf = append(w.buf[:0], w.buf[cut:]...)
	return nil
}

// wholeRunes returns the length of text without a rune at its end that is cut.
func wholeRunes(text []byte) int {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// finish hands over the end of the message.
func (w *MessageWriter) finish() error {
	switch {
	case !w.begun:
		return w.ch.write("Close", w.buf, w.text, cancelWith(w.ctx))
	case w.text && !utf8.Valid(w.buf):
		return &TypeError{"Close", "the text is not UTF-8"}
	}
	if err := w.ch.checkGrowth(w.n, 0); err != nil {
		return err
	}
	return w.ch.writePart("Close", w.buf, lastPart, w.text, cancelWith(w.ctx))
}

// giveUp gives up the message that is under way.
func (w *MessageWriter) giveUp() {
	if w.begun {
		w.ch.abortParts()
	}
}

// checkGrowth checks that a message of n bytes may have more.
func (ch *Channel) checkGrowth(n int64, more int) error {
	s := ch.s
	s.lock()
	defer s.unlock()
	if s.conn == nil { // the peer's limit is not known yet
		return nil
	}
	return s.checkSize("Write", n+int64(more))
}

// writePart hands over a part of a message and waits for room for it.
func (ch *Channel) writePart(op string, data []byte, p part, isText bool, c canceler) error {
	if err := c.canceled(); err != nil {
		return err
	}
	r, err := ch.startPart(op, data, p, isText)
	return ch.awaitReceipt(r, err, c)
}

// startPart hands a part over, or queues it and returns a receipt: the first behind what is
// there, others before.
func (ch *Channel) startPart(op string, data []byte, p part, isText bool) (r *receipt, err error) {
	s := ch.s
	s.lock()
	defer s.unlock()
	switch {
	case ch.state >= Closing:
		return nil, ch.stateError(op)
	case p != firstPart && !ch.out.open:
		return nil, &OperationError{Op: op, Reason: "the message was given up", Err: sctp.ErrNoMessage}
	}
	before := ch.bufferedAmount()
	m := newOutgoing(data, isText)
	m.part = p
	if p == firstPart && ch.mustQueue() || s.blocked.len() > 0 {
		r = ch.out.newReceipt()
	} else if err = ch.transmit(m); errors.Is(err, sctp.ErrSendBufferFull) {
		r = ch.out.newReceipt()
	} else if err != nil {
		return nil, &OperationError{Op: op, Reason: err.Error(), Err: err}
	}
	switch m.receipt = r; {
	case r == nil:
		if ch.sum.sentPart(p, len(data)); p == lastPart {
			s.flush()
		}
	case p == firstPart:
		ch.push(m)
	default:
		ch.out.queue.pushFront(m)
		ch.out.buffer.queued += m.size
		ch.block()
	}
	if r != nil {
		s.standAside(err)
	}
	ch.rose(before, len(data))
	return r, nil
}

// transmitPart hands a part to the association, which copies it.
func (ch *Channel) transmitPart(m outgoing) (err error) {
	if m.part == firstPart {
		err = ch.s.conn.TryWriteMessage(sctp.Message{
			Stream: ch.st.id, PPID: m.ppid, Payload: m.data, Unordered: ch.kind.Unordered() && ch.confirmed, More: true,
		})
	} else {
		err = ch.s.conn.TrySendMore(ch.st.id, m.data, m.part == nextPart)
	}
	if err != nil {
		return err
	}
	ch.out.buffer.handed(len(m.data), m.size)
	ch.setOpen(m.part != lastPart)
	return nil
}

// setOpen notes whether a message in parts is under way, for which others wait: those of the
// channel and, if the association does not interleave, all. They wait in the channels, for in the
// association they would take the room that the message needs to end. After it has: flush.
func (ch *Channel) setOpen(open bool) {
	ch.out.open = open
	switch s := ch.s; {
	case open && s.serial:
		s.holder = ch
	case !open && s.holder == ch:
		s.holder = nil
		for _, other := range s.aside {
			s.blocked.push(other)
		}
		s.aside = nil
	}
	if !open && ch.out.queue.len() > 0 && ch.ready {
		ch.block()
	}
}

// abortParts gives up the message in parts that is under way.
func (ch *Channel) abortParts() {
	ch.s.lock()
	defer ch.s.unlock()
	ch.cancelParts()
	if !ch.s.ended {
		ch.s.flush()
	}
}

func (ch *Channel) cancelParts() {
	if !ch.out.open {
		return
	}
	if !ch.s.ended {
		ch.s.conn.CancelMessage(ch.st.id)
	}
	ch.setOpen(false)
}

// held reports whether the channel has to wait for the message in parts of another.
func (ch *Channel) held() bool { return ch.s.holder != nil && ch.s.holder != ch }

// heldUp reports whether the oldest message in the queue has to wait for the end of one in
// parts.
func (ch *Channel) heldUp() bool {
	return ch.out.open && (*ch.out.queue.front()).part <= firstPart
}

// sentPart counts the bytes of a part, and the message with the last.
func (c *counters) sentPart(p part, n int) {
	if c.bytesSent += uint64(n); p == wholeMessage || p == lastPart {
		c.messagesSent++
	}
}
