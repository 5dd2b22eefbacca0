package datachannel

import (
	"errors"
	"fmt"
	"net"

	"github.com/sluice-rtc/sluice/sctp"
)

// The errors of calls have the names of the W3C's exceptions. A call that
// returns one has changed nothing.

// An InvalidStateError says that the object is in a state in which the call
// makes no sense. One of a channel that is closing or closed matches
// net.ErrClosed.
type InvalidStateError struct {
	Op     string // the call
	Reason string
	closed bool
}

func (e *InvalidStateError) Error() string {
	return fmt.Sprintf("datachannel: InvalidStateError: %s: %s", e.Op, e.Reason)
}

// Is makes the error match net.ErrClosed if it is about something closed.
func (e *InvalidStateError) Is(target error) bool { return e.closed && target == net.ErrClosed }

// A TypeError says that an argument is not acceptable.
type TypeError struct {
	Op     string // the call
	Reason string
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("datachannel: TypeError: %s: %s", e.Op, e.Reason)
}

// An OperationError says that the call is right but cannot be carried out now.
type OperationError struct {
	Op     string // the call
	Reason string
	Err    error // what the association said; may be nil
}

func (e *OperationError) Error() string {
	return fmt.Sprintf("datachannel: OperationError: %s: %s", e.Op, e.Reason)
}

// Unwrap returns e.Err.
func (e *OperationError) Unwrap() error { return e.Err }

// ErrorDetail says which part of the stack failed (W3C webrtc-pc,
// RTCErrorDetailType).
type ErrorDetail string

// The details. Data channels report the first two; the others are those of the layers
// below, and of signalling, which this package does not know.
const (
	DataChannelFailure ErrorDetail = "data-channel-failure"
	SCTPFailure        ErrorDetail = "sctp-failure"
	DTLSFailure        ErrorDetail = "dtls-failure"
	FingerprintFailure ErrorDetail = "fingerprint-failure"
	SDPSyntaxError     ErrorDetail = "sdp-syntax-error"
)

// An RTCError is why a channel failed. OnError gets it, and ReadMessage returns
// it once everything received before is read.
type RTCError struct {
	Detail        ErrorDetail
	SCTPCauseCode int    // cause code of the ABORT, if Detail is SCTPFailure; 0 if there is none
	SDPLineNumber int    // line of the description, from 1, if Detail is SDPSyntaxError; 0 if it is about no line
	Message       string // for an ABORT, the information of its cause
	Err           error  // underlying error; may be nil
}

func (e *RTCError) Error() string {
	if e.SCTPCauseCode != 0 {
		return fmt.Sprintf("datachannel: %s: %s (cause code %d)", e.Detail, e.Message, e.SCTPCauseCode)
	}
	return fmt.Sprintf("datachannel: %s: %s", e.Detail, e.Message)
}

// Unwrap returns e.Err.
func (e *RTCError) Unwrap() error { return e.Err }

// channelError is a failure of one channel.
func channelError(message string, err error) *RTCError {
	if err != nil {
		message += ": " + err.Error()
	}
	return &RTCError{Detail: DataChannelFailure, Message: message, Err: err}
}

// associationError is the failure of all channels with the association.
func associationError(err error) *RTCError {
	e := &RTCError{Detail: SCTPFailure, Message: err.Error(), Err: err}
	var peer *sctp.PeerAbortError
	var own *sctp.AbortedError
	switch {
	case errors.As(err, &peer):
		e.SCTPCauseCode, e.Message = int(peer.Code), peer.Info
	case errors.As(err, &own):
		e.SCTPCauseCode, e.Message = int(own.Code), own.Info
	}
	return e
}
