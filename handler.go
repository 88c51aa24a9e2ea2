//go:build !js

package shoal

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/httpfile"
)

const (
	// infoTimeout is how long a request waits for the info dictionary.
	infoTimeout = 30 * time.Second
	// aloneTimeout is how long it waits for bytes while nobody is there to bring them:
	// peers are found or come back in less, and players give up later.
	aloneTimeout = time.Minute
)

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
	reader := f.NewReader(r.Context()).r.Patient(r.Context(), aloneTimeout)
	defer reader.Close()
	httpfile.Serve(w, r, httpfile.File{
		Path: f.Path(), ETag: `"` + f.t.Key().String() + "-" + strconv.Itoa(f.Index()) + `"`, Content: reader,
	})
}
