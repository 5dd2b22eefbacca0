package sluice

import "fmt"

// The errors of PeerConnection have the names of the exceptions that W3C's
// RTCPeerConnection throws in the same place; a call that returns one has changed
// nothing. Those that data channels have, too, are the same types.

// InvalidStateError: the call makes no sense in the present state.
type InvalidStateError struct{ Op, Reason string }

func (e *InvalidStateError) Error() string {
	return fmt.Sprintf("sluice: InvalidStateError: %s: %s", e.Op, e.Reason)
}

// TypeError: an argument is not acceptable.
type TypeError struct{ Op, Reason string }

func (e *TypeError) Error() string { return fmt.Sprintf("sluice: TypeError: %s: %s", e.Op, e.Reason) }

// OperationError: the call is right but cannot be carried out.
type OperationError struct {
	Op, Reason string
	Err        error
}

func (e *OperationError) Error() string {
	return fmt.Sprintf("sluice: OperationError: %s: %s", e.Op, e.Reason)
}

func (e *OperationError) Unwrap() error { return e.Err }

// An InvalidModificationError reports a local description that is not the one
// created last.
type InvalidModificationError struct {
	Op     string // the method
	Reason string
}

func (e *InvalidModificationError) Error() string {
	return fmt.Sprintf("sluice: InvalidModificationError: %s: %s", e.Op, e.Reason)
}
