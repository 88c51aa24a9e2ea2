package node

import (
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
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

func disposition(kind, name string) string {
	return kind + "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

func (s *Server) preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Range, If-None-Match, If-Range")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// stream serves one file. What a torrent carries is a stranger's: pages and
// scripts in it must not run with this origin's rights.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	t := s.lookup(r.PathValue("hash"))
	if t == nil {
		http.Error(w, "this node has no torrent with the info hash "+r.PathValue("hash"), http.StatusNotFound)
		return
	}
	select {
	case <-t.Learned():
	case <-r.Context().Done():
		return
	case <-time.After(30 * time.Second):
		http.Error(w, "the torrent's file list has not been found yet; try again", http.StatusServiceUnavailable)
		return
	}
	f := find(t, r.PathValue("path"))
	if f == nil {
		http.Error(w, "the torrent has no file "+r.PathValue("path"), http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(f.Path()))
	h.Set("ETag", `"`+t.Key().String()+"-"+strconv.Itoa(f.Index())+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Range, Content-Length, ETag")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'")
	if strings.HasPrefix(h.Get("Content-Type"), "application/pdf") {
		h.Set("Content-Security-Policy", "default-src 'none'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'")
	}
	kind := "inline"
	if r.URL.Query().Has("download") {
		kind = "attachment"
	}
	h.Set("Content-Disposition", disposition(kind, path.Base(f.Path())))
	reader := f.NewReader()
	defer reader.Close()
	stop := contextClose(r, reader)
	defer stop()
	http.ServeContent(w, r, "", time.Time{}, reader)
}

// find looks a file up by its path; "" is the only file of a torrent, and the
// torrent's name may stand in front.
func find(t *shoal.Torrent, p string) *shoal.File {
	files := t.Files()
	if p == "" && len(files) == 1 {
		return files[0]
	}
	for _, f := range files {
		if f.Path() == p || t.Name()+"/"+f.Path() == p {
			return f
		}
	}
	return nil
}
