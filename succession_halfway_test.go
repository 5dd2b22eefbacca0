package sluice

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// halfway is three peers in virtual time: b and c have one port, and a is in the middle of a handshake
// of DTLS with b, as its server. The flight with b's certificate does not come through.
type halfway struct {
	net     *virtualNet
	a, b, c *testPeer
}

func newHalfway(t *testing.T) *halfway {
	return newHalfwayWith(t, func(d SessionDescription) SessionDescription { return d })
}

// newHalfwayWith is newHalfway with changed descriptions.
func newHalfwayWith(t *testing.T, change func(SessionDescription) SessionDescription) *halfway {
	h := &halfway{net: newVirtualNet(t, 1, netsim.Conditions{Latency: 5 * time.Millisecond})}
	muxes := [2]*UDPMux{h.net.hosts[0].mux(t), h.net.hosts[1].mux(t)}
	for i, p := range []**testPeer{&h.a, &h.b, &h.c} {
		*p = newTestPeer(t, Config{UDPMux: muxes[min(i, 1)], DisableMulticastDNS: true})
	}
	h.toA(netsim.Conditions{Latency: 5 * time.Millisecond, MTU: 400})
	wantChannel(t, h.a.PeerConnection)
	must(t, h.b.SetRemoteDescription(change(gathered(t, h.a.PeerConnection))))
	must(t, h.a.SetRemoteDescription(change(gathered(t, h.b.PeerConnection))))
	netsim.Elapse(time.Second)
	for _, p := range []*testPeer{h.a, h.b} {
		if s := p.SCTP().Transport().State(); s != DTLSStateConnecting {
			t.Fatalf("DTLS %s, want it under way", s)
		}
	}
	return h
}

// toA changes what the way to a is like.
func (h *halfway) toA(c netsim.Conditions) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.net.SetConditions(h.net.link, netsim.Dir(1), c)
}

// wantConnected verifies that a and a peer connect within a second, and exchanges messages.
func (h *halfway) wantConnected(t *testing.T, p *testPeer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	ch := wantChannel(t, h.a.PeerConnection)
	if err := ch.WaitOpen(ctx); err != nil {
		t.Fatalf("not connected within a second: %v", err)
	}
	id, _ := ch.ID()
	other := receive(t, "channel", p.channels)
	for got, _ := other.ID(); got != id; got, _ = other.ID() {
		other = receive(t, "channel", p.channels)
	}
	exchange(t, ch, other)
}

// Another peer, at the same address, answers while a handshake is under way: that says no more from then on,
// however long its end takes, and does not disturb the other.
func TestHandoverHalfway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfway(t)
		path, release := h.a.core.ice.path, make(chan struct{})
		go h.a.core.closeOnce.Do(func() { <-release })
		synctest.Wait()
		h.a.RestartICE()
		negotiate(t, h.a, h.c, false)
		if _, err := path.Write([][]byte{{22}}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the handshake that was replaced goes on: %v", err)
		}
		close(release)
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		h.wantConnected(t, h.c)
	})
}

// The same when the peer that was left repeats its last flight, and is heard before the other, of which no check comes
// through for a while.
func TestHandoverHalfwayHeardFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfway(t)
		var stunLost atomic.Bool
		stunLost.Store(true)
		h.net.hosts[1].drop = func(d []byte) bool { return len(d) > 0 && d[0] <= 3 && stunLost.Load() }
		h.a.RestartICE()
		negotiate(t, h.a, h.c, false)
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		netsim.Elapse(3 * time.Second)
		if got := h.a.Stats().Transport.DTLSState; got != DTLSStateNew {
			t.Fatalf("DTLS %s before a path", got)
		}
		stunLost.Store(false)
		h.wantConnected(t, h.c)
	})
}

// What an association that was replaced does late is about what is left of it: it does not get the path of
// the next, and sets nothing there.
func TestPathOfReplaced(t *testing.T) {
	a, b, c := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	wantChannel(t, a.PeerConnection)
	must(t, b.SetRemoteDescription(gathered(t, a.PeerConnection)))
	answer := gathered(t, b.PeerConnection)
	must(t, b.Close())
	must(t, a.SetRemoteDescription(answer))
	ice := a.core.ice
	path := ice.path
	a.RestartICE()
	negotiate(t, a, c, false)
	exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", c.channels))
	select {
	case <-path.connected:
		t.Error("a path for an association that was replaced")
	default:
	}
	path.setDSCP(46)
	whole := ice.whole
	path.setDontFragment(!whole)
	if ice.whole != whole || ice.marks.codepoint == 46 {
		t.Error("the next association is treated as the one before wants it")
	}
}

// The peer that was left in the middle of the handshake answers again. It goes on where it was, of which
// nothing is left here, so the answer is refused; the next offer brings both a new association, as does
// one of that peer.
func TestHandoverBack(t *testing.T) {
	for _, way := range []string{"by our offer", "by our offer after a rollback", "by theirs"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHalfway(t)
			h.a.RestartICE()
			negotiate(t, h.a, h.c, false)
			if way == "by our offer" {
				h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
				h.wantConnected(t, h.c)
			}
			must(t, h.b.SetRemoteDescription(restartOffer(t, h.a.PeerConnection)))
			answer := gathered(t, h.b.PeerConnection)
			before := descriptions(h.a.PeerConnection)
			if err := h.a.SetRemoteDescription(answer); !errors.As(err, new(*OperationError)) {
				t.Fatalf("%s: %v", way, err)
			}
			if !sameDescriptions(before, descriptions(h.a.PeerConnection)) {
				t.Errorf("%s: the state changed", way)
			}
			h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
			if way != "by our offer" {
				must(t, h.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
			}
			if way == "by theirs" {
				h.b.RestartICE()
				negotiate(t, h.b, h.a, false)
			} else {
				h.a.RestartICE()
				negotiate(t, h.a, h.b, false)
			}
			h.wantConnected(t, h.b)
			h.a.RestartICE()
			negotiate(t, h.a, h.b, false)
			h.wantConnected(t, h.b)
		})
	}
}

// A peer that was left and knows nothing of tls-id goes on with its association, whatever is offered: its answers and
// offers are refused, and change nothing. Another connection with the same certificate is no such peer.
func TestHandoverBackWithoutTLSID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfwayWith(t, withoutTLSID)
		h.a.RestartICE()
		negotiate(t, h.a, h.c, false)
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		h.wantConnected(t, h.c)
		refused := func(why string, d SessionDescription) {
			t.Helper()
			before := descriptions(h.a.PeerConnection)
			if err := h.a.SetRemoteDescription(withoutTLSID(d)); !errors.As(err, new(*OperationError)) {
				t.Fatalf("%s: %v", why, err)
			}
			if !sameDescriptions(before, descriptions(h.a.PeerConnection)) {
				t.Errorf("%s: the state changed", why)
			}
		}
		for range 2 {
			offer := restartOffer(t, h.a.PeerConnection)
			must(t, h.b.SetRemoteDescription(withoutTLSID(offer)))
			answer := gathered(t, h.b.PeerConnection)
			refused("provisional answer", SessionDescription{SDPTypePranswer, answer.SDP})
			refused("answer", answer)
			must(t, h.c.SetRemoteDescription(offer))
			must(t, h.a.SetRemoteDescription(gathered(t, h.c.PeerConnection)))
			h.wantConnected(t, h.c)
		}
		refused("offer", restartOffer(t, h.b.PeerConnection))
		h.wantConnected(t, h.c)
		again := newTestPeer(t, Config{UDPMux: h.c.cfg.UDPMux, DisableMulticastDNS: true, Certificate: h.b.core.cert})
		must(t, again.SetRemoteDescription(withoutTLSID(restartOffer(t, h.a.PeerConnection))))
		must(t, h.a.SetRemoteDescription(withoutTLSID(gathered(t, again.PeerConnection))))
		h.wantConnected(t, again)
	})
}

// The same answer, but it is late, and the peer that is there answers, too: the association with that goes on through
// further restarts.
func TestLateAnswerOfLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfway(t)
		h.a.RestartICE()
		negotiate(t, h.a, h.c, false)
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		h.wantConnected(t, h.c)
		offer := restartOffer(t, h.a.PeerConnection)
		must(t, h.b.SetRemoteDescription(offer))
		if err := h.a.SetRemoteDescription(gathered(t, h.b.PeerConnection)); !errors.As(err, new(*OperationError)) {
			t.Fatal(err)
		}
		transport := h.a.SCTP()
		must(t, h.c.SetRemoteDescription(offer))
		must(t, h.a.SetRemoteDescription(gathered(t, h.c.PeerConnection)))
		h.wantConnected(t, h.c)
		h.a.RestartICE()
		negotiate(t, h.a, h.c, false)
		h.wantConnected(t, h.c)
		if h.a.SCTP() != transport {
			t.Error("a late answer has cost the association")
		}
	})
}

// Whoever was left is remembered when the next ones are left before their handshakes have begun.
func TestHandoverBackLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfway(t)
		for range 2 {
			h.a.RestartICE()
			negotiate(t, h.a, newTestPeer(t, Config{UDPMux: h.c.cfg.UDPMux, DisableMulticastDNS: true}), false)
		}
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		must(t, h.b.SetRemoteDescription(restartOffer(t, h.a.PeerConnection)))
		if err := h.a.SetRemoteDescription(gathered(t, h.b.PeerConnection)); !errors.As(err, new(*OperationError)) {
			t.Fatal(err)
		}
		h.a.RestartICE()
		negotiate(t, h.a, h.b, false)
		h.wantConnected(t, h.b)
	})
}

// The offer of another association, for the sake of a peer that was left, is answered by the one that is there,
// which knows nothing of tls-id, provisionally at first: it goes on with its association, and so does this side, also
// through further restarts.
func TestOfferOfAnotherWithoutTLSID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfway(t)
		restart := func(fromA, provisionally bool) {
			t.Helper()
			x, y := h.c, h.a
			if fromA {
				x, y = h.a, h.c
			}
			must(t, y.SetRemoteDescription(withoutTLSID(restartOffer(t, x.PeerConnection))))
			answer := withoutTLSID(gathered(t, y.PeerConnection))
			if provisionally {
				must(t, x.SetRemoteDescription(SessionDescription{SDPTypePranswer, answer.SDP}))
			}
			must(t, x.SetRemoteDescription(answer))
		}
		restart(true, false)
		h.toA(netsim.Conditions{Latency: 5 * time.Millisecond})
		h.wantConnected(t, h.c)
		must(t, h.b.SetRemoteDescription(restartOffer(t, h.a.PeerConnection)))
		if err := h.a.SetRemoteDescription(gathered(t, h.b.PeerConnection)); !errors.As(err, new(*OperationError)) {
			t.Fatal(err)
		}
		must(t, h.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
		transport := h.a.SCTP()
		for _, fromA := range []bool{true, true, false, true} {
			restart(fromA, true)
			h.wantConnected(t, h.c)
		}
		if h.a.SCTP() != transport {
			t.Error("the association that was there is gone")
		}
	})
}

func withoutTLSID(d SessionDescription) SessionDescription {
	if l := line(d.SDP, "a=tls-id:"); l != "" {
		d.SDP = strings.ReplaceAll(d.SDP, l+"\r\n", "")
	}
	return d
}

// An offer that was created while the association lived, and restarts ICE, is of another if it is set
// when that is over.
func TestCreatedBeforeTheEnd(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	receive(t, "channel", b.channels)
	old, err := a.CreateOffer(ICERestart)
	must(t, err)
	over(t, a, b)
	negotiate(t, a, b, false)
	if offer := a.LocalDescription(); line(offer.SDP, "a=tls-id") == line(old.SDP, "a=tls-id") || line(offer.SDP, "a=ice-ufrag") == line(old.SDP, "a=ice-ufrag") {
		t.Error("the offer is of the association that is over")
	}
	exchange(t, wantChannel(t, a.PeerConnection), receive(t, "channel", b.channels))
}
