package front

import (
	"net"
	"net/http"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
)

// ServeHTTP answers announces and scrapes, by HTTP or by an upgrade to WebSocket; doorOf says
// which.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		f.shared.Limit(limit.RequestBody, f.ClientAddr(r))
		w.Header().Set("Connection", "close")
		http.Error(w, limit.RequestBody.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	switch at := doorOf(ofHTTP(r)); at {
	case elsewhere:
		f.fallback(w, r)
	case upgrading:
		f.upgradeHTTP(w, r)
	case notAllowed:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case scraping:
		send(w, f.scrape(f.clientOf(r)))
	case welcome:
		if f.cfg.Fallback != nil {
			f.cfg.Fallback.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("This is a BitTorrent and WebTorrent tracker. Give its address, with /announce at the end, to your client.\n"))
	case announcing:
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		send(w, f.announce(f.clientOf(r), netaddr.Of(local).Addr()))
	}
}

func (f *Front) fallback(w http.ResponseWriter, r *http.Request) {
	if f.cfg.Fallback == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	f.cfg.Fallback.ServeHTTP(w, r)
}

func (f *Front) clientOf(r *http.Request) *core.Client {
	return &core.Client{Door: stats.HTTP, Addr: f.ClientAddr(r), Query: r.URL.RawQuery}
}

func send(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=iso-8859-1")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
