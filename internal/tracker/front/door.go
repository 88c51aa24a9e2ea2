package front

import (
	"bytes"
	"net/http"
	"path"
	"strings"

	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
)

// A door is who answers a request.
type door uint8

const (
	elsewhere  door = iota // Config.Fallback
	welcome                // people with a browser
	announcing             // an announce by HTTP
	scraping               // a scrape by HTTP
	upgrading              // a WebSocket handshake
	notAllowed             // the tracker's, but with another method
)

// A request is what decides about its door, whichever way it came in.
type request struct {
	method  string
	path    string // without the query
	query   bool
	http10  bool   // or older
	upgrade []byte // all of the field, with commas between several
}

// doorOf is the only place that decides who answers. The last part of the path counts: "scrape" is a
// scrape, "announce" or nothing is an announce, anything else is elsewhere. An
// upgrade to another protocol than websocket is ignored, as RFC 9110 section 7.8 has it, and so is
// one in HTTP/1.0.
func doorOf(r request) door {
	_, last := path.Split(r.path)
	switch {
	case last != "announce" && last != "scrape" && last != "":
		return elsewhere
	case r.method != http.MethodGet && r.method != http.MethodHead:
		return notAllowed
	case r.method == http.MethodGet && !r.http10 && httphead.HasWord(r.upgrade, "websocket"):
		return upgrading
	case last == "scrape":
		return scraping
	case last == "" && !r.query:
		return welcome
	}
	return announcing
}

// ofHead is the request of a head that was read here.
func ofHead(h *httphead.Head) request {
	r := request{path: string(h.Path), query: len(h.Query) > 0, http10: h.HTTP10, upgrade: h.Upgrade}
	if h.IsGet {
		r.method = http.MethodGet
	}
	return r
}

// ofHTTP is the request of net/http.
func ofHTTP(r *http.Request) request {
	return request{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery != "", http10: !r.ProtoAtLeast(1, 1),
		upgrade: []byte(strings.Join(r.Header.Values("Upgrade"), ","))}
}

// simple reports whether a head needs nobody who knows more of HTTP: no body, nothing twice that
// is read here, no escapes in the path.
func simple(h *httphead.Head) bool {
	return h.IsGet && !h.HasBody && !h.Twice && bytes.IndexByte(h.Path, '%') < 0
}
