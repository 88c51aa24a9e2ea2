package core

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// DefaultNumWant is how many peers a client of HTTP or UDP gets that does not say how many it wants.
const DefaultNumWant = 50

// Want returns how many peers a client gets that asks for n, or does not say.
func (t *Core) Want(n int) int {
	if n < 0 {
		n = DefaultNumWant
	}
	return min(n, t.cfg.NumWant)
}

// AnnounceTCP takes an announce of HTTP or UDP to its swarm and appends peers to dst; the Place
// is found by the address. A refusal is counted in n.
func (t *Core) AnnounceTCP(n *stats.Counters, now time.Time, door stats.Door, a swarm.TCPAnnounce, dst []swarm.TCPPeer) (c swarm.Counts, peers []swarm.TCPPeer, err error) {
	n.Announces[door].Add(1)
	a.Place, a.Trust = t.place(a.Addr.Addr()), t.trust(a.Trust)
	first := len(dst)
	s := t.shard(a.Hash)
	s.mu.Lock()
	c, peers, err = s.core.AnnounceTCP(now, a, dst)
	kinds := t.countsLocked(s, a.Hash)
	ousted := s.core.Ousted(nil)
	s.mu.Unlock()
	t.oustedFrom(ousted)
	if err != nil {
		n.Refuse(door, reasonOf(err), a.Addr.Addr())
		return c, peers, err
	}
	if p := t.cfg.Peering; p != nil {
		gone := a.Event == swarm.Stopped
		seeder := !gone && (a.Left == 0 || a.Event == swarm.Completed)
		p.Changed(a.Hash, kinds)
		if want := a.Want - (len(peers) - first); want > 0 && !gone {
			peers = p.TCPPeers(a.Hash, a.Family, a.Sees(), swarm.Role{Seeder: seeder, Trust: a.Trust}, want, peers)
		}
		there := p.Elsewhere(a.Hash)
		c.Complete += there.RTCSeeders + there.TCPSeeders
		c.Incomplete += there.RTCLeechers + there.TCPLeechers
	}
	return c, peers, nil
}

// Pace takes one announce or scrape of HTTP or UDP from the client's allowances. What is above
// them is counted in n.
func (t *Core) Pace(n *stats.Counters, now time.Time, door stats.Door, ip netip.Addr) limit.Reason {
	r := t.cfg.Clients.Announce(now, ip)
	if r != limit.None {
		n.Refuse(door, r, ip)
	}
	return r
}
