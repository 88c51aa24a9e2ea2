package swarm

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// families are TCP peers by address and port, of both address families.
type families struct {
	v4 table[[6]byte, PeerID]
	v6 table[[18]byte, PeerID]
}

func (f *families) size() (peers, seeders int) {
	return len(f.v4.rows) + len(f.v6.rows), int(f.v4.seeders + f.v6.seeders)
}

// sources calls one for the source of each row.
func (f *families) sources(one func(Source)) {
	for i := range f.v4.rows {
		one(f.v4.rows[i].src)
	}
	for i := range f.v6.rows {
		one(f.v6.rows[i].src)
	}
}

// of returns the peers of a scope, or nil if there are none. t may be nil.
func (t *tcpTables) of(s netaddr.Scope) *families {
	if t == nil {
		return nil
	}
	return t.scopes[s>>1]
}

// make is of, and makes room for peers of that scope.
func (t *tcpTables) make(s netaddr.Scope) *families {
	f := &t.scopes[s>>1]
	if *f == nil {
		*f = new(families)
	}
	return *f
}

// all yields the peers of each scope that has some.
func (t *tcpTables) all(yield func(*families) bool) {
	for _, f := range t.scopes {
		if f != nil && !yield(f) {
			return
		}
	}
}

// nearestFirst are the scopes in the order in which peers are given.
var nearestFirst = [...]netaddr.Scope{netaddr.Private, netaddr.Loopback, netaddr.Public}

// Sees returns the scopes of the addresses that the announcer can reach. Somebody with a private address
// is in a network with the tracker, and with all others of whom the tracker sees a private
// one. Loopback peers are reached by the address by which the tracker is.
func (a *TCPAnnounce) Sees() netaddr.Scope {
	sees := netaddr.Public
	switch netaddr.ScopeOf(a.Addr.Addr()) {
	case netaddr.Loopback:
		return netaddr.Public | netaddr.Private | netaddr.Loopback
	case netaddr.Private:
		sees |= netaddr.Private
	}
	if a.Local.IsValid() && netaddr.ScopeOf(a.Local)&sees != 0 {
		sees |= netaddr.Loopback
	}
	return sees
}

// reachable is the address by which the announcer reaches a peer's.
func (a *TCPAnnounce) reachable(p netip.AddrPort) netip.AddrPort {
	if netaddr.ScopeOf(p.Addr()) == netaddr.Loopback && netaddr.ScopeOf(a.Addr.Addr()) != netaddr.Loopback {
		return netip.AddrPortFrom(a.Local, p.Port())
	}
	return p
}

// tcpPeersFor appends up to a.Want peers that an announcer can reach.
func (c *Core[C]) tcpPeersFor(j joined[C], a *TCPAnnounce, leechers bool, dst []TCPPeer) []TCPPeer {
	sees, all := a.Sees(), 0
	var sizes [len(nearestFirst)]int
	for i, scope := range nearestFirst {
		if f := j.swarm.tcp.of(scope); f != nil && sees&scope != 0 {
			n4, n6 := f.eligible(a, leechers)
			sizes[i] = n4 + n6
			all += n4 + n6
		}
	}
	want := min(a.Want, all)
	for i, scope := range nearestFirst {
		if sizes[i] == 0 || want <= 0 {
			continue
		}
		n := want
		switch scope {
		case netaddr.Private:
			// By their share of the swarm, or a half: without a way out of their network that is all
			// they have, and with one nobody is nearer.
			n = max((want*sizes[i]+all/2)/all, min(sizes[i], want/2))
		case netaddr.Loopback:
			// By their share, up or down by chance: one seed beside the tracker shall not be everybody's.
			n = (want*sizes[i] + c.chooser.intN(all)) / all
		}
		dst = c.pickOf(j.swarm.tcp.of(scope), j, scope == j.scope, a, leechers, n, dst)
		want, all = want-n, all-sizes[i]
	}
	return dst
}

// eligible counts the peers of each family that may be given to an announcer.
func (f *families) eligible(a *TCPAnnounce, leechers bool) (n4, n6 int) {
	_, n4 = f.v4.eligible(a.Trust, leechers)
	_, n6 = f.v6.eligible(a.Trust, leechers)
	switch a.Family {
	case V4:
		n6 = 0
	case V6:
		n4 = 0
	}
	return n4, n6
}

// pickOf appends up to want peers of one scope, both families in proportion, so that
// neither is starved. own says that the announcer is among them.
func (c *Core[C]) pickOf(f *families, j joined[C], own bool, a *TCPAnnounce, leechers bool, want int, dst []TCPPeer) []TCPPeer {
	n4, n6 := f.eligible(a, leechers)
	if want = min(want, n4+n6); want <= 0 {
		return dst
	}
	q4, q6 := query{self: -1, place: a.Place, leechers: leechers}, query{self: -1, place: a.Place, leechers: leechers}
	q4.lo, q4.size = f.v4.eligible(a.Trust, leechers)
	q6.lo, q6.size = f.v6.eligible(a.Trust, leechers)
	switch {
	case own && a.Addr.Addr().Is4():
		q4.self = j.row
	case own:
		q6.self = j.row
	}
	q4.want = (want*n4 + (n4+n6)/2) / (n4 + n6)
	q6.want = want - q4.want
	return tcpPick(c, &f.v6, q6, a, tcpPick(c, &f.v4, q4, a, dst))
}

func tcpPick[C, K comparable](c *Core[C], t *table[K, PeerID], q query, a *TCPAnnounce, dst []TCPPeer) []TCPPeer {
	for _, i := range choose(&c.chooser, t, &q) {
		r := &t.rows[i]
		// The same client announces once for each address family.
		if r.val == a.Peer {
			continue
		}
		dst = append(dst, TCPPeer{Addr: a.reachable(addrOf(r.key)), ID: r.val})
	}
	return dst
}

// EachTCP calls f for up to max TCP peers of a swarm, for those who meet them on another machine, of
// each scope the trusted first, then seeders: public ones, and private ones, which are for those who see such, up to a half
// or what the public ones leave. f must change nothing.
func (c *Core[C]) EachTCP(h Hash, max int, f func(p TCPPeer, r Role)) {
	s := c.swarm(h)
	if s == nil || s.tcp == nil {
		return
	}
	public, private := s.tcp.of(netaddr.Public), s.tcp.of(netaddr.Private)
	there := 0
	if public != nil {
		there, _ = public.size()
	}
	if private != nil {
		n, _ := private.size()
		n = min(n, max-min(there, max-max/2))
		private.each(n, f)
		max -= n
	}
	if public != nil {
		public.each(max, f)
	}
}

func (f *families) each(max int, one func(p TCPPeer, r Role)) {
	n4, n6 := len(f.v4.rows), len(f.v6.rows)
	max4 := min(n4, max-min(n6, max/2)) // IPv6 gets half, or what IPv4 leaves
	eachRow(&f.v4, max4, one)
	eachRow(&f.v6, min(n6, max-max4), one)
}

func eachRow[K comparable](t *table[K, PeerID], n int, f func(p TCPPeer, r Role)) {
	one := func(i int) { f(TCPPeer{Addr: addrOf(t.rows[i].key), ID: t.rows[i].val}, t.role(i)) }
	trusted, from := t.end(trustedSeeders), t.end(ordinaryLeechers)
	for i := range min(n, trusted) {
		one(i)
	}
	n -= trusted
	for i := from; i < min(from+n, len(t.rows)); i++ {
		one(i)
	}
	n -= len(t.rows) - from
	for i := trusted; i < min(trusted+n, from); i++ {
		one(i)
	}
}
