package swarm

import "time"

// An RTCAnnounce is an announce of a WebRTC peer.
type RTCAnnounce[C comparable] struct {
	Hash  Hash
	Peer  PeerID
	Conn  C // the connection it came by
	Event Event
	Left  int64 // bytes; LeftUnknown or any negative number for a leecher that cannot tell
	Want  int   // how many peers should get an offer
	// Offers is how many of them may go to other nodes: as many answers may come back, even
	// if nobody is found here.
	Offers int
	// Shared says that other nodes have peers of the swarm: a part of Want is left for them.
	Shared bool
	// Owned is what Conn owns: the Core keeps it, with at most MaxOwned peers. nil bounds nothing.
	Owned    *Memberships
	MaxOwned int
	Place    Place
	Source   Source // by the Ledger; the same for as long as the connection lives
	Trust    Trust
}

// A Receiver is a peer that gets an offer.
type Receiver[C comparable] struct {
	Peer PeerID
	Conn C
}

// An RTCReply answers an RTCAnnounce.
type RTCReply[C comparable] struct {
	Counts
	// Joined and Parted report that the connection now owns, or owns no longer, the
	// announced peer. It must tell the Core by Part of all that it owns when it ends.
	Joined, Parted bool
	// Relay is how many of the Want or Offers may be passed on at all; what is above is too
	// many of one peer.
	Relay int
	// Seeder reports that the peer is one.
	Seeder bool
	// Owner is the connection in the way, with ErrTaken.
	Owner C
}

// AnnounceRTC adds, updates or, for Stopped, removes a peer, and appends to dst
// other peers of its swarm that should get its offers, up to Want; the further offers, up to
// Relay, are for other nodes. A stop from a connection that does not own the peer changes
// nothing. ErrTaken, ErrFull, ErrQuota, ErrTooMany, ErrTooManyIDs.
func (c *Core[C]) AnnounceRTC(now time.Time, a RTCAnnounce[C], dst []Receiver[C]) (RTCReply[C], []Receiver[C], error) {
	var re RTCReply[C]
	if a.Event == Stopped {
		re.Parted = c.Part(now, a.Hash, a.Conn, a.Peer)
		if a.Owned != nil {
			a.Owned.Remove(Membership{a.Hash, a.Peer})
		}
		if s := c.swarm(a.Hash); s != nil {
			re.Counts = s.counts()
		}
		return re, dst, nil
	}
	s, i := c.swarm(a.Hash), -1
	if s != nil {
		i = s.rtc.find(a.Peer)
	}
	switch {
	case i < 0:
		var err error
		if a.Owned != nil {
			err = a.Owned.add(a.Hash, a.Peer, a.MaxOwned)
		}
		if err != nil {
			return re, dst, err
		}
		if s, err = c.enter(now, a.Hash, a.Source); err != nil {
			if a.Owned != nil {
				a.Owned.Remove(Membership{a.Hash, a.Peer})
			}
			return re, dst, err
		}
		// A peer that seeds from the start may say "completed" before, or instead
		// of, "started": that is no download.
		i = s.rtc.add(row[PeerID, C]{key: a.Peer, src: a.Source, val: a.Conn}, Role{isSeeder(false, a.Event, a.Left), a.Trust})
		c.rtcPeers++
		if s.rtc.isSeeder(i) {
			c.seeders++
		}
		re.Joined = true
	case s.rtc.rows[i].val != a.Conn:
		re.Owner = s.rtc.rows[i].val
		re.Counts = s.counts()
		return re, dst, ErrTaken
	default:
		was := s.rtc.isSeeder(i)
		is := isSeeder(was, a.Event, a.Left)
		i = s.rtc.setRole(i, Role{is, a.Trust})
		c.countSeeder(was, is)
		if a.Event == Completed && !was {
			c.completed(s)
		}
	}
	place := c.cfg.Locality.place(a.Place)
	if c.cfg.Locality != LocalityOff {
		s.rtc.locate(i, place)
	}
	re.Counts, re.Seeder = s.counts(), s.rtc.isSeeder(i)
	r, slot := &s.rtc.rows[i], c.slot(now)
	r.made = r.made.at(slot)
	re.Relay = max(a.Want, a.Offers)
	if c.cfg.MaxOffers <= loadMax {
		re.Relay = min(re.Relay, max(c.cfg.MaxOffers-r.made.total(), 0))
	}
	want := min(a.Want, re.Relay)
	if a.Shared {
		want -= RemoteShare(len(s.rtc.rows), want, c.turn)
		c.turn++
	}
	before := len(dst)
	dst = c.receivers(s, Role{re.Seeder, a.Trust}, &query{self: i, want: want, place: place, src: a.Source, slot: slot}, dst)
	if made := max(len(dst)-before, min(a.Offers, re.Relay)); made > 0 {
		r.made = r.made.plus(made)
	}
	return re, dst, nil
}

// receivers appends to dst whom q chooses for the offers of a peer.
func (c *Core[C]) receivers(s *swarm[C], role Role, q *query, dst []Receiver[C]) []Receiver[C] {
	q.leechers = role.Seeder && !c.cfg.SeederToSeeder
	q.lo, q.size = s.rtc.eligible(role.Trust, q.leechers)
	q.waiting, q.total = c.cfg.MaxUnanswered, c.cfg.MaxOffers
	q.fresh = max(1, q.waiting/2)
	for _, i := range choose(&c.chooser, &s.rtc, q) {
		r := &s.rtc.rows[i]
		r.time = uint32(load(r.time).at(q.slot).given())
		dst = append(dst, Receiver[C]{Peer: r.key, Conn: r.val})
	}
	return dst
}

// A Route says which way an answer goes.
type Route uint8

// The routes.
const (
	RouteNone      Route = iota // nobody waits for it
	RouteHere                   // to a connection of this tracker
	RouteElsewhere              // its receiver is not here; another node may know it
)

// Route returns the connection that an answer goes to. The sender must belong to conn, and be one
// whom the receiver may meet. It
// uses up an offer that the sender was given, and, with RouteHere, one that the receiver
// has made: nobody gets more answers than it made offers, or sends more than it got.
func (c *Core[C]) Route(h Hash, conn C, from, to PeerID) (C, Route) {
	var none C
	s := c.swarm(h)
	if s == nil || from == to {
		return none, RouteNone
	}
	i := s.rtc.find(from)
	if i < 0 || s.rtc.rows[i].val != conn {
		return none, RouteNone
	}
	given, ok := load(s.rtc.rows[i].time).answered()
	if !ok {
		return none, RouteNone
	}
	j := s.rtc.find(to)
	if j >= 0 {
		r := &s.rtc.rows[j]
		made, waits := r.made.answered()
		if !waits || !s.rtc.role(i).Trust.meets(s.rtc.role(j).Trust) {
			return none, RouteNone
		}
		r.made = made
	}
	s.rtc.rows[i].time = uint32(given)
	if j < 0 {
		return none, RouteElsewhere
	}
	return s.rtc.rows[j].val, RouteHere
}

// RouteIn returns the connection of a peer that an answer from elsewhere goes to, and
// uses up an offer that the peer has made.
func (c *Core[C]) RouteIn(h Hash, to PeerID) (conn C, ok bool) {
	s := c.swarm(h)
	if s == nil {
		return conn, false
	}
	i := s.rtc.find(to)
	if i < 0 {
		return conn, false
	}
	r := &s.rtc.rows[i]
	if r.made, ok = r.made.answered(); !ok {
		return conn, false
	}
	return r.val, true
}

// Receivers appends to dst peers that should get offers of a peer elsewhere, up to
// want, those whom it may meet.
func (c *Core[C]) Receivers(now time.Time, h Hash, from PeerID, role Role, place Place, want int, dst []Receiver[C]) []Receiver[C] {
	s := c.swarm(h)
	if s == nil {
		return dst
	}
	return c.receivers(s, role, &query{self: s.rtc.find(from), want: want, place: c.cfg.Locality.place(place), slot: c.slot(now)}, dst)
}

// Part removes a peer if conn owns it, and reports whether it did.
func (c *Core[C]) Part(now time.Time, h Hash, conn C, id PeerID) bool {
	s := c.swarm(h)
	if s == nil {
		return false
	}
	i := s.rtc.find(id)
	if i < 0 || s.rtc.rows[i].val != conn {
		return false
	}
	c.removeRTC(s, i)
	c.settle(now, s)
	return true
}

func (c *Core[C]) removeRTC(s *swarm[C], i int) {
	if s.rtc.isSeeder(i) {
		c.seeders--
	}
	c.cfg.Ledger.Part(s.rtc.rows[i].src)
	s.rtc.remove(i)
	c.rtcPeers--
}

func (c *Core[C]) countSeeder(was, is bool) {
	switch {
	case is && !was:
		c.seeders++
	case was && !is:
		c.seeders--
	}
}
