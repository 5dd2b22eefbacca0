package archtest

import (
	"go/ast"
	"go/token"
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

// checkSleeps: a test waits for what it wants to see, or lets virtual time pass
// (netsim.Elapse in a synctest bubble).
func checkSleeps(t *tree, report reporter) error {
	for _, p := range t.pkgs {
		for _, f := range p.files {
			if !f.test {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "Sleep" {
					return true
				}
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" {
					report(t.at(sel), "time.Sleep in a test")
				}
				return true
			})
		}
	}
	return nil
}
