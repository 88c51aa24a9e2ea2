package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func site() fstest.MapFS {
	files := fstest.MapFS{"dist/.keep": {}, "dist/icon.png": {Data: []byte("png")}}
	for _, name := range []string{"index.html", "app.js", "shoal.js", "shoal.worker.js", "shoal.sw.js", "shoal.wasm"} {
		files["dist/"+name] = &fstest.MapFile{Data: []byte("plain " + name)}
		files["dist/"+name+".br"] = &fstest.MapFile{Data: []byte("br " + name)}
		files["dist/"+name+".gz"] = &fstest.MapFile{Data: []byte("gz " + name)}
	}
	return files
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHandlerPicksTheFormTheClientAccepts(t *testing.T) {
	h := newHandler(site())
	for _, c := range []struct{ accept, body, encoding string }{
		{"", "plain shoal.wasm", ""},
		{"gzip, deflate, br, zstd", "br shoal.wasm", "br"},
		{"gzip, deflate", "gz shoal.wasm", "gzip"},
		{"br;q=0, gzip;q=0.5", "gz shoal.wasm", "gzip"},
		{"br;q=0", "plain shoal.wasm", ""},
	} {
		res, body := get(t, h, "GET", "/shoal.wasm", "Accept-Encoding", c.accept)
		if body != c.body || res.Header.Get("Content-Encoding") != c.encoding {
			t.Errorf("Accept-Encoding %q gave %q as %q", c.accept, body, res.Header.Get("Content-Encoding"))
		}
		if got := res.Header.Get("Content-Type"); got != "application/wasm" {
			t.Errorf("Content-Type is %q; streaming compilation needs application/wasm", got)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Error("a cache in between could hand a compressed form to a client that cannot read it")
		}
	}
}

func TestHandlerRevalidates(t *testing.T) {
	h := newHandler(site())
	first, _ := get(t, h, "GET", "/app.js", "Accept-Encoding", "br")
	etag := first.Header.Get("ETag")
	again, body := get(t, h, "GET", "/app.js", "Accept-Encoding", "br", "If-None-Match", `"other", W/`+etag)
	if again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("unchanged asset answered %d with %d bytes", again.StatusCode, len(body))
	}
	if other, _ := get(t, h, "GET", "/app.js", "If-None-Match", etag); other.StatusCode != http.StatusOK {
		t.Errorf("the plain form answered %d to the compressed form's tag", other.StatusCode)
	}
}

// What belongs to this build may be kept for good; a page of another build learns that its
// parts are gone, instead of getting parts that do not fit.
func TestHandlerKnowsItsVersion(t *testing.T) {
	files := site()
	files["dist/index.html"] = &fstest.MapFile{Data: []byte(`<html data-version="ab12">`)}
	delete(files, "dist/index.html.br")
	h := newHandler(files)
	for _, c := range []struct {
		path   string
		status int
		cache  string
	}{
		{"/shoal.wasm?v=ab12", 200, "public, max-age=31536000, immutable"}, {"/shoal.wasm", 200, "no-cache"},
		{"/?v=ab12", 200, "public, max-age=31536000, immutable"}, {"/shoal.wasm?v=0000", 404, "no-store"},
	} {
		if res, _ := get(t, h, "GET", c.path); res.StatusCode != c.status || res.Header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %s, %q", c.path, res.Status, res.Header.Get("Cache-Control"))
		}
	}
	if res, _ := get(t, newHandler(site()), "GET", "/shoal.wasm?v=ab12"); res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("a client without a version: %s", res.Status)
	}
}

func TestHandlerHeaders(t *testing.T) {
	h := newHandler(site())
	res, body := get(t, h, "GET", "/")
	if body != "plain index.html" || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("/ gave %q as %q", body, res.Header.Get("Content-Type"))
	}
	if csp := res.Header.Get("Content-Security-Policy"); strings.Contains(csp, "'unsafe-inline'") || !strings.Contains(csp, "'wasm-unsafe-eval'") {
		t.Errorf("policy %q", csp)
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("no nosniff")
	}
	sw, _ := get(t, h, "GET", "/shoal.sw.js")
	if sw.Header.Get("Service-Worker-Allowed") != "/" {
		t.Error("the service worker may not take the whole site")
	}
	head, body := get(t, h, "HEAD", "/app.js")
	if body != "" || head.Header.Get("Content-Length") != "12" {
		t.Errorf("HEAD sent %q, length %s", body, head.Header.Get("Content-Length"))
	}
	for _, path := range []string{"/.keep", "/app.js.br", "/../web.go", "/nothing"} {
		if res, _ := get(t, h, "GET", path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s answered %d", path, res.StatusCode)
		}
	}
	if res, _ := get(t, h, "POST", "/"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST answered %d", res.StatusCode)
	}
}

// Pages of other sites may load the client library, but not read the node's own page.
func TestOtherSitesMayLoadTheLibraryAlone(t *testing.T) {
	h := newHandler(site())
	for path, want := range map[string]string{
		"/shoal.js": "*", "/shoal.worker.js": "*", "/shoal.sw.js": "*", "/shoal.wasm": "*",
		"/": "", "/index.html": "", "/app.js": "", "/icon.png": "", "/shoal.nothing": "",
	} {
		res, _ := get(t, h, "GET", path, "Origin", "https://site.example")
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: Access-Control-Allow-Origin is %q, want %q", path, got, want)
		}
		if res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s may be read with the visitor's cookies", path)
		}
		if got := res.Header.Get("Cross-Origin-Resource-Policy") == "cross-origin"; got != (want == "*") {
			t.Errorf("%s: Cross-Origin-Resource-Policy: %v", path, got)
		}
	}
	first, _ := get(t, h, "GET", "/shoal.wasm")
	again, _ := get(t, h, "GET", "/shoal.wasm", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || again.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("what has not changed may not be read again")
	}
}

func TestHandlerWithoutBuild(t *testing.T) {
	h := newHandler(fstest.MapFS{"dist/.keep": {}})
	res, body := get(t, h, "GET", "/")
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "make build") {
		t.Errorf("answered %d %q", res.StatusCode, body)
	}
	if res, _ := get(t, h, "GET", "/app.js"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a missing asset answered %d", res.StatusCode)
	}
}
