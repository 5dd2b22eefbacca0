package sctpnet

import (
	"context"
	"io"
	"math/bits"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// streams is what the Conn knows about streams: those with a Stream, with a call
// that waits or waited to read, or with data that waits for AcceptStream. The
// data itself stays in the association, within its receive window, so that late
// acceptance loses nothing. Each table has at most one entry per stream.
type streams struct {
	byID      map[uint16]*streamState
	toAccept  []uint16 // queue of streams with data and without owner
	acceptors waitList // calls that wait for it
	// unread holds the streams reported as readable and not yet found empty.
	unread streamSet
}

// streamSet is a set of streams, a bit for each up to the highest it has held; the first 64
// need no other memory.
type streamSet struct {
	low  uint64
	high []uint64 // from 64 on
}

func (s *streamSet) add(id uint16) {
	for int(id)/64 > len(s.high) {
		s.high = append(s.high, 0)
	}
	*s.word(int(id) / 64) |= 1 << (id % 64)
}

func (s *streamSet) remove(id uint16) {
	if int(id)/64 <= len(s.high) {
		*s.word(int(id) / 64) &^= 1 << (id % 64)
	}
}

// word returns the word with 64 streams from 64*i on.
func (s *streamSet) word(i int) *uint64 {
	if i == 0 {
		return &s.low
	}
	return &s.high[i-1]
}

// all iterates over the set, from which the loop may remove.
func (s *streamSet) all(yield func(uint16) bool) {
	for i := range 1 + len(s.high) {
		for word := *s.word(i); word != 0; word &= word - 1 {
			if !yield(uint16(64*i + bits.TrailingZeros64(word))) {
				return
			}
		}
	}
}

// streamState is the state of one stream. A stream is free, open while a Stream
// stands for it, then closing until both sides are reset.
type streamState struct {
	readers   waitList
	handle    *Stream // of an open stream
	queued    bool    // in toAccept
	closing   bool    // closed here
	draining  bool    // closing, and the peer may send what nobody will read
	resetting bool    // our side is to be reset, not yet confirmed by the peer
}

// get returns the state of a stream, which is made if there is none.
func (s *streams) get(id uint16) *streamState {
	st := s.byID[id]
	if st == nil {
		if s.byID == nil {
			s.byID = make(map[uint16]*streamState)
		}
		st = new(streamState)
		s.byID[id] = st
	}
	return st
}

// OpenStream returns a stream to write to and read from. It may be called before
// the association is established. It returns ErrStreamInUse, sctp.ErrInvalidStream
// if the association has neither side of the stream, or an error that matches
// net.ErrClosed.
func (c *Conn) OpenStream(id uint16) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.isOver {
		return nil, c.life.err
	}
	if c.life.closing {
		return nil, errClosing
	}
	if c.life.wasConnected && int(id) >= max(c.assoc.OutboundStreams(), c.assoc.InboundStreams()) {
		return nil, sctp.ErrInvalidStream
	}
	st := c.streams.get(id)
	if st.handle != nil || st.closing {
		return nil, ErrStreamInUse
	}
	return c.newStream(id, st), nil
}

func (c *Conn) newStream(id uint16, st *streamState) *Stream {
	st.handle = &Stream{conn: c, id: id, gone: make(chan struct{})}
	return st.handle
}

// AcceptStream waits for the first message on a stream that was not opened here.
// Streams with data wait for it as long as need be, none is dropped. It returns the
// error of ctx, ErrEventsElsewhere, or, after the streams that had data when the
// association ended, an error that matches net.ErrClosed.
func (c *Conn) AcceptStream(ctx context.Context) (*Stream, error) {
	if c.cfg.OnEvent != nil {
		return nil, ErrEventsElsewhere
	}
	w := wait{ctx: ctx}
	if err := w.expired(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.life.closing {
			return nil, errClosing
		}
		now := time.Now()
		if s := c.nextStream(now); s != nil {
			c.settle(now, aCaller)
			return s, nil
		}
		if c.life.isOver {
			return nil, c.life.err
		}
		if err := c.wait(&w, &c.streams.acceptors, false); err != nil {
			return nil, err
		}
	}
}

// nextStream opens the first stream that waits for AcceptStream and still has
// something to read, nil if there is none.
func (c *Conn) nextStream(now time.Time) *Stream {
	for len(c.streams.toAccept) > 0 {
		id := c.streams.toAccept[0]
		c.streams.toAccept = c.streams.toAccept[1:]
		st := c.streams.byID[id]
		st.queued = false
		if st.handle == nil && !st.closing && c.hasData(now, id) {
			return c.newStream(id, st)
		}
	}
	return nil
}

// hasData tells whether a message waits on the stream. What is not a message, the
// end of one given up or of a stream without data, is read away.
func (c *Conn) hasData(now time.Time, id uint16) bool {
	for {
		if _, err := c.assoc.Peek(id); err == nil {
			return true
		}
		// Reading lets the association report the stream when it turns readable.
		_, _, err := c.read(now, id, nil)
		if err != io.EOF && err != sctp.ErrMessageAborted {
			return false
		}
	}
}

// forget drops the state of a stream that is free.
func (c *Conn) forget(id uint16, st *streamState) {
	if st.handle == nil && !st.queued && !st.closing && !st.resetting && st.readers.empty() {
		delete(c.streams.byID, id)
	}
}

// onReadable carries out EventReadable, and tells whether it has read.
func (c *Conn) onReadable(now time.Time, id uint16) bool {
	c.streams.unread.add(id)
	st := c.streams.byID[id]
	switch {
	case c.life.closing:
		c.drain(now, id)
		return true
	case st != nil && st.draining:
		c.drainStream(now, id, st)
		return true
	case st != nil && !st.readers.empty():
		st.readers.wake()
	case c.cfg.OnEvent == nil && (st == nil || st.handle == nil):
		c.offer(id)
	}
	return false
}

// offer puts a stream in the queue of AcceptStream.
func (c *Conn) offer(id uint16) {
	st := c.streams.get(id)
	if st.queued {
		return
	}
	st.queued = true
	c.streams.toAccept = append(c.streams.toAccept, id)
	c.streams.acceptors.wake()
}

// resetStream resets the outgoing side of a stream.
func (c *Conn) resetStream(now time.Time, id uint16) error {
	err := c.assoc.ResetStreams(now, id)
	if err == nil || err == sctp.ErrResetPending {
		c.streams.get(id).resetting = true
		return nil
	}
	return err
}

// closeStream carries out Stream.Close.
func (c *Conn) closeStream(now time.Time, s *Stream) error {
	st := c.streams.byID[s.id]
	st.handle = nil
	switch err := c.resetStream(now, s.id); {
	case err == sctp.ErrNotSupported:
		c.forget(s.id, st)
		return err
	case err != nil && (c.life.isOver || !c.life.wasConnected):
		c.forget(s.id, st)
	default: // with an error, the association is shutting down
		st.closing, st.draining = true, !s.ended
		c.drainStream(now, s.id, st)
	}
	return nil
}

// drainStream drops what the peer has sent on a stream that is closing, up to the
// end. When our side is reset too, the stream is free.
func (c *Conn) drainStream(now time.Time, id uint16, st *streamState) {
	if st.draining && c.drain(now, id) {
		st.draining = false
	}
	if st.draining || st.resetting {
		return
	}
	st.closing = false
	if c.cfg.OnEvent == nil && c.hasData(now, id) {
		c.offer(id) // the peer was quick to use it again
	}
	c.forget(id, st)
}

// onResetOver carries out EventStreamResetDone and EventStreamResetFailed. A side
// that the peer refuses to reset is as good as reset: nothing more will come of it.
func (c *Conn) onResetOver(now time.Time, id uint16) {
	st := c.streams.byID[id]
	if st == nil {
		return
	}
	st.resetting = false
	if st.closing {
		c.drainStream(now, id, st)
	}
	c.forget(id, st)
}

// onRestarted carries out EventRestarted: the peer knows nothing of what was sent,
// reset or about to be.
func (c *Conn) onRestarted() {
	c.writes.wake()
	for id, st := range c.streams.byID {
		closed := st.closing
		st.closing, st.draining, st.resetting = false, false, false
		if closed {
			c.forget(id, st)
		}
	}
}

// discardAll makes everything unreadable, now and later.
func (c *Conn) discardAll(now time.Time) {
	if c.life.closing {
		return
	}
	c.life.closing = true
	c.streams.acceptors.wakeAll()
	for _, st := range c.streams.byID {
		st.readers.wakeAll()
	}
	for id := range c.streams.unread.all {
		c.drain(now, id)
	}
}

// drain drops what can be read from a stream. It tells whether that was all until
// a reset by the peer; when the Conn is being closed, resets do not matter.
func (c *Conn) drain(now time.Time, id uint16) (reset bool) {
	b := newBatch(0, 0, 0)
	defer b.free()
	for {
		_, _, err := c.read(now, id, b.buf[:cap(b.buf)])
		switch {
		case err == nil, err == sctp.ErrMessageAborted, err == io.EOF && c.life.closing:
		default:
			return err == io.EOF
		}
	}
}
