package sluice

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// eventLog records the events of a PeerConnection in order.
type eventLog struct {
	mu     sync.Mutex
	events []string
	more   chan struct{} // has an element when events grew
}

func logEvents(pc *PeerConnection) *eventLog {
	l := &eventLog{more: make(chan struct{}, 1)}
	pc.OnSignalingStateChange(func(s SignalingState) { l.add("signaling %s", s) })
	pc.OnNegotiationNeeded(func() { l.add("negotiationneeded") })
	pc.OnICEGatheringStateChange(func(s ICEGatheringState) { l.add("gathering %s", s) })
	pc.OnICECandidate(func(c *ICECandidateInit) {
		if c == nil {
			l.add("candidate nil")
		} else {
			l.add("candidate mid %s index %d", *c.SDPMid, *c.SDPMLineIndex)
		}
	})
	return l
}

func (l *eventLog) add(format string, args ...any) {
	l.mu.Lock()
	l.events = append(l.events, fmt.Sprintf(format, args...))
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// wait returns the events up to the last one named.
func (l *eventLog) wait(t *testing.T, last string) []string {
	t.Helper()
	for {
		l.mu.Lock()
		i := slices.Index(l.events, last)
		if i >= 0 {
			seen := l.events[:i+1]
			l.events = l.events[i+1:]
			l.mu.Unlock()
			return seen
		}
		l.mu.Unlock()
		select {
		case <-l.more:
		case <-time.After(testTimeout):
			t.Fatalf("no %q among %q", last, l.events)
		}
	}
}

func TestEventOrder(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	la, lb := logEvents(a), logEvents(b)
	check := func(who string, got []string, want ...string) {
		t.Helper()
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
	wantChannel(t, a)
	check("a", la.wait(t, "negotiationneeded"), "negotiationneeded")
	wantChannel(t, a) // a second channel needs no negotiation
	must(t, a.SetLocalDescription(SessionDescription{}))
	<-a.GatheringComplete()
	check("a", la.wait(t, "candidate nil"), "signaling have-local-offer", "gathering gathering",
		"candidate mid 0 index 0", "gathering complete", "candidate nil")
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	must(t, b.SetLocalDescription(SessionDescription{}))
	check("b", lb.wait(t, "candidate nil"), "signaling have-remote-offer", "signaling stable", "gathering gathering",
		"candidate mid 0 index 0", "gathering complete", "candidate nil")
	must(t, a.SetRemoteDescription(*b.LocalDescription()))
	check("a", la.wait(t, "signaling stable"), "signaling stable")
	if _, err := a.CreateOffer(); err != nil {
		t.Error(err)
	}
	must(t, a.Close())
	must(t, b.Close())
	for who, l := range map[string]*eventLog{"a": la, "b": lb} {
		l.mu.Lock()
		if len(l.events) != 0 {
			t.Errorf("%s: further events %q", who, l.events)
		}
		l.mu.Unlock()
	}
}

// A channel that a negotiation did not cover asks for another one.
func TestNegotiationNeededAgain(t *testing.T) {
	pc := newTestPC(t)
	l := logEvents(pc)
	must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, "chromium-audio-offer")}))
	wantChannel(t, pc) // not in stable: it waits
	setLocal(t, pc, SDPTypeAnswer)
	if got := l.wait(t, "negotiationneeded"); !slices.Equal(got, []string{"signaling have-remote-offer", "signaling stable", "negotiationneeded"}) {
		t.Errorf("%q", got)
	}
	// The section of media that was rejected stays so.
	offer := setLocal(t, pc, SDPTypeOffer)
	if d := parse(t, offer.SDP); len(d.sections) != 2 || d.data != 1 || d.sections[0].port != 0 || d.sections[1].mid != "1" {
		t.Errorf("offer:\n%s", offer.SDP)
	}
	must(t, pc.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
	l.wait(t, "negotiationneeded")
}

// An offer made before there is a channel has no section, as in browsers.
func TestEmptyOffer(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	offer := setLocal(t, a, SDPTypeOffer)
	if d := parse(t, offer.SDP); len(d.sections) != 0 {
		t.Errorf("offer:\n%s", offer.SDP)
	}
	must(t, b.SetRemoteDescription(offer))
	must(t, a.SetRemoteDescription(setLocal(t, b, SDPTypeAnswer)))
	if a.ICEGatheringState() != ICEGatheringStateNew || a.ConnectionState() != ConnectionStateNew {
		t.Error("something was started for nothing")
	}
}

func TestConnectionState(t *testing.T) {
	for _, tc := range []struct {
		ice  ICEConnectionState
		dtls DTLSState
		want ConnectionState
	}{
		{ICEConnectionStateNew, DTLSStateNew, ConnectionStateNew},
		{ICEConnectionStateChecking, DTLSStateNew, ConnectionStateConnecting},
		{ICEConnectionStateConnected, DTLSStateNew, ConnectionStateConnecting},
		{ICEConnectionStateConnected, DTLSStateConnecting, ConnectionStateConnecting},
		{ICEConnectionStateConnected, DTLSStateConnected, ConnectionStateConnected},
		{ICEConnectionStateDisconnected, DTLSStateConnected, ConnectionStateDisconnected},
		{ICEConnectionStateFailed, DTLSStateConnected, ConnectionStateFailed},
		{ICEConnectionStateConnected, DTLSStateFailed, ConnectionStateFailed},
		{ICEConnectionStateConnected, DTLSStateClosed, ConnectionStateClosed},
		{ICEConnectionStateFailed, DTLSStateClosed, ConnectionStateFailed},
	} {
		if got := connectionState(tc.ice, tc.dtls); got != tc.want {
			t.Errorf("ICE %s, DTLS %s: %s, want %s", tc.ice, tc.dtls, got, tc.want)
		}
	}
}

func TestNewPeerConnectionErrors(t *testing.T) {
	if _, err := NewPeerConnection(Config{MaxBufferedAmount: -1}); !errors.As(err, new(*ConfigError)) {
		t.Errorf("%v", err)
	}
}

// Nobody waits for candidates that will not come any more: those of a restart of ICE that was rolled back, or
// followed by another, and of a connection that was closed.
func TestGatheringGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The server says nothing, so gathering takes seconds.
		p := newVirtualPairWith(t, Config{ICEServers: []ICEServer{{URLs: []string{"stun:192.0.2.9:3478"}}}})
		p.channel(p.a)
		p.negotiate(p.a, p.b)
		for _, end := range []func(){
			func() { must(t, p.a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})) },
			func() { p.a.RestartICE(); setLocal(t, p.a, SDPTypeOffer) },
			func() { must(t, p.a.Close()) },
		} {
			p.a.RestartICE()
			setLocal(t, p.a, SDPTypeOffer)
			gathered, before := p.a.GatheringComplete(), time.Now()
			synctest.Wait()
			select {
			case <-gathered:
				t.Error("nothing is left to wait for")
			default:
			}
			end()
			receive(t, "end of gathering", gathered)
			if d := time.Since(before); d > 0 {
				t.Errorf("after %v", d)
			}
		}
		receive(t, "end of gathering after Close", p.a.GatheringComplete())
	})
}
