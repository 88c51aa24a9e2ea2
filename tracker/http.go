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

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
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
		t.fallback(w, r)
	case isUpgrade(r):
		t.upgradeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case last == "scrape":
		send(w, t.scrapeHTTP(t.clientOf(r)))
	case r.URL.RawQuery == "" && last == "" && t.cfg.Fallback != nil:
		t.cfg.Fallback.ServeHTTP(w, r)
	case r.URL.RawQuery == "" && last == "":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("This is a BitTorrent and WebTorrent tracker. Give its address, with /announce at the end, to your client.\n"))
	default:
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		send(w, t.announceHTTP(t.clientOf(r), addrOf(local)))
	}
}

func (t *Tracker) fallback(w http.ResponseWriter, r *http.Request) {
	if t.cfg.Fallback == nil {
		http.NotFound(w, r)
		return
	}
	t.cfg.Fallback.ServeHTTP(w, r)
}

func (t *Tracker) clientOf(r *http.Request) *Client {
	return &Client{Door: HTTP, Addr: t.clientIP(r), Query: r.URL.RawQuery}
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

// announceHTTP answers an announce of a client that has reached the address local.
func (t *Tracker) announceHTTP(c *Client, local netip.Addr) []byte {
	now, ip := t.cfg.Now(), c.Addr
	if !ip.IsValid() {
		return t.refuse(reasonNoAddress)
	}
	if !t.admitRate(now, ip) {
		t.shared.limited.Add(1)
		return t.refuse(errRate.Error())
	}
	a, err := httpwire.ParseAnnounce(c.Query)
	if err != nil {
		t.shared.malformed.Add(1)
		return t.refuse(err.Error())
	}
	if err := t.admit(c, a.InfoHash); err != nil {
		return t.refuse(err.Error())
	}
	want := a.NumWant
	if want < 0 {
		want = defaultNumWant
	}
	counts, peers, err := t.announceTCP(now, HTTP, swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: netip.AddrPortFrom(ip, a.Port),
		Event: swarm.ParseEvent(a.Event), Left: a.Left, Want: min(want, t.cfg.Limits.NumWant), Place: t.place(ip),
	}, nil)
	if err != nil {
		return t.refuse(err.Error())
	}
	peers = reachable(peers, ip, local)
	reply := httpwire.Reply{
		Interval: seconds(t.intervalTCP(swarm.ParseEvent(a.Event), len(peers))), MinInterval: seconds(t.cfg.MinInterval),
		Complete: int64(counts.Complete), Incomplete: int64(counts.Incomplete), ExternalIP: ip,
		Peers: make([]httpwire.Peer, len(peers)),
	}
	for i, p := range peers {
		reply.Peers[i] = httpwire.Peer{Addr: p.Addr, ID: p.ID}
	}
	return httpwire.AppendReply(nil, &reply, !a.NoCompact, a.NoPeerID)
}

// intervalTCP is when a peer that listens on TCP shall announce again. The first on a node asks
// before the other nodes can have told their peers, so it asks again soon.
func (t *Tracker) intervalTCP(event swarm.Event, peers int) time.Duration {
	if t.cfg.Peering != nil && event == swarm.Started && peers == 0 {
		return t.cfg.MinInterval
	}
	return t.cfg.Interval
}

// announceTCP takes an announce of HTTP or UDP to the core and appends peers to dst.
func (t *Tracker) announceTCP(now time.Time, door Door, a swarm.TCPAnnounce, dst []swarm.TCPPeer) (n swarm.Counts, peers []swarm.TCPPeer, err error) {
	t.announces[door].Add(1)
	first := len(dst)
	s := t.shard(a.Hash)
	s.mu.Lock()
	n, peers, err = s.core.AnnounceTCP(now, a, dst)
	kinds := t.countsLocked(s, a.Hash)
	s.mu.Unlock()
	if p := t.cfg.Peering; p != nil && err == nil {
		gone := a.Event == swarm.Stopped
		seeder := !gone && (a.Left == 0 || a.Event == swarm.Completed)
		p.Changed(a.Hash, kinds)
		if want := a.Want - (len(peers) - first); want > 0 && !gone {
			peers = p.TCPPeers(a.Hash, a.Family, seeder, want, peers)
		}
		there := p.Elsewhere(a.Hash)
		n.Complete += there.RTCSeeders + there.TCPSeeders
		n.Incomplete += there.RTCLeechers + there.TCPLeechers
	}
	return n, peers, err
}

func (t *Tracker) scrapeHTTP(c *Client) []byte {
	if !t.admitRate(t.cfg.Now(), c.Addr) {
		t.shared.limited.Add(1)
		return t.refuse(errRate.Error())
	}
	hashes, err := httpwire.ParseScrape(c.Query, t.cfg.Limits.Scrape)
	if err == nil && len(hashes) == 0 {
		hashes, err = t.allHashes()
	}
	if err != nil {
		return t.refuse(err.Error())
	}
	t.scrapes[HTTP].Add(1)
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

// clientIP is the address that a request comes from.
func (t *Tracker) clientIP(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return t.behindProxies(ap.Addr().Unmap().WithZone(""), strings.Join(r.Header.Values("X-Forwarded-For"), ","))
}

func (v *visit) clientIP(forwarded []byte) netip.Addr {
	return v.t.behindProxies(addrOf(v.tcp.RemoteAddr()), string(forwarded))
}

// behindProxies is the address of a connection or, as long as that is a trusted proxy, the
// one before it in X-Forwarded-For.
func (t *Tracker) behindProxies(ip netip.Addr, forwarded string) netip.Addr {
	if forwarded == "" || !t.trusted(ip) {
		return ip
	}
	hops := strings.Split(forwarded, ",")
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
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }
