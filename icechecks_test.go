package sluice

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// waiting is a connection whose offerer does not have the answer yet: the answerer
// checks. The network has a round trip of 40 ms.
func waiting(t *testing.T) (n *virtualNet, offerer, answerer *PeerConnection) {
	n = newVirtualNet(t, 1, netsim.Conditions{Latency: 20 * time.Millisecond})
	for i, pc := range []**PeerConnection{&offerer, &answerer} {
		var err error
		*pc, err = NewPeerConnection(Config{UDPMux: n.hosts[i].mux(t), DisableMulticastDNS: true})
		must(t, err)
		t.Cleanup(func() { (*pc).Close() })
	}
	_, err := offerer.CreateDataChannel("", nil)
	must(t, err)
	must(t, offerer.SetLocalDescription(SessionDescription{}))
	<-offerer.GatheringComplete()
	must(t, answerer.SetRemoteDescription(*offerer.LocalDescription()))
	must(t, answerer.SetLocalDescription(SessionDescription{}))
	<-answerer.GatheringComplete()
	return n, offerer, answerer
}

// sent returns how many packets the offerer has sent, and how many the answerer.
func (n *virtualNet) sent() (offerer, answerer uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.net.Stats(n.link, netsim.AtoB).Sent, n.net.Stats(n.link, netsim.BtoA).Sent
}

// TestEarlyChecks: the offerer answers checks before it has the answer (RFC 8445, section
// 7.3), so the answerer knows the round trip. It begins nothing in vain, and keeps the way open
// however long it takes; then it all goes on.
func TestEarlyChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, offerer, answerer := waiting(t)
		netsim.Elapse(time.Second)
		if rtt := answerer.core.ice.agreed.checks.roundTripTime(); rtt != 40*time.Millisecond {
			t.Errorf("round trip %v", rtt)
		}
		if s := answerer.core.stats().Transport.DTLSState; s != DTLSStateNew {
			t.Errorf("DTLS is %v", s)
		}
		netsim.Elapse(20 * time.Second)
		answered, before := n.sent()
		netsim.Elapse(10 * time.Second)
		answered2, after := n.sent()
		if d := after - before; d != uint64(10*time.Second/defaultICEKeepalive) || answered2-answered != d {
			t.Errorf("%d checks in 10 s, %d answered", d, answered2-answered)
		}
		must(t, offerer.SetRemoteDescription(*answerer.LocalDescription()))
		<-offerer.core.session.Connected()
		<-answerer.core.session.Connected()
	})
}

// TestNeverNominated: data goes over a pair that works (RFC 8445, section 12.1), but if no pair is nominated in the time
// that there is for connecting, ICE has failed, and nothing is sent any more.
func TestNeverNominated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, offerer, answerer := waiting(t)
		n.hosts[0].drop = func(b []byte) bool {
			m, ok := stunmsg.Parse(b)
			return ok && m.UseCandidate
		}
		must(t, offerer.SetRemoteDescription(*answerer.LocalDescription()))
		<-offerer.core.session.Connected()
		<-answerer.core.session.Connected()
		cfg := offerer.core.cfg
		begun := time.Now()
		if a, b := offerer.ICEConnectionState(), answerer.ICEConnectionState(); a != ICEConnectionStateConnected || b != a {
			t.Errorf("ICE is %s and %s, though a pair works", a, b)
		}
		for _, pc := range []*PeerConnection{offerer, answerer} {
			for pc.ICEConnectionState() != ICEConnectionStateFailed && time.Since(begun) < 2*time.Minute {
				netsim.Elapse(time.Second)
			}
			if s := pc.ConnectionState(); s != ConnectionStateFailed {
				t.Errorf("the connection is %s", s)
			}
		}
		if d := time.Since(begun); d > cfg.ICEDisconnectedTimeout+cfg.ICEFailedTimeout+time.Second {
			t.Errorf("failed after %v", d)
		}
		netsim.Elapse(time.Second)
		before, before2 := n.sent()
		netsim.Elapse(10 * time.Second)
		if after, after2 := n.sent(); after != before || after2 != before2 {
			t.Errorf("%d and %d packets are sent after that", after-before, after2-before2)
		}
	})
}

// TestEarlyChecksForged: what is not made with the password is not answered, nor what
// is for somebody else or of a peer that takes itself for controlling.
func TestEarlyChecksForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNet(t, 1, netsim.Conditions{Latency: time.Millisecond})
		pc, err := NewPeerConnection(Config{UDPMux: n.hosts[0].mux(t), DisableMulticastDNS: true})
		must(t, err)
		defer pc.Close()
		_, err = pc.CreateDataChannel("", nil)
		must(t, err)
		must(t, pc.SetLocalDescription(SessionDescription{}))
		<-pc.GatheringComplete()
		ours := pc.core.localCredentials()
		role := stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}
		for _, tt := range []struct {
			desc, username, pwd string
			role                stun.Setter
			answered            uint64
		}{
			{"good", ours.ufrag + ":peer", ours.pwd, role, 1},
			{"wrong password", ours.ufrag + ":peer", ours.pwd + "x", role, 0},
			{"no peer", ours.ufrag + ":", ours.pwd, role, 0},
			{"somebody else's", "else:peer", ours.pwd, role, 0},
			{"controlling", ours.ufrag + ":peer", ours.pwd, stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}, 0},
			{"no role", ours.ufrag + ":peer", ours.pwd, stun.RawAttribute{Type: stun.AttrPriority, Value: make([]byte, 4)}, 0},
		} {
			m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(tt.username), tt.role,
				stun.NewShortTermIntegrity(tt.pwd), stun.Fingerprint)
			must(t, err)
			before, _ := n.sent()
			n.hosts[1].WriteToUDPAddrPort(m.Raw, n.hosts[0].at)
			netsim.Elapse(time.Second)
			after, _ := n.sent()
			if after-before != tt.answered {
				t.Errorf("%s: %d answers", tt.desc, after-before)
			}
			if tt.answered == 1 {
				var answer stun.Message
				answer.Raw = (<-n.hosts[1].in).b
				var mapped stun.XORMappedAddress
				if answer.Decode() != nil || answer.Type != stun.BindingSuccess || answer.TransactionID != m.TransactionID ||
					mapped.GetFrom(&answer) != nil || mapped.Port != int(n.hosts[1].at.Port()) || !mapped.IP.Equal(n.hosts[1].at.Addr().AsSlice()) {
					t.Errorf("answer %v", answer)
				}
			}
		}
	})
}
