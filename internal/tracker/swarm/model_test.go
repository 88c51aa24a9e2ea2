package swarm

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// The model is the same rules with maps and without any cleverness.
type model struct {
	rtc map[[2]PeerID]*modelPeer // by hash, peer id
	tcp map[modelKey]*modelPeer
}

type modelKey struct {
	hash Hash
	addr netip.AddrPort
}

type modelPeer struct {
	conn   int
	seeder bool
	trust  Trust
	seen   time.Time
}

func (p *modelPeer) role() Role { return Role{p.seeder, p.trust} }

func (m *model) counts(h Hash) (n Counts) {
	add := func(p *modelPeer) {
		if p.seeder {
			n.Complete++
		} else {
			n.Incomplete++
		}
	}
	for k, p := range m.rtc {
		if k[0] == h {
			add(p)
		}
	}
	for k, p := range m.tcp {
		if k.hash == h {
			add(p)
		}
	}
	return n
}

// FuzzModel runs random requests against the Core and the model; their counts and
// memberships must agree at every step.
func FuzzModel(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(seed, uint16(2000))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		rng := rand.New(rand.NewPCG(seed, 7))
		peers := 1 + rng.IntN(250)
		locality, kinds := Locality(rng.IntN(3)), 1+2*rng.IntN(2)
		place := func() (p Place) {
			if rng.IntN(5) > 0 {
				p.Addr, p.Prefix = uint32(rng.IntN(20)), uint32(rng.IntN(6))
			}
			if rng.IntN(5) > 0 {
				p.ASN, p.Country = uint32(rng.IntN(4)), [2]byte{'A', 'A' + byte(rng.IntN(2))}
			}
			return p
		}
		c := New[int](Config{TCPTimeout: 100 * time.Second, Locality: locality}, rand.New(rand.NewPCG(seed, 8)), t0)
		m := model{rtc: map[[2]PeerID]*modelPeer{}, tcp: map[modelKey]*modelPeer{}}
		now := t0
		for range min(steps, 4000) {
			h, trust := num(rng.IntN(3)), Trust(rng.IntN(kinds))
			ev, left := Event(rng.IntN(4)), int64(rng.IntN(3)-1)
			if rng.IntN(4) > 0 {
				ev = None // else hardly anybody stays
			}
			seeder := func(p *modelPeer) bool {
				return left == 0 || ev == Completed || left < 0 && ev != Started && p != nil && p.seeder
			}
			switch rng.IntN(4) {
			case 0, 1:
				p, conn := num(rng.IntN(peers)), rng.IntN(peers)
				k := [2]PeerID{h, p}
				old := m.rtc[k]
				re, to, err := c.AnnounceRTC(now, RTCAnnounce[int]{Hash: h, Peer: p, Conn: conn, Event: ev, Left: left, Want: rng.IntN(8), Place: place(), Trust: trust}, nil)
				switch {
				case ev == Stopped:
					if own := old != nil && old.conn == conn; re.Parted != own {
						t.Fatalf("Parted %v, owner %v", re.Parted, own)
					} else if own {
						delete(m.rtc, k)
					}
				case old != nil && old.conn != conn:
					if err != ErrTaken || re.Owner != old.conn {
						t.Fatalf("taken peer: %v", err)
					}
				default:
					if err != nil || re.Joined != (old == nil) {
						t.Fatalf("joined %v, error %v", re.Joined, err)
					}
					m.rtc[k] = &modelPeer{conn: conn, seeder: seeder(old), trust: trust}
				}
				if distinct := set(to); len(distinct) != len(to) {
					t.Fatalf("somebody was chosen twice: %v", to)
				}
				for _, r := range to {
					q := m.rtc[[2]PeerID{h, r.Peer}]
					if q == nil || q.conn != r.Conn || r.Peer == p || !m.rtc[k].role().Meets(q.role()) {
						t.Fatalf("receiver %v", r)
					}
				}
				if n := m.counts(h); re.Counts != n {
					t.Fatalf("counts %v, model %v", re.Counts, n)
				}
			case 2:
				ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(peers))})
				if rng.IntN(2) == 0 {
					ip = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(rng.IntN(peers))})
				}
				k := modelKey{h, netip.AddrPortFrom(ip, 7)}
				n, got, err := c.AnnounceTCP(now, TCPAnnounce{Hash: h, Peer: id(ip.String()), Addr: k.addr, Event: ev, Left: left, Want: rng.IntN(70), Place: place(), Trust: trust}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if ev == Stopped {
					delete(m.tcp, k)
				} else {
					m.tcp[k] = &modelPeer{seeder: seeder(m.tcp[k]), trust: trust, seen: now}
				}
				if distinct := set(got); len(distinct) != len(got) {
					t.Fatalf("somebody was chosen twice: %v", got)
				}
				seeders := 0
				for _, g := range got {
					q := m.tcp[modelKey{h, g.Addr}]
					if q == nil || g.Addr == k.addr || !q.trust.meets(m.tcp[k].trust) {
						t.Fatalf("peer %v", g)
					}
					if q.seeder && m.tcp[k].seeder {
						seeders++
					}
				}
				if seeders > 0 && (ev != Started || len(got) > fewLeechers) {
					t.Fatalf("%d seeders among %d peers for a seeder with event %v", seeders, len(got), ev)
				}
				if want := m.counts(h); n != want {
					t.Fatalf("counts %v, model %v", n, want)
				}
			case 3:
				now = now.Add(time.Duration(rng.IntN(30)) * time.Second)
				c.Expire(now, 0, nil)
				for k, p := range m.tcp {
					if now.Sub(p.seen) >= 100*time.Second {
						delete(m.tcp, k)
					}
				}
			}
			check(t, c, locality)
			m.checkRoles(t, c, h)
		}
		if got := c.Totals(); got.RTCPeers != len(m.rtc) || got.TCPPeers != len(m.tcp) {
			t.Fatalf("%+v, model has %d and %d", got, len(m.rtc), len(m.tcp))
		}
	})
}

// checkRoles compares what the Core knows of the peers of a swarm with the model.
func (m *model) checkRoles(t *testing.T, c *Core[int], h Hash) {
	t.Helper()
	var want Kinds
	for k, p := range m.rtc {
		if k[0] != h {
			continue
		}
		s := c.swarm(h)
		if got := s.rtc.role(s.rtc.find(k[1])); got != p.role() {
			t.Fatalf("a peer is %+v, model %+v", got, p.role())
		}
		switch {
		case p.seeder && p.trust == Trusted:
			want.TrustedSeeders++
		case p.trust == Trusted:
			want.TrustedLeechers++
		}
		if p.seeder {
			want.RTCSeeders++
		} else {
			want.RTCLeechers++
		}
	}
	for k, p := range m.tcp {
		switch {
		case k.hash != h:
		case p.seeder:
			want.TCPSeeders++
		default:
			want.TCPLeechers++
		}
	}
	if got := c.Kinds(h); got != want {
		t.Fatalf("kinds %+v, model %+v", got, want)
	}
	rest := false
	c.EachTCP(h, 1000, func(p TCPPeer, r Role) {
		q := m.tcp[modelKey{h, p.Addr}]
		if q == nil || q.role() != r {
			t.Fatalf("%v is %+v, model %+v", p, r, q)
		}
		if r.Trust == Trusted && rest && p.Addr.Addr().Is4() {
			t.Fatal("a trusted peer comes late")
		}
		rest = r.Trust != Trusted
	})
}

// check verifies what must hold of a Core at any time.
func check(t *testing.T, c *Core[int], locality Locality) {
	t.Helper()
	var seeders int
	for i := range c.swarms {
		s := c.at(i)
		if int(s.slot) != i || c.swarm(s.hash) != s {
			t.Fatal("directory broken")
		}
		checkTable(t, &s.rtc, locality)
		if s.tcp != nil {
			for f := range s.tcp.all {
				checkTable(t, &f.v4, locality)
				checkTable(t, &f.v6, locality)
			}
		}
		_, n := s.tcp.size()
		seeders += n + int(s.rtc.seeders)
		if s.size() == 0 && s.downloaded == 0 {
			t.Fatal("an empty swarm is kept for nothing")
		}
	}
	if seeders != c.seeders || len(c.byHash) != c.swarms {
		t.Fatalf("%d seeders counted as %d", seeders, c.seeders)
	}
	for _, w := range c.chooser.marks {
		if w != 0 {
			t.Fatal("sample left marks")
		}
	}
}

func checkTable[K comparable, V any](t *testing.T, tab *table[K, V], locality Locality) {
	t.Helper()
	if tab.seeders < 0 || int(tab.seeders) > len(tab.rows) {
		t.Fatal("border outside the table")
	}
	if tab.index != nil && len(tab.index) != len(tab.rows) {
		t.Fatalf("index has %d entries for %d rows", len(tab.index), len(tab.rows))
	}
	if n := tab.uncommon; n != nil && (*n == uncommon{} || n.trustedSeeders < 0 || n.limitedSeeders < 0 || n.limitedLeechers < 0 || n.trustedLeechers < 0) {
		t.Fatalf("%+v", *n)
	}
	for s := range trustedLeechers {
		if tab.end(s) > tab.end(s+1) {
			t.Fatalf("segment %d ends at %d, the next at %d", s, tab.end(s), tab.end(s+1))
		}
	}
	for i := range tab.rows {
		if tab.find(tab.rows[i].key) != i {
			t.Fatal("row not found in its place")
		}
	}
	if locality == LocalityOff != (tab.near == nil) && len(tab.rows) > 0 {
		t.Fatalf("near %v with locality %d", tab.near, locality)
	}
	if tab.near != nil {
		checkNear(t, tab.near, len(tab.rows), int(tab.seeders), locality)
	}
}

func checkNear(t *testing.T, n *near, rows, seeders int, locality Locality) {
	t.Helper()
	if len(n.places) != rows || n.pos != nil && len(n.pos) != rows {
		t.Fatalf("%d places, %d positions for %d rows", len(n.places), len(n.pos), rows)
	}
	if rows > groupFrom && n.pos == nil || rows < ungroupBelow && n.pos != nil {
		t.Fatalf("groups %v with %d rows", n.pos != nil, rows)
	}
	var in [numLevels]int
	for i := range n.places {
		p := &n.places[i]
		if *p != locality.place(*p) {
			t.Fatalf("locality %d remembers %+v", locality, *p)
		}
		if n.pos == nil {
			continue
		}
		for l := range numLevels {
			v, at := p.value(l), n.pos[i][l]
			if v == 0 {
				if at != -1 {
					t.Fatalf("row %d without a value is in a group", i)
				}
				continue
			}
			g := n.groups[l][v]
			if g == nil || int(at) >= len(g.rows) || int(g.rows[at]) != i || (at < g.seeders) != (i < seeders) {
				t.Fatalf("row %d is not where it should be in %+v", i, g)
			}
			in[l]++
		}
	}
	for l := range numLevels {
		total := 0
		for _, g := range n.groups[l] {
			if len(g.rows) == 0 {
				t.Fatal("an empty group is kept")
			}
			total += len(g.rows)
		}
		if total != in[l] {
			t.Fatalf("%d rows in the groups of level %d, should be %d", total, l, in[l])
		}
	}
}

func set[T comparable](s []T) map[T]bool {
	m := make(map[T]bool)
	for _, v := range s {
		m[v] = true
	}
	return m
}
