// Package archtest holds the rules of ARCHITECTURE.md that a machine can check,
// and the test that checks them on this tree.
//
// A rule reads a [tree]: every Go file parsed, packages type-checked where the
// rule needs types, and every other text file. It reports findings and changes
// nothing. Trees come from an fs.FS, so that each rule is itself tested on small
// trees that break it (TestRules) next to the one on disk (TestTree).
package archtest

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// A rule is one thing that must hold everywhere.
type rule struct {
	name  string
	check func(*tree, reporter) error // the error says that the tree could not be read, not that it breaks the rule
}

// A reporter takes one violation.
type reporter func(pos token.Position, format string, args ...any)

// rules are all rules, in the order of their files.
var rules = []rule{
	{"imports", checkImports},
	{"seam", checkSeam},
	{"clock", checkClock},
	{"randomness", checkRandomness},
	{"concurrency", checkConcurrency},
	{"map iteration", checkMapIteration},
	{"floating point", checkFloat},
	{"association size", checkAssociationSize},
	{"components", checkComponents},
	{"file length", checkFileLength},
	{"serial numbers", checkSerial},
	{"panics", checkPanics},
	{"machine paths", checkMachinePaths},
	{"registry hosts", checkRegistryHosts},
	{"unfinished", checkUnfinished},
	{"sleeps", checkSleeps},
	{"documents", checkDocuments},
}

// A finding is one violation of a rule.
type finding struct {
	pos token.Position
	msg string
}

func (f finding) String() string {
	if f.pos.Line == 0 {
		return fmt.Sprintf("%s: %s", f.pos.Filename, f.msg)
	}
	return fmt.Sprintf("%s:%d: %s", f.pos.Filename, f.pos.Line, f.msg)
}

// run applies r to t. Findings are sorted by position and appear once.
func (r rule) run(t *tree) ([]finding, error) {
	var found []finding
	err := r.check(t, func(pos token.Position, format string, args ...any) {
		found = append(found, finding{pos, fmt.Sprintf(format, args...)})
	})
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(
			cmp.Compare(a.pos.Filename, b.pos.Filename),
			cmp.Compare(a.pos.Line, b.pos.Line),
			cmp.Compare(a.msg, b.msg),
		)
	})
	return slices.Compact(found), err
}
