//go:build unix

package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// The foreign clients among themselves: when these fail, the machine or the
// rig is to blame, not the product.

func TestRigLibtorrentPair(t *testing.T) {
	dir := t.TempDir()
	tree := rig.PayloadTree(t, dir, "tree", 1)
	for _, format := range []string{"v1", "v2", "hybrid"} {
		t.Run(format, func(t *testing.T) {
			torrent := filepath.Join(t.TempDir(), "x.torrent")
			rig.LibtorrentCreate(t, tree, torrent, format)
			seed := rig.LibtorrentSeed(t, torrent, dir)
			to := t.TempDir()
			get := rig.LibtorrentGet(t, torrent, to, "--connect", seed.Addr)
			get.Event("done", 60*time.Second)
			get.Close()
			rig.Same(t, tree, filepath.Join(to, "tree"))
		})
	}
}

func TestRigTransmissionFromLibtorrent(t *testing.T) {
	dir := t.TempDir()
	tree := rig.PayloadTree(t, dir, "tree", 2)
	torrent := filepath.Join(dir, "x.torrent")
	rig.LibtorrentCreate(t, tree, torrent, "v1")
	to := t.TempDir()
	down := rig.StartTransmission(t, torrent, to, "127.0.0.1")
	down.WaitListening(30 * time.Second)
	rig.LibtorrentSeed(t, torrent, dir, "--connect", down.Addr)
	down.WaitDone(60 * time.Second)
	rig.Same(t, tree, filepath.Join(to, "tree"), "empty.txt") // it makes no empty files
}

func TestRigLibtorrentFromTransmission(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "one.bin")
	rig.Payload(t, file, 5<<20+1, 3)
	torrent := filepath.Join(dir, "x.torrent")
	rig.LibtorrentCreate(t, file, torrent, "v1")
	up := rig.StartTransmission(t, torrent, dir, "127.0.0.1")
	up.WaitListening(30 * time.Second)
	to := t.TempDir()
	rig.LibtorrentGet(t, torrent, to, "--connect", up.Addr).Event("done", 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
}

func TestRigWebTorrentTabToTab(t *testing.T) {
	tracker := rig.Tracker(t)
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 4<<20+5, 4)
	up := site.OpenWebTorrent(b).Seed(site, file, "ws://"+tracker)
	// Two tabs of one site share their storage; another profile shares nothing.
	down := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{}))
	down.Add(up.Magnet)
	down.WaitDone(150 * time.Second) // an offer that is lost is made again after two minutes
	down.Same(file)
}

func TestSampleClipsPlay(t *testing.T) {
	site := rig.StartSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for _, name := range []string{"sample.mp4", "sample-tail.mp4"} {
		st, err := os.Stat(rig.Path("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Size() > 2_000_000 {
			t.Errorf("%s has %d bytes", name, st.Size())
		}
		p := b.Open(site.URL)
		p.Eval(10*time.Second, `(() => { const v = document.createElement('video'); v.src = '`+site.Offer(rig.Path("testdata", name))+`'; document.body.append(v); v.play(); })()`, nil)
		p.WaitFor(20*time.Second, "document.querySelector('video').currentTime > 0.3")
		var v struct{ Duration, Width, Sound float64 }
		p.Eval(10*time.Second, `(() => { const v = document.querySelector('video'); return { duration: v.duration, width: v.videoWidth, sound: v.webkitAudioDecodedByteCount } })()`, &v)
		if v.Duration < 15 || v.Width != 640 || v.Sound == 0 {
			t.Errorf("%s: %+v, want 15 s or more, 640 wide, with sound", name, v)
		}
	}
}
