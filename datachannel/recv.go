//go:build !js

package datachannel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/sctp"
)

// receiver is the incoming side of a session. DCEP messages, and what has no
// channel to go to, are read as they come (pump); the messages of channels stay
// in the association until somebody wants them (receive).
type receiver struct {
	early    map[uint16]int    // stream.resets of identifiers not in use, if not 0
	partials map[uint16][]byte // beginnings of DCEP messages that come in pieces
	held     int               // bytes in partials
	pieces   int               // bytes in stream.buf of all streams
	scratch  [1024]byte        // for short messages, and for what is thrown away
}

// maxPartials bounds the beginnings of DCEP messages, in bytes. Only a receive
// buffer smaller than the OPENs on their way, or a peer that fills it with unfinished
// ones, makes the association deliver an OPEN in pieces.
const maxPartials = 1 << 20

// maxPieces bounds the beginnings of messages of all channels together, in bytes. Each
// channel may have one, as the peer may interleave them (RFC 8260, section 6).
func (s *Session) maxPieces() int { return max(64<<20, 2*s.cfg.MaxMessageSize) }

// maxJoined bounds a message that is taken as a whole.
func (s *Session) maxJoined() int {
	if s.cfg.MaxMessageSize < 0 {
		return s.maxPieces()
	}
	return s.cfg.MaxMessageSize
}

// setBuf keeps the beginning of a message.
func (s *Session) setBuf(st *stream, b []byte) {
	s.recv.pieces += len(b) - len(st.buf)
	st.buf = b
}

// pump reads what came in on a stream as far as it is not a message that waits
// for its channel's reader.
func (s *Session) pump(id uint16) {
	for !s.ended {
		st := s.streams[id]
		if st != nil && st.ended {
			return // the rest belongs to the next use of the identifier
		}
		info, err := s.conn.Peek(id)
		switch {
		case err == nil && st != nil && st.discard:
			if !s.read(id, st, s.recv.scratch[:]) {
				return
			}
		case err == nil && info.PPID == dcep.PPIDControl:
			if !s.readControl(id, st, info) {
				return
			}
		case err == nil && st == nil:
			// "receiving a message containing user data on an unused stream
			// indicates an error. In that case, the corresponding data channel
			// MUST be closed", RFC 8832, section 6.
			s.refuse(id)
		case err == nil:
			st.ch.confirm()
			st.ch.in.readable = true
			st.ch.keep()
			st.ch.readableNow()
			return
		default:
			// Reading says what it is: nothing, a reset, an abandoned message.
			if !s.read(id, st, nil) {
				return
			}
		}
	}
}

// read reads into dst what nobody wants, or what is no message. It reports whether
// there may be more.
func (s *Session) read(id uint16, st *stream, dst []byte) bool {
	_, _, err := s.conn.TryReadMessage(id, dst)
	return err == nil || s.onMark(id, st, err)
}

// onMark acts on an error of reading a stream, and reports whether there may be
// more to read.
func (s *Session) onMark(id uint16, st *stream, err error) bool {
	switch {
	case errors.Is(err, sctp.ErrMessageAborted):
		s.dropPartial(id)
		if st != nil {
			s.setBuf(st, nil)
			st.abortReading()
		}
	case errors.Is(err, io.EOF):
		if st == nil {
			// Nothing is known of the stream. The peer closes a channel that this
			// side does not have, and waits for the other direction (RFC 8831,
			// section 6.7).
			st = s.addStream(id, nil)
		}
		s.onEOF(st)
	default:
		return false
	}
	return true
}

// abortReading tells the reader of a message that the rest will not come.
func (st *stream) abortReading() {
	if ch := st.ch; ch != nil && ch.in.reading.on && !ch.in.reading.whole {
		ch.in.reading.aborted = true
		ch.readableNow()
	}
}

// keepEarly remembers resets of an identifier that is not in use.
func (s *Session) keepEarly(id uint16, resets int) {
	if resets == 0 {
		delete(s.recv.early, id)
		return
	}
	if s.recv.early == nil {
		s.recv.early = make(map[uint16]int)
	}
	s.recv.early[id] = resets
}

func (s *Session) dropPartial(id uint16) {
	if b, ok := s.recv.partials[id]; ok {
		s.recv.held -= len(b)
		delete(s.recv.partials, id)
	}
}

// readControl reads a DCEP message, or the piece of one that is there, and acts
// on it. It reports whether to go on reading the stream.
func (s *Session) readControl(id uint16, st *stream, info sctp.MessageInfo) bool {
	if st == nil && s.incoming.unannounced >= maxUnannounced && !s.closing {
		s.incoming.deferOpen(id)
		return false
	}
	msg := s.recv.partials[id]
	have := len(msg)
	if have == 0 && info.Complete && info.Size <= len(s.recv.scratch) {
		msg = s.recv.scratch[:]
	} else {
		msg = append(msg[:have:have], make([]byte, min(info.Size, dcep.MaxOpenLen+1))...)
	}
	n, info, err := s.conn.TryReadMessage(id, msg[have:])
	if err != nil {
		return s.onMark(id, st, err)
	}
	msg = msg[:have+n]
	s.dropPartial(id)
	switch {
	case len(msg) > dcep.MaxOpenLen, !info.Complete && s.recv.held+len(msg) > maxPartials:
		s.badControl(id, st, errors.New("the message is too long"))
	case info.Complete:
		s.onControl(id, st, msg, info)
	default:
		if s.recv.partials == nil {
			s.recv.partials = make(map[uint16][]byte)
		}
		s.recv.partials[id] = msg
		s.recv.held += len(msg)
	}
	return true
}

func (s *Session) onControl(id uint16, st *stream, msg []byte, info sctp.MessageInfo) {
	typ, err := dcep.Parse(msg)
	switch {
	case err != nil:
		s.badControl(id, st, err)
	case info.Unordered && typ == dcep.MessageOpen:
		// RFC 8832, section 6. An ACK is taken all the same: Chromium sends it
		// unordered on an unordered channel, and what it says cannot be mistaken.
		s.badControl(id, st, errors.New("it is unordered"))
	case typ == dcep.MessageOpen && st == nil:
		s.onOpen(id, msg)
	case typ == dcep.MessageAck && st != nil:
		st.ch.confirm()
	default: // OPEN on a used stream, ACK on an unused one
		s.badControl(id, st, errors.New("no "+typ.String()+" belongs on this stream"))
	}
}

// badControl closes the channel, or the unused stream, on which a DCEP message
// came that does not belong there. A channel that is being closed has seen worse.
func (s *Session) badControl(id uint16, st *stream, err error) {
	if st == nil {
		s.refuse(id)
	} else {
		st.ch.fail(channelError("DCEP message of the peer", err))
	}
}

// receive takes the next message of the application: what is left of one that was begun,
// else one of the read buffer or out of the association, into dst if it fits. It returns
// errNothing if there is none, and the reason if there will never be one: io.EOF if the
// peer closed the channel.
func (ch *Channel) receive(dst []byte) (Message, error) {
	if err := ch.joinRest(); err != nil {
		return Message{}, err
	}
	if cur := &ch.in.reading; cur.on {
		m := Message{Data: cur.data, IsText: cur.text}
		*cur = reading{turn: cur.turn}
		return m, nil
	}
	if m, ok := ch.unkeep(); ok {
		return m.into(dst), nil
	}
	for {
		info, err := ch.nextPiece()
		if err != nil {
			return Message{}, err
		}
		if m, whole := ch.receivePiece(info, dst); whole {
			ch.sum.received(len(m.Data))
			ch.keep()
			return m, nil
		}
	}
}

// joinRest makes a message that is being read, but not to be skipped, one of which
// everything is here, or none.
func (ch *Channel) joinRest() error {
	cur := &ch.in.reading
	switch {
	case !cur.on || cur.whole:
		return nil
	case cur.skip:
		return ch.skipRest()
	}
	if !cur.aborted {
		ch.s.setBuf(ch.st, cur.data)
	}
	*cur = reading{turn: cur.turn}
	return nil
}

// into moves a message to dst if it fits.
func (m Message) into(dst []byte) Message {
	if len(m.Data) <= len(dst) {
		m.Data = dst[:copy(dst, m.Data)]
	}
	return m
}

// receivePiece reads what is there of a message, and returns it when it is whole.
func (ch *Channel) receivePiece(info sctp.MessageInfo, dst []byte) (Message, bool) {
	st := ch.st
	buf, piece := st.buf, false // whether it goes behind what is there of the message
	empty := info.PPID == dcep.PPIDStringEmpty || info.PPID == dcep.PPIDBinaryEmpty
	switch {
	case empty:
		dst = ch.s.recv.scratch[:] // "the receiver MUST ignore the SCTP user message", RFC 8831, section 6.6
	case info.PPID != dcep.PPIDString && info.PPID != dcep.PPIDBinary:
		// The deprecated partial messages (52 and 54) are among these.
		ch.fail(channelError(fmt.Sprintf("a message has the unsupported payload protocol identifier %d", info.PPID), nil))
		return Message{}, false
	case len(st.buf)+info.Size > ch.s.maxJoined():
		ch.fail(channelError(fmt.Sprintf("a message is larger than %d bytes", ch.s.maxJoined()), nil))
		return Message{}, false
	case !info.Complete && ch.s.recv.pieces+info.Size > ch.s.maxPieces():
		ch.fail(channelError(fmt.Sprintf("the peer has begun messages of more than %d bytes", ch.s.maxPieces()), nil))
		return Message{}, false
	case len(buf) > 0 || !info.Complete || info.Size > len(dst):
		buf, piece = slices.Grow(buf, info.Size), true
		dst = buf[len(buf) : len(buf)+info.Size]
	}
	scratch := empty
	n, info, err := ch.s.conn.TryReadMessage(st.id, dst)
	// Since the Peek the peer may have abandoned what was to be read. Then this is an
	// error, or another message.
	if err != nil {
		ch.in.readable = ch.s.onMark(st.id, st, err) || ch.s.ended
		return Message{}, false
	}
	empty = info.PPID == dcep.PPIDStringEmpty || info.PPID == dcep.PPIDBinaryEmpty
	switch {
	case empty:
		dst = []byte{}
	case piece:
		ch.s.setBuf(st, buf[:len(buf)+n])
		dst = st.buf
	case scratch || !info.Complete:
		ch.s.setBuf(st, append(buf, dst[:n]...))
		dst = st.buf
	default:
		dst = dst[:n]
	}
	if !info.Complete {
		return Message{}, false
	}
	ch.s.setBuf(st, nil)
	m := Message{Data: dst, IsText: info.PPID == dcep.PPIDString || info.PPID == dcep.PPIDStringEmpty}
	if m.IsText && !utf8.Valid(m.Data) {
		m.Data = bytes.ToValidUTF8(m.Data, []byte("\uFFFD"))
	}
	return m, true
}

// mayHaveMessages reports whether receive may find something that the application has
// not closed its ears to.
func (ch *Channel) mayHaveMessages() bool {
	return ch.kept.queue.len() > 0 || ch.in.readable && ch.st != nil && !ch.st.ended && !ch.st.discard
}
