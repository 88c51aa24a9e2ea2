//go:build unix

package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

func TestWebTorrentDownloadsFromShare(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for kind, path := range payloads(t, t.TempDir(), 40) {
		for _, format := range []string{"hybrid", "v1"} { // webtorrent.js knows no v2
			t.Run(kind+" "+format, func(t *testing.T) {
				var args []string
				if format != "hybrid" {
					args = append(args, "--"+format)
				}
				n := rig.Share(t, path, args...)
				tab := site.OpenWebTorrent(b.With(t))
				defer tab.Close()
				tab.Add(site.Offer(n.Torrent()))
				tab.WaitDone(90 * time.Second)
				tab.Same(path)
			})
		}
	}
}

func TestWebTorrentDownloadsByMagnet(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 41)
	n := rig.Share(t, tree)
	tab := site.OpenWebTorrent(b.With(t))
	tab.Add(n.Magnet)
	tab.WaitDone(90 * time.Second)
	tab.Same(tree)
}

// As it is for people: the browser hides its addresses behind .local names.
func TestWebTorrentWithHiddenAddresses(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{MDNS: true})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 42)
	n := rig.Share(t, file)
	tab := site.OpenWebTorrent(b.With(t))
	tab.Add(n.Magnet)
	tab.WaitDone(90 * time.Second)
	tab.Same(file)
}

func TestGetFromWebTorrent(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tracker := rig.Tracker(t)
	file := filepath.Join(t.TempDir(), "one file.bin")
	rig.Payload(t, file, 9<<20+77, 43)
	up := site.OpenWebTorrent(b.With(t)).Seed(site, file, "ws://"+tracker)
	to := t.TempDir()
	rig.Got(t, rig.Get(t, up.Magnet, to), 90*time.Second)
	rig.Same(t, file, filepath.Join(to, "one file.bin"))

	torrent := filepath.Join(t.TempDir(), "x.torrent")
	if err := os.WriteFile(torrent, up.Torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	to = t.TempDir()
	rig.Got(t, rig.Get(t, torrent, to, "--transport", "webrtc"), 90*time.Second)
	rig.Same(t, file, filepath.Join(to, "one file.bin"))
}

// Two webtorrent.js tabs meet through our tracker.
func TestWebTorrentTabsUseOurTracker(t *testing.T) {
	site := rig.StartSite(t)
	_, tracker := startTracker(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 44)
	up := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{})).Seed(site, file, "ws://"+tracker+"/announce")
	down := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{}))
	down.Add(up.Magnet)
	down.WaitDone(90 * time.Second)
	down.Same(file)
}

// One node, two worlds: what it gets over TCP goes on to a tab while it is
// still arriving, and what a tab seeds goes on to a TCP client.
func TestBridge(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})

	t.Run("from TCP to a tab", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "one.bin")
		rig.Payload(t, file, 12<<20, 45)
		torrent := filepath.Join(dir, "x.torrent")
		rig.LibtorrentCreate(t, file, torrent, "hybrid", "--tracker", "ws://"+rig.Tracker(t))
		seed := rig.LibtorrentSeed(t, torrent, dir)
		line := rig.StartProxy(t, seed.Addr, 3<<20)
		to := t.TempDir()
		node := rig.Get(t, torrent, to, "--peer", line.Addr, "--seed")
		node.Event("metadata", 30*time.Second)
		tab := site.OpenWebTorrent(b.With(t))
		defer tab.Close()
		tab.Add(site.Offer(torrent))
		tab.WaitFor(60*time.Second, "progress().progress > 0")
		if len(node.Events("done")) > 0 {
			t.Log("the node was complete before the tab's first piece")
		}
		tab.WaitDone(90 * time.Second)
		tab.Same(file)
	})

	t.Run("from a tab to TCP", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "one.bin")
		rig.Payload(t, file, 6<<20, 46)
		up := site.OpenWebTorrent(b.With(t)).Seed(site, file, "ws://"+rig.Tracker(t))
		torrent := filepath.Join(t.TempDir(), "x.torrent")
		if err := os.WriteFile(torrent, up.Torrent, 0o644); err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		down := rig.LibtorrentGet(t, torrent, to)
		node := rig.Get(t, torrent, t.TempDir(), "--peer", down.Addr, "--seed")
		down.Event("done", 90*time.Second)
		node.Event("done", 30*time.Second)
		rig.Same(t, file, filepath.Join(to, "one.bin"))
	})
}
