package core

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

func (s *Session) announce(b *wsconn.Batch, a *signal.Announce) limit.Reason {
	t, w := s.core, workOf(b)
	fail := func(r limit.Reason, text string) limit.Reason {
		s.refused(b, r)
		return s.replyFailure(b, a, text)
	}
	if before := w.asked; before != nil {
		a.Offers = a.Offers[:min(len(a.Offers), before.offers)]
	} else if r := s.withinRates(b, a); r != limit.None {
		return s.bad(b, fail(r, r.Error()))
	}
	s.client.PeerID = a.PeerID
	if err := t.admit(s.client, a.InfoHash); err != nil {
		s.leave(b, swarm.Membership{Hash: a.InfoHash, Peer: a.PeerID})
		return fail(limit.AnnounceDenied, err.Error())
	}
	if t.Asks(swarm.ParseEvent(a.Event)) {
		switch v := s.ask(a, w.asked); v.Answer {
		case hook.Pending:
			return limit.None
		case hook.Denied:
			s.deny(b, a, v)
			return s.replyFailure(b, a, v.Reason)
		}
	}
	if len(a.Key) > 0 && s.key.Load() == nil {
		key := string(a.Key)
		s.key.Store(&key)
	}
	// Without an id an answer could not find its offer, and libtorrent closes on it.
	offers := slices.DeleteFunc(a.Offers, func(o signal.Offer) bool { return !o.HasID })
	want := len(offers)
	if a.NumWant >= 0 {
		want = min(want, a.NumWant)
	}
	there, trust := t.elsewhere(a.InfoHash), t.trust(s.client.Trust)
	re, why := s.join(b, swarm.RTCAnnounce[*Session]{
		Hash: a.InfoHash, Peer: a.PeerID, Conn: s,
		Event: swarm.ParseEvent(a.Event), Left: a.Left, Want: want, Place: s.place, Source: s.source, Trust: trust,
		Offers: t.mayLeave(want), Shared: want > 0 && there.RTC(swarm.Role{Trust: trust}) > 0, Owned: &s.peers, MaxOwned: t.cfg.PeersPerConn,
	})
	if why != limit.None {
		return fail(why, why.Error())
	}
	m := signal.Reply{
		Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
		Interval: int(t.intervalWS()), Complete: re.Complete + there.RTCSeeders + there.TCPSeeders, Incomplete: re.Incomplete + there.RTCLeechers + there.TCPLeechers,
	}
	if a.WantsICE && t.cfg.ICEServers != nil {
		m.ICEServers = t.cfg.ICEServers(s.client)
	}
	// The reply goes before the offers.
	if r := s.reply(b, &m); r != limit.None {
		return r
	}
	for i, to := range w.to {
		t.relay(b, to.Conn, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
			Offer: offers[i].SDP, OfferID: offers[i].ID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
		})
	}
	relay := min(re.Relay, want)
	b.N.Unplaced.Add(uint64(want - relay))
	if rest := offers[min(len(w.to), relay):relay]; len(rest) > 0 {
		t.offerRemote(b, a, swarm.Role{Seeder: re.Seeder, Trust: trust}, rest)
	}
	clear(w.to)
	return limit.None
}

func (s *Session) replyFailure(b *wsconn.Batch, a *signal.Announce, text string) limit.Reason {
	return s.reply(b, &signal.Reply{Action: signal.ActionAnnounce, InfoHash: a.InfoHash, FailureReason: text})
}

// answer passes an answer on, without a reply. One that has no way is dropped: its
// receiver may just have left.
func (s *Session) answer(b *wsconn.Batch, a *signal.Announce) {
	t := s.core
	sh := t.shard(a.InfoHash)
	sh.mu.Lock()
	to, way := sh.core.Route(a.InfoHash, s, a.PeerID, a.ToPeerID)
	sh.mu.Unlock()
	switch p := t.cfg.Peering; {
	case way == swarm.RouteHere:
		t.relay(b, to, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
			Answer: a.Answer, OfferID: a.OfferID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
		})
	case way == swarm.RouteElsewhere && p != nil && p.Answer(a.InfoHash, a.PeerID, a.ToPeerID, RemoteSDP{ID: a.OfferID, SDP: a.Answer}):
		b.N.Answers.Add(1)
	default:
		b.N.Limit(limit.NoRoute, s.client.Addr)
	}
}

func (s *Session) scrape(b *wsconn.Batch) limit.Reason {
	t, req := s.core, &workOf(b).req.Scrape
	m := signal.Reply{Action: signal.ActionScrape}
	hashes := req.Hashes
	if r := t.cfg.Clients.Announce(b.Now, s.client.Addr); r != limit.None {
		s.refused(b, r)
		m.FailureReason = r.Error()
		return s.bad(b, s.reply(b, &m))
	}
	if req.All {
		var ok bool
		if hashes, ok = t.Hashes(); !ok {
			s.refused(b, limit.FullScrape)
			m.FailureReason = limit.FullScrape.Error()
			return s.reply(b, &m)
		}
	}
	b.N.Scrapes[stats.WebSocket].Add(1)
	if len(hashes) > scrapePart && req.All {
		if s.streamScrape(hashes) {
			return limit.None
		}
		s.refused(b, limit.AnnouncesPerConn)
		m.FailureReason = limit.AnnouncesPerConn.Error()
		return s.bad(b, s.reply(b, &m))
	}
	for _, h := range hashes {
		m.Files = append(m.Files, t.scrapeFile(s.client, h))
	}
	return s.reply(b, &m)
}
