package node

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/httpfile"
)

// TorrentPath is the path under which a torrent's file is served.
func TorrentPath(name string) string { return "/" + url.PathEscape(name) + ".torrent" }

// config is what the page needs to know: web/src reads it.
type config struct {
	Origin     string   `json:"origin"`
	Trackers   []string `json:"trackers"` // relative to the origin
	ICEServers []string `json:"iceServers"`
	Loopback   bool     `json:"loopback"`
	PeerPort   int      `json:"peerPort"` // TCP, 0 for none
	Torrents   []listed `json:"torrents"` // empty for who may not list them
}

// listed is a torrent in a config.
type listed struct {
	InfoHash string `json:"info_hash"`
	Name     string `json:"name"`
	Length   int64  `json:"length"` // bytes, 0 while unknown
}

func (n *Node) config(w http.ResponseWriter, r *http.Request) {
	c := config{Origin: n.cfg.Origin, Trackers: []string{}, ICEServers: n.client.ICEServers(), Loopback: n.client.Local(), Torrents: []listed{}}
	if c.ICEServers == nil {
		c.ICEServers = []string{}
	}
	if a, err := netip.ParseAddrPort(n.client.PeerAddr()); err == nil {
		c.PeerPort = int(a.Port())
	}
	if n.cfg.Tracker != nil {
		c.Trackers = append(c.Trackers, "/announce")
	}
	for _, t := range n.listed(r) {
		e := listed{InfoHash: t.Key().String(), Name: t.Name()}
		if info := t.Info(); info != nil {
			e.Length = info.TotalSize()
		}
		c.Torrents = append(c.Torrents, e)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(c)
}

// listed are the torrents that a visitor is told of without asking for them.
func (n *Node) listed(r *http.Request) []*shoal.Torrent {
	if !n.mayList(r) {
		return nil
	}
	return n.torrents()
}

// mostListed is how many files of a torrent are listed: a page asks for the list to play a
// film at once on a slow line, where the .torrent of more takes too long, and so would this.
const mostListed = 1000

// content is what is in a torrent, for a page whose engine is still on its way.
type content struct {
	Name  string        `json:"name"`
	Files []contentFile `json:"files"`
}

type contentFile struct {
	Index  int    `json:"index"`
	Path   string `json:"path"`
	Length int64  `json:"length"` // bytes
}

// contentByHash lists the files of a torrent, if they are not too many.
func (n *Node) contentByHash(w http.ResponseWriter, hash string) {
	t := n.lookup(hash)
	if t == nil || t.Info() == nil || len(t.Files()) > mostListed {
		http.Error(w, "this node has no list of the files of "+hash, http.StatusNotFound)
		return
	}
	c := content{Name: t.Name(), Files: []contentFile{}}
	for _, f := range t.Files() {
		c.Files = append(c.Files, contentFile{f.Index(), f.Path(), f.Length()})
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	json.NewEncoder(w).Encode(c)
}

func (n *Node) torrentByHash(w http.ResponseWriter, r *http.Request) {
	if hash, ok := strings.CutSuffix(r.PathValue("file"), ".json"); ok {
		n.contentByHash(w, hash)
		return
	}
	hash, ok := strings.CutSuffix(r.PathValue("file"), ".torrent")
	t := n.lookup(hash)
	if !ok || t == nil {
		http.Error(w, "this node has no torrent with the info hash "+hash, http.StatusNotFound)
		return
	}
	serveTorrent(w, r, t)
}

// torrentByName serves the torrent that was added last among those of one name.
func (n *Node) torrentByName(w http.ResponseWriter, r *http.Request, name string) {
	var found *shoal.Torrent
	for _, t := range n.torrents() {
		if t.Name() == name && t.Metainfo() != nil {
			found = t
		}
	}
	if found == nil {
		http.Error(w, "this node has no torrent named "+name, http.StatusNotFound)
		return
	}
	serveTorrent(w, r, found)
}

func serveTorrent(w http.ResponseWriter, r *http.Request, t *shoal.Torrent) {
	m := t.Metainfo()
	if m == nil {
		http.Error(w, "this node joined the torrent by a link and has no .torrent of it", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-bittorrent")
	h.Set("Content-Disposition", httpfile.Disposition("attachment", t.Name()+".torrent"))
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.Marshal()))
}
