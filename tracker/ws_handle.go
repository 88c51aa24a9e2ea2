package tracker

import (
	"errors"
	"slices"
	"sync"

	"github.com/lxzan/gws"

	"github.com/shoal-p2p/shoal/signal"
	"github.com/shoal-p2p/shoal/tracker/swarm"
)

// A scratch is what the handling of one message needs for its duration.
type scratch struct {
	req signal.Request
	to  []swarm.Receiver[*wsConn]
	out []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// handle answers a message. It returns false when the connection should be closed.
func (c *wsConn) handle(b []byte) bool {
	s := scratches.Get().(*scratch)
	defer func() {
		clear(s.to)
		s.to = s.to[:0]
		scratches.Put(s)
	}()
	t := c.t
	err := s.req.Parse(b, signal.Limits{MaxMessage: t.cfg.Limits.Message, MaxOffers: t.cfg.Limits.Offers, MaxHashes: t.cfg.Limits.Scrape})
	if err != nil {
		// Every failure has an action: webtorrent.js gives up its shared socket
		// at a message without.
		t.refused[WebSocket].Add(1)
		s.out = signal.AppendError(s.out[:0], &s.req, err)
		c.errors++
		return c.write(gws.OpcodeText, s.out) && c.errors < wsMaxErrors
	}
	switch a := &s.req.Announce; {
	case s.req.Action == signal.ActionScrape:
		return c.scrape(s)
	case a.HasAnswer:
		c.answer(s, a)
		return true
	default:
		return c.announce(s, a)
	}
}

func (c *wsConn) reply(s *scratch, m *signal.Reply) bool {
	if m.FailureReason != "" {
		c.t.refused[WebSocket].Add(1)
	}
	s.out = m.Append(s.out[:0])
	return c.write(gws.OpcodeText, s.out)
}

func (c *wsConn) announce(s *scratch, a *signal.Announce) bool {
	t := c.t
	fail := func(reason string) bool {
		return c.reply(s, &signal.Reply{Action: signal.ActionAnnounce, InfoHash: a.InfoHash, FailureReason: reason})
	}
	if err := t.admit(c.client, a.InfoHash); err != nil {
		return fail(err.Error())
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
	re, err := c.join(s, swarm.RTCAnnounce[*wsConn]{
		Hash: a.InfoHash, Peer: a.PeerID, Conn: c,
		Event: swarm.ParseEvent(a.Event), Left: a.Left, Want: want,
	})
	if err != nil {
		return fail(err.Error())
	}
	// The reply goes before the offers.
	if !c.reply(s, &signal.Reply{
		Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
		Interval: int(seconds(t.cfg.WSInterval)), Complete: re.Complete, Incomplete: re.Incomplete,
	}) {
		return false
	}
	for i, to := range s.to {
		c.relay(s, to.Conn, &signal.Reply{
			Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
			Offer: offers[i].SDP, OfferID: offers[i].ID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
		})
	}
	return true
}

// join takes an announce to the core and leaves the receivers of its offers in
// s.to.
func (c *wsConn) join(s *scratch, a swarm.RTCAnnounce[*wsConn]) (re swarm.RTCReply[*wsConn], err error) {
	t := c.t
	now := t.cfg.Now()
	t.announces[WebSocket].Add(1)
	m := membership{a.Hash, a.Peer}
	t.with(a.Hash, func(core *swarm.Core[*wsConn]) {
		re, s.to, err = core.AnnounceRTC(now, a, s.to[:0])
		if errors.Is(err, swarm.ErrTaken) && c.succeeds(re.Owner) {
			core.Part(now, a.Hash, re.Owner, a.Peer)
			re, s.to, err = core.AnnounceRTC(now, a, s.to[:0])
		}
		if re.Joined && len(c.peers) >= t.cfg.Limits.PeersPerConn {
			core.Part(now, a.Hash, c, a.Peer)
			re.Joined, err = false, errTooManyPeers
		}
	})
	switch {
	case errors.Is(err, swarm.ErrTaken):
		// The first keeps its place as long as it lives: peer ids are public, so
		// anybody could claim them. If it is dead, the next announce gets in.
		re.Owner.probe(now)
	case re.Joined:
		c.peers = append(c.peers, m)
	case re.Parted:
		if i := slices.Index(c.peers, m); i >= 0 {
			c.peers = slices.Delete(c.peers, i, i+1)
		}
	}
	return re, err
}

// succeeds reports whether c may take the place of old: it has the same secret
// key, or old has ended already.
func (c *wsConn) succeeds(old *wsConn) bool {
	if old.gone.Load() {
		return true
	}
	a, b := c.key.Load(), old.key.Load()
	return a != nil && b != nil && *a == *b
}

// answer passes an answer on, without a reply. One that has no way is dropped: its
// receiver may just have left.
func (c *wsConn) answer(s *scratch, a *signal.Announce) {
	var to *wsConn
	var ok bool
	c.t.with(a.InfoHash, func(core *swarm.Core[*wsConn]) { to, ok = core.Route(a.InfoHash, c, a.PeerID, a.ToPeerID) })
	if !ok {
		c.t.dropped.Add(1)
		return
	}
	c.relay(s, to, &signal.Reply{
		Action: signal.ActionAnnounce, InfoHash: a.InfoHash,
		Answer: a.Answer, OfferID: a.OfferID, PeerID: a.PeerID, Complete: -1, Incomplete: -1,
	})
}

func (c *wsConn) relay(s *scratch, to *wsConn, m *signal.Reply) {
	s.out = m.Append(s.out[:0])
	switch {
	case !to.write(gws.OpcodeText, s.out):
		c.t.dropped.Add(1)
	case len(m.Offer) > 0:
		c.t.offers.Add(1)
	default:
		c.t.answers.Add(1)
	}
}

func (c *wsConn) scrape(s *scratch) bool {
	req := &s.req.Scrape
	m := signal.Reply{Action: signal.ActionScrape}
	hashes := req.Hashes
	if req.All {
		var err error
		if hashes, err = c.t.allHashes(); err != nil {
			m.FailureReason = err.Error()
			return c.reply(s, &m)
		}
	}
	c.t.scrapes[WebSocket].Add(1)
	for _, h := range hashes {
		n := c.t.scrape(c.client, h)
		m.Files = append(m.Files, signal.ScrapeFile{InfoHash: h,
			Complete: n.Complete, Incomplete: n.Incomplete, Downloaded: n.Downloaded})
	}
	return c.reply(s, &m)
}
