package sctpnet

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Stream is one bidirectional stream of a Conn: the incoming and the outgoing
// SCTP stream of the same identifier. It is a net.Conn whose Write sends a message.
// Its methods may be called from several goroutines at once.
type Stream struct {
	conn *Conn
	id   uint16
	gone chan struct{} // closed by Close

	readDeadline, writeDeadline deadline

	// Guarded by the Conn's lock.
	closed  bool // Close was called
	ended   bool // the peer has reset its side, and all before was read
	options WriteOptions
}

var _ net.Conn = (*Stream)(nil)

// WriteOptions say how Stream.Write sends. The zero value is ordered and
// reliable, with payload protocol identifier 0.
type WriteOptions struct {
	PPID        uint32
	Unordered   bool
	Reliability sctp.Reliability
}

// Conn returns the association of the stream.
func (s *Stream) Conn() *Conn { return s.conn }

// ID returns the stream identifier.
func (s *Stream) ID() uint16 { return s.id }

// LocalAddr returns the local address of the net.Conn below.
func (s *Stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr returns the remote address of the net.Conn below.
func (s *Stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// SetWriteOptions sets how Write sends from now on.
func (s *Stream) SetWriteOptions(o WriteOptions) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.options = o
}

// SetPriority is Conn.SetStreamPriority of the stream.
func (s *Stream) SetPriority(priority uint16) error { return s.conn.SetStreamPriority(s.id, priority) }

// BufferedAmount is Conn.BufferedAmount of the stream.
func (s *Stream) BufferedAmount() int { return s.conn.BufferedAmount(s.id) }

// ReadMessage is Conn.ReadMessage on the stream, bounded by the read deadline as
// well. Once it has returned io.EOF, it always does: what the peer sends after a
// reset is for the Stream that follows this one.
func (s *Stream) ReadMessage(ctx context.Context, buf []byte) (int, sctp.MessageInfo, error) {
	return s.conn.readMessage(ctx, s, s.id, buf)
}

// WriteMessage is Conn.WriteMessage on the stream, bounded by the write deadline
// as well. m.Stream is ignored.
func (s *Stream) WriteMessage(ctx context.Context, m sctp.Message) error {
	m.Stream = s.id
	return s.conn.writeMessage(ctx, s, m)
}

// Read reads bytes of the current message: as many as are there and fit into p,
// never beyond the message's end. What does not fit is for the next Read, so the
// messages together are a stream of bytes; with a p that fits the largest one,
// each Read returns one message. It returns io.EOF after the peer has reset the
// stream or gracefully ended the association, net.ErrClosed after Close, and
// os.ErrDeadlineExceeded past the read deadline.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, err := s.ReadMessage(context.Background(), p)
	if end, ok := err.(*closedError); ok && end != errClosing && end.cause == nil {
		err = io.EOF
	}
	return n, err
}

// Write sends p as one message, as SetWriteOptions says, and waits for room in
// the send buffer. An empty p is an error, sctp.ErrEmptyMessage, since SCTP has no
// empty messages.
func (s *Stream) Write(p []byte) (int, error) {
	s.conn.mu.Lock()
	o := s.options
	s.conn.mu.Unlock()
	err := s.WriteMessage(context.Background(), sctp.Message{
		PPID:        o.PPID,
		Unordered:   o.Unordered,
		Reliability: o.Reliability,
		Payload:     p,
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Reset ends the outgoing side once all that was written is sent (RFC 6525): the
// peer reads io.EOF behind it. Reading goes on. What is written afterwards begins
// the outgoing side anew.
func (s *Stream) Reset() error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	now := time.Now()
	err := c.resetStream(now, s.id)
	c.settle(now, aCaller)
	return c.explain(err)
}

// Close resets the outgoing side as Reset does, and ends reading: blocked calls
// return net.ErrClosed, and what the peer still sends on the stream is dropped
// until it resets its side as well. Then the identifier may be used anew, by
// OpenStream or by the peer. Closing again does nothing.
func (s *Stream) Close() error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.gone)
	s.readDeadline.stop()
	s.writeDeadline.stop()
	now := time.Now()
	err := c.closeStream(now, s)
	c.settle(now, aCaller)
	return c.explain(err)
}

// SetDeadline sets both deadlines, as in net.Conn: calls blocked past it, and later
// ones, return os.ErrDeadlineExceeded. Zero is none.
func (s *Stream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read and ReadMessage.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.setDeadline(&s.readDeadline, t) }

// SetWriteDeadline sets the deadline of Write and WriteMessage, which wait only
// for room in the send buffer.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writeDeadline, t) }

func (s *Stream) setDeadline(d *deadline, t time.Time) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	d.set(t)
	return nil
}
