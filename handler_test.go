//go:build !js

package shoal_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shoal-p2p/shoal"
)

func TestFS(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small")
	for _, name := range []string{"a.mp3", "cover/front page.html", "cover/deep/x"} {
		payload(t, filepath.Join(small, name), 3000, 1) // it is read byte by byte
	}
	_, shared := share(t, shoal.CreateOptions{}, small)
	fsys := shared.FS(deadline(t))
	if err := fstest.TestFS(fsys, "a.mp3", "cover/front page.html", "cover/deep/x"); err != nil {
		t.Error(err)
	}
}

func TestFSWhileDownloading(t *testing.T) {
	dir, content := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{})
	fsys := got.FS(deadline(t))
	for name, want := range content {
		if b, err := fs.ReadFile(fsys, name); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	f, err := fsys.Open("b.mp3")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.(io.Seeker).Seek(-4, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(f); err != nil || !bytes.Equal(b, content["b.mp3"][len(content["b.mp3"])-4:]) {
		t.Errorf("after a seek: %d bytes, %v", len(b), err)
	}
	if st, err := f.Stat(); err != nil || st.Sys().(*shoal.File).Path() != "b.mp3" {
		t.Errorf("%v, %v", st, err)
	}
}

func TestFSOfALink(t *testing.T) {
	got := get(t, nil, shoal.Link(hex40), shoal.AddOptions{})
	if _, err := got.FS(deadline(t)).Open("x"); err == nil || !strings.Contains(err.Error(), "has not been found yet") {
		t.Errorf("%v", err)
	}
}

// What a torrent carries is a stranger's: whatever its type, it gets no rights.
func TestHandlerKeepsStrangersOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "types")
	types := map[string]string{
		"page.html": "text/html", "page.xhtml": "application/xhtml+xml", "a.svg": "image/svg+xml", "a.js": "text/javascript", "a.xml": "xml",
		"a.mp4": "video/mp4", "a.mkv": "video/x-matroska", "a.mp3": "audio/mpeg", "a.png": "image/png", "a.txt": "text/plain", "a.pdf": "application/pdf",
		"none": "application/octet-stream", "a.strange": "application/octet-stream", "UPPER.MP4": "video/mp4",
	}
	for name := range types {
		payload(t, filepath.Join(dir, name), 100, 1)
	}
	_, shared := share(t, shoal.CreateOptions{}, dir)
	for name, typ := range types {
		w := httptest.NewRecorder()
		shared.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/"+name, nil))
		h := w.Header()
		if w.Code != 200 || !strings.Contains(h.Get("Content-Type"), typ) {
			t.Errorf("%s: %d, %s", name, w.Code, h.Get("Content-Type"))
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess another type", name)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || name != "a.pdf" && !strings.HasPrefix(csp, "sandbox;") {
			t.Errorf("%s: the policy is %q", name, csp)
		}
		if !strings.HasPrefix(h.Get("Content-Disposition"), "inline; filename=\"") || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestHandler(t *testing.T) {
	dir, content := album(t)
	_, shared := share(t, shoal.CreateOptions{}, dir)
	want := content["a.mp3"]
	do := func(method, target string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		shared.Handler().ServeHTTP(w, r)
		return w
	}
	etag := do("HEAD", "/a.mp3").Header().Get("ETag")
	if etag == "" || etag == do("HEAD", "/b.mp3").Header().Get("ETag") {
		t.Errorf("ETag %s", etag)
	}
	for _, c := range []struct {
		what, method, target string
		header               []string
		code                 int
		body                 []byte
	}{
		{"all", "GET", "/a.mp3", nil, 200, want},
		{"with the torrent's name", "GET", "/album/a.mp3", nil, 200, want},
		{"a path that needs escapes", "GET", "/cover/front%20page.html", nil, 200, content["cover/front page.html"]},
		{"HEAD", "HEAD", "/a.mp3", nil, 200, nil},
		{"a range", "GET", "/a.mp3", []string{"Range", "bytes=100-70000"}, 206, want[100:70001]},
		{"the end", "GET", "/a.mp3", []string{"Range", "bytes=-10"}, 206, want[len(want)-10:]},
		{"behind the end", "GET", "/a.mp3", []string{"Range", "bytes=900000-"}, 416, nil},
		{"not modified", "GET", "/a.mp3", []string{"If-None-Match", etag}, 304, nil},
		{"a range of other content", "GET", "/a.mp3", []string{"Range", "bytes=0-1", "If-Range", `"other"`}, 200, want},
		{"no such file", "GET", "/c.mp3", nil, 404, nil},
		{"a folder", "GET", "/cover", nil, 404, nil},
		{"out of the torrent", "GET", "/../a.mp3", nil, 404, nil},
		{"no path", "GET", "/", nil, 404, nil},
		{"POST", "POST", "/a.mp3", nil, 405, nil},
		{"preflight", "OPTIONS", "/a.mp3", nil, 204, nil},
	} {
		w := do(c.method, c.target, c.header...)
		if w.Code != c.code || c.code < 300 && !bytes.Equal(w.Body.Bytes(), c.body) {
			t.Errorf("%s: %d, %d bytes, %v", c.what, w.Code, w.Body.Len(), w.Header())
		}
		if c.code == 404 && !strings.Contains(w.Body.String(), "the torrent has no file") {
			t.Errorf("%s: %q", c.what, w.Body)
		}
	}
	if h := do("OPTIONS", "/a.mp3").Header(); h.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("preflight: %v", h)
	}
	if h := do("GET", "/a.mp3?download=1").Header(); !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="a.mp3"; filename*=UTF-8''a.mp3`) {
		t.Errorf("download: %v", h)
	}
}

// A request for a link waits for the file list; when its client goes away, nothing
// of it stays.
func TestHandlerOfALink(t *testing.T) {
	got := get(t, nil, shoal.Link(hex40), shoal.AddOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	w := httptest.NewRecorder()
	got.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/x", nil).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A stream of a file that was changed meanwhile is an error before its first byte, and
// is cut where the change is; it never has another byte than the torrent's. Once the
// file is as it was it is streamed again, without anybody having to do anything.
func TestAStreamOfAChangedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "film.mp4")
	good := payload(t, path, 1_000_000, 3)
	_, shared := share(t, shoal.CreateOptions{}, path)
	server := httptest.NewServer(shared.Handler())
	defer server.Close()
	// stream returns what comes of the file, and whether that is said to be all of it.
	stream := func(ranges string) (code int, body []byte, whole bool) {
		t.Helper()
		r, err := http.NewRequestWithContext(deadline(t), "GET", server.URL+"/film.mp4", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", ranges)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err = io.ReadAll(answer.Body)
		return answer.StatusCode, body, err == nil
	}
	right := func(what string) {
		t.Helper()
		if code, body, whole := stream("bytes=0-"); code != 206 || !whole || !bytes.Equal(body, good) {
			t.Errorf("%s: %d, %d bytes, to the end: %v", what, code, len(body), whole)
		}
	}
	again := func(what string) {
		t.Helper()
		for ctx := deadline(t); shared.Stats().Lost > 0 && ctx.Err() == nil; {
			time.Sleep(10 * time.Millisecond)
		}
		if w := shared.Warning(); w != nil || shared.Stats().Lost > 0 {
			t.Errorf("%s: %d pieces cannot be read, %v", what, shared.Stats().Lost, w)
		}
		right(what)
	}
	write := func(b []byte, at int64) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	right("at first")

	write([]byte("CHANGED-CHANGED"), 600_000)
	for range 3 {
		if code, body, whole := stream("bytes=0-"); code != 206 || whole || !bytes.Equal(body, good[:len(body)]) {
			t.Errorf("changed behind its beginning: %d, %d bytes, to the end: %v", code, len(body), whole)
		}
		if code, body, _ := stream("bytes=600000-600009"); code != 503 || bytes.Contains(body, []byte("CHANGED")) {
			t.Errorf("the change itself: %d %q", code, body)
		}
	}
	if w := shared.Warning(); w == nil || !strings.Contains(w.Error(), path+" is not what the torrent was made from") {
		t.Errorf("who shares is told %v", w)
	}
	write(good[600_000:600_015], 600_000)
	again("as it was")

	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for { // the file may be used for a moment after it lost its name
		if code, body, _ := stream("bytes=0-"); code == 503 {
			break
		} else if !bytes.Equal(body, good[:len(body)]) || time.Since(begin) > 20*time.Second {
			t.Fatalf("moved away: %d, %d bytes", code, len(body))
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := os.WriteFile(path+".new", good, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	again("saved anew")
}
