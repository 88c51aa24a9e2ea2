package dht

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// maxFound bounds the peers that one search reports.
	maxFound = 2000
	// settleFor is how long searches wait for the first known node.
	settleFor = 20 * time.Second
)

// job is a search of the user, one round of an announcement, or (with neither
// key nor announcement) upkeep. It runs one lookup in each family.
type job struct {
	key  uint64
	hash ID
	ann  *announcement
	at   time.Time // of its creation

	cancelled bool

	open   int // lookups under way
	found  map[netip.AddrPort]struct{}
	nodes  int
	stored int
	ended  func(now time.Time, j *job) // upkeep: what follows
}

func (m *Machine) enqueue(j *job) {
	if len(m.waiting) < maxWaiting {
		m.waiting = append(m.waiting, j)
	} else {
		m.finishJob(j.at, j)
	}
}

func (m *Machine) cancel(key uint64) {
	if key == 0 {
		return
	}
	m.waiting = slices.DeleteFunc(m.waiting, func(j *job) bool { return j.key == key })
	m.active = slices.DeleteFunc(m.active, func(l *lookup) bool {
		l.job.cancelled = l.job.cancelled || l.job.key == key
		return l.job.key == key
	})
}

// admit starts waiting jobs as far as there is room. Until the first node is
// known there is nobody to ask, so they wait a while for that, too.
func (m *Machine) admit(now time.Time) {
	for len(m.waiting) > 0 && len(m.active) < m.cfg.MaxLookups {
		j := m.waiting[0]
		if !m.settled && now.Sub(j.at) < settleFor && now.Sub(m.started) < settleFor {
			return
		}
		m.waiting = slices.Delete(m.waiting, 0, 1)
		for _, s := range m.fams {
			if s != nil {
				m.found(j, netip.Addr{}, m.store.get(nil, now, j.hash, s.fam, maxFound))
				m.begin(now, s, j.hash, j).peers = true
			}
		}
	}
}

// begin starts a lookup at the closest nodes of the table, or, while it is
// poor, also at the hints.
func (m *Machine) begin(now time.Time, s *side, target ID, j *job) *lookup {
	l := newLookup(target, s.fam, j)
	j.open++
	for _, c := range s.table.closest(nil, now, target, 2*K, false) {
		l.add(c.NodeInfo, true)
	}
	if s.table.len() < K {
		for _, h := range s.hints {
			l.add(NodeInfo{Addr: h.addr}, false)
		}
	}
	l.both = m.otherIsPoor(s)
	m.active = append(m.active, l)
	return l
}

// otherIsPoor reports whether nodes of the other family are wanted as well.
// BEP 32: "Requesting node information for both address families in all
// requests is unlikely to provide useful information".
func (m *Machine) otherIsPoor(s *side) bool {
	o := m.fams[1-s.fam]
	return o != nil && o.table.len() < K
}

// pump sends what the lookups want to send, in turns so that none starves, and
// ends those that are over.
func (m *Machine) pump(now time.Time) {
	m.hungry = false
	for again := true; again; {
		again = false
		for i := 0; i < len(m.active); i++ {
			switch l := m.active[i]; m.advance(now, l) {
			case sentOne:
				again = true
			case starved:
				m.hungry = len(m.rpc.pending) < maxPending
				m.rotate(i)
				return
			case over:
				m.active = slices.Delete(m.active, i, i+1)
				i--
				if l.job.open--; l.job.open == 0 {
					m.finishJob(now, l.job)
				}
				m.admit(now)
			}
		}
	}
}

// rotate makes the lookup that found the meter empty the next one to be served.
func (m *Machine) rotate(i int) {
	m.active = append(append(make([]*lookup, 0, len(m.active)), m.active[i:]...), m.active[:i]...)
}

type progress uint8

const (
	idle progress = iota
	sentOne
	starved
	over
)

// advance sends at most one packet of a lookup.
func (m *Machine) advance(now time.Time, l *lookup) progress {
	s := m.fams[l.fam]
	if !l.storing {
		c, extra, done := l.review()
		if c != nil {
			return m.askCandidate(now, s, l, c, extra)
		}
		if !done {
			return idle
		}
		l.storing = true
		if l.job.ann != nil && !l.job.ann.withdrawn {
			l.toStore = l.closest()
		}
	}
	if len(l.toStore) > 0 {
		return m.askToStore(now, s, l, l.toStore[0])
	}
	if l.storeOut > 0 {
		return idle
	}
	return over
}

func (m *Machine) askCandidate(now time.Time, s *side, l *lookup, c *candidate, extra bool) progress {
	msg := &Message{Method: methodFindNode, HasTarget: true, Target: l.target}
	if l.peers {
		msg.Method = methodGetPeers
	}
	if l.both {
		msg.HasWant, msg.Want = true, Want4|Want6
	}
	q := m.ask(now, s, c.Addr, c.ID, msg)
	if q == nil {
		return starved
	}
	q.lookup, q.cand = l, c
	c.state = asked
	c.tries++
	l.asked++
	l.queries++
	if extra {
		l.extra++
	}
	return sentOne
}

func (m *Machine) askToStore(now time.Time, s *side, l *lookup, c *candidate) progress {
	a := l.job.ann
	q := m.ask(now, s, c.Addr, c.ID, &Message{
		Method: methodAnnounce, HasTarget: true, Target: l.target,
		Port: a.port, Implied: a.implied, Token: c.token,
	})
	if q == nil {
		return starved
	}
	q.lookup, q.cand, q.store = l, c, true
	c.stores++
	l.toStore = l.toStore[1:]
	l.storeOut++
	return sentOne
}

// found reports peers that a node named, or with no node, our own store: in a
// small network it may be the only one that holds them.
func (m *Machine) found(j *job, from netip.Addr, values []netip.AddrPort) {
	if j.cancelled || j.key == 0 && j.ann == nil {
		return
	}
	if j.found == nil {
		j.found = make(map[netip.AddrPort]struct{})
	}
	var fresh []netip.AddrPort
	for _, ap := range values {
		if _, dup := j.found[ap]; dup || len(j.found) >= maxFound || from.IsValid() && !believable(ap, from) {
			continue
		}
		j.found[ap] = struct{}{}
		fresh = append(fresh, ap)
	}
	if len(fresh) > 0 {
		m.out.Found = append(m.out.Found, Found{Key: j.key, InfoHash: j.hash, Peers: fresh})
	}
}

func (m *Machine) finishJob(now time.Time, j *job) {
	switch {
	case j.ended != nil:
		j.ended(now, j)
		return
	case j.ann != nil:
		m.announcedOnce(now, j)
	}
	m.out.Done = append(m.out.Done, Done{Key: j.key, InfoHash: j.hash, Nodes: j.nodes, Stored: j.stored})
}
