package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// modulePath is the import path of the root package.
const modulePath = "github.com/sluice-rtc/sluice"

// A tree is the repository as the rules see it.
type tree struct {
	fset  *token.FileSet
	pkgs  []*pkg // packages of the module, sorted by directory
	texts []text // every text file, Go files included
	hosts []string
	// registry host names of this machine, which no file may mention

	byDir map[string]*pkg
}

// A pkg is the Go files of one directory.
type pkg struct {
	dir   string // relative to the module root, "." for the root package
	name  string // package name, without _test
	files []*file

	// Filled by tree.typed, from the files that are no tests.
	types *types.Package
	info  *types.Info
}

// A file is one Go file.
type file struct {
	name    string // relative to the module root
	test    bool   // its name ends in _test.go
	content []byte
	ast     *ast.File
}

// A text is a file that is no binary.
type text struct {
	name    string
	content string
}

// load reads the module in fsys.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), byDir: make(map[string]*pkg)}
	foreign := "" // the directory of a nested module, whose packages are not ours
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipDir(d.Name()) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && name != "." {
				foreign = name
			}
			return nil
		}
		if !d.Type().IsRegular() || d.Name() == ".git" { // a file in a linked worktree
			return nil
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
			return nil
		}
		t.texts = append(t.texts, text{name, string(content)})
		if path.Ext(name) != ".go" || inside(name, foreign) || slices.Contains(strings.Split(name, "/"), "testdata") {
			return nil
		}
		return t.add(name, content)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(t.pkgs, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return t, nil
}

// skipDir says whether a directory holds nothing of the project.
func skipDir(name string) bool {
	hidden := strings.HasPrefix(name, ".") && name != "." && name != ".ci" && name != ".github"
	return hidden || name == "node_modules"
}

func inside(name, dir string) bool {
	return dir != "" && strings.HasPrefix(name, dir+"/")
}

// add parses one Go file into its package.
func (t *tree) add(name string, content []byte) error {
	parsed, err := parser.ParseFile(t.fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	dir := path.Dir(name)
	p := t.byDir[dir]
	if p == nil {
		p = &pkg{dir: dir, name: strings.TrimSuffix(parsed.Name.Name, "_test")}
		t.byDir[dir] = p
		t.pkgs = append(t.pkgs, p)
	}
	p.files = append(p.files, &file{
		name:    name,
		test:    strings.HasSuffix(name, "_test.go"),
		content: content,
		ast:     parsed,
	})
	return nil
}

// at returns the position of a node.
func (t *tree) at(n ast.Node) token.Position { return t.fset.Position(n.Pos()) }

// object returns the position of a declared object.
func (t *tree) object(o types.Object) token.Position { return t.fset.Position(o.Pos()) }

// sources yields the files of the package that are no tests.
func (p *pkg) sources(yield func(*file) bool) {
	for _, f := range p.files {
		if !f.test && !yield(f) {
			return
		}
	}
}

// hasSources says whether the package has a file that is no test.
func (p *pkg) hasSources() bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return !f.test })
}
