// Package node serves a client's torrents, its tracker and the web page over HTTP.
//
//	GET /                              the page
//	GET /shoal/config.json             what the page needs to know of this node, with
//	                                   the list of all torrents for those who may see it
//	GET /torrents/<info hash>.torrent  a torrent by any of its info hashes
//	GET /torrents/<info hash>.json     the names and lengths of its files
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

// Config is how a node is set up.
type Config struct {
	// Tracker answers announces; nil: no tracker here.
	Tracker http.Handler
	// Origin is the scheme://host:port under which others reach the node.
	Origin string
	// Hosts are the names that a Host header may carry on a loopback connection,
	// beside localhost, addresses and the name in Origin: those of a proxy before us.
	Hosts []string
	// Listing says who is told of every torrent; default ListLocal.
	Listing Listing
}

// Node is the http.Handler of one client. Its methods may be called by any
// goroutine.
type Node struct {
	client *shoal.Client
	cfg    Config
	hosts  []string // as hostname makes them
	mux    *http.ServeMux

	mu    sync.Mutex
	shown map[*shoal.Torrent]bool
	order []*shoal.Torrent // in which they were added
}

// New returns a node of a client's torrents.
func New(client *shoal.Client, cfg Config) *Node {
	n := &Node{client: client, cfg: cfg, hosts: ownNames(cfg), mux: http.NewServeMux(), shown: map[*shoal.Torrent]bool{}}
	tracker := cfg.Tracker
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

// ServeHTTP implements http.Handler. A request to loopback under a name that is not
// this node's is refused.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.rebound(r) {
		http.Error(w, "this node does not answer to the name "+hostname(r.Host)+"; its owner may allow it with --allowed-host", http.StatusForbidden)
		return
	}
	n.mux.ServeHTTP(w, r)
}

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
