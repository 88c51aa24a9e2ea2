//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/shoal-p2p/shoal/test/rig"
	"github.com/shoal-p2p/shoal/web"
)

// The libraries that are compared, as test/browser/bench.html calls them.
const (
	ourLibrary   = "shoal"
	theirLibrary = "webtorrent"
)

// site is the web site of both: one page, either library beside it, compressed alike, and files
// that are given to the page.
type site struct {
	*bench
	url string

	mu    sync.Mutex
	files map[string]string // path of the URL -> file
}

// startSite serves the page on loopback.
func (b *bench) startSite() *site {
	s := &site{bench: b, files: map[string]string{"/": rig.Path("test", "browser", "bench.html")}}
	server := httptest.NewServer(s.handler())
	b.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", web.Handler())
	for _, name := range []string{"webtorrent.min.js", "sw.min.js"} {
		text, err := os.ReadFile(rig.Path("test", "node_modules", "webtorrent", "dist", name))
		if err != nil {
			s.Fatalf("webtorrent.js is missing, `make setup` brings it: %v", err)
		}
		var small strings.Builder
		w := brotli.NewWriterLevel(&small, brotli.BestCompression)
		w.Write(text)
		w.Close()
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			w.Header().Set("Content-Encoding", "br")
			w.Header().Set("Cache-Control", "no-cache")
			fmt.Fprint(w, small.String())
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		file := s.files[r.URL.Path]
		s.mu.Unlock()
		if file == "" {
			mux.ServeHTTP(w, r)
			return
		}
		http.ServeFile(w, r, file)
	})
}

// offer serves a file and returns its address.
func (s *site) offer(file string) string {
	at := path.Join("/files", filepath.Base(filepath.Dir(file)), filepath.Base(file))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[at] = file
	return s.url + at
}

// tab is a page of one of the libraries in a browser.
type tab struct {
	*rig.Page
	b       *bench
	browser *rig.Browser
}

// open opens the page in a browser and waits until its library is ready. add are .torrents
// that the page takes by itself, whenever it is loaded.
func (s *site) open(library string, browser *rig.Browser, add ...string) tab {
	t := s.visit(library, browser, url.Values{"add": add})
	t.WaitFor(60*time.Second, "report().ready > 0 || report().error")
	t.report()
	return t
}

func (s *site) visit(library string, browser *rig.Browser, query url.Values) tab {
	query.Set("library", library)
	return tab{browser.Open(s.url + "/?" + query.Encode()), s.bench, browser}
}

// fresh is open in a browser that has never seen it.
func (s *site) fresh(library string) tab {
	return s.open(library, s.calm(rig.StartBrowser(s, rig.BrowserConfig{})))
}

// calm waits until a browser has done what it does after its start, by itself and on all
// processors: it loads pages of its own. People open a page when that is long over.
func (b *bench) calm(browser *rig.Browser) *rig.Browser {
	const step = 500 * time.Millisecond
	last := processor(browser)
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		time.Sleep(step)
		now := processor(browser)
		if now-last < 0.03 {
			break
		}
		last = now
	}
	return browser
}

// report is what the page says of itself. Times are in seconds, those of tasks in milliseconds.
type report struct {
	Error                  string
	Ready                  float64 // the library, after navigation
	First                  float64 // verified bytes, after add
	Seconds                float64 // from add to the end
	Moved                  float64 // first byte of content, after navigation
	Frame                  float64 // of the film, after navigation
	Tasks, Longest         float64 // long tasks of the page's thread since add
	Received, Progress     float64
	Done                   int // torrents
	Made, Used, Lost, Open int // peer connections; those used have carried content
	Refused                int // peer connections that the browser would not make
	Why                    string
	Working                int // workers that were started and not ended
}

// report fails with the page's own error.
func (t tab) report() report {
	var r report
	t.Eval(30*time.Second, "report()", &r)
	if r.Error != "" {
		t.b.Fatalf("the page: %s", r.Error)
	}
	return r
}

// add gives the page torrents. Their time begins when it has them.
func (t tab) add(sources ...string) {
	list, _ := json.Marshal(sources)
	t.Eval(30*time.Second, fmt.Sprintf("add(%s, %v)", list, len(sources) == 1), nil)
}

// wait waits until all that was added is there.
func (t tab) wait(limit time.Duration) report {
	t.WaitFor(limit, "report().seconds > 0 || report().error")
	return t.report()
}

// seed has the page share a file of the disk, and returns its magnet link and the seconds
// until it was known.
func (t tab) seed(file, tracker string) (magnet string, seconds float64) {
	t.Files("#file", file)
	var r struct {
		Magnet  string
		Seconds float64
	}
	t.Eval(5*time.Minute, fmt.Sprintf("seed([%q])", tracker), &r)
	t.report()
	return r.Magnet, r.Seconds
}

// begin starts the page's counters.
func (t tab) begin() { t.Eval(10*time.Second, "begin()", nil) }

// stored is how many bytes the page's origin keeps, as the browser sees it.
func (t tab) stored() (bytes int64) {
	t.Eval(10*time.Second, "stored()", &bytes)
	return bytes
}

// same fails unless the page's only file is that one.
func (t tab) same(file string) {
	var got map[string]string
	t.Eval(2*time.Minute, "sums()", &got)
	rig.SameSums(t.b, file, got)
}
