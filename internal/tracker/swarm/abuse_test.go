package swarm

import (
	"net/netip"
	"testing"
	"time"
)

// An announce storm: 1,500 announces of twelve seeders in no time, each with ten offers, in a
// swarm with three victims. None of them is given more than it may leave unanswered; the rest finds nobody.
func TestAFloodOfOffersIsCapped(t *testing.T) {
	for _, answers := range []bool{false, true} {
		c, h := newCore(Config{}), id("hash")
		for i := range 3 {
			join(t, c, h, i, num(i), Started, 9, 0)
		}
		got := make([]int, 3)
		unplaced := 0
		for n := range 1500 {
			peer := num(100 + n%12)
			_, to := join(t, c, h, 7+n%12, peer, None, 0, 10)
			unplaced += 10 - len(to)
			for _, r := range to {
				if r.Conn < 3 {
					got[r.Conn]++
					if answers {
						c.Route(h, r.Conn, r.Peer, peer)
					}
				}
			}
		}
		most := 8 // they have never answered
		if answers {
			most = 40
		}
		for i, n := range got {
			if n > most || n == 0 {
				t.Errorf("answers %v: victim %d was given %d offers, at most %d may be", answers, i, n, most)
			}
		}
		if unplaced < 14_000 {
			t.Errorf("answers %v: %d of 15,000 offers found nobody", answers, unplaced)
		}
	}
}

// 20,000 answers to a peer that has made one offer, and 20,000 by a peer that was given one.
func TestAnAnswerNeedsAnOffer(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	passed := func(from, to int) (n int) {
		for range 20_000 {
			if _, way := c.Route(h, from, num(from), num(to)); way == RouteHere {
				n++
			}
		}
		return n
	}
	for i := range 3 {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	if n := passed(1, 0); n != 0 {
		t.Errorf("%d answers to no offer", n)
	}
	join(t, c, h, 0, num(0), None, 9, 2) // to 1 and 2
	if n := passed(1, 2); n != 0 {
		t.Errorf("%d answers to a peer that has made no offer", n)
	}
	if n := passed(1, 0); n != 1 {
		t.Errorf("%d answers to one offer", n)
	}
	// Confederates: 8 attackers are given offers by others of theirs, and send their answers to
	// the victim. It gets as many as it has made offers.
	for i := 10; i < 18; i++ {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	for range 10 {
		join(t, c, h, 20, num(20), None, 9, 10)
	}
	total := 0
	for i := 10; i < 18; i++ {
		total += passed(i, 0)
	}
	if total != 1 {
		t.Errorf("%d more answers to a peer with one open offer", total)
	}
}

// Answers from other nodes, too, need offers: those that may have gone there.
func TestAnAnswerFromElsewhereNeedsAnOffer(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	join(t, c, h, 1, num(1), Started, 9, 0)
	if _, ok := c.RouteIn(h, num(1)); ok {
		t.Error("an answer to no offer")
	}
	if _, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(1), Conn: 1, Left: 9, Offers: 3}, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range 1000 {
		if conn, ok := c.RouteIn(h, num(1)); ok && conn == 1 {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d answers to three offers", n)
	}
	for _, tc := range [][2]PeerID{{h, num(2)}, {id("none"), num(1)}} {
		if _, ok := c.RouteIn(tc[0], tc[1]); ok {
			t.Error("a way to a peer that is not here")
		}
	}
}

// honest counts how many of the offers of 100 honest peers, each at an address of its own,
// five in an announce, go to others of them.
func honest(t *testing.T, locality Locality, attack func(c *Core[int], h Hash)) (toHonest, toAttacker int) {
	t.Helper()
	c, h := newCore(Config{Locality: locality}), id("hash")
	announce := func(i, want int) []Receiver[int] {
		// Everybody is of one ISP.
		p := Place{Addr: uint32(1 + i), Prefix: 7, ASN: 7}
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: 9, Want: want, Source: Source(1 + i), Place: p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	for i := range 100 {
		announce(i, 0)
	}
	attack(c, h)
	for i := range 100 {
		for _, r := range announce(i, 5) {
			if r.Conn < 100 {
				toHonest++
			} else {
				toAttacker++
			}
			c.Route(h, r.Conn, r.Peer, num(i))
		}
	}
	return toHonest, toAttacker
}

// 1,000 peers at one address, with a connection each, do not get more than a share of the
// offers of others, and the others still meet.
func TestOneAddressGetsAShareOfTheOffers(t *testing.T) {
	for _, locality := range []Locality{LocalityOff, LocalityFull} {
		good, bad := honest(t, locality, func(c *Core[int], h Hash) {
			for i := range 1000 {
				_, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(1000 + i), Conn: 1000 + i, Left: 9,
					Source: 5000, Place: Place{Addr: 5000, Prefix: 7, ASN: 7}}, nil)
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if bad > 100 || good < 390 {
			t.Errorf("locality %d: of 500 offers %d went to the honest, %d to one address", locality, good, bad)
		}
	}
}

// An office behind one address: its peers meet each other as if nobody counted.
func TestPeersBehindOneAddressMeet(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 1000 {
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: 9, Want: 5, Source: 9}, nil)
		if err != nil || len(to) != min(i, 5) {
			t.Fatalf("peer %d: %d receivers, %v", i, len(to), err)
		}
		for _, r := range to {
			c.Route(h, r.Conn, r.Peer, num(i))
		}
	}
}

// 300 ports of one address do not fill the replies of a swarm with 40 others.
func TestOneAddressHasFewPortsInASwarm(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c, h := New[int](Config{Ledger: &named{}}, newCore(Config{}).chooser.rng, t0), id("hash")
		addr := func(i int, port uint16) netip.AddrPort {
			if v6 {
				return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 7: byte(i), 15: byte(port)}), port)
			}
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}), port)
		}
		n := 0
		announce := func(a netip.AddrPort) (attacker int) {
			n++
			_, peers, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: num(n), Addr: a, Left: 9, Want: 50}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range peers {
				if p.Addr.Port() != 1 {
					attacker++
				}
			}
			if n > 9 && len(peers) < 8 {
				t.Fatalf("announce %d got %d peers", n, len(peers))
			}
			return attacker
		}
		for i := range 5 {
			announce(addr(i, 1))
		}
		for port := range 300 {
			announce(addr(200, uint16(100+port)))
		}
		for i := range 35 {
			announce(addr(5+i, 1))
		}
		if got := announce(addr(77, 1)); got != 8 {
			t.Errorf("IPv6 %v: %d of the addresses in a reply are the attacker's", v6, got)
		}
		if got := c.Totals().TCPPeers; got != 40+8+1 {
			t.Errorf("IPv6 %v: %d peers", v6, got)
		}
		// Its place is free when it goes.
		if _, _, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Addr: addr(200, 100), Event: Stopped}, nil); err != nil {
			t.Fatal(err)
		}
		announce(addr(200, 9999))
		if got := c.Totals().TCPPeers; got != 40+8+1 {
			t.Errorf("IPv6 %v: %d peers after one has left and one has come", v6, got)
		}
		check(t, c, LocalityOff)
		c.Expire(t0.Add(time.Hour), 0, nil)
		if got := c.Totals(); got != (Totals{}) {
			t.Errorf("%+v are left", got)
		}
	}
}

// named is a Ledger without bounds that knows sources.
type named struct{ alone }

func (l *named) Source(a netip.Addr) Source { return SourceOf([2]uint64{1, 2}, a) }
func (l *named) Join(Source) error          { return nil }
func (l *named) Open() bool                 { return true }

func TestSourceOf(t *testing.T) {
	key := [2]uint64{1, 2}
	of := func(s string) Source { return SourceOf(key, netip.MustParseAddr(s)) }
	if of("1.2.3.4") != of("::ffff:1.2.3.4") || of("2001:db8::1") != of("2001:db8::ffff") {
		t.Error("one address has two sources")
	}
	if of("1.2.3.4") == of("1.2.3.5") || of("2001:db8::1") == of("2001:db8:0:1::1") || of("1.2.3.4") == 0 {
		t.Error("two addresses have one source")
	}
	if SourceOf([2]uint64{1, 3}, netip.MustParseAddr("1.2.3.4")) == of("1.2.3.4") {
		t.Error("the key changes nothing")
	}
	if SourceOf(key, netip.Addr{}) != 0 {
		t.Error("no address has a source")
	}
}

// One connection that tries 1,000 peer ids, each with ten offers, has four in the swarm, and the
// offers of the others go nowhere.
func TestOneConnectionHasFewIDsInASwarm(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 100 {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	var owned Memberships
	given, in := 0, 0
	for i := range 1000 {
		re, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(1000 + i), Conn: 7000, Left: 9, Want: 10, Owned: &owned, MaxOwned: 1000}, nil)
		switch {
		case err == nil && re.Joined:
			in++
		case err != ErrTooManyIDs:
			t.Fatal(err)
		}
		given += len(to)
	}
	if in != IDsPerSwarm || len(owned) != in || given > 10*in || c.Scrape(h).Incomplete != 100+in {
		t.Errorf("%d ids in the swarm, %d owned, %d offers passed on", in, len(owned), given)
	}
	// It may use others when it gives some back.
	if re, _, _ := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: owned[0].Peer, Conn: 7000, Event: Stopped, Owned: &owned}, nil); !re.Parted || len(owned) != 3 {
		t.Errorf("parted %v, %d owned", re.Parted, len(owned))
	}
	a := RTCAnnounce[int]{Hash: num(5), Peer: num(1), Conn: 7000, Left: 9, Owned: &owned, MaxOwned: 4}
	if _, _, err := c.AnnounceRTC(t0, a, nil); err != nil || len(owned) != 4 {
		t.Errorf("another swarm: %v", err)
	}
	a.Hash = num(6)
	if _, _, err := c.AnnounceRTC(t0, a, nil); err != ErrTooMany || c.Totals().Swarms != 2 {
		t.Errorf("one swarm too many: %v", err)
	}
}

// A peer cannot use up what others may be given: of its own offers as many are passed on as it
// would be given itself, here and to other nodes, and there is room for those of the honest.
func TestOnePeersOffersAreCapped(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 100 {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	here, all := 0, 0
	for range 1500 {
		re, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(500), Conn: 500, Left: 9, Want: 10, Offers: 10, Shared: true}, nil)
		if err != nil || len(to) > re.Relay {
			t.Fatal(len(to), re.Relay, err)
		}
		here, all = here+len(to), all+re.Relay
	}
	if all != 40 || here > 40 || here < 20 {
		t.Errorf("%d offers passed on, %d of them here; 40 may be", all, here)
	}
	for i := range 20 {
		if _, to := join(t, c, h, i, num(i), None, 9, 5); len(to) != 5 {
			t.Fatalf("%d of 5 offers of an honest peer found somebody", len(to))
		}
	}
	re, _, err := c.AnnounceRTC(t0.Add(time.Minute), RTCAnnounce[int]{Hash: h, Peer: num(500), Conn: 500, Left: 9, Want: 10}, nil)
	if err != nil || re.Relay != 10 {
		t.Errorf("a minute later %d of 10 are passed on, %v", re.Relay, err)
	}
}

func TestMemberships(t *testing.T) {
	var m Memberships
	h := id("hash")
	ids := 0
	for i := range 1000 {
		if err := m.add(h, num(i), 1000); err == nil {
			ids++
		} else if err != ErrTooManyIDs {
			t.Fatal(err)
		}
	}
	if ids != IDsPerSwarm {
		t.Errorf("%d peer ids in one swarm", ids)
	}
	if err := m.add(h, num(2), 4); err != nil || len(m) != 4 {
		t.Errorf("a peer that is there: %v, %d memberships", err, len(m))
	}
	if err := m.add(num(7), num(1), 4); err != ErrTooMany {
		t.Errorf("a swarm too many: %v", err)
	}
	m.Remove(Membership{h, num(0)})
	m.Remove(Membership{h, num(0)})
	if err := m.add(h, num(999), 4); err != nil || len(m) != 4 {
		t.Errorf("after one has left: %v, %d memberships", err, len(m))
	}
}
