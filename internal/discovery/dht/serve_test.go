package dht

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// bench is one machine whose other end is the test.
type bench struct {
	t   *testing.T
	m   *Machine
	now time.Time
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	cfg.Rand = testRand()
	m, err := New(simEpoch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, m: m, now: simEpoch}
	m.Step(simEpoch, Bootstrap{})
	return b
}

var asker = netip.MustParseAddrPort("93.184.216.34:4242")

// query sends a query and returns the reply to it, or nil.
func (b *bench) query(from netip.AddrPort, q Message) *Message {
	b.t.Helper()
	q.Kind, q.TID = Query, []byte("zz")
	if q.ID.IsZero() {
		q.ID = hashOf(4242)
	}
	return b.packet(from, q.Append(nil))
}

func (b *bench) packet(from netip.AddrPort, data []byte) *Message {
	b.t.Helper()
	for _, p := range b.m.Step(b.now, PacketIn{From: from, Data: data}).Packets {
		m, err := ParseMessage(p.Data)
		if err != nil {
			b.t.Fatalf("our own packet: %v", err)
		}
		if m.Kind != Query {
			if p.To != from || string(m.TID) != "zz" {
				b.t.Errorf("reply to %v with ID %q", p.To, m.TID)
			}
			if m.Requester != from {
				b.t.Errorf("ip = %v, want %v (BEP 42: all responses should include it)", m.Requester, from)
			}
			return m
		}
	}
	return nil
}

// fill puts n nodes into the machine's table.
func (b *bench) fill(f family, n int) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{60, byte(i >> 8), byte(i), 1})
		if f == ipv6 {
			a = netip.MustParseAddr(fmt.Sprintf("2001:db9:%x::1", i))
		}
		s := b.m.fams[f]
		s.table.replied(b.now, NodeInfo{ID: randomIDSharing(b.m.rand, s.id, i%6, true), Addr: netip.AddrPortFrom(a, 6881)})
	}
}

// "The appropriate response to a ping has a single key "id"."
func TestServePing(t *testing.T) {
	b := newBench(t, Config{})
	r := b.query(asker, Message{Method: "ping"})
	if r == nil || r.Kind != Response || r.ID != b.m.fams[ipv4].id {
		t.Fatalf("reply %+v", r)
	}
	if len(r.Nodes)+len(r.Values)+len(r.Token) != 0 {
		t.Errorf("the reply has more than an id: %+v", r)
	}
}

// "When a node receives a find_node query, it should respond with a key "nodes"
// and value of a string containing the compact node info for the target node or
// the K (8) closest good nodes in its own routing table."
func TestServeFindNode(t *testing.T) {
	b := newBench(t, Config{})
	b.fill(ipv4, 60)
	target := hashOf(5)
	r := b.query(asker, Message{Method: "find_node", HasTarget: true, Target: target})
	var want []NodeInfo
	for _, c := range b.m.fams[ipv4].table.closest(nil, b.now, target, K, true) {
		want = append(want, c.NodeInfo)
	}
	if !slices.Equal(r.Nodes, want) || len(want) != K {
		t.Errorf("nodes %v, want %v", r.Nodes, want)
	}
	b.now = b.now.Add(20 * time.Minute) // nobody is known to be good any more
	if r := b.query(asker, Message{Method: "find_node", HasTarget: true, Target: target}); len(r.Nodes) != 0 || r.Want != Want4 {
		t.Errorf("questionable nodes are given: %v", r.Nodes)
	}
}

// BEP 32: "A node replying [...] should include a "nodes" parameter if the
// request's "want" parameter contained the string "n4" [...]. In the absence of
// a "want" parameter, the reply should include "nodes" if the request was sent
// over IPv4, and should include "nodes6" if the request was sent over IPv6."
func TestServeWant(t *testing.T) {
	b := newBench(t, Config{})
	b.fill(ipv4, 20)
	b.fill(ipv6, 20)
	asker6 := netip.MustParseAddrPort("[2001:db8::5]:4242")
	for _, c := range []struct {
		from   netip.AddrPort
		has    bool
		want   Want
		lists  Want
		amount int
	}{
		{asker, false, 0, Want4, K},
		{asker6, false, 0, Want6, K},
		{asker, true, Want4, Want4, K},
		{asker, true, Want6, Want6, K},
		{asker6, true, Want4, Want4, K},
		{asker, true, Want4 | Want6, Want4 | Want6, 2 * K},
		{asker, true, 0, 0, 0},
	} {
		for _, method := range []string{"find_node", "get_peers"} {
			r := b.query(c.from, Message{Method: method, HasTarget: true, Target: hashOf(6), HasWant: c.has, Want: c.want})
			if r.Want != c.lists || len(r.Nodes) != c.amount {
				t.Errorf("%s from %v, want %v %v: lists %v, %d nodes", method, c.from, c.has, c.want, r.Want, len(r.Nodes))
			}
		}
	}
}

// get_peers and announce_peer, with what BEP 5 says about tokens and ports and
// BEP 32 about families.
func TestServeAnnounceAndGetPeers(t *testing.T) {
	b := newBench(t, Config{})
	b.fill(ipv4, 20)
	hash := hashOf(7)
	get := Message{Method: "get_peers", HasTarget: true, Target: hash}
	r := b.query(asker, get)
	if len(r.Values) != 0 || len(r.Nodes) != K || len(r.Token) == 0 {
		t.Fatalf("before any announcement: %+v", r)
	}
	announce := Message{Method: "announce_peer", HasTarget: true, Target: hash, Port: 7000, Token: r.Token}

	// "The queried node must verify that the token was previously sent to the
	// same IP address as the querying node."
	thief := netip.AddrPortFrom(netip.MustParseAddr("66.6.6.6"), 1)
	if r := b.query(thief, announce); r.Kind != Failure || r.Code != 203 {
		t.Errorf("a stolen token: %+v", r)
	}
	bad := announce
	bad.Token = []byte("aoeusnth")
	if r := b.query(asker, bad); r.Kind != Failure || r.Code != 203 {
		t.Errorf("a wrong token: %+v", r)
	}
	bad.Token = nil
	if r := b.query(asker, bad); r.Kind != Failure || r.Code != 203 {
		t.Errorf("no token: %+v", r)
	}
	bad = announce
	bad.Port = 0
	if r := b.query(asker, bad); r.Kind != Failure || r.Code != 203 {
		t.Errorf("no port: %+v", r)
	}
	// "Then the queried node should store the IP address of the querying node
	// and the supplied port number."
	if r := b.query(netip.AddrPortFrom(asker.Addr(), 999), announce); r.Kind != Response {
		t.Errorf("announce_peer: %+v", r)
	}
	// "If it is present and non-zero, the port argument should be ignored and the
	// source port of the UDP packet should be used."
	implied := announce
	implied.Implied, implied.Port = true, 1
	b.query(asker, implied)
	r = b.query(thief, get)
	slices.SortFunc(r.Values, netip.AddrPort.Compare)
	want := []netip.AddrPort{asker, addrWithPort(asker, 7000)}
	if !slices.Equal(r.Values, want) {
		t.Errorf("values %v, want %v", r.Values, want)
	}
	// "Tokens must be accepted for a reasonable amount of time."
	b.now = b.now.Add(4 * time.Minute)
	if r := b.query(asker, announce); r.Kind != Response {
		t.Errorf("a token 4 minutes old: %+v", r)
	}
	// "A reply sent over IPv6 should not contain 6-octet IPv4 contact information."
	if r := b.query(netip.MustParseAddrPort("[2001:db8::5]:4242"), get); len(r.Values) != 0 {
		t.Errorf("an IPv6 asker gets %v", r.Values)
	}
}

// BEP 32: "A node obeying this specification must not send UDP datagrams with a
// payload larger than 1024 octets."
func TestRepliesFitIntoOneDatagram(t *testing.T) {
	b := newBench(t, Config{})
	b.fill(ipv4, 30)
	b.fill(ipv6, 30)
	hash := hashOf(8)
	for i := range 400 {
		b.m.store.put(b.now, hash, peer(i))
		b.m.store.put(b.now, hash, netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db9:%x::1", i)), 1))
	}
	for _, from := range []netip.AddrPort{asker, netip.MustParseAddrPort("[2001:db8::5]:4242")} {
		for _, want := range []Want{Want4, Want6, Want4 | Want6} {
			q := Message{Kind: Query, TID: make([]byte, maxTID), Method: "get_peers", ID: hashOf(1),
				HasTarget: true, Target: hash, HasWant: true, Want: want}
			p := b.m.Step(b.now, PacketIn{From: from, Data: q.Append(nil)}).Packets[0]
			for _, o := range b.m.out.Packets {
				if len(o.Data) > len(p.Data) {
					p = o
				}
			}
			r, err := ParseMessage(p.Data)
			if err != nil || len(p.Data) > 1024 || len(r.Values) < 10 {
				t.Errorf("from %v want %v: %d bytes, %d values, %v", from, want, len(p.Data), len(r.Values), err)
			}
		}
	}
}

// BEP 5's error codes.
func TestServeErrors(t *testing.T) {
	b := newBench(t, Config{})
	if r := b.query(asker, Message{Method: "vote"}); r.Kind != Failure || r.Code != 204 {
		t.Errorf("unknown method: %+v", r)
	}
	if r := b.query(asker, Message{Method: "find_node"}); r.Kind != Failure || r.Code != 203 {
		t.Errorf("no target: %+v", r)
	}
	if r := b.query(asker, Message{Method: "announce_peer", Port: 1}); r.Kind != Failure || r.Code != 203 {
		t.Errorf("no info_hash: %+v", r)
	}
	if r := b.packet(asker, []byte("d1:ade1:q4:ping1:t2:zz1:y1:qe")); r == nil || r.Code != 203 {
		t.Errorf("malformed query: %+v", r)
	}
	for _, silent := range []string{"", "junk", "d1:t2:zz1:y1:ee", "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:zz1:y1:re", "d1:t2:zz1:y1:xe"} {
		if out := b.m.Step(b.now, PacketIn{From: asker, Data: []byte(silent)}); len(out.Packets) != 0 {
			t.Errorf("%q is answered", silent)
		}
	}
	for _, from := range []string{"93.184.216.34:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"} {
		q := Message{Kind: Query, TID: []byte("zz"), Method: "ping", ID: hashOf(1)}
		if out := b.m.Step(b.now, PacketIn{From: netip.MustParseAddrPort(from), Data: q.Append(nil)}); len(out.Packets) != 0 {
			t.Errorf("a packet from %s is answered", from)
		}
	}
}

// BEP 43: a read-only node "no longer responds to 'query' messages that it
// receives" and "in each outgoing query message places a 'ro' key".
func TestReadOnlyNodeIsSilentAndSaysSo(t *testing.T) {
	b := newBench(t, Config{ReadOnly: true})
	if r := b.query(asker, Message{Method: "ping"}); r != nil {
		t.Errorf("it answers: %+v", r)
	}
	if out := b.m.Step(b.now, PacketIn{From: asker, Data: []byte("d1:ade1:q4:ping1:t2:zz1:y1:qe")}); len(out.Packets) != 0 {
		t.Error("it answers a malformed query")
	}
	out := b.m.Step(b.now, AddNode{Addr: asker})
	if len(out.Packets) == 0 {
		t.Fatal("it asks nobody")
	}
	for _, p := range out.Packets {
		if m, err := ParseMessage(p.Data); err != nil || !m.ReadOnly {
			t.Errorf("a query without 'ro': %q", p.Data)
		}
	}
}

// BEP 43: "If it is found, the node should not add the message sender to its
// routing table. Instead it should merely service the query as usual."
func TestReadOnlyAskersAreServedButNotKept(t *testing.T) {
	b := newBench(t, Config{})
	for _, ro := range []bool{true, false} {
		from := addrWithPort(asker, map[bool]uint16{true: 1, false: 2}[ro])
		q := Message{Kind: Query, TID: []byte("zz"), Method: "ping", ID: hashOf(9), ReadOnly: ro}
		queries, replies := 0, 0
		for _, p := range b.m.Step(b.now, PacketIn{From: from, Data: q.Append(nil)}).Packets {
			if m, _ := ParseMessage(p.Data); m.Kind == Query {
				queries++
			} else {
				replies++
			}
		}
		if replies != 1 || queries != map[bool]int{true: 0, false: 1}[ro] {
			t.Errorf("ro %v: %d replies, %d pings", ro, replies, queries)
		}
	}
}

func TestFloodsAreNotAnswered(t *testing.T) {
	b := newBench(t, Config{})
	served := func(n int, from func(i int) netip.AddrPort) int {
		replies := 0
		for i := range n {
			if b.query(from(i), Message{Method: "ping", ID: hashOf(i % 7)}) != nil {
				replies++
			}
		}
		return replies
	}
	if n := served(1000, func(i int) netip.AddrPort { return addrWithPort(asker, uint16(i+1)) }); n > 40 {
		t.Errorf("one host gets %d of 1000 replies", n)
	}
	if n := served(5, func(int) netip.AddrPort { return netip.MustParseAddrPort("77.1.2.3:1") }); n != 5 {
		t.Errorf("another host gets %d of 5", n)
	}
	b.now = b.now.Add(time.Minute)
	if n := served(5000, func(i int) netip.AddrPort { return peer(i) }); n > 400 {
		t.Errorf("all hosts together get %d of 5000 replies", n)
	}
	if st := b.m.Stats(b.now); st.Dropped < 5000 {
		t.Errorf("Dropped = %d", st.Dropped)
	}
}

func TestOurNetworkStaysAmongItself(t *testing.T) {
	b := newBench(t, Config{})
	home := NodeInfo{ID: hashOf(1), Addr: netip.MustParseAddrPort("192.168.1.5:6881")}
	b.m.fams[ipv4].table.replied(b.now, home)
	find := Message{Method: "find_node", HasTarget: true, Target: home.ID}
	if r := b.query(asker, find); len(r.Nodes) != 0 {
		t.Errorf("a stranger is told of %v", r.Nodes)
	}
	if r := b.query(netip.MustParseAddrPort("192.168.1.9:1"), find); !slices.Equal(r.Nodes, []NodeInfo{home}) {
		t.Errorf("a neighbour is told of %v", r.Nodes)
	}
	peers := []netip.AddrPort{netip.MustParseAddrPort("192.168.1.5:7000")}
	b.m.store.put(b.now, home.ID, peers[0])
	get := Message{Method: "get_peers", HasTarget: true, Target: home.ID}
	if r := b.query(asker, get); len(r.Values) != 0 {
		t.Errorf("a stranger is told of %v", r.Values)
	}
	if r := b.query(netip.MustParseAddrPort("192.168.1.9:1"), get); !slices.Equal(r.Values, peers) {
		t.Errorf("a neighbour is told of %v", r.Values)
	}
}

func TestBadConfig(t *testing.T) {
	if _, err := New(simEpoch, Config{}); err == nil {
		t.Error("a machine without randomness starts")
	}
	if _, err := New(simEpoch, Config{Rand: testRand(), NoIPv4: true, NoIPv6: true}); err == nil {
		t.Error("a machine without address family starts")
	}
}
