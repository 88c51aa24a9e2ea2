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
	// ports says how many rows a source has; nil while there are so few that they are counted.
	ports map[Source]int32
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
				tcpPart(c, s.tcp, &s.tcp.v4, key4(a.Addr))
			default:
				tcpPart(c, s.tcp, &s.tcp.v6, key6(a.Addr))
			}
			n = s.counts()
			c.settle(now, s)
		}
		return n, dst, nil
	}
	a.Place = c.cfg.Locality.place(a.Place)
	q4, q6 := query{self: -1, place: a.Place}, query{self: -1, place: a.Place}
	var s *swarm[C]
	var seeder bool
	var err error
	if is4 {
		s, q4.self, err = tcpJoin(c, now, key4(a.Addr), &a, func(t *tcpTables) *table[[6]byte, PeerID] { return &t.v4 })
		seeder = err == nil && isSeeder(q4.self >= 0 && s.tcp.v4.isSeeder(q4.self), a.Event, a.Left)
	} else {
		s, q6.self, err = tcpJoin(c, now, key6(a.Addr), &a, func(t *tcpTables) *table[[18]byte, PeerID] { return &t.v6 })
		seeder = err == nil && isSeeder(q6.self >= 0 && s.tcp.v6.isSeeder(q6.self), a.Event, a.Left)
	}
	if err != nil {
		return Counts{}, dst, err
	}

	from := len(dst)
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
	if seeder && !c.cfg.SeederToSeeder {
		dst = c.fillWithSeeders(s, &a, from, dst)
	}
	return s.counts(), dst, nil
}

// tcpJoin adds or updates a peer and returns its swarm and its row, or -1 if its address
// has as many as one may have: such a peer is served, and not shown to others.
func tcpJoin[C, K comparable](c *Core[C], now time.Time, k K, a *TCPAnnounce, of func(*tcpTables) *table[K, PeerID]) (*swarm[C], int, error) {
	s, i := c.swarm(a.Hash), -1
	if s != nil && s.tcp != nil {
		i = of(s.tcp).find(k)
	}
	was := i >= 0 && of(s.tcp).isSeeder(i)
	is := isSeeder(was, a.Event, a.Left)
	if i < 0 {
		src := c.cfg.Ledger.Source(a.Addr.Addr())
		if s != nil && s.tcp != nil && s.tcp.crowded(src) {
			return s, -1, nil
		}
		var err error
		if s, err = c.enter(now, a.Hash, src); err != nil {
			return nil, -1, err
		}
		if s.tcp == nil {
			s.tcp = new(tcpTables)
		}
		i = of(s.tcp).add(row[K, PeerID]{key: k, src: src, val: a.Peer}, is)
		s.tcp.counted(src, 1)
		c.tcpPeers++
	} else {
		i = of(s.tcp).setSeeder(i, is)
	}
	t := of(s.tcp)
	t.rows[i].val, t.rows[i].time = a.Peer, c.stamp(now)
	if c.cfg.Locality != LocalityOff {
		t.locate(i, a.Place)
	}
	c.countSeeder(was, is)
	if a.Event == Completed && !was {
		c.completed(s)
	}
	return s, i, nil
}

const (
	// portsPerSource is how many TCP peers of a swarm may be at one address; in a large swarm
	// it is one part in portsShare. Clients behind one address are few, and it costs nothing to
	// announce a thousand ports.
	portsPerSource = 8
	portsShare     = 8
)

// crowded reports whether a source has as many rows as it may have.
func (t *tcpTables) crowded(src Source) bool {
	if src == 0 {
		return false
	}
	peers, _ := t.size()
	most := max(portsPerSource, peers/portsShare)
	if t.ports != nil {
		return int(t.ports[src]) >= most
	}
	n := 0
	for i := range t.v4.rows {
		if t.v4.rows[i].src == src {
			n++
		}
	}
	for i := range t.v6.rows {
		if t.v6.rows[i].src == src {
			n++
		}
	}
	return n >= most
}

// counted notes that a row of a source was added or removed.
func (t *tcpTables) counted(src Source, n int32) {
	peers, _ := t.size()
	switch {
	case peers <= indexFrom:
		t.ports = nil
	case t.ports == nil:
		t.ports = make(map[Source]int32, peers)
		for i := range t.v4.rows {
			t.ports[t.v4.rows[i].src]++
		}
		for i := range t.v6.rows {
			t.ports[t.v6.rows[i].src]++
		}
	default:
		if t.ports[src] += n; t.ports[src] == 0 {
			delete(t.ports, src)
		}
	}
}

func tcpPart[C, K comparable](c *Core[C], t *tcpTables, of *table[K, PeerID], k K) {
	if i := of.find(k); i >= 0 {
		tcpRemove(c, t, of, i)
	}
}

func tcpRemove[C, K comparable](c *Core[C], t *tcpTables, of *table[K, PeerID], i int) {
	if of.isSeeder(i) {
		c.seeders--
	}
	src := of.rows[i].src
	of.remove(i)
	t.counted(src, -1)
	c.cfg.Ledger.Part(src)
	c.tcpPeers--
}

func tcpPick[C, K comparable](c *Core[C], t *table[K, PeerID], q query, a *TCPAnnounce, dst []TCPPeer) []TCPPeer {
	for _, i := range choose(&c.chooser, t, &q) {
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
