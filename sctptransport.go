//go:build !js

package sluice

import (
	"errors"
	"math"

	"github.com/sluice-rtc/sluice/datachannel"
)

// An SCTPTransport is W3C's RTCSctpTransport: what the channels of a connection have in
// common. Its methods may be called from any goroutine, and from callbacks.
type SCTPTransport struct {
	c       *core
	dtls    DTLSTransport
	onState func(SCTPTransportState) // guarded by c.mu
}

// Transport returns the DTLS transport that carries the association.
func (t *SCTPTransport) Transport() *DTLSTransport { return &t.dtls }

// State returns the state. Closed is the association that either side ended, or that
// will never be, as the transport below it failed.
func (t *SCTPTransport) State() SCTPTransportState {
	t.c.mu.Lock()
	closed := t.c.closed
	t.c.mu.Unlock()
	select {
	case <-t.c.session.Done():
		closed = true
	default:
	}
	select {
	case <-t.c.session.Connected():
		if !closed {
			return SCTPTransportStateConnected
		}
	default:
	}
	if closed {
		return SCTPTransportStateClosed
	}
	return SCTPTransportStateConnecting
}

// MaxMessageSize returns the largest message, in bytes, that the peer accepts and a channel
// may send: what its description says, 65536 if that does not, and positive infinity if it
// takes any size. This side can send messages of any size (Channel.WriteMessage); Send also
// needs room for them in Config.MaxBufferedAmount. It is 0, for W3C's null, before the
// description of the peer is in use.
func (t *SCTPTransport) MaxMessageSize() float64 {
	t.c.mu.Lock()
	started := t.c.started
	t.c.mu.Unlock()
	if !started {
		return 0
	}
	if n := t.c.session.RemoteMaxMessageSize(); n > 0 {
		return float64(n)
	}
	return math.Inf(1)
}

// MaxChannels returns how many channels there can be at a time, the lesser of the streams of
// both directions; 0, for W3C's null, before the association is established.
func (t *SCTPTransport) MaxChannels() int { return t.c.session.MaxChannels() }

// OnStateChange sets what is called with each new state: with connected before any channel
// says that it is open, with closed after all have said that they are. It runs among the
// callbacks of the channels, and not after Close of the connection.
func (t *SCTPTransport) OnStateChange(f func(SCTPTransportState)) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.onState = f
}

// changed reports a state. It is called among the callbacks of the session.
func (t *SCTPTransport) changed(s SCTPTransportState) {
	t.c.mu.Lock()
	f := t.onState
	if t.c.silent {
		f = nil
	}
	t.c.mu.Unlock()
	if f != nil {
		f(s)
	}
}

// A DTLSTransport is W3C's RTCDtlsTransport. Its methods may be called from any goroutine,
// and from callbacks.
type DTLSTransport struct {
	c       *core
	onState func(DTLSState) // guarded by c.mu, and so is the next
	onError func(error)
}

// State returns the state.
func (t *DTLSTransport) State() DTLSState {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.c.dtlsState
}

// RemoteCertificates returns the peer's certificates in DER, the leaf first, nil before
// the handshake has finished.
func (t *DTLSTransport) RemoteCertificates() [][]byte {
	if s := t.c.transport(); s != nil {
		return s.PeerCertificates()
	}
	return nil
}

// OnStateChange sets what is called with each new state. It runs among the events of the
// connection, and not after its Close.
func (t *DTLSTransport) OnStateChange(f func(DTLSState)) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.onState = f
}

// OnError sets what is called with why the handshake failed, a *datachannel.RTCError with
// datachannel.FingerprintFailure or datachannel.DTLSFailure, before OnStateChange.
func (t *DTLSTransport) OnError(f func(error)) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.onError = f
}

// changed posts the report of a state; c.mu is held.
func (t *DTLSTransport) changed(s DTLSState) {
	t.c.events.post(func() {
		t.c.mu.Lock()
		f := t.onState
		if t.c.silent {
			f = nil
		}
		t.c.mu.Unlock()
		if f != nil {
			f(s)
		}
	})
}

// failed posts the report of an error of the handshake.
func (t *DTLSTransport) failed(err error) {
	var failure *datachannel.RTCError
	if !errors.As(err, &failure) {
		return // the connection was closed meanwhile
	}
	t.c.events.post(func() {
		t.c.mu.Lock()
		f := t.onError
		if t.c.silent {
			f = nil
		}
		t.c.mu.Unlock()
		if f != nil {
			f(failure)
		}
	})
}

// SCTP returns the transport of the channels, W3C's pc.sctp: nil as long as no
// description with a data section was set, and again when one that has none, or refuses it,
// has settled.
func (pc *PeerConnection) SCTP() *SCTPTransport {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	here := dataIndex(pc.sections) >= 0
	if l := pc.pendingLocal; l != nil && dataIndex(l.desc.sections) >= 0 {
		here = true
	}
	if r := pc.pendingRemote; r != nil && r.peer != nil && r.peer.sctp.port != 0 {
		here = true
	}
	if !here {
		return nil
	}
	return pc.core.sctp
}

// SCTP returns the association of the channels.
func (t *Transport) SCTP() *SCTPTransport { return t.core.sctp }
