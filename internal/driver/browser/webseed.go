//go:build js

package browser

import (
	"io"
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// maxWebSeeds bounds the servers asked for one torrent: browsers bound the
// connections of all pages together.
const maxWebSeeds = 4

// startWebSeeds asks those of the torrent's web seeds that are not asked yet, if
// something is missing. The
// metadata are those that the page gets.
func (t *tabTorrent) startWebSeeds(c *Client, metadata map[string]any) {
	start := js.Global().Get("shoalWebSeed")
	if have := t.Have(); have.All() || start.IsUndefined() {
		return
	}
	c.mu.Lock()
	var urls []string
	if end := min(len(t.webSeeds), maxWebSeeds+t.named); t.asked < end && !t.resting {
		urls = t.webSeeds[t.asked:end]
		t.asked = end
	}
	c.mu.Unlock()
	for _, url := range urls {
		w := &webSeed{url: url, ready: make(chan struct{}, 1)}
		w.wake = js.FuncOf(func(js.Value, []js.Value) any {
			w.signal()
			return nil
		})
		w.js = start.Invoke(url, metadata, w.wake)
		c.session.Join(t.Key(), w, true)
	}
}

// webSeed is the stream of a web seed that JavaScript runs (web/src/webseed.ts),
// where it weighs a tenth of what it would here. It speaks the peer wire protocol,
// and answers at once or waits for the server, so deadlines are not heeded.
type webSeed struct {
	url   string
	js    js.Value
	wake  js.Func
	ready chan struct{}
	once  sync.Once
}

func (w *webSeed) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Read implements transport.Conn.
func (w *webSeed) Read(p []byte) (int, error) {
	for {
		b := w.js.Call("take", len(p))
		if b.IsNull() {
			return 0, io.EOF
		}
		if !b.IsUndefined() {
			return js.CopyBytesToGo(p, b), nil
		}
		<-w.ready
	}
}

// Write implements transport.Conn.
func (w *webSeed) Write(p []byte) (int, error) {
	w.js.Call("write", toJS(p))
	return len(p), nil
}

// WriteBuffers implements transport.Conn.
func (w *webSeed) WriteBuffers(bufs [][]byte) (n int64, err error) {
	for _, b := range bufs {
		k, _ := w.Write(b)
		n += int64(k)
	}
	return n, nil
}

// Close implements transport.Conn. Behind it JavaScript calls nothing more.
func (w *webSeed) Close() error {
	w.once.Do(func() {
		w.js.Call("close")
		w.wake.Release()
		w.signal()
	})
	return nil
}

// SetReadDeadline implements transport.Conn.
func (w *webSeed) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements transport.Conn.
func (w *webSeed) SetWriteDeadline(time.Time) error { return nil }

// Kind implements transport.Conn.
func (w *webSeed) Kind() transport.Kind { return transport.HTTP }

// RemoteAddr implements transport.Conn.
func (w *webSeed) RemoteAddr() string { return w.url }
