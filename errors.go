package sluice

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-rtc/sluice/datachannel"
)

// ErrClosed is what operations on a closed Transport return. (Those of a closed PeerConnection, as in
// W3C's, and of channels that are closed, return an *InvalidStateError.)
var ErrClosed = errors.New("sluice: closed")

// ErrICEFailed is why a Transport ended that found no path to the peer, or lost
// the one it had.
var ErrICEFailed = errors.New("sluice: ICE found no path to the peer")

// ErrUDPMuxFull is in the *HandshakeError of a connection that would be one too many between the same two
// ports: each UDPMux can have 16 with one address and port of a peer.
var ErrUDPMuxFull = errors.New("sluice: too many connections between a UDPMux and one address of a peer")

// A ConfigError reports a field of Config or UDPMuxConfig whose value is out of its range.
type ConfigError struct {
	Field string // name of the field: "PortMin", "SCTP.MTU", "UDPMuxConfig.Addresses"
	Rule  string // what the value must satisfy
}

func (e *ConfigError) Error() string {
	name := "Config." + e.Field
	if strings.HasPrefix(e.Field, "UDPMuxConfig.") {
		name = e.Field
	}
	return fmt.Sprintf("sluice: %s: %s", name, e.Rule)
}

// A StateError reports an operation that the present state does not allow.
type StateError struct {
	Op     string // what was asked for
	Reason string // why it cannot be now
}

func (e *StateError) Error() string { return fmt.Sprintf("sluice: %s: %s", e.Op, e.Reason) }

// A ParameterError reports a remote transport parameter that breaks a rule.
type ParameterError struct {
	Name string // the parameter, by its JSON name
	Rule string // the rule, with its source where there is one
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("sluice: parameter %s: %s", e.Name, e.Rule)
}

// A CandidateError reports an ICE candidate line that is not of the form of
// RFC 8839, section 5.1.
type CandidateError struct {
	Candidate string
	Err       error
}

func (e *CandidateError) Error() string {
	return fmt.Sprintf("sluice: candidate %q: %v", e.Candidate, e.Err)
}

func (e *CandidateError) Unwrap() error { return e.Err }

// A FingerprintError reports that the peer's certificate is not the one that
// signalling announced (RFC 8122, section 5). The connection was refused and no
// byte was delivered.
type FingerprintError struct {
	Algorithm string   // hash that was compared, empty if no announced one is usable
	Got       string   // fingerprint of the certificate the peer presented
	Want      []string // fingerprints announced with that hash
}

func (e *FingerprintError) Error() string {
	if e.Algorithm == "" {
		return "sluice: no usable certificate fingerprint was announced"
	}
	return fmt.Sprintf("sluice: certificate fingerprint %s %s was not announced (want %s)",
		e.Algorithm, e.Got, strings.Join(e.Want, " or "))
}

// asRTCError gives an error of this package as a *RTCError, if that is what is asked for.
func asRTCError(target any, e RTCError) bool {
	t, ok := target.(**RTCError)
	if ok {
		*t = &e
	}
	return ok
}

// As gives the error as a *RTCError, with datachannel.FingerprintFailure.
func (e *FingerprintError) As(target any) bool {
	return asRTCError(target, RTCError{Detail: datachannel.FingerprintFailure, Message: e.Error(), Err: e})
}

// A HandshakeError reports a DTLS handshake that failed or ran out of time.
type HandshakeError struct {
	Err error
}

func (e *HandshakeError) Error() string { return "sluice: DTLS handshake: " + e.Err.Error() }

func (e *HandshakeError) Unwrap() error { return e.Err }

// As gives the error as a *RTCError, with datachannel.DTLSFailure.
func (e *HandshakeError) As(target any) bool {
	return asRTCError(target, RTCError{Detail: datachannel.DTLSFailure, Message: e.Error(), Err: e})
}

// A MessageSizeError reports a datagram larger than a DTLS record can carry to
// any peer.
type MessageSizeError struct {
	Size, Max int // bytes
}

func (e *MessageSizeError) Error() string {
	return fmt.Sprintf("sluice: message of %d bytes exceeds the %d of a record", e.Size, e.Max)
}

// An SDPError says which rule a session description breaks, and where. It comes in
// an *RTCError with the detail SDPSyntaxError if the text is no SDP, and in an
// *InvalidAccessError if it is, but says what it may not.
type SDPError struct {
	Line int    // number of the line, from 1; 0 if no single line is at fault
	Rule string // the rule, with its source

	content bool // the text is SDP
}

func (e *SDPError) Error() string {
	if e.Line == 0 {
		return "sluice: SDP: " + e.Rule
	}
	return fmt.Sprintf("sluice: SDP line %d: %s", e.Line, e.Rule)
}
