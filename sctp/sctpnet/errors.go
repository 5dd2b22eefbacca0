package sctpnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/sluice-rtc/sluice/sctp"
)

// Errors of calls that have changed nothing.
var (
	// ErrStreamInUse: the stream has been opened or accepted and is not closed,
	// or its closing is not yet confirmed by the peer.
	ErrStreamInUse = errors.New("sctpnet: stream in use")
	// ErrEventsElsewhere: AcceptStream was called though Config.OnEvent is set.
	ErrEventsElsewhere = errors.New("sctpnet: no AcceptStream with Config.OnEvent")
)

// A TransportError says that an association ended because its net.Conn failed.
type TransportError struct {
	Op  string // "read" or "write"
	Err error  // what the net.Conn returned
}

func (e *TransportError) Error() string {
	return fmt.Sprintf("sctpnet: transport %s: %v", e.Op, e.Err)
}

// Unwrap returns Err.
func (e *TransportError) Unwrap() error { return e.Err }

// closedError is what calls return on an association that has ended or is being
// closed. It matches net.ErrClosed and sctp.ErrClosed, and wraps why it ended.
type closedError struct{ cause error } // nil: gracefully

func (e *closedError) Error() string {
	if e.cause == nil {
		return "sctpnet: association closed"
	}
	return fmt.Sprintf("sctpnet: association closed: %v", e.cause)
}

func (e *closedError) Unwrap() []error {
	if e.cause == nil {
		return []error{net.ErrClosed, sctp.ErrClosed}
	}
	return []error{net.ErrClosed, sctp.ErrClosed, e.cause}
}

// errClosing is what calls return between Close and the end.
var errClosing = &closedError{}

// fatalWrite tells whether a failed Write means that no later one can succeed.
// Everything else, such as a full queue, a refused or too long datagram, is the
// loss of a packet.
func fatalWrite(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

// passingRead tells whether a later Read can succeed. A connected UDP socket
// reports what ICMP says about an earlier Write (the peer may not be up yet),
// others a message that was too long.
func passingRead(err error) bool {
	if errors.Is(err, io.ErrShortBuffer) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EMSGSIZE) {
		return true
	}
	var t interface{ Temporary() bool }
	var d interface{ Timeout() bool }
	return errors.As(err, &t) && t.Temporary() || errors.As(err, &d) && d.Timeout()
}
