package swarm

import (
	"net/netip"
	"time"
)

const (
	// grace is how long a newcomer is left alone before it can be evicted: it
	// must have had the time to be unchoked and to become useful.
	grace = time.Minute
	// turnover is how often a peer that is of some use has to go for a newcomer.
	turnover = time.Minute
	// lookEvery bounds how often a full swarm looks for somebody to evict.
	lookEvery = time.Second
)

// places counts the connections, in all and for each address.
type places struct {
	max, perAddress int
	taken           int
	at              map[netip.Addr]int
	looked, turned  time.Time
}

// household is what one party gets of addresses without effort: an IPv4 address,
// or an IPv6 network of 64 bits.
func household(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() {
		return a
	}
	b := a.As16()
	clear(b[8:])
	return netip.AddrFrom16(b)
}

// counted reports whether an address says who is behind it. All of a machine's
// own peers share the loopback addresses, those behind a relay its one.
func counted(a netip.AddrPort, shared bool) bool {
	return a.IsValid() && !shared && !a.Addr().IsLoopback()
}

func (s *places) full() bool { return s.taken >= s.max }

func (s *places) crowded(p *Peer) bool {
	return counted(p.origin, p.shared) && s.at[household(p.origin.Addr())] >= s.perAddress
}

func (s *places) take(p *Peer) {
	s.taken++
	if counted(p.origin, p.shared) {
		if s.at == nil {
			s.at = map[netip.Addr]int{}
		}
		s.at[household(p.origin.Addr())]++
	}
}

func (s *places) leave(p *Peer) {
	s.taken--
	if !counted(p.origin, p.shared) {
		return
	}
	h := household(p.origin.Addr())
	if s.at[h]--; s.at[h] == 0 {
		delete(s.at, h)
	}
}

// evict makes room in a full swarm: the peer that is of least use goes, at any
// time if it is of none, now and then if it is of some, so that newcomers have a
// chance. It reports false if all stay.
func (m *Machine) evict() bool {
	s := &m.places
	if m.now.Sub(s.looked) < lookEvery {
		return false
	}
	var worst *Peer
	var least float64
	for _, p := range m.peers {
		m.work++
		if p.WebSeed || m.now.Sub(p.Joined) < grace {
			continue
		}
		if w := m.content.Worth(p); worst == nil || w < least {
			worst, least = p, w
		}
	}
	if worst == nil || least > 0 && m.now.Sub(s.turned) < turnover {
		s.looked = m.now
		return false
	}
	if least > 0 {
		s.turned = m.now
	}
	m.Close(worst, ErrEvicted, false)
	return true
}
