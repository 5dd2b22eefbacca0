package sluice

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/turn/v2"
)

// Two sides are lite: the offerer controls and checks all the same (RFC 8445,
// section 6.1.1); its checks are the life of the other.
func TestBothLite(t *testing.T) {
	cfg := loopbackConfig()
	cfg.ICELite = true
	cfg.ICEKeepaliveInterval, cfg.ICEDisconnectedTimeout = 20*time.Millisecond, 200*time.Millisecond
	a, b := newTestPeer(t, cfg), newTestPeer(t, cfg)
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	exchange(t, ch, receive(t, "channel", b.channels))
	if !eventually(func() bool { return checksAnswered(a) > 50 }) {
		t.Error("no checks are answered")
	}
	for _, p := range []*testPeer{a, b} {
		if s := p.ICEConnectionState(); s != ICEConnectionStateConnected {
			t.Errorf("ICE is %s", s)
		}
	}
}

// checksAnswered counts the answers on the selected pair.
func checksAnswered(p *testPeer) uint64 {
	s := p.Stats()
	for _, pair := range s.CandidatePairs {
		if pair.ID == s.Transport.SelectedCandidatePairID {
			return pair.ResponsesReceived
		}
	}
	return 0
}

// Half trickle (RFC 8838, section 16): a side that trickles with one that does not.
func TestHalfTrickle(t *testing.T) {
	for _, trickler := range []string{"offerer", "answerer"} {
		t.Run(trickler, func(t *testing.T) {
			a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
			trickle(t, a, b)
			trickle(t, b, a)
			ch := wantChannel(t, a.PeerConnection)
			describe := func(p *testPeer, trickles bool) SessionDescription {
				must(t, p.SetLocalDescription(SessionDescription{}))
				d := *p.LocalDescription()
				if trickles {
					d.SDP = withoutCandidates(d.SDP)
					return d
				}
				receive(t, "candidates", p.GatheringComplete())
				p.OnICECandidate(nil)
				d = *p.LocalDescription()
				if !strings.Contains(d.SDP, "a=end-of-candidates") {
					t.Errorf("no a=end-of-candidates in\n%s", d.SDP)
				}
				return d
			}
			must(t, b.SetRemoteDescription(describe(a, trickler == "offerer")))
			must(t, a.SetRemoteDescription(describe(b, trickler == "answerer")))
			exchange(t, ch, receive(t, "channel", b.channels))
		})
	}
}

// What the library waits for in the hope of a better pair (TRANSPORT.md, section 3)
// is cut down: a server-reflexive pair is nominated after a tenth of a second, a
// relayed one after half.
func TestNominationTime(t *testing.T) {
	for kind, most := range map[string]time.Duration{"host": 100 * time.Millisecond, "srflx": 250 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			a, b := virtualCores(t)
			if d := nominationTime(t, a, b, kind == "srflx"); d > most {
				t.Errorf("%s took %v, want at most %v", kind, d, most)
			}
		})
	}
	server := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server, RelayAddressGenerator: relayOnLoopback()}}})
	relay := loopbackConfig()
	relay.ICETransportPolicy = ICETransportPolicyRelay
	relay.ICEServers = []ICEServer{{URLs: []string{"turn:" + server.LocalAddr().String()}, Username: "u", Credential: "p"}}
	if d := nominationTime(t, newTestCore(t, loopbackConfig()), newTestCore(t, relay), false); d > 1900*time.Millisecond { // the library waits two seconds
		t.Errorf("relay took %v", d)
	}
}

// nominationTime is how long a takes to select a pair with b, whose candidates can pass for server-reflexive
// ones.
func nominationTime(t *testing.T, a, b *testCore, reflexive bool) time.Duration {
	for _, c := range []*testCore{a, b} {
		must(t, c.gather())
		<-c.gathered()
	}
	for _, l := range b.localCandidates() {
		if reflexive {
			l = strings.Replace(l, "typ host", "typ srflx raddr 0.0.0.0 rport 9", 1)
		}
		must(t, a.addRemoteCandidate(l))
	}
	begin := time.Now()
	must(t, b.start(startParameters{remote: a.parameters(), dtlsClient: true}))
	must(t, a.start(startParameters{remote: b.parameters(), controlling: true}))
	for _, l := range a.localCandidates() {
		must(t, b.addRemoteCandidate(l))
	}
	select {
	case <-a.generation().selected:
	case <-time.After(testTimeout):
		t.Fatal("no pair is selected")
	}
	return time.Since(begin)
}

// selectedCandidates returns those of the selected pair.
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
