//go:build !js

package datachannel

import (
	"errors"

	"github.com/sluice-rtc/sluice/sctp"
)

// A stream is one use of an identifier: the outgoing and the incoming stream of
// a channel, or of one that was refused. The identifier is free again when both
// have been reset (RFC 8831, section 6.7), which for the incoming one means that
// io.EOF was read: what comes after belongs to the next use.
type stream struct {
	id uint16
	ch *Channel // nil: refused

	out   outState
	ended bool // nothing more comes on the incoming stream: io.EOF was read, or the association is over
	// resets is how many incoming resets were reported less how many were read.
	// Positive: what can be read ends with io.EOF. Negative: the reading was
	// ahead of the report.
	resets  int
	discard bool // what comes in is thrown away

	buf   []byte // beginning of the user message being received
	parts bool   // the association hands over messages as they come in

	threshold int // what the association knows as the stream's low threshold
}

// outState is how far the reset of the outgoing stream is.
type outState uint8

const (
	outOpen      outState = iota
	outRequested          // as soon as all messages are delivered
	outDone
	outStuck // the peer refused, or cannot: the identifier stays in use
)

// attachment is what ties a channel to its association.
type attachment struct {
	st        *stream // nil until the identifier is known
	ready     bool    // messages can be handed to the association
	confirmed bool    // the peer has the channel: it sent a message on it
	kept      kept    // pieces.go
}

func (ch *Channel) id() (uint16, bool) {
	if ch.st == nil {
		return 0, false
	}
	return ch.st.id, true
}

// addStream takes the identifier into use.
func (s *Session) addStream(id uint16, ch *Channel) *stream {
	if s.streams == nil {
		s.streams = make(map[uint16]*stream)
	}
	st := &stream{id: id, ch: ch, resets: s.recv.early[id]}
	delete(s.recv.early, id)
	s.streams[id] = st
	s.ids.add(id)
	s.unreset++
	return st
}

// setOut is a step of the reset of the outgoing stream.
func (s *Session) setOut(st *stream, to outState) {
	if st.out < outDone && to >= outDone {
		s.unreset--
	}
	st.out = to
}

// removeStream ends the use of the identifier.
func (s *Session) removeStream(st *stream) {
	s.setOut(st, outDone)
	delete(s.streams, st.id)
	s.ids.remove(st.id)
	if ch := st.ch; ch != nil {
		ch.freeze()
		if ch.incoming {
			s.incoming.named -= ch.nameBytes()
		}
	}
}

// release frees the identifier if both streams are reset, and looks at what the
// peer sent on it since.
func (s *Session) release(st *stream) {
	if !st.ended || st.out != outDone || s.streams[st.id] != st {
		return
	}
	s.removeStream(st)
	if st.ch != nil && st.ch.state < Closed { // open: OnChannel has not returned
		st.ch.hold(nil)
	}
	if st.threshold != 0 {
		s.conn.SetBufferedAmountLowThreshold(st.id, 0)
	}
	if st.parts {
		s.conn.DeliverParts(st.id, false)
	}
	s.keepEarly(st.id, st.resets)
	s.pump(st.id)
}

// reset asks for the reset of the outgoing stream, once.
func (s *Session) reset(st *stream) {
	if st.out != outOpen {
		return
	}
	s.setOut(st, outRequested)
	switch err := s.conn.ResetStreams(st.id); {
	case err == nil, errors.Is(err, sctp.ErrResetPending):
	case errors.Is(err, sctp.ErrClosed), errors.Is(err, sctp.ErrShuttingDown), errors.Is(err, sctp.ErrNotConnected):
		// The association is ending, and the channel with it.
	default:
		s.stuck(st, err)
	}
}

func (s *Session) onResetDone(id uint16) {
	st := s.streams[id]
	if st == nil || st.out != outRequested {
		return
	}
	s.setOut(st, outDone)
	if st.ch != nil {
		st.ch.finish()
	}
	s.release(st)
	s.checkFlushed()
}

func (s *Session) onResetFailed(id uint16, err error) {
	if st := s.streams[id]; st != nil && st.out == outRequested {
		s.stuck(st, err)
	}
}

// stuck ends a channel whose stream cannot be reset.
func (s *Session) stuck(st *stream, err error) {
	s.setOut(st, outStuck)
	if st.ch != nil && st.ch.state == Closing {
		st.ch.setError(channelError("the peer does not reset the stream", err))
		st.ch.finish()
	}
	s.checkFlushed()
}

// onResetAsked: the peer asked the association to reset our outgoing stream, which
// closes the channel as if the peer had closed it. What was not handed over yet is
// not sent any more.
func (s *Session) onResetAsked(id uint16) {
	st := s.streams[id]
	if st == nil || st.out != outOpen {
		return
	}
	s.setOut(st, outRequested)
	if ch := st.ch; ch != nil {
		ch.dropQueue(channelError("the peer closed the channel", nil))
		ch.peerClosed()
	}
}

// onPeerReset: the peer reset its outgoing stream. What it sent before can still
// be read. The report may come after that was done.
func (s *Session) onPeerReset(id uint16) {
	st := s.streams[id]
	if st == nil {
		s.keepEarly(id, s.recv.early[id]+1)
		s.pump(id)
		return
	}
	st.resets++
	s.pump(id)
	if st.resets > 0 && !st.ended && st.ch != nil {
		st.ch.peerClosed()
	}
}

// onEOF: everything that the peer sent before its reset was read.
func (s *Session) onEOF(st *stream) {
	st.resets--
	st.ended = true
	s.setBuf(st, nil)
	s.dropPartial(st.id)
	if st.ch != nil {
		st.ch.peerClosed()
	} else {
		s.reset(st)
	}
	s.release(st)
}

// refuse closes a stream that carries no channel: it is reset, and what comes in
// is thrown away until the peer resets its side.
func (s *Session) refuse(id uint16) *stream {
	s.counts.refused++
	s.cfg.Logger.Debug("data channel stream refused", "stream", id)
	st := s.addStream(id, nil)
	st.discard = true
	s.reset(st)
	return st
}
