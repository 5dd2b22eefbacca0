package webjs

import (
	"context"
	"sync"
	"syscall/js"
)

// An Exception is what JavaScript threw, or what a promise was rejected with.
type Exception struct {
	Name    string // "InvalidStateError", "TypeError", ...; empty if it is no error object
	Message string
	Value   js.Value
}

func (e *Exception) Error() string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// exception describes a value that was thrown.
func exception(v js.Value) *Exception {
	e := &Exception{Value: v}
	if v.Type() != js.TypeObject {
		e.Message = v.String()
		return e
	}
	e.Name, e.Message = Text(v.Get("name")), Text(v.Get("message"))
	return e
}

// Text returns a string of JavaScript, "" for any other value.
func Text(v js.Value) string {
	if v.Type() != js.TypeString {
		return ""
	}
	return v.String()
}

// Is reports whether the value is there: neither null nor undefined.
func Is(v js.Value) bool { return !v.IsNull() && !v.IsUndefined() }

// Try runs f and returns what JavaScript throws in it as an *Exception.
func Try(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case js.Error:
			err = exception(p.Value)
		default:
			panic(p)
		}
	}()
	return f(), nil
}

// Await waits until a promise is settled, or ctx is done. What the promise was
// rejected with is an *Exception.
//
// It lets the browser go on meanwhile, so it must not be called on the goroutine
// of a js.Func, for the end of which the browser waits.
func Await(ctx context.Context, promise js.Value) (js.Value, error) {
	settled := make(chan outcome, 1)
	awaited.last++
	id := awaited.last
	awaited.settled[id] = settled
	defer delete(awaited.settled, id)
	settle := settler().Value
	promise.Call("then", settle.Call("bind", nil, id, true), settle.Call("bind", nil, id, false))
	select {
	case o := <-settled:
		return o.v, o.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}

// outcome is what a promise was settled with.
type outcome struct {
	v   js.Value
	err error
}

// awaited are the promises that somebody waits for, by a number. There is one thread.
var awaited = struct {
	last    int
	settled map[int]chan outcome
}{settled: make(map[int]chan outcome)}

// settler is the one function that all promises call, bound to a number and to whether it is the fulfillment. A
// function of Go for each would stay for ever with a promise that is never settled, as those of a
// connection that was closed.
var settler = sync.OnceValue(func() js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled := awaited.settled[args[0].Int()]
		switch {
		case settled == nil: // nobody waits any more
		case args[1].Bool():
			settled <- outcome{v: argument(args[2:])}
		default:
			settled <- outcome{err: exception(argument(args[2:]))}
		}
		return nil
	})
})

func argument(args []js.Value) js.Value {
	if len(args) == 0 {
		return js.Undefined()
	}
	return args[0]
}

// Listen has f called with each event of these types at the target, and returns
// what ends that. f runs while the browser waits: it must not wait for anything
// that takes an event.
func Listen(target js.Value, f func(event js.Value), types ...string) (remove func()) {
	listener := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(argument(args))
		return nil
	})
	for _, t := range types {
		target.Call("addEventListener", t, listener)
	}
	return func() {
		for _, t := range types {
			target.Call("removeEventListener", t, listener)
		}
		listener.Release()
	}
}
