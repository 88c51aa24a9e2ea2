// Package node serves a client's torrents, its tracker and the web page over HTTP.
//
//	GET /                              the page
//	GET /shoal/config.json             what the page needs to know of this node
//	GET /torrents/<info hash>.torrent  a torrent by any of its info hashes
//	GET /<name>.torrent                the same by name
//	GET /stream/<info hash>/<path>     a file: Range, HEAD, also while it downloads
//	GET /announce, /scrape             the tracker, by HTTP or WebSocket
package node

import (
	"net/http"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/web"
)

// Node is the http.Handler of one client. Its methods may be called by any
// goroutine.
type Node struct {
	client  *shoal.Client
	tracker http.Handler // nil: no tracker here
	origin  string       // scheme://host:port under which others reach this node
	mux     *http.ServeMux

	mu    sync.Mutex
	shown map[*shoal.Torrent]bool
	order []*shoal.Torrent // in which they were added
}

// New returns a node of a client's torrents. tracker may be nil. origin is the
// scheme://host:port under which others reach the node.
func New(client *shoal.Client, tracker http.Handler, origin string) *Node {
	n := &Node{client: client, tracker: tracker, origin: origin, mux: http.NewServeMux(), shown: map[*shoal.Torrent]bool{}}
	n.mux.HandleFunc("GET /shoal/config.json", n.config)
	n.mux.HandleFunc("GET /torrents/{file}", n.torrentByHash)
	n.mux.HandleFunc("/stream/{hash}/{path...}", n.stream)
	if tracker != nil {
		n.mux.Handle("/announce", tracker)
		n.mux.Handle("/scrape", tracker)
	}
	page := web.Handler()
	n.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && tracker != nil && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			tracker.ServeHTTP(w, r) // today's public trackers are found at /
			return
		}
		if name, ok := strings.CutSuffix(r.URL.Path[1:], ".torrent"); ok && !strings.Contains(name, "/") && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			n.torrentByName(w, r, name)
			return
		}
		page.ServeHTTP(w, r)
	})
	return n
}

// ServeHTTP implements http.Handler.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) { n.mux.ServeHTTP(w, r) }

// Add lets a torrent of the client be streamed and, where its .torrent is known,
// fetched. What the client closes later is no longer found.
func (n *Node) Add(t *shoal.Torrent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.shown[t] {
		n.shown[t] = true
		n.order = append(n.order, t)
	}
}

// lookup finds a torrent by any of its info hashes, in any form that
// [magnet.ParseHash] reads; nil where there is none.
func (n *Node) lookup(hash string) *shoal.Torrent {
	m, err := magnet.ParseHash(hash)
	if err != nil {
		return nil
	}
	t := n.client.Torrent(m.Key())
	if t != nil && m.HashV2 != nil {
		// The key is only the beginning of it.
		if info := t.Info(); info != nil && info.HashV2 != *m.HashV2 {
			return nil
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if t == nil || !n.shown[t] {
		return nil
	}
	return t
}

// torrents lists those that were added and are not closed, in order.
func (n *Node) torrents() (list []*shoal.Torrent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept := n.order[:0]
	for _, t := range n.order {
		if n.client.Torrent(t.Key()) == t {
			kept = append(kept, t)
		} else {
			delete(n.shown, t)
		}
	}
	clear(n.order[len(kept):])
	n.order = kept
	return append(list, kept...)
}

// stream serves a file of a torrent, as the torrent's own handler does.
func (n *Node) stream(w http.ResponseWriter, r *http.Request) {
	hash := r.PathValue("hash")
	t := n.lookup(hash)
	if t == nil {
		http.Error(w, "this node has no torrent with the info hash "+hash, http.StatusNotFound)
		return
	}
	u := *r.URL
	u.Path, u.RawPath = "/"+r.PathValue("path"), ""
	inner := *r
	inner.URL = &u
	t.Handler().ServeHTTP(w, &inner)
}
