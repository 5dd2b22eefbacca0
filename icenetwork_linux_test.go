package sluice

import (
	"fmt"
	"strings"
	"testing"
	"time"
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

func selectedCandidates(t *testing.T, p *testPeer) (local, remote CandidateStats) {
	t.Helper()
	s := p.Stats()
	for _, c := range s.LocalCandidates {
		if strings.HasPrefix(s.Transport.SelectedCandidatePairID, c.ID+"-") {
			local = c
		}
	}
	for _, c := range s.RemoteCandidates {
		if strings.HasSuffix(s.Transport.SelectedCandidatePairID, "-"+c.ID) {
			remote = c
		}
	}
	if local.ID == "" || remote.ID == "" {
		t.Fatalf("no selected pair in %+v", s.Transport)
	}
	return local, remote
}

// IPv6 only, with a unique local address, restarted once; and both versions, of
// which IPv6 is preferred or not, but one works.
func TestIPv6(t *testing.T) {
	if !inNamespace(t, append(wireCommands("w", "fd5a:1::1/64", "10.77.0.1/24"), "link set lo up")...) {
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
