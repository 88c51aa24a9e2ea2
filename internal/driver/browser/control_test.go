//go:build js

package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	no, low   = torrent.Skip, torrent.Low
	yes, high = torrent.Normal, torrent.High
)

// opened is an album that a tab knows and has nothing of.
func opened(t *testing.T, c *Client, options map[string]any) *tabTorrent {
	t.Helper()
	args := map[string]any{"source": toJS(album(t, false).Marshal()), "trackers": []any{"wss://tracker.example/"}}
	for name, v := range options {
		args[name] = v
	}
	c.maxMemory, c.memoryLeft = 1<<20, 1<<20
	made, err := c.call("add", js.ValueOf(args))
	if err != nil {
		t.Fatal(err)
	}
	tt := c.torrents[made.(map[string]any)["id"].(string)]
	soon(t, "it is open", func() bool { return isDone(tt.Learned()) })
	return tt
}

// must calls a method about a torrent.
func must(t *testing.T, c *Client, method string, tt *tabTorrent, args map[string]any) {
	t.Helper()
	args["id"] = tt.id
	if _, err := c.call(method, js.ValueOf(args)); err != nil {
		t.Errorf("%s of %v: %v", method, args, err)
	}
}

// Of what was said of a file and of its pieces the last word holds.
func TestFilesAndPiecesAreChosen(t *testing.T) {
	c, events := tab(t, trackerSocket)
	tt := opened(t, c, map[string]any{"deselect": true})
	is := func(what string, want ...torrent.Priority) {
		t.Helper()
		c.mu.Lock()
		defer c.mu.Unlock()
		if got := tt.levels(tt.Info()); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", what, got, want)
		}
	}
	is("nothing is wanted", no, no, no, no, no)
	if c.complete(tt) || last(*events, "done").Truthy() {
		t.Error("nothing is complete")
	}
	must(t, c, "select", tt, map[string]any{"file": 1, "on": true, "priority": 3})
	is("the second file first", no, no, high, high, no)
	must(t, c, "pieces", tt, map[string]any{"first": 0, "last": 2, "priority": 1})
	is("pieces of two files", low, low, low, high, no)
	must(t, c, "select", tt, map[string]any{"file": 1, "on": true})
	is("the file again", low, low, yes, yes, no)
	must(t, c, "pieces", tt, map[string]any{"first": 0, "last": 4, "priority": 0})
	is("nothing again", no, no, no, no, no)
	must(t, c, "select", tt, map[string]any{"file": 2, "on": true, "priority": 1})
	is("the last file", no, no, no, no, low)
	if tt.Torrent.NumPeers() != 0 || isDone(tt.Done()) {
		t.Error("a file that was chosen is not missing")
	}
	if c.memoryLeft != 1<<20-40_000 { // of two files
		t.Errorf("%d bytes of memory are left", c.memoryLeft)
	}
}

// A torrent that is paused is announced nowhere, and asks nobody, until it goes on.
func TestAPauseEndsWhatBringsPeers(t *testing.T) {
	c, events := tab(t, trackerSocket+fakeSeeds)
	js.Global().Set("shoalEvent", js.FuncOf(func(_ js.Value, args []js.Value) any {
		*events = append(*events, args[0])
		return nil
	}))
	js.Global().Set("seedContent", toJS(make([]byte, 40_005)))
	tt := opened(t, c, map[string]any{"paused": true, "webSeeds": []any{"https://seed.example/"}})
	announced := func(what string) bool {
		return strings.Contains(js.Global().Get("announced").Call("join").String(), what)
	}
	soon(t, "its files are told", func() bool { return last(*events, "metadata").Truthy() })
	c.sendStats()
	if state := last(*events, "stats").Get("state").String(); state != "paused" || announced("info_hash") || js.Global().Get("seeds").Length() != 0 {
		t.Errorf("paused from the start: %s, announced %v, %d web seeds", state, announced("info_hash"), js.Global().Get("seeds").Length())
	}
	must(t, c, "pause", tt, map[string]any{"on": false})
	soon(t, "it is announced", func() bool { return announced("info_hash") })
	soon(t, "its web seed is asked", func() bool { return js.Global().Get("seeds").Length() == 1 })
	must(t, c, "pause", tt, map[string]any{"on": true})
	soon(t, "the tracker is told", func() bool { return announced(`"stopped"`) })
	soon(t, "the web seed is closed", func() bool { return js.Global().Get("seeds").Index(0).Get("closed").Int() == 1 })
	if len(tt.announces) != 0 || !tt.Paused() {
		t.Errorf("%d announcements go on", len(tt.announces))
	}
	must(t, c, "remove", tt, map[string]any{})
	if len(c.swarms) != 0 {
		t.Errorf("%d swarms are left of a torrent that is gone", len(c.swarms))
	}
}

// A web seed that the page names is asked, also beside as many as a torrent may have.
func TestThePageNamesWebSeeds(t *testing.T) {
	c, _ := tab(t, trackerSocket+fakeSeeds)
	js.Global().Set("seedContent", toJS(make([]byte, 40_005)))
	var own []any
	for i := range 6 {
		own = append(own, fmt.Sprint("https://own.example/lies", i))
	}
	tt := opened(t, c, map[string]any{"webSeeds": own})
	seeds := js.Global().Get("seeds")
	soon(t, "four are asked", func() bool { return seeds.Length() == maxWebSeeds })
	must(t, c, "webSeed", tt, map[string]any{"url": own[0]}) // asked already
	must(t, c, "webSeed", tt, map[string]any{"url": own[5]})
	must(t, c, "webSeed", tt, map[string]any{"url": "https://mine.example/"})
	soon(t, "the named ones are asked", func() bool { return seeds.Length() == maxWebSeeds+2 })
	if a, b := seeds.Index(4).Get("url").String(), seeds.Index(5).Get("url").String(); a != own[5] || b != "https://mine.example/" {
		t.Errorf("%s and %s are asked", a, b)
	}
	for i := range 2 * mostNamed {
		_, err := c.call("webSeed", js.ValueOf(map[string]any{"id": tt.id, "url": fmt.Sprint("https://mine.example/", i)}))
		if i > mostNamed && err == nil {
			t.Error("there is no end to web seeds")
		}
	}
}

// The page is told of every piece once, of those that were there before, too.
func TestPiecesAreTold(t *testing.T) {
	c, events := tab(t, trackerSocket+fakeSeeds)
	js.Global().Set("shoalEvent", js.FuncOf(func(_ js.Value, args []js.Value) any {
		*events = append(*events, args[0])
		return nil
	}))
	js.Global().Set("seedContent", toJS(make([]byte, 5*16<<10)))
	tt := opened(t, c, map[string]any{"webSeeds": []any{"https://seed.example/"}})
	soon(t, "it is complete", func() bool { return isDone(tt.Done()) })
	c.sendStats()
	if last(*events, "verified").Truthy() {
		t.Error("told though nobody listens")
	}
	must(t, c, "watch", tt, map[string]any{})
	c.sendStats()
	if have := last(*events, "verified").Get("have"); have.Length() != 1 || have.Index(0).Int() != 0b11111000 {
		t.Errorf("pieces %v", have)
	}
	n := len(*events)
	c.sendStats()
	for _, ev := range (*events)[n:] {
		if ev.Get("type").String() == "verified" {
			t.Error("told twice")
		}
	}
	// Critical pieces that are there keep nobody waiting.
	for range 2 * mostCritical {
		must(t, c, "critical", tt, map[string]any{"first": 0, "last": 4})
		soon(t, "it waits no more", func() bool { return tt.critical.Load() == 0 })
	}
}

// The .torrent of a torrent that came by a link is there once its piece layers are.
func TestATorrentIsMadeOnceItsLayersAreKnown(t *testing.T) {
	c, events := tab(t, trackerSocket)
	for _, meta := range []*metainfo.Torrent{album(t, true), single(t)} {
		tt := &tabTorrent{id: meta.Info.Key().String(), unwanted: map[int]bool{}}
		err := c.start(tt, driver.Options{Info: meta.Info}, func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			return c.content(ctx, tt, info)
		})
		if err != nil {
			t.Fatal(err)
		}
		soon(t, "its files are told", func() bool {
			return last(*events, "metadata").Truthy() && last(*events, "metadata").Get("id").String() == tt.id
		})
		small := len(meta.PieceLayers) == 0
		if got := last(*events, "metadata").Get("torrent"); got.IsNull() == small {
			t.Errorf("a torrent of %d piece layers: %v", len(meta.PieceLayers), got)
		}
		for root, layer := range meta.PieceLayers {
			if err := tt.layers.AddLayer(root, layer); err != nil {
				t.Fatal(err)
			}
		}
		fields := tt.sendMetadata(c)
		file := fields["torrent"].(js.Value)
		if file.IsNull() {
			t.Fatal("there is no .torrent though every layer is known")
		}
		b := make([]byte, file.Length())
		js.CopyBytesToGo(b, file)
		again, err := metainfo.Parse(b)
		if err != nil || again.Info.Key() != meta.Info.Key() || len(again.PieceLayers) != len(meta.PieceLayers) {
			t.Errorf("the .torrent: %v", err)
		}
	}
}

// single is a torrent whose only file is one piece.
func single(t *testing.T) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{Name: "one", Files: []metainfo.BuildFile{{Path: []string{"one"}, Length: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	b.SetPiece(0, b.HashPiece(0, make([]byte, b.PieceSize(0))))
	meta, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return meta
}
