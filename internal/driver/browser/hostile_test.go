//go:build js

package browser

import (
	"syscall/js"
	"testing"
)

// methods are those that a page can call, with what each is given.
var methods = map[string][]string{
	"init": {"loopback", "storage", "maxPeers", "maxMemory"}, "add": {"source", "link", "trackers", "webSeeds", "paused", "deselect", "sequential"},
	"seed": {"files", "name", "trackers", "webSeeds", "comment", "createdBy", "private", "paused", "job"}, "unseed": {"job"},
	"remove": {"deleteData"}, "read": {"file", "start", "end", "port"}, "select": {"file", "on", "priority"}, "pieces": {"first", "last", "priority"},
	"critical": {"first", "last"}, "pause": {"on"}, "limits": {"down", "up", "allowed"}, "webSeed": {"url"}, "watch": {}, "retry": {}, "wake": {"moved"},
	"kept": {}, "forget": {}, "no such method": {"x"},
}

// oddities are values of every kind, whatever is meant.
const oddities = `[undefined, null, true, 0, -1, 1, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 53, 1e300, -1e300, "", "x", "x".repeat(100000), "\ud800", "\0",
	[], [null], [[[]]], [undefined, 5, {}], new Array(2 ** 32 - 1), {}, { length: 2 ** 53 }, { length: -1 }, { length: "x" }, { file: 5, path: "x" }, [{ file: 5, path: [5] }],
	[{ file: {}, path: [] }], [{ file: { size: NaN }, path: [""] }], new Uint8Array(), new Uint8Array(50), new Float64Array(3), new ArrayBuffer(8), new Date(NaN), new Map(), /x/, 10n,
	[new Blob(["x"])], [{ file: new Blob(["x"]), path: ["..", ""] }], [{ file: new Blob([]), path: ["x"] }], { postMessage: 5 }, "magnet:?xt=urn:btih:", "d4:infod6:lengthi-1eee"]`

// Whatever a page sends is an answer or an error, and the engine goes on.
func TestHostileMessages(t *testing.T) {
	c, _ := tab(t, trackerSocket)
	c.rtc = nil
	tt := opened(t, c, nil)
	odd := js.Global().Call("eval", oddities)
	object := js.Global().Get("Object")
	for method, names := range methods {
		if method == "init" {
			continue // there is a session; it looks at nothing any more
		}
		for i := range odd.Length() {
			v := odd.Index(i)
			c.call(method, v) // in place of the arguments
			for _, id := range []any{tt.id, v} {
				args := object.New()
				args.Set("id", id)
				for _, name := range names {
					args.Set(name, v)
				}
				_, err := c.call(method, args)
				if method == "no such method" && err == nil {
					t.Error("there is no such method")
				}
				for _, name := range names { // the others are as they should be, or missing
					one := object.New()
					one.Set("id", tt.id)
					one.Set(name, v)
					if method != "add" && method != "remove" {
						c.call(method, one)
					}
				}
			}
			if c.torrents[tt.id] == nil {
				tt = opened(t, c, nil) // removed
			}
		}
	}
	if _, err := c.call("pieces", js.ValueOf(map[string]any{"id": tt.id, "first": 0, "last": 5})); err == nil {
		t.Error("there are five pieces")
	}
	if _, err := c.call("read", js.ValueOf(map[string]any{"id": tt.id, "file": 0, "start": 0, "end": 5, "port": map[string]any{}})); err == nil {
		t.Error("that is no port")
	}
	for id, other := range c.torrents {
		if id != tt.id {
			other.Close()
		}
	}
}

// What an engine is started with is kept within bounds.
func TestHostileSettings(t *testing.T) {
	odd := js.Global().Call("eval", oddities)
	for i := range odd.Length() {
		c := &Client{torrents: map[string]*tabTorrent{}}
		args := js.Global().Get("Object").New()
		for _, name := range methods["init"] {
			args.Set(name, odd.Index(i))
		}
		if _, err := c.call("init", args); err != nil && c.session == nil {
			t.Logf("%v: %v", odd.Index(i), err)
		}
		if c.session != nil {
			c.session.Close()
		}
	}
}
