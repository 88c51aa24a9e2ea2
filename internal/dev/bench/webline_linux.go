package main

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/test/rig"
)

// slowLine is how many bits a second the line carries, all together.
const slowLine = 1_000_000

// firstFrame tells when a page has a frame of a film.
const firstFrame = "document.addEventListener('loadeddata', () => { window.firstFrame ??= performance.now() / 1000; }, true)"

// webLine: how long a person with a slow line waits for a film, from the address on.
func (b *bench) webLine() {
	film := rig.Path("testdata", "sample.mp4")
	page := func() outcome {
		m := rig.NewSlowMachine(b, slowLine)
		n := m.ShareHere(film)
		p := b.calm(m.Browser(rig.BrowserConfig{})).OpenWith(n.Link, firstFrame)
		p.WaitFor(2*time.Minute, "window.firstFrame > 0")
		var o outcome
		p.Eval(10*time.Second, "window.firstFrame", &o.Frame)
		return o
	}
	bare := func(library string) outcome {
		m := rig.NewSlowMachine(b, slowLine)
		n := m.ShareHere(film)
		// What share makes of the file, for its own is out of reach from here.
		meta, err := shoal.Create(context.Background(), []string{film}, shoal.CreateOptions{V1: true, V2: true, Announce: [][]string{{"ws://" + n.HTTP + "/announce"}}})
		if err != nil {
			b.Fatalf("%v", err)
		}
		torrent := filepath.Join(b.TempDir(), "film.torrent")
		b.write(torrent, string(meta.Marshal()), 0o644)
		l := m.Listen()
		s := &site{bench: b, url: "http://" + l.Addr().String(), files: map[string]string{"/": rig.Path("test", "browser", "bench.html")}}
		server := &http.Server{Handler: s.handler()}
		go server.Serve(l)
		b.Cleanup(func() { server.Close() })
		t := s.visit(library, b.calm(m.Browser(rig.BrowserConfig{})), playing(s.offer(torrent)))
		t.WaitFor(2*time.Minute, "report().frame > 0 || report().error")
		return outcome{report: t.report()}
	}
	rounds := b.atMost(2)
	var shared pairs
	for range rounds {
		shared.ours = append(shared.ours, b.outcome("the share page on a slow line", page))
	}
	p := b.duel("a film on a slow line", rounds, bare)
	shared.theirs = p.theirs
	b.rows = append(b.rows,
		lineRow("first frame over a line of 1 Mbit/s after opening a share link; a bare page of webtorrent.js", shared, "10 s or less", func(ours, _ float64) bool { return in(ours, 10) }),
		lineRow("the same of a bare page", p, "-", func(ours, _ float64) bool { return ours > 0 }),
	)
}
