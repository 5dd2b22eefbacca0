package sluice

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// flow sends numbered messages over a channel as fast as it takes them, and
// checks that all arrive in order at the other end.
type flow struct {
	stop     context.CancelFunc
	progress chan uint32 // the number that arrived last
	ended    chan error
}

func startFlow(t testing.TB, from, to *datachannel.Channel) *flow {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &flow{cancel, make(chan uint32, 1), make(chan error, 2)}
	go func() {
		for n := uint32(1); ; n++ {
			if err := from.WriteMessage(ctx, binary.BigEndian.AppendUint32(nil, n), false); err != nil {
				f.end(ctx, err)
				return
			}
		}
	}()
	go func() {
		for n := uint32(1); ; n++ {
			m, err := to.ReadMessage(ctx)
			if err != nil {
				f.end(ctx, err)
				return
			}
			if got := binary.BigEndian.Uint32(m.Data); got != n {
				f.ended <- fmt.Errorf("message %d, want %d", got, n)
				return
			}
			select {
			case <-f.progress:
			default:
			}
			f.progress <- n
		}
	}()
	return f
}

func (f *flow) end(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = nil
	}
	f.ended <- err
}

// goesOn waits until more messages than before have arrived.
func (f *flow) goesOn(t testing.TB, when string) {
	t.Helper()
	for range 3 { // the first may be old
		select {
		case <-f.progress:
		case err := <-f.ended:
			t.Fatalf("%s: the flow ended: %v", when, err)
		case <-time.After(testTimeout):
			t.Fatalf("%s: nothing arrives", when)
		}
	}
}

func (f *flow) finish(t testing.TB) {
	t.Helper()
	f.stop()
	for range 2 {
		if err := <-f.ended; err != nil {
			t.Errorf("flow: %v", err)
		}
	}
}

// connectedPeers are two PeerConnections with messages under way in both directions.
type connectedPeers struct {
	a, b  *testPeer
	flows []*flow
}

func newConnectedPeers(t testing.TB) *connectedPeers {
	t.Helper()
	p := &connectedPeers{a: newTestPeer(t, loopbackConfig()), b: newTestPeer(t, loopbackConfig())}
	trickle(t, p.a, p.b)
	trickle(t, p.b, p.a)
	ch := wantChannel(t, p.a.PeerConnection)
	negotiate(t, p.a, p.b, true)
	other := receive(t, "channel", p.b.channels)
	p.flows = []*flow{startFlow(t, ch, other), startFlow(t, other, ch)}
	p.goesOn(t, "before")
	return p
}

func (p *connectedPeers) goesOn(t testing.TB, when string) {
	t.Helper()
	for _, f := range p.flows {
		f.goesOn(t, when)
	}
}

func (p *connectedPeers) finish(t testing.TB) {
	t.Helper()
	for _, f := range p.flows {
		f.finish(t)
	}
}

// usedGeneration returns the credentials of the generation that carries data.
func usedGeneration(c *core) iceCredentials {
	c.ice.mu.Lock()
	defer c.ice.mu.Unlock()
	return c.ice.used.iceCredentials
}

// wantMoved waits until data has moved to a generation other than old.
func wantMoved(t testing.TB, c *core, old iceCredentials) {
	t.Helper()
	if !eventually(func() bool { return usedGeneration(c) != old }) {
		t.Fatal("data stays on the old path")
	}
}

// 8445-9, 8445-8-a, 8842-3.1-a, 9260's association untouched: a restart begun by
// either side, trickled or not, while messages flow. RTCDataChannel-iceRestart.html.
func TestRestartICE(t *testing.T) {
	for _, trickling := range []bool{true, false} {
		for _, by := range []string{"offerer", "answerer"} {
			t.Run(fmt.Sprintf("trickle %v, by the %s", trickling, by), func(t *testing.T) {
				p := newConnectedPeers(t)
				a, b := p.a, p.b
				if by == "answerer" {
					a, b = b, a
				}
				secure := a.core.transport()
				for i := range 3 {
					before, beforeB := usedGeneration(a.core), usedGeneration(b.core)
					a.RestartICE()
					negotiate(t, a, b, trickling)
					p.goesOn(t, "during")
					wantMoved(t, a.core, before)
					wantMoved(t, b.core, beforeB)
					p.goesOn(t, fmt.Sprint("after ", i))
				}
				if a.core.transport() != secure {
					t.Error("DTLS was replaced")
				}
				if s := a.Stats(); s.Transport.SelectedCandidatePairChanges < 4 || s.Transport.ICEState != ICEConnectionStateConnected ||
					s.Transport.ICELocalUsernameFragment != usedGeneration(a.core).ufrag {
					t.Errorf("statistics: %+v", s.Transport)
				}
				p.finish(t)
			})
		}
	}
}

// RestartICE asks for a negotiation until one has replaced the credentials; the
// option of CreateOffer does so for one offer.
func TestRestartNegotiationNeeded(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	needed := make(chan struct{}, 10)
	a.RestartICE() // nothing to restart
	wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	want(t, "a", a.states, ConnectionStateConnected)
	a.OnNegotiationNeeded(func() { needed <- struct{}{} })
	ufrag := func(d SessionDescription) string { return line(d.SDP, "a=ice-ufrag") }
	first := ufrag(*a.LocalDescription())

	again, err := a.CreateOffer(ICERestart)
	must(t, err)
	if ufrag(again) == first || strings.Contains(again.SDP, "a=candidate") {
		t.Errorf("an offer that restarts ICE has old credentials or candidates:\n%s", again.SDP)
	}
	if plain, err := a.CreateOffer(); err != nil || ufrag(plain) != first {
		t.Errorf("the next offer without: %s, %v, want %s", ufrag(plain), err, first)
	}
	a.RestartICE()
	receive(t, "negotiationneeded", needed)
	plain, err := a.CreateOffer()
	must(t, err)
	if ufrag(plain) == first {
		t.Error("the offer after RestartICE has the old credentials")
	}
	negotiate(t, a, b, false)
	if now := ufrag(*a.LocalDescription()); now == first {
		t.Error("RestartICE had no effect")
	}
	// Asked for while an offer is out: due again afterwards.
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	a.RestartICE()
	second := ufrag(*a.LocalDescription())
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	setLocal(t, b.PeerConnection, SDPTypeAnswer)
	must(t, a.SetRemoteDescription(*b.LocalDescription()))
	receive(t, "negotiationneeded", needed)
	// An offer of the peer's that restarts ICE does it, too.
	b.RestartICE()
	negotiate(t, b, a, false)
	if now := ufrag(*a.LocalDescription()); now == second {
		t.Error("the answer to a restart has the old credentials")
	}
	if d, err := a.CreateOffer(); err != nil || ufrag(d) != ufrag(*a.LocalDescription()) {
		t.Errorf("another restart is offered: %v", err)
	}
	a.Close()
	a.RestartICE()
}

// RFC 8829, section 4.1.10.2: a rollback returns to the credentials before; the
// connection notices nothing.
func TestRestartRollback(t *testing.T) {
	p := newConnectedPeers(t)
	before := p.a.core.localCredentials()
	for _, side := range []string{"offerer", "answerer"} {
		p.a.RestartICE()
		setLocal(t, p.a.PeerConnection, SDPTypeOffer)
		if p.a.core.localCredentials() == before {
			t.Fatal("no new credentials")
		}
		if side == "answerer" {
			must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
			if _, err := p.b.CreateAnswer(); err != nil {
				t.Fatal(err)
			}
			must(t, p.b.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback}))
		}
		must(t, p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
		if got := p.a.core.localCredentials(); got != before {
			t.Errorf("%s: credentials %v after the rollback, want %v", side, got, before)
		}
		p.goesOn(t, side+" after the rollback")
	}
	// And the restart is still due, works, and can be offered by both at once.
	p.b.RestartICE()
	setLocal(t, p.b.PeerConnection, SDPTypeOffer)
	setLocal(t, p.a.PeerConnection, SDPTypeOffer)
	must(t, p.a.SetRemoteDescription(*p.b.LocalDescription())) // rolls ours back
	setLocal(t, p.a.PeerConnection, SDPTypeAnswer)
	must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	wantMoved(t, p.a.core, before)
	p.goesOn(t, "after both offered")
	p.finish(t)
}

// A provisional answer may begin the restart; then it cannot be rolled back.
func TestRestartPranswer(t *testing.T) {
	p := newConnectedPeers(t)
	before := usedGeneration(p.a.core)
	p.a.RestartICE()
	setLocal(t, p.a.PeerConnection, SDPTypeOffer)
	must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	provisional := setLocal(t, p.b.PeerConnection, SDPTypePranswer)
	must(t, p.a.SetRemoteDescription(provisional))
	wantMoved(t, p.a.core, before)
	if err := p.a.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback}); !errors.As(err, new(*InvalidStateError)) {
		t.Errorf("rollback = %v", err)
	}
	final := setLocal(t, p.b.PeerConnection, SDPTypeAnswer)
	must(t, p.a.SetRemoteDescription(final))
	p.goesOn(t, "after")
	p.finish(t)
}

// An answer that gives the other DTLS role, as Firefox's does to a side that was
// the client, changes nothing.
func TestRestartAnswerOtherRole(t *testing.T) {
	p := newConnectedPeers(t)
	before := usedGeneration(p.a.core)
	p.a.RestartICE()
	setLocal(t, p.a.PeerConnection, SDPTypeOffer)
	must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	answer := setLocal(t, p.b.PeerConnection, SDPTypeAnswer)
	answer.SDP = strings.Replace(answer.SDP, "a=setup:active", "a=setup:passive", 1)
	must(t, p.a.SetRemoteDescription(answer))
	wantMoved(t, p.a.core, before)
	p.goesOn(t, "after")
	p.finish(t)
}

// What the answer says must fit what was offered.
func TestRestartAnswerMismatch(t *testing.T) {
	p := newConnectedPeers(t)
	p.a.RestartICE()
	setLocal(t, p.a.PeerConnection, SDPTypeOffer)
	must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	old := p.b.CurrentLocalDescription().SDP
	answer := setLocal(t, p.b.PeerConnection, SDPTypeAnswer)
	lazy := answer
	for _, name := range []string{"a=ice-ufrag", "a=ice-pwd"} {
		lazy.SDP = strings.ReplaceAll(lazy.SDP, line(answer.SDP, name), line(old, name))
	}
	if err := p.a.SetRemoteDescription(lazy); !errors.As(err, new(*OperationError)) {
		t.Errorf("an answer with the old credentials: %v", err)
	}
	p.goesOn(t, "after the refused answer")
	must(t, p.a.SetRemoteDescription(answer))
	p.finish(t)
}

// A restart before the candidates of the last generation are all known, one
// before the first path is found, and one before the last has come to anything.
func TestRestartWhileGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNet(t, 1, netsim.Conditions{Latency: 5 * time.Millisecond})
		var peers []*testPeer
		for _, h := range n.hosts {
			peers = append(peers, newTestPeer(t, Config{UDPMux: h.mux(t), DisableMulticastDNS: true,
				ICEServers: []ICEServer{{URLs: []string{"stun:192.0.2.3:3478"}}}})) // is silent, which keeps gathering from ending
		}
		a, b := peers[0], peers[1]
		trickle(t, a, b)
		trickle(t, b, a)
		ch := wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, true)
		a.RestartICE()
		negotiate(t, a, b, true)
		other := receive(t, "channel", b.channels)
		exchange(t, ch, other)
		for range 3 {
			if s := a.ICEGatheringState(); s != ICEGatheringStateGathering {
				t.Errorf("gathering state %s", s)
			}
			a.RestartICE()
			negotiate(t, a, b, true)
		}
		exchange(t, ch, other)
		a.Close()
		b.Close()
	})
}

// A restart brings back a connection whose path is gone, also when ICE has failed.
func TestRestartRevives(t *testing.T) {
	for _, lost := range []ICEConnectionState{ICEConnectionStateDisconnected, ICEConnectionStateFailed} {
		t.Run(string(lost), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { reviveAfter(t, lost) }) })
	}
}

// reviveAfter is TestRestartRevives for one state, in virtual time: a machine that is slow
// would lose the new path as it lost the old one.
func reviveAfter(t *testing.T, lost ICEConnectionState) {
	n := newVirtualNet(t, 1, netsim.Conditions{Latency: 5 * time.Millisecond})
	var peers []*testPeer
	for _, h := range n.hosts {
		peers = append(peers, newTestPeer(t, Config{UDPMux: h.mux(t), DisableMulticastDNS: true,
			ICEDisconnectedTimeout: 5 * time.Second, ICEFailedTimeout: 10 * time.Second}))
	}
	a, b := peers[0], peers[1]
	states := make(chan ICEConnectionState, 100)
	a.OnICEConnectionStateChange(func(s ICEConnectionState) { states <- s })
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	for _, p := range peers {
		p.core.ice.mu.Lock()
		used := p.core.ice.used
		p.core.ice.mu.Unlock()
		used.ports.Close() // no check comes through any more
	}
	want(t, "a", states, lost)
	a.RestartICE()
	negotiate(t, a, b, false)
	want(t, "a", states, ICEConnectionStateChecking) // w3c: the loss is forgotten
	want(t, "a", states, ICEConnectionStateConnected)
	exchange(t, ch, other)
	a.Close()
	b.Close()
}

// Transports restart without SDP: one side begins, or both at once.
func TestTransportRestart(t *testing.T) {
	for _, by := range []string{"one side", "both sides"} {
		t.Run(by, func(t *testing.T) {
			a, b := newTestTransport(t, nil), newTestTransport(t, nil)
			if err := a.RestartICE(); !errors.As(err, new(*StateError)) {
				t.Errorf("RestartICE before Start = %v", err)
			}
			ch, err := a.CreateChannel("data", nil)
			must(t, err)
			connect(t, a, b)
			other := accept(t, b)
			flows := []*flow{startFlow(t, ch, other), startFlow(t, other, ch)}
			for range 3 {
				before, beforeB := usedGeneration(a.core), usedGeneration(b.core)
				must(t, a.RestartICE())
				if by == "both sides" {
					must(t, b.RestartICE())
				}
				toB := localParameters(t, a)
				var late TransportParameters
				if by == "both sides" {
					late = localParameters(t, b)
				}
				must(t, b.SetRemoteParameters(overJSON(t, toB)))
				if by == "one side" {
					late = localParameters(t, b)
					if late.Answers != toB.UsernameFragment {
						t.Errorf("the answer is to %q, want %q", late.Answers, toB.UsernameFragment)
					}
				}
				must(t, a.SetRemoteParameters(overJSON(t, late)))
				must(t, a.SetRemoteParameters(overJSON(t, late))) // again: nothing new
				wantMoved(t, a.core, before)
				wantMoved(t, b.core, beforeB)
				for _, f := range flows {
					f.goesOn(t, "after")
				}
			}
			for _, f := range flows {
				f.finish(t)
			}
		})
	}
}

// Trickled candidates of a restart may come before its parameters, and an answer
// after its restart was given up.
func TestTransportRestartTrickle(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	lines := make(chan string, 100)
	a.OnCandidate(func(l string) { lines <- l })
	must(t, a.RestartICE())
	must(t, a.Gather())
	toB := a.Parameters()
	toB.Candidates = nil
	for l := receive(t, "candidate", lines); l != ""; l = receive(t, "candidate", lines) {
		must(t, b.AddRemoteCandidate(l))
	}
	before := usedGeneration(b.core)
	must(t, b.SetRemoteParameters(toB))
	stale := b.Parameters()
	must(t, a.RestartICE())
	again := localParameters(t, a)
	must(t, a.SetRemoteParameters(stale))
	if got := a.Parameters().UsernameFragment; got != again.UsernameFragment || !a.core.ice.restarting() {
		t.Errorf("a stale answer ended the restart")
	}
	must(t, b.SetRemoteParameters(again))
	must(t, a.SetRemoteParameters(localParameters(t, b)))
	wantMoved(t, b.core, before)
	wrong := again
	wrong.Fingerprints = mustCertificate(t).Fingerprints()
	var p *ParameterError
	if err := b.SetRemoteParameters(wrong); !errors.As(err, &p) {
		t.Errorf("another certificate: %v", err)
	}
	wrong = again
	wrong.Password = "short"
	if err := b.SetRemoteParameters(wrong); !errors.As(err, &p) {
		t.Errorf("a short password: %v", err)
	}
	wrong = again
	wrong.Candidates = []string{"nonsense"}
	if err := b.SetRemoteParameters(wrong); !errors.As(err, new(*CandidateError)) {
		t.Errorf("a broken candidate: %v", err)
	}
}

// Restarts that cross, of which one was begun anew: each side has agreed on one that the other
// gave up, and then both mean the same.
func TestTransportRestartsCross(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	before, beforeB := usedGeneration(a.core), usedGeneration(b.core)
	restart := func(tr *Transport) TransportParameters {
		must(t, tr.RestartICE())
		return overJSON(t, localParameters(t, tr))
	}
	fromB1, fromB2, fromA := restart(b), restart(b), restart(a)
	must(t, a.SetRemoteParameters(fromB1)) // with the restart of A
	must(t, a.SetRemoteParameters(fromB2)) // with another one, that answers it
	answer := overJSON(t, localParameters(t, a))
	must(t, b.SetRemoteParameters(fromA)) // which A has given up
	must(t, b.SetRemoteParameters(answer))
	wantMoved(t, a.core, before)
	wantMoved(t, b.core, beforeB)
	must(t, b.SetRemoteParameters(answer)) // again: nothing new
	other := answer
	other.UsernameFragment = "another1"
	must(t, b.SetRemoteParameters(other))
	if got := b.Parameters().UsernameFragment; got != fromB2.UsernameFragment {
		t.Error("a second answer began a restart")
	}
}

// What signalling delivers late, of a generation that the peer has given up, begins nothing and takes
// no room from what is to come.
func TestTransportRestartLate(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	first := overJSON(t, a.Parameters())
	before, beforeB := usedGeneration(a.core), usedGeneration(b.core)
	must(t, a.RestartICE())
	second := overJSON(t, localParameters(t, a))
	must(t, b.SetRemoteParameters(second))
	must(t, a.SetRemoteParameters(overJSON(t, localParameters(t, b))))
	wantMoved(t, a.core, before)
	wantMoved(t, b.core, beforeB)

	must(t, b.SetRemoteParameters(first))
	if b.core.ice.restarting() || b.Parameters().Answers != second.UsernameFragment {
		t.Error("parameters from before the restart began another")
	}
	for _, line := range first.Candidates {
		must(t, b.AddRemoteCandidate(line+" ufrag "+first.UsernameFragment))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.early) > 0 {
		t.Errorf("%d candidates of a generation that is over wait for it to come", len(b.early))
	}
}
