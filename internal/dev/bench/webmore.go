//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/test/rig"
)

// native is a client in this process that shares files: it counts what it sends.
type native struct {
	torrents []*shoal.Torrent
	files    []string // .torrent
}

// native shares each of the files as a torrent of its own.
func (b *bench) native(tracker string, files ...string) *native {
	client, err := shoal.New(shoal.Config{Local: true, PeerListen: "-", ICEServers: []string{}, NoDHT: true, NoLSD: true, NoNATMap: true})
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(client.Close)
	n := &native{}
	dir := b.TempDir()
	for i, file := range files {
		meta, err := shoal.Create(context.Background(), []string{file}, shoal.CreateOptions{V1: true, V2: true, Announce: [][]string{{tracker}}})
		if err != nil {
			b.Fatalf("%v", err)
		}
		t, err := client.Share(context.Background(), meta, file)
		if err != nil {
			b.Fatalf("%v", err)
		}
		at := filepath.Join(dir, strconv.Itoa(i)+".torrent")
		b.write(at, string(meta.Marshal()), 0o644)
		n.torrents, n.files = append(n.torrents, t), append(n.files, at)
	}
	return n
}

// webReload: a page that is loaded again when half of a large torrent is there.
func (b *bench) webReload() {
	size := 4 * b.webSize
	file := b.payload(size)
	s := b.startSite()
	tracker := "ws://" + rig.Tracker(b)
	var piece int64
	p := b.duel("reload", b.atMost(1), func(library string) outcome {
		n := b.native(tracker, file)
		piece = int64(n.torrents[0].Info().PieceLength)
		t := s.open(library, b.calm(rig.StartBrowser(b, rig.BrowserConfig{})), s.offer(n.files[0]))
		t.WaitFor(5*time.Minute, "report().progress >= 0.5 || report().error")
		t.report()
		t.Eval(10*time.Second, "void location.reload()", nil)
		o := outcome{report: t.wait(10 * time.Minute)}
		o.twice = n.torrents[0].Stats().Uploaded - size
		return o
	})
	name := sizeName(size)
	const open = 64 << 20 // what the engine keeps of pieces that are open
	b.rows = append(b.rows,
		p.row(name+", loaded again at 50 %: until bytes flow again", func(o outcome) float64 { return o.Moved }, inSeconds, "2 s or less", func(ours, _ float64) bool { return in(ours, 2) }),
		p.row(fmt.Sprintf("bytes that the seed sent twice then (pieces are of %d kB)", piece>>10), func(o outcome) float64 { return float64(o.twice) }, inMegabytes, "open pieces, at most 64 MiB",
			func(ours, _ float64) bool { return ours <= open }),
	)
}

// webMany: twenty torrents in a tab, and then in two more of its origin.
func (b *bench) webMany() {
	const torrents, budget = 20, 40
	dir := b.TempDir()
	var files []string
	for i := range torrents {
		file := filepath.Join(dir, fmt.Sprintf("%02d.bin", i))
		rig.Payload(b, file, b.webSize/64, uint64(time.Now().UnixNano()))
		files = append(files, file)
	}
	s := b.startSite()
	tracker := "ws://" + rig.Tracker(b)
	p := b.duel("twenty torrents", b.atMost(1), func(library string) outcome {
		var sources []string
		for _, f := range b.native(tracker, files...).files {
			sources = append(sources, s.offer(f))
		}
		browser := b.calm(rig.StartBrowser(b, rig.BrowserConfig{}))
		var tabs []tab
		start := time.Now()
		for range 3 {
			t := s.open(library, browser)
			tabs = append(tabs, t)
			t.add(sources...)
			t.wait(2 * time.Minute)
		}
		var o outcome
		o.Seconds = time.Since(start).Seconds()
		for _, t := range tabs {
			r := t.report()
			o.Refused += r.Refused
			o.Lost += r.Lost
			o.Open += r.Open
			o.Made += r.Made
			o.engines += r.Working
		}
		return o
	})
	count := func(v float64) string { return strconv.Itoa(int(v)) }
	what := strconv.Itoa(torrents) + " torrents in each of 3 tabs"
	b.rows = append(b.rows,
		p.row(what+": until all are there", func(o outcome) float64 { return o.Seconds }, inSeconds, "-", func(ours, _ float64) bool { return ours > 0 }),
		p.row(what+": connections refused or lost", func(o outcome) float64 { return float64(o.Refused + o.Lost) }, count, "none", func(ours, _ float64) bool { return ours == 0 }),
		p.row(what+": engines, as workers of the pages", func(o outcome) float64 { return float64(o.engines) }, count, "one", func(ours, _ float64) bool { return ours == 1 }),
		p.row(what+": open peer connections", func(o outcome) float64 { return float64(o.Open) }, count, strconv.Itoa(budget)+" or fewer", func(ours, _ float64) bool { return ours <= budget }),
	)
}

// webHidden: a tab behind another one, and the same tab in front.
func (b *bench) webHidden() {
	n := rig.Share(b, b.payload(b.webSize))
	s := b.startSite()
	torrent := s.offer(n.Torrent())
	measure := func(library string, hidden bool) outcome {
		what := library + " in front"
		if hidden {
			what = library + " behind another tab"
		}
		return b.outcome(what, func() outcome {
			browser := b.calm(rig.StartBrowser(b, rig.BrowserConfig{Background: true}))
			other := browser.Open("about:blank")
			t := s.open(library, browser)
			if hidden {
				other.Front()
			}
			t.WaitFor(10*time.Second, fmt.Sprintf("(document.visibilityState === 'hidden') === %v", hidden))
			settle()
			t.add(torrent)
			return outcome{report: t.wait(10 * time.Minute)}
		})
	}
	var hidden, visible pairs
	for i := range b.atMost(3) {
		for k := range 2 {
			into, behind := &visible, (i+k)%2 == 0
			if behind {
				into = &hidden
			}
			into.ours = append(into.ours, measure(ourLibrary, behind))
		}
	}
	both := pairs{ours: hidden.ours, theirs: visible.ours}
	r := both.row(sizeName(b.webSize)+" from `shoal share` to a Shoal tab behind another; the same in front", speedOf(b.webSize), inSpeed, "0.9 x or more", least(0.9))
	b.rows = append(b.rows, r)
}

// lineRow is the row of the first frame on a slow line.
func lineRow(what string, p pairs, target string, fine func(ours, ratio float64) bool) row {
	return p.row(what, func(o outcome) float64 { return o.Frame }, inSeconds, target, fine)
}

// playing is the query of a page that plays a torrent by itself.
func playing(torrent string) url.Values { return url.Values{"play": {torrent}} }
