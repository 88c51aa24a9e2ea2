package swarm

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// tcpTables are the TCP peers of a swarm, by address and port. row.time is in seconds
// since Core.epoch.
type tcpTables struct {
	v4 table[[6]byte, PeerID]
	v6 table[[18]byte, PeerID]
}

// size counts the peers, and the seeders among them. t may be nil.
func (t *tcpTables) size() (peers, seeders int) {
	if t == nil {
		return 0, 0
	}
	return len(t.v4.rows) + len(t.v6.rows), int(t.v4.seeders + t.v6.seeders)
}

// orNil returns t if it has a peer.
func (t *tcpTables) orNil() *tcpTables {
	if n, _ := t.size(); n == 0 {
		return nil
	}
	return t
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
	a.Addr = netaddr.PlainPort(a.Addr)
	is4 := a.Addr.Addr().Is4()
	if a.Event == Stopped {
		var n Counts
		if s := c.swarm(a.Hash); s != nil {
			switch {
			case s.tcp == nil:
			case is4:
				tcpPart(c, &s.tcp.v4, key4(a.Addr))
			default:
				tcpPart(c, &s.tcp.v6, key6(a.Addr))
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
	if s.tcp == nil {
		s.tcp = new(tcpTables)
	}
	a.Place = c.cfg.Locality.place(a.Place)
	q4, q6 := query{self: -1, place: a.Place}, query{self: -1, place: a.Place}
	var seeder bool
	if is4 {
		q4.self, err = tcpJoin(c, s, &s.tcp.v4, key4(a.Addr), &a, c.stamp(now))
		seeder = err == nil && s.tcp.v4.isSeeder(q4.self)
	} else {
		q6.self, err = tcpJoin(c, s, &s.tcp.v6, key6(a.Addr), &a, c.stamp(now))
		seeder = err == nil && s.tcp.v6.isSeeder(q6.self)
	}
	if err != nil {
		c.settle(now, s)
		return Counts{}, dst, err
	}

	if seeder && !c.cfg.SeederToSeeder {
		q4.lo, q6.lo = int(s.tcp.v4.seeders), int(s.tcp.v6.seeders)
	}
	n4, n6 := len(s.tcp.v4.rows)-q4.lo, len(s.tcp.v6.rows)-q6.lo
	if a.Family == V4 {
		n6 = 0
	} else if a.Family == V6 {
		n4 = 0
	}
	if want := min(a.Want, n4+n6); want > 0 {
		// Both families in proportion, so that neither is starved.
		q4.want = (want*n4 + (n4+n6)/2) / (n4 + n6)
		q6.want = want - q4.want
		dst = tcpPick(c, &s.tcp.v4, q4, &a, dst)
		dst = tcpPick(c, &s.tcp.v6, q6, &a, dst)
	}
	return s.counts(), dst, nil
}

func tcpJoin[C, K comparable](c *Core[C], s *swarm[C], t *table[K, PeerID], k K, a *TCPAnnounce, at uint32) (int, error) {
	i := t.find(k)
	known := i >= 0
	was := known && t.isSeeder(i)
	is := isSeeder(was, a.Event, a.Left)
	if !known {
		if c.full() {
			return -1, ErrFull
		}
		i = t.add(row[K, PeerID]{k, at, a.Peer}, is)
		c.tcpPeers++
	} else {
		t.rows[i].val, t.rows[i].time = a.Peer, at
		i = t.setSeeder(i, is)
	}
	if c.cfg.Locality != LocalityOff {
		t.locate(i, a.Place)
	}
	c.countSeeder(was, is)
	if a.Event == Completed && !was {
		c.completed(s)
	}
	return i, nil
}

func tcpPart[C, K comparable](c *Core[C], t *table[K, PeerID], k K) {
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

func tcpPick[C, K comparable](c *Core[C], t *table[K, PeerID], q query, a *TCPAnnounce, dst []TCPPeer) []TCPPeer {
	for _, i := range choose(&c.chooser, t, q) {
		r := &t.rows[i]
		// The same client announces once for each address family.
		if r.val == a.Peer {
			continue
		}
		dst = append(dst, TCPPeer{Addr: addrOf(r.key), ID: r.val})
	}
	return dst
}

// EachTCP calls f for up to max TCP peers of a swarm, seeders first. f must change
// nothing.
func (c *Core[C]) EachTCP(h Hash, max int, f func(p TCPPeer, seeder bool)) {
	s := c.swarm(h)
	if s == nil || s.tcp == nil {
		return
	}
	n4, n6 := len(s.tcp.v4.rows), len(s.tcp.v6.rows)
	max4 := min(n4, max-min(n6, max/2)) // IPv6 gets half, or what IPv4 leaves
	eachRow(&s.tcp.v4, max4, f)
	eachRow(&s.tcp.v6, min(n6, max-max4), f)
}

func eachRow[K comparable](t *table[K, PeerID], n int, f func(p TCPPeer, seeder bool)) {
	for i := range n {
		f(TCPPeer{Addr: addrOf(t.rows[i].key), ID: t.rows[i].val}, t.isSeeder(i))
	}
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
