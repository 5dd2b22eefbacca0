package sluice

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netns"
)

// connectOver connects two peers with that configuration and returns the kinds
// of their selected pair's candidates.
func connectOver(t *testing.T, cfg Config, restarts int) (local, remote CandidateStats) {
	t.Helper()
	a, b := newTestPeer(t, cfg), newTestPeer(t, cfg)
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	for range restarts {
		before := usedGeneration(a.core)
		a.RestartICE()
		negotiate(t, a, b, false)
		wantMoved(t, a.core, before)
		exchange(t, ch, other)
	}
	return selectedCandidates(t, a)
}

// IPv6 only, with a unique local address, restarted once; and both versions, of
// which IPv6 is preferred or not, but one works.
func TestIPv6(t *testing.T) {
	if !netns.Inside(t, append(netns.Wire("w", "fd5a:1::1/64", "10.77.0.1/24"), "link set lo up")...) {
		return
	}
	local, _ := connectOver(t, Config{NetworkTypes: []string{"udp6"}, ICEKeepaliveInterval: 20 * time.Millisecond}, 1)
	if local.Address != "fd5a:1::1" {
		t.Errorf("the local candidate is %+v", local)
	}
	local, _ = connectOver(t, Config{}, 0)
	if local.Address != "fd5a:1::1" && local.Address != "10.77.0.1" {
		t.Errorf("the local candidate is %+v", local)
	}
	a := newTestCore(t, Config{})
	must(t, a.gather())
	<-a.gathered()
	if lines := fmt.Sprint(a.localCandidates()); !strings.Contains(lines, " fd5a:1::1 ") || !strings.Contains(lines, " 10.77.0.1 ") || strings.Contains(lines, "127.0.0.1") {
		t.Errorf("candidates %s", lines)
	}
}

// The interface that carries the data disappears, another takes over: the
// application is told that ICE is disconnected, restarts it, and every message
// arrives.
func TestNetworkChange(t *testing.T) {
	commands := append(netns.Wire("old", "10.77.0.1/24", "fd5a:77::1/64"), netns.Wire("fixed", "10.80.0.1/24", "fd5a:80::1/64")...)
	if !netns.Inside(t, append(commands, "link set lo up")...) {
		return
	}
	cfg := Config{ICEKeepaliveInterval: 50 * time.Millisecond, ICEDisconnectedTimeout: 300 * time.Millisecond, ICEFailedTimeout: testTimeout}
	mobile, server := cfg, cfg
	mobile.InterfaceFilter = func(name string) bool { return !strings.HasPrefix(name, "fixed") }
	server.InterfaceFilter = func(name string) bool { return strings.HasPrefix(name, "fixed") }
	a, b := newTestPeer(t, mobile), newTestPeer(t, server)
	trickle(t, a, b)
	trickle(t, b, a)
	states := make(chan ICEConnectionState, 100)
	a.OnICEConnectionStateChange(func(s ICEConnectionState) { states <- s })
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, true)
	other := receive(t, "channel", b.channels)
	flows := []*flow{startFlow(t, ch, other), startFlow(t, other, ch)}
	networks := []string{"old", "new", "newer"}
	for i, name := range networks {
		for _, f := range flows {
			f.goesOn(t, "over "+name)
		}
		local, _ := selectedCandidates(t, a)
		if prefix := fmt.Sprint(77 + i); !strings.Contains(local.Address, prefix) {
			t.Errorf("over %s: the local candidate is %+v", name, local)
		}
		if i == len(networks)-1 {
			break
		}
		netns.IP(t, "link del "+name)
		want(t, "a", states, ICEConnectionStateDisconnected)
		for _, c := range netns.Wire(networks[i+1], fmt.Sprintf("10.%d.0.1/24", 78+i), fmt.Sprintf("fd5a:%d::1/64", 78+i)) {
			netns.IP(t, c)
		}
		a.RestartICE()
		negotiate(t, a, b, true)
		want(t, "a", states, ICEConnectionStateConnected)
	}
	for _, f := range flows {
		f.finish(t)
	}
}

// Host addresses behind names: nothing that signalling carries has one, and a side
// that only knows names finds the other by multicast DNS.
func TestHideHostAddresses(t *testing.T) {
	if !netns.Inside(t, append(netns.Wire("w", "10.77.0.1/24", "fd5a:1::1/64"), "link set lo up")...) {
		return
	}
	for _, network := range []string{"udp4", "udp6"} {
		cfg := Config{HideHostAddresses: true, NetworkTypes: []string{network}}
		a, b := newTestPeer(t, cfg), newTestPeer(t, cfg)
		ch := wantChannel(t, a.PeerConnection)
		must(t, a.SetLocalDescription(SessionDescription{}))
		receive(t, "candidates", a.GatheringComplete())
		offer := *a.LocalDescription()
		for _, secret := range []string{"10.77.", "fd5a:"} {
			if strings.Contains(offer.SDP, secret) {
				t.Errorf("%s: the offer has %s:\n%s", network, secret, offer.SDP)
			}
		}
		if !strings.Contains(offer.SDP, ".local ") {
			t.Fatalf("%s: no name in the offer:\n%s", network, offer.SDP)
		}
		must(t, b.SetRemoteDescription(offer))
		must(t, b.SetLocalDescription(SessionDescription{}))
		answer := *b.LocalDescription()
		answer.SDP = withoutCandidates(answer.SDP) // so that only b can begin
		must(t, a.SetRemoteDescription(answer))
		exchange(t, ch, receive(t, "channel", b.channels))
		_, remote := selectedCandidates(t, b)
		if remote.CandidateType != "host" {
			t.Errorf("%s: b has not resolved the name: %+v", network, remote)
		}
	}
}
