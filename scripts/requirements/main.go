// Command requirements prints the requirements of list.txt with the tests and
// packet scripts that cite each. An id is RFC, section and a letter, as 9260-6.2-b, or
// names what other stacks got wrong (PIONS) or test (DCSCTP), or an algorithm of the W3C. It
// fails if one of the engine's, or of the data channels', has neither a test nor a reason, or
// if a test cites one that is not listed.
//
//	go run ./scripts/requirements [-all] [root of the repository]
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed list.txt
var listText string

// A requirement is an entry of the list.
type requirement struct {
	id     string
	text   string
	reason string // why no test cites it
	held   bool   // it names what the engine or the data channels have to do
	tests  []string
}

// idPattern finds the ids in a comment.
var idPattern = regexp.MustCompile(`\b(?:[3-9][0-9]{3}-(?:[0-9]+(?:\.[0-9]+)*-)?[a-z]|8261-6\.3|(?:ecn|nrsack|snap|bbr|w3c-[a-z]+)-[a-z]|stats-(?:dc|pc|sctp|tr)|0-(?:chunks|params|causes|ppid)|PIONS-[0-9]+|DCSCTP-[a-z]+(?:-[a-z]+)*)\b`)

func main() {
	all := flag.Bool("all", false, "print also what is of signalling, ICE and DTLS")
	flag.Parse()
	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	complaints, err := run(os.Stdout, os.DirFS(root), *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, "requirements:", err)
		os.Exit(2)
	}
	for _, c := range complaints {
		fmt.Fprintln(os.Stderr, c)
	}
	if len(complaints) > 0 {
		os.Exit(1)
	}
}

// run prints the table and returns what is wrong with it.
func run(out io.Writer, tree fs.FS, all bool) (complaints []string, err error) {
	list, err := parseList(listText)
	if err != nil {
		return nil, err
	}
	unknown, err := cite(list, tree)
	if err != nil {
		return nil, err
	}
	covered, held := 0, 0
	for _, r := range list {
		if !r.held && !all {
			continue
		}
		fmt.Fprintf(out, "%-16s %s\n", r.id, r.text)
		for _, t := range r.tests {
			fmt.Fprintf(out, "%-16s   %s\n", "", t)
		}
		if r.reason != "" {
			fmt.Fprintf(out, "%-16s   no test: %s\n", "", r.reason)
		}
		if !r.held {
			continue
		}
		held++
		switch {
		case len(r.tests) > 0:
			covered++
		case r.reason == "":
			complaints = append(complaints, fmt.Sprintf("%s (%s): no test cites it, and no reason is given", r.id, r.text))
		}
	}
	fmt.Fprintf(out, "%d of %d requirements of the engine and the data channels are cited by tests\n", covered, held)
	return append(complaints, unknown...), nil
}

// parseList reads the list: "= heading", "id  [id ...]  text", and below it, after
// a tab and a dash, a reason.
func parseList(text string) ([]*requirement, error) {
	var list []*requirement
	held := false
	seen := make(map[string]bool)
	for n, line := range strings.Split(text, "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "= "):
			held = strings.HasPrefix(line, "= engine") || strings.HasPrefix(line, "= channels")
		case strings.HasPrefix(line, "\t- "):
			if len(list) == 0 {
				return nil, fmt.Errorf("line %d: a reason without its requirement", n+1)
			}
			list[len(list)-1].reason = line[3:]
		default:
			parts := strings.Split(line, "  ")
			if len(parts) < 2 {
				return nil, fmt.Errorf("line %d: %q", n+1, line)
			}
			for _, id := range parts[:len(parts)-1] {
				if idPattern.FindString(id) != id || seen[id] {
					return nil, fmt.Errorf("line %d: id %q", n+1, id)
				}
				seen[id] = true
				list = append(list, &requirement{id: id, text: parts[len(parts)-1], held: held})
			}
		}
	}
	return list, nil
}

// cite finds the tests and scripts of a tree that cite requirements. It returns a
// complaint for each id that is not listed.
func cite(list []*requirement, tree fs.FS) (unknown []string, err error) {
	byID := make(map[string]*requirement)
	for _, r := range list {
		byID[r.id] = r
	}
	note := func(where, comment string) {
		for _, id := range idPattern.FindAllString(comment, -1) {
			r := byID[id]
			switch {
			case r == nil:
				unknown = append(unknown, fmt.Sprintf("%s cites %s, which is not in list.txt", where, id))
			case !slices.Contains(r.tests, where):
				r.tests = append(r.tests, where)
			}
		}
	}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || d.Name() == "node_modules" || name == "scripts/requirements"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		case strings.HasSuffix(name, "_test.go"):
			return citeTests(tree, name, note)
		case strings.HasSuffix(name, ".pkt"):
			script, err := fs.ReadFile(tree, name)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(script)) {
				if _, comment, ok := strings.Cut(line, "//"); ok {
					note(name, comment)
				}
			}
		}
		return nil
	})
	return unknown, err
}

// citeTests passes the comments and strings (names of cases) of a file of tests on,
// with the test that each belongs to.
func citeTests(tree fs.FS, name string, note func(where, comment string)) error {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	where := func(n ast.Node) string {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && (fn.Doc == n || fn.Pos() <= n.Pos() && n.End() <= fn.End()) {
				return path.Dir(name) + "." + fn.Name.Name
			}
		}
		return name
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			note(where(group), c.Text)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
			note(where(s), s.Value)
		}
		return true
	})
	return nil
}
