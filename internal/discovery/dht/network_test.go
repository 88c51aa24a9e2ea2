package dht

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// search runs one GetPeers to its end and returns how long it took.
func (node *simNode) search(hash ID) time.Duration {
	n := node.net
	start, before := n.now, len(node.done)
	clear(node.found)
	node.do(GetPeers{Key: uint64(before + 1), InfoHash: hash})
	for len(node.done) == before && n.now.Sub(start) < 2*time.Minute {
		n.run(50 * time.Millisecond)
	}
	return n.now.Sub(start)
}

// meet lets announcers and seekers look for each other and counts the hits.
func meet(t *testing.T, n *simNet, announcers, seekers []*simNode, hash func(i int) ID) (hits int, slowest time.Duration) {
	t.Helper()
	for i, a := range announcers {
		a.do(Announce{InfoHash: hash(i), Port: uint16(7000 + i)})
	}
	n.run(30 * time.Second)
	for i, a := range announcers {
		slowest = max(slowest, seekers[i].search(hash(i)))
		if c := seekers[i].found[addrWithPort(a.addr, uint16(7000+i))]; c == 1 {
			hits++
		} else if c > 1 {
			t.Errorf("a peer is reported %d times", c)
		}
	}
	t.Logf("%d of %d found, slowest search %v", hits, len(announcers), slowest)
	return hits, slowest
}

func TestNetworkFindsAnnouncedPeers(t *testing.T) {
	for _, c := range []struct {
		loss float64
		want int // of 40
	}{{0, 40}, {0.10, 40}, {0.25, 39}} {
		t.Run(fmt.Sprintf("%.0f%% loss", 100*c.loss), func(t *testing.T) {
			n := newSim(t, 7)
			n.loss = c.loss
			all := n.grow(240, Config{NoIPv6: true})
			hits, slowest := meet(t, n, all[:40], all[200:], hashOf)
			if hits < c.want {
				t.Errorf("found %d of 40 announced peers, want %d", hits, c.want)
			}
			if slowest > 5*time.Second {
				t.Errorf("a search took %v", slowest)
			}
		})
	}
}

// Lookups do not wait for the dead: early timeouts follow the measured delay.
func TestSearchIsQuickAmongDeadNodes(t *testing.T) {
	n := newSim(t, 8)
	all := n.grow(220, Config{NoIPv6: true})
	for i, node := range all[:200] {
		node.dead = i%3 == 0 // a third disappears at once, and nobody knows yet
	}
	var slowest time.Duration
	for i := range 20 {
		slowest = max(slowest, all[200+i].search(hashOf(i)))
	}
	t.Logf("slowest search %v", slowest)
	if slowest > 6*time.Second {
		t.Errorf("a search took %v", slowest)
	}
}

func TestNetworkSurvivesChurn(t *testing.T) {
	n := newSim(t, 9)
	n.loss = 0.05
	all := n.grow(240, Config{NoIPv6: true})
	all[0].dead = true // the bootstrap node goes first
	for round := range 6 {
		for i := range 20 { // a new node for each that leaves
			all[1+round*20+i].dead = true
			all = append(all, n.add(n.publicAddr(), Config{NoIPv6: true}, all[len(all)-30].addr))
		}
		n.run(3 * time.Minute)
	}
	alive := all[len(all)-80:]
	if hits, _ := meet(t, n, alive[:40], alive[40:], hashOf); hits < 40 {
		t.Errorf("found %d of 40 after half of the network was replaced", hits)
	}
	dead := 0
	for _, node := range alive {
		for c := range node.m.fams[ipv4].table.all() {
			if c.good(n.now) && n.nodes[c.Addr].dead {
				dead++
			}
		}
	}
	// The last twenty left three minutes ago and count as good for 15.
	if per := float64(dead) / float64(len(alive)); per > 10 {
		t.Errorf("%.1f dead nodes count as good in a table", per)
	}
}

// BEP 5: "Tokens", "announce" and the store's expiry together: a peer is found
// for as long as it announces itself, and not much longer.
func TestAnnouncementsAreRenewedUntilWithdrawn(t *testing.T) {
	n := newSim(t, 10)
	all := n.grow(52, Config{NoIPv6: true})
	hash, a := hashOf(1), all[10]
	want := addrWithPort(a.addr, 7000)
	a.do(Announce{InfoHash: hash, Port: 7000})
	n.run(3 * time.Hour)
	if all[50].search(hash); all[50].found[want] != 1 {
		t.Error("a peer that announces itself is not found after 3 hours")
	}
	if rounds := len(a.done); rounds < 11 || rounds > 16 {
		t.Errorf("%d rounds of announcements in 3 hours, want one every 15 minutes", rounds)
	}
	a.do(Withdraw{InfoHash: hash})
	n.run(50 * time.Minute)
	if all[51].search(hash); all[51].found[want] != 0 {
		t.Error("a peer is found 50 minutes after it was withdrawn")
	}
	if st := a.m.Stats(n.now); st.Announcing != 0 {
		t.Errorf("still announcing %d", st.Announcing)
	}
}

func TestRepeatedAnnounceIsCheap(t *testing.T) {
	n := newSim(t, 11)
	all := n.grow(60, Config{NoIPv6: true})
	a := all[10]
	for range 50 {
		a.do(Announce{InfoHash: hashOf(1), Port: 7000})
		n.run(time.Second)
	}
	if len(a.done) != 1 {
		t.Errorf("%d rounds, want 1", len(a.done))
	}
	a.do(Announce{InfoHash: hashOf(1), Port: 7001}) // a change goes out at once
	n.run(20 * time.Second)
	if all[50].search(hashOf(1)); all[50].found[addrWithPort(a.addr, 7001)] != 1 {
		t.Error("the new port is not found")
	}
}

func TestAnnouncedBeforeAnyNodeIsKnown(t *testing.T) {
	n := newSim(t, 12)
	router := n.add(n.publicAddr(), Config{NoIPv6: true})
	a := n.add(n.publicAddr(), Config{NoIPv6: true}, router.addr)
	a.do(Announce{InfoHash: hashOf(1), Port: 7000}) // in the same instant as it starts
	b := n.add(n.publicAddr(), Config{NoIPv6: true}, router.addr)
	n.run(3 * time.Second)
	if b.search(hashOf(1)); b.found[addrWithPort(a.addr, 7000)] != 1 {
		t.Error("not found")
	}
	// Without any node a search ends, and an announcement waits for one.
	lone := n.add(n.publicAddr(), Config{NoIPv6: true})
	lone.do(Announce{InfoHash: hashOf(2), Port: 7000})
	if took := lone.search(hashOf(2)); took > time.Second {
		t.Errorf("a search without nodes took %v", took)
	}
	n.run(time.Hour)
	lone.do(AddNode{Addr: router.addr})
	n.run(20 * time.Second)
	if b.search(hashOf(2)); b.found[addrWithPort(lone.addr, 7000)] != 1 {
		t.Error("the announcement was not caught up on")
	}
}

func TestOutageDoesNotEmptyTheTable(t *testing.T) {
	n := newSim(t, 13)
	all := n.grow(60, Config{NoIPv6: true})
	node := all[50]
	before := node.m.Stats(n.now).IPv4.Nodes
	n.drop = func(from, to netip.AddrPort, _ []byte) bool { return from == node.addr || to == node.addr }
	n.run(time.Hour)
	if after := node.m.Stats(n.now).IPv4.Nodes; after < before/2 {
		t.Errorf("%d of %d contacts are left after an outage", after, before)
	}
	n.drop = nil
	all[20].do(Announce{InfoHash: hashOf(1), Port: 7000})
	n.run(10 * time.Second)
	if node.search(hashOf(1)); node.found[addrWithPort(all[20].addr, 7000)] != 1 {
		t.Error("not found after the outage")
	}
}

func TestSavedNodesAreEnoughToReturn(t *testing.T) {
	n := newSim(t, 14)
	all := n.grow(80, Config{NoIPv6: true})
	saved := all[40].m.Nodes(n.now)
	if len(saved) < 20 {
		t.Fatalf("only %d nodes to save", len(saved))
	}
	back := n.add(n.publicAddr(), Config{NoIPv6: true}) // without a bootstrap node
	for _, s := range saved {
		back.do(AddNode{Addr: s.Addr})
	}
	n.run(30 * time.Second)
	if st := back.m.Stats(n.now); st.IPv4.Good < 20 {
		t.Errorf("%d good nodes after the return", st.IPv4.Good)
	}
}

// BEP 5: "Upon inserting the first node into its routing table [...] the node
// should attempt to find the closest nodes in the DHT to itself."
func TestNewcomerFindsItsNeighbourhood(t *testing.T) {
	n := newSim(t, 15)
	all := n.grow(200, Config{NoIPv6: true})
	x := n.add(n.publicAddr(), Config{NoIPv6: true}, all[0].addr)
	n.run(time.Minute)
	self := x.m.fams[ipv4].id
	missing := 0
	for _, o := range all {
		closer := 0
		for _, p := range all {
			if Closer(self, p.m.fams[ipv4].id, o.m.fams[ipv4].id) {
				closer++
			}
		}
		if closer < K && o != all[0] &&
			x.m.fams[ipv4].table.find(NodeInfo{ID: o.m.fams[ipv4].id, Addr: o.addr}) == nil {
			missing++
		}
	}
	if missing > 1 {
		t.Errorf("%d of the %d closest nodes are unknown to the newcomer", missing, K)
	}
	if x.m.fams[ipv4].table.find(NodeInfo{ID: all[0].m.fams[ipv4].id, Addr: all[0].addr}) != nil {
		t.Error("the bootstrap node is in the routing table")
	}
}

// BEP 32: "There are two distinct DHTs [...] A dual-stack node that is
// bootstrapping [...] should request both IPv4 and IPv6 node information."
func TestDualStackNodesFindTheOtherDHT(t *testing.T) {
	n := newSim(t, 16)
	v6 := func(i int) netip.AddrPort {
		return netip.MustParseAddrPort(fmt.Sprintf("[2001:db8:%x:1::1]:6881", i+1))
	}
	// Dual-stack nodes are one machine with two addresses.
	var all []*simNode
	for i := range 60 {
		var routers []netip.AddrPort
		if i > 0 {
			routers = []netip.AddrPort{all[0].addr} // of IPv4 alone
		}
		node := n.add(n.publicAddr(), Config{}, routers...)
		node.addr6 = v6(i)
		n.nodes[node.addr6] = node
		all = append(all, node)
		n.run(100 * time.Millisecond)
	}
	// One IPv6 node must be known to somebody for the two DHTs to connect.
	all[1].do(AddNode{Addr: v6(0)})
	n.run(30 * time.Minute)
	poor := 0
	for _, node := range all {
		if st := node.m.Stats(n.now); st.IPv6.Good < K {
			poor++
		}
	}
	if poor > 0 {
		t.Errorf("%d of 60 nodes know fewer than %d nodes of the IPv6 DHT", poor, K)
	}
	all[5].do(Announce{InfoHash: hashOf(1), Port: 7000})
	n.run(20 * time.Second)
	all[55].search(hashOf(1))
	for _, want := range []netip.AddrPort{addrWithPort(all[5].addr, 7000), addrWithPort(all[5].addr6, 7000)} {
		if all[55].found[want] != 1 {
			t.Errorf("%v was not found", want)
		}
	}
	if len(all[55].done) != 1 {
		t.Errorf("a search of two families ends %d times", len(all[55].done))
	}
	for _, node := range all {
		for f, s := range node.m.fams {
			for c := range s.table.all() {
				if familyOf(c.Addr.Addr()) != family(f) {
					t.Fatalf("%v in the table of the other family", c.Addr)
				}
			}
		}
	}
}

// BEP 42: "A DHT node which receives an ip result in a request SHOULD consider
// restarting its DHT node with a new node ID, taking this IP into account."
func TestNodesTakeIDsThatFitTheirAddress(t *testing.T) {
	n := newSim(t, 17)
	r := testRand()
	var all []*simNode
	for i := range 60 {
		var routers []netip.AddrPort
		if i > 0 {
			routers = []netip.AddrPort{all[0].addr}
		}
		all = append(all, n.add(n.publicAddr(), Config{NoIPv6: true, ID: randomID(r)}, routers...))
		n.run(100 * time.Millisecond)
	}
	n.run(5 * time.Minute)
	for _, node := range all {
		st := node.m.Stats(n.now)
		if !Secure(st.IPv4.ID, node.addr.Addr()) || st.IPv4.External != node.addr.Addr() {
			t.Errorf("%v has the ID %v and believes to be at %v", node.addr, st.IPv4.ID, st.IPv4.External)
		}
		if st.IPv4.Good < 2*K {
			t.Errorf("%v knows %d nodes after its ID changed", node.addr, st.IPv4.Good)
		}
	}
	if hits, _ := meet(t, n, all[:20], all[40:], hashOf); hits < 20 {
		t.Errorf("found %d of 20", hits)
	}
}

func TestIdleNodesAreQuiet(t *testing.T) {
	n := newSim(t, 18)
	all := n.grow(60, Config{NoIPv6: true})
	n.run(20 * time.Minute)
	before := 0
	for _, node := range all {
		before += node.sent
	}
	n.run(30 * time.Minute)
	after := 0
	for _, node := range all {
		after += node.sent
	}
	if per := float64(after-before) / 60 / 30; per > 15 {
		t.Errorf("%.1f packets a minute and node", per)
	}
}

func TestManyAnnouncementsKeepTheSendRate(t *testing.T) {
	n := newSim(t, 19)
	all := n.grow(60, Config{NoIPv6: true, SendRate: 100})
	node := all[30]
	for i := range 300 {
		node.do(Announce{InfoHash: hashOf(i), Port: 7000})
	}
	for range 30 {
		before := node.m.Stats(n.now).QueriesOut
		n.run(10 * time.Second)
		if sent := node.m.Stats(n.now).QueriesOut - before; sent > 1000+100+10 {
			t.Fatalf("%d queries in 10 seconds at 100 a second", sent)
		}
	}
	missing := 0
	for i := range 300 {
		if i%10 != 0 {
			continue
		}
		if all[50].search(hashOf(i)); all[50].found[addrWithPort(node.addr, 7000)] != 1 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of 30 announcements were not found", missing)
	}
}

func TestCancelledSearchIsSilent(t *testing.T) {
	n := newSim(t, 20)
	all := n.grow(60, Config{NoIPv6: true})
	all[10].do(Announce{InfoHash: hashOf(1), Port: 7000})
	n.run(10 * time.Second)
	node := all[50]
	node.do(GetPeers{Key: 1, InfoHash: hashOf(1)})
	node.do(Cancel{Key: 1})
	n.run(time.Minute)
	if len(node.found) != 0 || len(node.done) != 0 {
		t.Errorf("found %v, done %v", node.found, node.done)
	}
	if st := node.m.Stats(n.now); st.Lookups != 0 || st.Waiting != 0 {
		t.Errorf("%d lookups, %d waiting", st.Lookups, st.Waiting)
	}
}

func TestSameSeedSameBehaviour(t *testing.T) {
	trace := func() [32]byte {
		n := newSim(t, 21)
		n.loss = 0.1
		h := sha256.New()
		n.spy = func(from, to netip.AddrPort, data []byte) { fmt.Fprintf(h, "%v %v %v %x\n", n.now, from, to, data) }
		all := n.grow(60, Config{NoIPv6: true})
		meet(t, n, all[:10], all[50:], hashOf)
		return [32]byte(h.Sum(nil))
	}
	if trace() != trace() {
		t.Error("two runs with one seed differ")
	}
}
