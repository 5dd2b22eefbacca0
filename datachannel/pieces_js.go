package datachannel

import (
	"fmt"
	"io"
)

// This file is reading and writing messages bit by bit where the browser has them as a whole.

// startReading makes the next message the one that is read.
func (ch *Channel) startReading(bool) error {
	m, err := ch.take(nil)
	if err == nil {
		ch.in.reading = reading{on: true, turn: ch.in.reading.turn + 1, text: m.IsText, n: int64(len(m.Data)), data: m.Data, whole: true}
	}
	return err
}

// receive takes the next message, into dst if it fits, or what is left of one that was
// begun.
func (ch *Channel) receive(dst []byte) (Message, error) {
	if cur := &ch.in.reading; cur.on {
		m := Message{Data: cur.data, IsText: cur.text}
		*cur = reading{turn: cur.turn}
		return m, nil
	}
	return ch.take(dst)
}

// readInto reads bytes of the message that is being read into p.
func (ch *Channel) readInto(p []byte) (n int, end bool, err error) {
	n, end, ok := ch.readJoined(p)
	if !ok {
		return 0, false, io.ErrUnexpectedEOF
	}
	return n, end, nil
}

// loan is what borrow may have to give back: nothing.
type loan struct{}

// borrow returns what is left of the message that is being read.
func (ch *Channel) borrow() (b []byte, l loan, end bool, err error) {
	b = ch.in.reading.data
	_, end, err = ch.readInto(b)
	return b, loan{}, end, err
}

func (ch *Channel) giveBack(loan) {}

// deliverParts does nothing: a browser delivers whole messages.
func (ch *Channel) deliverParts() {}

// endReading is for when the message was read to its end.
func (ch *Channel) endReading() { ch.in.reading = reading{turn: ch.in.reading.turn} }

// bound sets what may be unread from now on.
func (ch *Channel) bound(bytes int, overflow Overflow) {
	ch.limit, ch.overflow = bytes, overflow
	ch.overflows()
}

// overflows sees to what is unread beyond the bound.
func (ch *Channel) overflows() {
	for ch.limit > 0 && ch.held > ch.limit && ch.unread.len() > 0 {
		switch {
		case ch.overflow == CloseChannel:
			ch.fail(channelError(fmt.Sprintf("nobody reads the messages: more than %d bytes", ch.limit), nil))
			return
		case ch.overflow == Stall || ch.unread.len() == 1:
			return
		}
		a := ch.unread.pop()
		ch.held -= a.cost()
		ch.s.unread -= a.cost()
		ch.in.dropped++
	}
}

// take buffers what was written: the browser wants whole messages.
func (w *MessageWriter) take(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	w.n += int64(len(p))
	return len(p), nil
}

func (w *MessageWriter) finish() error { return w.ch.write("Close", w.buf, w.text, cancelWith(w.ctx)) }

func (w *MessageWriter) giveUp() {}

// checkGrowth checks that a message of n bytes may have more.
func (ch *Channel) checkGrowth(n int64, more int) error {
	ch.s.lock()
	defer ch.s.unlock()
	if ch.state != Open { // the peer's limit is not known yet
		return nil
	}
	return ch.s.checkSize("Write", n+int64(more))
}
