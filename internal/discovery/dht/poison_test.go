package dht

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// liar adds a node that answers queries as it likes. It makes itself known to
// the others by asking them, as an honest node would.
func (n *simNet) liar(addr netip.AddrPort, id ID, known []*simNode, lie func(q *Message, r *Message)) *simNode {
	node := &simNode{net: n, addr: addr}
	node.answer = func(from netip.AddrPort, data []byte) []byte {
		q, err := ParseMessage(data)
		if err != nil || q.Kind != Query {
			return nil
		}
		r := &Message{Kind: Response, TID: q.TID, ID: id, Requester: from, Token: []byte("liar")}
		lie(q, r)
		return r.Append(nil)
	}
	n.nodes[addr] = node
	for i, k := range known {
		q := Message{Kind: Query, TID: binary.BigEndian.AppendUint16(nil, uint16(i)), Method: "ping", ID: id}
		n.transmit(node, k.addr, q.Append(nil))
	}
	return node
}

// Sybils whose IDs lie next to the info hash and who only know each other must
// not come between announcers and seekers: BEP 42 lets us tell chosen IDs.
func TestSybilsAroundAnInfoHashDoNotHideIt(t *testing.T) {
	n := newSim(t, 30)
	all := n.grow(220, Config{NoIPv6: true})
	hash := hashOf(1)
	var ring []NodeInfo
	for range 32 {
		ring = append(ring, NodeInfo{ID: randomIDSharing(n.rand, hash, 40, true), Addr: n.publicAddr()})
	}
	swallowed := 0
	for _, s := range ring {
		n.liar(s.Addr, s.ID, all, func(q, r *Message) {
			if q.Method == methodAnnounce {
				swallowed++
			}
			r.Want, r.Nodes = Want4, ring[:maxNodes]
		})
		n.run(time.Second)
	}
	n.run(2 * time.Minute)
	all[10].do(Announce{InfoHash: hash, Port: 7000})
	n.run(30 * time.Second)
	hits := 0
	for i := range 20 {
		if all[100+i].search(hash); all[100+i].found[addrWithPort(all[10].addr, 7000)] == 1 {
			hits++
		}
	}
	t.Logf("%d of 20 found, %d announcements went to sybils", hits, swallowed)
	if swallowed == 0 {
		t.Error("the sybils were not met at all: the test shows nothing")
	}
	if hits < 20 {
		t.Errorf("%d of 20 searches found the peer among sybils", hits)
	}
}

// Nodes that answer with inventions: nodes that do not exist but seem close,
// addresses of the asker's own network, and a victim that is to be flooded.
func TestPoisonedRepliesDoLittleHarm(t *testing.T) {
	n := newSim(t, 31)
	all := n.grow(200, Config{NoIPv6: true})
	victim := netip.MustParseAddr("99.99.99.99")
	toVictim, toLocal := 0, 0
	n.spy = func(_, to netip.AddrPort, _ []byte) {
		if to.Addr() == victim {
			toVictim++
		}
		if isLocal(to.Addr()) {
			toLocal++
		}
	}
	for range 50 { // a fifth of the network
		addr := n.publicAddr()
		n.liar(addr, SecureID(addr.Addr(), n.rand), all, func(q, r *Message) {
			r.Want = Want4
			for i := range maxNodes {
				ap := n.publicAddr()
				switch i % 4 {
				case 0:
					ap = netip.AddrPortFrom(victim, uint16(n.rand.Uint32()))
				case 1:
					ap = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(n.rand.Uint32())}), 80)
				case 2:
					ap = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 22)
				}
				r.Nodes = append(r.Nodes, NodeInfo{ID: randomIDSharing(n.rand, q.Target, 30+n.rand.IntN(60), true), Addr: ap})
			}
			for range 20 {
				r.Values = append(r.Values, netip.MustParseAddrPort("127.0.0.1:22"), netip.MustParseAddrPort("10.0.0.1:80"),
					netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("224.0.0.1:5"))
			}
		})
		n.run(time.Second)
	}
	n.run(10 * time.Minute)
	for _, node := range all {
		for c := range node.m.fams[ipv4].table.all() {
			if n.nodes[c.Addr] == nil {
				t.Fatalf("%v is in a routing table, but does not exist", c.Addr)
			}
		}
	}
	toVictim, toLocal = 0, 0
	before := 0
	for _, node := range all {
		before += node.sent
	}
	hits, slowest := meet(t, n, all[:30], all[150:], hashOf)
	if hits < 29 {
		t.Errorf("found %d of 30 announced peers", hits)
	}
	if slowest > 20*time.Second {
		t.Errorf("a search took %v", slowest)
	}
	if toLocal > 0 {
		t.Errorf("%d packets went to local addresses that strangers named", toLocal)
	}
	if toVictim > 60*2*maxPerHostAsked+60*10 { // 60 lookups, and the upkeep meanwhile
		t.Errorf("%d packets went to the victim", toVictim)
	}
	for _, node := range all[150:180] {
		for p := range node.found {
			if isLocal(p.Addr()) || !usable(p) {
				t.Errorf("%v is reported as a peer", p)
			}
		}
	}
}

// An endless regress of ever closer nodes must end.
func TestLookupAmongInventedNodesEnds(t *testing.T) {
	n := newSim(t, 32)
	honest := n.grow(20, Config{NoIPv6: true})
	var invent func(addr netip.AddrPort, bits int)
	hash := hashOf(1)
	born := 0
	invent = func(addr netip.AddrPort, bits int) {
		n.liar(addr, randomIDSharing(n.rand, hash, bits, true), nil, func(q, r *Message) {
			r.Want = Want4
			for range K {
				born++
				next := n.publicAddr()
				deeper := min(bits+1+n.rand.IntN(3), 150)
				r.Nodes = append(r.Nodes, NodeInfo{ID: randomIDSharing(n.rand, hash, deeper, true), Addr: next})
				invent(next, deeper)
			}
		})
	}
	entry := n.publicAddr()
	invent(entry, 20)
	honest[5].do(AddNode{Addr: entry})
	n.run(time.Minute)
	before := honest[5].sent
	took := honest[5].search(hash)
	t.Logf("%v, %d packets, %d invented nodes", took, honest[5].sent-before, born)
	if len(honest[5].done) == 0 || took > time.Minute {
		t.Errorf("the lookup took %v", took)
	}
	if sent := honest[5].sent - before; sent > 3*maxQueries {
		t.Errorf("the lookup sent %d packets", sent)
	}
}

// BEP 42: "Since a single node can not be trusted, there should be some
// mechanism to determine whether or not the node has a correct understanding
// of its external IP."
func TestFewLiarsDoNotMoveOurID(t *testing.T) {
	n := newSim(t, 33)
	all := n.grow(40, Config{NoIPv6: true})
	for range 10 {
		addr := n.publicAddr()
		n.liar(addr, SecureID(addr.Addr(), n.rand), all, func(q, r *Message) {
			r.Requester = netip.MustParseAddrPort("6.6.6.6:666")
		})
	}
	n.run(time.Hour)
	for _, node := range all {
		if st := node.m.Stats(n.now); !Secure(st.IPv4.ID, node.addr.Addr()) {
			t.Errorf("%v moved to an ID for %v", node.addr, st.IPv4.External)
		}
	}
	v := votes{}
	for i := range 100 { // one network, however many addresses, has one vote
		if v.add(network(netip.AddrFrom4([4]byte{7, 7, 7, byte(i)})), netip.MustParseAddr("6.6.6.6")) {
			t.Error("one network alone decides about our address")
		}
	}
}

// Replies count only from the address that was asked, for the query that was
// sent, once.
func TestForgedRepliesAreIgnored(t *testing.T) {
	b := newBench(t, Config{NoIPv6: true})
	honest := netip.MustParseAddrPort("20.1.2.3:6881")
	out := b.m.Step(b.now, AddNode{Addr: honest})
	if len(out.Packets) != 1 || out.Packets[0].To != honest {
		t.Fatalf("packets %v", out.Packets)
	}
	q, err := ParseMessage(slices.Clone(out.Packets[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	tid := slices.Clone(q.TID)
	reply := func(from netip.AddrPort, tid []byte) {
		r := Message{Kind: Response, TID: tid, ID: hashOf(9)}
		b.m.Step(b.now, PacketIn{From: from, Data: r.Append(nil)})
	}
	reply(netip.MustParseAddrPort("66.6.6.6:6881"), tid)
	reply(addrWithPort(honest, 1), tid)
	reply(honest, []byte("zz"))
	reply(honest, append(slices.Clone(tid), 0))
	if n := b.m.fams[ipv4].table.len(); n != 0 {
		t.Errorf("a forged reply brought %d nodes into the table", n)
	}
	reply(honest, tid)
	if n := b.m.fams[ipv4].table.len(); n != 1 {
		t.Errorf("%d nodes after the real reply", n)
	}
	before := b.m.Stats(b.now).Unexpected
	reply(honest, tid)
	if got := b.m.Stats(b.now).Unexpected; got != before+1 {
		t.Error("a reply counts twice")
	}
}

// Whatever arrives, the machine neither panics nor loses its bounds.
func FuzzMachine(f *testing.F) {
	for _, e := range examples {
		f.Add([]byte(e.packet), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		m, err := New(simEpoch, Config{Rand: testRand()})
		if err != nil {
			t.Fatal(err)
		}
		now := simEpoch
		m.Step(now, AddNode{Addr: asker})
		m.Step(now, GetPeers{Key: 1, InfoHash: hashOf(1)})
		for i := range 6 {
			// Also as the reply to what was just asked.
			for _, p := range slices.Clone(m.out.Packets) {
				if q, err := ParseMessage(slices.Clone(p.Data)); err == nil && q.Kind == Query {
					if r, err := ParseMessage(data); err == nil {
						r.TID = slices.Clone(q.TID)
						m.Step(now, PacketIn{From: p.To, Data: r.Append(nil)})
					}
				}
			}
			m.Step(now, PacketIn{From: asker, Data: data})
			now = now.Add(time.Duration(seed%5+1) * time.Second * time.Duration(i))
			m.Step(now, Tick{})
			if len(m.rpc.pending) != len(m.rpc.byTime) || len(m.rpc.pending) > maxPending {
				t.Fatal("pending queries are out of step")
			}
		}
	})
}
