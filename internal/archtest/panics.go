package archtest

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// checkPanics: a library panics for its own bugs only, and says so. What a peer or a
// caller gets wrong is an error. It recovers from none, so that a callback of the application which
// panics ends the program.
func checkPanics(t *tree, report reporter) error {
	for _, p := range t.pkgs {
		if !covers(engineDir+"/...", p.dir) && p.dir != "dcep" && p.dir != "datachannel" && p.dir != "." {
			continue
		}
		prefixes := []string{p.name + ": BUG: "}
		if isEngine(p.dir) {
			prefixes = append(prefixes, "sctp: BUG: ")
		}
		for f := range p.sources {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch id, ok := call.Fun.(*ast.Ident); {
				case ok && id.Name == "recover":
					report(t.at(call), "nothing recovers from a panic")
					return true
				case !ok || id.Name != "panic" || len(call.Args) != 1:
					return true
				}
				message := leftmostString(call.Args[0])
				for _, prefix := range prefixes {
					if strings.HasPrefix(message, prefix) {
						return true
					}
				}
				report(t.at(call), "the message of a panic starts with %q", prefixes[len(prefixes)-1])
				return true
			})
		}
	}
	return nil
}

// leftmostString returns the literal that a message starts with: of a string, of a
// concatenation, or of the format of a call such as fmt.Sprintf.
func leftmostString(e ast.Expr) string {
	switch e := ast.Unparen(e).(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			if s, err := strconv.Unquote(e.Value); err == nil {
				return s
			}
		}
	case *ast.BinaryExpr:
		return leftmostString(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return leftmostString(e.Args[0])
		}
	}
	return ""
}
