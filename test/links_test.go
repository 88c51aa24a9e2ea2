//go:build unix

package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/test/rig"
)

// countConnections has a tab count the peer connections that it makes, and those that come
// about, and keep them.
const countConnections = `(() => {
  window.made = []; window.used = 0;
  const plain = RTCPeerConnection;
  window.RTCPeerConnection = class extends plain {
    constructor(config) {
      super(config);
      made.push(this);
      this.addEventListener('connectionstatechange', () => { if (this.connectionState === 'connected') used++; });
    }
  };
})()`

func connections(tab rig.Tab) (made, used, open int) {
	var n [3]int
	tab.Eval(time.Minute, "[made.length, used, made.filter((c) => c.connectionState !== 'closed').length]", &n)
	return n[0], n[1], n[2]
}

// Torrents that a tab shares with one peer share connections while they last, none is made in
// vain, and the budget holds.
func TestTwentyTorrentsOfATabShareConnections(t *testing.T) {
	const torrents, maxPeers = 20, 4
	dir := t.TempDir()
	first := filepath.Join(dir, "0.bin")
	rig.Payload(t, first, 300_000, 90)
	page := rig.Share(t, dir) // it only serves the page and its tracker
	tracker := "ws://" + page.HTTP + "/announce"
	client, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTabWith(b, page, fmt.Sprintf("{ trackers: ['%s'], maxPeers: %d }", tracker, maxPeers))
	tab.Eval(time.Minute, countConnections, nil)
	var hashes []string
	for k := range torrents {
		file := filepath.Join(dir, fmt.Sprintf("%d.bin", k))
		rig.Payload(t, file, 300_000, uint64(90+k))
		meta, err := shoal.Create(t.Context(), []string{file}, shoal.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Add(t.Context(), shoal.FromTorrent(meta), shoal.AddOptions{Dir: dir, Seed: true, Trackers: []string{tracker}}); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, "'"+meta.Info.HashV1.String()+"'")
	}
	tab.Eval(time.Minute, `(async () => {
	  window.most = 0;
	  setInterval(() => { most = Math.max(most, made.filter((c) => c.connectionState !== 'closed').length); }, 20);
	  window.all = await Promise.all([`+strings.Join(hashes, ", ")+`].map((hash) => shoal.add(hash)));
	})()`, nil)
	tab.WaitFor(90*time.Second, "all.every((torrent) => torrent.done)")
	made, used, _ := connections(tab)
	var most int
	tab.Eval(time.Minute, "most", &most)
	t.Logf("%d connections made, %d used, %d open at a time", made, used, most)
	if most > maxPeers {
		t.Errorf("%d connections open at a time, %d are allowed", most, maxPeers)
	}
	if used >= torrents || made > 2*used {
		t.Errorf("%d connections made and %d used for one peer", made, used)
	}
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the page broke:\n%s", strings.Join(bad, "\n"))
	}
}

// A tab makes two connections at most for one that it uses, goes on at once with another when
// it breaks, and holds none in reserve afterwards that nobody needs.
func TestATabMeetsALostPeerAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 12<<20, 92)
	n := rig.Share(t, file)
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	tab.Eval(time.Minute, countConnections, nil)
	tab.Throttle(3 << 20)
	tab.Add(n.Link)
	tab.WaitFor(time.Minute, "torrent.stats.progress > 0")
	made, used, _ := connections(tab)
	if used != 1 || made > 2 {
		t.Errorf("%d connections made for %d used", made, used)
	}
	tab.Eval(time.Minute, "made.find((c) => c.connectionState === 'connected').close()", nil)
	// The tracker asks for patience of minutes.
	tab.WaitDone(60 * time.Second)
	if _, used, _ := connections(tab); used < 2 {
		t.Error("the test has broken nothing")
	}
	tab.Same(file)
}

// Two tabs whose browsers hide their addresses meet.
func TestTabsWithHiddenAddresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 93)
	page := rig.Share(t, file, "--v1") // serves the page, and the bytes
	tracker := "ws://" + page.HTTP + "/announce"
	b := rig.StartBrowser(t, rig.BrowserConfig{MDNS: true})
	seed := rig.OpenTab(b, page)
	_, hash := seed.Seed(page.StreamURL("one.bin"), "other.bin")
	leech := rig.OpenTabWith(b, page, "{ storage: 'memory' }")
	leech.Add("magnet:?xt=urn:btih:" + hash + "&tr=" + tracker)
	leech.WaitDone(90 * time.Second)
	var got map[string]string
	leech.Eval(time.Minute, "sums()", &got)
	if sum := rig.Sum(t, file); got["other.bin"] != sum {
		t.Errorf("got %v, want %s", got, sum)
	}
}

// A tab that only downloads serves nobody, and says why, until it is told otherwise.
func TestATabMindsItsManners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 94)
	page := rig.Share(t, file, "--v1")
	tracker := "ws://" + page.HTTP + "/announce"
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	seed := rig.OpenTabWith(b, page, "{ manners: { upload: false } }")
	_, hash := seed.Seed(page.StreamURL("one.bin"), "other.bin")
	leech := rig.OpenTabWith(b, page, "{ storage: 'memory' }")
	leech.Add("magnet:?xt=urn:btih:" + hash + "&tr=" + tracker)
	leech.WaitFor(60*time.Second, "torrent.stats.peers === 1 && torrent.files.length === 1") // the name of things is no payload
	time.Sleep(3 * time.Second)
	var reason string
	seed.Eval(time.Minute, "shoal.manners.state.reason", &reason)
	if s := leech.State(); s.Progress > 0 || reason != "off" {
		t.Errorf("a tab that serves nobody (%q) served %v", reason, s.Progress)
	}
	seed.Eval(time.Minute, "shoal.manners.set({ upload: true })", nil)
	leech.WaitDone(60 * time.Second)
	seed.WaitFor(10*time.Second, "shoal.manners.totals.session.toPeers >= 3000000 && shoal.manners.totals.ever.toPeers >= 3000000")
	leech.WaitFor(10*time.Second, "shoal.manners.totals.session.fromPeers >= 3000000")
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the pages broke:\n%s", strings.Join(bad, "\n"))
	}
}
