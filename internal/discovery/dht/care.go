package dht

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

const (
	careEvery = 5 * time.Second
	// Contacts are pinged before they become questionable, three at a time.
	keepFresh = freshFor - 3*time.Minute
	pingsEach = 3
	selfMin   = 5 * time.Second
	selfMax   = 5 * time.Minute
	// While few nodes are known we look for our own neighbourhood more often.
	selfPoor  = 2 * time.Minute
	selfOther = 10 * time.Minute // while few of the other family are known
	selfRich  = 30 * time.Minute
)

// care looks after the routing tables and the store.
func (m *Machine) care(now time.Time) {
	if now.Before(m.nextCare) {
		return
	}
	m.nextCare = now.Add(careEvery)
	m.store.sweep(now)
	for _, s := range m.fams {
		if s == nil {
			continue
		}
		m.careSelf(now, s)
		for range pingsEach {
			n, ok := s.table.stalest(now, keepFresh)
			if !ok {
				break
			}
			m.ping(now, s, n.Addr, n.ID)
		}
		if i, ok := s.table.staleBucket(now); ok && !s.refreshing && s.table.len() > 0 {
			m.refresh(now, s, i)
		}
	}
}

// careSelf looks for the nodes closest to ourselves: at the start, and now and
// then while the table is poor.
func (m *Machine) careSelf(now time.Time, s *side) {
	if s.selfRunning || now.Before(s.selfNext) {
		return
	}
	if s.table.len() == 0 && len(s.hints) == 0 {
		m.out.NeedBootstrap = true
		s.selfNext = now.Add(backoff(s.selfFails, selfMin, selfMax))
		s.selfFails++
		return
	}
	s.selfRunning = true
	target := s.id
	if s.selfDone && m.otherIsPoor(s) {
		target = randomID(m.rand) // our neighbours may know as little of the other DHT
	}
	m.begin(now, s, target, &job{ended: func(now time.Time, j *job) {
		s.selfRunning, s.selfDone = false, s.id == target || s.selfDone
		switch known := s.table.len(); {
		case known == 0:
			s.selfNext = now.Add(backoff(s.selfFails, selfMin, selfMax))
			s.selfFails++
			m.out.NeedBootstrap = true
			return
		case known < 2*K:
			s.selfNext = now.Add(selfPoor)
			s.selfDone = false
		case m.otherIsPoor(s):
			s.selfNext = now.Add(selfOther)
		default:
			s.selfNext = now.Add(selfRich)
		}
		s.selfFails = 0
		m.retryAnnouncements(now)
	}})
}

// refresh searches for a random ID in the range of a bucket (BEP 5).
func (m *Machine) refresh(now time.Time, s *side, bucket int) {
	s.refreshing = true
	s.table.buckets[bucket].changed = now
	m.begin(now, s, m.refreshTarget(s, bucket), &job{ended: func(time.Time, *job) {
		s.refreshing = false
	}})
}

func (m *Machine) bootstrap(now time.Time, addrs []netip.AddrPort) {
	m.settled = true
	for _, ap := range addrs {
		ap = netaddr.Unmap(ap)
		if s := m.fams[familyOf(ap.Addr())]; s != nil && usable(ap) && s.hint(ap, true) && s.table.len() == 0 {
			s.selfNext = now
			m.nextCare = now
		}
	}
}

func (m *Machine) addNode(now time.Time, ap netip.AddrPort) {
	s := m.fams[familyOf(ap.Addr())]
	if s == nil || !usable(ap) {
		return
	}
	m.settled = true
	s.hint(ap, false)
	if s.table.len() > 0 {
		m.verify(now, s, NodeInfo{Addr: ap})
	} else if !s.selfRunning {
		s.selfNext = now
		m.nextCare = now
	}
}

// hint remembers an address to begin with. It reports whether it is new.
func (s *side) hint(ap netip.AddrPort, router bool) bool {
	if i := slices.IndexFunc(s.hints, func(h hint) bool { return h.addr == ap }); i >= 0 {
		return false
	}
	if len(s.hints) >= maxHints {
		i := slices.IndexFunc(s.hints, func(h hint) bool { return !h.router })
		s.hints = slices.Delete(s.hints, max(i, 0), max(i, 0)+1)
	}
	s.hints = append(s.hints, hint{addr: ap, router: router})
	return true
}

// dropHint forgets an address that does not reply, except a router's.
func (s *side) dropHint(ap netip.AddrPort) {
	s.hints = slices.DeleteFunc(s.hints, func(h hint) bool { return h.addr == ap && !h.router })
}

func (s *side) isRouter(ap netip.AddrPort) bool {
	return slices.Contains(s.hints, hint{addr: ap, router: true})
}
