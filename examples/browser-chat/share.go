//go:build !js

package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

const (
	callTimeout    = 15 * time.Second // for the sender to open its channel
	verdictTimeout = 30 * time.Second // for the receipt after the last byte
	maxShares      = 64               // on offer in the room
)

// share is a file on offer. The room keeps no byte of it: when somebody takes
// it, the owner is called to send, and what it sends passes through to those
// who accepted before it began. Who accepts later waits for the next run.
type share struct {
	info    *file // the same object as in the history
	owner   *member
	waiting []*taker    // accepted and not yet served
	calling *time.Timer // runs from the call to the owner's channel
	running bool        // bytes are passing through
}

// taker is one member receiving one file.
type taker struct {
	share  *share
	link   *link
	pipe   pipe
	ctx    context.Context // done when this transfer is over
	cancel context.CancelCauseFunc
	window *window
}

var (
	errStopped  = errors.New("the receiver stopped")
	errFinished = errors.New("finished")
)

// offer puts a file on offer; called with mu held.
func (r *room) offer(l *link, q request) {
	held := 0
	for _, s := range r.shares {
		if s.owner == l.who {
			held++
		}
	}
	switch {
	case q.Size > r.cfg.MaxFile:
		l.complain("size", "The file is larger than this room allows.", q.Ref)
	case held >= maxHeld:
		l.complain("held", "You offer too many files already. Withdraw one first.", q.Ref)
	case len(r.shares) >= maxShares:
		l.complain("held", "The room offers too many files already.", q.Ref)
	default:
		r.files++
		s := &share{owner: l.who, info: &file{ID: "f" + strconv.Itoa(r.files), Name: q.Name, Size: q.Size}}
		r.shares[s.info.ID] = s
		r.say(l.who, entry{Kind: "file", Ref: q.Ref, File: s.info})
	}
}

// keepShares withdraws the files of m whose ids are not listed; called with
// mu held.
func (r *room) keepShares(m *member, ids []string) {
	for _, s := range r.shares {
		if s.owner == m && !slices.Contains(ids, s.info.ID) {
			r.withdraw(s)
		}
	}
}

func (r *room) withdraw(s *share) {
	delete(r.shares, s.info.ID)
	r.history.gone(s.info.ID)
	if s.calling != nil {
		s.calling.Stop()
		s.calling = nil
	}
	s.turnAway("The file is no longer on offer.")
	r.broadcast(encode(event{Type: "gone", FileID: s.info.ID}))
}

// attachFile takes a channel "file:ID": of the owner it is the way in, of
// anybody else a way out. Called with mu held.
func (r *room) attachFile(l *link, id string, p pipe) {
	s := r.shares[id]
	switch {
	case l.who == nil:
		p.Close()
	case s == nil:
		l.refuse(p, "The file is no longer on offer.")
	case s.owner == l.who && s.calling == nil:
		l.refuse(p, "Nobody asked for the file.")
	case s.owner == l.who:
		s.calling.Stop()
		s.calling = nil
		s.running = true
		takers := s.waiting
		s.waiting = nil
		l.wg.Go(func() { r.relay(l, s, p, takers) })
	case l.takes >= maxTakes:
		l.refuse(p, "You receive too many files at once. Wait for one to finish.")
	default:
		l.takes++
		t := &taker{share: s, link: l, pipe: p, window: newWindow()}
		t.ctx, t.cancel = context.WithCancelCause(l.ctx)
		s.waiting = append(s.waiting, t)
		l.wg.Go(t.listen)
		r.call(s)
	}
}

// call asks the owner to send, if somebody waits and nothing runs; called
// with mu held.
func (r *room) call(s *share) {
	if s.running || s.calling != nil || len(s.waiting) == 0 {
		return
	}
	if s.owner.link == nil {
		s.turnAway("The sender's connection is lost. Try again in a moment.")
		return
	}
	s.owner.link.send(encode(event{Type: "send", FileID: s.info.ID}))
	var timer *time.Timer
	timer = time.AfterFunc(callTimeout, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if s.calling == timer {
			s.calling = nil
			s.turnAway("The sender does not answer.")
		}
	})
	s.calling = timer
}

// turnAway ends the transfers that have not begun; called with mu held.
func (s *share) turnAway(reason string) {
	for _, t := range s.waiting {
		t.cancel(errors.New(reason))
	}
	s.waiting = nil
}

// refuse closes a file channel with a reason.
func (l *link) refuse(p pipe, reason string) {
	l.wg.Go(func() { abortPipe(l.ctx, p, reason) })
}

// relay passes one run of a file from its owner to the takers. The slowest of
// them sets the pace; one that stops or stalls is dropped. It holds one
// message at a time; what is on its way is bounded by fileWindow at each end.
func (r *room) relay(l *link, s *share, in pipe, takers []*taker) {
	takers, err := pump(l.ctx, in, s.info.Size, takers)
	for _, t := range takers {
		if err != nil {
			t.cancel(err)
		} else {
			time.AfterFunc(verdictTimeout, func() { t.cancel(errStopped) })
		}
	}
	r.mu.Lock()
	s.running = false
	r.call(s)
	r.mu.Unlock()
	if err != nil {
		abortPipe(l.ctx, in, sentence(err))
	} else {
		in.Close()
	}
}

// pump returns the takers that are left. The error says for them and for the
// owner why the file is not complete.
func pump(ctx context.Context, in pipe, size int64, takers []*taker) ([]*taker, error) {
	var received, acked int64
	for {
		b, isText, err := readWithin(ctx, stallTimeout, in)
		if err != nil {
			return takers, errors.New("the sender stopped")
		}
		if isText {
			switch c, err := parseFileControl(b); {
			case err != nil:
				return takers, err
			case c.Abort != "":
				return takers, errors.New(c.Abort)
			case c.End == nil || c.End.Size != size || received != size:
				return takers, errors.New("the file on the sender's side has changed")
			}
		} else if received += int64(len(b)); len(b) > maxChunk || received > size {
			return takers, errors.New("the file on the sender's side has changed")
		}
		takers = slices.DeleteFunc(takers, func(t *taker) bool {
			err := t.write(b, isText)
			if err != nil {
				t.cancel(err)
			}
			return err != nil
		})
		if len(takers) == 0 {
			return nil, errors.New("nobody receives the file any more")
		}
		if received-acked >= fileAck || isText {
			acked = received
			if err := writeWithin(ctx, stallTimeout, in, encode(fileControl{Ack: acked}), true); err != nil && !isText {
				return takers, errors.New("the sender stopped")
			}
		}
		if isText {
			return takers, nil
		}
	}
}

// write passes a message on, once the receiver has consumed enough.
func (t *taker) write(b []byte, isText bool) error {
	ctx, cancel := context.WithTimeoutCause(t.ctx, stallTimeout, errStalled)
	defer cancel()
	if !isText {
		if err := t.window.reserve(ctx, len(b)); err != nil {
			return err
		}
	}
	if err := t.pipe.WriteMessage(ctx, b, isText); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return errStopped
	}
	return nil
}

// listen reads what the receiver says and ends the transfer.
func (t *taker) listen() {
	verdict := fileVerdict{}
	err := t.readControl(&verdict)
	if cause := context.Cause(t.ctx); cause != nil && t.link.ctx.Err() == nil {
		err = cause // the reason of whoever ended it, not that reading failed
	}
	t.cancel(err)
	if err != errFinished {
		abortPipe(t.link.ctx, t.pipe, sentence(err))
		verdict = fileVerdict{Note: sentence(err)}
	}
	t.pipe.Close()

	r, s := t.link.room, t.share
	r.mu.Lock()
	defer r.mu.Unlock()
	t.link.takes--
	s.waiting = slices.DeleteFunc(s.waiting, func(w *taker) bool { return w == t })
	if s.owner.link != nil {
		s.owner.link.send(encode(event{Type: "receipt", Receipt: &receipt{
			File: s.info.ID, Nick: t.link.who.nick, OK: verdict.OK, SHA256: verdict.SHA256, Note: verdict.Note}}))
	}
}

// readControl returns errFinished after a receipt, or why there is none.
func (t *taker) readControl(verdict *fileVerdict) error {
	for {
		b, isText, err := t.pipe.ReadMessage(t.ctx)
		if err != nil {
			return errStopped
		}
		c, err := parseFileControl(b)
		switch {
		case err != nil:
			return err
		case !isText:
			return errProtocol
		case c.Abort != "":
			return errStopped
		case c.Receipt != nil:
			*verdict = *c.Receipt
			return errFinished
		}
		t.window.ack(c.Ack)
	}
}
