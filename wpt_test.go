//go:build !js

package sluice

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/internal/wpt"
)

// TestWPTRows runs the table of package wpt between two PeerConnections, over a network
// with some delay. (w3c-create-a, w3c-create-b, w3c-open-a, w3c-open-b, w3c-close-a, w3c-close-b,
// w3c-send-a, w3c-send-b, w3c-recv-a, w3c-negotiated-a, w3c-error-a, w3c-sctp-c, w3c-state-a)
func TestWPTRows(t *testing.T) {
	for _, run := range wpt.Runs() {
		t.Run(run.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newVirtualPair(t)
				p.run(run)
				p.a.Close()
				p.b.Close()
			})
		})
	}
}

// virtualPair are two PeerConnections on a virtual network.
type virtualPair struct {
	*testing.T
	net  *virtualNet
	a, b *PeerConnection
}

func newVirtualPair(t *testing.T) *virtualPair { return newVirtualPairWith(t, Config{}) }

func newVirtualPairWith(t *testing.T, cfg Config) *virtualPair {
	n := newVirtualNet(t, 1, netsim.Conditions{Latency: 10 * time.Millisecond})
	p := &virtualPair{T: t, net: n}
	cfg.DisableMulticastDNS = true
	for i, pc := range []**PeerConnection{&p.a, &p.b} {
		var err error
		cfg.UDPMux = n.hosts[i].mux(t)
		*pc, err = NewPeerConnection(cfg)
		must(t, err)
		t.Cleanup(func() { (*pc).Close() })
	}
	return p
}

func (p *virtualPair) run(run wpt.Run) {
	end := func(pc *PeerConnection) wpt.End {
		return wpt.NewGoEnd(p.T, pc, func() (string, float64, int) { return wpt.SCTP(pc.SCTP()) })
	}
	stress := 20
	if raceDetector {
		stress = 6
	}
	run.Run(&wpt.Case{
		T: p, Near: end(p.a), Far: end(p.b), Negotiated: run.Negotiated,
		Connect: p.connect, Settle: p.settle, Most: 1 << 20, Stress: stress,
		Restart: func(step func()) {
			before := p.a.Stats().Transport.SelectedCandidatePairChanges
			p.a.RestartICE()
			p.negotiateIn(p.a, p.b, step)
			for p.a.Stats().Transport.SelectedCandidatePairChanges == before {
				netsim.Elapse(10 * time.Millisecond)
			}
		},
	})
}

// negotiate makes an offer and an answer, with all candidates.
func (p *virtualPair) negotiate(offerer, answerer *PeerConnection) {
	p.Helper()
	p.negotiateIn(offerer, answerer, func() {})
}

// negotiateIn calls step after each time that a description is set.
func (p *virtualPair) negotiateIn(offerer, answerer *PeerConnection, step func()) {
	p.Helper()
	for _, way := range [][2]*PeerConnection{{offerer, answerer}, {answerer, offerer}} {
		must(p, way[0].SetLocalDescription(SessionDescription{}))
		<-way[0].GatheringComplete()
		step()
		must(p, way[1].SetRemoteDescription(*way[0].LocalDescription()))
		step()
	}
}

// connect negotiates, and waits until there is an association.
func (p *virtualPair) connect() {
	p.Helper()
	p.negotiate(p.a, p.b)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, pc := range []*PeerConnection{p.a, p.b} {
		must(p, pc.core.session.WaitConnected(ctx))
	}
}

func (p *virtualPair) settle() {
	netsim.Elapse(time.Second)
	synctest.Wait()
}

// TestWPT has the behaviours that web-platform-tests check of one end, of descriptions and
// of transports: a row each, named by the file.
func TestWPT(t *testing.T) {
	for _, row := range []struct {
		file, desc string
		run        func(p *virtualPair)
	}{
		{"RTCPeerConnection-createDataChannel.html", "ids are given by setRemoteDescription of the answer, and at once afterwards", idsByAnswer},
		{"RTCDataChannel-id.html", "an answer of active gives the offerer odd ids, of passive even ones", idsByRole},
		{"RTCSctpTransport-constructor.html", "null before, then with its transport", sctpConstructed},
		{"RTCSctpTransport-maxChannels.html", "there from the offer on, gone after rollback", sctpRollback},
		{"RTCSctpTransport-maxMessageSize.html", "absent, 0, given, and changed", sctpMaxMessageSize},
		{"RTCSctpTransport-events.html", "connecting, connected before the first open, closed after the last close", sctpEvents},
		{"RTCDtlsTransport-state.html", "new, connecting, connected, and closed by the other side", dtlsStates},
		{"RTCDtlsTransport-getRemoteCertificates.html", "there at connected", dtlsCertificates},
		{"protocol/dtls-fingerprint-validation.html", "a wrong fingerprint is an error, and no channel opens", wrongFingerprint},
		{"RTCPeerConnection-onnegotiationneeded.html", "for the first channel only", negotiationNeededOnce},
		{"RTCPeerConnection-connectionState.html", "connecting, connected, closed", connectionStates},
		{"RTCPeerConnection-iceConnectionState.html", "new, checking, connected, closed", iceConnectionStates},
		{"RTCPeerConnection-iceGatheringState.html", "new, gathering, complete, and anew with a restart", iceGatheringStates},
		{"protocol/fingerprint-change-requires-ice-restart.html", "another fingerprint in an answer or an offer is refused, and data goes on", fingerprintChanged},
		{"RTCPeerConnection-close.html", "the transport is closed at once, connected or not", closedAtOnce},
	} {
		t.Run(row.file+"/"+row.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.run(newVirtualPair(t)) })
		})
	}
}

func (p *virtualPair) channel(pc *PeerConnection) *datachannel.Channel {
	p.Helper()
	ch, err := pc.CreateDataChannel("", nil)
	must(p, err)
	return ch
}

// w3c-create-b
func idsByAnswer(p *virtualPair) {
	first := p.channel(p.a)
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	<-p.a.GatheringComplete()
	must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	must(p, p.b.SetLocalDescription(SessionDescription{}))
	if _, ok := first.ID(); ok {
		p.Error("there is an id before the answer")
	}
	must(p, p.a.SetRemoteDescription(*p.b.LocalDescription()))
	second := p.channel(p.a)
	for i, ch := range []*datachannel.Channel{first, second} {
		if id, ok := ch.ID(); !ok || int(id) != 2*i+1 || ch.ReadyState() != datachannel.Connecting {
			p.Errorf("channel %d has id %d, %v, in state %v", i, id, ok, ch.ReadyState())
		}
	}
}

func idsByRole(p *virtualPair) {
	for setup, parity := range map[string]uint16{"active": 1, "passive": 0} {
		offerer, err := NewPeerConnection(Config{})
		must(p, err)
		answerer, err := NewPeerConnection(Config{})
		must(p, err)
		ch := p.channel(offerer)
		offer, err := offerer.CreateOffer()
		must(p, err)
		must(p, offerer.SetLocalDescription(offer))
		must(p, answerer.SetRemoteDescription(offer))
		answer, err := answerer.CreateAnswer()
		must(p, err)
		answer.SDP = strings.Replace(answer.SDP, "a=setup:active", "a=setup:"+setup, 1)
		must(p, offerer.SetRemoteDescription(answer))
		if id, ok := ch.ID(); !ok || id%2 != parity {
			p.Errorf("setup %s: id %d, %v", setup, id, ok)
		}
		offerer.Close()
		answerer.Close()
	}
}

// w3c-sctp-a
func sctpConstructed(p *virtualPair) {
	if p.a.SCTP() != nil || p.b.SCTP() != nil {
		p.Error("there is a transport before any description")
	}
	p.channel(p.a)
	if p.a.SCTP() != nil {
		p.Error("there is a transport before the offer")
	}
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	s := p.a.SCTP()
	if s == nil || s.State() != SCTPTransportStateConnecting || s.MaxMessageSize() != 0 || s.MaxChannels() != 0 {
		p.Fatalf("after the offer: %+v", s)
	}
	must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	if s := p.b.SCTP(); s == nil || s.State() != SCTPTransportStateConnecting {
		p.Errorf("after the offer of the peer: %+v", s)
	}
	must(p, p.b.SetLocalDescription(SessionDescription{}))
	must(p, p.a.SetRemoteDescription(*p.b.LocalDescription()))
	if p.a.SCTP() != s || s.Transport().State() != DTLSStateNew || s.MaxMessageSize() != 262144 {
		p.Errorf("after the answer: DTLS is %s, messages of up to %v bytes", s.Transport().State(), s.MaxMessageSize())
	}
}

// w3c-sctp-a
func sctpRollback(p *virtualPair) {
	p.channel(p.a)
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	for _, pc := range []*PeerConnection{p.a, p.b} {
		if pc.SCTP() == nil || pc.SCTP().MaxChannels() != 0 {
			p.Error("no transport with the offer")
		}
		rollback := pc.SetLocalDescription
		if pc == p.b {
			rollback = pc.SetRemoteDescription
		}
		must(p, rollback(SessionDescription{Type: SDPTypeRollback}))
		if pc.SCTP() != nil {
			p.Error("a transport after the rollback")
		}
	}
	p.connect()
	s := p.a.SCTP()
	if n := s.MaxChannels(); n == 0 || n != p.b.SCTP().MaxChannels() {
		p.Errorf("%d channels", n)
	}
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	must(p, p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
	if p.a.SCTP() != s || s.State() != SCTPTransportStateConnected {
		p.Error("rolling back a second offer took the transport")
	}
}

// w3c-sctp-b
func sctpMaxMessageSize(p *virtualPair) {
	ch := p.channel(p.a)
	renegotiate := func(line string, want float64) {
		p.Helper()
		must(p, p.a.SetLocalDescription(SessionDescription{}))
		<-p.a.GatheringComplete()
		must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
		must(p, p.b.SetLocalDescription(SessionDescription{}))
		<-p.b.GatheringComplete()
		answer := *p.b.LocalDescription()
		answer.SDP = strings.Replace(answer.SDP, "a=max-message-size:262144\r\n", line, 1)
		must(p, p.a.SetRemoteDescription(answer))
		if got := p.a.SCTP().MaxMessageSize(); got != want {
			p.Errorf("%q: maxMessageSize %v, want %v", line, got, want)
		}
	}
	renegotiate("", 65536)
	renegotiate("a=max-message-size:1000\r\n", 1000) // before there is an association
	must(p, p.a.core.session.WaitConnected(p.Context()))
	if got := p.a.SCTP().MaxMessageSize(); got != 1000 {
		p.Errorf("connected: maxMessageSize %v, want 1000", got)
	}
	if err := ch.Send(make([]byte, 1001)); !errors.As(err, new(*TypeError)) {
		p.Errorf("1001 bytes: %v", err)
	}
	renegotiate("a=max-message-size:0\r\n", math.Inf(1))
	must(p, ch.Send(make([]byte, 1001)))
	renegotiate("", 65536)
}

// w3c-state-a, w3c-state-b
func sctpEvents(p *virtualPair) {
	ch := p.channel(p.a)
	events := make(chan string, 100)
	ch.OnOpen(func() { events <- "open" })
	ch.OnError(func(error) { events <- "error" })
	ch.OnClose(func() { events <- "close" })
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	s := p.a.SCTP()
	s.OnStateChange(func(state SCTPTransportState) {
		if state != s.State() {
			p.Errorf("told of %s in state %s", state, s.State())
		}
		events <- "statechange " + string(state)
	})
	p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})
	p.connect()
	p.settle()
	p.b.SCTP().OnStateChange(func(state SCTPTransportState) { p.Errorf("Close is followed by the event of state %s", state) })
	p.b.Close()
	if state := p.b.SCTP().State(); state != SCTPTransportStateClosed {
		p.Errorf("after Close: %s", state)
	}
	p.settle()
	var got []string
	for range len(events) {
		got = append(got, <-events)
	}
	if want := []string{"statechange connected", "open", "error", "close", "statechange closed"}; !slices.Equal(got, want) {
		p.Errorf("events %q, want %q", got, want)
	}
}

func dtlsStates(p *virtualPair) {
	p.channel(p.a)
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	dtls := p.a.SCTP().Transport()
	states := make(chan DTLSState, 100)
	dtls.OnStateChange(func(s DTLSState) { states <- s })
	dtls.OnError(func(err error) { p.Error(err) })
	if s := dtls.State(); s != DTLSStateNew {
		p.Errorf("at first: %s", s)
	}
	p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})
	p.connect()
	p.settle()
	p.b.Close()
	p.settle()
	var got []DTLSState
	for range len(states) {
		got = append(got, <-states)
	}
	if want := []DTLSState{DTLSStateConnecting, DTLSStateConnected, DTLSStateClosed}; !slices.Equal(got, want) || dtls.State() != DTLSStateClosed {
		p.Errorf("states %q, want %q", got, want)
	}
}

func dtlsCertificates(p *virtualPair) {
	p.channel(p.a)
	if certs := p.a.RemoteCertificates(); certs != nil {
		p.Error("certificates before connecting")
	}
	p.connect()
	for x, y := range map[*PeerConnection]*PeerConnection{p.a: p.b, p.b: p.a} {
		certs := x.SCTP().Transport().RemoteCertificates()
		if len(certs) != 1 || newFingerprint("sha-256", certs[0]) != y.core.fingerprints()[0] {
			p.Errorf("%d certificates", len(certs))
		}
	}
}

// w3c-error-a, w3c-fail-a
func wrongFingerprint(p *virtualPair) {
	ch := p.channel(p.a)
	var failure *RTCError
	var events []string
	ch.OnOpen(func() { events = append(events, "open") })
	ch.OnError(func(err error) { events = append(events, "error"); errors.As(err, &failure) })
	ch.OnClose(func() { events = append(events, "close") })
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	<-p.a.GatheringComplete()
	var ofDTLS error
	p.a.SCTP().Transport().OnError(func(err error) { ofDTLS = err })
	must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	must(p, p.b.SetLocalDescription(SessionDescription{}))
	<-p.b.GatheringComplete()
	answer := *p.b.LocalDescription()
	answer.SDP = strings.Replace(answer.SDP, line(answer.SDP, "a=fingerprint"), "a=fingerprint:sha-256 "+testFingerprint, 1)
	must(p, p.a.SetRemoteDescription(answer))
	p.settle()
	var rtc *RTCError
	if !errors.As(ofDTLS, &rtc) || rtc.Detail != datachannel.FingerprintFailure || p.a.SCTP().Transport().State() != DTLSStateFailed {
		p.Errorf("DTLS is %s with %v", p.a.SCTP().Transport().State(), ofDTLS)
	}
	if !slices.Equal(events, []string{"error", "close"}) || failure == nil || failure.Detail != datachannel.DataChannelFailure ||
		!errors.As(failure.Err, new(*FingerprintError)) || p.a.SCTP().State() != SCTPTransportStateClosed {
		p.Errorf("events %q, %v, transport %s", events, failure, p.a.SCTP().State())
	}
}

// w3c-create-b
func negotiationNeededOnce(p *virtualPair) {
	n := 0
	p.a.OnNegotiationNeeded(func() { n++ })
	for range 3 {
		p.channel(p.a)
		p.settle()
	}
	p.connect()
	p.channel(p.a)
	p.settle()
	if n != 1 {
		p.Errorf("%d events", n)
	}
}

func connectionStates(p *virtualPair) {
	var states []ConnectionState
	p.a.OnConnectionStateChange(func(s ConnectionState) { states = append(states, s) })
	p.channel(p.a)
	p.connect()
	p.settle()
	if want := []ConnectionState{ConnectionStateConnecting, ConnectionStateConnected}; !slices.Equal(states, want) {
		p.Errorf("%q, want %q", states, want)
	}
	p.a.Close()
	p.settle()
	if s := p.a.ConnectionState(); s != ConnectionStateClosed || len(states) != 2 {
		p.Errorf("%s after Close, and %q", s, states)
	}
}

func iceConnectionStates(p *virtualPair) {
	if s := p.a.ICEConnectionState(); s != ICEConnectionStateNew {
		p.Errorf("at first: %s", s)
	}
	var states []ICEConnectionState
	p.a.OnICEConnectionStateChange(func(s ICEConnectionState) {
		if got := p.a.ICEConnectionState(); got != s {
			p.Errorf("told of %s in state %s", s, got)
		}
		states = append(states, s)
	})
	p.channel(p.a)
	p.connect()
	p.settle()
	if want := []ICEConnectionState{ICEConnectionStateChecking, ICEConnectionStateConnected}; !slices.Equal(states, want) {
		p.Errorf("%q, want %q", states, want)
	}
	p.a.Close()
	p.settle()
	if s := p.a.ICEConnectionState(); s != ICEConnectionStateClosed || len(states) != 2 {
		p.Errorf("%s after Close, and %q", s, states)
	}
}

func iceGatheringStates(p *virtualPair) {
	states := map[*PeerConnection]*[]ICEGatheringState{p.a: {}, p.b: {}} // a list for the events of each
	for pc, list := range states {
		if s := pc.ICEGatheringState(); s != ICEGatheringStateNew {
			p.Errorf("at first: %s", s)
		}
		pc.OnICEGatheringStateChange(func(s ICEGatheringState) { *list = append(*list, s) })
	}
	p.channel(p.a)
	p.connect()
	p.settle()
	want := []ICEGatheringState{ICEGatheringStateGathering, ICEGatheringStateComplete}
	for pc, got := range states {
		if !slices.Equal(*got, want) || pc.ICEGatheringState() != ICEGatheringStateComplete {
			p.Errorf("%q, want %q; it is %s", *got, want, pc.ICEGatheringState())
		}
	}
	p.a.RestartICE()
	p.negotiate(p.a, p.b)
	p.settle()
	for _, got := range states {
		if !slices.Equal(*got, slices.Repeat(want, 2)) {
			p.Errorf("after a restart %q", *got)
		}
	}
}

// 8842-3.1-a
func fingerprintChanged(p *virtualPair) {
	near := p.channel(p.a)
	messages := make(chan string, 1)
	p.b.OnDataChannel(func(ch *datachannel.Channel) {
		ch.OnMessage(func(m datachannel.Message) { messages <- string(m.Data) })
	})
	p.connect()
	changed := func(d *SessionDescription) SessionDescription {
		d.SDP = strings.Replace(d.SDP, line(d.SDP, "a=fingerprint"), "a=fingerprint:sha-256 "+testFingerprint, 1)
		return *d
	}
	refused := func(what string, err error) {
		p.Helper()
		if !errors.As(err, new(*InvalidAccessError)) {
			p.Errorf("%s: %v", what, err)
		}
		must(p, near.SendText(what))
		if got := <-messages; got != what {
			p.Errorf("%q came, want %q", got, what)
		}
	}
	must(p, p.a.SetLocalDescription(SessionDescription{}))
	refused("offer", p.b.SetRemoteDescription(changed(p.a.LocalDescription())))
	must(p, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	must(p, p.b.SetLocalDescription(SessionDescription{}))
	refused("answer", p.a.SetRemoteDescription(changed(p.b.LocalDescription())))
	must(p, p.a.SetRemoteDescription(*p.b.LocalDescription()))
}

// w3c-close-b
func closedAtOnce(p *virtualPair) {
	early := p.channel(p.b)
	must(p, p.b.SetLocalDescription(SessionDescription{}))
	s := p.b.SCTP()
	p.b.Close()
	if early.ReadyState() != datachannel.Closed || s.State() != SCTPTransportStateClosed || p.b.SCTP() != s {
		p.Errorf("channel %v, transport %s", early.ReadyState(), s.State())
	}
	if _, err := p.b.CreateDataChannel("", nil); !errors.As(err, new(*InvalidStateError)) {
		p.Errorf("CreateDataChannel: %v", err)
	}
}

// The errors of this package are RTCErrors, too (w3c-error-a).
func TestRTCErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want RTCError
	}{
		{fmt.Errorf("wrapped: %w", &FingerprintError{}), RTCError{Detail: datachannel.FingerprintFailure}},
		{&HandshakeError{Err: errors.New("x")}, RTCError{Detail: datachannel.DTLSFailure}},
	} {
		var got *RTCError
		if !errors.As(c.err, &got) || got.Detail != c.want.Detail || got.Message == "" || got.Err == nil {
			t.Errorf("%v is %+v, want %+v", c.err, got, c.want)
		}
	}
}
