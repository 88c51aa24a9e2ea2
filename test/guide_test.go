//go:build unix

package test

import (
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
	"github.com/shoal-p2p/shoal/web"
)

// site is a web site as the guide has it: the guide's pages as they are, beside the files of
// the build and the site's own, with a tracker at /announce.
type site struct {
	url, dir string
	visits   atomic.Int64 // announces of browsers
}

func newSite(t *testing.T) *site {
	t.Helper()
	_, tracker := startTracker(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: tracker})
	s := &site{dir: t.TempDir()}
	build := web.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announce" {
			if r.Header.Get("Origin") != "" {
				s.visits.Add(1)
			}
			proxy.ServeHTTP(w, r)
			return
		}
		for _, dir := range []string{rig.Path("docs", "guide"), s.dir} {
			path := filepath.Join(dir, filepath.FromSlash(r.URL.Path))
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				http.ServeFile(w, r, path)
				return
			}
		}
		build.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// torrent makes the .torrent of a file or folder of the site, and a node that seeds it.
func (s *site) torrent(t *testing.T, content, torrent string) *rig.Node {
	t.Helper()
	content, torrent = filepath.Join(s.dir, content), filepath.Join(s.dir, torrent)
	if r := rig.Run(t, "create", content, "--tracker", strings.Replace(s.url, "http", "ws", 1)+"/announce", "-o", torrent); r.Code != 0 {
		t.Fatalf("shoal create: %d\n%s", r.Code, r.Stderr)
	}
	return rig.Seed(t, torrent, filepath.Dir(content))
}

// film puts the sample film into the site.
func (s *site) film(t *testing.T, name string) {
	t.Helper()
	film, err := os.ReadFile(rig.Path("testdata", "sample.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), film, 0o644); err != nil {
		t.Fatal(err)
	}
}

const plays = "document.querySelector('shoal-player').currentTime > 0"

func TestGuidePlayAMagnet(t *testing.T) {
	s := newSite(t)
	s.film(t, "film.mp4")
	n := s.torrent(t, "film.mp4", "film.torrent")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(s.url + "/play.html")
	p.WaitFor(30*time.Second, "!!customElements.get('shoal-player')")
	p.Fill("input[name=link]", n.Magnet)
	p.Click("form button")
	p.WaitFor(60*time.Second, plays)
	p.WaitFor(10*time.Second, "document.querySelector('#about').textContent === 'film.mp4: 1 files'")
	sound(t, b)
}

func TestGuideDropToShare(t *testing.T) {
	s := newSite(t)
	text := strings.Repeat("passed from tab to tab\n", 20_000)
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sender := rig.StartBrowser(t, rig.BrowserConfig{})
	p := sender.With(t).Open(s.url + "/share.html")
	p.WaitFor(30*time.Second, "document.querySelector('input[type=file]')")
	p.Files("input[type=file]", file)
	p.WaitFor(60*time.Second, "document.querySelector('input[readonly]')")
	var link string
	p.Eval(10*time.Second, "document.querySelector('input[readonly]').value", &link)
	receiver := rig.StartBrowser(t, rig.BrowserConfig{})
	q := receiver.With(t).Open(link)
	q.WaitFor(60*time.Second, "document.querySelector('li a')?.href.startsWith('blob:')")
	q.WaitFor(20*time.Second, "document.querySelector('#state').textContent === 'notes.txt is complete.'")
	var got string
	q.Eval(20*time.Second, "fetch(document.querySelector('li a').href).then((r) => r.text())", &got)
	if got != text {
		t.Errorf("%d bytes arrived of %d", len(got), len(text))
	}
	sound(t, sender)
	sound(t, receiver)
}

func TestGuideGallery(t *testing.T) {
	s := newSite(t)
	if err := os.Mkdir(filepath.Join(s.dir, "pictures"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"first.png", "second.png", "<b>third.png"} {
		picture := image.NewRGBA(image.Rect(0, 0, 200, 150))
		for at := range picture.Pix {
			picture.Pix[at] = byte(at * (i + 3))
		}
		picture.Set(0, 0, color.White)
		f, err := os.Create(filepath.Join(s.dir, "pictures", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, picture); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	s.torrent(t, "pictures", "pictures.torrent")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(s.url + "/gallery.html")
	p.WaitFor(60*time.Second, "document.querySelectorAll('img').length === 3 && [...document.querySelectorAll('img')].every((i) => i.naturalWidth === 200)")
	p.WaitFor(10*time.Second, "[...document.querySelectorAll('figcaption')].some((c) => c.textContent === '<b>third.png') && !document.querySelector('main b')")
	p.WaitFor(10*time.Second, "!document.querySelector('progress') && document.querySelector('#state').textContent.startsWith('pictures, from ')")
	sound(t, b)
}

func TestGuideVideoSite(t *testing.T) {
	s := newSite(t)
	s.film(t, "videos/first.mp4")
	s.torrent(t, "videos/first.mp4", "videos/first.torrent")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(s.url + "/videos.html")
	p.WaitFor(30*time.Second, "document.querySelector('shoal-consent')?.offsetHeight > 0")
	p.Click("shoal-player [part=start]")
	p.WaitFor(10*time.Second, "document.querySelector('shoal-player').shadowRoot.querySelector('[part=message]').textContent.startsWith('Waiting for your answer')")
	time.Sleep(time.Second)
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d announces before there was an answer", n)
	}
	p.Click("shoal-consent [part~=yes]")
	p.WaitFor(60*time.Second, plays)
	rig.Poll(t, "the question for peers", 30*time.Second, func() bool { return s.visits.Load() > 0 })

	// The answer is remembered, and can be changed. Without peers the site alone delivers.
	p.Goto(s.url + "/videos.html")
	p.WaitFor(30*time.Second, "document.querySelector('shoal-consent')?.answer === true && document.querySelector('shoal-consent').offsetHeight === 0")
	p.Click("#ask")
	p.Click("shoal-consent [part~=no]")
	p.Close()
	other := b.With(t).Open(s.url + "/videos.html")
	other.WaitFor(30*time.Second, "document.querySelector('shoal-consent')?.answer === false && document.querySelector('shoal-consent').offsetHeight === 0")
	before := s.visits.Load()
	other.Eval(10*time.Second, "navigator.storage.getDirectory().then(async (d) => { for await (const name of d.keys()) await d.removeEntry(name, { recursive: true }); })", nil)
	other.Click("shoal-player [part=start]")
	other.WaitFor(60*time.Second, plays)
	other.WaitFor(30*time.Second, "document.querySelector('shoal-player').torrent.stats.fromWebSeeds > 0")
	var peers int
	other.Eval(10*time.Second, "document.querySelector('shoal-player').torrent.numPeers", &peers)
	if after := s.visits.Load(); after != before || peers != 0 {
		t.Errorf("%d announces and %d peers of somebody who said no", after-before, peers)
	}
	sound(t, b)
}

var listed = regexp.MustCompile(`\]\((\w+\.html)\)`)

// Every page of the guide is told of in its text.
func TestGuideListsItsPages(t *testing.T) {
	text, err := os.ReadFile(rig.Path("docs", "guide", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range listed.FindAllStringSubmatch(string(text), -1) {
		there[m[1]] = true
	}
	pages, err := filepath.Glob(rig.Path("docs", "guide", "*.html"))
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	for _, page := range pages {
		if !there[filepath.Base(page)] {
			t.Errorf("the guide says nothing of %s", filepath.Base(page))
		}
	}
}
