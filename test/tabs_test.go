//go:build unix

package test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/test/rig"
)

// sharing is watchful, with a tracker of its own and what a page hears of its engine.
func sharing(tracker string) string {
	return "({ ..." + watchful + ", trackers: ['" + tracker + "'] })"
}

// engines counts the workers and the open peer connections of a browser's tabs.
func engines(tabs ...rig.Tab) (workers, connections int) {
	for _, tab := range tabs {
		var n struct{ Workers, Open, Failed int }
		tab.Eval(10*time.Second, "({ workers: workers.length, open: open(), failed: connections.filter((pc) => pc.connectionState === 'failed').length })", &n)
		workers += n.Workers
		connections += n.Open
	}
	return workers, connections
}

// seedFiles has a process seed each file as a torrent of its own.
func seedFiles(t *testing.T, tracker string, files ...string) (metas []*metainfo.Torrent) {
	t.Helper()
	client, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, path := range files {
		meta, err := shoal.Create(t.Context(), []string{path}, shoal.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Add(t.Context(), shoal.FromTorrent(meta), shoal.AddOptions{Dir: filepath.Dir(path), Seed: true, Trackers: []string{tracker}})
		if err != nil {
			t.Fatal(err)
		}
		metas = append(metas, meta)
	}
	return metas
}

// Tabs of one origin are one peer, whichever of them asks for what.
func TestTabsShareOneEngine(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.bin"), filepath.Join(dir, "two.bin")
	rig.Payload(t, one, 6_000_000, 81)
	rig.Payload(t, two, 3_000_000, 82)
	page := rig.Share(t, rig.Path("testdata", "sample.mp4")) // it only serves the page
	_, addr := startTracker(t)
	tracker := "ws://" + addr + "/announce"
	metas := seedFiles(t, tracker, one, two)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	var tabs []rig.Tab
	for range 3 {
		tabs = append(tabs, rig.OpenTabWith(b, page, sharing(tracker)))
	}
	for _, tab := range tabs[1:] {
		tab.Add(metas[0].Info.HashV1.String())
	}
	tabs[0].Add(metas[1].Info.HashV1.String())
	for k, path := range []string{two, one, one} {
		tabs[k].WaitDone(60 * time.Second)
		tabs[k].WaitFor(10*time.Second, "torrent.storage.kind === 'opfs' && torrent.stats.progress === 1")
		tabs[k].Same(path)
	}
	// A torrent that all of it is there of, for who comes to it now.
	tabs[2].Add(metas[1].Info.HashV1.String())
	tabs[2].WaitDone(10 * time.Second)
	tabs[2].Same(two)
	if workers, connections := engines(tabs...); workers != 1 || connections > 2 {
		t.Errorf("three tabs have %d engines and %d connections to one peer", workers, connections)
	}
	swarm := func(meta *metainfo.Torrent, seeders int64) {
		t.Helper()
		rig.WaitSwarm(t, addr, [20]byte(meta.Info.HashV1), seeders, 0)
	}
	for _, meta := range metas {
		swarm(meta, 2) // the process, and one for all tabs
	}
	// A torrent ends with the last tab that has it.
	tabs[0].Eval(10*time.Second, "torrent.remove({ deleteData: true })", nil)
	tabs[2].Same(two)
	tabs[1].Eval(10*time.Second, "torrent.remove()", nil)
	tabs[2].Eval(10*time.Second, "shoal.get('"+metas[0].Info.HashV1.String()+"').remove()", nil)
	swarm(metas[0], 1)
	swarm(metas[1], 2)
	tabs[2].Close()
	swarm(metas[1], 1)
	sound(t, b)
}

// When the tab of the engine is closed in mid-download, another goes on where it was.
func TestAnotherTabTakesOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 40<<20, 83)
	n := rig.Share(t, file, "--limit-up", "4M")
	for name, end := range map[string]func(tab rig.Tab){
		"closed":    func(tab rig.Tab) { tab.Close() },
		"destroyed": func(tab rig.Tab) { tab.Eval(10*time.Second, "shoal.destroy()", nil) },
		"elsewhere": func(tab rig.Tab) { tab.Goto("about:blank") },
	} {
		t.Run(name, func(t *testing.T) {
			b := rig.StartBrowser(t, rig.BrowserConfig{})
			first := rig.OpenTabWith(b, n, watchful)
			first.Add(n.Link)
			first.WaitFor(60*time.Second, "torrent.stats.progress > 0.1")
			second, third := rig.OpenTabWith(b, n, watchful), rig.OpenTabWith(b, n, watchful)
			for _, tab := range []rig.Tab{second, third} {
				tab.Add(n.Link)
				tab.WaitFor(10*time.Second, "torrent.files.length > 0 && torrent.stats.have > 0")
				tab.Eval(10*time.Second, `(() => {
				  shoal.on('restart', () => {
				    window.over = Date.now();
				    torrent.on('stats', (s) => { if (s.downloaded > 0) window.on ??= Date.now(); });
				  });
				  const sum = (r) => r.arrayBuffer().then((b) => crypto.subtle.digest('SHA-256', b)).then(hex);
				  window.reading = torrent.files[0].blob().then(sum);
				  window.fetched = shoal.streaming.then(() => fetch(torrent.files[0].streamURL)).then(sum);
				})()`, nil)
			}
			second.WaitFor(60*time.Second, "torrent.stats.progress > 0.3")
			if workers, _ := engines(first, second, third); workers != 1 {
				t.Fatalf("%d engines", workers)
			}
			var had float64
			second.Eval(10*time.Second, "torrent.files[0].have", &had)
			start := time.Now()
			end(first)
			for _, tab := range []rig.Tab{second, third} {
				tab.WaitFor(30*time.Second, "window.on")
				var over, on int64
				tab.Eval(10*time.Second, "over", &over)
				tab.Eval(10*time.Second, "on", &on)
				t.Logf("an engine after %d ms, and more of the file after %d", over-start.UnixMilli(), on-start.UnixMilli())
			}
			for _, tab := range []rig.Tab{second, third} {
				tab.WaitDone(90 * time.Second)
				var r struct {
					Sum, Fetched string
					Downloaded   float64
				}
				tab.Eval(60*time.Second, "(async () => ({ sum: await reading, fetched: await fetched, downloaded: torrent.stats.downloaded }))()", &r)
				rig.SameSums(t, file, map[string]string{"one.bin": r.Sum})
				rig.SameSums(t, file, map[string]string{"one.bin": r.Fetched})
				if most := float64(40<<20) - had + 4<<20; r.Downloaded > most {
					t.Errorf("%.1f MB were fetched, though only %.1f were missing", r.Downloaded/(1<<20), (most-4<<20)/(1<<20))
				}
			}
			if workers, _ := engines(second, third); workers != 1 {
				t.Errorf("%d engines after it", workers)
			}
		})
	}
}

// A film goes on in one tab when the other, by whose engine it played, is closed.
func TestAFilmOutlivesTheTabOfItsEngine(t *testing.T) {
	film := rig.LongFilm(t, t.TempDir())
	n := rig.Share(t, film, "--limit-up", "600K")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	first := b.With(t).Open(n.Link)
	first.WaitFor(60*time.Second, playing)
	second := b.With(t).Open("about:blank")
	second.Goto("http://" + n.HTTP + "/")
	second.WaitFor(60*time.Second, "window.shoal")
	second.Eval(60*time.Second, "shoal.streaming", nil)
	second.Eval(10*time.Second, "location.hash = "+js(n.InfoHash), nil)
	second.WaitFor(60*time.Second, playing)
	first.Close()
	var at float64
	second.Eval(10*time.Second, "document.querySelector('video').currentTime", &at)
	second.WaitFor(60*time.Second, fmt.Sprintf("document.querySelector('video').currentTime > %f", at+20))
	var failed bool
	second.Eval(10*time.Second, "document.querySelector('video').error !== null", &failed)
	if failed {
		t.Error("the film broke off")
	}
	sound(t, b)
}

// Files that one tab shares stay with it whichever tab has the engine.
func TestASharingTabOutlivesTheTabOfTheEngine(t *testing.T) {
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	first, second := rig.OpenTabWith(b, page, watchful), rig.OpenTabWith(b, page, watchful)
	magnet, _ := second.Seed(page.StreamURL("sample.mp4"), "again.mp4")
	if workers, _ := engines(first, second); workers != 1 {
		t.Fatalf("%d engines", workers)
	}
	for range 2 {
		to := t.TempDir()
		rig.Got(t, rig.Get(t, magnet, to, "--transport", "webrtc"), 60*time.Second)
		rig.Same(t, rig.Path("testdata", "sample.mp4"), filepath.Join(to, "again.mp4"))
		if first.Page != nil {
			second.Eval(10*time.Second, "shoal.on('restart', () => { window.over = true; })", nil)
			first.Close()
			first.Page = nil
			second.WaitFor(30*time.Second, "window.over")
		}
	}
	sound(t, b)
}

// Many torrents and several tabs have one engine and its budget of connections.
func TestManyTorrentsInSeveralTabs(t *testing.T) {
	const torrents, most = 20, 40
	dir := t.TempDir()
	var files []string
	for k := range torrents {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%02d.bin", k)))
		rig.Payload(t, files[k], 400_000, uint64(200+k))
	}
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	tracker := "ws://" + rig.Tracker(t)
	metas := seedFiles(t, tracker, files...)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	var tabs []rig.Tab
	for range 3 {
		tabs = append(tabs, rig.OpenTabWith(b, page, sharing(tracker)))
	}
	for k, meta := range metas {
		for _, tab := range tabs[1+k%2:] { // the last has all of them
			tab.Add(meta.Info.HashV1.String())
		}
	}
	tabs[2].WaitFor(120*time.Second, fmt.Sprintf("window.failed || shoal.torrents.length === %d && shoal.torrents.every((t) => t.done)", torrents))
	workers, connections := engines(tabs...)
	if workers != 1 || connections > most {
		t.Errorf("%d engines with %d connections", workers, connections)
	}
	var broken struct {
		Failed string
		Lost   int
		Made   int
	}
	tabs[0].Eval(10*time.Second, "({ failed: window.failed ?? '', lost: connections.filter((pc) => pc.connectionState === 'failed').length, made: connections.length })", &broken)
	t.Logf("%d peer connections made, %d open", broken.Made, connections)
	if broken.Failed != "" || broken.Lost > 0 {
		t.Errorf("%+v", broken)
	}
	sound(t, b)
}
