package swarm

import (
	"net/netip"
	"testing"
	"time"
)

// audience has peers of a swarm announce, some of them trusted; it returns who is.
func audience(t testing.TB, c *Core[int], h Hash, peers, trusted int, rest Trust) func(PeerID) bool {
	t.Helper()
	is := map[PeerID]bool{}
	for i := range peers {
		trust := rest
		if i%(peers/trusted) == 0 {
			trust = Trusted
			is[num(i)] = true
		}
		_, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Event: Started, Left: int64(i % 2), Trust: trust, Source: Source(i + 1)}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(p PeerID) bool { return is[p] }
}

func TestLimitedPeersMeetTrustedOnesAlone(t *testing.T) {
	c, h := newCore(Config{}), id("stream")
	trusted := audience(t, c, h, 1000, 20, Limited)
	ask := func(i int, trust Trust, left int64) (all []Receiver[int], ordinary int) {
		t.Helper()
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: left, Want: 10, Trust: trust, Source: Source(i + 1)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range to {
			if !trusted(r.Peer) {
				ordinary++
			}
		}
		return to, ordinary
	}
	if to, n := ask(1, Limited, 1); len(to) != 10 || n > 0 {
		t.Errorf("a viewer meets %d, %d of them viewers", len(to), n)
	}
	// A seeder has no use for the ten trusted seeders.
	if to, n := ask(1002, Limited, 0); n > 0 {
		t.Errorf("a viewer that has all meets %d, %d of them viewers", len(to), n)
	}
	if to, n := ask(0, Trusted, 1); len(to) != 10 || n == 0 {
		t.Errorf("a trusted peer meets %d, %d of them viewers", len(to), n)
	}
	// Peers of other nodes are no exception.
	for _, r := range c.Receivers(t0, h, num(5000), Role{Trust: Limited}, Place{}, 10, nil) {
		if !trusted(r.Peer) {
			t.Errorf("a viewer of another node meets viewer %x", r.Peer)
		}
	}
	if n := len(c.Receivers(t0, h, num(5000), Role{Trust: Trusted}, Place{}, 10, nil)); n != 10 {
		t.Errorf("a trusted peer of another node meets %d", n)
	}
	// Who is not limited meets others of its kind, and none of those.
	for _, r := range c.Receivers(t0, h, num(5000), Role{}, Place{}, 1000, nil) {
		if !trusted(r.Peer) {
			t.Fatal("an ordinary peer meets a limited one")
		}
	}
}

// Whom the operator trusts may stand at one address, and is met all the same.
func TestTrustedPeersBehindOneAddress(t *testing.T) {
	c, h := newCore(Config{Ledger: &named{}}), id("stream")
	for i := range 20 {
		c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Event: Started, Left: 1, Trust: Trusted, Source: 7}, nil)
	}
	_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(99), Conn: 99, Event: Started, Left: 1, Want: 10, Trust: Limited, Source: 8}, nil)
	if err != nil || len(to) != 10 {
		t.Errorf("%d of 10, %v", len(to), err)
	}
	shown := 0
	for i := range 20 {
		a := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+i))
		c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: num(200 + i), Addr: a, Event: Started, Left: 1, Trust: Trusted}, nil)
	}
	c.EachTCP(h, 100, func(TCPPeer, Role) { shown++ })
	if shown != 20 {
		t.Errorf("%d of 20 TCP peers are kept", shown)
	}
}

func TestLimitedTCPPeersMeetTrustedOnesAlone(t *testing.T) {
	c, h := newCore(Config{}), id("stream")
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
	}
	announce := func(i int, trust Trust, ev Event, left int64) []TCPPeer {
		t.Helper()
		_, peers, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: num(i), Addr: at(i), Event: ev, Left: left, Want: 50, Trust: trust}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return peers
	}
	for i := range 300 {
		announce(i, Limited, Started, int64(i%2))
	}
	// "left=0" of somebody with a magnet link gets some seeders: no viewers among them.
	for _, left := range []int64{0, 1} {
		if got := announce(1000, Limited, Started, left); len(got) != 0 {
			t.Errorf("a viewer with left=%d is given %d viewers", left, len(got))
		}
	}
	announce(500, Trusted, Started, 0)
	for _, left := range []int64{0, 1} {
		if got := announce(1000, Limited, Started, left); len(got) != 1 || got[0].Addr != at(500) {
			t.Errorf("a viewer with left=%d is given %v", left, got)
		}
	}
	if got := announce(500, Trusted, None, 0); len(got) != 50 {
		t.Errorf("the trusted peer is given %d", len(got))
	}
	// One whose token says something else now is shown to those whom that lets.
	announce(3, Trusted, None, 1)
	if got := announce(1000, Limited, None, 1); len(got) != 2 {
		t.Errorf("a viewer is given %v after another became trusted", got)
	}
	announce(3, Limited, None, 1)
	if got := announce(1000, Limited, None, 1); len(got) != 1 {
		t.Errorf("a viewer is given %v after that was taken back", got)
	}
}

// An answer makes no introduction that an offer may not make.
func TestAnswersKeepToTheRule(t *testing.T) {
	c, h := newCore(Config{}), id("stream")
	in := func(i int, trust Trust, want int) []Receiver[int] {
		_, to, _ := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Event: Started, Left: 1, Want: want, Trust: trust}, nil)
		return to
	}
	in(0, Trusted, 0)
	if to := in(1, Limited, 5); len(to) != 1 { // 1 waits for the answer of 0
		t.Fatalf("%v", to)
	}
	in(2, Limited, 0)
	if to := in(0, Trusted, 5); len(to) != 2 { // 2 has an offer to answer
		t.Fatalf("%v", to)
	}
	if _, way := c.Route(h, 2, num(2), num(1)); way != RouteNone {
		t.Errorf("a viewer answers another: %v", way)
	}
	if _, way := c.Route(h, 2, num(2), num(0)); way != RouteHere {
		t.Errorf("a viewer answers the trusted peer: %v", way)
	}
}

func TestEvictedInParts(t *testing.T) {
	c, h, other := newCore(Config{}), id("denied"), id("other")
	owned := map[int]*Memberships{}
	in := func(h Hash, i int, want int) ([]Receiver[int], error) {
		if owned[i] == nil {
			owned[i] = new(Memberships)
		}
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Event: Started, Left: 1, Want: want, Owned: owned[i], MaxOwned: 9}, nil)
		return to, err
	}
	for i := range 10 {
		in(h, i, 1)
		in(other, i, 0)
		tcp(t, c, t0, h, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 7).String(), Started, 1, 0)
		tcp(t, c, t0, h, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 7).String(), Started, 1, 0)
	}
	var told []Receiver[int]
	gone, calls := 0, 0
	for n := 7; n == 7; calls++ {
		n, told = c.Evict(t0, h, 7, told)
		gone += n
		check(t, c, LocalityOff)
	}
	if gone != 30 || calls != 5 || len(set(told)) != 10 {
		t.Errorf("%d went in %d calls, %d connections", gone, calls, len(told))
	}
	if got := c.Scrape(h); got != (Scrape{}) {
		t.Errorf("%+v is left", got)
	}
	if _, way := c.Route(h, 0, num(0), num(1)); way != RouteNone {
		t.Errorf("an answer goes %v", way)
	}
	if got := c.Scrape(other); got.Incomplete != 10 {
		t.Errorf("the other swarm has %+v", got)
	}
	if _, err := in(h, 3, 0); err != nil || len(*owned[3]) != 2 {
		t.Errorf("who may come again cannot: %v, %v", err, *owned[3])
	}
	if n, _ := c.Evict(t0, id("none"), 7, nil); n != 0 {
		t.Errorf("%d of a swarm that is not there", n)
	}
}

// benchTrust announces viewers of swarms of some size, of whom one in a hundred is trusted.
func benchTrust(b *testing.B, peers int, rest Trust) {
	c := newCore(Config{MaxOffers: -1, MaxUnanswered: 63})
	audience(b, c, id("stream"), peers, peers/100, rest)
	var dst []Receiver[int]
	b.ReportAllocs()
	met := 0
	for i := 0; b.Loop(); i++ {
		k := i%(peers/100)*100 + 1
		at := t0.Add(time.Duration(i) * 10 * time.Millisecond)
		_, dst, _ = c.AnnounceRTC(at, RTCAnnounce[int]{Hash: id("stream"), Peer: num(k), Conn: k, Left: 1, Want: 5, Trust: rest, Source: Source(k + 1)}, dst[:0])
		for _, r := range dst {
			c.Route(id("stream"), r.Conn, r.Peer, num(k))
		}
		met += len(dst)
	}
	b.ReportMetric(float64(met)/float64(b.N), "met/op")
}

func BenchmarkOrdinary1000(b *testing.B)   { benchTrust(b, 1000, Ordinary) }
func BenchmarkLimited1000(b *testing.B)    { benchTrust(b, 1000, Limited) }
func BenchmarkOrdinary100000(b *testing.B) { benchTrust(b, 100_000, Ordinary) }
func BenchmarkLimited100000(b *testing.B)  { benchTrust(b, 100_000, Limited) }
