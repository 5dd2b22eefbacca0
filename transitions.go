package sluice

import (
	"fmt"
	"slices"
)

// signalingStep is a description being set: by which side, of which type.
type signalingStep struct {
	local bool
	typ   SDPType
}

// transitions is the state machine of RFC 8829, section 3.2, without rollback.
var transitions = map[signalingStep]struct {
	from []SignalingState
	to   SignalingState
}{
	{true, SDPTypeOffer}: {
		[]SignalingState{SignalingStateStable, SignalingStateHaveLocalOffer}, SignalingStateHaveLocalOffer,
	},
	{true, SDPTypePranswer}: {
		[]SignalingState{SignalingStateHaveRemoteOffer, SignalingStateHaveLocalPranswer}, SignalingStateHaveLocalPranswer,
	},
	{true, SDPTypeAnswer}: {
		[]SignalingState{SignalingStateHaveRemoteOffer, SignalingStateHaveLocalPranswer}, SignalingStateStable,
	},
	{false, SDPTypeOffer}: {
		[]SignalingState{SignalingStateStable, SignalingStateHaveRemoteOffer}, SignalingStateHaveRemoteOffer,
	},
	{false, SDPTypePranswer}: {
		[]SignalingState{SignalingStateHaveLocalOffer, SignalingStateHaveRemotePranswer}, SignalingStateHaveRemotePranswer,
	},
	{false, SDPTypeAnswer}: {
		[]SignalingState{SignalingStateHaveLocalOffer, SignalingStateHaveRemotePranswer}, SignalingStateStable,
	},
}

// check returns a *TypeError for a type that is none.
func (t SDPType) check(op string) error {
	switch t {
	case SDPTypeOffer, SDPTypePranswer, SDPTypeAnswer, SDPTypeRollback:
		return nil
	}
	return &TypeError{Op: op, Reason: fmt.Sprintf("unknown type %q", t)}
}

// next returns the state after the step, or an *InvalidStateError if it is not allowed now.
func (s SignalingState) next(op string, step signalingStep) (SignalingState, error) {
	t := transitions[step]
	if !slices.Contains(t.from, s) {
		return s, &InvalidStateError{Op: op, Reason: fmt.Sprintf("%s in signaling state %s", step.typ, s)}
	}
	return t.to, nil
}
