package sctpnet

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Interleaves reports whether messages are interleaved (RFC 8260), which is known when the
// association is established. Without it a message in parts holds up those of all streams, and
// what waits for its end takes room of the send buffer, without which it may not come to an end:
// send nothing on other streams meanwhile.
func (c *Conn) Interleaves() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assoc.Stats().Interleaving
}

// TrySendMore goes on, with a copy of payload, with a message that was begun with
// sctp.Message.More; see sctp.Association.SendMore, whose errors it returns.
func (c *Conn) TrySendMore(stream uint16, payload []byte, more bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.isOver:
		return c.life.err
	case c.life.closing:
		return errClosing
	}
	now := time.Now()
	err := c.explain(c.assoc.SendMore(now, stream, payload, more))
	c.settle(now, aCaller)
	return err
}

// CancelMessage gives up the message that was begun on the stream and has not ended; see
// sctp.Association.Cancel.
func (c *Conn) CancelMessage(stream uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.isOver {
		return
	}
	now := time.Now()
	c.assoc.Cancel(now, stream)
	c.settle(now, aCaller)
}

// TryBorrowMessage is TryReadMessage without a copy; see sctp.Association.Borrow. What
// it lends goes back with Return.
func (c *Conn) TryBorrowMessage(stream uint16) (sctp.Loan, sctp.MessageInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.closing:
		return sctp.Loan{}, sctp.MessageInfo{}, errClosing
	case c.hasNot(stream):
		return sctp.Loan{}, sctp.MessageInfo{}, sctp.ErrInvalidStream
	}
	l, info, err := c.assoc.Borrow(c.now, stream)
	if err == sctp.ErrWouldBlock {
		c.streams.unread.remove(stream)
	}
	c.settleRead(err)
	return l, info, c.explain(err)
}

// Return takes back, once, what TryBorrowMessage of this Conn lent.
func (c *Conn) Return(l sctp.Loan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assoc.Return(l)
}

// DeliverParts has messages of a stream read as they come in; see
// sctp.Association.DeliverParts.
func (c *Conn) DeliverParts(stream uint16, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.isOver {
		return
	}
	c.assoc.DeliverParts(stream, on)
	c.settle(time.Now(), aCaller)
}
