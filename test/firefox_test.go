//go:build unix

package test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// What people do, in Firefox.
func TestFirefox(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{Firefox: true})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *rig.Browser)
	}{
		{"plays a link", firefoxPlays},
		{"on a phone", firefoxOnAPhone},
		{"downloads", firefoxDownloads},
		{"shares a file", firefoxShares},
		{"goes on after a reload", firefoxReloads},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, b.With(t)) })
	}
	sound(t, b)
}

// A film of a link plays from the swarm while it arrives, and after a jump.
func firefoxPlays(t *testing.T, b *rig.Browser) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	p := b.Open(n.Link)
	defer p.Close()
	p.WaitFor(60*time.Second, playing)
	var src string
	p.Eval(10*time.Second, "document.querySelector('video').currentSrc", &src)
	if !strings.Contains(src, "/shoal-stream/") {
		t.Errorf("the video comes from %s, not from the swarm", src)
	}
	p.Eval(10*time.Second, "(() => { const v = document.querySelector('video'); v.currentTime = v.duration * 0.8 })()", nil)
	p.WaitFor(30*time.Second, "(() => { const v = document.querySelector('video'); return !v.seeking && v.currentTime > v.duration * 0.8 + 0.2 })()")
	p.WaitFor(30*time.Second, "window.shoal.torrents[0].done && window.shoal.torrents[0].stats.downloaded > 1_500_000")
	sameRules(t, p, src, n.StreamURL("sample.mp4"))
}

// On a phone's screen no page is wider than it.
func firefoxOnAPhone(t *testing.T, b *rig.Browser) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	const fits = "document.documentElement.scrollWidth <= innerWidth"
	for _, width := range []int{390, 320} {
		p := b.Open("about:blank")
		p.Viewport(width, 844)
		p.Goto("http://" + n.HTTP + "/")
		p.WaitFor(20*time.Second, "document.querySelector('#link-input')")
		p.WaitFor(5*time.Second, "innerWidth === "+itoa(width))
		p.WaitFor(5*time.Second, fits)
		p.Fill("#link-input", n.InfoHash)
		p.Press("Enter")
		p.WaitFor(60*time.Second, "document.querySelector('video')")
		p.WaitFor(5*time.Second, fits)
		p.Close()
	}
}

// Torrents of either version come from a native client.
func firefoxDownloads(t *testing.T, b *rig.Browser) {
	all := payloads(t, t.TempDir(), 91)
	for _, c := range []struct{ kind, format string }{{"file", "v1"}, {"file", "v2"}, {"folder", "hybrid"}} {
		t.Run(c.kind+" "+c.format, func(t *testing.T) {
			n := rig.Share(t, all[c.kind], "--"+c.format)
			tab := rig.OpenTab(b.With(t), n)
			defer tab.Close()
			tab.Add(n.TorrentURL)
			tab.WaitDone(60 * time.Second)
			tab.Same(all[c.kind])
		})
	}
}

// What is chosen in a tab goes to a native client, and to a tab of Chromium.
func firefoxShares(t *testing.T, b *rig.Browser) {
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	file := filepath.Join(t.TempDir(), "chosen file.bin")
	rig.Payload(t, file, 7<<20+3, 90)
	p := b.Open("http://" + page.HTTP + "/")
	defer p.Close()
	p.WaitFor(20*time.Second, "document.querySelector('#pick-files')")
	p.Files("#pick-files", file)
	link := shareLink(p)
	to := t.TempDir()
	rig.Got(t, rig.Get(t, link, to), 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "chosen file.bin"))

	other := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), page)
	other.Add(link)
	other.WaitDone(60 * time.Second)
	other.Same(file)
}

// Of what was there when the page was loaded again, nothing is fetched twice but what was on
// its way.
func firefoxReloads(t *testing.T, b *rig.Browser) {
	const size = 24 << 20
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, size, 93)
	n := rig.Share(t, file, "--v1", "--limit-up", "6M")
	p := b.Open(n.Link)
	defer p.Close()
	p.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.stats.progress > 0.4")
	var had int
	p.Eval(10*time.Second, "window.shoal.torrents[0].stats.have", &had)
	p.Goto("about:blank")
	p.Goto(n.Link)
	p.WaitFor(30*time.Second, "window.shoal?.torrents[0]?.stats.have >= "+itoa(had))
	p.WaitFor(60*time.Second, "window.shoal.torrents[0].done")
	var downloaded int
	p.Eval(10*time.Second, "window.shoal.torrents[0].stats.downloaded", &downloaded)
	if downloaded > size*7/10 {
		t.Errorf("%d of %d bytes were fetched after a reload at 40 %%", downloaded, size)
	}
}

// With its addresses hidden, as they are for people, a tab of Firefox finds a native client.
func TestFirefoxWithHiddenAddresses(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{Firefox: true, MDNS: true})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 92)
	// Firefox looks for peers on its default network alone then; that is not loopback.
	host := rig.HostAddress(t)
	n := rig.ShareOn(t, file, "--listen", host+":0", "--peer-listen", host+":0", "--stun", "none", "--no-dht", "--no-lsd", "--json")
	tab := rig.OpenTab(b, rig.Share(t, rig.Path("testdata", "sample.mp4")))
	tab.Add(n.Magnet)
	tab.WaitDone(60 * time.Second)
	tab.Same(file)
}
