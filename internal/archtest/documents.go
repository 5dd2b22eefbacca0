package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strings"
)

// documents are the files whose references to the tree are checked.
var documents = []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"}

var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	fileName = regexp.MustCompile(`^\.?/?([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)/?$`)
	testName = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark|Example)[A-Z]\w*$`)
	symbol   = regexp.MustCompile(`^([a-z]\w*)\.([A-Za-z]\w*)(?:\.(\w+))?$`)
)

// checkDocuments: a document names only what exists. In its code spans, a path has a
// file, the name of a test a test, and package.Symbol or package.Type.Member a
// declaration. Programs in it compile. Under a heading that names a package, the bare
// names of files are those of that package, and none is missing.
func checkDocuments(t *tree, report reporter) error {
	names := t.declarations()
	for _, text := range t.texts {
		if !slices.Contains(documents, text.name) {
			continue
		}
		number := 0
		fenced := ""       // the language of the code block being read
		var block []string // its lines
		m := fileMap{tree: t}
		for line := range strings.Lines(text.content) {
			number++
			pos := token.Position{Filename: text.name, Line: number}
			fence, isFence := strings.CutPrefix(line, "```")
			switch {
			case isFence && fenced == "":
				fenced, block = strings.TrimSpace(fence)+"!", nil
			case isFence:
				if fenced == "go!" {
					t.checkProgram(report, text.name, number-len(block), block)
				}
				fenced = ""
			case fenced != "":
				block = append(block, line)
			case strings.HasPrefix(line, "#"):
				m.end(report)
				m.begin(pos, line)
			default:
				for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
					if complaint := t.stale(names, m.resolve(span[1])); complaint != "" {
						report(pos, "`%s`: %s", span[1], complaint)
					}
				}
			}
		}
		m.end(report)
	}
	return nil
}

// A fileMap is the part of a document under one heading, as far as it says which
// files a package has.
type fileMap struct {
	tree  *tree
	pkg   *pkg // nil if the heading names none
	pos   token.Position
	named []string // paths of the files that it names
}

// begin reads a heading.
func (m *fileMap) begin(pos token.Position, heading string) {
	*m = fileMap{tree: m.tree, pos: pos}
	span := codeSpan.FindStringSubmatch(heading)
	if span == nil {
		return
	}
	m.pkg = m.tree.byDir[span[1]]
	if root := m.tree.byDir["."]; root != nil && root.name == span[1] {
		m.pkg = root
	}
}

// resolve returns the path of a code span that is the bare name of a file.
func (m *fileMap) resolve(span string) string {
	if m.pkg == nil || path.Ext(span) != ".go" || strings.ContainsAny(span, "/ *") {
		return span
	}
	name := path.Join(m.pkg.dir, span)
	m.named = append(m.named, name)
	return name
}

// end reports the files that are missing, if it names any at all. What doc.go holds
// is plain.
func (m *fileMap) end(report reporter) {
	if len(m.named) == 0 {
		return
	}
	for f := range m.pkg.sources {
		if !slices.Contains(m.named, f.name) && path.Base(f.name) != "doc.go" {
			report(m.pos, "%s is not named here", f.name)
		}
	}
}

// checkProgram type-checks a code block that is a whole Go file; first is the line
// of the document at which it begins.
func (t *tree) checkProgram(report reporter, name string, first int, block []string) {
	source := strings.Join(block, "")
	if !strings.HasPrefix(source, "package ") {
		return
	}
	// The file is given the lines of the document, for the positions of errors.
	parsed, err := parser.ParseFile(t.fset, name, strings.Repeat("\n", first-1)+source, parser.SkipObjectResolution)
	if err != nil {
		report(token.Position{Filename: name, Line: first}, "the program does not parse: %v", err)
		return
	}
	conf := types.Config{
		Importer: moduleImporter{t, exportData},
		Error: func(err error) {
			pos := token.Position{Filename: name, Line: first}
			if broken, ok := err.(types.Error); ok {
				pos = t.fset.Position(broken.Pos)
			}
			report(pos, "the program does not compile: %v", err)
		},
	}
	_, _ = conf.Check("document", t.fset, []*ast.File{parsed}, nil) // reported by Error
}

// stale says what is wrong with a code span of a document, or "".
func (t *tree) stale(names map[string]bool, span string) string {
	if testName.MatchString(span) {
		if !names[span] {
			return "there is no such test"
		}
		return ""
	}
	if m := symbol.FindStringSubmatch(span); m != nil && names[m[1]] && path.Ext(span) != ".go" {
		if !names[span] {
			return "there is no such declaration"
		}
		return ""
	}
	m := fileName.FindStringSubmatch(span)
	if m == nil || !strings.Contains(span, "/") && path.Ext(span) != ".go" {
		return ""
	}
	if first, _, _ := strings.Cut(m[1], "/"); strings.Contains(m[1], "/") && !t.exists(first) && !strings.HasPrefix(span, "./") {
		return "" // not a path of ours: an import path, a ratio
	}
	if !t.exists(m[1]) {
		return "there is no such file"
	}
	return ""
}

// exists says whether a file or directory of the tree has this name.
func (t *tree) exists(name string) bool {
	return slices.ContainsFunc(t.texts, func(f text) bool { return f.name == name || inside(f.name, name) })
}

// declarations returns the names of what the module declares: its packages, tests
// (bare), and everything else as package.Name and package.Type.Member.
func (t *tree) declarations() map[string]bool {
	names := make(map[string]bool)
	for _, p := range t.pkgs {
		names[p.name] = true
		for _, f := range p.files {
			for _, decl := range f.ast.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					if f.test && decl.Recv == nil {
						names[decl.Name.Name] = true
					}
					names[p.name+"."+receiver(decl)+decl.Name.Name] = true
				case *ast.GenDecl:
					declared(names, p.name, decl)
				}
			}
		}
	}
	return names
}

// declared adds the names of a declaration of constants, variables or types.
func declared(names map[string]bool, pkgName string, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, id := range spec.Names {
				names[pkgName+"."+id.Name] = true
			}
		case *ast.TypeSpec:
			prefix := pkgName + "." + spec.Name.Name
			names[prefix] = true
			var members *ast.FieldList
			switch typ := spec.Type.(type) {
			case *ast.StructType:
				members = typ.Fields
			case *ast.InterfaceType:
				members = typ.Methods
			}
			if members == nil {
				continue
			}
			for _, member := range members.List {
				for _, id := range member.Names {
					names[prefix+"."+id.Name] = true
				}
			}
		}
	}
}

// receiver returns "Type." for a method and "" for a function.
func receiver(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	typ := decl.Recv.List[0].Type
	for {
		switch inner := typ.(type) {
		case *ast.StarExpr:
			typ = inner.X
		case *ast.IndexExpr:
			typ = inner.X
		case *ast.IndexListExpr:
			typ = inner.X
		case *ast.Ident:
			return inner.Name + "."
		default:
			return ""
		}
	}
}
