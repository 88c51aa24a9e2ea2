package tracker

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/tracker/swarm"
	"github.com/shoal-p2p/shoal/trackerclient/httpwire"
)

const (
	defaultNumWant = 50

	reasonNoAddress = "the address of the client is unknown"
)

// ServeHTTP answers announces and scrapes, by HTTP or by an upgrade to WebSocket.
// The last part of the path decides: "scrape" is a scrape, "announce" or nothing
// is an announce, anything else is not found.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, last := path.Split(r.URL.Path)
	switch {
	case last != "announce" && last != "scrape" && last != "":
		http.NotFound(w, r)
	case isUpgrade(r):
		t.ws.serve(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case last == "scrape":
		send(w, t.scrapeHTTP(r))
	case r.URL.RawQuery == "" && last == "":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("This is a BitTorrent and WebTorrent tracker. Give its address, with /announce at the end, to your client.\n"))
	default:
		send(w, t.announceHTTP(r))
	}
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func send(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=iso-8859-1")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func (t *Tracker) refuse(reason string) []byte {
	t.refused[HTTP].Add(1)
	return httpwire.AppendFailure(nil, reason, 0)
}

func (t *Tracker) announceHTTP(r *http.Request) []byte {
	a, err := httpwire.ParseAnnounce(r.URL.RawQuery)
	if err != nil {
		return t.refuse(err.Error())
	}
	ip := t.clientIP(r)
	if !ip.IsValid() {
		return t.refuse(reasonNoAddress)
	}
	if err := t.admit(&Client{Door: HTTP, Addr: ip, Query: r.URL.RawQuery}, a.InfoHash); err != nil {
		return t.refuse(err.Error())
	}
	want := a.NumWant
	if want < 0 {
		want = defaultNumWant
	}
	counts, peers, err := t.announceTCP(t.cfg.Now(), HTTP, swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: netip.AddrPortFrom(ip, a.Port),
		Event: swarm.ParseEvent(a.Event), Left: a.Left, Want: min(want, t.cfg.Limits.NumWant),
	}, nil)
	if err != nil {
		return t.refuse(err.Error())
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	peers = reachable(peers, ip, addrOf(local))
	reply := httpwire.Reply{
		Interval: seconds(t.cfg.Interval), MinInterval: seconds(t.cfg.MinInterval),
		Complete: int64(counts.Complete), Incomplete: int64(counts.Incomplete), ExternalIP: ip,
		Peers: make([]httpwire.Peer, len(peers)),
	}
	for i, p := range peers {
		reply.Peers[i] = httpwire.Peer{Addr: p.Addr, ID: p.ID}
	}
	return httpwire.AppendReply(nil, &reply, !a.NoCompact, a.NoPeerID)
}

// announceTCP takes an announce of HTTP or UDP to the core and appends peers to dst.
func (t *Tracker) announceTCP(now time.Time, door Door, a swarm.TCPAnnounce, dst []swarm.TCPPeer) (n swarm.Counts, peers []swarm.TCPPeer, err error) {
	t.announces[door].Add(1)
	t.with(a.Hash, func(core *swarm.Core[*wsConn]) { n, peers, err = core.AnnounceTCP(now, a, dst) })
	return n, peers, err
}

func (t *Tracker) scrapeHTTP(r *http.Request) []byte {
	hashes, err := httpwire.ParseScrape(r.URL.RawQuery, t.cfg.Limits.Scrape)
	if err == nil && len(hashes) == 0 {
		hashes, err = t.allHashes()
	}
	if err != nil {
		return t.refuse(err.Error())
	}
	t.scrapes[HTTP].Add(1)
	c := &Client{Door: HTTP, Addr: t.clientIP(r), Query: r.URL.RawQuery}
	files := make([]httpwire.ScrapeFile, len(hashes))
	for i, h := range hashes {
		s := t.scrape(c, h)
		files[i] = httpwire.ScrapeFile{InfoHash: h,
			Complete: int64(s.Complete), Incomplete: int64(s.Incomplete), Downloaded: int64(s.Downloaded)}
	}
	return httpwire.AppendScrape(nil, files, seconds(t.cfg.MinInterval))
}

// reachable gives peers that run on the tracker's own machine, and announced over
// loopback, the address by which the asker has reached that machine; where
// that is not known they are left out. Somebody who asks over loopback gets
// them as they are.
func reachable(peers []swarm.TCPPeer, asker, local netip.Addr) []swarm.TCPPeer {
	if asker.IsLoopback() {
		return peers
	}
	known := local.IsValid() && !local.IsLoopback() && !local.IsUnspecified()
	out := peers[:0]
	for _, p := range peers {
		if p.Addr.Addr().IsLoopback() {
			if !known {
				continue
			}
			p.Addr = netip.AddrPortFrom(local, p.Addr.Port())
		}
		out = append(out, p)
	}
	return out
}

// clientIP is the address that a request comes from: that of the connection, or, as
// long as that is a trusted proxy, the one before it in X-Forwarded-For.
func (t *Tracker) clientIP(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	if !t.trusted(ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return ip
		}
		if ip = next.Unmap().WithZone(""); !t.trusted(ip) {
			break
		}
	}
	return ip
}

func (t *Tracker) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(t.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// addrOf returns the IP address of a, or the zero Addr.
func addrOf(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }
