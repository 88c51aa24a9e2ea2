//go:build unix

package rig

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Site is a small web site on loopback: the page of webtorrent.js and files to hand to it.
type Site struct {
	URL string

	mu    sync.Mutex
	files map[string]string // path of the URL -> file
}

// StartSite serves test/browser/webtorrent.html with webtorrent.min.js.
func StartSite(t T) *Site {
	t.Helper()
	bundle := Path("test", "node_modules", "webtorrent", "dist", "webtorrent.min.js")
	if _, err := os.Stat(bundle); err != nil {
		t.Fatalf("webtorrent.js is missing, `make setup` brings it: %v", err)
	}
	s := &Site{files: map[string]string{
		"/":                  Path("test", "browser", "webtorrent.html"),
		"/webtorrent.min.js": bundle,
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		file := s.files[r.URL.Path]
		s.mu.Unlock()
		if file == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "*") // the tabs of nodes take files from here
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Offer serves a file and returns its address.
func (s *Site) Offer(file string) string {
	path := "/files/" + filepath.Base(file)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = file
	return s.URL + path
}

// WebTorrent is a tab that runs webtorrent.min.js.
type WebTorrent struct{ *Page }

// OpenWebTorrent opens such a tab.
func (s *Site) OpenWebTorrent(b *Browser) WebTorrent {
	b.t.Helper()
	p := b.Open(s.URL)
	p.WaitFor(30*time.Second, "window.ready === true")
	return WebTorrent{p}
}

// Add starts the download of a magnet link or of a .torrent offered by the
// site; announce replaces its trackers when given.
func (w WebTorrent) Add(source string, announce ...string) {
	w.b.t.Helper()
	args := quote(source)
	if len(announce) > 0 {
		args += ", " + quote(announce)
	}
	w.Eval(30*time.Second, "add("+args+")", nil)
}

// Seeded is what webtorrent.js made of a file.
type Seeded struct {
	Magnet, InfoHash string
	Torrent          []byte
}

// Seed has the tab fetch a file from the site and seed it.
func (w WebTorrent) Seed(s *Site, file, announce string) Seeded {
	w.b.t.Helper()
	var r struct{ Magnet, InfoHash, Torrent string }
	w.Eval(2*time.Minute, "seed("+quote(s.Offer(file))+", "+quote(filepath.Base(file))+", "+quote(announce)+")", &r)
	torrent, err := base64.StdEncoding.DecodeString(r.Torrent)
	if err != nil {
		w.b.t.Fatalf("webtorrent.js: %v", err)
	}
	return Seeded{r.Magnet, r.InfoHash, torrent}
}

// WebTorrentProgress is how far a tab is.
type WebTorrentProgress struct {
	Error            string
	Wires, Peers     int
	Progress         float64
	Done             bool
	Seconds          float64 // from add to done
	FirstByteSeconds float64
}

// State is how far the tab is.
func (w WebTorrent) State() WebTorrentProgress {
	w.b.t.Helper()
	var s WebTorrentProgress
	w.Eval(30*time.Second, "progress()", &s)
	return s
}

// WaitDone waits for the complete download.
func (w WebTorrent) WaitDone(limit time.Duration) WebTorrentProgress {
	w.b.t.Helper()
	w.WaitFor(limit, "progress().done || progress().error")
	s := w.State()
	if s.Error != "" {
		w.b.t.Fatalf("webtorrent.js: %s", s.Error)
	}
	return s
}

// Same fails unless the tab's files are those of want, a file or a folder.
func (w WebTorrent) Same(want string) {
	w.b.t.Helper()
	var got map[string]string
	w.Eval(2*time.Minute, "sha256()", &got)
	for path := range got {
		if strings.Contains(path, "/.pad/") {
			delete(got, path) // to webtorrent.js the padding of a hybrid is made of files
		}
	}
	SameSums(w.b.t, want, got)
}

// SameSums compares path -> SHA-256, with or without the torrent's name in
// front, to a file or a folder on disk.
func SameSums(t T, want string, got map[string]string) {
	t.Helper()
	base := filepath.Base(want)
	expect := map[string]string{}
	if st, err := os.Stat(want); err == nil && st.IsDir() {
		expect = Tree(t, want)
	} else {
		expect[base] = Sum(t, want)
	}
	for path, sum := range got {
		name := strings.TrimPrefix(path, base+"/")
		if expect[name] != sum {
			t.Fatalf("%s: SHA-256 %s, want %q", path, sum, expect[name])
		}
		delete(expect, name)
	}
	for name := range expect {
		t.Fatalf("%s is missing", name)
	}
}

func quote(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
