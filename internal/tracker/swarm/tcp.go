package swarm

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// tcpTables are the TCP peers of a swarm, apart by the Scope of their address, so that an announcer
// who cannot reach some of them costs no look at those. row.time is in seconds since Core.epoch.
type tcpTables struct {
	scopes [3]*families // nil without peers; see of
	// ports says how many rows a source has; nil while there are so few that they are counted.
	ports map[Source]int32
}

// size counts the peers, and the seeders among them. t may be nil.
func (t *tcpTables) size() (peers, seeders int) {
	if t == nil {
		return 0, 0
	}
	for _, f := range t.scopes {
		if f != nil {
			p, s := f.size()
			peers, seeders = peers+p, seeders+s
		}
	}
	return peers, seeders
}

// orNil returns t if it has a peer, and gives back the memory of scopes without one.
func (t *tcpTables) orNil() *tcpTables {
	if n, _ := t.size(); n == 0 {
		return nil
	}
	for i, f := range t.scopes {
		if f == nil {
			continue
		}
		if n, _ := f.size(); n == 0 {
			t.scopes[i] = nil
		}
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
	// Local is the address by which it has reached this machine, as far as that is known. Peers on the
	// machine itself, which announced over loopback, are given by it.
	Local netip.Addr
	Trust Trust
}

// A TCPPeer is an address to give out.
type TCPPeer struct {
	Addr netip.AddrPort
	ID   PeerID
}

// AnnounceTCP adds, updates or, for Stopped, removes a peer, and appends up to Want
// other peers of its swarm, which it can reach, to dst. ErrFull, ErrQuota.
func (c *Core[C]) AnnounceTCP(now time.Time, a TCPAnnounce, dst []TCPPeer) (Counts, []TCPPeer, error) {
	a.Addr, a.Local = netaddr.PlainPort(a.Addr), netaddr.Plain(a.Local)
	is4 := a.Addr.Addr().Is4()
	if a.Event == Stopped {
		var n Counts
		if s := c.swarm(a.Hash); s != nil {
			switch f := s.tcp.of(netaddr.ScopeOf(a.Addr.Addr())); {
			case f == nil:
			case is4:
				tcpPart(c, s.tcp, &f.v4, key4(a.Addr))
			default:
				tcpPart(c, s.tcp, &f.v6, key6(a.Addr))
			}
			n = s.counts()
			c.settle(now, s)
		}
		return n, dst, nil
	}
	a.Place = c.cfg.Locality.place(a.Place)
	var j joined[C]
	var err error
	if is4 {
		j, err = tcpJoin(c, now, key4(a.Addr), &a, func(f *families) *table[[6]byte, PeerID] { return &f.v4 })
	} else {
		j, err = tcpJoin(c, now, key6(a.Addr), &a, func(f *families) *table[[18]byte, PeerID] { return &f.v6 })
	}
	if err != nil {
		return Counts{}, dst, err
	}
	from, leechers := len(dst), j.seeder && !c.cfg.SeederToSeeder
	dst = c.tcpPeersFor(j, &a, leechers, dst)
	if leechers {
		dst = c.fillWithSeeders(j.swarm, &a, from, dst)
	}
	return j.swarm.counts(), dst, nil
}

// joined is what has become of an announcer.
type joined[C comparable] struct {
	swarm  *swarm[C]
	scope  netaddr.Scope
	row    int // in the table of its scope and family, or -1; see tcpJoin
	seeder bool
}

// tcpJoin adds or updates a peer. It has no row if its address has as many as one may
// have: such a peer is served, and not shown to others.
func tcpJoin[C, K comparable](c *Core[C], now time.Time, k K, a *TCPAnnounce, of func(*families) *table[K, PeerID]) (joined[C], error) {
	scope := netaddr.ScopeOf(a.Addr.Addr())
	s, i := c.swarm(a.Hash), -1
	if s != nil {
		if f := s.tcp.of(scope); f != nil {
			i = of(f).find(k)
		}
	}
	was := i >= 0 && of(s.tcp.of(scope)).isSeeder(i)
	is := isSeeder(was, a.Event, a.Left)
	if i < 0 {
		src := c.cfg.Ledger.Source(a.Addr.Addr())
		if s != nil && s.tcp != nil && a.Trust != Trusted && s.tcp.crowded(src) {
			return joined[C]{s, scope, -1, is}, nil
		}
		var err error
		if s, err = c.enter(now, a.Hash, src); err != nil {
			return joined[C]{}, err
		}
		if s.tcp == nil {
			s.tcp = new(tcpTables)
		}
		i = of(s.tcp.make(scope)).add(row[K, PeerID]{key: k, src: src, val: a.Peer}, Role{is, a.Trust})
		s.tcp.counted(src, 1)
		c.tcpPeers++
	} else {
		i = of(s.tcp.of(scope)).setRole(i, Role{is, a.Trust})
	}
	t := of(s.tcp.of(scope))
	t.rows[i].val, t.rows[i].time = a.Peer, c.stamp(now)
	if c.cfg.Locality != LocalityOff {
		t.locate(i, a.Place)
	}
	c.countSeeder(was, is)
	if a.Event == Completed && !was {
		c.completed(s)
	}
	return joined[C]{s, scope, i, is}, nil
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
	one := func(r Source) {
		if r == src {
			n++
		}
	}
	for f := range t.all {
		f.sources(one)
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
		for f := range t.all {
			f.sources(func(r Source) { t.ports[r]++ })
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
