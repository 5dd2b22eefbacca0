package sluice_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A signal is what two sides send each other, as JSON for instance.
type signal struct {
	Description *sluice.SessionDescription
	Candidate   *sluice.ICECandidateInit
}

// A negotiator has either side offer at any time. If both do at once the polite one takes its
// offer back: that is what SetRemoteDescription does; the impolite one ignores the other's.
type negotiator struct {
	pc     *sluice.PeerConnection
	polite bool
	send   chan<- signal

	mu       sync.Mutex // one step at a time
	ignoring bool       // an offer, and so the candidates that belong to it
}

func newNegotiator(polite bool, send chan<- signal) *negotiator {
	pc, err := sluice.NewPeerConnection(sluice.Config{IncludeLoopback: true})
	if err != nil {
		log.Fatal(err)
	}
	n := &negotiator{pc: pc, polite: polite, send: send}
	pc.OnNegotiationNeeded(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.describe()
	})
	pc.OnICECandidate(func(c *sluice.ICECandidateInit) {
		if c != nil {
			send <- signal{Candidate: c}
		}
	})
	return n
}

// describe sends the description that is due, an offer or an answer.
func (n *negotiator) describe() {
	if err := n.pc.SetLocalDescription(sluice.SessionDescription{}); err != nil {
		log.Fatal(err)
	}
	n.send <- signal{Description: n.pc.LocalDescription()}
}

func (n *negotiator) receive(s signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.Candidate != nil {
		if err := n.pc.AddICECandidate(*s.Candidate); err != nil && !n.ignoring {
			log.Print(err)
		}
		return
	}
	offer := s.Description.Type == sluice.SDPTypeOffer
	n.ignoring = offer && !n.polite && n.pc.SignalingState() != sluice.SignalingStateStable
	if n.ignoring {
		return
	}
	if err := n.pc.SetRemoteDescription(*s.Description); err != nil {
		log.Fatal(err)
	}
	if offer {
		n.describe()
	}
}

// Both sides open a channel at once, and so both make an offer. This is the perfect
// negotiation of W3C's webrtc-pc, which needs no roles but who gives way.
func ExamplePeerConnection_perfectNegotiation() {
	toPolite, toImpolite := make(chan signal, 100), make(chan signal, 100)
	polite, impolite := newNegotiator(true, toImpolite), newNegotiator(false, toPolite)
	greetings := make(chan string, 2)
	for _, n := range []*negotiator{polite, impolite} {
		defer n.pc.Close()
		n.pc.OnDataChannel(func(ch *datachannel.Channel) {
			ch.OnMessage(func(m datachannel.Message) { greetings <- ch.Label() + ": " + string(m.Data) })
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for n, signals := range map[*negotiator]chan signal{polite: toPolite, impolite: toImpolite} {
		go func() {
			for {
				select {
				case s := <-signals:
					n.receive(s)
				case <-ctx.Done():
					return
				}
			}
		}()
	}

	for label, n := range map[string]*negotiator{"polite": polite, "impolite": impolite} {
		ch, err := n.pc.CreateDataChannel(label, nil)
		if err != nil {
			log.Fatal(err)
		}
		ch.OnOpen(func() { ch.SendText("hello") })
	}
	fmt.Println(<-greetings)
	fmt.Println(<-greetings)
	// Unordered output:
	// polite: hello
	// impolite: hello
}
