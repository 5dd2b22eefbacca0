package sctpnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"

	"github.com/sluice-rtc/sluice/sctp"
)

// Errors of calls that have changed nothing.
var (
	// ErrStreamInUse: the stream has been opened or accepted and is not closed,
	// or its closing is not yet confirmed by the peer.
	ErrStreamInUse = errors.New("sctpnet: stream in use")
	// ErrNilConn: a Conn was to be made over a net.Conn that is nil.
	ErrNilConn = errors.New("sctpnet: no net.Conn")
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

// passingRead tells whether a later Read can succeed: after what ICMP says about an
// earlier Write (the peer may not be up yet), a message that was too long, and what calls
// itself temporary.
func passingRead(err error) bool {
	if fromICMP(err) || tooLong(err) {
		return true
	}
	var t interface{ Temporary() bool }
	var d interface{ Timeout() bool }
	return errors.As(err, &t) && t.Temporary() || errors.As(err, &d) && d.Timeout()
}

// fromICMP tells whether a Read reports an ICMP message, as that of a connected UDP
// socket does. Anybody on the Internet can forge those.
func fromICMP(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && (slices.Contains(icmpErrors, errno) || errno == 64 && runtime.GOOS == "linux") // ENONET
}

var icmpErrors = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EMSGSIZE, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
	syscall.ENOPROTOOPT, syscall.EPROTO,
}

// wsaEMSGSIZE is what Windows says, and a number that no other system uses.
const wsaEMSGSIZE = syscall.Errno(10040)

// tooLong tells whether a Read lost a message, or a part of it, because its buffer was
// too short.
func tooLong(err error) bool { return errors.Is(err, io.ErrShortBuffer) || errors.Is(err, wsaEMSGSIZE) }
