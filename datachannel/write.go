package datachannel

import (
	"context"
	"fmt"
	"os"
)

// This file is writing that waits, whatever the messages go through.

// WriteMessage sends a message and waits until the association has room for it:
// data may be used again when it returns. On a channel that is still connecting
// it waits until the channel's OPEN is sent, but not for the peer to acknowledge
// it (RFC 8832, section 6). If ctx ends first, the message is not sent. Other
// errors are those of Send, except that nothing limits the buffered amount.
func (ch *Channel) WriteMessage(ctx context.Context, data []byte, isText bool) error {
	return ch.write("WriteMessage", data, isText, cancelWith(ctx))
}

// canceler ends a wait, when ended is closed.
type canceler struct {
	ended <-chan struct{}
	ctx   context.Context // whose channel that is; nil for a deadline's
}

func cancelWith(ctx context.Context) canceler { return canceler{ctx.Done(), ctx} }

func (c canceler) err() error {
	if c.ctx != nil {
		return c.ctx.Err()
	}
	return os.ErrDeadlineExceeded
}

func (c canceler) canceled() error {
	select {
	case <-c.ended:
		return c.err()
	default:
		return nil
	}
}

func (ch *Channel) write(op string, data []byte, isText bool, c canceler) error {
	if err := c.canceled(); err != nil {
		return err
	}
	r, err := ch.startWrite(op, data, isText)
	return ch.awaitReceipt(r, err, c)
}

// awaitReceipt waits for what becomes of a message that was queued.
func (ch *Channel) awaitReceipt(r *receipt, err error, c canceler) error {
	if r == nil || err != nil {
		return err
	}
	select {
	case err = <-r.outcome:
	case <-c.ended:
		if ch.withdraw(r) {
			return c.err()
		}
		err = <-r.outcome
	}
	ch.out.spare.Store(r)
	return err
}

// A receipt tells a WriteMessage that waits what has become of its message.
type receipt struct{ outcome chan error } // gets one value

// newReceipt returns one without outcome.
func (o *sender) newReceipt() *receipt {
	if r := o.spare.Swap(nil); r != nil {
		return r
	}
	return &receipt{make(chan error, 1)}
}

// find returns the index of the message whose receipt it is, or -1.
func (o *sender) find(r *receipt) int {
	for i := range o.queue.len() {
		if o.queue.at(i).receipt == r {
			return i
		}
	}
	return -1
}

func (s *Session) checkSize(op string, n int64) error {
	if s.remoteMax > 0 && n > s.remoteMax {
		return &TypeError{op, fmt.Sprintf("the message has %d bytes, and the peer accepts %d", n, s.remoteMax)}
	}
	return nil
}
