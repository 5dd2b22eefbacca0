//go:build !js

package datachannel

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/sctp"
)

// This file takes messages out of the association: piece by piece for a reader of one, whole
// ones for the read buffer.

// deliverParts has the association hand over messages as they come in.
func (ch *Channel) deliverParts() {
	if st := ch.st; st != nil && !st.parts && ch.ready && !ch.s.ended {
		st.parts = true
		ch.s.conn.DeliverParts(st.id, true)
	}
}

// startReading makes the next message the one that is read. In parts says that it may be
// one that is not complete.
func (ch *Channel) startReading(inParts bool) error {
	if err := ch.skipRest(); err != nil {
		return err
	}
	cur := &ch.in.reading
	m, kept := ch.unkeep()
	for !kept {
		info, err := ch.nextPiece()
		if err != nil {
			return err
		}
		ordinary := info.PPID == dcep.PPIDString || info.PPID == dcep.PPIDBinary
		if ordinary && (inParts || info.Complete && len(ch.st.buf) == 0) {
			*cur = reading{on: true, turn: cur.turn + 1, text: info.PPID == dcep.PPIDString, n: int64(len(ch.st.buf)), data: ch.st.buf}
			ch.s.setBuf(ch.st, nil)
			return nil
		}
		m, kept = ch.receivePiece(info, nil)
		if kept {
			ch.sum.received(len(m.Data))
		}
	}
	*cur = reading{on: true, turn: cur.turn + 1, text: m.IsText, n: int64(len(m.Data)), data: m.Data, whole: true}
	return nil
}

// skipRest gets rid of what is left of the message that was read, as far as it is there.
func (ch *Channel) skipRest() error {
	cur := &ch.in.reading
	cur.skip = cur.on
	for cur.on {
		cur.data = nil
		if _, _, err := ch.readInto(ch.s.recv.scratch[:]); err != nil {
			if err == errNothing {
				return err
			}
			return nil // gone, and what follows says why if that is of interest
		}
	}
	return nil
}

// nextPiece describes what comes next in the association, past what is for this package.
func (ch *Channel) nextPiece() (sctp.MessageInfo, error) {
	s := ch.s
	for {
		switch {
		case ch.in.reading.aborted:
			ch.in.reading = reading{turn: ch.in.reading.turn}
			return sctp.MessageInfo{}, &OperationError{Op: "Read", Reason: "the peer gave up the message", Err: sctp.ErrMessageAborted}
		case ch.st == nil && ch.state == Closed, ch.st != nil && (ch.st.ended || ch.st.discard):
			return sctp.MessageInfo{}, ch.endOfMessages()
		case !ch.in.readable:
			return sctp.MessageInfo{}, errNothing
		}
		info, err := s.conn.Peek(ch.st.id)
		switch {
		case err == nil && info.PPID != dcep.PPIDControl:
			return info, nil
		case err == nil:
			s.readControl(ch.st.id, ch.st, info)
		case s.ended && !errors.Is(err, io.EOF) && !errors.Is(err, sctp.ErrMessageAborted):
			ch.st.ended = true
		default:
			ch.in.readable = s.read(ch.st.id, ch.st, nil)
		}
	}
}

// continued describes the next piece of the message that is being read.
func (ch *Channel) continued() error {
	info, err := ch.nextPiece()
	cur := &ch.in.reading
	switch {
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	case err == nil && ch.s.cfg.MaxMessageSize > 0 && cur.n+int64(info.Size) > int64(ch.s.cfg.MaxMessageSize) && !cur.skip:
		ch.fail(channelError(fmt.Sprintf("a message is larger than %d bytes", ch.s.cfg.MaxMessageSize), nil))
		err = ch.endOfMessages()
	}
	if err != nil && err != errNothing {
		*cur = reading{turn: cur.turn}
	}
	return err
}

// advanced notes that n bytes of the message were read, to its end perhaps.
func (ch *Channel) advanced(n int, end bool) {
	cur := &ch.in.reading
	cur.n += int64(n)
	if ch.sum.bytesReceived += uint64(n); end {
		ch.sum.messagesReceived++
		ch.endReading()
	}
}

// readInto reads bytes of the message that is being read into p.
func (ch *Channel) readInto(p []byte) (n int, end bool, err error) {
	if n, end, ok := ch.readJoined(p); ok {
		return n, end, nil
	}
	if err := ch.continued(); err != nil {
		return 0, false, err
	}
	n, info, err := ch.s.conn.TryReadMessage(ch.st.id, p)
	if err != nil { // the peer gave it up since
		return 0, false, ch.givenUp(err)
	}
	ch.advanced(n, info.Complete)
	return n, info.Complete, nil
}

// borrow is readInto without a copy.
func (ch *Channel) borrow() (b []byte, l loan, end bool, err error) {
	b = ch.in.reading.data
	if _, end, ok := ch.readJoined(b); ok {
		return b, loan{}, end, nil
	}
	if err := ch.continued(); err != nil {
		return nil, loan{}, false, err
	}
	lent, info, err := ch.s.conn.TryBorrowMessage(ch.st.id)
	if err != nil {
		return nil, loan{}, false, ch.givenUp(err)
	}
	ch.advanced(info.Size, info.Complete)
	return lent.Bytes(), loan{lent, true}, info.Complete, nil
}

// loan is what borrow may have of the association.
type loan struct {
	sctp.Loan
	is bool
}

// giveBack returns what was borrowed, without the lock.
func (ch *Channel) giveBack(l loan) {
	if l.is {
		ch.s.conn.Return(l.Loan)
	}
}

// givenUp acts on an error of reading that Peek did not foretell.
func (ch *Channel) givenUp(err error) error {
	ch.in.reading = reading{turn: ch.in.reading.turn}
	ch.in.readable = ch.s.onMark(ch.st.id, ch.st, err) || ch.s.ended
	return &OperationError{Op: "Read", Reason: "the peer gave up the message", Err: err}
}

// kept are messages that a channel has taken out of the association before anybody reads
// them, so that they do not fill the receive window.
type kept struct {
	queue    fifo[Message]
	bytes    int // of the messages, each at least keptCost
	limit    int // 0: nothing is kept
	overflow Overflow
}

// keptCost is the least number of bytes that a message counts.
const keptCost = 64

func (m *Message) cost() int { return max(len(m.Data), keptCost) }

// endReading is for when the message was read to its end.
func (ch *Channel) endReading() {
	ch.in.reading = reading{turn: ch.in.reading.turn}
	ch.keep()
}

// bound sets what is kept from now on.
func (ch *Channel) bound(bytes int, overflow Overflow) {
	ch.kept.limit, ch.kept.overflow = bytes, overflow
	if ch.in.readable {
		ch.keep()
		ch.readableNow()
	}
}

// keep takes messages out of the association as far as the read buffer has room for them,
// or makes it, and nobody reads one bit by bit there, which comes before them.
func (ch *Channel) keep() {
	k := &ch.kept
	for k.limit > 0 && (!ch.in.reading.on || ch.in.reading.whole) {
		info, err := ch.nextPiece()
		if err != nil {
			return
		}
		need := max(len(ch.st.buf)+info.Size, keptCost)
		if k.bytes+need > k.limit {
			switch k.overflow {
			case Stall:
				return
			case CloseChannel:
				ch.fail(channelError(fmt.Sprintf("nobody reads the messages: more than %d bytes", k.limit), nil))
				return
			}
			for k.queue.len() > 0 && k.bytes+need > k.limit {
				m := k.queue.pop()
				k.bytes -= m.cost()
				ch.in.dropped++
			}
		}
		if m, whole := ch.receivePiece(info, nil); whole {
			ch.sum.received(len(m.Data))
			k.queue.push(m)
			k.bytes += m.cost()
		}
	}
}

// unkeep returns the oldest message in the read buffer, and fills up again.
func (ch *Channel) unkeep() (Message, bool) {
	k := &ch.kept
	if k.queue.len() == 0 {
		return Message{}, false
	}
	m := k.queue.pop()
	k.bytes -= m.cost()
	ch.keep()
	return m, true
}

// forgetKept throws away what is in the read buffer, and of a message that is being read.
func (ch *Channel) forgetKept() {
	ch.in.reading = reading{turn: ch.in.reading.turn}
	k := &ch.kept
	k.queue, k.bytes = fifo[Message]{}, 0
}
