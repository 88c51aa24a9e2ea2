//go:build js

package browser

import (
	"context"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/engine/verify"
	"github.com/shoal-p2p/shoal/internal/sha"
)

var uint8Array = js.Global().Get("Uint8Array")

func toJS(b []byte) js.Value {
	a := uint8Array.New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

func stringOf(v js.Value) string {
	if v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

func truthy(v js.Value) bool { return v.Truthy() }

func stringsOf(v js.Value) (list []string) {
	if v.Type() != js.TypeObject {
		return nil
	}
	for i := range v.Length() {
		if s := stringOf(v.Index(i)); s != "" {
			list = append(list, s)
		}
	}
	return list
}

func toArray[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func timeout(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	time.AfterFunc(d, cancel)
	return ctx
}

// webCrypto is the browser's SHA-1, ten times as fast as Go's in WebAssembly;
// nil in an insecure context, where browsers withhold it.
func webCrypto() verify.SHA1 {
	crypto := js.Global().Get("crypto")
	if !crypto.Truthy() || !crypto.Get("subtle").Truthy() {
		return nil
	}
	subtle := crypto.Get("subtle")
	return func(p []byte) (sum [20]byte) {
		if len(p) < 4<<10 {
			return sha.Sum1(p) // a promise costs more
		}
		done := make(chan bool, 1)
		ok := js.FuncOf(func(_ js.Value, args []js.Value) any {
			js.CopyBytesToGo(sum[:], uint8Array.New(args[0]))
			done <- true
			return nil
		})
		bad := js.FuncOf(func(js.Value, []js.Value) any {
			done <- false
			return nil
		})
		defer ok.Release()
		defer bad.Release()
		subtle.Call("digest", "SHA-1", toJS(p)).Call("then", ok, bad)
		if !<-done {
			return sha.Sum1(p)
		}
		return sum
	}
}
