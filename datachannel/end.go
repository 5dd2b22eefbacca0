//go:build !js

package datachannel

import (
	"context"
	"slices"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// Close ends the session gracefully, within Config.CloseTimeout: it closes the
// channels, and when their messages are delivered, the association. When the time
// is over it aborts. Close waits for that, and returns the error with which the
// association ended, if any.
func (s *Session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.CloseTimeout)
	defer cancel()
	conn := s.startClose()
	if conn == nil {
		return s.Err()
	}
	select {
	case <-s.flushed:
	case <-s.done:
	case <-ctx.Done():
	}
	err := conn.Shutdown(ctx)
	<-s.done
	return err
}

// startClose closes the channels. It returns nil if there is no association, or
// none that could end gracefully.
func (s *Session) startClose() *sctpnet.Conn {
	s.lock()
	defer s.unlock()
	if s.ended {
		return nil
	}
	if s.conn != nil && s.conn.State() == sctp.Established {
		s.onConnected() // that may not have been reported yet: with tokens it is so from the start
	}
	first := !s.closing
	s.closing = true
	for _, ch := range s.channels() {
		ch.close()
	}
	switch {
	case s.conn == nil:
		s.end(nil)
		return nil
	case !s.connected:
		s.conn.Abort("closed")
		s.end(nil)
		return nil
	}
	if first {
		s.incoming.accept = nil
		for len(s.incoming.deferred) > 0 {
			s.resumeOpen()
		}
		s.checkFlushed()
	}
	return s.conn
}

// checkFlushed lets Close go on when every stream is reset, or never will be.
func (s *Session) checkFlushed() {
	if !s.closing || s.ended || s.unreset > 0 {
		return
	}
	select {
	case <-s.flushed:
	default:
		close(s.flushed)
	}
}

// Abort ends the session at once, as closing an RTCPeerConnection does: all
// channels are closed; the peer is told the reason, and its channels end with an error.
// No event follows, not even of what had happened before, the end by the peer included:
// OnClose is not called. Err stays as it was, nil if the session had not ended.
func (s *Session) Abort(reason string) {
	s.lock()
	defer s.unlock()
	s.calls.silent = true
	for ch := range s.ending {
		ch.setClosed()
		ch.throwAway()
	}
	s.ending = nil
	if s.ended {
		return
	}
	for _, ch := range s.channels() {
		ch.local = true
		ch.end(nil)
		ch.throwAway()
	}
	if s.conn != nil {
		s.conn.Abort(reason)
	}
	s.finishEnd(nil)
	s.incoming.accept = nil
}

// throwAway has nobody read what came in.
func (ch *Channel) throwAway() {
	ch.forgetKept()
	if ch.st != nil {
		ch.st.discard = true
	}
}

// Fail ends a session that has no association and will not get one, because what
// it was to run over failed: the channels are closed with the error (W3C
// webrtc-pc: "data-channel-failure"). On a session that was started it is for an end
// by signalling: the association is aborted, and the channels close without an error, as
// what this side wants is no failure. Unlike after Abort they say so.
func (s *Session) Fail(err error) {
	s.lock()
	defer s.unlock()
	if s.ended {
		return
	}
	if s.conn != nil {
		s.end(nil)
		s.conn.Abort(err.Error())
		return
	}
	for _, ch := range s.channels() {
		ch.end(channelError("no transport", err))
	}
	s.finishEnd(err)
}

// end is the end of the association: gracefully, or with an error, which then
// comes before the close event of each channel. Messages received before can
// still be read.
func (s *Session) end(err error) {
	var failure *RTCError
	if err != nil {
		failure = associationError(err)
	}
	for _, ch := range s.channels() {
		ch.end(failure)
	}
	s.finishEnd(err)
}

func (s *Session) finishEnd(err error) {
	s.ended = true
	s.err = err
	s.streams, s.waiting, s.blocked, s.aside = nil, nil, fifo[*Channel]{}, nil
	s.recv.early, s.recv.partials = nil, nil
	s.incoming.deferred = nil
	s.raise(sessionClosed)
	s.incoming.acceptable.set()
	close(s.done)
}

// end closes the channel because the association is gone.
func (ch *Channel) end(err *RTCError) {
	ch.dropQueue(&InvalidStateError{"WriteMessage", "the association ended", true})
	if ch.state == Closed {
		ch.readToEnd()
		ch.wake()
		return
	}
	ch.readToEnd()
	if ch.tellsClosing() { // closing was first, and is told first
		ch.hold(err)
		return
	}
	ch.endNow(err)
}

func (ch *Channel) endNow(err *RTCError) {
	if err != nil && !ch.local {
		ch.setError(err)
	}
	ch.setClosed()
}

// readToEnd has readers look at the stream of an association that ended, for what
// is left of it and its end.
func (ch *Channel) readToEnd() {
	switch {
	case ch.st == nil:
	case ch.st.discard, ch.s.conn == nil: // or the association never was
		ch.st.ended = true
	default:
		ch.in.readable = true
		ch.schedule()
	}
}

// onShutdown: the peer is ending the association gracefully. Nothing can be sent
// any more; the channels close with the association.
func (s *Session) onShutdown() {
	s.shutdown = true
	for _, ch := range s.channels() {
		if ch.state < Closing {
			ch.leave(Closing)
			ch.raise(evClosing)
			ch.dropQueue(ch.stateError("WriteMessage"))
		}
	}
}

// onRestarted: the peer lost its state and started anew. Its channels are gone,
// and with them ours, which only the end of the association says plainly to both
// applications. (No peer does this within one DTLS connection.)
func (s *Session) onRestarted() { s.conn.Abort("the peer restarted the association") }

// channels returns those that are not done with, in the order of their
// identifiers, then those without one.
func (s *Session) channels() []*Channel {
	var all []*Channel
	for _, st := range s.streams {
		if st.ch != nil {
			all = append(all, st.ch)
		}
	}
	slices.SortFunc(all, func(a, b *Channel) int { return int(a.st.id) - int(b.st.id) })
	return append(all, s.waiting...)
}
