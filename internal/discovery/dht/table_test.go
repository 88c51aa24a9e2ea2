package dht

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// tableNode makes a node with an ID that shares n bits with ID{} and an
// address of its own network.
func tableNode(bits, i int) NodeInfo {
	r := testRand()
	for range i {
		r.Uint64()
	}
	return NodeInfo{
		ID:   randomIDSharing(r, ID{}, bits, true),
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(bits), byte(i), 1}), 6881),
	}
}

// fullTable has K contacts in the far half and some near ones, so that the
// bucket of the far half cannot be split.
func fullTable(now time.Time) *table {
	t := newTable(ID{}, now)
	for i := range K {
		t.replied(now, tableNode(0, i))
	}
	for i := range K {
		t.replied(now, tableNode(1, i))
	}
	return t
}

func ids(b bucket) []ID {
	var out []ID
	for _, c := range b.live {
		out = append(out, c.ID)
	}
	return out
}

// BEP 5: "An empty table has only one bucket so any node must fit within it.
// [...] the full bucket is always split into two new buckets covering the
// ranges 0..2^159 and 2^159..2^160."
func TestFullBucketWithOurIDIsSplit(t *testing.T) {
	tab := newTable(ID{}, simEpoch)
	for i := range K {
		tab.replied(simEpoch, tableNode(i%2, i))
	}
	if len(tab.buckets) != 1 || tab.len() != K {
		t.Fatalf("%d buckets, %d nodes", len(tab.buckets), tab.len())
	}
	tab.replied(simEpoch, tableNode(0, 50))
	if len(tab.buckets) != 2 || len(tab.buckets[0].live) != K/2+1 || len(tab.buckets[1].live) != K/2 {
		t.Fatalf("after a split: %d buckets, %d and %d nodes", len(tab.buckets), len(tab.buckets[0].live), len(tab.buckets[1].live))
	}
	for i := range tab.buckets {
		for _, c := range tab.buckets[i].live {
			if tab.index(c.ID) != i {
				t.Errorf("%v is in bucket %d", c.ID, i)
			}
		}
	}
}

// BEP 5: "When a bucket is full of known good nodes, no more nodes may be
// added unless our own node ID falls within the range of the bucket."
func TestBucketFullOfGoodNodesStays(t *testing.T) {
	tab := fullTable(simEpoch)
	before := ids(tab.buckets[0])
	if _, ping := tab.replied(simEpoch, tableNode(0, 99)); ping {
		t.Error("a good node is doubted")
	}
	if after := ids(tab.buckets[0]); !slices.Equal(before, after) {
		t.Error("the bucket has changed")
	}
	if tab.wants(simEpoch, tableNode(0, 98)) {
		t.Error("a ping would be wasted on a node without a place")
	}
	if !tab.wants(simEpoch, tableNode(5, 98)) {
		t.Error("a near node is not wanted")
	}
}

// BEP 5: "If any nodes in the bucket are known to have become bad, then one is
// replaced by the new node."
func TestBadNodeIsReplaced(t *testing.T) {
	tab := fullTable(simEpoch)
	victim := tab.buckets[0].live[3].NodeInfo
	if !tab.failed(simEpoch, victim) {
		t.Error("no second try after the first failure")
	}
	if tab.failed(simEpoch, victim) {
		t.Error("a third try")
	}
	newcomer := tableNode(0, 99)
	tab.replied(simEpoch, newcomer)
	got := ids(tab.buckets[0])
	if slices.Contains(got, victim.ID) || !slices.Contains(got, newcomer.ID) || len(got) != K {
		t.Errorf("bucket after the replacement: %v", got)
	}
}

// BEP 5: "If there are any questionable nodes in the bucket have not been seen
// in the last 15 minutes, the least recently seen node is pinged. If the pinged
// node responds then the next least recently seen questionable node is pinged
// until one fails to respond."
func TestQuestionableNodesAreDoubtedInTurn(t *testing.T) {
	tab := fullTable(simEpoch)
	for i := range tab.buckets[0].live { // seen in another order than added
		tab.buckets[0].live[i].seen = simEpoch.Add(time.Duration((i*3)%K) * time.Second)
	}
	now := simEpoch.Add(16 * time.Minute)
	newcomer := tableNode(0, 99)
	var doubted []NodeInfo
	for range 3 {
		doubt, ping := tab.replied(now, newcomer)
		if !ping {
			t.Fatal("nobody is doubted")
		}
		doubted = append(doubted, doubt)
		tab.sent(now, doubt)
		if len(doubted) < 3 {
			tab.replied(now, doubt) // it responds
		}
	}
	for i, d := range doubted {
		if c := tab.find(d); c == nil || i < 2 && c.seen != now {
			t.Errorf("doubt %d: %v", i, c)
		}
	}
	if doubted[0] == doubted[1] || doubted[1] == doubted[2] {
		t.Error("one node is doubted twice")
	}
	// The third does not respond, twice: the newcomer takes its place.
	tab.failed(now, doubted[2])
	tab.failed(now, doubted[2])
	if got := ids(tab.buckets[0]); slices.Contains(got, doubted[2].ID) || !slices.Contains(got, newcomer.ID) {
		t.Error("the newcomer did not replace the dead node")
	}
}

// BEP 5: "A good node is a node has responded to one of our queries within the
// last 15 minutes. A node is also good if it has ever responded to one of our
// queries and has sent us a query within the last 15 minutes. After 15 minutes
// of inactivity, a node becomes questionable. Nodes become bad when they fail
// to respond to multiple queries in a row."
func TestGoodQuestionableBad(t *testing.T) {
	tab := newTable(ID{}, simEpoch)
	n := tableNode(0, 1)
	if tab.asked(simEpoch, n); tab.find(n) != nil {
		t.Error("a node that never responded is in the table")
	}
	tab.replied(simEpoch, n)
	c := tab.find(n)
	for _, s := range []struct {
		after time.Duration
		query bool
		good  bool
	}{
		{14 * time.Minute, false, true},
		{15 * time.Minute, false, false},
		{20 * time.Minute, true, true},
		{34 * time.Minute, false, true},
		{36 * time.Minute, false, false},
	} {
		now := simEpoch.Add(s.after)
		if s.query {
			tab.asked(now, n)
		}
		if c.good(now) != s.good || c.bad() {
			t.Errorf("after %v: good %v, bad %v", s.after, c.good(now), c.bad())
		}
	}
	tab.failed(simEpoch, n)
	if c.bad() {
		t.Error("one failure makes a node bad")
	}
	tab.failed(simEpoch, n)
	if !c.bad() || c.good(simEpoch) {
		t.Error("two failures in a row do not make a node bad")
	}
	tab.replied(simEpoch, n)
	if !tab.find(n).good(simEpoch) {
		t.Error("a response does not make it good again")
	}
	for range goneAfter {
		tab.failed(simEpoch, n)
	}
	if tab.find(n) != nil {
		t.Error("a node that is long gone is kept")
	}
}

func TestReplacementCache(t *testing.T) {
	tab := fullTable(simEpoch)
	for i := range 2 * K {
		tab.replied(simEpoch, tableNode(0, 100+i))
	}
	if n := len(tab.buckets[0].spare); n != K {
		t.Fatalf("%d spare nodes, want %d", n, K)
	}
	newest := tab.buckets[0].spare[K-1].ID
	victim := tab.buckets[0].live[0].NodeInfo
	tab.failed(simEpoch, victim)
	tab.failed(simEpoch, victim)
	if got := ids(tab.buckets[0]); !slices.Contains(got, newest) || slices.Contains(got, victim.ID) {
		t.Error("the newest spare node did not step in")
	}
}

func TestOneHostCannotFillTheTable(t *testing.T) {
	tab := newTable(ID{}, simEpoch)
	for i := range 200 { // one address, many ports and IDs
		n := tableNode(i%20, i)
		n.Addr = netip.AddrPortFrom(netip.MustParseAddr("20.0.0.1"), uint16(1000+i))
		tab.replied(simEpoch, n)
	}
	if n := tab.len(); n != 1 {
		t.Errorf("one host has %d contacts", n)
	}
	tab = newTable(ID{}, simEpoch)
	for i := range 200 { // one /24
		n := tableNode(0, i)
		n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 0, 0, byte(i)}), 6881)
		tab.replied(simEpoch, n)
	}
	if n := tab.len(); n != maxPerNetwork {
		t.Errorf("one /24 has %d contacts of a bucket", n)
	}
	tab = newTable(ID{}, simEpoch)
	for i := range K { // an operator's IPv6 /64
		n := tableNode(0, i)
		a := netip.MustParseAddr("2001:db8::").As16()
		a[15] = byte(i + 1)
		n.Addr = netip.AddrPortFrom(netip.AddrFrom16(a), 6881)
		tab.replied(simEpoch, n)
	}
	if n := tab.len(); n != 1 {
		t.Errorf("one /64 has %d contacts", n)
	}
	tab = newTable(ID{}, simEpoch)
	for i := range K { // a computer for tests
		n := tableNode(0, i)
		n.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1000+i))
		tab.replied(simEpoch, n)
	}
	if n := tab.len(); n != K {
		t.Errorf("loopback has %d contacts, want %d", n, K)
	}
}

func TestNobodyTakesOverAnID(t *testing.T) {
	tab := fullTable(simEpoch)
	honest := tab.buckets[0].live[0].NodeInfo
	thief := honest
	thief.Addr = netip.MustParseAddrPort("66.6.6.6:6881")
	tab.replied(simEpoch, thief)
	if tab.find(honest) == nil || tab.find(thief) != nil {
		t.Error("an ID was taken over by another address")
	}
	restarted := honest
	restarted.ID = tableNode(0, 77).ID
	tab.replied(simEpoch, restarted)
	if tab.find(honest) != nil || tab.find(restarted) == nil {
		t.Error("a restarted node keeps its old ID")
	}
}

func TestBoundIDDisplacesChosenID(t *testing.T) {
	tab := fullTable(simEpoch) // tableNode's IDs are not bound to addresses
	r := testRand()
	a := netip.MustParseAddr("99.88.77.66")
	n := NodeInfo{ID: SecureID(a, r), Addr: netip.AddrPortFrom(a, 6881)}
	tab.self = randomIDSharing(r, n.ID, 0, true)
	tab = tab.rebase(simEpoch, tab.self)
	for i := range 3 * K {
		b := randomIDSharing(r, n.ID, 1, false)
		tab.replied(simEpoch, NodeInfo{ID: b, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i), 1, 1}), 1)})
	}
	tab.replied(simEpoch, n)
	if !slices.Contains(ids(tab.buckets[tab.index(n.ID)]), n.ID) {
		t.Error("a node with a BEP 42 ID found no place among chosen IDs")
	}
}

func TestClosest(t *testing.T) {
	tab := newTable(ID{}, simEpoch)
	r := testRand()
	for i := range 400 {
		tab.replied(simEpoch, tableNode(i%12, i))
	}
	var all []ID
	for c := range tab.all() {
		all = append(all, c.ID)
	}
	if len(all) < 60 {
		t.Fatalf("only %d contacts", len(all))
	}
	for range 50 {
		target := randomID(r)
		slices.SortFunc(all, func(a, b ID) int {
			if Closer(target, a, b) {
				return -1
			}
			return 1
		})
		got := tab.closest(nil, simEpoch, target, K, true)
		for i := range K {
			if got[i].ID != all[i] {
				t.Fatalf("place %d: %v, want %v", i, got[i].ID, all[i])
			}
		}
	}
	if got := tab.closest(nil, simEpoch.Add(time.Hour), ID{}, K, true); len(got) != 0 {
		t.Errorf("%d questionable nodes are given as good", len(got))
	}
	if got := tab.closest(nil, simEpoch.Add(time.Hour), ID{}, K, false); len(got) != K {
		t.Errorf("%d nodes, want %d", len(got), K)
	}
}

// BEP 5: "Buckets that have not been changed in 15 minutes should be
// refreshed. This is done by picking a random ID in the range of the bucket."
func TestStaleBucketAndItsRange(t *testing.T) {
	tab := fullTable(simEpoch)
	if _, stale := tab.staleBucket(simEpoch.Add(14 * time.Minute)); stale {
		t.Error("a bucket is stale too early")
	}
	now := simEpoch.Add(15 * time.Minute)
	tab.buckets[0].changed = now
	if i, stale := tab.staleBucket(now); !stale || i != 1 {
		t.Errorf("stale bucket %d, %v", i, stale)
	}
	m, err := New(simEpoch, Config{Rand: testRand()})
	if err != nil {
		t.Fatal(err)
	}
	s := m.fams[ipv4]
	for i := range 600 {
		s.table.replied(simEpoch, NodeInfo{ID: randomIDSharing(m.rand, s.id, i%9, true),
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{40, byte(i >> 8), byte(i), 1}), 1)})
	}
	for i := range s.table.buckets {
		for range 20 {
			if got := s.table.index(m.refreshTarget(s, i)); got != i {
				t.Fatalf("the target for bucket %d falls into %d", i, got)
			}
		}
	}
}
