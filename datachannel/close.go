//go:build !js

package datachannel

// Close closes the channel and does not wait: messages already sent are still
// delivered, then the outgoing stream is reset, and when the peer has done
// likewise the channel is closed (RFC 8831, section 6.7). Messages not yet read
// are thrown away, and calls of WriteMessage that wait fail. A second Close does
// nothing. Close returns nil.
func (ch *Channel) Close() error {
	ch.s.lock()
	defer ch.s.unlock()
	ch.close()
	return nil
}

func (ch *Channel) close() {
	if ch.local {
		return
	}
	was := ch.state
	ch.local = true
	if ch.face.pending&evAnnounce != 0 { // the session closes before OnChannel was called
		ch.face.pending &^= evAnnounce
		ch.face.inOnChannel = false
		ch.s.announced(ch)
	}
	if was < Closing {
		// "skip if the channel is closing or closed": no open event any more.
		ch.face.pending &^= evOpen
		ch.leave(Closing)
		ch.dropWaiting(ch.stateError("WriteMessage"))
	}
	ch.discard()
	switch {
	case was >= Closing:
	case !ch.onWire():
		ch.forget()
		ch.setClosed()
	default:
		ch.flushLast()
	}
	ch.wake()
}

// flushLast goes on with closing after a message in parts, for which others waited, was
// given up.
func (ch *Channel) flushLast() {
	if (ch.out.queue.len() > 0 || ch.s.blocked.len() > 0) && ch.s.connected {
		ch.s.flush()
	}
	ch.resetWhenSent()
}

// onWire reports whether the peer may know of the channel, or has to for the sake of messages that
// wait behind its OPEN.
func (ch *Channel) onWire() bool {
	return ch.incoming || ch.negotiated && ch.ready || ch.out.buffer.accepted > 0 || ch.ready && ch.out.queue.len() > 1
}

// forget removes a channel of which the peer does not know.
func (ch *Channel) forget() {
	ch.dropQueue(ch.stateError("WriteMessage"))
	if ch.st != nil {
		ch.s.removeStream(ch.st)
		ch.st.ended = true
		if ch.s.connected {
			ch.s.keepEarly(ch.st.id, ch.st.resets)
			ch.s.pump(ch.st.id)
		}
		return
	}
	for i, w := range ch.s.waiting {
		if w == ch {
			ch.s.waiting = append(ch.s.waiting[:i:i], ch.s.waiting[i+1:]...)
			return
		}
	}
}

// discard throws away what came in for the channel, and what will come.
func (ch *Channel) discard() {
	if ch.st != nil && !ch.st.discard {
		ch.st.discard = true
		ch.forgetKept()
		ch.s.setBuf(ch.st, nil)
		if ch.s.connected {
			ch.s.pump(ch.st.id)
		}
	}
}

// leave takes the channel to a later state.
func (ch *Channel) leave(next ReadyState) {
	if ch.state == Open {
		ch.s.counts.closed++
		if !ch.incoming {
			ch.s.marking.change(ch.priority, -1)
		}
	}
	if ch.entered(next); next >= Closing {
		ch.cancelParts()
	}
}

// peerClosed acts on a reset of the peer's stream: the channel is closing from
// then on, whether or not everything before the reset has been read, and this
// side resets its stream. Before the peer acknowledged the channel, the reset
// says that it does not want it (RFC 8832, section 6).
func (ch *Channel) peerClosed() {
	switch {
	case ch.face.inOnChannel:
		return // until it returns
	case ch.state < Closing && !ch.confirmed:
		ch.fail(channelError("the peer refused the channel", nil))
	case ch.state == Open:
		ch.leave(Closing)
		ch.raise(evClosing)
		ch.flushLast()
	}
	ch.finish()
	ch.wake()
}

// resetWhenSent goes on with closing when all messages are in the association,
// which delivers them before it resets the stream.
func (ch *Channel) resetWhenSent() {
	if ch.state >= Closing && ch.out.queue.len() == 0 && ch.st != nil && ch.s.streams[ch.st.id] == ch.st {
		ch.s.reset(ch.st)
	}
}

// wasAnnounced lets happen what OnChannel held up.
func (ch *Channel) wasAnnounced() {
	ch.face.inOnChannel = false
	ch.s.announced(ch)
	if ch.st.ended || ch.st.resets > 0 {
		ch.peerClosed()
	}
	ch.finish()
}

// finish closes the channel if both directions are reset, or the association has ended. While
// the application is yet to hear that the channel is closing, it stays so.
func (ch *Channel) finish() {
	if ch.state != Closing || ch.face.inOnChannel || ch.tellsClosing() || ch.face.inClosing {
		return
	}
	st := ch.st
	if err, held := ch.s.ending[ch]; held {
		delete(ch.s.ending, ch)
		ch.endNow(err)
	} else if st.out == outStuck || st.out == outDone && (st.ended || st.resets > 0) {
		ch.setClosed()
	}
}

// hold keeps a channel that has lost its stream or its association closing until the
// application has heard of it, and then ends it with the error.
func (ch *Channel) hold(err *RTCError) {
	if ch.s.ending == nil {
		ch.s.ending = make(map[*Channel]*RTCError)
	}
	ch.s.ending[ch] = err
	ch.freeze()
}

// tellsClosing reports whether the application is about to hear that the channel is closing.
func (ch *Channel) tellsClosing() bool {
	return ch.due()&evClosing != 0
}

// setClosed is the last transition.
func (ch *Channel) setClosed() {
	ch.freeze()
	ch.leave(Closed)
	ch.raise(evClose)
	ch.wake()
}

// setError makes err the error of the channel, unless it has one.
func (ch *Channel) setError(err *RTCError) {
	if ch.failure == nil {
		ch.failure = err
		ch.raise(evError)
	}
}

// fail closes the channel with an error. One that was not open yet is closed at
// once, with no closing event, while its stream is still being reset.
func (ch *Channel) fail(err *RTCError) {
	if ch.state >= Closing { // what was left to read is not acceptable
		if !ch.local && ch.failure == nil {
			ch.failure = err
		}
		ch.discard()
		return
	}
	was, held := ch.state, ch.s.holder == ch
	ch.s.cfg.Logger.Debug("data channel failed", "label", ch.label, "error", err)
	ch.setError(err)
	ch.leave(Closing)
	ch.dropQueue(err)
	switch {
	case !ch.onWire():
		ch.forget()
		ch.setClosed()
		return
	case was == Connecting:
		ch.setClosed()
	default:
		ch.raise(evClosing)
	}
	if held {
		ch.s.flush()
	}
	ch.resetWhenSent()
	ch.discard()
	ch.wake()
}
