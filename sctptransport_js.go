package sluice

import (
	"math"
	"syscall/js"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/webjs"
)

// An SCTPTransport is the browser's RTCSctpTransport: what the channels of a connection
// have in common. Its methods may be called from any goroutine, and from callbacks.
type SCTPTransport struct {
	pc      *PeerConnection
	object  js.Value
	dtls    DTLSTransport
	onState func(SCTPTransportState) // guarded by pc.mu
	former  *SCTPTransport           // whose place it took, and which may have something to say still; nil: none
	remove  []func()                 // the listeners
}

// unlisten takes the listeners off.
func (t *SCTPTransport) unlisten() {
	for _, remove := range t.remove {
		remove()
	}
	t.remove = nil
}

// Transport returns the DTLS transport that carries the association.
func (t *SCTPTransport) Transport() *DTLSTransport { return &t.dtls }

// State returns the state.
func (t *SCTPTransport) State() SCTPTransportState {
	if t.pc.usableNow("") != nil {
		return SCTPTransportStateClosed
	}
	return SCTPTransportState(t.object.Get("state").String())
}

// MaxMessageSize returns the largest message, in bytes, that a channel may send, positive
// infinity for any size. It is 0, for W3C's null, before the description of the peer is in
// use.
func (t *SCTPTransport) MaxMessageSize() float64 { return number(t.object.Get("maxMessageSize")) }

// MaxChannels returns how many channels there can be at a time; 0, for W3C's null, before
// the association is established.
func (t *SCTPTransport) MaxChannels() int { return int(number(t.object.Get("maxChannels"))) }

// number is 0 for null.
func number(v js.Value) float64 {
	if v.Type() != js.TypeNumber {
		return 0
	}
	return v.Float()
}

// OnStateChange sets what is called with each new state. It runs among the events of the
// connection, and not after its Close.
func (t *SCTPTransport) OnStateChange(f func(SCTPTransportState)) {
	t.pc.mu.Lock()
	defer t.pc.mu.Unlock()
	t.onState = f
}

// A DTLSTransport is the browser's RTCDtlsTransport. Its methods may be called from any
// goroutine, and from callbacks.
type DTLSTransport struct {
	pc      *PeerConnection
	object  js.Value
	onState func(DTLSState) // guarded by pc.mu, and so is the next
	onError func(error)
}

// State returns the state.
func (t *DTLSTransport) State() DTLSState {
	if t.pc.usableNow("") != nil {
		return DTLSStateClosed
	}
	return DTLSState(t.object.Get("state").String())
}

// RemoteCertificates returns the peer's certificates in DER, the leaf first; nil before the
// handshake has finished, and in browsers that do not tell.
func (t *DTLSTransport) RemoteCertificates() [][]byte {
	if !webjs.Is(t.object.Get("getRemoteCertificates")) {
		return nil
	}
	certs := t.object.Call("getRemoteCertificates")
	var list [][]byte
	for i := range certs.Length() {
		list = append(list, bytesOf(certs.Index(i)))
	}
	return list
}

// OnStateChange sets what is called with each new state. It runs among the events of the
// connection, and not after its Close.
func (t *DTLSTransport) OnStateChange(f func(DTLSState)) {
	t.pc.mu.Lock()
	defer t.pc.mu.Unlock()
	t.onState = f
}

// OnError sets what is called with why the handshake failed, a *datachannel.RTCError.
func (t *DTLSTransport) OnError(f func(error)) {
	t.pc.mu.Lock()
	defer t.pc.mu.Unlock()
	t.onError = f
}

// SCTP returns the transport of the channels, W3C's pc.sctp: nil as long as no description
// with a data section was set, and again when one that has none, or refuses it, has settled.
func (pc *PeerConnection) SCTP() *SCTPTransport {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.transport()
}

// transport returns the present one; pc.mu is held.
func (pc *PeerConnection) transport() *SCTPTransport {
	object := pc.pc.Get("sctp")
	if !webjs.Is(object) {
		return nil
	}
	if t := pc.sctp; t != nil && t.object.Equal(object) {
		return t
	}
	t := &SCTPTransport{pc: pc, object: object, dtls: DTLSTransport{pc: pc, object: object.Get("transport")}, former: pc.sctp}
	if t.former != nil && t.former.former != nil {
		t.former.former.unlisten()
		t.former.former = nil
	}
	pc.sctp = t
	if !pc.closed {
		t.remove = []func(){
			webjs.Listen(object, func(js.Value) { t.handleState() }, "statechange"),
			webjs.Listen(t.dtls.object, t.dtls.handle, "statechange", "error"),
		}
	}
	return t
}

// handleState runs while the browser waits, and so does handle.
func (t *SCTPTransport) handleState() {
	post(t.pc, func() func(SCTPTransportState) { return t.onState }, SCTPTransportState(t.object.Get("state").String()))
}

func (t *DTLSTransport) handle(ev js.Value) {
	if ev.Get("type").String() == "error" {
		post(t.pc, func() func(error) { return t.onError }, error(datachannel.NewRTCError(ev.Get("error"))))
		return
	}
	post(t.pc, func() func(DTLSState) { return t.onState }, DTLSState(t.object.Get("state").String()))
	t.pc.updateConnection()
}

// updateLimit tells the channels how large a message the peer accepts; pc.mu is held.
func (pc *PeerConnection) updateLimit() {
	t := pc.transport()
	if t == nil {
		return
	}
	switch n := t.MaxMessageSize(); {
	case n >= math.MaxInt64:
		pc.session.SetRemoteMaxMessageSize(0)
	case n > 0:
		pc.session.SetRemoteMaxMessageSize(int64(n))
	}
}
