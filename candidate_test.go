package sluice

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const testCandidate = "candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host"

func TestAddICECandidateErrors(t *testing.T) {
	pc := newTestPC(t)
	good := ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("0")}
	if err := pc.AddICECandidate(good); !errors.As(err, new(*InvalidStateError)) {
		t.Errorf("before a remote description: %v", err)
	}
	if err := pc.AddICECandidate(ICECandidateInit{Candidate: testCandidate}); !errors.As(err, new(*TypeError)) {
		t.Errorf("no section named, before a remote description: %v", err) // the argument is looked at first
	}
	must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, "chromium-data-offer")})) // ufrag IanY
	for _, tc := range []struct {
		desc string
		in   ICECandidateInit
		want any // nil, or a pointer to the type of the error
	}{
		{"by mid", good, nil},
		{"again", good, nil},
		{"by index", ICECandidateInit{Candidate: testCandidate, SDPMLineIndex: ptr(uint16(0))}, nil},
		{"mid before index", ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("0"), SDPMLineIndex: ptr(uint16(9))}, nil},
		{"with ufrag", ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("0"), UsernameFragment: ptr("IanY")}, nil},
		{"with ufrag in the line", ICECandidateInit{Candidate: testCandidate + " generation 0 ufrag IanY network-cost 50", SDPMid: ptr("0")}, nil},
		{"as an attribute", ICECandidateInit{Candidate: "a=" + testCandidate, SDPMid: ptr("0")}, nil},
		{"unknown extension", ICECandidateInit{Candidate: testCandidate + " x y", SDPMid: ptr("0")}, nil}, // 8839-5-a
		{"TCP", ICECandidateInit{Candidate: "candidate:1 1 tcp 1518214911 127.0.0.1 9 typ host tcptype active", SDPMid: ptr("0")}, nil},
		{"a name", ICECandidateInit{Candidate: "candidate:1 1 udp 1 host.example 1 typ host", SDPMid: ptr("0")}, nil},
		{"component of RTCP", ICECandidateInit{Candidate: "candidate:1 2 udp 1 127.0.0.1 1 typ host", SDPMid: ptr("0")}, nil},
		{"end of one section", ICECandidateInit{SDPMid: ptr("0")}, nil},
		{"end of all", ICECandidateInit{}, nil},
		{"no section named", ICECandidateInit{Candidate: testCandidate}, new(*TypeError)},
		{"unknown mid", ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("1")}, new(*OperationError)},
		{"empty mid", ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("")}, new(*OperationError)},
		{"unknown index", ICECandidateInit{Candidate: testCandidate, SDPMLineIndex: ptr(uint16(1))}, new(*OperationError)},
		{"end of an unknown section", ICECandidateInit{SDPMid: ptr("1")}, new(*OperationError)},
		{"other ufrag", ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("0"), UsernameFragment: ptr("abcd")}, new(*OperationError)},
		{"other ufrag in the line", ICECandidateInit{Candidate: testCandidate + " ufrag abcd", SDPMid: ptr("0")}, new(*OperationError)},
		{"malformed", ICECandidateInit{Candidate: "candidate:1 1 udp", SDPMid: ptr("0")}, new(*OperationError)},
		{"not a candidate", ICECandidateInit{Candidate: "hello", SDPMid: ptr("0")}, new(*OperationError)},
	} {
		err := pc.AddICECandidate(tc.in)
		if tc.want == nil && err != nil || tc.want != nil && !errors.As(err, tc.want) {
			t.Errorf("%s: %v, want %T", tc.desc, err, tc.want)
		}
	}
	if got := strings.Count(pc.RemoteDescription().SDP, testCandidate+"\r\n"); got != 1 {
		t.Errorf("the remote description has the candidate %d times", got)
	}
	must(t, pc.Close())
	if err := pc.AddICECandidate(good); !errors.As(err, new(*InvalidStateError)) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAddICECandidateBound(t *testing.T) {
	pc := newTestPC(t)
	must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, "chromium-data-offer")}))
	for i := range maxCandidates {
		must(t, pc.AddICECandidate(ICECandidateInit{Candidate: fmt.Sprintf("candidate:1 1 udp 1 127.0.0.1 %d typ host", i+1), SDPMid: ptr("0")}))
	}
	if err := pc.AddICECandidate(ICECandidateInit{Candidate: testCandidate, SDPMid: ptr("0")}); !errors.As(err, new(*OperationError)) {
		t.Errorf("one too many: %v", err)
	}
}

// Candidates wait for the transport, and only those of the section that carries
// it are for it.
func TestCandidatesOfCarrier(t *testing.T) {
	for name, carrier := range map[string]string{
		"chromium-av-data-offer":          "0", // bundled: the tagged audio carries
		"av-data-without-rtcp-mux-offer":  "2", // audio would need a component for RTCP
		"firefox-av-data-maxbundle-offer": "0",
		"chromium-data-av-offer":          "0",
	} {
		pc := newTestPC(t)
		must(t, pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, readSDP(t, name)}))
		add := func(mid string, port int) string {
			t.Helper()
			c := fmt.Sprintf("candidate:1 1 udp 1 127.0.0.1 %d typ host", port)
			must(t, pc.AddICECandidate(ICECandidateInit{Candidate: c, SDPMid: &mid}))
			return c
		}
		passed := make(map[string]bool)
		for i, mid := range []string{"0", "1", "2"} {
			passed[add(mid, 40000+i)] = mid == carrier
		}
		if len(pc.passed) != 0 {
			t.Errorf("%s: %d candidates were used before the answer", name, len(pc.passed))
		}
		setLocal(t, pc, SDPTypeAnswer)
		for i, mid := range []string{"0", "1", "2"} {
			passed[add(mid, 41000+i)] = mid == carrier
		}
		for c, want := range passed {
			if pc.passed[c] != want {
				t.Errorf("%s: %s used: %v", name, c, pc.passed[c])
			}
		}
		// ours belong to the same section
		<-pc.GatheringComplete()
		d := parse(t, pc.LocalDescription().SDP)
		if i := d.sectionOf(carrier); len(d.sections[i].ice.candidates) == 0 || d.sections[i].ice.ufrag == "" {
			t.Errorf("%s: section %s of the answer has no candidates", name, carrier)
		}
		pc.Close()
	}
}
