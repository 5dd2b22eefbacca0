package wire

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table in doc.go names every file, and no other.
func TestDocNamesFiles(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for line := range strings.Lines(string(doc)) {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			if name, _, _ := strings.Cut(rest, " "); filepath.Ext(name) == ".go" {
				listed[name] = true
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if !listed[name] {
			t.Errorf("doc.go does not say what is in %s", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("doc.go names %s, which does not exist", name)
	}
}
