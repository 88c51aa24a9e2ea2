//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// web: transfers between browsers and the rest. The ceiling is a bare sender
// into a bare tab; webtorrent.js is the rival.
func (b *bench) web() {
	file := b.payload(b.webSize)
	site := rig.StartSite(b)
	bare := b.bareTab(b.webSize, startBare)

	var ceiling, toWebTorrent, fromTab, fromWebTorrent, tabToTab, theirTabToTab runs
	for range b.times(3) {
		b.round("bare sender to bare tab", func() { ceiling.take(b.receive(bare, b.webSize)) })
		b.round("share to a webtorrent.js tab", func() {
			n := rig.Share(b, file)
			tab := site.OpenWebTorrent(rig.StartBrowser(b, rig.BrowserConfig{}))
			torrent := site.Offer(n.Torrent())
			settle()
			tab.Add(torrent)
			toWebTorrent.take(run{seconds: tab.WaitDone(5 * time.Minute).Seconds})
			tab.Same(file)
		})
		b.round("a Shoal tab to shoal get", func() {
			n := rig.Share(b, file, "--v1")
			tab := rig.OpenTab(rig.StartBrowser(b, rig.BrowserConfig{}), n)
			magnet, _ := tab.Seed(n.StreamURL(filepath.Base(file)), "copy.bin")
			settle()
			fromTab.take(run{seconds: b.getSeconds(magnet, file, "copy.bin")})
		})
		tracker := rig.Tracker(b)
		b.round("a webtorrent.js tab to shoal get", func() {
			tab := site.OpenWebTorrent(rig.StartBrowser(b, rig.BrowserConfig{}))
			up := tab.Seed(site, file, "ws://"+tracker)
			settle()
			fromWebTorrent.take(run{seconds: b.getSeconds(up.Magnet, file, filepath.Base(file))})
		})
		b.round("Shoal tab to Shoal tab", func() {
			page := rig.Share(b, rig.Path("testdata", "sample.mp4"))
			up := rig.OpenTab(rig.StartBrowser(b, rig.BrowserConfig{}), page)
			magnet, _ := up.Seed(site.Offer(file), "copy.bin")
			down := rig.OpenTab(rig.StartBrowser(b, rig.BrowserConfig{}), page)
			settle()
			down.Add(magnet)
			tabToTab.take(run{seconds: down.WaitDone(5 * time.Minute).Seconds})
		})
		b.round("webtorrent.js tab to webtorrent.js tab", func() {
			up := site.OpenWebTorrent(rig.StartBrowser(b, rig.BrowserConfig{})).Seed(site, file, "ws://"+tracker)
			down := site.OpenWebTorrent(rig.StartBrowser(b, rig.BrowserConfig{}))
			settle()
			down.Add(up.Magnet)
			theirTabToTab.take(run{seconds: down.WaitDone(5 * time.Minute).Seconds})
		})
	}
	size := sizeName(b.webSize)
	b.rows = append(b.rows,
		compare(size+" from `shoal share` to a webtorrent.js tab, bare sender to bare tab", b.webSize, toWebTorrent, ceiling, 0.9),
		compare(size+" into `shoal get`: from a Shoal tab, from a webtorrent.js tab", b.webSize, fromTab, fromWebTorrent, 0),
		compare(size+" tab to tab: Shoal, webtorrent.js", b.webSize, tabToTab, theirTabToTab, 0),
	)
}

// getSeconds downloads with shoal get and returns the seconds it says it took
// from its first to its last byte wanted.
func (b *bench) getSeconds(source, want, name string) float64 {
	to := b.TempDir()
	start := time.Now()
	get := rig.Get(b, source, to, "--transport", "webrtc")
	rig.Got(b, get, 5*time.Minute)
	seconds := time.Since(start).Seconds()
	rig.Same(b, want, filepath.Join(to, name))
	return seconds
}

// play: what a person waits for.
func (b *bench) play() {
	var frame, seek runs
	for range b.times(3) {
		b.round("first frame", func() {
			n := rig.Share(b, rig.Path("testdata", "sample.mp4"))
			browser := rig.StartBrowser(b, rig.BrowserConfig{})
			start := time.Now()
			p := browser.Open(n.Link)
			p.WaitFor(time.Minute, "document.querySelector('video')?.readyState >= 2 && document.querySelector('video').currentTime > 0")
			frame.take(run{seconds: time.Since(start).Seconds()})
		})
		b.round("seek", func() {
			film := rig.LongFilm(b, b.TempDir())
			n := rig.Share(b, film)
			p := rig.StartBrowser(b, rig.BrowserConfig{}).Open("http://" + n.HTTP + "/")
			p.Throttle(1 << 20)
			hash, _ := json.Marshal(n.InfoHash)
			p.Eval(10*time.Second, "location.hash = "+string(hash), nil)
			p.WaitFor(time.Minute, "document.querySelector('video')?.currentTime > 0")
			start := time.Now()
			p.Eval(10*time.Second, "(() => { const v = document.querySelector('video'); v.currentTime = v.duration * 0.8 })()", nil)
			p.WaitFor(time.Minute, "(() => { const v = document.querySelector('video'); return !v.seeking && v.readyState >= 3 && v.currentTime > v.duration * 0.8 + 0.01 })()")
			seek.take(run{seconds: time.Since(start).Seconds()})
		})
	}
	b.rows = append(b.rows,
		mark(in(frame.seconds(), 2), row{what: "first frame of the sample after opening the link", ours: fmt.Sprintf("%.2f s", frame.seconds()), rival: "-", ratio: "-", target: "under 2 s"}),
		mark(in(seek.seconds(), 2), row{what: "playing on after a jump to 80 % of an incomplete film, at 1 MiB/s", ours: fmt.Sprintf("%.2f s", seek.seconds()), rival: "-", ratio: "-", target: "under 2 s"}),
	)
}

// sizes: what a visitor downloads before anything happens.
func (b *bench) sizes() {
	var total, wasm int64
	names, err := filepath.Glob(rig.Path("web", "dist", "*.br"))
	if err != nil || len(names) == 0 {
		b.Fatalf("no compressed client in web/dist, `make web` builds it")
	}
	for _, name := range names {
		ext := filepath.Ext(name[:len(name)-len(".br")])
		if ext != ".js" && ext != ".wasm" {
			continue
		}
		st, err := os.Stat(name)
		if err != nil {
			b.Fatalf("%v", err)
		}
		total += st.Size()
		if ext == ".wasm" {
			wasm += st.Size()
		}
	}
	b.rows = append(b.rows, mark(total <= 900_000, row{
		what: "wasm and js, brotli", ours: fmt.Sprintf("%.0f kB (wasm %.0f kB)", float64(total)/1e3, float64(wasm)/1e3),
		rival: "56 kB (webtorrent.min.js, which has no engine in wasm)", ratio: "-", target: "at most 900 kB",
	}))
}
