package interop

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-rtc/sluice/internal/netns"
)

// A cell is the outcome of a case with a peer.
type cell struct {
	failed bool
	cannot string   // why the case was not run
	figure string   // what was measured
	notes  []string // what else is to be known
}

// note adds a remark, once.
func (c *cell) note(text string) {
	if text != "" && !slices.Contains(c.notes, text) {
		c.notes = append(c.notes, text)
	}
}

// resultsFile is where the table goes.
var resultsFile = filepath.Join("..", "RESULTS.md")

const preface = `# Interop

Written by %smake interop%s, a part of %smake e2e%s, and not by hand: every capability between this stack and each peer, all
%s. Only what passed in that run says yes; "no" is what the peer keeps from working, FAILED what went wrong on either side; a number
refers to a remark below the table.

`

// place is where the tests run.
func place() string {
	if netns.Within() {
		return "in a network namespace"
	}
	return "on one machine, beside its other traffic, as no network namespace was permitted"
}

// table returns the results of this run.
func table() string {
	var b, remarks strings.Builder
	fmt.Fprintf(&b, preface, "`", "`", "`", "`", place())
	b.WriteString("| peer | SCTP |")
	for _, tc := range cases {
		name := tc.name
		if name == "bulk" {
			name = fmt.Sprintf("%s, %g s", name, bulkTime.Seconds())
		}
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(cases)) + "\n")
	numbers := 0
	remark := func(r *row, text string) string {
		numbers++
		fmt.Fprintf(&remarks, "%d. %s: %s.\n", numbers, r.name, strings.TrimSuffix(text, "."))
		return fmt.Sprintf(" (%d)", numbers)
	}
	for _, r := range rows {
		if r.missing != "" {
			fmt.Fprintf(&b, "| %s: %s | not installed%s |%s\n", r.name, r.about, remark(r, r.missing), strings.Repeat(" |", len(cases)))
			continue
		}
		stack := cmp.Or(r.sctp, "its own")
		var line strings.Builder
		for _, tc := range cases {
			c := r.cells[tc.name]
			fmt.Fprintf(&line, " %s |", c.text(func(text string) string { return remark(r, text) }))
		}
		fmt.Fprintf(&b, "| %s %s: %s | %s |%s\n", r.name, r.version, r.about, stack, line.String())
	}
	b.WriteString("\nThe columns:\n\n")
	for _, tc := range cases {
		fmt.Fprintf(&b, "- %s: %s.\n", tc.name, tc.what)
	}
	if remarks.Len() > 0 {
		b.WriteString("\nRemarks:\n\n" + remarks.String())
	}
	return b.String()
}

// text is what the table says; remark adds a remark and returns its number.
func (c *cell) text(remark func(string) string) string {
	switch {
	case c == nil:
		return "not run"
	case c.cannot != "":
		return "no" + remark(c.cannot)
	case c.failed:
		return "FAILED"
	}
	text := "yes"
	if c.figure != "" {
		text += ", " + c.figure
	}
	for _, n := range c.notes {
		text += remark(n)
	}
	return text
}

// writeResults writes the table, if every row was run.
func writeResults() error {
	for _, r := range rows {
		if r.missing == "" && len(r.cells) < len(cases) {
			return fmt.Errorf("%s was not run as a whole: no results are written", r.name)
		}
	}
	return os.WriteFile(resultsFile, []byte(table()), 0o644)
}
