package sluice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sdpSeeds returns all descriptions of testdata/sdp.
func sdpSeeds(f *testing.F) []string {
	files, err := filepath.Glob(filepath.Join("testdata", "sdp", "*.sdp"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
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
