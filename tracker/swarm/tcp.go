package swarm

import (
	"net/netip"
	"time"
)

type tcpPeer struct {
	id   PeerID
	seen uint32 // seconds since Core.epoch
}

// Family says which addresses an announcer can use.
type Family uint8

// The address families, to be or-ed. 0 means both.
const (
	V4 Family = 1 << iota
	V6
)

// A TCPAnnounce is an announce of a peer that listens on TCP.
type TCPAnnounce struct {
	Hash   Hash
	Peer   PeerID
	Addr   netip.AddrPort // where it listens; the source of the request with the announced port
	Event  Event
	Left   int64
	Want   int // how many addresses it wants
	Family Family
	Place  Place
}

// A TCPPeer is an address to give out.
type TCPPeer struct {
	Addr netip.AddrPort
	ID   PeerID
}

// AnnounceTCP adds, updates or, for Stopped, removes a peer, and appends up to Want
// other peers of its swarm to dst. ErrFull.
func (c *Core[C]) AnnounceTCP(now time.Time, a TCPAnnounce, dst []TCPPeer) (Counts, []TCPPeer, error) {
	a.Addr = normal(a.Addr)
	if a.Event == Stopped {
		var n Counts
		if s := c.byHash[a.Hash]; s != nil {
			if a.Addr.Addr().Is4() {
				tcpPart(c, &s.tcp4, key4(a.Addr))
			} else {
				tcpPart(c, &s.tcp6, key6(a.Addr))
			}
			n = s.counts()
			c.settle(now, s)
		}
		return n, dst, nil
	}
	s, err := c.open(now, a.Hash)
	if err != nil {
		return Counts{}, dst, err
	}
	self4, self6 := -1, -1
	var seeder bool
	if a.Addr.Addr().Is4() {
		self4, err = tcpJoin(c, s, &s.tcp4, key4(a.Addr), &a, c.stamp(now))
		seeder = err == nil && s.tcp4.isSeeder(self4)
	} else {
		self6, err = tcpJoin(c, s, &s.tcp6, key6(a.Addr), &a, c.stamp(now))
		seeder = err == nil && s.tcp6.isSeeder(self6)
	}
	if err != nil {
		c.settle(now, s)
		return Counts{}, dst, err
	}

	lo4, lo6 := 0, 0
	if seeder && !c.cfg.SeederToSeeder {
		lo4, lo6 = s.tcp4.seeders, s.tcp6.seeders
	}
	n4, n6 := len(s.tcp4.rows)-lo4, len(s.tcp6.rows)-lo6
	if a.Family == V4 {
		n6 = 0
	} else if a.Family == V6 {
		n4 = 0
	}
	want := min(a.Want, n4+n6)
	if want > 0 {
		// Both families in proportion, so that neither is starved.
		w4 := (want*n4 + (n4+n6)/2) / (n4 + n6)
		dst = tcpPick(c, &s.tcp4, lo4, self4, w4, &a, dst)
		dst = tcpPick(c, &s.tcp6, lo6, self6, want-w4, &a, dst)
	}
	return s.counts(), dst, nil
}

func tcpJoin[C, K comparable](c *Core[C], s *swarm[C], t *table[K, tcpPeer], k K, a *TCPAnnounce, at uint32) (int, error) {
	i := t.find(k)
	known := i >= 0
	was := known && t.isSeeder(i)
	is := isSeeder(was, a.Event, a.Left)
	if !known {
		if c.full() {
			return -1, ErrFull
		}
		t.add(k, tcpPeer{id: a.Peer, seen: at}, is)
		c.tcpPeers++
		i = t.find(k)
	} else {
		t.rows[i].val = tcpPeer{id: a.Peer, seen: at}
		i = t.setSeeder(i, is)
	}
	c.countSeeder(was, is)
	if a.Event == Completed && !was {
		s.downloaded++
	}
	return i, nil
}

func tcpPart[C, K comparable](c *Core[C], t *table[K, tcpPeer], k K) {
	i := t.find(k)
	if i < 0 {
		return
	}
	if t.isSeeder(i) {
		c.seeders--
	}
	t.remove(i)
	c.tcpPeers--
}

func tcpPick[C, K comparable](c *Core[C], t *table[K, tcpPeer], lo, self, n int, a *TCPAnnounce, dst []TCPPeer) []TCPPeer {
	var buf [64]int32
	for _, i := range sample(c.rng, lo, len(t.rows), self, n, buf[:0], &c.marks) {
		r := &t.rows[i]
		// The same client announces once for each address family.
		if r.val.id == a.Peer {
			continue
		}
		dst = append(dst, TCPPeer{Addr: addrOf(r.key), ID: r.val.id})
	}
	return dst
}

func key4(a netip.AddrPort) (k [6]byte) {
	ip := a.Addr().As4()
	copy(k[:], ip[:])
	k[4], k[5] = byte(a.Port()>>8), byte(a.Port())
	return k
}

func key6(a netip.AddrPort) (k [18]byte) {
	ip := a.Addr().As16()
	copy(k[:], ip[:])
	k[16], k[17] = byte(a.Port()>>8), byte(a.Port())
	return k
}

func addrOf[K comparable](k K) netip.AddrPort {
	switch k := any(k).(type) {
	case [6]byte:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(k[:4])), uint16(k[4])<<8|uint16(k[5]))
	case [18]byte:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(k[:16])), uint16(k[16])<<8|uint16(k[17]))
	}
	return netip.AddrPort{}
}
