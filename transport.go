//go:build !js

package sluice

import (
	"context"
	"slices"
	"sync"

	"github.com/sluice-rtc/sluice/datachannel"
)

// A Transport connects two programs by data channels without SDP: ICE, DTLS and
// SCTP, set up by TransportParameters that the two sides exchange by any
// signalling. Both sides do the same:
//
//	t, err := sluice.NewTransport(sluice.Config{})
//	local, err := t.LocalParameters(ctx) // gathers candidates; send it as JSON
//	err = t.Start(ctx, remote)           // the peer's, received as JSON
//	ch, err := t.CreateChannel("chat", nil)
//
// To trickle candidates, call Gather and Parameters in place of LocalParameters,
// send what OnCandidate reports, and pass what the peer sends to
// AddRemoteCandidate, before or after Start.
//
// Nobody needs to know who began: of the two sides, that whose user fragment and
// password sort first controls ICE, unless exactly one is ICE-lite and so cannot;
// the other one is the DTLS client, unless Config.DTLSRole of a side says
// otherwise.
//
// Callbacks run one at a time and may call the Transport. All methods may be
// called from any goroutine.
type Transport struct {
	core *core

	mu          sync.Mutex
	state       TransportState
	iceState    ICEConnectionState
	up          bool // the association was established
	err         error
	onState     func(TransportState)
	onCandidate func(string)
	onChannel   func(*datachannel.Channel)
	unaccepted  acceptQueue

	// restarting: see restart.go
	renewing sync.Mutex        // held while a restart is begun or continued
	remote   *remoteParameters // in use since Start, nil before
	answers  string            // the peer's user fragment that our restart answers, if it does
	early    []earlyCandidate
	past     []iceCredentials // of the peer, before remote; the last ones

	connected chan struct{} // closed when the association is established
	ending    chan struct{} // closed when the state is failed or closed
	done      chan struct{} // closed when nothing is left
}

// TransportState is the state of a Transport.
type TransportState string

// The states of a Transport. Failed and closed are final.
const (
	TransportStateNew          TransportState = "new"
	TransportStateConnecting   TransportState = "connecting"
	TransportStateConnected    TransportState = "connected"
	TransportStateDisconnected TransportState = "disconnected" // nothing is heard of the peer; may become connected again
	TransportStateFailed       TransportState = "failed"
	TransportStateClosed       TransportState = "closed" // by either side
)

// NewTransport makes a Transport; it opens no socket yet. The error is about cfg.
func NewTransport(cfg Config) (*Transport, error) {
	t := &Transport{state: TransportStateNew, unaccepted: newAcceptQueue(),
		connected: make(chan struct{}), ending: make(chan struct{}), done: make(chan struct{})}
	var err error
	t.core, err = newCore(cfg, coreEvents{
		candidate: t.handleCandidate,
		iceState:  t.handleICEState,
		connected: t.handleConnected,
		ended:     t.handleEnded,
		channel:   t.handleChannel,
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Gather starts gathering candidates, which OnCandidate and Parameters report.
func (t *Transport) Gather() error { return t.core.gather() }

// Parameters returns what to send to the peer, with the candidates known so far.
func (t *Transport) Parameters() TransportParameters {
	local := t.core.localCredentials()
	candidates, _ := t.core.localCandidates(local.ufrag)
	t.mu.Lock()
	answers := t.answers
	t.mu.Unlock()
	return TransportParameters{
		UsernameFragment: local.ufrag,
		Password:         local.pwd,
		Answers:          answers,
		ICELite:          t.core.cfg.ICELite,
		Candidates:       candidates,
		Fingerprints:     t.core.fingerprints(),
		DTLSRole:         t.core.cfg.DTLSRole,
		SCTPPort:         t.core.localPort(),
		MaxMessageSize:   max(0, int64(t.core.cfg.MaxMessageSize)),
		SCTPInit:         slices.Clone(t.core.initToken),
	}
}

// LocalParameters gathers candidates and returns what to send to the peer once
// all are known. The error is that of ctx, or ErrClosed or why the Transport failed when it has ended.
func (t *Transport) LocalParameters(ctx context.Context) (TransportParameters, error) {
	for {
		if err := t.core.gather(); err != nil {
			return TransportParameters{}, err
		}
		gathered := t.core.gathered()
		select {
		case <-gathered:
		case <-t.ending:
		case <-ctx.Done():
			return TransportParameters{}, ctx.Err()
		}
		select {
		case <-t.ending:
			return TransportParameters{}, t.closedError()
		default:
		}
		if t.core.gathered() == gathered { // else another restart of ICE has begun
			return t.Parameters(), nil
		}
	}
}

// OnCandidate sets the function that gets each local candidate, a line that
// begins with "candidate:", and the empty string when there are no more.
func (t *Transport) OnCandidate(f func(candidate string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onCandidate = f
}

// Start connects to the peer that sent remote, and returns when channels can be
// used. The error is a *ParameterError, *CandidateError or *StateError if nothing
// was begun. Otherwise the Transport has ended, for the reason returned: that of
// ctx, ErrICEFailed, *FingerprintError, *HandshakeError, or that of the association.
func (t *Transport) Start(ctx context.Context, remote TransportParameters) error {
	if err := t.begin(remote); err != nil {
		return err
	}
	select {
	case <-t.connected:
		return nil
	case <-t.ending:
		return t.closedError()
	case <-ctx.Done():
		t.finish(ctx.Err())
		return ctx.Err()
	}
}

// begin starts without waiting.
func (t *Transport) begin(remote TransportParameters) error {
	p, err := remote.start(t.Parameters())
	if err != nil {
		return err
	}
	for _, line := range remote.Candidates {
		if _, _, err := canonicalCandidate(line); err != nil {
			return &CandidateError{Candidate: line, Err: err}
		}
	}
	if err := t.core.start(p); err != nil {
		return err
	}
	t.mu.Lock()
	t.remote = &p.remote
	t.setState(TransportStateConnecting)
	t.mu.Unlock()
	if err := t.core.gather(); err != nil {
		return err
	}
	for _, line := range remote.Candidates {
		if err := t.core.addRemoteCandidate(line); err != nil {
			return err
		}
	}
	return nil
}

// CreateChannel creates a data channel; it may be called before Start. See
// datachannel.Session.CreateChannel.
func (t *Transport) CreateChannel(label string, init *datachannel.Init) (*datachannel.Channel, error) {
	return t.core.session.CreateChannel(label, init)
}

// OnChannel sets the function that gets the channels that the peer opens; it
// may set their callbacks, and misses nothing. Channels that came before wait
// for Accept.
func (t *Transport) OnChannel(f func(*datachannel.Channel)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onChannel = f
}

// Accept waits for a channel that the peer opens while OnChannel is not set, and returns it
// open, unless it was closed while it waited. Up to 1024 wait; further ones are closed. The error is
// that of ctx or, when the Transport has ended and none is left, ErrClosed or why it failed.
func (t *Transport) Accept(ctx context.Context) (*datachannel.Channel, error) {
	if ch, err := t.unaccepted.accept(ctx, t.ending); ch != nil || err != nil {
		return ch, err
	}
	return nil, t.closedError()
}

// OnStateChange sets the function that gets each state as it begins.
func (t *Transport) OnStateChange(f func(TransportState)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onState = f
}

// State returns the present state.
func (t *Transport) State() TransportState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// Done is closed when the Transport has ended and nothing of it is left.
func (t *Transport) Done() <-chan struct{} { return t.done }

// Err returns why the Transport failed; nil while it has not, and if it was closed.
func (t *Transport) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// RemoteCertificates returns the peer's certificates in DER, nil before the
// handshake. The first one has an announced fingerprint.
func (t *Transport) RemoteCertificates() [][]byte {
	return t.core.sctp.dtls.RemoteCertificates()
}

// ExportKeyingMaterial derives n bytes that only both sides know (RFC 5705).
func (t *Transport) ExportKeyingMaterial(label string, n int) ([]byte, error) {
	s := t.core.transport()
	if s == nil {
		return nil, &StateError{Op: "ExportKeyingMaterial", Reason: "the handshake has not finished"}
	}
	return s.ExportKeyingMaterial(label, n)
}

// Close delivers what was written, closes the channels and then everything
// below. It waits for that, but not longer than ten seconds for the peer. The
// error is why delivery failed, nil if there was nothing to deliver.
func (t *Transport) Close() error {
	err := t.core.session.Close()
	t.finish(nil)
	<-t.done
	return err
}

// Abort is Close without delivering anything.
func (t *Transport) Abort() {
	t.finish(nil)
	<-t.done
}

// finish ends the Transport once, by the error that failed it or nil.
func (t *Transport) finish(err error) {
	t.mu.Lock()
	select {
	case <-t.ending:
		t.mu.Unlock()
		return
	default:
	}
	t.err = err
	if err != nil {
		t.setState(TransportStateFailed)
	} else {
		t.setState(TransportStateClosed)
	}
	close(t.ending)
	t.mu.Unlock()
	go func() {
		t.core.close()
		close(t.done)
	}()
}

// setState reports a new state; t.mu is held.
func (t *Transport) setState(s TransportState) {
	if s == t.state || t.state == TransportStateFailed || t.state == TransportStateClosed {
		return
	}
	t.state = s
	emit(t.core.events, t.onState, s)
}

// closedError returns why the Transport can do no more.
func (t *Transport) closedError() error {
	if err := t.Err(); err != nil {
		return err
	}
	return ErrClosed
}

func (t *Transport) handleCandidate(c localCandidate) {
	t.mu.Lock()
	f := t.onCandidate
	t.mu.Unlock()
	if f == nil {
		return
	}
	if c.line != "" {
		c.line += " ufrag " + c.ufrag // says of which generation it is
	}
	f(c.line)
}

func (t *Transport) handleICEState(s ICEConnectionState) {
	t.mu.Lock()
	t.iceState = s
	switch {
	case s == ICEConnectionStateFailed:
		t.mu.Unlock()
		t.finish(ErrICEFailed)
		return
	case t.up && s == ICEConnectionStateDisconnected:
		t.setState(TransportStateDisconnected)
	case t.up && s == ICEConnectionStateConnected:
		t.setState(TransportStateConnected)
	}
	t.mu.Unlock()
}

func (t *Transport) handleConnected(struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up = true
	t.setState(TransportStateConnected)
	if t.iceState == ICEConnectionStateDisconnected {
		t.setState(TransportStateDisconnected)
	}
	close(t.connected)
}

func (t *Transport) handleEnded(err error) { t.finish(err) }

// handleChannel runs among the callbacks of the session.
func (t *Transport) handleChannel(ch *datachannel.Channel) {
	t.mu.Lock()
	f := t.onChannel
	t.mu.Unlock()
	if !t.unaccepted.deliver(ch, f) {
		t.core.log.Warnf("closed a channel of the peer: %d wait for Accept", maxUnaccepted)
	}
}
