package sluice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sdpSeeds returns all descriptions of testdata/sdp, the recorded sessions last.
func sdpSeeds(f *testing.F) []string {
	files, err := filepath.Glob(filepath.Join("testdata", "sdp", "*.sdp"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	sessions, err := filepath.Glob(filepath.Join("testdata", "sdp", "sessions", "*", "*.sdp"))
	if err != nil {
		f.Fatal(err)
	}
	files = append(files, sessions...)
	var texts []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// FuzzDescription reads and answers any text.
func FuzzDescription(f *testing.F) {
	for _, text := range sdpSeeds(f) {
		f.Add(text)
	}
	f.Fuzz(fuzzDescription)
}

// FuzzDescriptionLine puts any line into a description that is right.
func FuzzDescriptionLine(f *testing.F) {
	texts := sdpSeeds(f)
	for i := range texts {
		f.Add(uint8(i), uint8(7), true, "a=mid:0")
		f.Add(uint8(i), uint8(200), false, "m=audio 0 UDP/TLS/RTP/SAVPF 0")
	}
	f.Fuzz(func(t *testing.T, seed, at uint8, replace bool, line string) {
		lines := strings.SplitAfter(texts[int(seed)%len(texts)], "\r\n")
		i := int(at) % len(lines)
		rest := lines[i:]
		if replace {
			rest = lines[min(i+1, len(lines)):]
		}
		fuzzDescription(t, strings.Join(lines[:i], "")+line+"\r\n"+strings.Join(rest, ""))
	})
}

// fuzzDescription checks that nothing panics, that every error is an *SDPError
// that points into the text, and that what we would answer is well formed.
func fuzzDescription(t *testing.T, text string) {
	d, err := parseDescription(text)
	var sdpErr *SDPError
	if err != nil {
		if !errors.As(err, &sdpErr) || sdpErr.Line < 0 || sdpErr.Line > len(text)+1 || sdpErr.Rule == "" {
			t.Fatalf("%#v", err)
		}
		return
	}
	l := testDescription(setupActive)
	if d.data >= 0 {
		p, err := d.peer(false, "1")
		if err == nil {
			l.carrier = p.index
		} else if !errors.As(err, &sdpErr) {
			t.Fatalf("%#v", err)
		}
	}
	l.sections = answerSections(d, l.carrier)
	answer, err := parseDescription(l.text(localCandidates{}))
	if err != nil {
		t.Fatalf("%v in the answer\n%s\nto\n%s", err, l.text(localCandidates{}), text)
	}
	if len(answer.sections) != len(d.sections) || (l.carrier >= 0) != (answer.data >= 0) {
		t.Fatalf("answer\n%s\nto\n%s", l.text(localCandidates{}), text)
	}
	insertCandidates(text, []remoteCandidate{{0, "candidate:x"}, {-1, ""}})
}

// FuzzNegotiation makes any calls with any descriptions, a line of each replaced: none panics,
// the errors are those that are documented, and one that fails changes nothing.
func FuzzNegotiation(f *testing.F) {
	texts := sdpSeeds(f)
	f.Add([]byte{0, 3, 0, 0, 2, 1, 0, 0}, "a=mid:0")
	f.Add([]byte{3, 9, 0, 0, 1, 0, 0, 0, 3, 10, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0}, "a=setup:active")
	for i := range min(len(texts), 200) {
		f.Add([]byte{3, byte(i), 255, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, byte(i + 1), 255, 0}, "a=sctp-port:0")
	}
	f.Fuzz(func(t *testing.T, calls []byte, line string) {
		cfg := loopbackConfig()
		cfg.InterfaceFilter = func(string) bool { return false } // no sockets
		pc, err := NewPeerConnection(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		for range 16 {
			if len(calls) < 4 {
				break
			}
			text := texts[int(calls[1])%len(texts)]
			if at := int(calls[2]); at < 255 {
				lines := strings.SplitAfter(text, "\r\n")
				lines[at%len(lines)] = line + "\r\n"
				text = strings.Join(lines, "")
			}
			before, state := descriptions(pc), pc.SignalingState()
			if err := fuzzCall(pc, calls[0], calls[3], text, line); err != nil {
				checkFuzzError(t, err)
				if pc.SignalingState() != state || !sameDescriptions(before, descriptions(pc)) {
					t.Fatalf("call %d: %v, and the state changed", calls[0], err)
				}
			}
			calls = calls[4:]
		}
	})
}

// fuzzCall makes one call of a PeerConnection.
func fuzzCall(pc *PeerConnection, call, option byte, text, line string) error {
	types := []SDPType{SDPTypeOffer, SDPTypeAnswer, SDPTypePranswer, SDPTypeRollback, ""}
	switch call % 8 {
	case 0:
		_, err := pc.CreateDataChannel(line, nil)
		return err
	case 1:
		return pc.SetLocalDescription(SessionDescription{})
	case 2:
		return pc.SetLocalDescription(SessionDescription{Type: types[int(option)%len(types)]})
	case 3:
		return pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, text})
	case 4:
		return pc.SetRemoteDescription(SessionDescription{types[int(option)%len(types)], text})
	case 5:
		mid, index := line, uint16(option)
		return pc.AddICECandidate(ICECandidateInit{Candidate: line, SDPMid: &mid, SDPMLineIndex: &index})
	case 6:
		pc.RestartICE()
		return nil
	}
	_, err := pc.CreateOffer(OfferOption(option % 2))
	return err
}

// checkFuzzError checks that an error is one of those that W3C's algorithms return.
func checkFuzzError(t *testing.T, err error) {
	t.Helper()
	for _, kind := range []any{new(*TypeError), new(*InvalidStateError), new(*InvalidModificationError), new(*InvalidAccessError), new(*OperationError), new(*RTCError)} {
		if errors.As(err, kind) {
			return
		}
	}
	t.Fatalf("%T %v", err, err)
}

// FuzzCandidate reads any candidate.
func FuzzCandidate(f *testing.F) {
	f.Add("842163049 1 udp 1677729535 198.51.100.1 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 ufrag abcd")
	f.Add("0 1 UDP 2122252543 2001:db8::1 40087 typ host tcptype active")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseCandidate(s); err == nil && (c.component < 1 || c.typ == "") {
			t.Fatalf("%+v", c)
		}
	})
}
