package front

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

func failure(text string) []byte { return httpwire.AppendFailure(nil, text, 0) }

// refuse counts a refusal and answers with the Reason's text.
func (f *Front) refuse(c *core.Client, r limit.Reason) []byte {
	f.shared.Refuse(stats.HTTP, r, c.Addr)
	return failure(r.Error())
}

// announce answers an announce of a client that has reached the address local.
func (f *Front) announce(c *core.Client, local netip.Addr) []byte {
	t, now, ip := f.cfg.Core, f.cfg.Now(), c.Addr
	if !ip.IsValid() {
		return f.refuse(c, limit.AddressUnknown)
	}
	if r := t.Pace(f.shared, now, stats.HTTP, ip); r != limit.None {
		return failure(r.Error())
	}
	a, err := httpwire.ParseAnnounce(c.Query)
	if err != nil {
		f.shared.Malformed.Add(1)
		f.shared.Refuse(stats.HTTP, limit.Malformed, ip)
		return failure(err.Error())
	}
	c.PeerID = a.PeerID
	if err := t.Admit(f.shared, c, a.InfoHash); err != nil {
		return failure(err.Error())
	}
	event := swarm.ParseEvent(a.Event)
	peer := swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: netip.AddrPortFrom(ip, a.Port),
		Event: event, Left: a.Left, Want: t.Want(a.NumWant), Local: local, Trust: c.Trust,
	}
	if t.Asks(event) {
		v := f.ask(c, &peer)
		now = f.cfg.Now()
		if v.Answer == hook.Denied {
			t.DenyTCP(f.shared, now, c, &peer, v)
			return failure(v.Reason)
		}
	}
	counts, peers, err := t.AnnounceTCP(f.shared, now, stats.HTTP, peer, nil)
	if err != nil {
		return failure(err.Error())
	}
	reply := httpwire.Reply{
		Interval: t.IntervalTCP(event, len(peers)), MinInterval: f.minInterval(),
		Complete: int64(counts.Complete), Incomplete: int64(counts.Incomplete), ExternalIP: ip,
		Peers: make([]httpwire.Peer, len(peers)),
	}
	for i, p := range peers {
		reply.Peers[i] = httpwire.Peer{Addr: p.Addr, ID: p.ID}
	}
	return httpwire.AppendReply(nil, &reply, !a.NoCompact, a.NoPeerID)
}

// ask returns what the Hook says of an announce. It waits for that, for as long as the Hook lets it: its time is
// bounded, and so are those who wait.
func (f *Front) ask(c *core.Client, a *swarm.TCPAnnounce) hook.Verdict {
	t := f.cfg.Core
	if v, ok := t.Known(c, a.Hash); ok {
		return v
	}
	later := make(chan hook.Verdict, 1)
	v := t.Ask(c, a.Hash, a.Addr.Port(), a.Left, a.Event, func(v hook.Verdict) { later <- v })
	if v.Answer == hook.Pending {
		v = <-later
	}
	return v
}

// minInterval is in seconds.
func (f *Front) minInterval() int64 { return max(int64(f.cfg.MinInterval/time.Second), 1) }

func (f *Front) scrape(c *core.Client) []byte {
	t := f.cfg.Core
	if r := t.Pace(f.shared, f.cfg.Now(), stats.HTTP, c.Addr); r != limit.None {
		return failure(r.Error())
	}
	hashes, err := httpwire.ParseScrape(c.Query, f.cfg.Scrape)
	if err != nil {
		f.shared.Refuse(stats.HTTP, limit.Malformed, c.Addr)
		return failure(err.Error())
	}
	if len(hashes) == 0 {
		var ok bool
		if hashes, ok = t.Hashes(); !ok {
			return f.refuse(c, limit.FullScrape)
		}
	}
	f.shared.Scrapes[stats.HTTP].Add(1)
	files := make([]httpwire.ScrapeFile, len(hashes))
	for i, h := range hashes {
		s := t.Scrape(c, h)
		files[i] = httpwire.ScrapeFile{InfoHash: h,
			Complete: int64(s.Complete), Incomplete: int64(s.Incomplete), Downloaded: int64(s.Downloaded)}
	}
	return httpwire.AppendScrape(nil, files, f.minInterval())
}
