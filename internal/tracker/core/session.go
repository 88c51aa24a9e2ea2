package core

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

const (
	// MaxErrors is how many bad messages a connection may send; one is forgiven every ten seconds.
	MaxErrors = 50
	// maxCandidates is how many ICE candidates of one offer or answer are passed on. Browsers
	// have two for each address of their machine, one for each STUN and TURN server, and
	// rarely more than twelve. A stranger's browser sends packets to each.
	maxCandidates = 32
)

// strikes are the bad messages that do not end a connection.
var strikes = limit.Rate{PerSecond: 0.1, Burst: MaxErrors - 1}.Pace()

// A Session is what a WebSocket connection is to the swarms. Its fields are the owner's of the
// connection, unless they are atomic.
type Session struct {
	conn   wsconn.Conn
	core   *Core
	client *Client
	place  swarm.Place
	source swarm.Source
	// key is what the client proves its identity with (BEP 3), set once.
	key    atomic.Pointer[string]
	peers  swarm.Memberships
	rate   limit.Bucket // of announces
	offers limit.Bucket
	slot   limit.Slot
	errors limit.Bucket // of bad messages
	asked  *asked       // the announce that the connection pauses for
	// scraping is whether a full scrape is being sent.
	scraping atomic.Bool
}

// work is what the handling of a message needs for its duration.
type work struct {
	req    signal.Request
	to     []swarm.Receiver[*Session]
	out    []byte
	remote []RemoteSDP
	in     []byte // a copy of a message that may come again
	asked  *asked // of the message, when it comes again
}

func workOf(b *wsconn.Batch) *work { return b.Work.(*work) }

// Serve serves a WebSocket connection of a client that counts in slot, and gives that back in the
// end. buffered is what came behind the request; deflate says that deflated messages were agreed
// upon; accept tells the client that it is in, or why the connection has to end. Where no loop takes
// the connection, Serve blocks until it ends.
func (t *Core) Serve(c *Client, slot limit.Slot, nc net.Conn, buffered []byte, deflate bool, accept func() error) {
	s := t.newSession(c, slot)
	t.conns.Serve(&s.conn, s, nc, buffered, deflate, accept)
}

func (t *Core) newSession(c *Client, slot limit.Slot) *Session {
	s := &Session{core: t, client: c, slot: slot, place: t.place(c.Addr), source: t.ledger.Source(c.Addr)}
	if !c.Until.IsZero() {
		s.conn.EndAt(c.Until)
	}
	t.countCountry(s.place.Country, 1)
	return s
}

// Addr is the client's address.
func (s *Session) Addr() netip.Addr { return s.client.Addr }

// Ended takes the peers of the connection out of their swarms.
func (s *Session) Ended(b *wsconn.Batch) {
	for _, m := range s.peers {
		s.core.part(b, s, m)
	}
	s.peers = nil
	s.core.cfg.Clients.Release(&s.slot)
	s.core.countCountry(s.place.Country, -1)
}

// Message answers a message.
func (s *Session) Message(b *wsconn.Batch, msg []byte) limit.Reason {
	c := &s.core.cfg
	w := workOf(b)
	if c.Hook != nil {
		w.in = append(w.in[:0], msg...) // Parse may change it
		msg = w.in
		w.asked, s.asked = s.asked, nil
	}
	err := w.req.Parse(msg, signal.Limits{MaxMessage: c.Message, MaxSDP: c.SDP, MaxOffers: c.Offers, MaxHashes: c.Scrape, MaxCandidates: maxCandidates})
	if err != nil && !utf8.Valid(msg) {
		s.conn.NotText(b)
		return limit.None
	}
	if err != nil {
		// Every failure has an action: webtorrent.js gives up its shared socket
		// at a message without.
		s.refused(b, limit.Malformed)
		b.N.Malformed.Add(1)
		w.out = signal.AppendError(w.out[:0], &w.req, err)
		return s.bad(b, s.send(b))
	}
	if w.req.Announce.CandidatesCut > 0 && w.asked == nil {
		b.N.Limit(limit.Candidates, s.client.Addr)
		if r := s.bad(b, limit.None); r != limit.None {
			return r
		}
	}
	switch a := &w.req.Announce; {
	case w.req.Action == signal.ActionScrape:
		return s.scrape(b)
	case a.HasAnswer:
		s.answer(b, a)
		return limit.None
	default:
		return s.announce(b, a)
	}
}

// refused counts a request that is answered with a failure.
func (s *Session) refused(b *wsconn.Batch, r limit.Reason) {
	b.N.Refuse(stats.WebSocket, r, s.client.Addr)
}

// bad counts a bad message, and ends the connection at one too many.
func (s *Session) bad(b *wsconn.Batch, sent limit.Reason) limit.Reason {
	if !s.errors.Allow(strikes, b.Now.UnixNano(), 1) && sent == limit.None {
		return limit.BadMessages
	}
	return sent
}

// send sends what stands in work.out to the client itself.
func (s *Session) send(b *wsconn.Batch) limit.Reason {
	switch r := s.conn.Send(b, workOf(b).out); r {
	case limit.ReceiverSlow:
		return limit.SlowReader
	case limit.ReceiverBuffer:
		return limit.Buffers
	default:
		return r
	}
}

func (s *Session) reply(b *wsconn.Batch, m *signal.Reply) limit.Reason {
	w := workOf(b)
	w.out = m.Append(w.out[:0])
	return s.send(b)
}

// relay sends an offer or an answer to its receiver, and reports whether it takes it.
func (t *Core) relay(b *wsconn.Batch, to *Session, m *signal.Reply) bool {
	w := workOf(b)
	w.out = m.Append(w.out[:0])
	r := to.conn.Send(b, w.out)
	switch {
	case r != limit.None:
		b.N.Limit(r, to.client.Addr)
	case len(m.Offer) > 0:
		b.N.Offers.Add(1)
	default:
		b.N.Answers.Add(1)
	}
	return r == limit.None
}

// withinRates says whether the client may announce once more; it strips the offers
// that are too many.
func (s *Session) withinRates(b *wsconn.Batch, a *signal.Announce) limit.Reason {
	t, now := s.core, b.Now.UnixNano()
	if !s.rate.Allow(t.announces, now, 1) {
		return limit.AnnouncesPerConn
	}
	if r := t.cfg.Clients.Announce(b.Now, s.client.Addr); r != limit.None {
		return r
	}
	all := len(a.Offers)
	for len(a.Offers) > 0 && !s.offers.Allow(t.offers, now, len(a.Offers)) {
		a.Offers = a.Offers[:len(a.Offers)/2]
	}
	if len(a.Offers) < all {
		b.N.Limit(limit.OffersPerConn, s.client.Addr)
	}
	return limit.None
}

// succeeds reports whether s may take the place of old: it has the same secret
// key, or old has ended already.
func (s *Session) succeeds(old *Session) bool {
	if a, b := s.key.Load(), old.key.Load(); a != nil && b != nil && *a == *b {
		return true
	}
	return old.conn.Gone()
}

// join takes an announce to the core and leaves the receivers of its offers in work.to.
func (s *Session) join(b *wsconn.Batch, a swarm.RTCAnnounce[*Session]) (re swarm.RTCReply[*Session], why limit.Reason) {
	t, w := s.core, workOf(b)
	b.N.Announces[stats.WebSocket].Add(1)
	sh := t.shard(a.Hash)
	sh.mu.Lock()
	var err error
	re, w.to, err = sh.core.AnnounceRTC(b.Now, a, w.to[:0])
	if errors.Is(err, swarm.ErrTaken) && s.succeeds(re.Owner) {
		sh.core.Part(b.Now, a.Hash, re.Owner, a.Peer)
		re, w.to, err = sh.core.AnnounceRTC(b.Now, a, w.to[:0])
	}
	if err != nil {
		why = reasonOf(err)
	}
	n := t.countsLocked(sh, a.Hash)
	ousted := sh.core.Ousted(nil)
	sh.mu.Unlock()
	switch {
	case why == limit.PeerIDTaken:
		// The first keeps its place as long as it lives: peer ids are public, so
		// anybody could claim them. If it is dead, the next announce gets in.
		re.Owner.conn.Probe(b)
	case re.Joined:
		s.conn.MeetAt(sh.number)
	}
	t.oustedFrom(ousted)
	if p := t.cfg.Peering; p != nil && why == limit.None {
		p.Changed(a.Hash, n)
	}
	return re, why
}

// part takes a peer of a connection that ends out of its swarm.
func (t *Core) part(b *wsconn.Batch, s *Session, m swarm.Membership) {
	sh := t.shard(m.Hash)
	sh.mu.Lock()
	parted := sh.core.Part(b.Now, m.Hash, s, m.Peer)
	n := t.countsLocked(sh, m.Hash)
	sh.mu.Unlock()
	if p := t.cfg.Peering; p != nil && parted {
		p.Changed(m.Hash, n)
	}
}
