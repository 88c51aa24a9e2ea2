//go:build unix

package main

import (
	"path/filepath"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// webOthers: what the other ends of tabs do. The ceiling is a bare sender into a bare tab.
func (b *bench) webOthers() {
	file := b.payload(b.webSize)
	s := b.startSite()
	bare := b.bareTab(b.webSize, startBare)
	tracker := "ws://" + rig.Tracker(b)
	var ceiling, toWebTorrent, fromTab, fromWebTorrent runs
	fetched := func(library string) runs {
		var r runs
		b.round("from a tab to shoal get: "+library, func() {
			magnet, _ := s.fresh(library).seed(file, tracker)
			settle()
			r.take(run{seconds: b.getSeconds(magnet, file, filepath.Base(file))})
		})
		return r
	}
	for range b.atMost(2) {
		b.round("bare sender to bare tab", func() { ceiling.take(b.receive(bare, b.webSize)) })
		b.round("share to a webtorrent.js tab", func() {
			torrent := s.offer(rig.Share(b, file).Torrent())
			t := s.fresh(theirLibrary)
			settle()
			t.add(torrent)
			toWebTorrent.take(run{seconds: t.wait(5 * time.Minute).Seconds})
		})
		fromTab = append(fromTab, fetched(ourLibrary)...)
		fromWebTorrent = append(fromWebTorrent, fetched(theirLibrary)...)
	}
	size := sizeName(b.webSize)
	b.rows = append(b.rows,
		compare(size+" from `shoal share` to a webtorrent.js tab, bare sender to bare tab", b.webSize, toWebTorrent, ceiling, 0.9),
		compare(size+" into `shoal get`: from a Shoal tab, from a webtorrent.js tab", b.webSize, fromTab, fromWebTorrent, 0),
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
