package sluice

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-rtc/sluice/datachannel"
)

// withoutData returns a description whose data section is rejected.
func withoutData(d SessionDescription) SessionDescription {
	old := line(d.SDP, "m=application")
	f := strings.Fields(old)
	f[1] = "0"
	d.SDP = strings.Replace(d.SDP, old, strings.Join(f, " "), 1)
	d.SDP = strings.Replace(d.SDP, line(d.SDP, "a=group:BUNDLE")+"\r\n", "", 1)
	return d
}

// gathered sets what is due and waits for its candidates.
func gathered(t testing.TB, pc *PeerConnection) SessionDescription {
	t.Helper()
	must(t, pc.SetLocalDescription(SessionDescription{}))
	receive(t, "candidates", pc.GatheringComplete())
	return *pc.LocalDescription()
}

// A data section that is given up, by an offer or by an answer, ends the association: the
// channels close on both sides, without an error. Channels can be created again, and ask for
// another negotiation, which uses the section again under another mid and makes new
// transports. 8841-10.1-a, w3c-state-b, w3c-close-b; RFC 8829, 5.2.2
func TestDataRemovedAndAdded(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	for round := range 4 {
		offerer, answerer := a, b
		if round%2 == 1 {
			offerer, answerer = b, a
		}
		needed := make(chan struct{}, 10)
		offerer.OnNegotiationNeeded(func() { needed <- struct{}{} })
		ch := wantChannel(t, offerer.PeerConnection)
		receive(t, "negotiationneeded", needed)
		offerer.OnNegotiationNeeded(nil)
		negotiate(t, offerer, answerer, false)
		other := receive(t, "channel", answerer.channels)
		exchange(t, ch, other)
		want(t, "offerer", offerer.states, ConnectionStateConnected)
		want(t, "answerer", answerer.states, ConnectionStateConnected)
		if d := parse(t, offerer.LocalDescription().SDP); len(d.sections) != 1 || d.sections[0].mid != fmt.Sprint(round%2) {
			t.Errorf("round %d: sections %+v", round, d.sections)
		}
		events, transport := make(chan string, 10), offerer.SCTP()
		for _, c := range []*datachannel.Channel{ch, other} {
			c.OnClose(func() { events <- "closed" })
			c.OnError(func(err error) { events <- causeOf(err) })
		}
		must(t, answerer.SetRemoteDescription(withoutData(gathered(t, offerer.PeerConnection))))
		answer := gathered(t, answerer.PeerConnection)
		if !strings.HasPrefix(line(answer.SDP, "m="), "m=application 0 ") {
			t.Errorf("the answer is\n%s", answer.SDP)
		}
		must(t, offerer.SetRemoteDescription(answer))
		if first, second := receive(t, "end", events), receive(t, "end", events); first != "closed" || second != "closed" {
			t.Errorf("events %q and %q", first, second)
		}
		if offerer.SCTP() != nil || answerer.SCTP() != nil || transport.State() != SCTPTransportStateClosed { // w3c-sctp-a
			t.Errorf("a transport is left; the old one is %s", transport.State())
		}
		for _, p := range []*testPeer{a, b} {
			want(t, "after the end", p.states, ConnectionStateNew)
			if p.PeerConnection.ICEConnectionState() != ICEConnectionStateNew || p.ICEGatheringState() != ICEGatheringStateNew {
				t.Errorf("ICE %s, gathering %s", p.PeerConnection.ICEConnectionState(), p.ICEGatheringState())
			}
		}
		if d := offerer.CurrentLocalDescription(); d == nil || !strings.Contains(d.SDP, "a=candidate:") {
			t.Error("the current description has lost its candidates")
		}
	}
	a.Close()
	b.Close()
	wantNoLeftovers(t)
}

// A provisional answer without data frees nothing; the final one may still accept it.
// RFC 8829, 4.1.10
func TestPranswerFreesNothing(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	must(t, b.SetRemoteDescription(gathered(t, a.PeerConnection)))
	answer := gathered(t, b.PeerConnection)
	for range 2 {
		provisional := withoutData(answer)
		provisional.Type = SDPTypePranswer
		must(t, a.SetRemoteDescription(provisional))
	}
	if ch.ReadyState() != datachannel.Connecting {
		t.Errorf("channel %v", ch.ReadyState())
	}
	must(t, a.SetRemoteDescription(answer))
	exchange(t, ch, receive(t, "channel", b.channels))
}

// An offer from another peer in place of the first: other certificate, other ICE
// credentials. The old channels end, the association is a new one. 8842-3.1-a
func TestPeerReplaced(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	closed := make(chan struct{})
	other.OnClose(func() { close(closed) })
	before := line(b.LocalDescription().SDP, "a=ice-ufrag")

	second := newTestPeer(t, loopbackConfig())
	fresh := wantChannel(t, second.PeerConnection)
	offer := gathered(t, second.PeerConnection)

	must(t, b.SetRemoteDescription(offer))
	if err := b.SetLocalDescription(SessionDescription{Type: SDPTypePranswer}); !errors.As(err, new(*OperationError)) {
		t.Errorf("pranswer: %v", err)
	}
	must(t, b.SetRemoteDescription(offer)) // again: the link made for the first is dropped
	must(t, b.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback}))
	exchange(t, ch, other) // nothing happened yet

	must(t, b.SetRemoteDescription(offer))
	answer := gathered(t, b.PeerConnection)
	if got := line(answer.SDP, "a=ice-ufrag"); got == before || line(answer.SDP, "a=candidate") == "" {
		t.Errorf("the answer to another peer is\n%s", answer.SDP)
	}
	must(t, second.SetRemoteDescription(answer))
	receive(t, "end of the old channel", closed)
	exchange(t, fresh, receive(t, "new channel", b.channels))
	exchange(t, wantChannel(t, b.PeerConnection), receive(t, "channel back", second.channels))

	must(t, b.SetRemoteDescription(func() SessionDescription { // one that is never answered
		third := newTestPeer(t, loopbackConfig())
		wantChannel(t, third.PeerConnection)
		return gathered(t, third.PeerConnection)
	}()))
	for _, p := range []*testPeer{a, b, second} {
		p.Close()
	}
}

// A peer that has closed and comes back with the same certificate, and no tls-id to tell, begins
// another association.
func TestPeerComesBack(t *testing.T) {
	cfg := loopbackConfig()
	cfg.Certificate = mustCertificate(t)
	b := newTestPeer(t, loopbackConfig())
	for range 3 {
		a := newTestPeer(t, cfg)
		ch := wantChannel(t, a.PeerConnection)
		for _, way := range [][2]*testPeer{{a, b}, {b, a}} {
			d := gathered(t, way[0].PeerConnection)
			d.SDP = strings.Replace(d.SDP, "a=tls-id:", "a=no-tls-id:", 1)
			must(t, way[1].SetRemoteDescription(d))
		}
		exchange(t, ch, receive(t, "channel", b.channels))
		must(t, a.Close())
		want(t, "b", b.states, ConnectionStateClosed)
	}
}

// Data is added to a session that began with media only, which is rejected; and media to
// one of data only.
func TestDataAddedLater(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		a := newTestPC(t)
		must(t, a.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, browser+"-audio-offer")}))
		if d := parse(t, setLocal(t, a, SDPTypeAnswer).SDP); len(d.sections) != 1 || d.sections[0].port != 0 || d.data >= 0 {
			t.Errorf("%s: answer %+v", browser, d)
		}
		// The peer has the section of the rejected audio, then audio, video and data.
		must(t, a.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, browser+"-av-data-offer")}))
		d := parse(t, setLocal(t, a, SDPTypeAnswer).SDP)
		if len(d.sections) != 3 || d.data != 2 {
			t.Errorf("%s: answer %+v", browser, d)
		}

		b := newTestPC(t)
		must(t, b.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, browser+"-data-offer")}))
		setLocal(t, b, SDPTypeAnswer)
		offer := readSDP(t, browser+"-data-av-offer")
		for _, name := range []string{"a=ice-ufrag", "a=ice-pwd", "a=fingerprint"} {
			offer = strings.ReplaceAll(offer, line(offer, name), line(readSDP(t, browser+"-data-offer"), name))
		}
		must(t, b.SetRemoteDescription(SessionDescription{SDPTypeOffer, offer}))
		d = parse(t, setLocal(t, b, SDPTypeAnswer).SDP)
		if len(d.sections) != 3 || d.data != 0 || d.sections[1].port != 0 || d.sections[2].port != 0 {
			t.Errorf("%s: answer %+v", browser, d)
		}
		// and removed again, their sections recycled for others
		gone := strings.ReplaceAll(strings.ReplaceAll(offer, "m=audio 9", "m=audio 0"), "m=video 9", "m=audio 9")
		gone = strings.Replace(strings.Replace(gone, "BUNDLE 0 1 2", "BUNDLE 0 9", 1), "a=mid:2", "a=mid:9", 1)
		must(t, b.SetRemoteDescription(SessionDescription{SDPTypeOffer, gone}))
		if d = parse(t, setLocal(t, b, SDPTypeAnswer).SDP); d.data != 0 || d.sections[2].mid != "9" {
			t.Errorf("%s: answer %+v", browser, d)
		}
	}
}

// What was created last is set when no text is given, unless another offer is due by then.
// W3C webrtc-pc, setLocalDescription, steps 4.2 to 4.5
func TestLastCreated(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	empty, err := a.CreateOffer()
	must(t, err)
	wantChannel(t, a)
	if offer := setLocal(t, a, SDPTypeOffer); offer.SDP == empty.SDP || parse(t, offer.SDP).data != 0 {
		t.Errorf("the offer from before there was a channel is set")
	}
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	answer, err := b.CreateAnswer()
	must(t, err)
	if set := setLocal(t, b, SDPTypeAnswer); version(t, set) != version(t, answer) {
		t.Error("the answer that was created is not the one that is set")
	}
	must(t, a.SetRemoteDescription(*b.LocalDescription()))

	restart, err := a.CreateOffer(ICERestart)
	must(t, err)
	if set := setLocal(t, a, SDPTypeOffer); line(set.SDP, "a=ice-ufrag") != line(restart.SDP, "a=ice-ufrag") {
		t.Error("the restart that was created is not the one that is set")
	}
	must(t, a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))

	// An offer that was created stays good while another is rolled back ...
	plain, err := a.CreateOffer()
	must(t, err)
	must(t, a.SetRemoteDescription(setLocal(t, b, SDPTypeOffer)))
	old, err := a.CreateAnswer()
	must(t, err)
	must(t, a.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback}))
	must(t, a.SetLocalDescription(plain))
	must(t, a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
	// ... one from before RestartICE is not the one that is due, and an answer is to one offer.
	plain, err = a.CreateOffer()
	must(t, err)
	a.RestartICE()
	if set := setLocal(t, a, SDPTypeOffer); line(set.SDP, "a=ice-ufrag") == line(plain.SDP, "a=ice-ufrag") {
		t.Error("an offer from before RestartICE is set")
	}
	must(t, a.SetRemoteDescription(setLocal(t, b, SDPTypeOffer)))
	if err := a.SetLocalDescription(old); !errors.As(err, new(*InvalidModificationError)) {
		t.Errorf("the answer to another offer: %v", err)
	}
}

// Of several errors the one that W3C's algorithms find first is returned, and nothing changes.
func TestDescriptionErrors(t *testing.T) {
	pc := newTestPC(t)
	wantChannel(t, pc)
	offer, err := pc.CreateOffer()
	must(t, err)
	valid := readSDP(t, "chromium-data-offer")
	garbage, invalid := "v=0\r\nhello\r\n", strings.Replace(valid, "a=sctp-port:5000\r\n", "", 1)
	local, remote := pc.SetLocalDescription, pc.SetRemoteDescription
	for _, tc := range []struct {
		desc string
		set  func(SessionDescription) error
		d    SessionDescription
		want any
	}{
		{"unknown type", local, SessionDescription{"offers", valid}, new(*TypeError)},
		{"unknown remote type", remote, SessionDescription{"", valid}, new(*TypeError)},
		{"not created here", local, SessionDescription{SDPTypeOffer, valid}, new(*InvalidModificationError)},
		{"changed", local, SessionDescription{SDPTypeOffer, offer.SDP + "a=x\r\n"}, new(*InvalidModificationError)},
		{"answer not created, in stable", local, SessionDescription{SDPTypeAnswer, valid}, new(*InvalidModificationError)},
		{"answer in stable", local, SessionDescription{Type: SDPTypeAnswer}, new(*InvalidStateError)},
		{"pranswer in stable", local, SessionDescription{Type: SDPTypePranswer}, new(*InvalidStateError)},
		{"rollback in stable, whatever its text", local, SessionDescription{SDPTypeRollback, garbage}, new(*InvalidStateError)},
		{"remote answer in stable, before its text", remote, SessionDescription{SDPTypeAnswer, garbage}, new(*InvalidStateError)},
		{"no SDP", remote, SessionDescription{SDPTypeOffer, garbage}, new(*RTCError)},
		{"breaks a rule", remote, SessionDescription{SDPTypeOffer, invalid}, new(*InvalidAccessError)},
	} {
		err := tc.set(tc.d)
		if !errors.As(err, tc.want) {
			t.Errorf("%s: %T %v, want %T", tc.desc, err, err, tc.want)
		}
		if pc.SignalingState() != SignalingStateStable || pc.LocalDescription() != nil || pc.RemoteDescription() != nil {
			t.Fatalf("%s: the state changed", tc.desc)
		}
	}
	var rtc *RTCError
	if err := remote(SessionDescription{SDPTypeOffer, garbage}); !errors.As(err, &rtc) || rtc.Detail != SDPSyntaxError || rtc.SDPLineNumber != 2 {
		t.Errorf("%+v", rtc)
	}
	var at *SDPError
	if err := remote(SessionDescription{SDPTypeOffer, invalid}); !errors.As(err, &at) || at.Line != 8 {
		t.Errorf("%+v", at)
	}
	must(t, local(offer))
	must(t, local(SessionDescription{SDPTypeRollback, garbage})) // its text is not looked at
	must(t, pc.Close())
	for _, err := range []error{local(offer), remote(SessionDescription{SDPTypeOffer, garbage}), local(SessionDescription{})} {
		if !errors.As(err, new(*InvalidStateError)) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// tls-id is offered, kept, and in an answer if it was offered. 8842-4-a; RFC 8829, 5.2.1
func TestTLSID(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	offer := offerFrom(t, a)
	id := line(offer.SDP, "a=tls-id:")
	if !isTLSID(strings.TrimPrefix(id, "a=tls-id:")) {
		t.Errorf("offer with %q", id)
	}
	must(t, b.SetRemoteDescription(offer))
	answer := setLocal(t, b, SDPTypeAnswer)
	if got := line(answer.SDP, "a=tls-id:"); got == "" || got == id {
		t.Errorf("answer with %q", got)
	}
	if got := line(answerTo(t, SessionDescription{SDPTypeOffer, readSDP(t, "chromium-data-offer")}, SDPTypeAnswer).SDP, "a=tls-id"); got != "" {
		t.Errorf("answer to an offer without: %q", got)
	}
}

// Calls from many goroutines are carried out one after the other, each as a whole: whatever
// their order, the state is one of the state machine's and no step is lost.
func TestConcurrentDescriptions(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	wantChannel(t, a)
	offer := offerFrom(t, b)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(3)
		go func() {
			defer wg.Done()
			err := a.SetLocalDescription(SessionDescription{})
			if err != nil {
				t.Errorf("the description that is due: %v", err)
			}
		}()
		go func() {
			defer wg.Done()
			if err := a.SetRemoteDescription(offer); err != nil {
				t.Errorf("an offer, in any state: %v", err)
			}
		}()
		go func() {
			defer wg.Done()
			err := a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback})
			if err != nil && !errors.As(err, new(*InvalidStateError)) {
				t.Errorf("rollback: %v", err)
			}
		}()
	}
	wg.Wait()
	switch s := a.SignalingState(); s {
	case SignalingStateStable, SignalingStateHaveLocalOffer, SignalingStateHaveRemoteOffer:
	default:
		t.Errorf("state %s", s)
	}
}
