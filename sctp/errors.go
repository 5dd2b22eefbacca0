package sctp

import (
	"errors"
	"fmt"
)

// Errors returned by an Association. None of them has changed its state.
var (
	ErrWouldBlock     = errors.New("sctp: nothing to read")
	ErrSendBufferFull = errors.New("sctp: send buffer full")
	ErrNotConnected   = errors.New("sctp: association not established")
	ErrShuttingDown   = errors.New("sctp: association is shutting down")
	ErrClosed         = errors.New("sctp: association closed")
	ErrAlreadyStarted = errors.New("sctp: association already started")
	ErrInvalidStream  = errors.New("sctp: stream identifier out of range")
	ErrEmptyMessage   = errors.New("sctp: a message needs at least one byte (RFC 9260, section 6.2)")
	ErrMessageTooLong = errors.New("sctp: a message of 2 GiB or more")
	ErrReliability    = errors.New("sctp: a message has more than one reliability limit, or one and no end yet")
	ErrMessageOpen    = errors.New("sctp: a message that was begun has not ended")
	ErrTooManyOpen    = errors.New("sctp: too many messages that were begun have not ended")
	ErrNoMessage      = errors.New("sctp: no message was begun on the stream, or it was given up")
	ErrMessageAborted = errors.New("sctp: the peer abandoned the message being read")
	ErrResetPending   = errors.New("sctp: a reset is already pending")
	ErrResetTooSoon   = errors.New("sctp: the association was reset less than 30 s ago (RFC 6525, section 5.1.4)")
	ErrTooManyStreams = errors.New("sctp: an association has 65535 streams at most")
	ErrInvalidPath    = errors.New("sctp: no such path")
	ErrNotSupported   = errors.New("sctp: the peer does not support the extension")
)

// ErrLargeMessagePending is the ErrSendBufferFull of a message larger than the send
// buffer, of which there is one at a time: another one is being sent. Smaller messages
// may be accepted meanwhile.
var ErrLargeMessagePending = fmt.Errorf("%w: another message larger than it is being sent", ErrSendBufferFull)

// ErrAllResetPending is the ErrSendBufferFull of a message on a stream not in use, while
// the peer has all streams reset: until that is over nothing may be sent on any.
var ErrAllResetPending = fmt.Errorf("%w: all streams are being reset", ErrSendBufferFull)

// Errors with which an association ends, in EventClosed.
var (
	ErrHandshakeTimeout = errors.New("sctp: no answer to INIT or COOKIE ECHO")
	ErrPeerUnreachable  = errors.New("sctp: peer unreachable")
	ErrHandedOver       = errors.New("sctp: association handed over") // it goes on elsewhere, see Handover
)

// CauseCode is an error cause code (RFC 9260, section 3.3.10).
type CauseCode uint16

// A PeerAbortError says that the peer aborted the association.
type PeerAbortError struct {
	Code CauseCode // first error cause; 0 if the ABORT carried none
	Info string    // its information, as text where the cause defines text
}

func (e *PeerAbortError) Error() string {
	return fmt.Sprintf("sctp: aborted by the peer: %v %q", e.Code, e.Info)
}

// An AbortedError says that this side aborted the association: by a call of
// Abort, or because the peer broke the protocol.
type AbortedError struct {
	Code CauseCode // cause sent to the peer
	Info string
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("sctp: aborted: %v %q", e.Code, e.Info)
}

// A PeerError is a cause of an ERROR chunk that the peer sent. It does not end
// the association.
type PeerError struct {
	Code CauseCode
	Info string
}

func (e *PeerError) Error() string { return fmt.Sprintf("sctp: peer reports: %v %q", e.Code, e.Info) }
