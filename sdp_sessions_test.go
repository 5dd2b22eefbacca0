package sluice

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A recorded is one description of a session in testdata/sdp/sessions.
type recorded struct {
	by  string // "a" or "b"
	typ SDPType
	sdp string
}

// recordedSessions returns what browsers have said to each other, by the name of the session.
func recordedSessions(t testing.TB) map[string][]recorded {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "sdp", "sessions", "*", "*.sdp"))
	if err != nil || len(files) == 0 {
		t.Fatal("no sessions", err)
	}
	sessions := make(map[string][]recorded)
	for _, f := range files { // Glob sorts, and the names begin with a number
		text, err := os.ReadFile(f)
		must(t, err)
		session, name := filepath.Base(filepath.Dir(f)), strings.Split(strings.TrimSuffix(filepath.Base(f), ".sdp"), "-")
		sessions[session] = append(sessions[session], recorded{name[1], SDPType(name[2]), string(text)})
	}
	return sessions
}

// Whole sessions of Chromium and Firefox with themselves, one side of each at a time replayed
// against a PeerConnection in place of the other: BUNDLE policies, media in front of and behind data,
// declined, stopped and recycled, data added later, ICE restarts by offers from both sides.
func TestRecordedSessions(t *testing.T) {
	for name, session := range recordedSessions(t) {
		for _, remote := range []string{"a", "b"} {
			media := func(d recorded) bool { return strings.Contains(d.sdp, "m=audio") }
			if remote == "b" && slices.ContainsFunc(session, media) {
				continue // b answers sections that sluice does not offer
			}
			t.Run(name+"/"+remote, func(t *testing.T) { replay(t, session, remote) })
		}
	}
}

// replay has the descriptions of one side come to a PeerConnection, which says itself
// what the other side of the session has said.
func replay(t *testing.T, session []recorded, remote string) {
	pc := newTestPC(t)
	said := map[string]string{} // the user fragments of a and b, as last recorded
	ours := ""
	for i, d := range session {
		restarts := said[d.by] != "" && line(d.sdp, "a=ice-ufrag") != said[d.by]
		said[d.by] = line(d.sdp, "a=ice-ufrag")
		if d.by == remote {
			if err := pc.SetRemoteDescription(SessionDescription{d.typ, d.sdp}); err != nil {
				t.Fatalf("%d: %s: %v", i+1, d.typ, err)
			}
			continue
		}
		if d.typ == SDPTypeOffer {
			if restarts {
				pc.RestartICE()
			}
			if parse(t, d.sdp).data >= 0 {
				wantChannel(t, pc)
			}
		}
		local := setLocal(t, pc, d.typ)
		checkReplayed(t, parse(t, local.SDP), parse(t, d.sdp), d.typ)
		now := line(local.SDP, "a=ice-ufrag")
		if ours != "" && (now != ours) != restarts {
			t.Errorf("%d: the credentials are %q after %q, and the browser has restarted ICE: %v", i+1, now, ours, restarts)
		}
		ours = now
	}
	if s := pc.SignalingState(); s != SignalingStateStable {
		t.Errorf("state %s at the end", s)
	}
}

// checkReplayed compares a description of ours with what the browser said in its place.
func checkReplayed(t *testing.T, got, browser *description, typ SDPType) {
	t.Helper()
	if len(got.sections) != len(browser.sections) || got.data != browser.data {
		t.Fatalf("%d sections, data %d, want %d and %d", len(got.sections), got.data, len(browser.sections), browser.data)
	}
	for i, s := range got.sections {
		b := browser.sections[i]
		if s.media != b.media || s.proto != b.proto || s.mid != b.mid {
			t.Errorf("section %d is %s %s %q, want %s %s %q", i, s.media, s.proto, s.mid, b.media, b.proto, b.mid)
		}
		if typ == SDPTypeAnswer && s.port != 0 && b.port == 0 {
			t.Errorf("section %d, which the browser rejects, is accepted", i)
		}
	}
	if got.data < 0 {
		return
	}
	if group := got.bundleOf(got.data); !slices.Contains(group, got.sections[got.data].mid) {
		t.Errorf("data is in no group: %q", got.bundles)
	}
	if _, err := got.peer(typ != SDPTypeOffer, ""); err != nil {
		t.Error(err)
	}
}

// Every offer of testdata/sdp is answered, whatever its form: data accepted where it is
// offered, and nothing else but a section that lends its transport.
func TestAnswerBrowserOffers(t *testing.T) {
	refused := map[string]bool{"chromium-audio-offer": true, "firefox-audio-offer": true, "chromium-rtp-data-offer": true,
		"sctp-port-zero-offer": true, "bundle-only-alone-offer": true}
	for _, name := range sdpNames(t, "*-offer*.sdp") {
		pc := newTestPC(t)
		text := readSDP(t, name)
		if err := pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, text}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answer := setLocal(t, pc, SDPTypeAnswer)
		if pc.SignalingState() != SignalingStateStable {
			t.Errorf("%s: %s", name, pc.SignalingState())
		}
		if got := pc.RemoteDescription(); got.SDP != text || got.Type != SDPTypeOffer {
			t.Errorf("%s: the remote description changed", name)
		}
		offer, got := parse(t, text), parse(t, answer.SDP)
		if (got.data >= 0) == refused[name] {
			t.Errorf("%s: data accepted: %v", name, got.data >= 0)
		}
		lent := 0
		for i, s := range got.sections {
			if o := offer.sections[i]; s.media != o.media || s.proto != o.proto || s.mid != o.mid || s.port != 0 && s.sctp.legacy != o.sctp.legacy {
				t.Errorf("%s: section %d is answered by\n%s", name, i, answer.SDP)
			}
			if i != got.data && s.port != 0 {
				lent++
			}
		}
		if lent > 1 {
			t.Errorf("%s: media is accepted:\n%s", name, answer.SDP)
		}
		if offered := line(text, "a=ice-options"); got.data >= 0 {
			for _, option := range []string{"trickle", "ice2"} {
				if has := strings.Contains(line(answer.SDP, "a=ice-options"), option); has && !strings.Contains(offered, option) {
					t.Errorf("%s: the answer has %s", name, option)
				}
			}
		}
		pc.Close()
	}
}

// Every answer of testdata/sdp, of whatever age, is taken.
func TestBrowserAnswers(t *testing.T) {
	for _, name := range sdpNames(t, "*-data-answer.sdp") {
		pc := newTestPC(t)
		offerFrom(t, pc)
		text := strings.NewReplacer("a=mid:data", "a=mid:0", "BUNDLE data", "BUNDLE 0").Replace(readSDP(t, name))
		if err := pc.SetRemoteDescription(SessionDescription{SDPTypeAnswer, text}); err != nil || pc.SignalingState() != SignalingStateStable {
			t.Errorf("%s: %v", name, err)
		}
		pc.Close()
	}
}

// sdpNames returns the names of the descriptions that match.
func sdpNames(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "sdp", pattern))
	if err != nil || len(files) == 0 {
		t.Fatal("no descriptions", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".sdp")
	}
	return files
}
