//go:build js

package browser

import (
	"context"
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/metainfo"
)

var uint8Array = js.Global().Get("Uint8Array")

func toJS(b []byte) js.Value {
	a := uint8Array.New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// kind is the type of a value; what Go has no name for, such as a BigInt, is undefined.
func kind(v js.Value) (t js.Type) {
	defer func() { _ = recover() }() // Type panics then
	return v.Type()
}

func stringOf(v js.Value) string {
	if kind(v) == js.TypeString {
		return v.String()
	}
	return ""
}

func truthy(v js.Value) bool { return kind(v) != js.TypeUndefined && v.Truthy() }

// mostItems bounds the lists that the page hands over, but for those of files: a list of
// JavaScript has whatever length it says.
const mostItems = 1000

// listLen is how many of a list's values are looked at; 0: it is none.
func listLen(v js.Value, most int) int {
	if !js.Global().Get("Array").Call("isArray", v).Bool() {
		return 0
	}
	return min(v.Length(), most)
}

// number returns a finite number; ok is false for what is none.
func number(v js.Value) (n float64, ok bool) {
	if kind(v) != js.TypeNumber {
		return 0, false
	}
	n = v.Float()
	return n, n-n == 0
}

// integer returns a number that is whole and known exactly.
func integer(v js.Value) (n int64, ok bool) {
	f, ok := number(v)
	if !ok || f < -(1<<53) || f > 1<<53 || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}

func stringsOf(v js.Value) (list []string) {
	for i := range listLen(v, mostItems) {
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

// webCrypto hashes outside of Go, which is a tenth as fast at it in WebAssembly: SHA-1 by the
// browser, blocks' SHA-256 four at a time (web/src/digest.ts). A piece costs one crossing.
type webCrypto struct {
	hasher js.Value
	room   sync.Mutex // of the piece that is being handed over
}

// newWebCrypto returns nil in an insecure context, where browsers withhold it.
func newWebCrypto() *webCrypto {
	hasher := js.Global().Get("shoalHasher")
	if hasher.IsUndefined() {
		return nil
	}
	return &webCrypto{hasher: hasher}
}

// Hash implements verify.Hasher.
func (w *webCrypto) Hash(p []byte, v1 bool, tree int) (sum [20]byte, leaves []metainfo.Hash256) {
	done := make(chan js.Value, 1)
	ok := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- args[0]
		return nil
	})
	bad := js.FuncOf(func(js.Value, []js.Value) any {
		done <- js.Null()
		return nil
	})
	defer ok.Release()
	defer bad.Release()
	n := 0
	if v1 {
		n = len(sum)
	}
	blocks := (tree + metainfo.BlockSize - 1) / metainfo.BlockSize
	out := make([]byte, n+blocks*len(metainfo.Hash256{}))
	// Each call allocates, and whoever allocates may have to wait for the collector while others run.
	w.room.Lock()
	js.CopyBytesToJS(w.hasher.Call("room", len(p)), p)
	sums := w.hasher.Call("digest", len(p), v1, tree, metainfo.BlockSize)
	w.room.Unlock()
	sums.Call("then", ok, bad)
	if v := <-done; v.IsNull() || js.CopyBytesToGo(out, v) != len(out) {
		return slowly(p, v1, tree)
	}
	copy(sum[:n], out)
	leaves = make([]metainfo.Hash256, blocks)
	for i := range leaves {
		leaves[i] = metainfo.Hash256(out[n+i*len(leaves[i]):])
	}
	return sum, leaves
}

// slowly is Hash in Go, should the browser fail.
func slowly(p []byte, v1 bool, tree int) (sum [20]byte, leaves []metainfo.Hash256) {
	if v1 {
		sum = sha.Sum1(p)
	}
	for at := 0; at < tree; at += metainfo.BlockSize {
		leaves = append(leaves, metainfo.LeafHash(p[at:min(tree, at+metainfo.BlockSize)]))
	}
	return sum, leaves
}
