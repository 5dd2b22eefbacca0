package sluice

import (
	"fmt"

	"github.com/sluice-rtc/sluice/datachannel"
)

// The errors of PeerConnection have the names of the exceptions that W3C's
// RTCPeerConnection throws in the same place; a call that returns one has changed
// nothing. Those that data channels have, too, are the same types.
type (
	// InvalidStateError: the call makes no sense in the present state.
	InvalidStateError = datachannel.InvalidStateError
	// TypeError: an argument is not acceptable.
	TypeError = datachannel.TypeError
	// OperationError: the call is right but cannot be carried out.
	OperationError = datachannel.OperationError
	// RTCError with the detail SDPSyntaxError: a description is no SDP. *FingerprintError and
	// *HandshakeError are such errors, too, for errors.As.
	RTCError = datachannel.RTCError
)

// SDPSyntaxError is the detail of an RTCError about a description that cannot be read.
const SDPSyntaxError = datachannel.SDPSyntaxError

// An InvalidModificationError reports a local description that is not the one
// created last.
type InvalidModificationError struct {
	Op     string // the method
	Reason string
}

func (e *InvalidModificationError) Error() string {
	return fmt.Sprintf("sluice: InvalidModificationError: %s: %s", e.Op, e.Reason)
}

// An InvalidAccessError reports a remote description that is well formed, but breaks a
// rule, or does not fit what was negotiated before.
type InvalidAccessError struct {
	Op  string // the method
	Err error  // an *SDPError
}

func (e *InvalidAccessError) Error() string {
	return fmt.Sprintf("sluice: InvalidAccessError: %s: %v", e.Op, e.Err)
}

// Unwrap returns e.Err.
func (e *InvalidAccessError) Unwrap() error { return e.Err }
