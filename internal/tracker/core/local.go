package core

import (
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// elsewhere is what is known of a swarm on other nodes.
func (t *Core) elsewhere(h swarm.Hash) (n Counts) {
	if p := t.cfg.Peering; p != nil {
		n = p.Elsewhere(h)
	}
	return n
}

// trust is whom a client may meet, here where perhaps nobody meets all.
func (t *Core) trust(c swarm.Trust) swarm.Trust {
	if c == swarm.Ordinary && t.cfg.TrustedOnly {
		return swarm.Limited
	}
	return c
}

// mayLeave is how many of an announce's offers may be answered from other nodes.
func (t *Core) mayLeave(offers int) int {
	if t.cfg.Peering == nil {
		return 0
	}
	return offers
}

// oustedFrom tells the other nodes of swarms that made room.
func (t *Core) oustedFrom(swarms []swarm.Hash) {
	if p := t.cfg.Peering; p != nil {
		for _, h := range swarms {
			p.Changed(h, Counts{})
		}
	}
}

// offerRemote gives offers that found no peer here to the other nodes.
func (t *Core) offerRemote(b *wsconn.Batch, a *signal.Announce, role swarm.Role, offers []signal.Offer) {
	p := t.cfg.Peering
	if p == nil {
		b.N.Unplaced.Add(uint64(len(offers)))
		return
	}
	w := workOf(b)
	w.remote = w.remote[:0]
	for i := range offers {
		w.remote = append(w.remote, RemoteSDP{ID: offers[i].ID, SDP: offers[i].SDP})
	}
	p.Offers(a.InfoHash, a.PeerID, role, w.remote)
	clear(w.remote)
}

// countsLocked returns a swarm's counts for the peering, if there is one.
func (t *Core) countsLocked(s *shard, h swarm.Hash) (n Counts) {
	if t.cfg.Peering != nil {
		n = s.core.Kinds(h)
	}
	return n
}

// local is the Core as its Peering sees it.
type local struct{ t *Core }

func (l local) DeliverOffers(h swarm.Hash, from swarm.PeerID, role swarm.Role, offers []RemoteSDP) int {
	t := l.t
	b := t.conns.Begin()
	defer t.conns.End(b)
	w, s := workOf(b), t.shard(h)
	s.mu.Lock()
	w.to = s.core.Receivers(b.Now, h, from, role, swarm.Place{}, len(offers), w.to[:0])
	s.mu.Unlock()
	n := 0
	for i, to := range w.to {
		if t.relay(b, to.Conn, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: h, Offer: offers[i].SDP, OfferID: offers[i].ID,
			PeerID: from, Complete: -1, Incomplete: -1,
		}) {
			n++
		}
	}
	clear(w.to)
	return n
}

func (l local) DeliverAnswer(h swarm.Hash, from, to swarm.PeerID, answer RemoteSDP) bool {
	t := l.t
	b := t.conns.Begin()
	defer t.conns.End(b)
	s := t.shard(h)
	s.mu.Lock()
	c, ok := s.core.RouteIn(h, to)
	s.mu.Unlock()
	return ok && t.relay(b, c, &signal.Reply{
		Action: signal.ActionAnnounce, InfoHash: h, Answer: answer.SDP, OfferID: answer.ID,
		PeerID: from, Complete: -1, Incomplete: -1,
	})
}

func (l local) EachSwarm(f func(h swarm.Hash, n Counts) bool) {
	type entry struct {
		h swarm.Hash
		n Counts
	}
	for i := range l.t.shards {
		s := &l.t.shards[i]
		var all []entry
		s.mu.Lock()
		s.core.EachSwarm(func(h swarm.Hash) bool {
			all = append(all, entry{h, l.t.countsLocked(s, h)})
			return true
		})
		s.mu.Unlock()
		for _, e := range all {
			if e.n != (Counts{}) && !f(e.h, e.n) {
				return
			}
		}
	}
}

func (l local) EachTCP(h swarm.Hash, max int, f func(p swarm.TCPPeer, role swarm.Role)) {
	type entry struct {
		p    swarm.TCPPeer
		role swarm.Role
	}
	var all []entry
	s := l.t.shard(h)
	s.mu.Lock()
	s.core.EachTCP(h, max, func(p swarm.TCPPeer, role swarm.Role) { all = append(all, entry{p, role}) })
	s.mu.Unlock()
	for _, e := range all {
		f(e.p, e.role)
	}
}
