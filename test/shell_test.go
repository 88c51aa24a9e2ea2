//go:build unix

package test

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// kept is true once the service worker has the whole page of a version.
const kept = "caches.keys().then(async (names) => (await Promise.all(names.map(async (n) => (await (await caches.open(n)).keys()).some((r) => r.url.includes('index.html'))))).includes(true))"

// A film that was seen to its end lies in the browser: while the node is away the page opens,
// says so, lists it and plays it.
func TestThePageOpensWhileItsNodeIsAway(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.done")
	p.WaitFor(60*time.Second, kept)
	p.Close()
	n.Kill()

	p = b.With(t).Open("http://" + n.HTTP + "/")
	p.WaitFor(60*time.Second, "document.querySelector('.away')?.hidden === false && document.querySelector('.away').textContent.includes('cannot be reached')")
	p.WaitFor(60*time.Second, "document.querySelector('.kept')?.innerText.includes('sample.mp4') && document.querySelector('.kept').innerText.includes('complete')")
	p.Click(".kept a")
	p.WaitFor(60*time.Second, playing)
	p.WaitFor(30*time.Second, "document.querySelector('video').currentSrc.includes('/shoal-stream/')")
	p.WaitFor(10*time.Second, "document.querySelector('.state').textContent.includes('omplete')")
}

// renewable is a node of which an update can be feigned: the same page under another version.
type renewable struct {
	*httptest.Server
	renewed atomic.Bool
	old     string
}

const newVersion = "ffffffffff"

func newRenewable(t *testing.T, n *rig.Node) *renewable {
	t.Helper()
	node := &url.URL{Scheme: "http", Host: n.HTTP}
	page := string(rig.Fetch(t, node.String()+"/index.html"))
	r := &renewable{old: regexp.MustCompile(`data-version="([0-9a-f]+)"`).FindStringSubmatch(page)[1]}
	changed := map[string]string{}
	for _, name := range []string{"index.html", "app.js"} {
		changed["/"+name] = strings.ReplaceAll(string(rig.Fetch(t, node.String()+"/"+name)), r.old, newVersion)
	}
	changed["/"] = changed["/index.html"]
	changed["/shoal.sw.js"] = strings.ReplaceAll(string(rig.Fetch(t, node.String()+"/shoal.sw.js")), r.old, newVersion)
	proxy := httputil.NewSingleHostReverseProxy(node)
	types := map[string]string{".js": "text/javascript", ".html": "text/html", "": "text/html"}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		version := q.URL.Query().Get("v")
		if !r.renewed.Load() || version == "" && changed[q.URL.Path] == "" {
			proxy.ServeHTTP(w, q)
			return
		}
		if version != "" && version != newVersion {
			http.NotFound(w, q)
			return
		}
		if text := changed[q.URL.Path]; text != "" {
			w.Header().Set("Content-Type", types[filepath.Ext(q.URL.Path)])
			w.Header().Set("Cache-Control", "no-cache")
			io.WriteString(w, text)
			return
		}
		q.URL.RawQuery = ""
		proxy.ServeHTTP(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

// An update does not break pages that are open: they go on with their own version, also
// when their engine has to start again, until they are closed. A new page is of the new one.
func TestAnUpdateLeavesOpenPagesAlone(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	site := newRenewable(t, n)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	old := b.With(t).Open(site.URL + "/#" + n.InfoHash)
	old.WaitFor(60*time.Second, playing)
	old.WaitFor(60*time.Second, kept)
	// The service worker that serves a stream is not replaced before that has ended.
	old.WaitFor(60*time.Second, "window.shoal.torrents[0].done && (() => { const v = document.querySelector('video'); return v.buffered.length > 0 && v.buffered.end(v.buffered.length - 1) > v.duration - 0.5 })()")

	site.renewed.Store(true)
	fresh := b.With(t).Open(site.URL + "/")
	fresh.WaitFor(60*time.Second, "document.documentElement.dataset.version === "+js(newVersion))
	// The server has no old engine any more; the page gets it all the same.
	var status int
	old.Eval(20*time.Second, "fetch('shoal.wasm?v="+site.old+"').then((r) => r.arrayBuffer().then((b) => b.byteLength > 1e6 ? r.status : 0))", &status)
	if status != 200 {
		t.Errorf("the old page's engine: %d", status)
	}
	if res, _ := request(t, "GET", site.URL+"/shoal.wasm?v="+site.old); res.StatusCode != 404 {
		t.Fatalf("the server still has it: %s", res.Status)
	}
	// Its streams go on, whichever service worker brings them.
	old.Eval(20*time.Second, "fetch(shoal.torrents[0].files[0].streamURL, { headers: { Range: 'bytes=0-9' } }).then(async (r) => (await r.arrayBuffer()).byteLength === 10 ? r.status : 0)", &status)
	if status != 206 {
		t.Errorf("the old page's stream: %d", status)
	}
	sound(t, b)
}

// The files that are chosen come as one archive, whole and under names that stay where they are unpacked.
func TestFolderAsOneArchive(t *testing.T) {
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 81)
	n := rig.Share(t, tree)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, "document.querySelectorAll('.file input').length === 6")
	p.WaitFor(30*time.Second, "shoal.streaming")
	unpacked := func(path string) map[string]string {
		t.Helper()
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		sums := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, r); err != nil { // with its checksum
				t.Fatalf("%s: %v", f.Name, err)
			}
			r.Close()
			sums[strings.TrimPrefix(f.Name, "tree/")] = hex.EncodeToString(sum.Sum(nil))
		}
		return sums
	}
	same := func(got map[string]string, without string) {
		t.Helper()
		want := rig.Tree(t, tree)
		if without != "" {
			delete(want, without)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the archive has %v, want %v", got, want)
		}
	}
	all := filepath.Join(t.TempDir(), "all.zip")
	p.Download(".choice .button", all, 60*time.Second)
	same(unpacked(all), "")

	p.Eval(10*time.Second, "[...document.querySelectorAll('.file')].find((e) => e.innerText.includes('z.bin')).querySelector('input').click()", nil)
	p.WaitFor(5*time.Second, "document.querySelector('.choice').innerText.includes('5 chosen')")
	some := filepath.Join(t.TempDir(), "some.zip")
	p.Download(".choice .button", some, 60*time.Second)
	same(unpacked(some), "z.bin")
	sound(t, b)
}

// Where the engine takes long a film plays from the node meanwhile, and goes on from the swarm
// when the engine is there.
func TestAFilmPlaysBeforeTheEngineIsThere(t *testing.T) {
	film := rig.LongFilm(t, t.TempDir())
	n := rig.Share(t, film)
	node := &url.URL{Scheme: "http", Host: n.HTTP}
	proxy := httputil.NewSingleHostReverseProxy(node)
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/shoal.wasm" {
			select {
			case <-release:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	defer srv.Close()
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(srv.URL + "/#" + n.InfoHash)
	p.WaitFor(60*time.Second, playing)
	var src string
	p.Eval(10*time.Second, "document.querySelector('video').currentSrc", &src)
	if !strings.Contains(src, "/stream/"+n.InfoHash) {
		t.Errorf("without an engine the film comes from %s", src)
	}
	// From here on every place that is shown is noted.
	p.Eval(10*time.Second, `(() => {
	  window.places = [];
	  setInterval(() => {
	    const v = document.querySelector('video');
	    if (v) places.push([v.currentTime, v.currentSrc.includes('/shoal-stream/'), v.paused]);
	  }, 20);
	})()`, nil)
	close(release)
	p.WaitFor(60*time.Second, "document.querySelectorAll('video').length === 1 && document.querySelector('video').currentSrc.includes('/shoal-stream/')")
	p.WaitFor(30*time.Second, "places.filter(([, swarm]) => swarm).length > 50")
	var broken []any
	p.Eval(10*time.Second, "places.filter(([at], i) => i > 0 && (at < places[i - 1][0] - 0.3 || at > places[i - 1][0] + 0.6))", &broken)
	if len(broken) > 0 {
		t.Errorf("the film jumped: %v", broken)
	}
	p.WaitFor(10*time.Second, "document.querySelector('.torrent h1').textContent.length > 0 && !document.querySelector('.preview')")
	sound(t, b)
}

// Where the browser withholds the service worker a film plays all the same, and why it does
// so otherwise is said.
func TestWithoutAServiceWorker(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	other := rig.Share(t, rig.Path("testdata", "sample-tail.mp4"))
	for name, register := range map[string]string{"refused": "() => Promise.reject(new Error('blocked'))", "silent": "() => new Promise(() => {})"} {
		t.Run(name, func(t *testing.T) {
			b := rig.StartBrowser(t, rig.BrowserConfig{})
			init := "if (navigator.serviceWorker) navigator.serviceWorker.register = " + register
			p := b.With(t).OpenWith(n.Link, init)
			p.WaitFor(60*time.Second, playing)
			p.WaitFor(20*time.Second, "document.querySelector('video').currentSrc.includes('/stream/') && document.querySelector('.note').innerText.includes('service worker')")
			// One that this page's node does not have is read as a whole, and that is said.
			p.Eval(10*time.Second, `(() => {
			  window.words = new Set();
			  new MutationObserver(() => words.add(document.querySelector('.cover')?.innerText)).observe(document.body, { childList: true, subtree: true, characterData: true });
			  location.hash = `+js(other.Magnet)+`;
			})()`, nil)
			p.WaitFor(60*time.Second, "document.querySelector('video')?.currentSrc.startsWith('blob:') && document.querySelector('video').currentTime > 0")
			p.WaitFor(5*time.Second, "[...words].some((w) => w?.includes('whole file comes first'))")
			sound(t, b)
		})
	}
}

// What strangers send the page and its service worker does nothing; a name with script is text.
func TestHostileMessagesAndNames(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	const name = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>`
	p := b.With(t).Open("http://" + n.HTTP + "/#magnet:?xt=urn:btih:" + nobody + "&dn=" + url.QueryEscape(name))
	p.WaitFor(60*time.Second, "document.querySelector('h1')?.textContent === "+js(name))
	p.WaitFor(5*time.Second, "document.title.includes('<img') && !document.querySelector('h1 *') && window.hacked === undefined")

	p.Eval(10*time.Second, "location.hash = "+js(n.InfoHash), nil)
	p.WaitFor(60*time.Second, playing)
	p.Eval(10*time.Second, `(async () => {
	  const worker = navigator.serviceWorker.controller;
	  for (const data of [null, 5, 'shoalClaim', [], {}, { shoalPing: {} }, { shoalKeep: [], protocol: 'x' }, { shoalWant: { id: 1 } }]) {
	    worker.postMessage(data);
	    window.postMessage(data, '*');
	    navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data }));
	    navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data, ports: [new MessageChannel().port1] }));
	  }
	})()`, nil)
	// From another origin, which has the page in a window.
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<script>const w = open("http://%s/"); let n = 0; const t = setInterval(() => { for (const d of [null, 5, {call: 1, method: "remove", args: {id: %q}}, {shoalWant: {id: %q, file: 0}}, {fatal: "x"}]) w.postMessage(d, "*"); if (++n > 20) { clearInterval(t); document.title = "sent"; } }, 100);</script>`, n.HTTP, n.InfoHash, n.InfoHash)
	}))
	defer foreign.Close()
	f := b.With(t).Open(foreign.URL)
	f.WaitFor(20*time.Second, "document.title === 'sent'")
	p.WaitFor(10*time.Second, "window.shoal.torrents.length === 2 && (() => { const v = document.querySelector('video'); return v.currentTime > 0 && !v.error })()")
	var answer string
	p.Eval(20*time.Second, "fetch(shoal.torrents.find((t) => t.files.length).files[0].streamURL, { headers: { Range: 'bytes=5-9' } }).then(async (r) => r.status + ' ' + (await r.arrayBuffer()).byteLength)", &answer)
	if answer != "206 5" {
		t.Errorf("a stream after all that: %s", answer)
	}
	sound(t, b)
}

// Over plain http a page shares what is dropped on it, and gets what others have.
func TestPlainHTTPShares(t *testing.T) {
	host := rig.HostAddress(t)
	n := rig.ShareOn(t, rig.Path("testdata", "sample.mp4"), "--listen", host+":0", "--peer-listen", host+":0", "--no-dht", "--no-lsd", "--json")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + n.HTTP + "/")
	p.WaitFor(20*time.Second, "document.querySelector('.drop') && !isSecureContext && document.querySelector('#foot').innerText.includes('https')")
	file := filepath.Join(t.TempDir(), "chosen.bin")
	rig.Payload(t, file, 3<<20+7, 82)
	p.Files("#pick-files", file)
	link := shareLink(p)
	to := t.TempDir()
	rig.Got(t, rig.Get(t, link, to), 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "chosen.bin"))
	other := rig.StartBrowser(t, rig.BrowserConfig{}).Open(link)
	other.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.done")
	saved := filepath.Join(t.TempDir(), "saved.bin")
	other.Download("[data-download]", saved, 30*time.Second)
	rig.Same(t, file, saved)
	sound(t, b)
}

// What another program shares with the installed page, or clicks, is opened.
func TestLinksFromElsewhere(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for name, address := range map[string]string{
		"shared": "/?title=A+film&text=" + url.QueryEscape("Look at "+n.Magnet), "clicked": "/#" + url.QueryEscape(n.Magnet), "shared link": "/?url=" + url.QueryEscape(n.Link),
	} {
		t.Run(name, func(t *testing.T) {
			p := b.With(t).Open("http://" + n.HTTP + address)
			defer p.Close()
			p.WaitFor(60*time.Second, "document.querySelector('.torrent')?.dataset.id === "+js(n.InfoHash)+" && location.search === ''")
		})
	}
	var manifest struct {
		ShareTarget struct {
			Action string
			Params map[string]string
		} `json:"share_target"`
		ProtocolHandlers []struct{ Protocol, URL string } `json:"protocol_handlers"`
	}
	p := b.With(t).Open("http://" + n.HTTP + "/")
	p.Eval(10*time.Second, "fetch('manifest.webmanifest').then((r) => r.json())", &manifest)
	if manifest.ShareTarget.Action != "." || manifest.ShareTarget.Params["text"] != "text" || manifest.ProtocolHandlers[0].Protocol != "magnet" {
		t.Errorf("%+v", manifest)
	}
	p.WaitFor(20*time.Second, "document.querySelector('.drop')")
	p.Eval(10*time.Second, `(() => {
	  navigator.registerProtocolHandler = (...args) => (window.registered = args);
	  [...document.querySelectorAll('button')].find((b) => b.innerText === 'Open magnet links here').click();
	})()`, nil)
	var registered []string
	p.Eval(10*time.Second, "window.registered", &registered)
	if fmt.Sprint(registered) != fmt.Sprint([]string{"magnet", "http://" + n.HTTP + "/#%s"}) {
		t.Errorf("registered %q", registered)
	}
	sound(t, b)
}
