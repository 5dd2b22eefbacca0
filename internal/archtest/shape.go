package archtest

import (
	"bytes"
	"fmt"
	"go/token"
	"go/types"
	"slices"
)

const (
	engineDir = "sctp"

	// maxAssociationFields is how far "about twenty" goes.
	maxAssociationFields = 25

	// A source file has 600 lines at most, as a rule; the caps are where the rule
	// is plainly broken.
	maxSourceLines = 800
	maxTestLines   = 2000
)

// holders are the types of the engine that own others. Nothing they own knows them.
var holders = []string{"Association", "Endpoint"}

// checkAssociationSize: an association is a short list of components.
func checkAssociationSize(t *tree, report reporter) error {
	association, fields, err := t.association()
	if err != nil {
		return err
	}
	if n := fields.NumFields(); n > maxAssociationFields {
		report(t.object(association), "Association has %d fields, more than %d: group those that change together", n, maxAssociationFields)
	}
	return nil
}

// association returns the type Association of the engine.
func (t *tree) association() (types.Object, *types.Struct, error) {
	p, err := t.typed(engineDir)
	if err != nil {
		return nil, nil, err
	}
	object := p.types.Scope().Lookup("Association")
	if object == nil {
		return nil, nil, fmt.Errorf("package %s has no type Association", engineDir)
	}
	fields, ok := object.Type().Underlying().(*types.Struct)
	if !ok {
		return nil, nil, fmt.Errorf("%s.Association is no struct", engineDir)
	}
	return object, fields, nil
}

// checkComponents: what an association is made of knows neither the association nor
// its siblings. A component is an unexported struct type of the engine that is, by
// value, a field of Association; exported ones (Config) are plain data.
func checkComponents(t *tree, report reporter) error {
	_, fields, err := t.association()
	if err != nil {
		return err
	}
	scope := t.byDir[engineDir].types.Scope()
	var components []*types.TypeName
	for field := range fields.Fields() {
		if named, ok := types.Unalias(field.Type()).(*types.Named); ok {
			o := named.Origin().Obj()
			if _, isStruct := named.Underlying().(*types.Struct); isStruct && o.Pkg() == scope.Lookup("Association").Pkg() && !o.Exported() {
				components = append(components, o)
			}
		}
	}
	for _, name := range scope.Names() {
		declared, ok := scope.Lookup(name).(*types.TypeName)
		if !ok || declared.IsAlias() || slices.Contains(holders, name) {
			continue
		}
		named := declared.Type().(*types.Named)
		checkHeld(t, report, declared, named.Underlying(), components)
		for method := range named.Methods() {
			if holder := findHolder(method.Signature()); holder != "" {
				report(t.object(method), "method %s.%s has %s in its signature: give it what it needs, return facts", name, method.Name(), holder)
			}
		}
	}
	return nil
}

// checkHeld reports what a type of the engine must not hold.
func checkHeld(t *tree, report reporter, declared *types.TypeName, underlying types.Type, components []*types.TypeName) {
	switch u := underlying.(type) {
	case *types.Struct:
		for field := range u.Fields() {
			if holder := findHolder(field.Type()); holder != "" {
				report(t.object(field), "%s.%s points back to %s", declared.Name(), field.Name(), holder)
			}
			if back := t.backInterface(field.Type()); back != "" {
				report(t.object(field), "%s.%s is an interface that %s satisfies, a way to point back", declared.Name(), field.Name(), back)
			}
			if !declared.Exported() && isCallback(field.Type()) {
				report(t.object(field), "%s.%s is a function, and leads wherever its maker wants: return facts", declared.Name(), field.Name())
			}
			if other := findPointer(field.Type(), components, declared); other != nil {
				report(t.object(field), "%s.%s points to the component %s", declared.Name(), field.Name(), other.Name())
			}
		}
	default:
		if holder := findHolder(underlying); holder != "" {
			report(t.object(declared), "type %s has %s in it", declared.Name(), holder)
		}
	}
}

// findHolder returns the name of a holder that typ contains in any depth, without
// looking into other named types, or "".
func findHolder(typ types.Type) string {
	found := ""
	walkType(typ, false, func(o *types.TypeName, _ bool) {
		if o.Pkg() != nil && o.Pkg().Path() == modulePath+"/"+engineDir && slices.Contains(holders, o.Name()) {
			found = o.Name()
		}
	})
	return found
}

// backInterface returns the name of a holder that satisfies typ, if typ is an
// interface with methods, or "".
func (t *tree) backInterface(typ types.Type) string {
	face, ok := typ.Underlying().(*types.Interface)
	if !ok || face.NumMethods() == 0 {
		return ""
	}
	scope := t.byDir[engineDir].types.Scope()
	for _, name := range holders {
		if holder := scope.Lookup(name); holder != nil && types.Implements(types.NewPointer(holder.Type()), face) {
			return name
		}
	}
	return ""
}

// isCallback says whether typ is a function, or a list or table of functions.
func isCallback(typ types.Type) bool {
	if _, ok := typ.Underlying().(*types.Signature); ok {
		return true
	}
	switch typ := types.Unalias(typ).(type) {
	case *types.Slice:
		return isCallback(typ.Elem())
	case *types.Array:
		return isCallback(typ.Elem())
	case *types.Map:
		return isCallback(typ.Elem())
	}
	return false
}

// findPointer returns a component other than self that typ refers to.
func findPointer(typ types.Type, components []*types.TypeName, self *types.TypeName) *types.TypeName {
	var found *types.TypeName
	walkType(typ, false, func(o *types.TypeName, pointer bool) {
		if pointer && o != self && slices.Contains(components, o) {
			found = o
		}
	})
	return found
}

// walkType calls visit with each named type that typ is composed of, and whether it
// is reached through a pointer.
func walkType(typ types.Type, pointer bool, visit func(o *types.TypeName, pointer bool)) {
	switch typ := types.Unalias(typ).(type) {
	case *types.Named:
		visit(typ.Origin().Obj(), pointer)
		for arg := range typ.TypeArgs().Types() {
			walkType(arg, pointer, visit)
		}
	case *types.Pointer:
		walkType(typ.Elem(), true, visit)
	case *types.Slice:
		walkType(typ.Elem(), pointer, visit)
	case *types.Array:
		walkType(typ.Elem(), pointer, visit)
	case *types.Chan:
		walkType(typ.Elem(), pointer, visit)
	case *types.Map:
		walkType(typ.Key(), pointer, visit)
		walkType(typ.Elem(), pointer, visit)
	case *types.Struct:
		for field := range typ.Fields() {
			walkType(field.Type(), pointer, visit)
		}
	case *types.Interface:
		for method := range typ.ExplicitMethods() {
			walkType(method.Signature(), pointer, visit)
		}
	case *types.Signature:
		for v := range typ.Params().Variables() {
			walkType(v.Type(), pointer, visit)
		}
		for v := range typ.Results().Variables() {
			walkType(v.Type(), pointer, visit)
		}
	}
}

// checkFileLength: one concept, one file.
func checkFileLength(t *tree, report reporter) error {
	for _, p := range t.pkgs {
		for _, f := range p.files {
			limit := maxSourceLines
			if f.test {
				limit = maxTestLines
			}
			if n := bytes.Count(f.content, []byte("\n")); n > limit {
				report(token.Position{Filename: f.name}, "%d lines, more than %d: one concept, one file", n, limit)
			}
		}
	}
	return nil
}
