package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

const wireDir = "sctp/internal/wire"

// checkSerial: serial numbers wrap, so that only their methods know which of two
// comes first. Outside the package that declares them nothing compares or subtracts
// them raw, converts them to do so, or hands them to a generic function that would.
func checkSerial(t *tree, report reporter) error {
	codec, err := t.typed(wireDir)
	if err != nil {
		return err
	}
	serials := serialTypes(codec.types)
	if len(serials) == 0 {
		return fmt.Errorf("package %s declares no serial number type", wireDir)
	}
	users, err := t.typedUnder(func(dir string) bool {
		return covers(engineDir+"/...", dir) && dir != wireDir
	})
	if err != nil {
		return err
	}
	for _, p := range users {
		s := serialCheck{tree: t, pkg: p, serials: serials, report: report}
		for f := range p.sources {
			if built(f) {
				ast.Inspect(f.ast, s.node)
			}
		}
	}
	return nil
}

// serialTypes returns the serial number types of a package: its integer types with
// a method Before.
func serialTypes(p *types.Package) map[*types.TypeName]bool {
	found := make(map[*types.TypeName]bool)
	for _, name := range p.Scope().Names() {
		o, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok || o.IsAlias() {
			continue
		}
		basic, ok := o.Type().Underlying().(*types.Basic)
		method, _, _ := types.LookupFieldOrMethod(o.Type(), false, p, "Before")
		if ok && basic.Info()&types.IsInteger != 0 && method != nil {
			found[o] = true
		}
	}
	return found
}

type serialCheck struct {
	tree    *tree
	pkg     *pkg
	serials map[*types.TypeName]bool
	report  reporter
}

// node looks at one node of a file.
func (s serialCheck) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		switch n.Op {
		case token.LSS, token.GTR, token.LEQ, token.GEQ, token.SUB:
			s.operand(n, n.Op, n.X, n.Y)
		}
	case *ast.AssignStmt:
		if n.Tok == token.SUB_ASSIGN {
			s.operand(n, n.Tok, n.Lhs[0], n.Rhs[0])
		}
	case *ast.IncDecStmt:
		if n.Tok == token.DEC {
			s.operand(n, n.Tok, n.X)
		}
	case *ast.CallExpr:
		if id, ok := ast.Unparen(n.Fun).(*ast.Ident); ok {
			if b, ok := s.pkg.info.Uses[id].(*types.Builtin); ok && (b.Name() == "min" || b.Name() == "max") {
				s.operandNamed(n, b.Name(), n.Args...)
			}
		}
	case *ast.Ident:
		s.instance(n)
	}
	return true
}

func (s serialCheck) operand(n ast.Node, op token.Token, operands ...ast.Expr) {
	s.operandNamed(n, op.String(), operands...)
}

// operandNamed reports the operation n if one of its operands is a serial number.
func (s serialCheck) operandNamed(n ast.Node, op string, operands ...ast.Expr) {
	for _, e := range operands {
		if name := s.serial(e); name != "" {
			s.report(s.tree.at(n), "%s on the serial number type %s: use its methods, it wraps", op, name)
			return
		}
	}
}

// serial returns the name of the serial number type of e, or of what e converts to
// another integer type, or "".
func (s serialCheck) serial(e ast.Expr) string {
	e = ast.Unparen(e)
	if name := s.name(s.pkg.info.TypeOf(e)); name != "" {
		return name
	}
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 && s.pkg.info.Types[call.Fun].IsType() {
		return s.serial(call.Args[0])
	}
	return ""
}

func (s serialCheck) name(typ types.Type) string {
	if named, ok := types.Unalias(typ).(*types.Named); ok && s.serials[named.Obj()] {
		return named.Obj().Name()
	}
	return ""
}

// instance reports a generic function or type used with a serial number as an
// ordered type.
func (s serialCheck) instance(id *ast.Ident) {
	instance, ok := s.pkg.info.Instances[id]
	if !ok {
		return
	}
	var params *types.TypeParamList
	switch typ := s.pkg.info.Uses[id].Type().(type) {
	case *types.Signature:
		params = typ.TypeParams()
	case *types.Named:
		params = typ.TypeParams()
	}
	for i := range params.Len() {
		name := s.name(instance.TypeArgs.At(i))
		if name != "" && strings.Contains(params.At(i).Constraint().String(), "cmp.Ordered") {
			s.report(s.tree.at(id), "%s orders the serial number type %s raw: it wraps", id.Name, name)
		}
	}
}
