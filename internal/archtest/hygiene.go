package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// eachLine calls visit with every line of every text file.
func (t *tree) eachLine(visit func(pos token.Position, line string)) {
	for _, text := range t.texts {
		number := 0
		for line := range strings.Lines(text.content) {
			number++
			visit(token.Position{Filename: text.name, Line: number}, line)
		}
	}
}

// machinePath matches what looks like a path on somebody's machine.
var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.~$*}/-])/(work|farm|home|root|Users|tmp)/[A-Za-z0-9_.]`)

func checkMachinePaths(t *tree, report reporter) error {
	t.eachLine(func(pos token.Position, line string) {
		if found := machinePath.FindString(line); found != "" {
			report(pos, "a path of one machine: %s", strings.TrimSpace(line))
		}
	})
	return nil
}

// checkRegistryHosts: where this machine gets its modules from is its own matter.
func checkRegistryHosts(t *tree, report reporter) error {
	t.eachLine(func(pos token.Position, line string) {
		for _, host := range t.hosts {
			if strings.Contains(line, host) {
				report(pos, "the host name of a registry: %s", host)
			}
		}
	})
	return nil
}

// registryHosts returns the host names in settings such as GOPROXY: lists of URLs
// separated by commas or bars.
func registryHosts(settings ...string) []string {
	var hosts []string
	for _, setting := range settings {
		for _, entry := range strings.FieldsFunc(setting, func(r rune) bool { return r == ',' || r == '|' }) {
			_, rest, isURL := strings.Cut(strings.TrimSpace(entry), "://")
			if !isURL {
				continue
			}
			host, _, _ := strings.Cut(rest, "/")
			if at := strings.LastIndex(host, "@"); at >= 0 {
				host = host[at+1:]
			}
			host, _, _ = strings.Cut(host, ":")
			if host != "" && !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// unfinished matches the usual marks of work left for later. It is put together so
// that a search for the marks does not find this line.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

func checkUnfinished(t *tree, report reporter) error {
	for _, p := range t.pkgs {
		for _, f := range p.files {
			for _, group := range f.ast.Comments {
				for _, comment := range group.List {
					if mark := unfinished.FindString(comment.Text); mark != "" {
						report(t.at(comment), "%s in a comment: do it, or write an issue", mark)
					}
				}
			}
		}
	}
	return nil
}

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
// declaration.
func checkDocuments(t *tree, report reporter) error {
	names := t.declarations()
	for _, text := range t.texts {
		if !slices.Contains(documents, text.name) {
			continue
		}
		number := 0
		for line := range strings.Lines(text.content) {
			number++
			pos := token.Position{Filename: text.name, Line: number}
			for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
				if complaint := t.stale(names, span[1]); complaint != "" {
					report(pos, "`%s`: %s", span[1], complaint)
				}
			}
		}
	}
	return nil
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
