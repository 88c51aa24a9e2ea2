//go:build unix

package test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// nobody is the info hash of what nobody has.
var nobody = strings.Repeat("ab", 20)

// With nobody to be found the page says so after a while, though nothing has happened,
// and names the tracker that does not answer.
func TestPageSaysWhyNobodyIsFound(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + n.HTTP + "/#magnet:?xt=urn:btih:" + nobody + "&tr=ws%3A%2F%2F" + strings.ReplaceAll(dead, ":", "%3A"))
	p.WaitFor(60*time.Second, "document.querySelector('.hint')?.textContent.includes('Nobody who has this can be reached')")
	p.WaitFor(20*time.Second, "document.querySelector('.hint').textContent.includes("+js(dead+" (the connection could not be opened)")+")")
	p.WaitFor(20*time.Second, "document.querySelector('.trackers').innerText.includes('Trackers') && document.querySelector('.trackers li[data-state=failed]').textContent.includes("+js(dead)+")")
	p.WaitFor(20*time.Second, "document.querySelector('.state').textContent.startsWith('Nobody found yet')")
}

// A better link to what is open already brings the people that the first one lacked.
func TestABetterLinkIsTaken(t *testing.T) {
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	file := filepath.Join(t.TempDir(), "elsewhere.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("elsewhere\n", 5000)), 0o644); err != nil {
		t.Fatal(err)
	}
	other := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + page.HTTP + "/#" + other.InfoHash)
	p.WaitFor(60*time.Second, "window.shoal?.torrents.length === 1")
	p.Eval(10*time.Second, "location.hash = "+js(other.Magnet), nil)
	p.WaitFor(60*time.Second, "window.shoal.torrents[0].done && document.body.innerText.includes('elsewhere.txt')")
	// Whoever gets the link from here must find them too.
	p.WaitFor(10*time.Second, `decodeURIComponent(document.querySelector('input[aria-label="Share link"]').value).includes(`+js(other.HTTP)+`)`)
	var torrents int
	p.Eval(10*time.Second, "window.shoal.torrents.length", &torrents)
	if torrents != 1 {
		t.Errorf("%d torrents", torrents)
	}
}

// On the smallest phones nothing is cut off, and what one passes on does not lie below
// hundreds of files. Their padding does not cross the wire.
func TestSmallPhonesAndManyFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "many")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range 520 {
		size := 200 + i%300
		total += size
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file %03d with a rather long name.bin", i)), []byte(strings.Repeat("x", size)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := rig.Share(t, dir)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	const fits = "document.documentElement.scrollWidth <= innerWidth"
	for _, width := range []int{320, 360, 390} {
		for place, shown := range map[string]string{"": "#link-input", n.InfoHash: ".file", nobody: ".pending"} {
			p := b.With(t).Open("about:blank")
			p.Viewport(width, 700)
			p.Goto("http://" + n.HTTP + "/#" + place)
			p.WaitFor(60*time.Second, "document.querySelector("+js(shown)+")")
			p.WaitFor(5*time.Second, fits)
			if place == n.InfoHash {
				p.WaitFor(5*time.Second, "document.querySelector('.share').getBoundingClientRect().top + scrollY < 1000")
			}
			p.Close()
		}
	}
	p := rig.StartBrowser(t, rig.BrowserConfig{}).Open(n.Link)
	p.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.done")
	var downloaded int
	p.Eval(10*time.Second, "window.shoal.torrents[0].stats.downloaded", &downloaded)
	if downloaded > total*11/10 {
		t.Errorf("%d bytes came for files of %d", downloaded, total)
	}
}

// A film's subtitles are offered with it, texts are read in their own encoding, and names
// that are written from right to left are not cut to pieces.
func TestFolderOfAFilm(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "film")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	film, err := os.ReadFile(rig.Path("testdata", "sample.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	russian := []byte("\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0! \xdd\xf2\xee \xf2\xe5\xea\xf1\xf2.") // Windows-1251
	const hebrew = "שלום עולם וזה שם ארוך מאוד של קובץ אחד.txt"
	for name, content := range map[string][]byte{
		"film.mp4": film, "film.ru.srt": append([]byte("1\r\n00:00:00,000 --> 00:01:00,000\r\n"), russian...),
		"notes.txt": russian, hebrew: []byte("x"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := rig.Share(t, dir)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, playing)
	p.WaitFor(30*time.Second, "document.querySelector('video track')?.srclang === 'ru'")
	p.Eval(10*time.Second, "document.querySelector('video').textTracks[0].mode = 'showing'", nil)
	p.WaitFor(20*time.Second, "document.querySelector('video').textTracks[0].cues?.[0]?.text === 'Привет, мир! Это текст.'")
	p.WaitFor(5*time.Second, "navigator.mediaSession.metadata?.title === 'film.mp4'")
	p.WaitFor(5*time.Second, "[...document.querySelectorAll('.file-name')].some((e) => e.children.length === 1 && e.textContent === "+js(hebrew)+")")
	p.Eval(10*time.Second, "[...document.querySelectorAll('.file-open')].find((e) => e.textContent.includes('notes.txt')).click()", nil)
	p.WaitFor(30*time.Second, "document.querySelector('.stage pre')?.textContent === 'Привет, мир! Это текст.'")
	sound(t, b)
}

// A torrent whose sender dies is not said to go on, and the title of a hidden tab is kept.
func TestADeadSenderIsNoticed(t *testing.T) {
	film := rig.LongFilm(t, t.TempDir())
	n := rig.Share(t, film, "--limit-up", "300K")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, "document.querySelector('.state')?.textContent === 'Downloading'")
	p.Eval(10*time.Second, "Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' }), window.requestAnimationFrame = () => 0", nil)
	var before string
	p.Eval(10*time.Second, "document.title", &before)
	p.WaitFor(60*time.Second, "document.title !== "+js(before))
	n.Proc.Kill()
	p.WaitFor(60*time.Second, "/^(Connected, waiting|Waiting for someone)/.test(document.querySelector('.state').textContent) && !document.querySelector('.state-share').textContent.includes('left')")
	p.WaitFor(60*time.Second, "document.querySelector('#peers-title').textContent === 'Nobody connected any more'")
}

// On a slow line the page says how much of the engine has come, and the engine comes once.
func TestTheEngineOnASlowLine(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	node := &url.URL{Scheme: "http", Host: n.HTTP}
	var sent atomic.Int64
	engine := rig.Fetch(t, node.String()+"/shoal.wasm")
	size := int64(len(engine))
	proxy := httputil.NewSingleHostReverseProxy(node)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/shoal.wasm" {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/wasm")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `"engine"`)
		if r.Header.Get("If-None-Match") == `"engine"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		for part := range 20 {
			k, err := w.Write(engine[int64(part)*size/20 : int64(part+1)*size/20])
			sent.Add(int64(k))
			if err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond)
		}
	}))
	defer srv.Close()
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(srv.URL + "/#" + n.InfoHash)
	p.WaitFor(60*time.Second, "/^Getting ready: .* of .*B$/.test(document.querySelector('.waiting p')?.textContent) && !document.querySelector('.waiting .bar').hidden")
	p.WaitFor(60*time.Second, playing)
	if sent.Load() > size {
		t.Errorf("%d bytes were sent of an engine of %d", sent.Load(), size)
	}
	sound(t, b)
}

// Who reloads the tab that shared, and drops the same file again, shares it again by the
// same link: the files are better than looking for them.
func TestDroppedAgainAfterAReload(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + n.HTTP + "/")
	p.WaitFor(20*time.Second, "document.querySelector('.drop')")
	drop := func() {
		t.Helper()
		p.Eval(20*time.Second, `(() => {
		  const transfer = new DataTransfer();
		  transfer.items.add(new File(['again and again\n'.repeat(5000)], 'again.txt', { type: 'text/plain' }));
		  for (const type of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
		})()`, nil)
	}
	drop()
	link := shareLink(p)
	p.Eval(10*time.Second, "void location.reload()", nil)
	p.WaitFor(60*time.Second, "window.shoal?.torrents.length === 1 && !window.shoal.torrents[0].own")
	drop()
	p.WaitFor(60*time.Second, "document.querySelector('.torrent')?.dataset.own === 'true' && window.shoal.torrents.length === 1")
	to := t.TempDir()
	rig.Got(t, rig.Get(t, link, to), 60*time.Second)
	if got, err := os.ReadFile(filepath.Join(to, "again.txt")); err != nil || string(got) != strings.Repeat("again and again\n", 5000) {
		t.Errorf("the link gave %d bytes, %v", len(got), err)
	}
}
