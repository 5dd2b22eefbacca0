package sluice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
)

// testPeer is a PeerConnection whose events a test can wait for.
type testPeer struct {
	*PeerConnection
	states   chan ConnectionState
	channels chan *datachannel.Channel
}

func newTestPeer(t testing.TB, cfg Config) *testPeer {
	t.Helper()
	pc, err := NewPeerConnection(cfg)
	must(t, err)
	t.Cleanup(func() { pc.Close() })
	p := &testPeer{pc, make(chan ConnectionState, 100), make(chan *datachannel.Channel, 1000)}
	pc.OnConnectionStateChange(func(s ConnectionState) { p.states <- s })
	pc.OnDataChannel(func(ch *datachannel.Channel) { p.channels <- ch })
	return p
}

func receive[T any](t testing.TB, why string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(testTimeout):
		t.Fatal("nothing came: " + why)
		panic("unreachable")
	}
}

// trickle carries candidates from one side to the other as they come, and keeps
// them until the other has the description of their generation.
func trickle(t testing.TB, from, to *testPeer) {
	var mu sync.Mutex
	var waiting []ICECandidateInit
	deliver := func() {
		mu.Lock()
		defer mu.Unlock()
		d := to.RemoteDescription()
		for len(waiting) > 0 && d != nil {
			c := waiting[0]
			if c.UsernameFragment != nil && !strings.Contains(d.SDP, "a=ice-ufrag:"+*c.UsernameFragment) {
				return
			}
			waiting = waiting[1:]
			if err := to.AddICECandidate(c); err != nil && to.SignalingState() != SignalingStateClosed {
				t.Errorf("AddICECandidate(%+v) = %v", c, err)
			}
		}
	}
	from.OnICECandidate(func(c *ICECandidateInit) {
		mu.Lock()
		if c == nil {
			c = &ICECandidateInit{}
		}
		waiting = append(waiting, *c)
		mu.Unlock()
		deliver()
	})
	to.OnSignalingStateChange(func(SignalingState) { deliver() })
}

// negotiate runs one offer and answer. Without trickling, the descriptions wait
// for the candidates; with it, they carry none.
func negotiate(t testing.TB, offerer, answerer *testPeer, trickling bool) {
	t.Helper()
	describe := func(p *testPeer) SessionDescription {
		must(t, p.SetLocalDescription(SessionDescription{}))
		if !trickling {
			receive(t, "candidates", p.GatheringComplete())
			return *p.LocalDescription()
		}
		d := *p.LocalDescription()
		return SessionDescription{d.Type, withoutCandidates(d.SDP)}
	}
	must(t, answerer.SetRemoteDescription(describe(offerer)))
	must(t, offerer.SetRemoteDescription(describe(answerer)))
}

func withoutCandidates(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "a=candidate:") && !strings.HasPrefix(l, "a=end-of-candidates") {
			b.WriteString(l)
		}
	}
	return b.String()
}

// exchange sends messages over a channel both ways, and checks what arrives.
func exchange(t testing.TB, a, b *datachannel.Channel) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	for _, pair := range [][2]*datachannel.Channel{{a, b}, {b, a}} {
		for _, m := range []datachannel.Message{
			{Data: []byte("text"), IsText: true}, {Data: []byte{0, 1, 2}}, {Data: []byte{}}, {Data: bytes.Repeat([]byte("x"), 60000)},
		} {
			must(t, pair[0].WriteMessage(ctx, m.Data, m.IsText))
			got, err := pair[1].ReadMessage(ctx)
			if err != nil || !bytes.Equal(got.Data, m.Data) || got.IsText != m.IsText {
				t.Fatalf("%d bytes, text %v, %v, want %d, %v", len(got.Data), got.IsText, err, len(m.Data), m.IsText)
			}
		}
	}
}

func TestPeerConnections(t *testing.T) {
	for _, trickling := range []bool{false, true} {
		for _, creator := range []string{"offerer", "answerer", "both"} {
			t.Run(fmt.Sprintf("trickle %v, channel by %s", trickling, creator), func(t *testing.T) {
				a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
				if trickling {
					trickle(t, a, b)
					trickle(t, b, a)
				}
				first := wantChannel(t, a.PeerConnection)
				var second *datachannel.Channel
				if creator != "offerer" {
					second = wantChannel(t, b.PeerConnection)
				}
				negotiate(t, a, b, trickling)
				want(t, "a", a.states, ConnectionStateConnected)
				want(t, "b", b.states, ConnectionStateConnected)
				if second != nil {
					exchange(t, second, receive(t, "channel of b", a.channels))
				}
				other := receive(t, "channel of a", b.channels)
				if other.ReadyState() != datachannel.Open { // w3c-open-b
					t.Errorf("channel is %v", other.ReadyState())
				}
				exchange(t, first, other)
				// The answerer is the DTLS client by default: even ids (8832-6-b, 8842-5-a).
				if id, ok := first.ID(); !ok || id%2 != 1 {
					t.Errorf("id %d of the offerer's channel", id)
				}
				if second != nil {
					if id, ok := second.ID(); !ok || id%2 != 0 {
						t.Errorf("id %d of the answerer's channel", id)
					}
				}
			})
		}
	}
	wantNoLeftovers(t)
}

// Both sides create channels while both are being connected.
func TestSimultaneousChannels(t *testing.T) {
	const n = 20
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	var mine [2][]*datachannel.Channel
	create := func(side, from, to int) {
		for i := from; i < to; i++ {
			p := []*testPeer{a, b}[side]
			ch, err := p.CreateDataChannel(fmt.Sprintf("%d/%d", side, i), &datachannel.Init{Unordered: i%2 == 0, Protocol: "p"})
			must(t, err)
			mine[side] = append(mine[side], ch)
		}
	}
	create(0, 0, n/2)
	create(1, 0, n/2)
	negotiate(t, a, b, false)
	create(0, n/2, n)
	create(1, n/2, n)
	for side, p := range []*testPeer{b, a} { // the one that receives
		ids := make(map[uint16]bool)
		byLabel := make(map[string]*datachannel.Channel)
		for range n {
			ch := receive(t, "channel", p.channels)
			id, _ := ch.ID()
			ids[id], byLabel[ch.Label()] = true, ch
		}
		if len(ids) != n || len(byLabel) != n {
			t.Errorf("%d ids and %d labels of %d", len(ids), len(byLabel), n)
		}
		for _, ch := range mine[side] {
			other := byLabel[ch.Label()]
			if other == nil || other.Ordered() != ch.Ordered() || other.Protocol() != "p" {
				t.Fatalf("channel %q: %+v", ch.Label(), other)
			}
			exchange(t, ch, other)
		}
	}
}

// Both sides offer; the one that gets an offer while it has one takes its back.
func TestOfferCollision(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ca, cb := wantChannel(t, a.PeerConnection), wantChannel(t, b.PeerConnection)
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	receive(t, "candidates", a.GatheringComplete())
	setLocal(t, b.PeerConnection, SDPTypeOffer)
	must(t, b.SetRemoteDescription(*a.LocalDescription())) // b is the polite one
	setLocal(t, b.PeerConnection, SDPTypeAnswer)
	receive(t, "candidates", b.GatheringComplete())
	must(t, a.SetRemoteDescription(*b.LocalDescription()))
	exchange(t, ca, receive(t, "channel of a", b.channels))
	exchange(t, cb, receive(t, "channel of b", a.channels))
}

func TestPranswer(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	receive(t, "candidates", a.GatheringComplete())
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	setLocal(t, b.PeerConnection, SDPTypePranswer)
	receive(t, "candidates", b.GatheringComplete())
	must(t, a.SetRemoteDescription(*b.LocalDescription()))
	other := receive(t, "channel before the answer", b.channels)
	exchange(t, ch, other)
	must(t, a.SetRemoteDescription(setLocal(t, b.PeerConnection, SDPTypeAnswer)))
	if a.SignalingState() != SignalingStateStable {
		t.Errorf("state %s", a.SignalingState())
	}
	exchange(t, ch, other)
}

// Renegotiation that changes nothing keeps the association (8842-3.1-a, 8841-9.3-a).
func TestRenegotiationKeepsChannels(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	for _, offerer := range []*testPeer{a, b, a} {
		answerer := a
		if offerer == a {
			answerer = b
		}
		negotiate(t, offerer, answerer, false)
		exchange(t, ch, other)
	}
}

func TestMaxMessageSize(t *testing.T) { // 8841-6-a, w3c-sctp-b
	small := loopbackConfig()
	small.MaxMessageSize = 1000
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, small)
	ch := wantChannel(t, a.PeerConnection)
	open := make(chan struct{})
	ch.OnOpen(func() { close(open) })
	negotiate(t, a, b, false)
	if got := line(b.LocalDescription().SDP, "a=max-message-size"); got != "a=max-message-size:1000" {
		t.Errorf("announced: %s", got)
	}
	other := receive(t, "channel", b.channels)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	must(t, ch.WriteMessage(ctx, make([]byte, 1000), false))
	if m, err := other.ReadMessage(ctx); err != nil || len(m.Data) != 1000 {
		t.Errorf("%d bytes, %v", len(m.Data), err)
	}
	receive(t, "open", open)
	if err := ch.Send(make([]byte, 1001)); !errors.As(err, new(*TypeError)) {
		t.Errorf("one byte too many: %v", err)
	}
	must(t, other.Send(make([]byte, 1001))) // the other direction has another limit
}

// Close is seen at once here and as an aborted association there.
func TestPeerConnectionClose(t *testing.T) {
	for _, closer := range []string{"offerer", "answerer"} {
		a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
		here := wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, false)
		there := receive(t, "channel", b.channels)
		exchange(t, here, there)
		if closer == "answerer" {
			a, b, here, there = b, a, there, here
		}
		events := make(chan string, 10)
		here.OnClose(func() { events <- "close here" })
		there.OnError(func(err error) { events <- causeOf(err) })
		there.OnClose(func() { events <- "close there" })
		must(t, a.Close())
		must(t, a.Close())
		if here.ReadyState() != datachannel.Closed || a.SignalingState() != SignalingStateClosed || a.ConnectionState() != ConnectionStateClosed {
			t.Errorf("after Close: channel %v, signaling %s, connection %s", here.ReadyState(), a.SignalingState(), a.ConnectionState())
		}
		// w3c-close-b: error, then close; the peer's ABORT has cause 12, user-initiated
		got := []string{receive(t, "error there", events), receive(t, "close there", events)}
		if want := []string{"sctp-failure 12", "close there"}; !slices.Equal(got, want) {
			t.Errorf("%s closes: events %q, want %q", closer, got, want)
		}
		want(t, "the other side", b.states, ConnectionStateClosed)
		if _, err := a.CreateDataChannel("", nil); !errors.As(err, new(*InvalidStateError)) {
			t.Errorf("CreateDataChannel after Close: %v", err)
		}
		if _, err := a.CreateOffer(); !errors.As(err, new(*InvalidStateError)) {
			t.Errorf("CreateOffer after Close: %v", err)
		}
		must(t, b.Close())
		wantNoLeftovers(t)
	}
}

func causeOf(err error) string {
	var rtc *datachannel.RTCError
	var abort *sctp.PeerAbortError
	if !errors.As(err, &rtc) || !errors.As(err, &abort) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s %d", rtc.Detail, rtc.SCTPCauseCode)
}

// Close in every phase leaves nothing behind.
func TestPeerConnectionCloseEarly(t *testing.T) {
	for _, s := range []SignalingState{SignalingStateStable, SignalingStateHaveLocalOffer, SignalingStateHaveRemoteOffer,
		SignalingStateHaveLocalPranswer, SignalingStateHaveRemotePranswer} {
		pc := inState(t, s)
		ch := wantChannel(t, pc)
		must(t, pc.Close())
		if ch.ReadyState() != datachannel.Closed {
			t.Errorf("%s: channel %v", s, ch.ReadyState())
		}
	}
}

// From within a callback, too.
func TestCloseInCallback(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	wantChannel(t, a.PeerConnection)
	closed := make(chan error, 2)
	a.OnConnectionStateChange(func(s ConnectionState) {
		if s == ConnectionStateConnected {
			closed <- a.Close()
		}
	})
	b.OnDataChannel(func(*datachannel.Channel) { closed <- b.Close() })
	negotiate(t, a, b, false)
	must(t, receive(t, "Close in a callback", closed))
	a.Close()
	b.Close()
	wantNoLeftovers(t)
}

// A certificate that was not announced ends the connection; nothing is delivered.
func TestPeerConnectionWrongFingerprint(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	failed := make(chan error, 1)
	ch.OnError(func(err error) { failed <- err })
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	receive(t, "candidates", a.GatheringComplete())
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	setLocal(t, b.PeerConnection, SDPTypeAnswer)
	receive(t, "candidates", b.GatheringComplete())
	d := *b.LocalDescription()
	d.SDP = strings.Replace(d.SDP, line(d.SDP, "a=fingerprint"), "a=fingerprint:sha-256 "+testFingerprint, 1)
	must(t, a.SetRemoteDescription(d))
	want(t, "a", a.states, ConnectionStateFailed)
	if err := receive(t, "error of the channel", failed); !errors.As(err, new(*FingerprintError)) {
		t.Errorf("channel ended with %v", err)
	}
	select {
	case ch := <-b.channels:
		t.Errorf("channel %q was opened", ch.Label())
	default:
	}
}

// An answer that rejects the data section, and one that has no SCTP port, end
// the channels (w3c-fail-a, 8841-10.1-a).
func TestDataRefused(t *testing.T) {
	for _, name := range []string{"port 0", "sctp-port 0"} {
		a := newTestPeer(t, loopbackConfig())
		ch := wantChannel(t, a.PeerConnection)
		failed := make(chan error, 1)
		ch.OnError(func(err error) { failed <- err })
		setLocal(t, a.PeerConnection, SDPTypeOffer)
		text := readSDP(t, "chromium-data-answer")
		if name == "port 0" {
			text = strings.Replace(text, line(text, "m="), "m=application 0 UDP/DTLS/SCTP webrtc-datachannel", 1)
			text = strings.Replace(text, "a=group:BUNDLE 0\r\n", "", 1)
		} else {
			text = strings.Replace(text, "a=sctp-port:5000", "a=sctp-port:0", 1)
		}
		must(t, a.SetRemoteDescription(SessionDescription{SDPTypeAnswer, text}))
		if err := receive(t, "error of the channel", failed); !errors.Is(err, errRefused) || ch.ReadyState() != datachannel.Closed {
			t.Errorf("%s: %v, channel %v", name, err, ch.ReadyState())
		}
		if a.SignalingState() != SignalingStateStable {
			t.Errorf("%s: %s", name, a.SignalingState())
		}
		if ch := wantChannel(t, a.PeerConnection); ch.ReadyState() != datachannel.Connecting {
			t.Errorf("%s: the next channel is %v", name, ch.ReadyState())
		}
	}
}

// A lite peer answers checks and sends none; the full one controls (RFC 8445, section 6.1.1).
func TestLitePeer(t *testing.T) {
	for _, offerer := range []string{"lite", "full"} {
		cfg := loopbackConfig()
		cfg.ICELite = true
		lite, full := newTestPeer(t, cfg), newTestPeer(t, loopbackConfig())
		a, b := lite, full
		if offerer == "full" {
			a, b = full, lite
		}
		ch := wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, false)
		if !strings.Contains(lite.LocalDescription().SDP, "a=ice-lite\r\n") {
			t.Error("no a=ice-lite")
		}
		exchange(t, ch, receive(t, "channel", b.channels))
	}
}

// An offer with new ICE credentials is answered with new ones; the connection
// goes on over a new pair (8445-9, 8842-3.1-a).
func TestRemoteICERestart(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	before := line(b.LocalDescription().SDP, "a=ice-ufrag")

	a.RestartICE()
	setLocal(t, a.PeerConnection, SDPTypeOffer)
	receive(t, "candidates", a.GatheringComplete())
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	setLocal(t, b.PeerConnection, SDPTypeAnswer)
	receive(t, "candidates", b.GatheringComplete())
	if after := line(b.LocalDescription().SDP, "a=ice-ufrag"); after == before {
		t.Errorf("the answer still has %s", after)
	}
}

// A section that is never sent goes when the peer has no more use for it; the
// connection stays.
func TestCarrierRejectedLater(t *testing.T) {
	pc := newTestPC(t)
	must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, "chromium-av-data-offer")}))
	setLocal(t, pc, SDPTypeAnswer)
	offer := parse(t, setLocal(t, pc, SDPTypeOffer).SDP)
	if s := offer.sections[0]; s.media != "audio" || s.port == 0 || s.ice.ufrag == "" {
		t.Fatalf("the audio section that carries the transport is offered as %+v", s)
	}
	l := testDescription(setupPassive)
	l.ufrag, l.pwd = pc.peer.ice.ufrag, pc.peer.ice.pwd
	l.fingerprints = pc.peer.dtls.fingerprints
	l.sections, l.carrier = answerSections(offer, 2), 2 // audio rejected, data kept
	must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeAnswer, l.text(localCandidates{})}))
	again := parse(t, setLocal(t, pc, SDPTypeOffer).SDP)
	if s := again.sections; s[0].port != 0 || s[2].port == 0 || s[2].ice.ufrag == "" || len(again.bundles) != 1 || len(again.bundles[0]) != 1 {
		t.Errorf("the next offer has %+v", again)
	}
}

// A peer that withdraws the data section ends the association.
func TestDataWithdrawn(t *testing.T) {
	a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	exchange(t, ch, receive(t, "channel", b.channels))
	offer := setLocal(t, a.PeerConnection, SDPTypeOffer)
	offer.SDP = strings.Replace(offer.SDP, "a=sctp-port:5000", "a=sctp-port:0", 1)
	must(t, b.SetRemoteDescription(offer))
	answer := setLocal(t, b.PeerConnection, SDPTypeAnswer)
	if got := line(answer.SDP, "a=sctp-port"); got != "a=sctp-port:0" {
		t.Errorf("answer with %s", got) // 8841-10.1-a
	}
	closed := make(chan struct{})
	ch.OnClose(func() { close(closed) })
	must(t, a.SetRemoteDescription(answer))
	receive(t, "close", closed)
	want(t, "b", b.states, ConnectionStateNew) // w3c: there is no transport
}

// The filters of Config may call the connection that gathers, and one that waits holds up
// gathering and nothing else.
func TestFilterCallsBack(t *testing.T) {
	var pc *PeerConnection
	asked, proceed := make(chan SignalingState, 100), make(chan struct{})
	cfg := loopbackConfig()
	cfg.InterfaceFilter = func(string) bool {
		asked <- pc.SignalingState()
		<-proceed
		return true
	}
	p := newTestPeer(t, cfg)
	pc = p.PeerConnection
	wantChannel(t, pc)
	must(t, pc.SetLocalDescription(SessionDescription{}))
	if s := receive(t, "call of the filter", asked); s != SignalingStateHaveLocalOffer {
		t.Errorf("state %s", s)
	}
	close(proceed)
	receive(t, "candidates", pc.GatheringComplete())
	if line(pc.LocalDescription().SDP, "a=candidate") == "" {
		t.Error("no candidates")
	}
}
