//go:build unix

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// webRows are the measurements of the group web, each with how it is called on the command
// line. They come to some 20 minutes.
var webRows = []struct {
	name string
	run  func(*bench)
}{
	{"down", (*bench).webDown},     // from a native seed into a tab: speed, readiness, long tasks, CPU, connections
	{"tab", (*bench).webTab},       // from tab to tab
	{"memory", (*bench).webMemory}, // eight times as much, to disk
	{"seed", (*bench).webSeed},     // sharing a file of the disk
	{"line", (*bench).webLine},     // a film over a slow line
	{"reload", (*bench).webReload}, // a page that is loaded again in the middle
	{"many", (*bench).webMany},     // many torrents in three tabs
	{"hidden", (*bench).webHidden}, // a tab behind another
	{"others", (*bench).webOthers}, // what the tab's other ends do
	{"size", (*bench).sizes},       // what a visitor downloads
}

// web: what a page has of Shoal and of webtorrent.js. Both run in one and the same page.
func (b *bench) web() {
	chosen := strings.FieldsFunc(b.webRow, func(r rune) bool { return r == ',' })
	for _, r := range webRows {
		if len(chosen) > 0 && !slices.Contains(chosen, r.name) || r.name == "size" && b.only == "" {
			continue // the group of that name has told it
		}
		start := time.Now()
		// What a row has started ends with it, and when it fails the others go on.
		if err := b.round("web "+r.name, func() { r.run(b) }); err != nil {
			b.rows = append(b.rows, row{what: "web " + r.name, ours: failedBy(err), rival: "-", ratio: "-", target: "-"})
		}
		b.Logf("bench web %s took %s", r.name, time.Since(start).Round(time.Second))
	}
}

// atMost is how many pairs a row makes that takes long: as many as the others, but no more than n
// unless they are asked for.
func (b *bench) atMost(n int) int {
	if b.rounds > 0 {
		return min(b.rounds, 2*n)
	}
	return n
}

// webDown: from one native seed to a tab.
func (b *bench) webDown() {
	file := b.payload(b.webSize)
	n := rig.Share(b, file)
	s := b.startSite()
	torrent := s.offer(n.Torrent())
	checked := map[string]bool{}
	p := b.duel("native to a tab", b.times(5), func(library string) outcome {
		t := s.fresh(library)
		settle()
		before := processor(t.browser)
		t.add(torrent)
		r := t.wait(5 * time.Minute)
		o := outcome{report: r, cpu: processor(t.browser) - before}
		time.Sleep(2 * time.Second) // connections that are not needed go
		o.report.Open = t.report().Open
		if !checked[library] {
			t.same(file)
			checked[library] = true
		}
		return o
	})
	size := sizeName(b.webSize)
	b.rows = append(b.rows,
		p.row(size+" from `shoal share` to a tab", speedOf(b.webSize), inSpeed, "1.3 x or more", least(1.3)),
		p.row("API ready after navigation, in a new browser", func(o outcome) float64 { return o.Ready }, inMillis, "250 ms or less",
			func(ours, _ float64) bool { return in(ours, 0.25) }),
		p.row("from `add` of a .torrent to the first verified bytes", func(o outcome) float64 { return o.First }, inMillis, "0.5 x or less", most(0.5)),
		p.row("long tasks of the page's thread in that download", tasksOf, asMillis, "50 ms or less in all", func(ours, _ float64) bool { return ours <= 50 }),
		p.row("processor time of the browser, all its processes, in that download", func(o outcome) float64 { return o.cpu }, inSeconds, "0.7 x or less", most(0.7)),
		p.connections("in that download"),
	)
}

// connections is the row of the peer connections that a page made.
func (p pairs) connections(when string) row {
	text := func(all []outcome) string {
		if len(values(all, tasksOf)) == 0 {
			return told(all, tasksOf, inSeconds)
		}
		of := func(f func(outcome) int) float64 {
			return median(values(all, func(o outcome) float64 { return float64(f(o)) }))
		}
		return fmt.Sprintf("%g / %g / %g", of(func(o outcome) int { return o.Made }), of(func(o outcome) int { return o.Used }), of(func(o outcome) int { return o.Open }))
	}
	made := median(values(p.ours, func(o outcome) float64 { return quotient(float64(o.Made), float64(o.Used)) }))
	return mark(in(made, 2), row{what: "peer connections " + when + ": made / used / open two seconds later", ours: text(p.ours), rival: text(p.theirs), ratio: "-", target: "2 or fewer made for each used"})
}

// webTab: from a tab that shares a file to one that takes it, by a tracker that knows both.
func (b *bench) webTab() {
	file := b.payload(b.webSize)
	s := b.startSite()
	tracker := "ws://" + rig.Tracker(b)
	checked := map[string]bool{}
	p := b.duel("tab to tab", b.times(5), func(library string) outcome {
		up := s.fresh(library)
		magnet, _ := up.seed(file, tracker)
		down := s.fresh(library)
		settle()
		up.begin()
		before := processor(up.browser) + processor(down.browser)
		down.add(magnet)
		r := down.wait(5 * time.Minute)
		o := outcome{report: r, cpu: processor(up.browser) + processor(down.browser) - before}
		o.Tasks += up.report().Tasks
		time.Sleep(2 * time.Second)
		o.report.Open = down.report().Open
		if !checked[library] {
			down.same(file)
			checked[library] = true
		}
		return o
	})
	size := sizeName(b.webSize)
	b.rows = append(b.rows,
		p.row(size+" tab to tab", speedOf(b.webSize), inSpeed, "1.5 x or more", least(1.5)),
		p.row("long tasks of both pages' threads in that", tasksOf, asMillis, "50 ms or less in all", func(ours, _ float64) bool { return ours <= 50 }),
		p.row("processor time of both browsers in that", func(o outcome) float64 { return o.cpu }, inSeconds, "0.7 x or less", most(0.7)),
		p.connections("of the tab that takes"),
	)
}

// webMemory: what a tab takes while a large file goes through it to the disk.
func (b *bench) webMemory() {
	size := 8 * b.webSize
	n := rig.Share(b, b.payload(size))
	s := b.startSite()
	torrent := s.offer(n.Torrent())
	p := b.duel("memory", b.atMost(1), func(library string) outcome {
		t := s.fresh(library)
		settle()
		peak := t.peak()
		t.add(torrent)
		o := outcome{report: t.wait(10 * time.Minute)}
		o.memory, o.browser = peak()
		return o
	})
	b.rows = append(b.rows,
		p.row("memory of the tab at most, "+sizeName(size)+" to disk: PSS of the renderers that work for it, workers included", func(o outcome) float64 { return float64(o.memory) }, inMegabytes,
			"1.0 x or less, under 280 MB", func(ours, ratio float64) bool { return in(ours, 280e6) && in(ratio, 1) }),
		p.row("the same of the whole browser", func(o outcome) float64 { return float64(o.browser) }, inMegabytes, "-", func(ours, _ float64) bool { return ours > 0 }),
		p.row(sizeName(size)+" from `shoal share` to a tab", speedOf(size), inSpeed, "-", func(ours, _ float64) bool { return ours > 0 }),
	)
}

// webSeed: sharing a large file of the disk until its link is known.
func (b *bench) webSeed() {
	size := 4 * b.webSize
	file := b.payload(size)
	s := b.startSite()
	tracker := "ws://" + rig.Tracker(b)
	p := b.duel("seed", b.atMost(2), func(library string) outcome {
		t := s.fresh(library)
		settle()
		before := t.stored()
		used := processor(t.browser)
		peak := t.peak()
		_, seconds := t.seed(file, tracker)
		o := outcome{cpu: processor(t.browser) - used}
		o.report, o.stored = t.report(), t.stored()-before
		o.memory, o.browser = peak()
		o.Seconds = seconds
		return o
	})
	name := sizeName(size)
	b.rows = append(b.rows,
		p.row("`seed` of a File of "+name+" until the magnet link is known", func(o outcome) float64 { return o.Seconds }, inSeconds, "0.5 x or less", most(0.5)),
		p.row("processor time of the browser meanwhile", func(o outcome) float64 { return o.cpu }, inSeconds, "-", func(ours, _ float64) bool { return ours > 0 }),
		p.row("memory of the tab at most meanwhile", func(o outcome) float64 { return float64(o.memory) }, inMegabytes, "under 100 MB", func(ours, _ float64) bool { return in(ours, 100e6) }),
		p.row("bytes in the browser's storage afterwards", func(o outcome) float64 { return float64(o.stored) }, inMegabytes, "no copy", func(ours, _ float64) bool { return ours < float64(size)/20 }),
	)
}
