package sluice

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// Three peers on three hosts negotiate with each other as comes, in virtual time: with answers of long ago and of others, provisional
// and refusing ones, rollbacks, restarts, and ends of associations and of peers in between. Whatever has become of them then, two whose
// negotiation restarts ICE have channels after it, or after a third one, and nothing outlives Close.
// SIM_SEEDS is how many seeds to run, SIM_SEED the first of them.
func TestNegotiationsAtRandom(t *testing.T) {
	first, _ := strconv.Atoi(os.Getenv("SIM_SEED"))
	count, err := strconv.Atoi(os.Getenv("SIM_SEEDS"))
	if err != nil {
		count = 60
	}
	reached := 0
	for seed := first; seed < first+count && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			p := newRandomPeers(t, seed)
			for range 5 + p.r.IntN(40) {
				p.step()
			}
			if p.reach(t) {
				reached++
			}
			for _, pc := range p.pcs {
				pc.Close()
			}
			for _, m := range p.muxes {
				if s := m.Stats(); s.Connections != 0 {
					t.Errorf("%d connections are left", s.Connections)
				}
			}
			if t.Failed() {
				t.Log("seed", seed)
			}
		})
	}
	if reached < count/2 {
		t.Errorf("only %d of %d have come to an association in the end", reached, count)
	}
}

// randomPeers are three peers and what they have said.
type randomPeers struct {
	r               *rand.Rand
	muxes           [3]*UDPMux
	pcs             []*PeerConnection
	offers, answers []SessionDescription
	closing         sync.WaitGroup
}

func newRandomPeers(t *testing.T, seed int) *randomPeers {
	p := &randomPeers{r: rand.New(rand.NewPCG(uint64(seed), 1))}
	n := newVirtualNet(t, uint64(seed), netsim.Conditions{Latency: time.Millisecond})
	n.addHost(netsim.Conditions{Latency: time.Millisecond})
	for i, h := range n.hosts {
		p.muxes[i] = h.mux(t)
		pc, err := NewPeerConnection(Config{UDPMux: p.muxes[i], DisableMulticastDNS: true, DisableSNAP: p.r.IntN(4) == 0,
			HandshakeTimeout: 5 * time.Second})
		must(t, err)
		pc.OnDataChannel(func(ch *datachannel.Channel) { ch.OnMessage(func(datachannel.Message) {}) })
		p.pcs = append(p.pcs, pc)
	}
	_, err := p.pcs[0].CreateDataChannel("first", nil)
	must(t, err)
	return p
}

func (p *randomPeers) some(of []SessionDescription) SessionDescription {
	if len(of) == 0 {
		return SessionDescription{Type: SDPTypeAnswer, SDP: "v=0"}
	}
	return of[p.r.IntN(len(of))]
}

// step does one thing. What is not allowed is refused; nothing else is known of the results.
func (p *randomPeers) step() {
	x, y := p.pcs[p.r.IntN(3)], p.pcs[p.r.IntN(3)]
	if p.r.IntN(3) > 0 {
		x = p.pcs[0]
	}
	switch p.r.IntN(16) {
	case 0, 1, 2, 3, 4:
		if x != y {
			p.negotiate(x, y, p.r.IntN(2) == 0, p.r.IntN(4) > 0)
		}
	case 5:
		x.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})
	case 6:
		x.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback})
	case 7:
		if c := x.currentCore(); c.transport() != nil {
			p.closing.Go(func() { c.session.Close() })
		}
	case 8:
		if c := x.currentCore(); c.transport() != nil {
			c.session.Abort("")
		}
	case 9:
		x.SetRemoteDescription(p.some(p.answers))
	case 10:
		x.SetRemoteDescription(p.some(p.offers))
	case 11:
		x.CreateOffer([]OfferOption{ICERestart}[:p.r.IntN(2)]...)
		if p.r.IntN(2) == 0 {
			x.SetLocalDescription(SessionDescription{Type: SDPTypeOffer})
		}
	case 12:
		if ch, err := x.CreateDataChannel("further", nil); err == nil {
			ch.Send([]byte("hello"))
		}
	case 13:
		x.SetRemoteDescription(SessionDescription{SDPTypePranswer, p.some(p.answers).SDP})
	case 14:
		netsim.Elapse(time.Duration(p.r.IntN(30)) * time.Millisecond)
	case 15:
		if a := p.some(p.answers); hasData(a) && p.r.IntN(3) == 0 {
			x.SetRemoteDescription(withoutData(a))
		} else if p.r.IntN(8) == 0 {
			x.Close()
		}
	}
}

func hasData(d SessionDescription) bool {
	return strings.Contains(d.SDP, "m=application ") && !strings.Contains(d.SDP, "m=application 0 ")
}

// negotiate is one offer and answer, as far as they come.
func (p *randomPeers) negotiate(x, y *PeerConnection, restart, delivered bool) error {
	if restart {
		x.RestartICE()
	}
	if err := x.SetLocalDescription(SessionDescription{}); err != nil {
		return err
	}
	<-x.GatheringComplete()
	offer := *x.LocalDescription()
	if offer.Type != SDPTypeOffer {
		return nil // of an answer that was due
	}
	p.offers = append(p.offers, offer)
	if err := y.SetRemoteDescription(offer); err != nil {
		return err
	}
	if err := y.SetLocalDescription(SessionDescription{}); err != nil {
		return err
	}
	<-y.GatheringComplete()
	answer := *y.LocalDescription()
	p.answers = append(p.answers, answer)
	if !delivered {
		return nil
	}
	return x.SetRemoteDescription(answer)
}

// reach negotiates in the end, and tells whether that came about, and has given a channel.
func (p *randomPeers) reach(t *testing.T) bool {
	p.closing.Wait()
	x, y := p.pcs[0], p.pcs[1]
	got := make(chan struct{}, 1)
	y.OnDataChannel(func(ch *datachannel.Channel) {
		if ch.Label() == "last" {
			got <- struct{}{}
		}
	})
	x.CreateDataChannel("wanted", nil)
	for range 3 {
		for _, pc := range []*PeerConnection{x, y} {
			pc.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})
			pc.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback})
		}
		err := p.negotiate(x, y, true, true)
		switch {
		case errors.As(err, new(*OperationError)):
			continue
		case err != nil, !hasData(p.answers[len(p.answers)-1]):
			return false // one is closed, or has gone too far with others
		case x.dtlsClient == y.dtlsClient:
			return false // each has answered an offer of the other, and neither got the answer
		}
		if _, err := x.CreateDataChannel("last", nil); err != nil {
			t.Errorf("after a negotiation that restarts ICE: %v", err)
			return false
		}
		select {
		case <-got:
			return true
		case <-time.After(10 * time.Second): // what was under way of a handshake of before may disturb one over the same ports, until HandshakeTimeout
		}
	}
	t.Errorf("no channel: %s and %s", x.ConnectionState(), y.ConnectionState())
	return false
}
