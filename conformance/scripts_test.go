package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// requirement matches an id such as 9260-6.2-b.
var requirement = regexp.MustCompile(`\b(\d{4}-\d+(\.\d+)*|nrsack|ecn)-[a-z]\b`)

// knownFailure is a line that says what the engine does not do yet. The script must
// then fail, so that the line goes when the engine does it.
var knownFailure = regexp.MustCompile(`(?m)^// known failure: (.*)$`)

// endpointOnly is a line of a script that an association alone cannot pass.
var endpointOnly = regexp.MustCompile(`(?m)^// endpoint only$`)

// TestScripts runs the scripts of this directory, over an association and over an
// endpoint. Each must pass as it stands.
func TestScripts(t *testing.T) {
	count := 0
	err := filepath.WalkDir("scripts", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel("scripts", path)
		name = filepath.ToSlash(strings.TrimSuffix(name, ".pkt"))
		t.Run("endpoint/"+name, func(t *testing.T) { runScript(t, path, src, true) })
		if !endpointOnly.Match(src) {
			t.Run("association/"+name, func(t *testing.T) { runScript(t, path, src, false) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count == 0 {
		t.Fatal("no scripts")
	}
}

func runScript(t *testing.T, path string, src []byte, endpoint bool) {
	if !requirement.Match(src) {
		t.Error("the script names no requirement")
	}
	s, err := Parse(path, src)
	if err != nil {
		t.Fatal(err)
	}
	var trace []string
	res := s.Run(Options{Strict: true, Endpoint: endpoint, Trace: func(at time.Duration, outbound bool, packet string) {
		direction := " < "
		if outbound {
			direction = " > "
		}
		trace = append(trace, at.String()+direction+packet)
	}})
	if m := knownFailure.FindSubmatch(src); m != nil {
		if res.Status == Fail {
			t.Skipf("known failure: %s", m[1])
		}
		t.Fatalf("%v: take the line of the known failure out of the script", res.Status)
	}
	if res.Status != Pass {
		t.Errorf("%v: %s:%d: %s\nsent: %s\n%s", res.Status, path, res.Pos.Line, res.Reason, res.Got, strings.Join(trace, "\n"))
	}
}
