package datachannel

import (
	"context"
	"io"
)

// reading is the message that Read or a MessageReader has begun to read. It is read bit
// by bit out of the association, but for what was joined before.
type reading struct {
	on      bool   // there is one
	skip    bool   // nobody wants the rest
	aborted bool   // the rest will not come
	turn    uint64 // counts them, so that a MessageReader knows whether it is its own
	text    bool
	n       int64  // bytes of it that were taken out of the association
	data    []byte // the next bytes, already taken out
	whole   bool   // data ends the message
}

// A MessageReader reads one message while it arrives, so that a message of any size needs
// little memory: what is not read stays with the peer, as far as the receive window is full. It
// is for one goroutine at a time.
type MessageReader struct {
	ch   *Channel
	ctx  context.Context
	turn uint64
	text bool
	err  error // after the end
}

// NextReader waits for the next message and returns a reader of it; ctx is for reading the
// message, too. What was left unread of the message before is skipped. Errors are
// those of ReadMessage; text is not checked to be UTF-8.
//
// It is for channels without OnMessage. Of a message that is larger than Config.MaxMessageSize
// the beginning is read, before the channel fails.
func (ch *Channel) NextReader(ctx context.Context) (*MessageReader, error) {
	r := &MessageReader{ch: ch, ctx: ctx}
	err := ch.await("NextReader", cancelWith(ctx), func() error {
		ch.deliverParts()
		if err := ch.startReading(true); err != nil {
			return err
		}
		r.turn, r.text = ch.in.reading.turn, ch.in.reading.text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// IsText reports whether the message is text.
func (r *MessageReader) IsText() bool { return r.text }

// Read reads the next bytes of the message and waits for some if there are none yet. At the
// end of the message it returns io.EOF. If the rest will not come it returns io.ErrUnexpectedEOF when
// the channel or the association ended, with any other end that of ReadMessage, and an
// *OperationError when the peer gave up the message.
func (r *MessageReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = r.read(func() (end bool, err error) {
		n, end, err = r.ch.readInto(p)
		return end, err
	})
	if n > 0 { // an end is told by the next call
		err = nil
	}
	return n, err
}

// WriteTo writes what is left of the message to w, without a copy: each call of w.Write
// gets the bytes where they were received. As for any Writer, they may not be kept.
func (r *MessageReader) WriteTo(w io.Writer) (written int64, err error) {
	for r.err == nil {
		var b []byte
		var l loan
		err = r.read(func() (end bool, err error) {
			b, l, end, err = r.ch.borrow()
			return end, err
		})
		if len(b) > 0 {
			n, werr := w.Write(b)
			r.ch.giveBack(l)
			written += int64(n)
			if werr == nil && n < len(b) {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return written, werr
			}
		} else if err != nil {
			break
		}
	}
	if r.err == io.EOF {
		return written, nil
	}
	if err == nil {
		err = r.err
	}
	return written, err
}

// read waits for take to find some of the message, and notes its end.
func (r *MessageReader) read(take func() (end bool, err error)) error {
	if r.err != nil {
		return r.err
	}
	err := r.ch.await("Read", cancelWith(r.ctx), func() error {
		if cur := &r.ch.in.reading; !cur.on || cur.turn != r.turn || cur.skip {
			r.err = r.ch.lostMessage()
			return r.err
		}
		end, err := take()
		switch {
		case err == nil && end:
			r.err = io.EOF
		case err != nil && err != errNothing:
			r.err = err
		}
		return err
	})
	if err == nil && r.err == io.EOF {
		return io.EOF
	}
	return err
}

// lostMessage is what a MessageReader returns when the message is not there any more.
func (ch *Channel) lostMessage() error {
	if ch.state >= Closing {
		if err := ch.endOfMessages(); err != io.EOF {
			return err
		}
		return io.ErrUnexpectedEOF
	}
	return &InvalidStateError{Op: "Read", Reason: "another message is being read"}
}

// await calls take until it finds something, or c ends the wait.
func (ch *Channel) await(op string, c canceler, take func() error) error {
	if err := c.canceled(); err != nil {
		return err
	}
	for {
		ch.s.lock()
		wait, err := ch.mayRead(op, take)
		ch.s.unlock()
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-c.ended:
			return c.err()
		}
	}
}

// readJoined reads into p of what was taken out of the association before; false if the next
// of the message is not among that.
func (ch *Channel) readJoined(p []byte) (n int, end, ok bool) {
	cur := &ch.in.reading
	if len(cur.data) == 0 && !cur.whole {
		return 0, false, false
	}
	n = copy(p, cur.data)
	cur.data = cur.data[n:]
	if end = cur.whole && len(cur.data) == 0; end {
		ch.endReading()
	}
	return n, end, true
}
