// Package httpd serves a client's torrents, its tracker and the web page over
// HTTP.
//
//	GET /                              the page
//	GET /shoal/config.json             what the page needs to know of this node
//	GET /torrents/<info hash>.torrent  a torrent by any of its info hashes
//	GET /<name>.torrent                the same by name
//	GET /stream/<info hash>/<path>     a file: Range, HEAD, also while it downloads
//	GET /announce, /scrape             the tracker, by HTTP or WebSocket
package node

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/web"
)

// Server is the http.Handler of one client.
type Server struct {
	client  *shoal.Client
	tracker http.Handler // nil: no tracker here
	origin  string       // scheme://host:port under which others reach this server
	mux     *http.ServeMux

	mu       sync.Mutex
	torrents map[metainfo.Hash]*shoal.Torrent // under every info hash
	order    []*shoal.Torrent
}

// New returns a server of a client's torrents. tracker may be nil. origin is
// the scheme://host:port under which others reach the server.
func New(client *shoal.Client, tracker http.Handler, origin string) *Server {
	s := &Server{client: client, tracker: tracker, origin: origin, mux: http.NewServeMux(), torrents: map[metainfo.Hash]*shoal.Torrent{}}
	page := web.Handler()
	s.mux.HandleFunc("GET /shoal/config.json", s.config)
	s.mux.HandleFunc("GET /torrents/{file}", s.torrentByHash)
	s.mux.HandleFunc("GET /stream/{hash}/{path...}", s.stream)
	s.mux.HandleFunc("OPTIONS /stream/{hash}/{path...}", s.preflight)
	if tracker != nil {
		s.mux.Handle("/announce", tracker)
		s.mux.Handle("/scrape", tracker)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && tracker != nil && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			tracker.ServeHTTP(w, r) // today's public trackers are found at /
			return
		}
		if name, ok := strings.CutSuffix(r.URL.Path[1:], ".torrent"); ok && r.Method != http.MethodPost {
			s.torrentByName(w, r, name)
			return
		}
		page.ServeHTTP(w, r)
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Add lets a torrent be streamed and, where its .torrent is known, fetched.
func (s *Server) Add(t *shoal.Torrent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := []metainfo.Hash{t.Key()}
	if info := t.Info(); info != nil {
		keys = info.SwarmHashes()
	}
	for _, k := range keys {
		s.torrents[k] = t
	}
	s.order = append(s.order, t)
}

func (s *Server) lookup(hash string) *shoal.Torrent {
	key, err := metainfo.ParseHash(hash)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.torrents[key]
}

// TorrentPath is the path under which a torrent's file is served.
func TorrentPath(name string) string { return "/" + url.PathEscape(name) + ".torrent" }

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		InfoHash string `json:"info_hash"`
		Name     string `json:"name"`
		Length   int64  `json:"length"`
	}
	c := struct {
		Origin     string   `json:"origin"`
		Trackers   []string `json:"trackers"`
		ICEServers []string `json:"iceServers"`
		Loopback   bool     `json:"loopback"`
		PeerPort   int      `json:"peerPort"` // TCP, 0 for none
		Torrents   []entry  `json:"torrents"`
	}{Origin: s.origin, Trackers: []string{}, ICEServers: s.client.ICEServers(), Loopback: s.client.Local(), Torrents: []entry{}}
	if c.ICEServers == nil {
		c.ICEServers = []string{}
	}
	if a, err := netip.ParseAddrPort(s.client.PeerAddr()); err == nil {
		c.PeerPort = int(a.Port())
	}
	if s.tracker != nil {
		c.Trackers = append(c.Trackers, "/announce")
	}
	s.mu.Lock()
	for _, t := range s.order {
		e := entry{InfoHash: t.Key().String(), Name: t.Name()}
		if info := t.Info(); info != nil {
			e.Length = info.TotalSize()
		}
		c.Torrents = append(c.Torrents, e)
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(c)
}

func (s *Server) torrentByHash(w http.ResponseWriter, r *http.Request) {
	hash, ok := strings.CutSuffix(r.PathValue("file"), ".torrent")
	t := s.lookup(hash)
	if !ok || t == nil {
		http.Error(w, "this node has no torrent with the info hash "+hash, http.StatusNotFound)
		return
	}
	s.serveTorrent(w, t)
}

func (s *Server) torrentByName(w http.ResponseWriter, _ *http.Request, name string) {
	s.mu.Lock()
	var found *shoal.Torrent
	for _, t := range s.order {
		if t.Name() == name && t.Metainfo() != nil {
			found = t
		}
	}
	s.mu.Unlock()
	if found == nil {
		http.Error(w, "this node has no torrent named "+name, http.StatusNotFound)
		return
	}
	s.serveTorrent(w, found)
}

func (s *Server) serveTorrent(w http.ResponseWriter, t *shoal.Torrent) {
	m := t.Metainfo()
	if m == nil {
		http.Error(w, "this node joined the torrent by a link and has no .torrent of it", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-bittorrent")
	w.Header().Set("Content-Disposition", disposition("attachment", t.Name()+".torrent"))
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Write(m.Marshal())
}
