// Package sctpnet drives an sctp.Association over a message-preserving net.Conn.
package sctpnet

import (
	"context"
	"net"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Config configures a Conn.
type Config struct {
	// SCTP configures the association. Seed is filled from crypto/rand if zero.
	SCTP sctp.Config
	// OnEvent, if set, receives each event of the association, in order and one
	// at a time, with no lock of the Conn held; it may call back into the Conn
	// but must not block. With OnEvent set, AcceptStream is not available.
	OnEvent func(*Conn, sctp.Event)
}

// Conn is an SCTP association over a net.Conn.
type Conn struct{}

// New starts driving an association over nc without waiting for it. With
// initiate it sends INIT (both sides may); without, it waits for the peer's.
// nc belongs to the Conn from now on, and is closed when the association ends.
func New(nc net.Conn, cfg Config, initiate bool) (*Conn, error) { panic("stub") }

// Client connects, and waits until the association is established or ctx ends.
func Client(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) { panic("stub") }

// Server waits for the peer to connect.
func Server(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) { panic("stub") }

// WaitConnected blocks until established, ended or ctx is done.
func (c *Conn) WaitConnected(ctx context.Context) error { panic("stub") }

// WriteMessage queues a copy of the message, waiting for room in the send buffer.
func (c *Conn) WriteMessage(ctx context.Context, m sctp.Message) error { panic("stub") }

// TryWriteMessage is WriteMessage without waiting: sctp.ErrSendBufferFull.
func (c *Conn) TryWriteMessage(m sctp.Message) error { panic("stub") }

// ReadMessage waits for data on the stream; see sctp.Association.Read.
func (c *Conn) ReadMessage(ctx context.Context, stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	panic("stub")
}

// TryReadMessage is ReadMessage without waiting: sctp.ErrWouldBlock.
func (c *Conn) TryReadMessage(stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	panic("stub")
}

// Peek is sctp.Association.Peek.
func (c *Conn) Peek(stream uint16) (sctp.MessageInfo, error) { panic("stub") }

// ResetStreams resets the outgoing side of the streams.
func (c *Conn) ResetStreams(streams ...uint16) error { panic("stub") }

// BufferedAmount, SetBufferedAmountLowThreshold: as in sctp.Association.
func (c *Conn) BufferedAmount(stream uint16) int { panic("stub") }

// SetBufferedAmountLowThreshold: see sctp.Association.
func (c *Conn) SetBufferedAmountLowThreshold(stream uint16, n int) { panic("stub") }

// State returns the association's state.
func (c *Conn) State() sctp.State { panic("stub") }

// OutboundStreams returns the number of usable outgoing streams.
func (c *Conn) OutboundStreams() int { panic("stub") }

// InboundStreams returns the number of incoming streams.
func (c *Conn) InboundStreams() int { panic("stub") }

// Stats returns the association's statistics.
func (c *Conn) Stats() sctp.Stats { panic("stub") }

// Shutdown ends the association gracefully; when ctx ends first, it aborts.
func (c *Conn) Shutdown(ctx context.Context) error { panic("stub") }

// Close is Shutdown within Config's close timeout.
func (c *Conn) Close() error { panic("stub") }

// Abort ends the association at once.
func (c *Conn) Abort(reason string) { panic("stub") }

// Done is closed when the association has ended and no goroutine of the Conn is left.
func (c *Conn) Done() <-chan struct{} { panic("stub") }

// Err returns why the association ended, nil before and after a graceful end.
func (c *Conn) Err() error { panic("stub") }

// OpenStream returns a stream to write to and read from.
func (c *Conn) OpenStream(id uint16) (*Stream, error) { panic("stub") }

// AcceptStream waits for the first message on a stream that was not opened here.
func (c *Conn) AcceptStream(ctx context.Context) (*Stream, error) { panic("stub") }

// Stream is one bidirectional stream: read/write with deadlines.
type Stream struct{}

// SetDeadline, SetReadDeadline, SetWriteDeadline as in net.Conn.
func (s *Stream) SetDeadline(t time.Time) error { panic("stub") }
