//go:build !js

package shoal

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// infoTimeout is how long a request waits for the info dictionary.
const infoTimeout = 30 * time.Second

// What a torrent carries is a stranger's: pages and scripts in it must not run
// with the rights of the origin that serves them. A PDF viewer does not start in a
// sandbox; there the viewer alone is let in.
const (
	sandbox   = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"
	pdfViewer = "default-src 'none'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'"
)

// types are those that the system's table often lacks or gets wrong.
var types = map[string]string{
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska", ".ogv": "video/ogg",
	".mov": "video/quicktime", ".avi": "video/x-msvideo", ".ts": "video/mp2t", ".mp3": "audio/mpeg", ".m4a": "audio/mp4",
	".aac": "audio/aac", ".flac": "audio/flac", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".wav": "audio/wav",
	".m3u8": "application/vnd.apple.mpegurl", ".vtt": "text/vtt; charset=utf-8", ".srt": "text/plain; charset=utf-8",
	".md": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8",
	".pdf": "application/pdf", ".webp": "image/webp", ".avif": "image/avif", ".svg": "image/svg+xml",
}

// contentType goes by the name alone: sniffing would wait for the first piece.
func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// fileHandler serves the files of a torrent.
type fileHandler struct{ t *Torrent }

func (h fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.serve(w, r)
	case http.MethodOptions:
		preflight(w)
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
	}
}

func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Range, If-None-Match, If-Range")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func (h fileHandler) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), infoTimeout)
	defer cancel()
	if _, err := h.t.WaitInfo(ctx); err != nil {
		if ctx.Err() != nil {
			err = errNotFoundYet
		}
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f := h.t.File(name)
	if f == nil {
		http.Error(w, "the torrent has no file "+name, http.StatusNotFound)
		return
	}
	headers(w.Header(), f, r.URL.Query().Has("download"))
	reader := f.NewReader(r.Context())
	defer reader.Close()
	http.ServeContent(w, r, "", time.Time{}, reader)
}

func headers(h http.Header, f *File, download bool) {
	typ := contentType(f.Path())
	h.Set("Content-Type", typ)
	h.Set("ETag", `"`+f.t.Key().String()+"-"+strconv.Itoa(f.Index())+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Range, Content-Length, ETag")
	h.Set("X-Content-Type-Options", "nosniff")
	policy := sandbox
	if typ == "application/pdf" {
		policy = pdfViewer
	}
	h.Set("Content-Security-Policy", policy)
	kind := "inline"
	if download {
		kind = "attachment"
	}
	h.Set("Content-Disposition", kind+"; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(path.Base(f.Path())), "+", "%20"))
}
