package sctp

import (
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// footprint adds up the memory that only an association refers to: its structure,
// its components, rings and pools to their capacity, what it holds of messages, each
// piece as large as the allocator makes it.
type footprint struct {
	bytes int
	by    map[string]int // what for
	seen  map[unsafe.Pointer]bool
	roots [][2]uintptr // the pieces into whose inside something points: the association, which has what it needs at first in itself, and what it shares
}

// footprintOf returns the memory of an association.
func footprintOf(a *Association) *footprint {
	f := &footprint{by: make(map[string]int), seen: make(map[unsafe.Pointer]bool)}
	f.walk(reflect.ValueOf(a), "")
	return f
}

// String lists what takes most.
func (f *footprint) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes:", f.bytes)
	for _, what := range slices.SortedFunc(maps.Keys(f.by), func(x, y string) int { return f.by[y] - f.by[x] }) {
		fmt.Fprintf(&b, " %s %d", what, f.by[what])
	}
	return b.String()
}

// charge counts a piece of memory made of a type, once.
func (f *footprint) charge(p unsafe.Pointer, of reflect.Type, count int, what string) bool {
	size := count * int(of.Size())
	inside := slices.ContainsFunc(f.roots, func(r [2]uintptr) bool { return r[0] < uintptr(p) && uintptr(p) < r[1] })
	if p == nil || size == 0 || f.seen[p] || inside {
		return false
	}
	f.seen[p] = true
	if of == reflect.TypeFor[Association]() || of == reflect.TypeFor[common]() {
		f.roots = append(f.roots, [2]uintptr{uintptr(p), uintptr(p) + of.Size()})
	}
	if size > 512 && refers(of) {
		size += 8 // of the allocator
	}
	n := allocated(size)
	f.bytes += n
	f.by[what] += n
	return true
}

// classes are the sizes of the allocator's classes, by what is asked for.
var classes = make(map[int]int)

func allocated(size int) int {
	n := classes[size]
	if n == 0 {
		n = cap(append([]byte(nil), make([]byte, size)...))
		classes[size] = n
	}
	return n
}

// walk follows what v refers to; what says where it stands.
func (f *footprint) walk(v reflect.Value, what string) {
	switch v.Kind() {
	case reflect.Pointer:
		to := v.Type().Elem()
		if to != reflect.TypeFor[time.Location]() && f.charge(v.UnsafePointer(), to, 1, to.Name()) {
			f.walk(v.Elem(), to.Name())
		}
	case reflect.Interface:
		if !v.IsNil() {
			f.walk(v.Elem(), what)
		}
	case reflect.Slice:
		of := v.Type().Elem()
		if f.charge(v.UnsafePointer(), of, v.Cap(), what) && refers(of) {
			v = v.Slice(0, v.Cap())
			for i := range v.Len() {
				f.walk(v.Index(i), what)
			}
		}
	case reflect.Array:
		for i := 0; refers(v.Type().Elem()) && i < v.Len(); i++ {
			f.walk(v.Index(i), what)
		}
	case reflect.Struct:
		for _, r := range referring(v.Type()) {
			f.walk(v.Field(r.field), r.name)
		}
	case reflect.Map, reflect.Chan, reflect.Func, reflect.String:
		panic("footprint: cannot follow " + what)
	}
}

// reference is a field of a structure that may refer to memory.
type reference struct {
	field int
	name  string
}

var references = make(map[reflect.Type][]reference)

// referring returns the fields of a structure that may refer to memory.
func referring(t reflect.Type) []reference {
	list, ok := references[t]
	if !ok {
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				list = append(list, reference{i, t.Name() + "." + t.Field(i).Name})
			}
		}
		references[t] = list
	}
	return list
}

// refers reports whether values of a type may refer to memory.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return refers(t.Elem())
	case reflect.Struct:
		return len(referring(t)) > 0
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func, reflect.String:
		return true
	}
	return false
}

// TestFootprint: what is added up is what the allocator says.
func TestFootprint(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const n = 1000
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	pipes := make([]*pipe, n)
	before := heap()
	for i := range pipes {
		p := newPipe(t, SmallConfig())
		for p.a.Send(p.now, Message{Payload: make([]byte, 300)}) == nil {
		}
		p.buf, p.read = nil, nil
		pipes[i] = p
	}
	each := (heap() - before) / n
	got := footprintOf(pipes[0].a).bytes + footprintOf(pipes[0].b).bytes + allocated(int(reflect.TypeFor[pipe]().Size()))
	if diff := each - got; diff < -got/100 || diff > got/100 {
		t.Errorf("%d bytes are added up, the allocator says %d: %v", got, each, footprintOf(pipes[0].a))
	}
}
