//go:build js

package browser

import (
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// maxWebSeeds bounds the servers asked for one torrent: browsers bound the
// connections of all pages together.
const maxWebSeeds = 4

// What a web seed says (web/src/webseed.ts), with up to three values.
const (
	seedPut    = iota // piece, begin, bytes
	seedReject        // piece, begin, length
	seedRest          // 1 or 0
	seedLacks         // first piece, the one behind the last
	seedEnd
)

// webSeed is a web seed of one torrent. JavaScript runs it: there it weighs a
// tenth of what it would here.
type webSeed struct {
	seed js.Value
	says js.Func
	has  bits.Set
	feed *driver.Feed
}

// startWebSeeds asks the torrent's web seeds, if something is missing. The
// metadata are those that the page gets.
func (t *tabTorrent) startWebSeeds(metadata map[string]any) {
	make := js.Global().Get("shoalWebSeed")
	if have := t.Have(); have.All() || make.IsUndefined() {
		return
	}
	for _, url := range t.webSeeds[:min(len(t.webSeeds), maxWebSeeds)] {
		w := &webSeed{has: bits.New(t.Info().NumPieces())}
		w.has.Fill()
		w.says = js.FuncOf(w.hear)
		w.seed = make.Invoke(url, metadata, w.says)
		if w.feed = t.AddSource(url, w); w.feed != nil {
			w.feed.Has(&w.has)
			w.feed.Choke(false)
		}
	}
}

// hear is called by JavaScript, so it must not wait.
func (w *webSeed) hear(_ js.Value, args []js.Value) any {
	var n [3]int
	for i := range n {
		if args[i+1].Type() == js.TypeNumber {
			n[i] = args[i+1].Int()
		}
	}
	switch args[0].Int() {
	case seedPut:
		b := make([]byte, args[3].Length())
		js.CopyBytesToGo(b, args[3])
		w.feed.Put(uint32(n[0]), uint32(n[1]), b)
	case seedReject:
		w.feed.Reject(uint32(n[0]), uint32(n[1]), uint32(n[2]))
	case seedRest:
		w.feed.Choke(n[0] > 0)
	case seedLacks:
		for i := n[0]; i < n[1]; i++ {
			w.has.Clear(i)
		}
		w.feed.Has(&w.has)
	case seedEnd:
		go w.feed.Leave()
	}
	return nil
}

// Request implements driver.Source.
func (w *webSeed) Request(index, begin, length uint32) { w.tell("ask", index, begin, length) }

// Cancel implements driver.Source.
func (w *webSeed) Cancel(index, begin, length uint32) { w.tell("cancel", index, begin, length) }

func (w *webSeed) tell(what string, index, begin, length uint32) {
	w.seed.Call(what, index, begin, length)
}

// Close implements driver.Source. Behind it JavaScript says nothing more.
func (w *webSeed) Close(bool) {
	w.seed.Call("close")
	w.says.Release()
	go w.feed.Leave()
}
