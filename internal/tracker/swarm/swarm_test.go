package swarm

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newCore(cfg Config) *Core[int] { return New[int](cfg, rand.New(rand.NewPCG(1, 2)), t0) }

func id(s string) (p PeerID) { copy(p[:], s); return p }

func num(n int) (p PeerID) { binary.BigEndian.PutUint32(p[:], uint32(n)); return p }

// rest has every peer forget the offers that it was given and has made.
func rest(c *Core[int]) {
	for i := range c.swarms {
		for j := range c.at(i).rtc.rows {
			c.at(i).rtc.rows[j].time, c.at(i).rtc.rows[j].made = 0, 0
		}
	}
}

// join announces a WebRTC peer and returns who should get its offers.
func join(t *testing.T, c *Core[int], h Hash, conn int, peer PeerID, ev Event, left int64, want int) (RTCReply[int], []Receiver[int]) {
	t.Helper()
	re, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: peer, Conn: conn, Event: ev, Left: left, Want: want}, nil)
	if err != nil {
		t.Fatalf("announce of %q: %v", peer[:4], err)
	}
	return re, to
}

func tcp(t *testing.T, c *Core[int], now time.Time, h Hash, addr string, ev Event, left int64, want int) (Counts, []TCPPeer) {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	n, peers, err := c.AnnounceTCP(now, TCPAnnounce{Hash: h, Peer: id(addr), Addr: a, Event: ev, Left: left, Want: want}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n, peers
}

func TestCountsAreCommonToBothKinds(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	join(t, c, h, 1, id("web"), Started, 0, 0)
	n, peers := tcp(t, c, t0, h, "1.2.3.4:5", Started, 100, 50)
	if n != (Counts{1, 1}) {
		t.Errorf("counts %v, want one seeder and one leecher", n)
	}
	if len(peers) != 0 {
		t.Errorf("a TCP peer was given %v; a WebRTC peer has no address", peers)
	}
	_, to := join(t, c, h, 2, id("web2"), Started, 1, 10)
	if len(to) != 1 || to[0].Conn != 1 {
		t.Errorf("offers go to %v, want connection 1 alone", to)
	}
}

func TestLeft(t *testing.T) {
	for _, tc := range []struct {
		name string
		ev   []Event
		left []int64
		want Scrape
	}{
		{"nothing left is a seeder", []Event{Started}, []int64{0}, Scrape{1, 0, 0}},
		{"something left is a leecher", []Event{Started}, []int64{5}, Scrape{0, 1, 0}},
		{"unknown left is a leecher", []Event{Started}, []int64{LeftUnknown}, Scrape{0, 1, 0}},
		{"a negative left is a leecher", []Event{Started}, []int64{-7}, Scrape{0, 1, 0}},
		{"completed counts as a download", []Event{Started, Completed}, []int64{5, 0}, Scrape{1, 0, 1}},
		{"completed once", []Event{Started, Completed, Completed}, []int64{5, 0, 0}, Scrape{1, 0, 1}},
		{"completed without a known left", []Event{Started, Completed}, []int64{5, LeftUnknown}, Scrape{1, 0, 1}},
		{"completed before started is no download", []Event{Completed, Started}, []int64{0, 0}, Scrape{1, 0, 0}},
		{"a seeder's completed is no download", []Event{Started, Completed}, []int64{0, 0}, Scrape{1, 0, 0}},
		{"an update to nothing left makes a seeder", []Event{Started, None}, []int64{5, 0}, Scrape{1, 0, 0}},
		{"an update with something left takes it back", []Event{Started, None}, []int64{0, 5}, Scrape{0, 1, 0}},
		{"an update that does not say does not", []Event{Started, None}, []int64{0, LeftUnknown}, Scrape{1, 0, 0}},
		{"a start takes it back", []Event{Started, Started}, []int64{0, 5}, Scrape{0, 1, 0}},
		{"an update alone is a join", []Event{None}, []int64{5}, Scrape{0, 1, 0}},
		{"stopped leaves", []Event{Started, Stopped}, []int64{5, 5}, Scrape{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, h := newCore(Config{}), id("hash")
			for i, ev := range tc.ev {
				join(t, c, h, 1, id("peer"), ev, tc.left[i], 0)
			}
			if got := c.Scrape(h); got != tc.want {
				t.Errorf("scrape %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A TCP client says "completed" only after a real download, also to a tracker
// that has never heard of it (after a restart).
func TestTCPCompletedOfAnUnknownPeerIsADownload(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	tcp(t, c, t0, h, "1.2.3.4:5", Completed, 0, 0)
	if got := c.Scrape(h); got != (Scrape{1, 0, 1}) {
		t.Errorf("scrape %+v", got)
	}
}

func TestSeedersAreNotShownSeeders(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 20 {
		join(t, c, h, i, num(i), Started, 0, 0)
	}
	if _, to := join(t, c, h, 50, num(50), Started, 0, 10); len(to) != 0 {
		t.Errorf("a seeder's offers go to %d seeders", len(to))
	}
	join(t, c, h, 60, num(60), Started, 9, 0)
	if _, to := join(t, c, h, 50, num(50), None, 0, 10); len(to) != 1 || to[0].Conn != 60 {
		t.Errorf("a seeder's offers go to %v, want the leecher alone", to)
	}
	if _, to := join(t, c, h, 60, num(60), None, 9, 100); len(to) != 21 {
		t.Errorf("a leecher's offers reach %d peers, want all 21", len(to))
	}
	tcp(t, c, t0, h, "1.1.1.1:1", Started, 0, 0)
	if _, p := tcp(t, c, t0, h, "1.1.1.2:1", None, 0, 50); len(p) != 0 {
		t.Errorf("a seeder was given the seeder %v", p)
	}
	if _, p := tcp(t, c, t0, h, "1.1.1.3:1", Started, 1, 50); len(p) != 2 {
		t.Errorf("a leecher was given %v, want both seeders", p)
	}
	c = newCore(Config{SeederToSeeder: true})
	join(t, c, h, 1, num(1), Started, 0, 0)
	if _, to := join(t, c, h, 2, num(2), Started, 0, 5); len(to) != 1 {
		t.Errorf("SeederToSeeder: %v", to)
	}
}

func TestTakenPeerID(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	join(t, c, h, 1, id("victim"), Started, 5, 0)
	re, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: id("victim"), Conn: 2, Event: Started}, nil)
	if err != ErrTaken || re.Owner != 1 {
		t.Fatalf("second connection: owner %d, error %v", re.Owner, err)
	}
	if re, _ := join(t, c, h, 2, id("victim"), Stopped, 0, 0); re.Parted {
		t.Error("a stop from another connection removed the peer")
	}
	if c.Part(t0, h, 2, id("victim")) {
		t.Error("Part by another connection removed the peer")
	}
	_, to := join(t, c, h, 3, id("other"), Started, 5, 5)
	if len(to) != 1 || to[0].Conn != 1 {
		t.Errorf("offers go to %v, want the first connection", to)
	}
	if !c.Part(t0, h, 1, id("victim")) {
		t.Error("the owner could not leave")
	}
	if re, _ := join(t, c, h, 2, id("victim"), Started, 5, 0); !re.Joined {
		t.Error("a free peer id was refused")
	}
}

func TestRoute(t *testing.T) {
	for _, tc := range []struct {
		name     string
		hash     Hash
		conn     int
		from, to PeerID
		want     Route
	}{
		{"members", id("hash"), 2, id("b"), id("a"), RouteHere},
		{"sender of another connection", id("hash"), 3, id("b"), id("a"), RouteNone},
		{"sender not in the swarm", id("hash"), 3, id("c"), id("a"), RouteNone},
		{"target in another swarm", id("hash"), 2, id("b"), id("c"), RouteElsewhere},
		{"to itself", id("hash"), 2, id("b"), id("b"), RouteNone},
		{"no such swarm", id("none"), 2, id("b"), id("a"), RouteNone},
	} {
		c := newCore(Config{})
		join(t, c, id("hash"), 2, id("b"), Started, 5, 0)
		join(t, c, id("hash"), 1, id("a"), Started, 5, 1) // b is given an offer
		join(t, c, id("other"), 3, id("c"), Started, 5, 0)
		conn, route := c.Route(tc.hash, tc.conn, tc.from, tc.to)
		if route != tc.want || route == RouteHere && conn != 1 {
			t.Errorf("%s: %d, route %d, want %d", tc.name, conn, route, tc.want)
		}
	}
}

func TestSeveralPeerIDsAndSwarmsOnOneConnection(t *testing.T) {
	c := newCore(Config{})
	join(t, c, id("h1"), 1, id("a"), Started, 5, 0)
	join(t, c, id("h1"), 1, id("b"), Started, 5, 0)
	join(t, c, id("h2"), 1, id("a"), Started, 5, 0)
	if got := c.Totals(); got.RTCPeers != 3 || got.Swarms != 2 {
		t.Fatalf("%+v", got)
	}
	c.Part(t0, id("h1"), 1, id("a"))
	if got := c.Scrape(id("h2")); got.Incomplete != 1 {
		t.Error("leaving one swarm left the other")
	}
}

func TestTCPExpiry(t *testing.T) {
	c, h := newCore(Config{TCPTimeout: 30 * time.Minute, KeepEmpty: time.Hour}), id("hash")
	tcp(t, c, t0, h, "1.1.1.1:1", Started, 0, 0)
	tcp(t, c, t0, h, "[2001::1]:1", Started, 9, 0)
	join(t, c, h, 1, id("web"), Started, 9, 0)
	tcp(t, c, t0.Add(20*time.Minute), h, "1.1.1.2:1", Started, 9, 0)
	c.Expire(t0.Add(29*time.Minute), 0, nil)
	if got := c.Scrape(h); got != (Scrape{1, 3, 0}) {
		t.Fatalf("too early: %+v", got)
	}
	c.Expire(t0.Add(31*time.Minute), 0, nil)
	if got := c.Scrape(h); got != (Scrape{0, 2, 0}) {
		t.Fatalf("after 31 minutes: %+v, want the web peer and the later TCP peer", got)
	}
	// A WebRTC peer stays as long as its connection: some clients never announce again.
	c.Expire(t0.Add(1000*time.Hour), 0, nil)
	if got := c.Scrape(h); got != (Scrape{0, 1, 0}) {
		t.Fatalf("after 1000 hours: %+v", got)
	}
	c.Part(t0, h, 1, id("web"))
	if got := c.Totals(); got != (Totals{}) {
		t.Errorf("after all have gone: %+v", got)
	}
}

func TestDownloadCounterOutlivesTheSwarmForAWhile(t *testing.T) {
	c, h := newCore(Config{KeepEmpty: time.Hour}), id("hash")
	tcp(t, c, t0, h, "1.1.1.1:1", Started, 9, 0)
	tcp(t, c, t0, h, "1.1.1.1:1", Completed, 0, 0)
	tcp(t, c, t0, h, "1.1.1.1:1", Stopped, 0, 0)
	c.Expire(t0.Add(59*time.Minute), 0, nil)
	if got := c.Scrape(h); got != (Scrape{0, 0, 1}) {
		t.Errorf("%+v", got)
	}
	c.Expire(t0.Add(61*time.Minute), 0, nil)
	if got := c.Totals(); got.Swarms != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBounds(t *testing.T) {
	c := newCore(Config{MaxPeers: 2, MaxSwarms: 2})
	join(t, c, num(1), 1, id("a"), Started, 5, 0)
	join(t, c, num(2), 1, id("a"), Started, 5, 0)
	if _, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: num(1), Peer: id("b")}, nil); err != ErrFull {
		t.Errorf("third peer: %v", err)
	}
	if _, _, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: num(2), Addr: netip.MustParseAddrPort("1.1.1.1:1")}, nil); err != ErrFull {
		t.Errorf("third peer by TCP: %v", err)
	}
	if _, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: num(3), Peer: id("b")}, nil); err != ErrFull {
		t.Errorf("third swarm: %v", err)
	}
	if got := c.Totals(); got.Swarms != 2 || got.RTCPeers != 2 {
		t.Errorf("%+v", got)
	}
	join(t, c, num(1), 1, id("a"), Stopped, 0, 0)
	join(t, c, num(3), 1, id("a"), Started, 0, 0)

	// Remembered counters of empty swarms give way.
	c = newCore(Config{MaxSwarms: 1})
	join(t, c, num(1), 1, id("a"), Started, 5, 0)
	join(t, c, num(1), 1, id("a"), Completed, 0, 0)
	join(t, c, num(1), 1, id("a"), Stopped, 0, 0)
	join(t, c, num(2), 1, id("a"), Started, 5, 0)
}

func TestFamilies(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 40 {
		tcp(t, c, t0, h, netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 2, 3, byte(i)}), 1000).String(), Started, 9, 0)
	}
	tcp(t, c, t0, h, "[2001::1]:1", Started, 9, 0)
	tcp(t, c, t0, h, "[::ffff:9.9.9.9]:1", Started, 9, 0) // IPv4 in disguise
	ask := func(f Family, want int) (v4, v6 int) {
		_, peers, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: id("me"), Addr: netip.MustParseAddrPort("8.8.8.8:8"), Left: 1, Want: want, Family: f}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			if p.Addr.Addr().Is4() {
				v4++
			} else {
				v6++
			}
		}
		return v4, v6
	}
	if v4, v6 := ask(V4, 100); v4 != 41 || v6 != 0 {
		t.Errorf("V4: %d, %d", v4, v6)
	}
	if v4, v6 := ask(V6, 100); v4 != 0 || v6 != 1 {
		t.Errorf("V6: %d, %d", v4, v6)
	}
	if v4, v6 := ask(0, 100); v4 != 41 || v6 != 1 {
		t.Errorf("both: %d, %d", v4, v6)
	}
	if v4, v6 := ask(0, 10); v4+v6 > 10 || v4 < 9 {
		t.Errorf("both, 10 wanted: %d, %d", v4, v6)
	}
	if v4, v6 := ask(0, 0); v4+v6 != 0 {
		t.Errorf("none wanted: %d, %d", v4, v6)
	}
	if v4, v6 := ask(0, -5); v4+v6 != 0 {
		t.Errorf("negative want: %d, %d", v4, v6)
	}
	// The other family of the announcing client itself is no news.
	c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: id("me"), Addr: netip.MustParseAddrPort("[2001::8]:8"), Left: 1}, nil)
	if _, v6 := ask(V6, 100); v6 != 1 {
		t.Errorf("own address given back")
	}
}

func TestChoiceIsUniform(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	const peers, rounds, want = 40, 20000, 5
	for i := range peers {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	var got [peers]int
	together := 0 // rounds in which the peers 1 and 2, neighbours in the table, are both chosen
	for range rounds {
		rest(c)
		_, to := join(t, c, h, 0, num(0), None, 9, want)
		if len(to) != want {
			t.Fatalf("%d receivers", len(to))
		}
		seen := map[int]bool{}
		for _, r := range to {
			got[r.Conn]++
			seen[r.Conn] = true
		}
		if len(seen) != want {
			t.Fatal("a receiver was chosen twice")
		}
		if seen[1] && seen[2] {
			together++
		}
	}
	if got[0] != 0 {
		t.Error("a peer got its own offer")
	}
	mean := float64(rounds*want) / (peers - 1)
	for i, n := range got[1:] {
		if f := float64(n) / mean; f < 0.9 || f > 1.1 {
			t.Errorf("peer %d was chosen %.2f times as often as it should", i+1, f)
		}
	}
	if p := float64(together) / rounds; p > 0.03 { // 5*4/(39*38) = 0.0135
		t.Errorf("neighbours are chosen together in %.3f of all rounds", p)
	}
}

func TestSameSeedSameChoice(t *testing.T) {
	run := func() []Receiver[int] {
		c, h := newCore(Config{}), id("hash")
		for i := range 100 {
			join(t, c, h, i, num(i), Started, 9, 0)
		}
		_, to := join(t, c, h, 0, num(0), None, 9, 10)
		return to
	}
	a, b := run(), run()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%v and %v", a, b)
		}
	}
}

func TestParseEvent(t *testing.T) {
	for name, want := range map[string]Event{"started": Started, "stopped": Stopped, "completed": Completed, "": None, "paused": None, "Started": None} {
		if got := ParseEvent(name); got != want {
			t.Errorf("%q: %d", name, got)
		}
	}
}

func TestSeederIsReported(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for _, tc := range []struct {
		ev   Event
		left int64
		want bool
	}{{Started, 5, false}, {Completed, 0, true}, {None, LeftUnknown, true}, {None, 5, false}, {None, 0, true}, {Started, 5, false}} {
		if re, _ := join(t, c, h, 1, id("a"), tc.ev, tc.left, 0); re.Seeder != tc.want {
			t.Errorf("event %d with %d left: seeder %v", tc.ev, tc.left, re.Seeder)
		}
	}
}

// What a node of a cluster tells the others.
func TestListings(t *testing.T) {
	c := newCore(Config{})
	h := id("hash")
	for i := range 5 {
		join(t, c, h, i, num(i), Started, int64(i/2), 0) // 2 seeders
	}
	join(t, c, id("web"), 9, num(9), Started, 5, 0)
	for _, a := range []string{"1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "[2001::1]:1", "[2001::2]:1"} {
		tcp(t, c, t0, h, a, Started, 5, 0)
	}
	tcp(t, c, t0, h, "1.1.1.3:1", Completed, 0, 0)
	tcp(t, c, t0, id("empty"), "1.1.1.1:1", Started, 5, 0)
	tcp(t, c, t0, id("empty"), "1.1.1.1:1", Completed, 0, 0)
	tcp(t, c, t0, id("empty"), "1.1.1.1:1", Stopped, 0, 0) // its download counter is kept

	if got := c.Kinds(h); got != (Kinds{2, 3, 1, 4, 0, 0}) {
		t.Errorf("%v", got)
	}
	if got := c.Kinds(id("web")); got != (Kinds{RTCLeechers: 1}) {
		t.Errorf("without TCP peers: %v", got)
	}
	if got := c.Kinds(id("none")); got != (Kinds{}) {
		t.Errorf("unknown: %v", got)
	}

	if got := c.Hashes(nil, 2); len(got) != 2 {
		t.Errorf("%d of at most 2 hashes", len(got))
	}
	if got := c.Hashes(nil, 99); len(set(got)) != 3 {
		t.Errorf("%d of 3 hashes", len(got))
	}
	if got := c.Hashes(nil, -1); len(got) != 0 {
		t.Errorf("%d of at most -1 hashes", len(got))
	}
	var all []Hash
	c.EachSwarm(func(h Hash) bool { all = append(all, h); return true })
	if got := set(all); len(all) != 2 || !got[h] || !got[id("web")] {
		t.Errorf("swarms with peers: %q", all)
	}
	calls := 0
	c.EachSwarm(func(Hash) bool { calls++; return false })
	if calls != 1 {
		t.Errorf("%d calls after false", calls)
	}

	for most, want := range map[int][2]int{99: {3, 2}, 4: {2, 2}, 2: {1, 1}, 1: {1, 0}, 0: {}, -3: {}} {
		var got [2]int
		c.EachTCP(h, most, func(p TCPPeer, r Role) {
			if p.ID != id(p.Addr.String()) && p.ID != id("1.1.1.3:1") || r != (Role{Seeder: p.Addr.String() == "1.1.1.3:1"}) {
				t.Errorf("%v, %v", p, r)
			}
			if p.Addr.Addr().Is4() {
				got[0]++
			} else {
				got[1]++
			}
		})
		if got != want {
			t.Errorf("at most %d: %v IPv4 and IPv6, want %v", most, got, want)
		}
	}
	c.EachTCP(id("web"), 9, func(TCPPeer, Role) { t.Error("a WebRTC peer has no address") })
	c.EachTCP(id("none"), 9, func(TCPPeer, Role) { t.Error("a peer from nowhere") })
}

// Swarms come and go in any number; those that stay are found.
func TestManySwarms(t *testing.T) {
	c := newCore(Config{})
	const swarms = 10_000
	for i := range swarms {
		join(t, c, num(i), i, num(i), Started, 5, 0)
	}
	for i := range swarms {
		if i%100 != 0 {
			c.Part(t0, num(i), i, num(i))
		}
	}
	check(t, c, LocalityOff)
	for i := range swarms {
		if want := 1 - min(i%100, 1); c.Scrape(num(i)).Incomplete != want {
			t.Fatalf("swarm %d: %+v", i, c.Scrape(num(i)))
		}
	}
	if n := len(c.blocks); n > 2 {
		t.Errorf("%d blocks for 100 swarms", n)
	}
}

// A client that has only a magnet link says left=0: where leechers are few it gets some seeders, when it starts.
func TestMagnetWithoutMetadataGetsSeeders(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	for i := range 20 {
		tcp(t, c, t0, h, netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 0, byte(i), 1}), 1000).String(), None, 0, 0)
	}
	tcp(t, c, t0, h, "9.1.0.1:1000", None, 5, 0)
	n, peers := tcp(t, c, t0, h, "9.2.0.1:1000", Started, 0, 50)
	if len(peers) != fewLeechers || n.Complete != 21 {
		t.Errorf("%d peers of %+v", len(peers), n)
	}
	seen := make(map[netip.AddrPort]bool)
	for _, p := range peers {
		seen[p.Addr] = true
	}
	if !seen[netip.MustParseAddrPort("9.1.0.1:1000")] || seen[netip.MustParseAddrPort("9.2.0.1:1000")] || len(seen) != fewLeechers {
		t.Errorf("got %v: want the leecher and four others", peers)
	}
	if _, peers := tcp(t, c, t0, h, "9.2.0.1:1000", Started, 0, 2); len(peers) != 2 {
		t.Errorf("%d peers, 2 were wanted", len(peers))
	}
	if _, peers := tcp(t, c, t0, h, "9.2.0.1:1000", None, 0, 50); len(peers) != 1 {
		t.Errorf("a seeder that goes on gets %v", peers)
	}
}

// A process that is reached both ways, as every share, is one peer.
func TestOnePeerOnBothSidesIsCountedOnce(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	addr := func(n byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, n}), 1) }
	v6 := netip.MustParseAddrPort("[2001:db8::1]:1")
	join(t, c, h, 1, num(1), Started, 0, 0)
	for _, a := range []TCPAnnounce{
		{Peer: num(1), Addr: addr(1)}, {Peer: num(1), Addr: v6}, {Peer: num(2), Addr: addr(2)}, {Peer: num(3), Addr: addr(3), Left: 9},
	} {
		a.Hash = h
		if _, _, err := c.AnnounceTCP(t0, a, nil); err != nil {
			t.Fatal(err)
		}
	}
	join(t, c, h, 3, num(3), Started, 9, 0)
	join(t, c, h, 4, num(4), Started, 9, 0)
	if got := c.Scrape(h); got.Complete != 2 || got.Incomplete != 2 {
		t.Errorf("%+v, want 2 seeds and 2 leechers", got)
	}
	c.Part(t0, h, 1, num(1))
	if got := c.Scrape(h); got.Complete != 3 {
		t.Errorf("without its WebSocket: %+v", got)
	}
}
