package tracker

import (
	"errors"
	"slices"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

var errTooManyPeers = errors.New("too many peers on one connection")

// handle answers a message. It returns false when the connection should be closed.
func (c *conn) handle(b *batch, msg []byte) bool {
	t := c.t
	l := &t.cfg.Limits
	err := b.req.Parse(msg, signal.Limits{MaxMessage: l.Message, MaxSDP: l.SDP, MaxOffers: l.Offers, MaxHashes: l.Scrape})
	if err != nil {
		// Every failure has an action: webtorrent.js gives up its shared socket
		// at a message without.
		b.n.refused.Add(1)
		b.n.malformed.Add(1)
		b.out = signal.AppendError(b.out[:0], &b.req, err)
		return c.send(b, wsframe.Text, b.out) && c.strike()
	}
	switch a := &b.req.Announce; {
	case b.req.Action == signal.ActionScrape:
		return c.scrape(b)
	case a.HasAnswer:
		c.answer(b, a)
		return true
	default:
		return c.announce(b, a)
	}
}

// strike counts a bad message and reports false at one too many.
func (c *conn) strike() bool {
	c.errors++
	return c.errors < maxErrors
}

func (c *conn) reply(b *batch, m *signal.Reply) bool {
	if m.FailureReason != "" {
		b.n.refused.Add(1)
	}
	b.out = m.Append(b.out[:0])
	return c.send(b, wsframe.Text, b.out)
}

func (c *conn) announce(b *batch, a *signal.Announce) bool {
	t := c.t
	fail := func(err error) bool {
		return c.reply(b, &signal.Reply{Action: signal.ActionAnnounce, InfoHash: a.InfoHash, FailureReason: err.Error()})
	}
	if !c.withinRates(b, a) {
		b.n.limited.Add(1)
		return fail(errRate) && c.strike()
	}
	if err := t.admit(c.client, a.InfoHash); err != nil {
		return fail(err)
	}
	if len(a.Key) > 0 && c.key.Load() == nil {
		key := string(a.Key)
		c.key.Store(&key)
	}
	// Without an id an answer could not find its offer, and libtorrent closes on it.
	offers := slices.DeleteFunc(a.Offers, func(o signal.Offer) bool { return !o.HasID })
	want := len(offers)
	if a.NumWant >= 0 {
		want = min(want, a.NumWant)
	}
	abroad := t.abroad(b, a.InfoHash, want)
	re, err := c.join(b, swarm.RTCAnnounce[*conn]{
		Hash: a.InfoHash, Peer: a.PeerID, Conn: c,
		Event: swarm.ParseEvent(a.Event), Left: a.Left, Want: want - abroad, Place: c.place,
	})
	if err != nil {
		return fail(err)
	}
	m := signal.Reply{
		Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
		Interval: int(seconds(t.cfg.WSInterval)), Complete: re.Complete, Incomplete: re.Incomplete,
	}
	if p := t.cfg.Peering; p != nil {
		n := p.Elsewhere(a.InfoHash)
		m.Complete += n.RTCSeeders + n.TCPSeeders
		m.Incomplete += n.RTCLeechers + n.TCPLeechers
	}
	if a.WantsICE && t.cfg.ICEServers != nil {
		m.ICEServers = t.cfg.ICEServers(c.client)
	}
	// The reply goes before the offers.
	if !c.reply(b, &m) {
		return false
	}
	for i, to := range b.to {
		t.relay(b, to.Conn, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
			Offer: offers[i].SDP, OfferID: offers[i].ID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
		})
	}
	if rest := offers[min(len(b.to), want):want]; len(rest) > 0 {
		t.sendAbroad(b, a, re.Seeder, rest)
	}
	clear(b.to)
	return true
}

// join takes an announce to the core and leaves the receivers of its offers in b.to.
func (c *conn) join(b *batch, a swarm.RTCAnnounce[*conn]) (re swarm.RTCReply[*conn], err error) {
	t := c.t
	b.n.announces.Add(1)
	s := t.shard(a.Hash)
	s.mu.Lock()
	re, b.to, err = s.core.AnnounceRTC(b.now, a, b.to[:0])
	if errors.Is(err, swarm.ErrTaken) && c.succeeds(re.Owner) {
		s.core.Part(b.now, a.Hash, re.Owner, a.Peer)
		re, b.to, err = s.core.AnnounceRTC(b.now, a, b.to[:0])
	}
	if re.Joined && len(c.peers) >= t.cfg.Limits.PeersPerConn {
		s.core.Part(b.now, a.Hash, c, a.Peer)
		re.Joined, err = false, errTooManyPeers
	}
	n := t.countsLocked(s, a.Hash)
	s.mu.Unlock()
	switch m := (membership{a.Hash, a.Peer}); {
	case errors.Is(err, swarm.ErrTaken):
		// The first keeps its place as long as it lives: peer ids are public, so
		// anybody could claim them. If it is dead, the next announce gets in.
		re.Owner.probe(b)
	case re.Joined:
		if c.home < 0 {
			c.home = t.homeOf(a.Hash)
		}
		c.peers = append(c.peers, m)
	case re.Parted:
		c.forget(m)
	}
	if p := t.cfg.Peering; p != nil && err == nil {
		p.Changed(a.Hash, n)
	}
	return re, err
}

// part takes a peer of a connection that ends out of its swarm.
func (t *Tracker) part(b *batch, c *conn, m membership) {
	s := t.shard(m.hash)
	s.mu.Lock()
	parted := s.core.Part(b.now, m.hash, c, m.peer)
	n := t.countsLocked(s, m.hash)
	s.mu.Unlock()
	if p := t.cfg.Peering; p != nil && parted {
		p.Changed(m.hash, n)
	}
}

// succeeds reports whether c may take the place of old: it has the same secret
// key, or old has ended already.
func (c *conn) succeeds(old *conn) bool {
	if a, b := c.key.Load(), old.key.Load(); a != nil && b != nil && *a == *b {
		return true
	}
	return old.isGone()
}

// answer passes an answer on, without a reply. One that has no way is dropped: its
// receiver may just have left.
func (c *conn) answer(b *batch, a *signal.Announce) {
	t := c.t
	s := t.shard(a.InfoHash)
	s.mu.Lock()
	to, ok := s.core.Route(a.InfoHash, c, a.PeerID, a.ToPeerID)
	mine := ok
	if !ok && t.cfg.Peering != nil {
		owner, known := s.core.Owner(a.InfoHash, a.PeerID)
		mine = known && owner == c
	}
	s.mu.Unlock()
	switch p := t.cfg.Peering; {
	case ok:
		t.relay(b, to, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
			Answer: a.Answer, OfferID: a.OfferID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
		})
	case mine && p != nil && p.Answer(a.InfoHash, a.PeerID, a.ToPeerID, RemoteSDP{ID: a.OfferID, SDP: a.Answer}):
		b.n.answers.Add(1)
	default:
		b.n.dropped.Add(1)
	}
}

// relay sends an offer or an answer to its receiver, and reports whether it takes it.
func (t *Tracker) relay(b *batch, to *conn, m *signal.Reply) bool {
	b.out = m.Append(b.out[:0])
	ok := to.send(b, wsframe.Text, b.out)
	switch {
	case !ok:
		b.n.dropped.Add(1)
	case len(m.Offer) > 0:
		b.n.offers.Add(1)
	default:
		b.n.answers.Add(1)
	}
	return ok
}

func (c *conn) scrape(b *batch) bool {
	req := &b.req.Scrape
	m := signal.Reply{Action: signal.ActionScrape}
	hashes := req.Hashes
	if !c.t.admitRate(b.now, c.client.Addr) {
		m.FailureReason = errRate.Error()
		return c.reply(b, &m) && c.strike()
	}
	if req.All {
		var err error
		if hashes, err = c.t.allHashes(); err != nil {
			m.FailureReason = err.Error()
			return c.reply(b, &m)
		}
	}
	b.n.scrapes.Add(1)
	for _, h := range hashes {
		n := c.t.scrape(c.client, h)
		m.Files = append(m.Files, signal.ScrapeFile{InfoHash: h,
			Complete: n.Complete, Incomplete: n.Incomplete, Downloaded: n.Downloaded})
	}
	return c.reply(b, &m)
}
