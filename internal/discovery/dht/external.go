package dht

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// maxVotes are remembered, one for each network; enoughVotes of them, and
	// more than half, decide.
	maxVotes    = 24
	enoughVotes = 5
)

// votes is what other nodes say our external address is (BEP 42,
// "Bootstrapping"). One node is not to be trusted, so the majority of several
// networks decides.
type votes struct {
	list    []vote
	decided netip.Addr
}

type vote struct {
	from netip.Prefix
	addr netip.Addr
}

// is reports whether a is the address agreed on.
func (v *votes) is(a netip.Addr) bool { return v.decided.IsValid() && v.decided == a }

// add takes a vote and reports whether it changed the decision.
func (v *votes) add(from netip.Prefix, a netip.Addr) bool {
	v.list = slices.DeleteFunc(v.list, func(o vote) bool { return o.from == from })
	if len(v.list) >= maxVotes {
		v.list = slices.Delete(v.list, 0, 1)
	}
	v.list = append(v.list, vote{from, a})
	n := 0
	for _, o := range v.list {
		if host(o.addr) == host(a) { // IPv6 hosts change the lower half at will
			n++
		}
	}
	if n < enoughVotes || 2*n <= len(v.list) {
		return false
	}
	changed := !v.decided.IsValid() || host(v.decided) != host(a)
	v.decided = a
	return changed
}

// vote counts what a node that answered us says about our address. Once that is
// settled, an ID that is not allowed there is replaced.
func (m *Machine) vote(now time.Time, s *side, from netip.Addr, told netip.AddrPort) {
	a := told.Addr().Unmap()
	if !a.IsValid() || familyOf(a) != s.fam || isLocal(a) || isLocal(from) || !usable(netip.AddrPortFrom(a, 1)) {
		return
	}
	if !s.seen.add(network(from), a) || Secure(s.id, a) {
		return
	}
	s.id = SecureID(a, m.rand)
	s.table = s.table.rebase(now, s.id)
	s.selfDone = false
	s.selfNext, m.nextCare = now, now
}
