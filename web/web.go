// Package web serves the browser client that the build put into dist.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// dist is filled by `go run ./internal/dev/webbuild`; a fresh clone has only the
// placeholder in it.
//
//go:embed all:dist
var dist embed.FS

// policy keeps the page to its own scripts. Trackers and the addresses of
// .torrent files may be anywhere, hence the wide connect-src.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; " +
	"img-src 'self' blob: data:; media-src 'self' blob:; frame-src 'self' blob:; connect-src 'self' blob: ws: wss: http: https:; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

const notBuilt = `<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Shoal</title>
<h1>The web page was not built</h1>
<p>This copy of Shoal was compiled without its web page. Run <code>make build</code> and start it again.
Sharing with BitTorrent clients and <code>shoal get</code> works without it.</p>
`

// Content types by extension. The system's table is not asked: it differs
// between machines, and a wrong type for .wasm or .js breaks the page.
var types = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".wasm":        "application/wasm",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".webmanifest": "application/manifest+json",
}

// Built reports whether the client was built into this binary.
func Built() bool { return built(dist) }

func built(files fs.FS) bool {
	for _, name := range []string{"index.html", "app.js", "shoal.js", "shoal.worker.js", "shoal.sw.js", "shoal.wasm"} {
		if _, err := fs.Stat(files, "dist/"+name); err != nil {
			return false
		}
	}
	return true
}

// Handler serves the client: "/" is the page, every other path an asset's
// name. It answers GET and HEAD, picks a precompressed form by
// Accept-Encoding and revalidates by ETag. What is asked for under the version
// of this build, ?v=..., may be kept for good; another build's is not here.
func Handler() http.Handler { return newHandler(dist) }

// asset is one file in the forms it can be sent in.
type asset struct {
	contentType string
	forms       []form // best first, the plain one last
}

type form struct {
	encoding string // "" is the plain form
	body     []byte
	etag     string
}

type handler struct {
	load func() client
}

// client is what is served: every asset by its path, none when the client was not built.
type client struct {
	assets  map[string]asset
	version string // as internal/dev/webbuild writes it into the page; "" where it did not
}

var versionIn = regexp.MustCompile(`data-version="([0-9a-f]+)"`)

func newHandler(files fs.FS) http.Handler {
	// Hashing a few megabytes waits until somebody asks.
	return &handler{load: sync.OnceValue(func() client { return load(files) })}
}

// load reads every asset.
func load(files fs.FS) (c client) {
	if !built(files) {
		return c
	}
	names, err := fs.Glob(files, "dist/*")
	if err != nil {
		return c
	}
	assets := make(map[string]asset)
	for _, name := range names {
		contentType, ok := types[path.Ext(name)]
		if !ok {
			continue // a compressed form or the placeholder
		}
		a := asset{contentType: contentType}
		for _, f := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}, {"", ""}} {
			body, err := fs.ReadFile(files, name+f.suffix)
			if err != nil {
				continue
			}
			sum := sha256.Sum256(body)
			a.forms = append(a.forms, form{f.encoding, body, `"` + hex.EncodeToString(sum[:12]) + `"`})
		}
		assets[strings.TrimPrefix(name, "dist")] = a
	}
	assets["/"] = assets["/index.html"]
	if page, err := fs.ReadFile(files, "dist/index.html"); err == nil {
		if m := versionIn.FindSubmatch(page); m != nil {
			c.version = string(m[1])
		}
	}
	c.assets = assets
	return c
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	client := h.load()
	if client.assets == nil && (r.URL.Path == "/" || r.URL.Path == "/index.html") {
		header.Set("Content-Type", types[".html"])
		header.Set("Content-Security-Policy", "default-src 'none'")
		header.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(notBuilt)) // the client went away
		}
		return
	}
	a, ok := client.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	version := r.URL.Query().Get("v")
	if client.version == "" {
		version = ""
	}
	if version != "" && version != client.version {
		header.Set("Cache-Control", "no-store")
		http.Error(w, "this is version "+client.version+" by now; reload the page", http.StatusNotFound)
		return
	}
	f := a.choose(r.Header.Get("Accept-Encoding"))
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "no-cache")
	if version != "" {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("ETag", f.etag)
	if shared(r.URL.Path) {
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if r.URL.Path == "/shoal.sw.js" {
		header.Set("Service-Worker-Allowed", "/")
	}
	if matches(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if f.encoding != "" {
		header.Set("Content-Encoding", f.encoding)
	}
	header.Set("Content-Length", strconv.Itoa(len(f.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.body) // the client went away
	}
}

// shared reports the files of the client library, which pages of other sites may load from
// here. That is safe: they are the same bytes for everybody, part of a public program, say nothing
// about this node, what it shares or who asks, and do not look at cookies. Nothing else
// of a node is readable from another origin for this.
func shared(path string) bool { return strings.HasPrefix(path, "/shoal.") }

// choose picks the best form that the client accepts.
func (a asset) choose(accept string) form {
	for _, f := range a.forms {
		if f.encoding == "" || accepts(accept, f.encoding) {
			return f
		}
	}
	return a.forms[len(a.forms)-1]
}

// accepts reads an Accept-Encoding header, RFC 9110 section 12.5.3.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err == nil && weight > 0
	}
	return false
}

// matches reports whether an If-None-Match header names the tag.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
