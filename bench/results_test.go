package bench

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write the results to RESULTS.md")

// results are the sections of RESULTS.md that this run has made, by title.
var (
	results = make(map[string]*strings.Builder)
	current *strings.Builder // to which tables go
)

// section makes tables go to a section of RESULTS.md, which preface opens. With -short nothing is measured.
func section(t *testing.T, title, preface string) {
	t.Helper()
	if testing.Short() {
		t.Skip("measures")
	}
	if results[title] == nil {
		results[title] = new(strings.Builder)
		results[title].WriteString(preface)
	}
	current = results[title]
}

// table begins a table, row adds to it; both print as they go.
func table(t *testing.T, title string, columns ...string) {
	fmt.Fprintf(current, "\n### %s\n\n| | %s |\n|---|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	t.Log(title)
}

func row(t *testing.T, name string, cells ...string) {
	line := fmt.Sprintf("| %s | %s |", name, strings.Join(cells, " | "))
	fmt.Fprintln(current, line)
	t.Log(line)
}

// sections of RESULTS.md begin so.
const heading = "\n## "

// merge returns RESULTS.md with the sections of this run in place of those of
// before, new ones at the end.
func merge(old string) string {
	parts := strings.Split(strings.TrimSpace(old), heading)
	for title, made := range results {
		text := title + "\n\n" + strings.TrimSpace(made.String()) + "\n"
		found := false
		for i, p := range parts[1:] {
			if was, _, _ := strings.Cut(p, "\n"); was == title {
				parts[i+1], found = text, true
			}
		}
		if !found {
			parts = append(parts, text)
		}
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i]) + "\n"
	}
	return strings.Join(parts, heading)
}

// TestMain writes the results, if asked to.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && *write {
		old, err := os.ReadFile("RESULTS.md")
		if err == nil {
			merged := merge(string(old))
			err = errors.Join(os.WriteFile("RESULTS.md", []byte(merged), 0o644), illustrate(merged))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
