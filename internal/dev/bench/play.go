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
	b.rows = append(b.rows, mark(total <= 880_000, row{
		what: "wasm and js, brotli", ours: fmt.Sprintf("%.0f kB (wasm %.0f kB)", float64(total)/1e3, float64(wasm)/1e3),
		rival: "56 kB (webtorrent.min.js, which has no engine in wasm)", ratio: "-", target: "880 kB or less",
	}))
}
