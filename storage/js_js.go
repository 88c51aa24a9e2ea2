package storage

import (
	"errors"
	"syscall/js"
)

// await blocks the goroutine until the promise settles. It must not run inside
// a js.FuncOf callback, which holds up the event loop that settles it.
func await(promise js.Value) (js.Value, error) {
	type outcome struct {
		v   js.Value
		err error
	}
	done := make(chan outcome, 1)
	settle := func(failed bool) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			v := js.Undefined()
			if len(args) > 0 {
				v = args[0]
			}
			if failed {
				done <- outcome{err: jsError{v}}
			} else {
				done <- outcome{v: v}
			}
			return nil
		})
	}
	good, bad := settle(false), settle(true)
	defer good.Release()
	defer bad.Release()
	promise.Call("then", good, bad)
	o := <-done
	return o.v, o.err
}

// Await blocks the goroutine until a promise settles, as await does, and explains why op on
// path failed.
func Await(promise js.Value, op, path string) (js.Value, error) {
	v, err := await(promise)
	return v, explainJS(op, path, err)
}

// try calls a method that may throw.
func try(v js.Value, method string, args ...any) (result js.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			thrown, ok := r.(js.Error)
			if !ok {
				panic(r)
			}
			err = jsError{thrown.Value}
		}
	}()
	return v.Call(method, args...), nil
}

// tryAwait calls a method that returns a promise.
func tryAwait(v js.Value, method string, args ...any) (js.Value, error) {
	p, err := try(v, method, args...)
	if err != nil {
		return p, err
	}
	return await(p)
}

// jsError is what JavaScript throws, a DOMException as a rule.
type jsError struct{ v js.Value }

func (e jsError) property(name string) string {
	if e.v.Type() != js.TypeObject {
		return ""
	}
	if p := e.v.Get(name); p.Type() == js.TypeString {
		return p.String()
	}
	return ""
}

func (e jsError) Error() string {
	name, msg := e.property("name"), e.property("message")
	switch {
	case name == "" && msg == "":
		return e.v.String()
	case msg == "":
		return name
	}
	return msg
}

// explainJS turns what JavaScript threw on the attempt to op path into an
// *Error. An *Error stays as it is, nil is nil.
func explainJS(op, path string, err error) error {
	var done *Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	e := &Error{Kind: ErrIO, Op: op, Path: path, Err: err}
	var thrown jsError
	if !errors.As(err, &thrown) {
		return e
	}
	switch thrown.property("name") {
	case "QuotaExceededError":
		e.Kind, e.Detail = ErrNoSpace, "the browser gives this site no more"
	case "NoModificationAllowedError":
		e.Kind, e.Detail = ErrInUse, "another tab has it open"
	case "NotFoundError":
		e.Kind = ErrMissing
	case "NotReadableError":
		e.Kind, e.Detail = ErrChanged, "it was written to, moved or forbidden since it was chosen"
	case "NotAllowedError", "SecurityError":
		e.Kind, e.Detail = ErrPermission, "the browser forbids it"
	case "InvalidStateError":
		e.Kind = ErrClosed
	}
	return e
}

// missingIsNone is err unless that says that there is no such file.
func missingIsNone(err error) error {
	if errors.Is(explainJS("read", "", err), ErrMissing) {
		return nil
	}
	return err
}

// newBytes returns a new Uint8Array.
func newBytes(args ...any) js.Value { return js.Global().Get("Uint8Array").New(args...) }

// spent gives the memory of an ArrayBuffer back that was copied, where the worker
// offers that: browsers would let hundreds of megabytes of them pile up.
func spent(buffer js.Value) {
	if f := js.Global().Get("shoalSpent"); f.Type() == js.TypeFunction {
		f.Invoke(buffer)
	}
}

// options returns {name: true}.
func options(name string) js.Value {
	o := js.Global().Get("Object").New()
	o.Set(name, true)
	return o
}
