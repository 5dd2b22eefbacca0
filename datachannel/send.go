//go:build !js

package datachannel

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/sctp"
)

// sender is the outgoing side of a channel: messages go to the association at
// once, or wait here while it has no room, or while the channel may not send yet.
type sender struct {
	queue   fifo[outgoing]
	blocked bool // in Session.blocked
	open    bool // a message in parts has begun and not ended; writer.go
	buffer  buffered
	spare   atomic.Pointer[receipt] // for the next WriteMessage that has to wait
}

// outgoing is a message that waits for the association.
type outgoing struct {
	data    []byte
	ppid    uint32
	part    part
	size    int       // payload bytes: 0 for DCEP, and for the byte that stands for an empty message
	expires time.Time // when not to send it any more; zero is never
	receipt *receipt  // of a WriteMessage that waits; else nil
}

// emptyMessage is the payload of an empty message (RFC 8831, section 6.6).
var emptyMessage = []byte{0}

func newOutgoing(data []byte, isText bool) outgoing {
	switch {
	case len(data) > 0 && isText:
		return outgoing{data: data, ppid: dcep.PPIDString, size: len(data)}
	case len(data) > 0:
		return outgoing{data: data, ppid: dcep.PPIDBinary, size: len(data)}
	case isText:
		return outgoing{data: emptyMessage, ppid: dcep.PPIDStringEmpty}
	}
	return outgoing{data: emptyMessage, ppid: dcep.PPIDBinaryEmpty}
}

// Send queues a binary message and does not block; data is not kept. The errors
// are those of the W3C's send: *InvalidStateError if the channel is not open,
// *TypeError if the message is larger than the peer accepts, *OperationError if
// the channel would buffer more than Config.MaxBufferedAmount.
func (ch *Channel) Send(data []byte) error {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.send("Send", data, false)
}

// SendText is Send for text, which has to be UTF-8: *TypeError.
func (ch *Channel) SendText(text string) error {
	const op = "SendText"
	ch.s.lock()
	defer ch.s.unlock()
	if ch.state == Open && !utf8.ValidString(text) {
		return &TypeError{op, "the text is not UTF-8"}
	}
	var data []byte
	if n := len(text); n <= len(ch.s.recv.scratch) {
		data = ch.s.recv.scratch[:copy(ch.s.recv.scratch[:], text)] // send keeps no reference
	} else {
		data = []byte(text)
	}
	return ch.send(op, data, true)
}

func (ch *Channel) send(op string, data []byte, isText bool) error {
	s := ch.s
	if ch.state != Open {
		return ch.stateError(op)
	}
	if err := s.checkSize(op, int64(len(data))); err != nil {
		return err
	}
	before := ch.bufferedAmount()
	if before+len(data) > s.cfg.MaxBufferedAmount {
		ch.dropExpired()
		if before = ch.bufferedAmount(); before+len(data) > s.cfg.MaxBufferedAmount {
			return &OperationError{Op: op, Reason: fmt.Sprintf("%d bytes are buffered and at most %d may be", before, s.cfg.MaxBufferedAmount)}
		}
	}
	m := newOutgoing(data, isText)
	if ch.mustQueue() {
		ch.enqueue(m)
	} else if err := ch.transmit(m); errors.Is(err, sctp.ErrSendBufferFull) {
		ch.enqueue(m)
		s.standAside(err)
	} else if err != nil {
		return &OperationError{Op: op, Reason: err.Error(), Err: err}
	}
	ch.sum.sent(len(data))
	ch.rose(before, len(data))
	return nil
}

// enqueue keeps a copy of a message that Send took.
func (ch *Channel) enqueue(m outgoing) {
	if m.size > 0 {
		m.data = bytes.Clone(m.data)
	}
	if ch.kind.LimitsLifetime() {
		// "This lifetime starts when providing the user message to the protocol
		// stack", RFC 8832, section 5.1: the wait here counts.
		m.expires = time.Now().Add(ch.lifetime())
	}
	ch.push(m)
}

// control sends a DCEP message, or queues it.
func (ch *Channel) control(data []byte) {
	m := outgoing{data: data, ppid: dcep.PPIDControl}
	if ch.mustQueue() || ch.transmit(m) != nil {
		ch.push(m)
	}
}

// mustQueue reports whether a message must wait for others.
func (ch *Channel) mustQueue() bool {
	return !ch.ready || ch.out.queue.len() > 0 || ch.out.open || ch.s.blocked.len() > 0 || ch.held()
}

// lifetime is when a message is dead. It is alive during all of its lifetime,
// which is in whole milliseconds and may be 0.
func (ch *Channel) lifetime() time.Duration {
	return (time.Duration(ch.reliability) + 1) * time.Millisecond
}

// withdraw takes back the message with the receipt, unless it is sent already or never
// will be.
func (ch *Channel) withdraw(r *receipt) bool {
	ch.s.lock()
	defer ch.s.unlock()
	i := ch.out.find(r)
	if i < 0 {
		return false
	}
	ch.dropQueued(i)
	ch.s.flush() // it may have kept smaller ones waiting
	return true
}

// startWrite hands the message over, or queues it and returns a receipt.
func (ch *Channel) startWrite(op string, data []byte, isText bool) (r *receipt, err error) {
	s := ch.s
	s.lock()
	defer s.unlock()
	if ch.state >= Closing {
		return nil, ch.stateError(op)
	}
	if isText && !utf8.Valid(data) {
		return nil, &TypeError{op, "the text is not UTF-8"}
	}
	if s.conn != nil { // else the size is checked when the peer's limit is known
		if err := s.checkSize(op, int64(len(data))); err != nil {
			return nil, err
		}
	}
	before := 0
	if ch.face.onLow != nil {
		before = ch.bufferedAmount()
	}
	m := newOutgoing(data, isText)
	if ch.mustQueue() {
		r = ch.out.newReceipt()
	} else if err = ch.transmit(m); errors.Is(err, sctp.ErrSendBufferFull) {
		r = ch.out.newReceipt()
	} else if err != nil {
		return nil, &OperationError{Op: op, Reason: err.Error(), Err: err}
	}
	if m.receipt = r; r != nil {
		ch.push(m)
		s.standAside(err)
	} else {
		ch.sum.sent(len(data))
	}
	ch.rose(before, len(data))
	return r, nil
}

// push queues a message because the association had no room, or because others
// wait for it already; in both cases EventWritable will follow.
func (ch *Channel) push(m outgoing) {
	ch.out.queue.push(m)
	ch.out.buffer.queued += m.size
	if ch.ready && !ch.heldUp() {
		ch.block()
	}
}

// block puts the channel in the row of those that wait for room, or beside it.
func (ch *Channel) block() {
	switch {
	case ch.out.blocked:
		return
	case ch.held():
		ch.s.aside = append(ch.s.aside, ch)
	default:
		ch.s.blocked.push(ch)
	}
	ch.out.blocked = true
}

// standAside sees to it that a message that was refused with err and queued holds up no
// other channel while it waits for another large one.
func (s *Session) standAside(err error) {
	if errors.Is(err, sctp.ErrLargeMessagePending) {
		s.flush()
	}
}

// flush hands over what waits, a message of each channel in turn, until the
// association has no room. The message that is refused stays the next one, so
// that a large one is not starved by small ones; only while another large one, or one in parts
// that holds up all, is being sent it stands aside.
func (s *Session) flush() {
	s.blocked.pushFront(s.aside...)
	s.aside = nil
	for s.blocked.len() > 0 {
		ch := *s.blocked.front()
		if ch.held() {
			s.aside = append(s.aside, s.blocked.pop())
			continue
		}
		more, err := ch.flushOne()
		switch {
		case err == nil:
		case errors.Is(err, sctp.ErrLargeMessagePending):
			s.aside = append(s.aside, s.blocked.pop())
			continue
		case errors.Is(err, sctp.ErrSendBufferFull):
			return // EventWritable follows
		case errors.Is(err, sctp.ErrClosed), errors.Is(err, sctp.ErrShuttingDown), errors.Is(err, sctp.ErrNotConnected):
			return // the association is ending
		default:
			more = false
		}
		s.blocked.pop()
		ch.out.blocked = false
		if more {
			ch.block()
		}
		if err != nil {
			ch.fail(channelError("sending", err))
		}
		ch.resetWhenSent()
	}
}

// flushOne hands over the oldest message, and reports whether there are others.
func (ch *Channel) flushOne() (more bool, err error) {
	ch.dropExpired()
	q := &ch.out.queue
	if q.len() == 0 || ch.heldUp() {
		return false, nil
	}
	m := *q.front()
	if m.receipt != nil {
		if err := ch.s.checkSize("WriteMessage", int64(m.size)); err != nil {
			m.receipt.outcome <- err
			ch.dropQueued(0)
			return q.len() > 0, nil
		}
	}
	if err := ch.transmit(m); m.receipt != nil && errors.Is(err, sctp.ErrTooManyOpen) {
		m.receipt.outcome <- &OperationError{Op: "Write", Reason: err.Error(), Err: err}
		ch.dropQueued(0)
		return q.len() > 0, nil
	} else if err != nil {
		return true, err
	}
	if m.receipt != nil {
		ch.sum.sentPart(m.part, m.size)
		m.receipt.outcome <- nil
	}
	ch.dropQueued(0)
	return q.len() > 0, nil
}

// dropExpired removes the messages whose lifetime ended in the queue. Those of a
// channel have the same lifetime, so they expire in order.
func (ch *Channel) dropExpired() {
	q := &ch.out.queue
	for q.len() > 0 && !q.front().expires.IsZero() && !time.Now().Before(q.front().expires) {
		ch.dropQueued(0)
	}
}

// dropQueued removes message i of the queue.
func (ch *Channel) dropQueued(i int) {
	ch.out.buffer.queued -= ch.out.queue.remove(i).size
	ch.checkLow()
}

// dropWaiting removes the messages of waiting WriteMessages from the queue; they get
// err.
func (ch *Channel) dropWaiting(err error) {
	q := &ch.out.queue
	for i := 0; i < q.len(); {
		if q.at(i).receipt == nil {
			i++
			continue
		}
		m := q.remove(i)
		ch.out.buffer.queued -= m.size
		m.receipt.outcome <- err
	}
}

// dropQueue removes all messages of the queue. Those that Send took stay in the buffered
// amount: nothing sends them any more, and it does not fall because of that.
func (ch *Channel) dropQueue(err error) {
	ch.dropWaiting(err)
	ch.freeze()
	for q := &ch.out.queue; q.len() > 0; {
		ch.out.buffer.queued -= q.pop().size
	}
}

// transmit hands one message to the association, which copies it.
func (ch *Channel) transmit(m outgoing) error {
	if m.part != wholeMessage {
		return ch.transmitPart(m)
	}
	msg := sctp.Message{Stream: ch.st.id, PPID: m.ppid, Payload: m.data}
	if m.ppid != dcep.PPIDControl {
		// "before the DATA_CHANNEL_ACK message or any other message has been
		// received on a data channel, all other messages containing user data and
		// belonging to this data channel MUST be sent ordered", RFC 8832, section
		// 6; their reliability is the channel's from the start.
		msg.Unordered = ch.kind.Unordered() && ch.confirmed
		msg.Reliability = ch.messageReliability(m)
	}
	if err := ch.s.conn.TryWriteMessage(msg); err != nil {
		return err
	}
	ch.out.buffer.handed(len(m.data), m.size)
	return nil
}

func (ch *Channel) messageReliability(m outgoing) sctp.Reliability {
	switch {
	case ch.kind.LimitsRetransmits():
		return sctp.Reliability{LimitRetransmits: true, MaxRetransmits: ch.reliability}
	case ch.kind.LimitsLifetime():
		lifetime := ch.lifetime()
		if !m.expires.IsZero() {
			lifetime = time.Until(m.expires)
		}
		return sctp.Reliability{LimitLifetime: true, Lifetime: max(0, lifetime)}
	}
	return sctp.Reliability{}
}
