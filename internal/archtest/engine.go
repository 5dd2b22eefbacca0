package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// The rules of this file make the engine deterministic: the same seed and inputs
// give the same packets, on every machine.

// eachEngineFile calls visit with every source file of the engine, type-checked.
func eachEngineFile(t *tree, visit func(*pkg, *file)) error {
	engine, err := t.typedUnder(isEngine)
	if err != nil {
		return err
	}
	for _, p := range engine {
		for f := range p.sources {
			if built(f) {
				visit(p, f)
			}
		}
	}
	return nil
}

// clock are the names of package time that read, or wait for, the real clock, or
// depend on where the machine stands.
var clock = []string{
	"After", "AfterFunc", "LoadLocation", "Local", "NewTicker", "NewTimer", "Now",
	"Since", "Sleep", "Tick", "Ticker", "Timer", "Until",
}

// checkClock: time is given to the engine, never taken.
func checkClock(t *tree, report reporter) error {
	return eachUse(t, func(id *ast.Ident, used types.Object) {
		if used.Pkg().Path() == "time" && slices.Contains(clock, used.Name()) && packageLevel(used) {
			report(t.at(id), "time.%s: the engine has no clock, its caller gives it the time", used.Name())
		}
	})
}

// checkRandomness: randomness comes from the seed in Config. Sources without a seed
// to give are out of reach by their imports; the functions of math/rand/v2 that draw
// from the shared source are not.
func checkRandomness(t *tree, report reporter) error {
	seeded := []string{"New", "NewChaCha8", "NewPCG", "NewZipf"}
	return eachUse(t, func(id *ast.Ident, used types.Object) {
		_, isFunc := used.(*types.Func)
		if isFunc && used.Pkg().Path() == "math/rand/v2" && packageLevel(used) && !slices.Contains(seeded, used.Name()) {
			report(t.at(id), "rand.%s: the engine draws from the seed in Config only", used.Name())
		}
	})
}

// eachUse calls visit with every use, in the engine, of an object that has a package.
func eachUse(t *tree, visit func(*ast.Ident, types.Object)) error {
	return eachEngineFile(t, func(p *pkg, f *file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if used := p.info.Uses[id]; used != nil && used.Pkg() != nil {
					visit(id, used)
				}
			}
			return true
		})
	})
}

// packageLevel says whether an object is declared in its package's block, not a
// method, field or local.
func packageLevel(o types.Object) bool { return o.Parent() == o.Pkg().Scope() }

// checkConcurrency: one goroutine drives an association, and it is the caller's.
// Locks are out of reach by their imports.
func checkConcurrency(t *tree, report reporter) error {
	return eachEngineFile(t, func(p *pkg, f *file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(t.at(n), "go statement in the engine")
			case *ast.SelectStmt:
				report(t.at(n), "select in the engine")
			case *ast.SendStmt:
				report(t.at(n), "channel send in the engine")
			case *ast.ChanType:
				report(t.at(n), "channel type in the engine")
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					report(t.at(n), "channel receive in the engine")
				}
			case *ast.RangeStmt:
				if _, ok := p.info.TypeOf(n.X).Underlying().(*types.Chan); ok {
					report(t.at(n), "range over a channel in the engine")
				}
			}
			return true
		})
	})
}

// checkMapIteration: the order of a map differs from run to run.
func checkMapIteration(t *tree, report reporter) error {
	return eachEngineFile(t, func(p *pkg, f *file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if loop, ok := n.(*ast.RangeStmt); ok {
				if _, ok := p.info.TypeOf(loop.X).Underlying().(*types.Map); ok {
					report(t.at(loop), "range over a map in the engine: its order is random")
				}
			}
			return true
		})
	})
}

// checkFloat: a compiler may fuse x*y + z into one rounding on one architecture and
// not on another, so floating point arithmetic makes packets differ between them.
func checkFloat(t *tree, report reporter) error {
	isFloat := func(p *pkg, e ast.Expr) bool {
		tv := p.info.Types[e]
		if tv.Type == nil || tv.Value != nil {
			return false
		}
		basic, ok := tv.Type.Underlying().(*types.Basic)
		return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0
	}
	return eachEngineFile(t, func(p *pkg, f *file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if isFloat(p, n) {
					report(t.at(n), "floating point arithmetic in the engine: its rounding depends on the architecture")
				}
			case *ast.AssignStmt:
				if n.Tok != token.ASSIGN && n.Tok != token.DEFINE && isFloat(p, n.Lhs[0]) {
					report(t.at(n), "floating point arithmetic in the engine: its rounding depends on the architecture")
				}
			}
			return true
		})
	})
}
