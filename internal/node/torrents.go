package node

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/shoal-p2p/shoal"
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
	Torrents   []listed `json:"torrents"`
}

// listed is a torrent in a config.
type listed struct {
	InfoHash string `json:"info_hash"`
	Name     string `json:"name"`
	Length   int64  `json:"length"` // bytes, 0 while unknown
}

func (n *Node) config(w http.ResponseWriter, _ *http.Request) {
	c := config{Origin: n.origin, Trackers: []string{}, ICEServers: n.client.ICEServers(), Loopback: n.client.Local(), Torrents: []listed{}}
	if c.ICEServers == nil {
		c.ICEServers = []string{}
	}
	if a, err := netip.ParseAddrPort(n.client.PeerAddr()); err == nil {
		c.PeerPort = int(a.Port())
	}
	if n.tracker != nil {
		c.Trackers = append(c.Trackers, "/announce")
	}
	for _, t := range n.torrents() {
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

func (n *Node) torrentByHash(w http.ResponseWriter, r *http.Request) {
	hash, ok := strings.CutSuffix(r.PathValue("file"), ".torrent")
	t := n.lookup(hash)
	if !ok || t == nil {
		http.Error(w, "this node has no torrent with the info hash "+hash, http.StatusNotFound)
		return
	}
	serveTorrent(w, t)
}

// torrentByName serves the torrent that was added last among those of one name.
func (n *Node) torrentByName(w http.ResponseWriter, _ *http.Request, name string) {
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
	serveTorrent(w, found)
}

func serveTorrent(w http.ResponseWriter, t *shoal.Torrent) {
	m := t.Metainfo()
	if m == nil {
		http.Error(w, "this node joined the torrent by a link and has no .torrent of it", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-bittorrent")
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(t.Name()+".torrent"), "+", "%20"))
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Write(m.Marshal())
}
