package sluice

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// restartOffer is an offer of pc's that restarts ICE, set and gathered.
func restartOffer(t testing.TB, pc *PeerConnection) SessionDescription {
	t.Helper()
	pc.RestartICE()
	return gathered(t, pc)
}

// ends returns how the channels end: "closed", or an error before it.
func ends(channels ...*datachannel.Channel) <-chan string {
	events := make(chan string, 10)
	for _, c := range channels {
		c.OnClose(func() { events <- "closed" })
		c.OnError(func(err error) { events <- causeOf(err) })
	}
	return events
}

// Another peer answers an offer of ours that restarts ICE: the channels of before end, and the
// new association carries others, again and again, by tokens and by handshakes.
// web-platform-tests: protocol/handover-datachannel.html. 8842-3.1-a, snap-d
func TestHandover(t *testing.T) {
	for _, kind := range []string{"plain", "without SNAP", "the second without SNAP", "by the library", "on one port", "to one port"} {
		t.Run(kind, func(t *testing.T) {
			ours, theirs := loopbackConfig(), loopbackConfig()
			switch kind {
			case "without SNAP":
				ours.DisableSNAP = true
			case "the second without SNAP":
				theirs.DisableSNAP = true
			case "by the library":
				ours.PlainTransport = true
			case "on one port":
				ours.UDPMux = newTestUDPMux(t)
			case "to one port":
				theirs.UDPMux = newTestUDPMux(t)
			}
			a, b := newTestPeer(t, ours), newTestPeer(t, loopbackConfig())
			trickle(t, a, b)
			trickle(t, b, a)
			ch := wantChannel(t, a.PeerConnection)
			negotiate(t, a, b, true)
			other := receive(t, "channel", b.channels)
			exchange(t, ch, other)
			want(t, "a", a.states, ConnectionStateConnected)
			for range 3 {
				closed := ends(ch, other)
				transport, id := a.SCTP(), line(a.LocalDescription().SDP, "a=tls-id")
				next := newTestPeer(t, theirs)
				trickle(t, a, next)
				trickle(t, next, a)
				a.RestartICE()
				negotiate(t, a, next, true)
				for range 2 {
					if got := receive(t, "end", closed); got != "closed" && got != "sctp-failure 12" {
						t.Errorf("a channel of the old association ends with %s", got)
					}
				}
				if !eventually(func() bool {
					return transport.State() == SCTPTransportStateClosed && transport.Transport().State() == DTLSStateClosed
				}) {
					t.Errorf("old transports: %s, %s", transport.State(), transport.Transport().State())
				}
				want(t, "a, in between", a.states, ConnectionStateConnecting)
				want(t, "a", a.states, ConnectionStateConnected)
				ch = wantChannel(t, next.PeerConnection) // "second back"
				other = receive(t, "channel", a.channels)
				exchange(t, other, ch)
				exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", next.channels))
				if got := a.RemoteCertificates(); len(got) == 0 || string(got[0]) != string(next.core.cert.der) {
					t.Error("the certificate is not the new peer's")
				}
				if s := a.Stats(); s.Transport.SelectedCandidatePairID == "" || s.Transport.DTLSState != DTLSStateConnected || s.PeerConnection.DataChannelsClosed == 0 {
					t.Errorf("statistics: %+v", s)
				}
				must(t, b.Close())
				b = next
				// The association goes on from there: it can be restarted, and renegotiated by either side.
				negotiate(t, b, a, true)
				before := usedGeneration(a.core)
				a.RestartICE()
				negotiate(t, a, b, true)
				wantMoved(t, a.core, before)
				exchange(t, ch, other)
				if line(a.LocalDescription().SDP, "a=tls-id") != id {
					t.Error("the tls-id is not the one that was offered")
				}
			}
			a.Close()
			b.Close()
			if ours.UDPMux == nil && theirs.UDPMux == nil {
				wantNoLeftovers(t)
			}
		})
	}
}

// What another peer's answer may not do is refused, and nothing has changed: the peer of before
// can answer still.
func TestHandoverRefused(t *testing.T) {
	p := newConnectedPeers(t)
	stranger := func(offer SessionDescription, typ SDPType) SessionDescription {
		c := newTestPC(t)
		must(t, c.SetRemoteDescription(offer))
		return setLocal(t, c, typ)
	}
	refused := func(why string, d SessionDescription, kind any) {
		t.Helper()
		before := descriptions(p.a.PeerConnection)
		if err := p.a.SetRemoteDescription(d); !errors.As(err, kind) {
			t.Errorf("%s: %T %v, want %T", why, err, err, kind)
		}
		if p.a.SignalingState() != SignalingStateHaveLocalOffer || !sameDescriptions(before, descriptions(p.a.PeerConnection)) {
			t.Fatalf("%s: the state changed", why)
		}
		p.goesOn(t, why)
	}

	offer := gathered(t, p.a.PeerConnection)
	refused("another peer, and no restart", stranger(offer, SDPTypeAnswer), new(*OperationError))
	sameICE := stranger(offer, SDPTypeAnswer)
	for _, name := range []string{"a=ice-ufrag", "a=ice-pwd"} {
		sameICE.SDP = strings.ReplaceAll(sameICE.SDP, line(sameICE.SDP, name), line(p.a.RemoteDescription().SDP, name))
	}
	refused("another certificate, and no restart", sameICE, new(*InvalidAccessError))
	must(t, p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))

	offer = restartOffer(t, p.a.PeerConnection)
	refused("another certificate, and not the restart that was offered", sameICE, new(*InvalidAccessError))
	refused("another peer, provisionally", stranger(offer, SDPTypePranswer), new(*OperationError))
	port := stranger(offer, SDPTypeAnswer)
	for _, name := range []string{"a=fingerprint", "a=tls-id"} {
		port.SDP = strings.ReplaceAll(port.SDP, line(port.SDP, name), line(p.a.RemoteDescription().SDP, name))
	}
	port.SDP = strings.Replace(port.SDP, "a=sctp-port:5000", "a=sctp-port:5001", 1)
	refused("another SCTP port on the same DTLS association", port, new(*OperationError))

	before := usedGeneration(p.a.core)
	must(t, p.b.SetRemoteDescription(offer))
	provisional := setLocal(t, p.b.PeerConnection, SDPTypePranswer)
	must(t, p.a.SetRemoteDescription(provisional))
	if err := p.a.SetRemoteDescription(stranger(offer, SDPTypeAnswer)); !errors.As(err, new(*OperationError)) {
		t.Errorf("another peer, once one has begun the restart: %v", err)
	}
	must(t, p.a.SetRemoteDescription(setLocal(t, p.b.PeerConnection, SDPTypeAnswer)))
	wantMoved(t, p.a.core, before)
	p.goesOn(t, "after the restart")
	p.finish(t)
}

// Handover in every phase of the association that is handed over, and Close in every phase of
// the new one, leave nothing behind.
func TestHandoverEarly(t *testing.T) {
	for _, phase := range []string{"before ICE", "while it connects", "connected"} {
		for _, closing := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, close %v", phase, closing), func(t *testing.T) {
				a, first, second := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
				ch := wantChannel(t, a.PeerConnection)
				closed := ends(ch)
				must(t, first.SetRemoteDescription(gathered(t, a.PeerConnection)))
				answer := gathered(t, first.PeerConnection)
				if phase == "before ICE" {
					answer.SDP = withoutCandidates(answer.SDP)
					must(t, first.Close())
				}
				must(t, a.SetRemoteDescription(answer))
				if phase == "connected" {
					exchange(t, ch, receive(t, "channel", first.channels))
				}
				must(t, second.SetRemoteDescription(restartOffer(t, a.PeerConnection)))
				must(t, a.SetRemoteDescription(gathered(t, second.PeerConnection)))
				if closing {
					must(t, a.Close())
				} else {
					receive(t, "end of the channel", closed)
					exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", second.channels))
				}
				for _, p := range []*testPeer{a, first, second} {
					p.Close()
				}
				wantNoLeftovers(t)
			})
		}
	}
}

// over ends the association of two peers at both ends, by one of them.
func over(t testing.TB, a, b *testPeer) {
	t.Helper()
	go a.core.session.Close()
	for _, p := range []*testPeer{a, b} {
		want(t, "after the end", p.states, ConnectionStateClosed)
	}
}

// An association that is over on both sides is followed by another if ICE restarts, by whoever
// offers it: through rollback, glare and an answer that is refused. Without a restart there is
// none.
func TestAssociationAgain(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	exchangeAgain := func() {
		t.Helper()
		for _, way := range [][2]*testPeer{{a, b}, {b, a}} {
			exchange(t, wantChannel(t, way[0].PeerConnection), receive(t, "channel", way[1].channels))
		}
		want(t, "a", a.states, ConnectionStateConnected)
		want(t, "b", b.states, ConnectionStateConnected)
	}
	wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	receive(t, "first channel", b.channels)
	exchangeAgain()
	for _, way := range [][2]*testPeer{{a, b}, {b, a}} {
		offerer, answerer := way[0], way[1]
		over(t, a, b)
		old := offerer.LocalDescription().SDP
		negotiate(t, offerer, answerer, false)
		if !offerer.core.over() || line(offerer.LocalDescription().SDP, "a=tls-id") != line(old, "a=tls-id") {
			t.Error("an offer without a restart of ICE began something")
		}
		offer := restartOffer(t, offerer.PeerConnection)
		for _, name := range []string{"a=tls-id", "a=ice-ufrag", "a=sctp-init"} {
			if line(offer.SDP, name) == line(old, name) {
				t.Errorf("the offer of another association has the old %s", name)
			}
		}
		if again, err := offerer.CreateOffer(ICERestart); err != nil || line(again.SDP, "a=tls-id") != line(offer.SDP, "a=tls-id") {
			t.Errorf("another offer of it: %v", err)
		}
		must(t, offerer.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
		negotiate(t, offerer, answerer, false)
		exchangeAgain()
	}
	over(t, a, b) // glare: b's offer meets a's
	restartOffer(t, a.PeerConnection)
	b.RestartICE()
	negotiate(t, b, a, false)
	exchangeAgain()

	over(t, a, b)
	must(t, b.SetRemoteDescription(restartOffer(t, a.PeerConnection)))
	answer := gathered(t, b.PeerConnection)
	provisional := SessionDescription{SDPTypePranswer, answer.SDP}
	if err := a.SetRemoteDescription(provisional); !errors.As(err, new(*OperationError)) {
		t.Errorf("a provisional answer: %v", err)
	}
	lazy := answer
	for _, name := range []string{"a=ice-ufrag", "a=ice-pwd"} {
		lazy.SDP = strings.ReplaceAll(lazy.SDP, line(lazy.SDP, name), line(a.CurrentRemoteDescription().SDP, name))
	}
	if err := a.SetRemoteDescription(lazy); !errors.As(err, new(*OperationError)) {
		t.Errorf("an answer without a restart: %v", err)
	}
	must(t, a.SetRemoteDescription(answer))
	exchangeAgain()

	over(t, a, b) // refused, then closed with the offer out
	must(t, b.SetRemoteDescription(restartOffer(t, a.PeerConnection)))
	must(t, a.SetRemoteDescription(withoutData(gathered(t, b.PeerConnection))))
	if a.SCTP() != nil {
		t.Error("a transport is left")
	}
	wantChannel(t, a.PeerConnection)
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	a.Close()
	b.Close()
	wantNoLeftovers(t)
}

// Close while an offer of another association is out, and while it connects.
func TestAssociationAgainClosed(t *testing.T) {
	for _, answered := range []bool{false, true} {
		a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
		ch := wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, false)
		exchange(t, ch, receive(t, "channel", b.channels))
		over(t, a, b)
		offer := restartOffer(t, a.PeerConnection)
		if answered {
			must(t, b.SetRemoteDescription(offer))
			must(t, a.SetRemoteDescription(gathered(t, b.PeerConnection)))
		}
		must(t, a.Close())
		must(t, b.Close())
		wantNoLeftovers(t)
	}
}

// busyAt keeps the application busy in OnMessage of a channel until it is released, and returns
// what it hears then.
func busyAt(t testing.TB, ch, other *datachannel.Channel) (release func(), events <-chan string) {
	t.Helper()
	busy, open, heard := make(chan struct{}), make(chan struct{}), make(chan string, 10)
	ch.OnMessage(func(datachannel.Message) { close(busy); <-open })
	ch.OnError(func(err error) { heard <- causeOf(err) })
	ch.OnClosing(func() { heard <- "closing" })
	ch.OnClose(func() { heard <- "close" })
	must(t, other.Send([]byte("busy")))
	receive(t, "message", busy)
	return func() { close(open) }, heard
}

// A channel that is closing, of which the application has not heard yet, says so, and that it is
// closed, when another association has taken the place of its own. w3c-close-b
func TestClosingOfReplaced(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	release, events := busyAt(t, ch, other)
	must(t, other.Close())
	if !eventually(func() bool { return ch.ReadyState() == datachannel.Closing }) {
		t.Fatal("not closing")
	}
	next := newTestPeer(t, loopbackConfig())
	a.RestartICE()
	negotiate(t, a, next, false)
	want(t, "a", a.states, ConnectionStateConnected)
	a.retiring.Wait()
	release()
	for _, e := range []string{"closing", "close"} {
		if got := receive(t, e, events); got != e {
			t.Errorf("%s, want %s", got, e)
		}
	}
}

// After Close nothing is heard any more of associations that were replaced, however long ago, and by whatever.
func TestCloseSilencesReplaced(t *testing.T) {
	for _, way := range []string{"another peer", "several peers", "no data", "the peer's offer"} {
		synctest.Test(t, func(t *testing.T) {
			n := newVirtualNet(t, 1, netsim.Conditions{Latency: time.Millisecond})
			muxes := [2]*UDPMux{n.hosts[0].mux(t), n.hosts[1].mux(t)}
			peer := func(host int) *testPeer {
				return newTestPeer(t, Config{UDPMux: muxes[host], DisableMulticastDNS: true})
			}
			a, b := peer(0), peer(1)
			ch := wantChannel(t, a.PeerConnection)
			negotiate(t, a, b, false)
			release, events := busyAt(t, ch, receive(t, "channel", b.channels))
			want(t, "a", a.states, ConnectionStateConnected)
			switch way {
			case "no data":
				must(t, a.SetRemoteDescription(withoutData(setLocal(t, b.PeerConnection, SDPTypeOffer))))
				setLocal(t, a.PeerConnection, SDPTypeAnswer)
			case "the peer's offer":
				c := peer(1)
				wantChannel(t, c.PeerConnection)
				negotiate(t, c, a, false)
				want(t, "c", c.states, ConnectionStateConnected)
			default:
				for range map[string]int{"another peer": 1, "several peers": 3}[way] {
					a.RestartICE()
					negotiate(t, a, peer(1), false)
					want(t, "a", a.states, ConnectionStateConnecting)
					want(t, "a", a.states, ConnectionStateConnected)
				}
				runtime.GC()
			}
			must(t, a.Close())
			release()
			synctest.Wait()
			if len(events) > 0 {
				t.Errorf("%s: %q after Close", way, <-events)
			}
		})
	}
}

// The same when the peer has ended a Transport, which closes by itself then.
func TestClosingOfTransport(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	ch, err := a.CreateChannel("data", nil)
	must(t, err)
	connect(t, a, b)
	other := accept(t, b)
	release, events := busyAt(t, ch, other)
	must(t, other.Close())
	if !eventually(func() bool { return ch.ReadyState() == datachannel.Closing }) {
		t.Fatal("not closing")
	}
	b.Abort()
	receive(t, "end", a.Done())
	release()
	heard := receive(t, "closing", events) + " "
	if heard += receive(t, "error or close", events); heard == "closing sctp-failure 12" { // the reset of this side was under way
		heard = "closing " + receive(t, "close", events)
	}
	if heard != "closing close" {
		t.Errorf("%s, want closing close", heard)
	}
}

// A second offer keeps what the first has offered of another association, with a restart of its
// own or not.
func TestAssociationAgainSecondOffer(t *testing.T) {
	for _, options := range [][]OfferOption{nil, {ICERestart}} {
		a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
		ch := wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, false)
		exchange(t, ch, receive(t, "channel", b.channels))
		a.core.ice.mute() // b hears nothing of the end
		a.core.session.Abort("")
		first := restartOffer(t, a.PeerConnection)
		second, err := a.CreateOffer(options...)
		must(t, err)
		for _, name := range []string{"a=tls-id", "a=sctp-init"} {
			if line(second.SDP, name) != line(first.SDP, name) {
				t.Errorf("the second offer has another %s", name)
			}
		}
		must(t, a.SetLocalDescription(second))
		must(t, b.SetRemoteDescription(gathered(t, a.PeerConnection)))
		must(t, a.SetRemoteDescription(gathered(t, b.PeerConnection)))
		exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", b.channels))
	}
}

// Nothing holds on to the associations of before.
func TestSuccessionForgets(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	receive(t, "channel", b.channels)
	const successions = 3
	var gone atomic.Int32
	for range successions {
		runtime.AddCleanup(a.core, func(int) { gone.Add(1) }, 0)
		next := newTestPeer(t, loopbackConfig())
		a.RestartICE()
		negotiate(t, a, next, false)
		exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", next.channels))
		must(t, b.Close())
		b = next
	}
	a.retiring.Wait()
	if !eventually(func() bool { runtime.GC(); return gone.Load() == successions }) {
		t.Errorf("%d of %d are gone", gone.Load(), successions)
	}
	exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", b.channels))
}
