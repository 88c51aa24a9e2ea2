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
	Place Place
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
	// announced peer. It must tell the Core by Part when it ends.
	Joined, Parted bool
	// Seeder reports that the peer is one.
	Seeder bool
	// Owner is the connection in the way, with ErrTaken.
	Owner C
}

// AnnounceRTC adds, updates or, for Stopped, removes a peer, and appends to dst
// other peers of its swarm that should get its offers, up to Want. A stop from a
// connection that does not own the peer changes nothing. ErrTaken, ErrFull.
func (c *Core[C]) AnnounceRTC(now time.Time, a RTCAnnounce[C], dst []Receiver[C]) (RTCReply[C], []Receiver[C], error) {
	var re RTCReply[C]
	if a.Event == Stopped {
		re.Parted = c.Part(now, a.Hash, a.Conn, a.Peer)
		if s := c.swarm(a.Hash); s != nil {
			re.Counts = s.counts()
		}
		return re, dst, nil
	}
	s, err := c.open(now, a.Hash)
	if err != nil {
		return re, dst, err
	}
	i := s.rtc.find(a.Peer)
	switch {
	case i < 0 && c.full():
		c.settle(now, s)
		return re, dst, ErrFull
	case i < 0:
		// A peer that seeds from the start may say "completed" before, or instead
		// of, "started": that is no download.
		i = s.rtc.add(row[PeerID, C]{key: a.Peer, val: a.Conn}, isSeeder(false, a.Event, a.Left))
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
		i = s.rtc.setSeeder(i, is)
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
	return re, c.receivers(now, s, re.Seeder, query{self: i, want: a.Want, place: place}, dst), nil
}

// receivers appends to dst whom q chooses for the offers of a seeder or a leecher.
func (c *Core[C]) receivers(now time.Time, s *swarm[C], seeder bool, q query, dst []Receiver[C]) []Receiver[C] {
	if seeder && !c.cfg.SeederToSeeder {
		q.lo = int(s.rtc.seeders)
	}
	q.slot, q.limit = c.slot(now), c.cfg.MaxUnanswered
	for _, i := range choose(&c.chooser, &s.rtc, q) {
		r := &s.rtc.rows[i]
		r.time = uint32(load(r.time).at(q.slot).given())
		dst = append(dst, Receiver[C]{Peer: r.key, Conn: r.val})
	}
	return dst
}

// Route returns the connection that an answer goes to. Both peers must be in the
// swarm and conn must own the sender, which then owes one answer less, even if
// the receiver is elsewhere.
func (c *Core[C]) Route(h Hash, conn C, from, to PeerID) (C, bool) {
	var none C
	s := c.swarm(h)
	if s == nil || from == to {
		return none, false
	}
	i := s.rtc.find(from)
	if i < 0 || s.rtc.rows[i].val != conn {
		return none, false
	}
	s.rtc.rows[i].time = uint32(load(s.rtc.rows[i].time).answered())
	j := s.rtc.find(to)
	if j < 0 {
		return none, false
	}
	return s.rtc.rows[j].val, true
}

// Receivers appends to dst peers that should get offers of a peer elsewhere, up to
// want, seeders only if that peer is none. It changes no count.
func (c *Core[C]) Receivers(now time.Time, h Hash, from PeerID, seeder bool, place Place, want int, dst []Receiver[C]) []Receiver[C] {
	s := c.swarm(h)
	if s == nil {
		return dst
	}
	return c.receivers(now, s, seeder, query{self: s.rtc.find(from), want: want, place: c.cfg.Locality.place(place)}, dst)
}

// Owner returns the connection of a peer.
func (c *Core[C]) Owner(h Hash, id PeerID) (conn C, ok bool) {
	s := c.swarm(h)
	if s == nil {
		return conn, false
	}
	i := s.rtc.find(id)
	if i < 0 {
		return conn, false
	}
	return s.rtc.rows[i].val, true
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
	if s.rtc.isSeeder(i) {
		c.seeders--
	}
	s.rtc.remove(i)
	c.rtcPeers--
	c.settle(now, s)
	return true
}

func (c *Core[C]) countSeeder(was, is bool) {
	switch {
	case is && !was:
		c.seeders++
	case was && !is:
		c.seeders--
	}
}
