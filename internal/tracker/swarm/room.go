package swarm

import "time"

// What happens when the tracker is full: small swarms that belong to one address alone, and
// that has many peers, make room for those who have few. Nobody else is there to miss them.
const (
	// heavyPeers is from how many peers on an address may have to make room, lightPeers up to
	// how many it may ask for that. A household of tabs with some ten torrents is light.
	heavyPeers, lightPeers = 128, 64
	// smallSwarm is up to how many peers, all of one address, a swarm goes.
	smallSwarm = 4
	// roomScan bounds the swarms that a newcomer's announce looks at.
	roomScan = 64
)

// enter counts a new peer in and returns its swarm, which is new if need be.
func (c *Core[C]) enter(now time.Time, h Hash, src Source) (*swarm[C], error) {
	for {
		s, err := c.open(now, h)
		if err == nil {
			if err = c.cfg.Ledger.Join(src); err == nil {
				return s, nil
			}
			c.settle(now, s)
		}
		if err != ErrFull || !c.makeRoom(now, src) {
			return nil, err
		}
	}
}

// makeRoom ousts the swarm of the heaviest source among the next few, for a peer of src, and
// reports whether it found one.
func (c *Core[C]) makeRoom(now time.Time, src Source) bool {
	if c.cfg.Ledger.Peers(src) > lightPeers {
		return false
	}
	best, most := -1, heavyPeers-1
	for range min(roomScan, c.swarms) {
		if c.heavy >= c.swarms {
			c.heavy = 0
		}
		if n := c.weight(c.at(c.heavy)); n > most {
			best, most = c.heavy, n
		}
		c.heavy++
	}
	if best < 0 {
		return false
	}
	s := c.at(best)
	if len(c.ousted) < maxOusted {
		c.ousted = append(c.ousted, s.hash)
	}
	c.oust(now, s)
	return true
}

// weight is how many peers the only source of a small swarm has in all, 0 for other swarms.
func (c *Core[C]) weight(s *swarm[C]) int {
	n := s.size()
	if n == 0 || n > smallSwarm {
		return 0
	}
	var src Source
	same := true
	one := func(r Source) {
		same = same && (src == 0 || r == src) && r != 0
		src = r
	}
	for i := range s.rtc.rows {
		one(s.rtc.rows[i].src)
	}
	if s.tcp != nil {
		for f := range s.tcp.all {
			f.sources(one)
		}
	}
	if !same {
		return 0
	}
	return c.cfg.Ledger.Peers(src)
}

// oust forgets a swarm with its peers.
func (c *Core[C]) oust(now time.Time, s *swarm[C]) {
	c.empty(s, s.size(), nil)
	s.downloaded = 0
	c.settle(now, s)
}

// empty takes up to most peers out of a swarm, and appends the WebRTC peers among them to dst.
func (c *Core[C]) empty(s *swarm[C], most int, dst []Receiver[C]) []Receiver[C] {
	for ; most > 0 && len(s.rtc.rows) > 0; most-- {
		i := len(s.rtc.rows) - 1
		dst = append(dst, Receiver[C]{Peer: s.rtc.rows[i].key, Conn: s.rtc.rows[i].val})
		c.removeRTC(s, i)
	}
	if s.tcp == nil {
		return dst
	}
	for f := range s.tcp.all {
		for ; most > 0 && len(f.v4.rows) > 0; most-- {
			tcpRemove(c, s.tcp, &f.v4, len(f.v4.rows)-1)
		}
		for ; most > 0 && len(f.v6.rows) > 0; most-- {
			tcpRemove(c, s.tcp, &f.v6, len(f.v6.rows)-1)
		}
	}
	return dst
}

// Evict takes up to most peers out of a swarm, and appends the WebRTC peers among them to dst. It
// returns how many went: fewer than most if nobody is left. Their connections still list them among
// their Memberships, until they stop or end.
func (c *Core[C]) Evict(now time.Time, h Hash, most int, dst []Receiver[C]) (int, []Receiver[C]) {
	s := c.swarm(h)
	if s == nil {
		return 0, dst
	}
	before := s.size()
	dst = c.empty(s, most, dst)
	gone := before - s.size()
	c.settle(now, s)
	return gone, dst
}

// maxOusted bounds what Ousted returns; a tracker that is alone does not ask for it.
const maxOusted = 64

// Ousted appends to dst the swarms that announces have ousted since it was last called: they
// have no peer any more. Their connections learn it when they announce again, and join anew.
func (c *Core[C]) Ousted(dst []Hash) []Hash {
	dst = append(dst, c.ousted...)
	c.ousted = c.ousted[:0]
	return dst
}
