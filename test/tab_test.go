//go:build unix

package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

func TestTabDownloadsFromShare(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for kind, path := range payloads(t, t.TempDir(), 50) {
		for _, format := range formats {
			t.Run(kind+" "+format, func(t *testing.T) {
				var args []string
				if format != "hybrid" {
					args = append(args, "--"+format)
				}
				n := rig.Share(t, path, args...)
				tab := rig.OpenTab(b.With(t), n)
				defer tab.Close()
				tab.Add(n.TorrentURL)
				tab.WaitDone(90 * time.Second)
				tab.Same(path)
			})
		}
	}
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the pages broke:\n%s", strings.Join(bad, "\n"))
	}
}

func TestTabDownloadsByMagnetAndHash(t *testing.T) {
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 51)
	n := rig.Share(t, tree)
	for name, source := range map[string]string{"magnet": n.Magnet, "link": n.Link, "hash": n.InfoHash} {
		t.Run(name, func(t *testing.T) {
			tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
			tab.Add(source)
			tab.WaitDone(90 * time.Second)
			tab.Same(tree)
		})
	}
}

func TestTabWithHiddenAddresses(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{MDNS: true})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 52)
	n := rig.Share(t, file)
	tab := rig.OpenTab(b.With(t), n)
	tab.Add(n.Link)
	tab.WaitDone(90 * time.Second)
	tab.Same(file)
}

func TestGetFromTab(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	dir := t.TempDir()
	file := filepath.Join(dir, "one file.bin")
	rig.Payload(t, file, 9<<20+99, 53)
	n := rig.Share(t, file, "--v1") // serves the page, and the bytes the tab makes its own torrent of
	tab := rig.OpenTab(b.With(t), n)
	magnet, _ := tab.Seed(n.StreamURL("one%20file.bin"), "from the tab.bin")
	for _, transport := range []string{"webrtc", "tcp,webrtc"} {
		to := t.TempDir()
		rig.Got(t, rig.Get(t, magnet, to, "--transport", transport), 90*time.Second)
		rig.Same(t, file, filepath.Join(to, "from the tab.bin"))
	}
}

// The swarm outlives whoever started it.
func TestTabToTabWithoutTheSharingProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 24<<20, 54)
	n := rig.Share(t, file)
	first := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	first.Add(n.Link)
	first.WaitDone(120 * time.Second)
	second := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	second.Throttle(3 << 20) // so that it is not complete when the node goes
	second.Add(n.Link)
	// Both have joined: the second has a connection to the node and one to the first tab.
	second.WaitFor(60*time.Second, "torrent.stats.peers >= 2 && torrent.stats.progress > 0")
	s := second.State()
	n.Kill()
	if s.Done {
		t.Fatal("the second tab was complete too early for this to show anything")
	}
	second.WaitDone(120 * time.Second)
	second.Same(file)
}

// A webtorrent.js tab and a Shoal tab feed each other, without any node of ours in the swarm.
func TestTabAndWebTorrentTab(t *testing.T) {
	site := rig.StartSite(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 6<<20, 55)
	page := rig.Share(t, rig.Path("testdata", "sample.mp4")) // another torrent: it only serves the page and its tracker
	tracker := "ws://" + page.HTTP + "/announce"

	up := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{})).Seed(site, file, tracker)
	down := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), page)
	down.Add(up.Magnet)
	down.WaitDone(90 * time.Second)
	down.Same(file)

	ours := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), page)
	magnet, _ := ours.Seed("http://"+page.HTTP+"/stream/"+page.InfoHash+"/sample.mp4", "again.mp4")
	theirs := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{}))
	theirs.Add(magnet)
	theirs.WaitDone(90 * time.Second)
	var got map[string]string
	theirs.Eval(time.Minute, "sha256()", &got)
	if sum := rig.Sum(t, rig.Path("testdata", "sample.mp4")); got["again.mp4"] != sum {
		t.Errorf("webtorrent.js got %v, want %s", got, sum)
	}
}

// Swarms of the wider world: somebody else's tracker, a node that gets its bytes over TCP.
func TestTabGetsWhatCameOverTCP(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "one.bin")
	rig.Payload(t, file, 12<<20, 56)
	torrent := filepath.Join(dir, "x.torrent")
	rig.LibtorrentCreate(t, file, torrent, "hybrid", "--tracker", "ws://"+rig.Tracker(t))
	seed := rig.LibtorrentSeed(t, torrent, dir)
	node := rig.Get(t, torrent, t.TempDir(), "--peer", rig.StartProxy(t, seed.Addr, 3<<20).Addr, "--seed")
	node.Event("metadata", 30*time.Second)
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), page)
	raw, err := os.ReadFile(torrent)
	if err != nil {
		t.Fatal(err)
	}
	tab.AddTorrent(raw)
	tab.WaitDone(90 * time.Second)
	tab.Same(file)
}

// The wasm and the scripts are small, and arrive compressed.
func TestSizeOfTheClient(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	total := 0
	for _, name := range []string{"shoal.wasm", "shoal.js", "shoal.worker.js", "shoal.sw.js", "app.js", "theme.js"} {
		req, _ := http.NewRequest("GET", "http://"+n.HTTP+"/"+name, nil)
		req.Header.Set("Accept-Encoding", "br")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != "br" || res.ContentLength <= 0 {
			t.Errorf("%s: %s, %v", name, res.Status, res.Header)
		}
		total += int(res.ContentLength)
	}
	if total > 880_000 {
		t.Errorf("wasm and js take %d bytes with brotli, more than 880 kB", total)
	}
}
