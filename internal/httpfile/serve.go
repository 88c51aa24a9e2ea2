// Package httpfile answers HTTP requests for the bytes of a file.
package httpfile

import (
	"errors"
	"io"
	"net/http"
	"path"
	"time"
)

// What a torrent carries is a stranger's: pages and scripts in it must not run
// with the rights of the origin that serves them. A PDF viewer does not start in a
// sandbox; there the viewer alone is let in.
const (
	sandbox   = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"
	pdfViewer = "default-src 'none'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'"
)

// File is what a request is answered with.
type File struct {
	Path    string        // with slashes; its last part is offered as the name
	ETag    string        // in its quotes; the same as long as the bytes are
	Content io.ReadSeeker // from the first byte; Read may wait
}

// Serve answers a GET or HEAD with the file: conditional requests and ranges by RFC
// 9110, for every origin. With ?download a browser saves it. Content that cannot
// be read before its first byte was sent makes it a 503; later the connection is cut,
// so that nobody takes a part for the whole.
func Serve(w http.ResponseWriter, r *http.Request, f File) {
	contentType := ContentType(f.Path)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, Content-Length, ETag")
	h.Set("X-Content-Type-Options", "nosniff")
	if !dlna(h, r, contentType) {
		http.Error(w, "this server seeks by bytes, not by time", http.StatusNotAcceptable)
		return
	}
	h.Set("Content-Type", contentType)
	h.Set("ETag", f.ETag)
	h.Set("Cache-Control", "no-cache")
	policy := sandbox
	if contentType == "application/pdf" {
		policy = pdfViewer
	}
	h.Set("Content-Security-Policy", policy)
	kind := "inline"
	if r.URL.Query().Has("download") {
		kind = "attachment"
	}
	h.Set("Content-Disposition", Disposition(kind, path.Base(f.Path)))

	size, err := f.Content.Seek(0, io.SeekEnd)
	if err != nil {
		unreadable(w)
		return
	}
	a, content := &answer{ResponseWriter: w}, &source{ReadSeeker: f.Content}
	http.ServeContent(a, canonical(r, size), "", time.Time{}, content)
	switch {
	case a.status == 0: // sent
	case content.err != nil:
		unreadable(w)
	default:
		a.send() // there is no body
	}
}

// canonical is the request with a Range that http.ServeContent answers as it should be.
func canonical(r *http.Request, size int64) *http.Request {
	header := r.Header.Get("Range")
	if header == "" {
		return r
	}
	c := *r
	c.Header = r.Header.Clone()
	c.Header.Del("Range")
	if header = canonicalRange(header, size); header != "" {
		c.Header.Set("Range", header)
	}
	return &c
}

// unreadable says so without the reason: that has paths of this machine in it.
func unreadable(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range []string{"Accept-Ranges", "Content-Disposition", "Content-Range", "ETag"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	http.Error(w, "this file cannot be read here now", http.StatusServiceUnavailable)
}

// answer holds the header back until the first bytes of the body are there.
type answer struct {
	http.ResponseWriter
	status int // held back; 0 for none
}

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	if a.status != 0 {
		a.send()
	}
	return a.ResponseWriter.Write(p)
}

func (a *answer) send() {
	a.ResponseWriter.WriteHeader(a.status)
	a.status = 0
}

// source remembers why it could not be read. Several ranges are read by a goroutine of
// their own, which has sent the first part's header before it reads: then err is not
// looked at.
type source struct {
	io.ReadSeeker
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
