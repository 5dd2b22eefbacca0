package sluice

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/datachannel"
)

// newTestPC returns a PeerConnection on loopback that is closed with the test.
func newTestPC(t testing.TB) *PeerConnection {
	t.Helper()
	pc, err := NewPeerConnection(loopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The next functions set one description, made by the other side where needed.

func setLocal(t testing.TB, pc *PeerConnection, typ SDPType) SessionDescription {
	t.Helper()
	must(t, pc.SetLocalDescription(SessionDescription{Type: typ}))
	return *pc.LocalDescription()
}

// offerFrom returns an offer with a data section, made by pc.
func offerFrom(t testing.TB, pc *PeerConnection) SessionDescription {
	t.Helper()
	wantChannel(t, pc)
	return setLocal(t, pc, SDPTypeOffer)
}

// answerTo returns the answer of another PeerConnection.
func answerTo(t testing.TB, offer SessionDescription, typ SDPType) SessionDescription {
	t.Helper()
	pc := newTestPC(t)
	must(t, pc.SetRemoteDescription(offer))
	return setLocal(t, pc, typ)
}

// inState returns a PeerConnection in a signaling state.
func inState(t *testing.T, s SignalingState) *PeerConnection {
	t.Helper()
	pc := newTestPC(t)
	wantChannel(t, pc)
	switch s {
	case SignalingStateHaveLocalOffer:
		setLocal(t, pc, SDPTypeOffer)
	case SignalingStateHaveRemotePranswer:
		must(t, pc.SetRemoteDescription(answerTo(t, setLocal(t, pc, SDPTypeOffer), SDPTypePranswer)))
	case SignalingStateHaveRemoteOffer:
		must(t, pc.SetRemoteDescription(offerFrom(t, newTestPC(t))))
	case SignalingStateHaveLocalPranswer:
		must(t, pc.SetRemoteDescription(offerFrom(t, newTestPC(t))))
		setLocal(t, pc, SDPTypePranswer)
	case SignalingStateClosed:
		must(t, pc.Close())
	}
	if got := pc.SignalingState(); got != s {
		t.Fatalf("state %s, want %s", got, s)
	}
	return pc
}

// descriptions are all that a failed call must leave alone.
func descriptions(pc *PeerConnection) [4]*SessionDescription {
	return [4]*SessionDescription{pc.CurrentLocalDescription(), pc.PendingLocalDescription(),
		pc.CurrentRemoteDescription(), pc.PendingRemoteDescription()}
}

// The whole table of RFC 8829, section 3.2: from each state, each description. An offer is
// rolled back where it was set (web-platform-tests: setLocalDescription-rollback).
func TestSignalingStates(t *testing.T) {
	const (
		stable         = SignalingStateStable
		localOffer     = SignalingStateHaveLocalOffer
		remoteOffer    = SignalingStateHaveRemoteOffer
		localPranswer  = SignalingStateHaveLocalPranswer
		remotePranswer = SignalingStateHaveRemotePranswer
		closed         = SignalingStateClosed
		no             = SignalingState("") // *InvalidStateError
	)
	steps := []signalingStep{
		{true, SDPTypeOffer}, {true, SDPTypePranswer}, {true, SDPTypeAnswer}, {true, SDPTypeRollback},
		{false, SDPTypeOffer}, {false, SDPTypePranswer}, {false, SDPTypeAnswer}, {false, SDPTypeRollback},
	}
	for _, tc := range []struct {
		from SignalingState
		to   [8]SignalingState // in the order of steps
	}{
		{stable, [8]SignalingState{localOffer, no, no, no, remoteOffer, no, no, no}},
		{localOffer, [8]SignalingState{localOffer, no, no, stable, remoteOffer, remotePranswer, stable, no}},
		{remoteOffer, [8]SignalingState{no, localPranswer, stable, no, remoteOffer, no, no, stable}},
		{localPranswer, [8]SignalingState{no, localPranswer, stable, no, no, no, no, no}},
		{remotePranswer, [8]SignalingState{no, no, no, no, no, remotePranswer, stable, no}},
		{closed, [8]SignalingState{no, no, no, no, no, no, no, no}},
	} {
		for i, step := range steps {
			pc := inState(t, tc.from)
			before := descriptions(pc)
			d := SessionDescription{Type: step.typ}
			set := pc.SetLocalDescription
			if !step.local {
				set = pc.SetRemoteDescription
				d.SDP = remoteText(t, pc, step.typ)
			}
			err := set(d)
			want := tc.to[i]
			if want == no {
				if !errors.As(err, new(*InvalidStateError)) {
					t.Errorf("%s, %+v: %v", tc.from, step, err)
				}
				if pc.SignalingState() != tc.from || !sameDescriptions(before, descriptions(pc)) {
					t.Errorf("%s, %+v: the error changed the state", tc.from, step)
				}
			} else if err != nil || pc.SignalingState() != want {
				t.Errorf("%s, %+v: %s, %v, want %s", tc.from, step, pc.SignalingState(), err, want)
			}
			pc.Close()
		}
	}
}

// sameDescriptions compares without the candidates, which arrive at any time.
func sameDescriptions(a, b [4]*SessionDescription) bool {
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) || a[i] != nil && (a[i].Type != b[i].Type || line(a[i].SDP, "o=") != line(b[i].SDP, "o=")) {
			return false
		}
	}
	return true
}

// line returns the first line of an SDP that begins so.
func line(sdp, prefix string) string {
	for l := range strings.Lines(sdp) {
		if strings.HasPrefix(l, prefix) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// remoteText returns a description that a peer of pc could send now.
func remoteText(t *testing.T, pc *PeerConnection, typ SDPType) string {
	switch typ {
	case SDPTypeOffer:
		return offerFrom(t, newTestPC(t)).SDP
	case SDPTypeRollback:
		return ""
	}
	if pc.SignalingState() == SignalingStateHaveRemotePranswer {
		return pc.PendingRemoteDescription().SDP
	}
	if l := pc.PendingLocalDescription(); l != nil && l.Type == SDPTypeOffer {
		return answerTo(t, *l, typ).SDP
	}
	return readSDP(t, "chromium-data-answer")
}

func TestCreateInState(t *testing.T) {
	for _, tc := range []struct {
		state         SignalingState
		offer, answer bool
	}{
		{SignalingStateStable, true, false},
		{SignalingStateHaveLocalOffer, true, false},
		{SignalingStateHaveRemoteOffer, false, true},
		{SignalingStateHaveLocalPranswer, false, true},
		{SignalingStateHaveRemotePranswer, false, false},
		{SignalingStateClosed, false, false},
	} {
		pc := inState(t, tc.state)
		offer, offerErr := pc.CreateOffer()
		answer, answerErr := pc.CreateAnswer()
		if tc.offer != (offerErr == nil) || !tc.offer && !errors.As(offerErr, new(*InvalidStateError)) || tc.offer && offer.Type != SDPTypeOffer {
			t.Errorf("%s: CreateOffer = %v", tc.state, offerErr)
		}
		if tc.answer != (answerErr == nil) || !tc.answer && !errors.As(answerErr, new(*InvalidStateError)) || tc.answer && answer.Type != SDPTypeAnswer {
			t.Errorf("%s: CreateAnswer = %v", tc.state, answerErr)
		}
	}
}

func TestSetLocalDescriptionText(t *testing.T) {
	pc := newTestPC(t)
	wantChannel(t, pc)
	first, err := pc.CreateOffer()
	must(t, err)
	last, err := pc.CreateOffer()
	must(t, err)
	for _, text := range []string{first.SDP, last.SDP + "a=x\r\n", strings.Replace(last.SDP, "5000", "5001", 1)} {
		if err := pc.SetLocalDescription(SessionDescription{SDPTypeOffer, text}); !errors.As(err, new(*InvalidModificationError)) {
			t.Errorf("changed offer: %v", err)
		}
	}
	if err := pc.SetLocalDescription(SessionDescription{"offers", last.SDP}); !errors.As(err, new(*TypeError)) {
		t.Errorf("unknown type: %v", err)
	}
	must(t, pc.SetLocalDescription(last))
	must(t, pc.SetLocalDescription(last)) // the same again
}

// Without arguments, SetLocalDescription makes what is due.
func TestImplicitDescriptions(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	wantChannel(t, a)
	must(t, a.SetLocalDescription(SessionDescription{}))
	if a.LocalDescription().Type != SDPTypeOffer {
		t.Errorf("%+v", a.LocalDescription())
	}
	must(t, b.SetRemoteDescription(*a.LocalDescription()))
	must(t, b.SetLocalDescription(SessionDescription{}))
	if d := b.LocalDescription(); d.Type != SDPTypeAnswer || b.SignalingState() != SignalingStateStable {
		t.Errorf("%+v in %s", d, b.SignalingState())
	}
	must(t, a.SetRemoteDescription(*b.LocalDescription()))
	if a.PendingLocalDescription() != nil || a.CurrentLocalDescription() == nil || a.CurrentRemoteDescription() == nil || a.PendingRemoteDescription() != nil {
		t.Error("the descriptions did not become current")
	}
}

func TestRollback(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	first, other := offerFrom(t, a), offerFrom(t, b)
	must(t, a.SetLocalDescription(SessionDescription{Type: SDPTypeRollback}))
	if a.LocalDescription() != nil || a.SignalingState() != SignalingStateStable {
		t.Error("a local offer is still there after the rollback")
	}
	must(t, a.SetRemoteDescription(other))
	must(t, a.SetRemoteDescription(SessionDescription{Type: SDPTypeRollback}))
	if a.RemoteDescription() != nil || a.SignalingState() != SignalingStateStable {
		t.Error("a remote offer is still there after the rollback")
	}
	if _, err := a.CreateAnswer(); !errors.As(err, new(*InvalidStateError)) {
		t.Errorf("answering an offer that was rolled back: %v", err)
	}
	if err := a.SetLocalDescription(first); !errors.As(err, new(*InvalidModificationError)) {
		t.Errorf("an offer that was rolled back: %v", err)
	}
	again := setLocal(t, a, SDPTypeOffer)
	if version(t, again) <= version(t, first) { // RFC 8829, section 5.2.2
		t.Errorf("version %d after %d", version(t, again), version(t, first))
	}
	// An offer against an offer: ours is rolled back, and the answer has what was gathered.
	<-a.GatheringComplete()
	must(t, a.SetRemoteDescription(other))
	answer := setLocal(t, a, SDPTypeAnswer)
	if !strings.Contains(answer.SDP, "a=candidate:") || !strings.Contains(answer.SDP, "a=end-of-candidates") {
		t.Errorf("candidates were lost with the offer:\n%s", answer.SDP)
	}
	must(t, b.SetRemoteDescription(answer))
}

func version(t *testing.T, d SessionDescription) uint64 { return parse(t, d.SDP).origin.version }

// Renegotiation that changes nothing keeps every parameter; only the version
// grows (RFC 8829, section 5.2.2), and the setup role that was negotiated stays.
func TestReofferKeepsParameters(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	negotiate := func(from, to *PeerConnection) (offer, answer SessionDescription) {
		offer = setLocal(t, from, SDPTypeOffer)
		must(t, to.SetRemoteDescription(offer))
		answer = setLocal(t, to, SDPTypeAnswer)
		must(t, from.SetRemoteDescription(answer))
		return offer, answer
	}
	wantChannel(t, a)
	offer1, answer1 := negotiate(a, b)
	offer2, answer2 := negotiate(a, b)
	offer3, answer3 := negotiate(b, a)
	if v := version(t, offer2); v <= version(t, offer1) || version(t, answer2) <= version(t, answer1) {
		t.Errorf("versions do not grow: %d", v)
	}
	fixed := []string{"m=", "a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=tls-id", "a=mid", "a=sctp-port", "a=max-message-size"}
	same := func(x, y SessionDescription, extra ...string) {
		t.Helper()
		for _, prefix := range append(extra, fixed...) {
			if l, k := line(x.SDP, prefix), line(y.SDP, prefix); prefix != "m=" && l != k || l == "" {
				t.Errorf("%q became %q", l, k)
			}
		}
		if o1, o2 := parse(t, x.SDP).origin, parse(t, y.SDP).origin; o1.sessionID != o2.sessionID {
			t.Errorf("session %d became %d", o1.sessionID, o2.sessionID)
		}
	}
	same(offer1, offer2, "a=setup")
	same(answer1, answer2, "a=setup")
	same(offer1, answer3)
	same(answer1, offer3)
	if got := line(answer3.SDP, "a=setup"); got != "a=setup:passive" { // b was active in the first answer
		t.Errorf("answer of the old offerer has %s", got)
	}
}

// A changed transport is refused with the state as it was.
func TestReofferErrors(t *testing.T) {
	a, b := newTestPC(t), newTestPC(t)
	must(t, b.SetRemoteDescription(offerFrom(t, a)))
	must(t, a.SetRemoteDescription(setLocal(t, b, SDPTypeAnswer)))
	good := setLocal(t, a, SDPTypeOffer).SDP
	for _, tc := range []struct {
		desc, old, new string
		invalid        bool // *InvalidAccessError, else *OperationError
	}{
		{"another fingerprint", line(good, "a=fingerprint"), "a=fingerprint:sha-256 " + testFingerprint, true}, // 8842-3.1-a
		{"another SCTP port", "a=sctp-port:5000", "a=sctp-port:5001", false},                                   // 8841-9.3-a
		{"another role", "a=setup:actpass", "a=setup:active", true},                                            // 8842-3.1-a
		{"another tls-id", line(good, "a=tls-id"), "a=tls-id:01234567890123456789", true},                      // 8842-3.1-a
		{"another mid", "a=mid:0", "a=mid:1", true},
		{"other media", "m=application", "m=audio", true},
	} {
		text := strings.Replace(good, tc.old, tc.new, 1)
		text = strings.Replace(text, "a=group:BUNDLE 0\r\n", "", 1)
		err := b.SetRemoteDescription(SessionDescription{SDPTypeOffer, text})
		if tc.invalid && !errors.As(err, new(*InvalidAccessError)) || !tc.invalid && !errors.As(err, new(*OperationError)) {
			t.Errorf("%s: %v", tc.desc, err)
		}
		if b.SignalingState() != SignalingStateStable {
			t.Fatalf("%s changed the state", tc.desc)
		}
	}
	head, _, _ := strings.Cut(good, "a=group")
	if err := b.SetRemoteDescription(SessionDescription{SDPTypeOffer, head}); !errors.As(err, new(*InvalidAccessError)) {
		t.Errorf("fewer sections: %v", err)
	}
	must(t, b.SetRemoteDescription(SessionDescription{SDPTypeOffer, good}))
}

func TestSetupRoles(t *testing.T) {
	for offered, answered := range map[string]string{ // 8842-5-a, 8829-5.2-a
		"actpass": "active",
		"active":  "passive",
		"passive": "active",
	} {
		a, b := newTestPC(t), newTestPC(t)
		offer := offerFrom(t, a)
		if got := line(offer.SDP, "a=setup"); got != "a=setup:actpass" {
			t.Errorf("offer with %s", got)
		}
		offer.SDP = strings.Replace(offer.SDP, "actpass", offered, 1)
		must(t, b.SetRemoteDescription(offer))
		if got := line(setLocal(t, b, SDPTypeAnswer).SDP, "a=setup"); got != "a=setup:"+answered {
			t.Errorf("offer %s: answer %s", offered, got)
		}
	}
}

func TestControllingRole(t *testing.T) {
	for _, tc := range []struct{ offerer, lite, peerLite, want bool }{
		{true, false, false, true},
		{false, false, false, false},
		{false, false, true, true}, // a lite agent never controls a full one
		{true, true, false, false},
		{true, true, true, true},
		{false, true, true, false},
	} {
		if got := controlling(tc.offerer, tc.lite, tc.peerLite); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		value any
		text  string
	}{
		{&SessionDescription{SDPTypeOffer, "v=0\r\n"}, `{"type":"offer","sdp":"v=0\r\n"}`},
		{&SessionDescription{Type: SDPTypeRollback}, `{"type":"rollback","sdp":""}`},
		{
			&ICECandidateInit{Candidate: "candidate:1", SDPMid: ptr("0"), SDPMLineIndex: ptr(uint16(0)), UsernameFragment: ptr("IanY")},
			`{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"IanY"}`,
		},
		{&ICECandidateInit{}, `{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}`},
	} {
		got, err := json.Marshal(tc.value)
		if err != nil || string(got) != tc.text {
			t.Errorf("%s, %v, want %s", got, err, tc.text)
		}
		back := reflect.New(reflect.TypeOf(tc.value).Elem()).Interface()
		if err := json.Unmarshal([]byte(tc.text), back); err != nil || !reflect.DeepEqual(back, tc.value) {
			t.Errorf("%s is read as %+v, %v", tc.text, back, err)
		}
	}
	// as a browser sends the end of its candidates
	var c *ICECandidateInit
	if err := json.Unmarshal([]byte("null"), &c); err != nil || c != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func ptr[T any](v T) *T { return &v }

// wantChannel creates a channel.
func wantChannel(t testing.TB, pc *PeerConnection) *datachannel.Channel {
	t.Helper()
	ch, err := pc.CreateDataChannel("", nil)
	must(t, err)
	return ch
}
