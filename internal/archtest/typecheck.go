package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync"
)

// typed type-checks the package in dir, tests excluded, and what it imports of this
// module. Everything else comes from the export data that the go command keeps.
func (t *tree) typed(dir string) (*pkg, error) {
	p := t.byDir[dir]
	if p == nil || !p.hasSources() {
		return nil, fmt.Errorf("no package in %s", dir)
	}
	if p.types != nil {
		return p, nil
	}
	var files []*ast.File
	for f := range p.sources {
		if built(f) {
			files = append(files, f.ast)
		}
	}
	var broken []error
	conf := types.Config{
		Importer: moduleImporter{t, exportData},
		Error:    func(err error) { broken = append(broken, err) },
	}
	info := &types.Info{
		Types:     make(map[ast.Expr]types.TypeAndValue),
		Uses:      make(map[*ast.Ident]types.Object),
		Defs:      make(map[*ast.Ident]types.Object),
		Instances: make(map[*ast.Ident]types.Instance),
	}
	checked, _ := conf.Check(path.Join(modulePath, dir), t.fset, files, info) // the errors are in broken
	if len(broken) > 0 {
		return nil, fmt.Errorf("%s does not type-check: %w", dir, errors.Join(broken...))
	}
	p.types, p.info = checked, info
	return p, nil
}

// typedUnder is typed for every package with sources in dirs that want selects.
func (t *tree) typedUnder(want func(dir string) bool) ([]*pkg, error) {
	var found []*pkg
	for _, p := range t.pkgs {
		if !want(p.dir) || !p.hasSources() {
			continue
		}
		checked, err := t.typed(p.dir)
		if err != nil {
			return nil, err
		}
		found = append(found, checked)
	}
	return found, nil
}

// built says whether f belongs to the build on this system.
func built(f *file) bool {
	ctxt := build.Default
	ctxt.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.content)), nil }
	ok, err := ctxt.MatchFile(path.Dir(f.name), path.Base(f.name))
	return err == nil && ok
}

// A moduleImporter resolves packages of the module from their source in the tree.
type moduleImporter struct {
	tree *tree
	rest types.Importer
}

func (m moduleImporter) Import(importPath string) (*types.Package, error) {
	dir, ours := ownDir(importPath)
	if !ours {
		return m.rest.Import(importPath)
	}
	p, err := m.tree.typed(dir)
	if err != nil {
		return nil, err
	}
	return p.types, nil
}

// exportData imports packages outside the module. It is shared by all trees of the
// test run: finding an export file costs a run of the go command.
var exportData = newExportImporter()

type exportImporter struct {
	mu    sync.Mutex
	files map[string]string // export data by import path
	gc    types.Importer
}

func newExportImporter() *exportImporter {
	e := &exportImporter{files: make(map[string]string)}
	e.gc = importer.ForCompiler(token.NewFileSet(), "gc", e.open)
	return e
}

func (e *exportImporter) Import(importPath string) (*types.Package, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gc.Import(importPath)
}

// open returns the export data of a package, and remembers where that of its
// dependencies is.
func (e *exportImporter) open(importPath string) (io.ReadCloser, error) {
	if e.files[importPath] == "" {
		cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", importPath)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list -export %s: %w: %s", importPath, err, stderr.Bytes())
		}
		for line := range strings.Lines(string(out)) {
			name, exported, _ := strings.Cut(strings.TrimSpace(line), "\t")
			e.files[name] = exported
		}
	}
	return os.Open(e.files[importPath])
}

// ownDir returns the directory of an import path of this module.
func ownDir(importPath string) (dir string, ours bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}
