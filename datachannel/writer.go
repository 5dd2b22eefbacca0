package datachannel

import "context"

// A MessageWriter writes one message bit by bit, so that a message of any size needs little
// memory: what is written is sent, and Close ends the message. It is for one
// goroutine at a time.
//
// Until then other messages of the channel wait, and with a peer that does not know
// interleaving (RFC 8260; Go programs do, browsers do not) those of all channels: end soon what
// has become larger than 64 KiB, or half of sctp.Config.SendBuffer if that is less, of which nothing is
// sent before. A message that fails is
// given up, and the peer forgets what it has of it; the channel goes on.
type MessageWriter struct {
	ch    *Channel
	ctx   context.Context
	text  bool
	buf   []byte // written and not handed over yet
	n     int64  // bytes written
	begun bool   // a part was handed over
	err   error  // why there is nothing more to write
}

// NextWriter returns a writer of a message, which belongs behind those that were sent before its
// first part is written, or Close is called. All that it waits for ends when ctx is done. On a
// channel that may lose messages everything is kept until Close, as messages that are given up
// on the way must be whole.
func (ch *Channel) NextWriter(ctx context.Context, isText bool) (*MessageWriter, error) {
	ch.s.lock()
	defer ch.s.unlock()
	if ch.state >= Closing {
		return nil, ch.stateError("NextWriter")
	}
	return &MessageWriter{ch: ch, ctx: ctx, text: isText}, nil
}

// Write adds bytes to the message, and waits for room as WriteMessage does, whose errors it
// returns: a *TypeError if the message gets larger than the peer accepts, or is text and not
// UTF-8. After an error the message cannot be ended any more; Close gives it up.
func (w *MessageWriter) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if err := w.ch.checkGrowth(w.n, len(p)); err != nil {
		w.err = err
		return 0, err
	}
	n, w.err = w.take(p)
	return n, w.err
}

// Close ends the message, which is sent then as a whole; with an error of before, which it returns,
// the message is given up instead.
func (w *MessageWriter) Close() error {
	err := w.err
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		w.Abort()
		return err
	}
	w.end()
	return nil
}

// Abort gives up the message, unless Close has ended it.
func (w *MessageWriter) Abort() {
	w.giveUp()
	w.end()
}

func (w *MessageWriter) end() {
	w.begun, w.buf = false, nil
	w.err = &InvalidStateError{"Write", "the message has ended", true}
}
