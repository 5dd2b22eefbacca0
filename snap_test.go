package sluice

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/datachannel"
)

// withSNAP returns a configuration on loopback.
func withSNAP(on bool) Config {
	cfg := loopbackConfig()
	cfg.DisableSNAP = !on
	return cfg
}

// tokenIn returns the a=sctp-init line of a description.
func tokenIn(d *SessionDescription) string { return line(d.SDP, "a=sctp-init:") }

// openBoth negotiates with a change to what the other side gets, and returns both
// ends of a channel that has carried messages.
func openBoth(t *testing.T, a, b *testPeer, change func(SessionDescription) SessionDescription) (ours, theirs *datachannel.Channel) {
	t.Helper()
	ours = wantChannel(t, a.PeerConnection)
	for _, way := range [][2]*testPeer{{a, b}, {b, a}} {
		must(t, way[0].SetLocalDescription(SessionDescription{}))
		receive(t, "candidates", way[0].GatheringComplete())
		must(t, way[1].SetRemoteDescription(change(*way[0].LocalDescription())))
	}
	theirs = receive(t, "the channel", b.channels)
	exchange(t, ours, theirs)
	return ours, theirs
}

// wantSNAP compares whether both sides did without a handshake.
func wantSNAP(t *testing.T, a, b *core, want bool) {
	t.Helper()
	if x, y := a.stats().SCTP.SNAP, b.stats().SCTP.SNAP; x != want || y != want {
		t.Errorf("SNAP %v and %v, want %v", x, y, want)
	}
}

func unchanged(d SessionDescription) SessionDescription { return d }

// TestSNAP: offered, answered and used; in later negotiations, whoever begins them,
// the values are the same. // snap-a snap-b snap-c snap-d
func TestSNAP(t *testing.T) {
	a, b := newTestPeer(t, withSNAP(true)), newTestPeer(t, withSNAP(true))
	openBoth(t, a, b, unchanged)
	wantSNAP(t, a.core, b.core, true)
	ofA, ofB := tokenIn(a.LocalDescription()), tokenIn(b.LocalDescription())
	if ofA == "" || ofB == "" || ofA == ofB {
		t.Fatalf("tokens %q and %q", ofA, ofB)
	}
	for _, way := range [][2]*testPeer{{a, b}, {b, a}} {
		negotiate(t, way[0], way[1], false)
		if x, y := tokenIn(a.LocalDescription()), tokenIn(b.LocalDescription()); x != ofA || y != ofB {
			t.Errorf("then %q and %q, want %q and %q", x, y, ofA, ofB)
		}
	}
	exchange(t, wantChannel(t, b.PeerConnection), receive(t, "another channel", a.channels))
}

// TestSNAPFallback: whatever is wrong with the token of a side, a handshake sets the
// association up, and a token is only answered by one if it is valid. // snap-b snap-c
func TestSNAPFallback(t *testing.T) {
	replace := func(typ SDPType, with string) func(SessionDescription) SessionDescription {
		return func(d SessionDescription) SessionDescription {
			if d.Type == typ {
				d.SDP = strings.Replace(d.SDP, tokenIn(&d), with, 1)
			}
			return d
		}
	}
	var offered string
	mirror := func(d SessionDescription) SessionDescription {
		if d.Type == SDPTypeOffer {
			offered = tokenIn(&d)
			return d
		}
		d.SDP = strings.Replace(d.SDP, tokenIn(&d), offered, 1)
		return d
	}
	garbage := "a=sctp-init:" + base64.StdEncoding.EncodeToString([]byte("CookieMonster"))
	for _, tt := range []struct {
		desc     string
		a, b     bool
		change   func(SessionDescription) SessionDescription
		answered bool
	}{
		{"offerer without", false, true, unchanged, false},
		{"answerer without", true, false, unchanged, false},
		{"neither", false, false, unchanged, false},
		{"offer not base64", true, true, replace(SDPTypeOffer, "a=sctp-init:*"), false},
		{"offer empty", true, true, replace(SDPTypeOffer, "a=sctp-init"), false},
		{"offer not an INIT", true, true, replace(SDPTypeOffer, garbage), false},
		{"answer not base64", true, true, replace(SDPTypeAnswer, "a=sctp-init:AQ"), true},
		{"answer not an INIT", true, true, replace(SDPTypeAnswer, garbage), true},
		{"answer mirrors the offer", true, true, mirror, true},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			a, b := newTestPeer(t, withSNAP(tt.a)), newTestPeer(t, withSNAP(tt.b))
			openBoth(t, a, b, tt.change)
			wantSNAP(t, a.core, b.core, false)
			if got := tokenIn(a.LocalDescription()) != ""; got != tt.a {
				t.Errorf("offered %v", got)
			}
			if got := tokenIn(b.LocalDescription()) != ""; got != tt.answered {
				t.Errorf("answered %v", got)
			}
		})
	}
}

// TestSNAPLater: an association that was set up without a token goes on without. // snap-d
func TestSNAPLater(t *testing.T) {
	a, b := newTestPeer(t, withSNAP(false)), newTestPeer(t, withSNAP(true))
	openBoth(t, a, b, unchanged)
	negotiate(t, b, a, false)
	if token := tokenIn(b.LocalDescription()); token != "" {
		t.Errorf("a new token: %q", token)
	}
}

// TestSNAPLegacy: a section in the form before RFC 8841 has no token in the answer,
// whatever the offer has, and so no association without a handshake. // snap-b snap-d
func TestSNAPLegacy(t *testing.T) {
	a, b := newTestPeer(t, withSNAP(true)), newTestPeer(t, withSNAP(true))
	modern := []string{"UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000", "a=sctp-port:5000", "a=sctpmap:5000 webrtc-datachannel 65535"}
	legacy := []string{modern[1], modern[0], modern[3], modern[2]}
	openBoth(t, a, b, func(d SessionDescription) SessionDescription {
		form := modern
		if d.Type == SDPTypeAnswer {
			if !strings.Contains(d.SDP, " DTLS/SCTP 5000") || tokenIn(&d) != "" {
				t.Error(d.SDP)
			}
			form = legacy
		}
		d.SDP = strings.NewReplacer(form...).Replace(d.SDP)
		return d
	})
	wantSNAP(t, a.core, b.core, false)
	negotiate(t, b, a, false)
	if token := tokenIn(b.LocalDescription()); token != "" {
		t.Errorf("a token after an answer without: %q", token)
	}
}

// TestSNAPRollback: a negotiation that is given up does not change the token, and
// sections without an association have none. // snap-d
func TestSNAPRollback(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	first := offerFrom(t, a)
	must(t, a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
	second := setLocal(t, a, SDPTypeOffer)
	if x, y := tokenIn(&first), tokenIn(&second); x == "" || x != y {
		t.Errorf("offered %q, then %q", x, y)
	}
	must(t, b.SetRemoteDescription(SessionDescription{SDPTypeOffer, strings.Replace(second.SDP, "a=sctp-port:5000", "a=sctp-port:0", 1)}))
	answer := setLocal(t, b, SDPTypeAnswer)
	if token := tokenIn(&answer); token != "" {
		t.Errorf("a rejected section has %q", token)
	}
}

// TestTransportSNAP: tokens in parameters.
func TestTransportSNAP(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		a, b   bool
		change func(toA, toB *TransportParameters)
		want   bool
	}{
		{"both", true, true, func(toA, toB *TransportParameters) {}, true},
		{"one", true, false, func(toA, toB *TransportParameters) {}, false},
		{"other", false, true, func(toA, toB *TransportParameters) {}, false},
		{"one token cut off", true, true, func(toA, toB *TransportParameters) { toA.SCTPInit = toA.SCTPInit[:9] }, false},
		{"one token lost", true, true, func(toA, toB *TransportParameters) { toB.SCTPInit = nil }, false},
		{"mirrored", true, true, func(toA, toB *TransportParameters) { toA.SCTPInit = toB.SCTPInit }, false},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			a := newTestTransport(t, func(cfg *Config) { cfg.DisableSNAP = !tt.a })
			b := newTestTransport(t, func(cfg *Config) { cfg.DisableSNAP = !tt.b })
			toA, toB := localParameters(t, b), localParameters(t, a)
			if !bytes.Equal(a.Parameters().SCTPInit, toB.SCTPInit) || (toB.SCTPInit != nil) != tt.a {
				t.Error("the token changed, or is there when it should not")
			}
			tt.change(&toA, &toB)
			if errA, errB := start(t, a, b, toA, toB); errA != nil || errB != nil {
				t.Fatalf("Start: %v, %v", errA, errB)
			}
			ch, err := a.CreateChannel("x", nil)
			must(t, err)
			exchange(t, ch, accept(t, b))
			wantSNAP(t, a.core, b.core, tt.want)
		})
	}
}
