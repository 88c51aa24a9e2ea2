package mesh

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// pair returns two nodes that know each other, and a function that carries frames between
// them for a fifth of a second. The second is the owner of the swarm h.
func pair(t *testing.T, cfg Config) (a, b *Mesh, h Hash, carry func(now time.Time) []Delivery) {
	t.Helper()
	cfg.ID = 1
	a = New(cfg, rng(1), t0)
	cfg.ID = 2
	b = New(cfg, rng(2), t0)
	a.Connected(t0, 1<<20)
	b.Connected(t0, 1<<20)
	carry = func(now time.Time) (ds []Delivery) {
		for range 10 {
			fa, fb := a.Step(now, nil), b.Step(now, nil)
			for _, f := range fa {
				ds = receive(t, b, now, f.Bytes, ds)
			}
			for _, f := range fb {
				ds = receive(t, a, now, f.Bytes, ds)
			}
			now = now.Add(flushEvery)
		}
		return ds
	}
	carry(t0)
	for i := range 100 {
		if h = num(i); a.owner(&h) == 2 && len(a.live) == 2 {
			return a, b, h, carry
		}
	}
	t.Fatal("the nodes do not know each other")
	return
}

func receive(t *testing.T, m *Mesh, now time.Time, frame []byte, ds []Delivery) []Delivery {
	t.Helper()
	ds, err := m.Receive(now, frame, ds)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func TestTCPPeersOfOtherNodes(t *testing.T) {
	a, b, h, carry := pair(t, Config{})
	now := t0.Add(time.Second)
	a.Changed(now, h, Counts{TCPLeechers: 1})
	b.Changed(now, h, Counts{TCPSeeders: 2, TCPLeechers: 3})
	var asked []NodeID
	for range 3 {
		for _, d := range carry(now) {
			if d.Kind != CollectPeers || d.Hash != h || d.Max != tcpAskPeers {
				t.Fatalf("%+v", d)
			}
			asked = append(asked, d.Node)
			if d.Node == 1 {
				b.TCPPeersHere(now, 1, h, []TCPPeer{
					{swarm.TCPPeer{Addr: netip.MustParseAddrPort("1.1.1.1:1"), ID: id("s4")}, swarm.Role{Seeder: true}},
					{swarm.TCPPeer{Addr: netip.MustParseAddrPort("[2001::1]:1"), ID: id("s6")}, swarm.Role{Seeder: true}},
					{swarm.TCPPeer{Addr: netip.MustParseAddrPort("1.1.1.2:1"), ID: id("l4")}, swarm.Role{}},
					{swarm.TCPPeer{Addr: netip.MustParseAddrPort("10.0.0.1:1"), ID: id("p4")}, swarm.Role{}},
					{swarm.TCPPeer{Addr: netip.MustParseAddrPort("127.0.0.1:1"), ID: id("lo")}, swarm.Role{}},
				})
			}
		}
		now = now.Add(time.Second)
	}
	slices.Sort(asked)
	if !slices.Equal(asked, []NodeID{1, 2}) {
		t.Fatalf("asked for peers: %v, want each node to ask the other once", asked)
	}
	if got := a.Elsewhere(h); got != (Counts{TCPSeeders: 2, TCPLeechers: 3}) {
		t.Errorf("elsewhere: %+v", got)
	}
	const public = netaddr.Public
	for _, tc := range []struct {
		family swarm.Family
		scopes netaddr.Scope
		seeder bool
		want   int
		got    int
	}{
		{0, public, false, 50, 3}, {swarm.V4, public, false, 50, 2}, {swarm.V6, public, false, 50, 1}, {0, public, true, 50, 1},
		{0, public, false, 2, 2}, {0, public, false, 0, 0},
		{0, public | netaddr.Private, false, 50, 4}, {0, public | netaddr.Private | netaddr.Loopback, false, 50, 4}, // never what is loopback elsewhere
	} {
		if got := a.TCPPeers(now, h, tc.family, tc.scopes, swarm.Role{Seeder: tc.seeder}, tc.want, nil); len(got) != tc.got {
			t.Errorf("%+v: %v", tc, got)
		}
	}
	// They are forgotten with their node.
	for range 8 {
		now = now.Add(time.Second)
		a.Step(now, nil)
	}
	if got := a.TCPPeers(now, h, 0, netaddr.Public, swarm.Role{}, 50, nil); len(got) > 0 || a.Elsewhere(h) != (Counts{}) {
		t.Errorf("after the node's death: %v, %+v", got, a.Elsewhere(h))
	}
	check(t, a)
}

// Whatever comes from the bus, memory stays within the bounds of Config.
func TestAFloodIsBounded(t *testing.T) {
	m := New(Config{ID: 1, Swarms: 100, Directory: 100, Parked: 10_000, Queue: 200_000, Routes: 50, TCPPeers: 20}, rng(1), t0)
	m.Connected(t0, 1<<20)
	now := t0
	for i := range 3000 {
		sender := NodeID(2 + i)
		b := appendHeader(nil, sender, 1)
		for k := range 5 {
			h := num(i*5 + k)
			m.Changed(now, h, Counts{TCPSeeders: 1, RTCLeechers: 1})
			m.Offers(now, h, id("p"), swarm.Role{}, []SDP{{id("1"), make([]byte, 1000)}})
			m.TCPPeers(now, h, 0, netaddr.Public, swarm.Role{}, 10, nil)
			var peers []tcpPeer
			for p := range maxPeers {
				peers = append(peers, tcpPeer{swarm.TCPPeer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 2, 3, byte(p)}), 1)}, swarm.Role{}})
			}
			var offer [20]byte
			binary.BigEndian.PutUint64(offer[:], uint64(i*5+k))
			for _, r := range []record{
				{kind: kindReport, hash: h, flags: reportAsk, n: tally{1, 1, 1, 1, 0, 0}},
				{kind: kindOthers, hash: num(k), n: tally{1, 1, 1, 1, 0, 0}, holdings: []holding{{sender, tally{1, 1, 1, 1, 0, 0}}}},
				{kind: kindOffers, hash: num(k), from: id("q"), sdps: []SDP{{offer, []byte("v=0")}}},
				{kind: kindPeers, hash: num(k), peers: peers},
			} {
				b = appendRecord(b, &r)
			}
		}
		if _, err := m.Receive(now, b, nil); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Millisecond)
		check(t, m)
		if s := m.Stats(); s.Swarms > 100 || s.Directory > 100 || s.Parked > 10_000 || len(m.routes) > 50 || m.tcpKnown > 20 || s.Nodes > maxNodes+1 {
			t.Fatalf("%+v, %d routes, %d TCP peers", s, len(m.routes), m.tcpKnown)
		}
	}
	for _, e := range m.entries {
		if len(e.holders) > maxNodes {
			t.Fatal("an entry names more nodes than there may be")
		}
	}
}

// A node that takes nothing costs its queue and no more; the latest is kept.
func TestAFullQueueDropsTheOldest(t *testing.T) {
	a, b, h, carry := pair(t, Config{Queue: 300_000})
	a.Changed(t0, h, Counts{RTCLeechers: 1})
	b.Changed(t0, h, Counts{RTCLeechers: 1000})
	carry(t0.Add(time.Second))
	carry(t0.Add(3 * time.Second))
	now := t0.Add(3500 * time.Millisecond)
	for i := range 1000 {
		var offer [20]byte
		binary.BigEndian.PutUint64(offer[:], uint64(i))
		a.Offers(now, h, id("p"), swarm.Role{}, []SDP{{offer, make([]byte, 1300)}})
		if n := a.others[2].queue.bytes; n > 300_000+fullFrame+2000 {
			t.Fatalf("%d bytes queued", n)
		}
	}
	if a.Stats().Dropped == 0 {
		t.Error("nothing was counted as dropped")
	}
	ds := carry(now)
	if n := len(ds); n < 100 || n > 230 {
		t.Errorf("%d offers came through", n)
	}
	if last := ds[len(ds)-1].Offers[0].ID; binary.BigEndian.Uint64(last[:]) != 999 {
		t.Error("the latest offer was dropped")
	}
}

func TestLongRecordsAreSplitOrDropped(t *testing.T) {
	a, b, h, carry := pair(t, Config{})
	a.Connected(t0, 4096)
	a.Changed(t0, h, Counts{RTCLeechers: 1})
	b.Changed(t0, h, Counts{RTCLeechers: 10})
	carry(t0.Add(time.Second))
	carry(t0.Add(3 * time.Second))
	now := t0.Add(3500 * time.Millisecond)
	a.Offers(now, h, id("p"), swarm.Role{}, []SDP{
		{id("1"), make([]byte, 1500)}, {id("2"), make([]byte, 1500)}, {id("3"), make([]byte, 1500)},
		{id("too long"), make([]byte, 5000)}, {id("4"), make([]byte, 10)},
	})
	got := 0
	for _, d := range carry(now) {
		got += len(d.Offers)
	}
	if got != 4 || a.Stats().Dropped != 1 {
		t.Errorf("%d offers came through, %d records dropped", got, a.Stats().Dropped)
	}
}

func TestAnAnswerGoesBackOnce(t *testing.T) {
	a, b, h, carry := pair(t, Config{})
	a.Changed(t0, h, Counts{RTCLeechers: 1})
	b.Changed(t0, h, Counts{RTCLeechers: 1})
	a.Offers(t0, h, id("p"), swarm.Role{}, []SDP{{id("1"), []byte("offer")}})
	ds := carry(t0.Add(time.Second))
	if len(ds) != 1 || ds[0].From != id("p") || string(ds[0].Offers[0].SDP) != "offer" {
		t.Fatalf("%+v", ds)
	}
	now := t0.Add(2 * time.Second)
	answer := SDP{id("1"), []byte("answer")}
	if b.Answer(now, h, id("q"), id("p"), SDP{ID: id("2")}) || b.Answer(now, h, id("q"), id("other"), answer) || b.Answer(now, num(99), id("q"), id("p"), answer) {
		t.Error("an answer to nothing was taken")
	}
	if !b.Answer(now, h, id("q"), id("p"), answer) {
		t.Fatal("the answer was not taken")
	}
	if b.Answer(now, h, id("q"), id("p"), answer) {
		t.Error("a second answer was taken")
	}
	ds = carry(now)
	if len(ds) != 1 || ds[0].Kind != DeliverAnswer || ds[0].From != id("q") || ds[0].To != id("p") || string(ds[0].Offers[0].SDP) != "answer" {
		t.Fatalf("%+v", ds)
	}
	// Two minutes later nobody waits for it.
	a.Offers(now, h, id("p"), swarm.Role{}, []SDP{{id("3"), []byte("offer")}})
	if ds = carry(now); len(ds) != 1 {
		t.Fatalf("%+v", ds)
	}
	if b.Answer(now.Add(routeFor+time.Second), h, id("q"), id("p"), SDP{ID: id("3")}) {
		t.Error("an answer after two minutes was taken")
	}
}

func TestReconcile(t *testing.T) {
	m := New(Config{ID: 1}, rng(1), t0)
	for i := range 5 {
		m.Changed(t0, num(i), Counts{RTCLeechers: 1})
	}
	r := m.Reconcile()
	r.Swarm(t0, num(0), Counts{RTCLeechers: 2})
	m.Changed(t0, num(1), Counts{RTCLeechers: 3})
	m.Changed(t0, num(7), Counts{RTCLeechers: 7})
	r.Swarm(t0, num(2), Counts{RTCLeechers: 1})
	if !r.Done(t0) {
		t.Error("five swarms are too many at once")
	}
	check(t, m)
	for i, want := range map[int]uint32{0: 2, 1: 3, 2: 1, 7: 7} {
		if l := m.local[num(i)]; l == nil || l.mine.rtcLeechers != want {
			t.Errorf("swarm %d: %+v, want %d leechers", i, l, want)
		}
	}
	if len(m.local) != 4 {
		t.Errorf("%d swarms, want 4", len(m.local))
	}
	// Many are gone through in parts, while peers come and go.
	for i := range 10_000 {
		m.Changed(t0, num(i), Counts{RTCLeechers: 1})
	}
	r = m.Reconcile()
	for i := 0; !r.Done(t0); i++ {
		m.Changed(t0, num(i), Counts{})
		m.Changed(t0, num(20_000+i), Counts{RTCLeechers: 1})
	}
	check(t, m)
	if len(m.local) != 2 {
		t.Errorf("%d swarms, want the 2 that came meanwhile", len(m.local))
	}
}

// An offer and its answer, from node to node, without the bus.
func BenchmarkRelay(b *testing.B) {
	x, y := New(Config{ID: 1}, rng(1), t0), New(Config{ID: 2}, rng(2), t0)
	x.Connected(t0, 1<<20)
	y.Connected(t0, 1<<20)
	h := num(1)
	now := t0
	var frames []Frame
	var ds []Delivery
	carry := func(from, to *Mesh) []Delivery {
		now = now.Add(flushEvery)
		frames, ds = from.Step(now, frames[:0]), ds[:0]
		for _, f := range frames {
			ds, _ = to.Receive(now, f.Bytes, ds)
		}
		from.Recycle(frames)
		return ds
	}
	carry(x, y)
	carry(y, x)
	x.Changed(now, h, Counts{RTCLeechers: 1})
	y.Changed(now, h, Counts{RTCLeechers: 100})
	for range 100 {
		carry(x, y)
		carry(y, x)
	}
	text := make([]byte, 1300)
	offers := make([]SDP, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); {
		for range 20 {
			i++
			binary.BigEndian.PutUint64(offers[0].ID[:], uint64(i))
			offers[0].SDP = text
			x.Offers(now, h, id("p"), swarm.Role{}, offers)
		}
		for _, d := range carry(x, y) {
			if d.Kind == DeliverOffers {
				y.Answer(now, h, id("q"), id("p"), d.Offers[0])
			}
		}
		carry(y, x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(x.Stats().AnswersIn, 1)), "ns/pair")
	if s := x.Stats(); s.AnswersIn == 0 || s.AnswersIn != s.OffersOut {
		b.Fatalf("%+v", s)
	}
}

// What an announce costs the hot path of a busy node.
func BenchmarkElsewhere(b *testing.B) {
	m := New(Config{ID: 1}, rng(1), t0)
	for i := range 100_000 {
		m.Changed(t0, num(i), Counts{RTCLeechers: 1})
	}
	for i := 0; b.Loop(); i++ {
		m.Elsewhere(num(i % 100_000))
	}
}

// What a swarm with one peer costs, on its node and on its owner.
func TestMemoryPerSwarm(t *testing.T) {
	const swarms = 100_000
	measure := func(fill func(m *Mesh)) int {
		m := New(Config{ID: 1}, rng(1), t0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		fill(m)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(m)
		return int(after.HeapAlloc-before.HeapAlloc) / swarms
	}
	here := measure(func(m *Mesh) {
		for i := range swarms {
			m.Changed(t0, num(i), Counts{RTCLeechers: 1})
		}
	})
	account := measure(func(m *Mesh) {
		for i := range swarms {
			m.onReport(0, 2, 1, num(i), tally{rtcLeechers: 1}, 0)
		}
	})
	t.Logf("%d bytes for a swarm here, %d on its owner", here, account)
	if here > 400 || account > 250 {
		t.Errorf("%d bytes for a swarm here, %d on its owner; want 400 and 250 at most", here, account)
	}
}

func BenchmarkChanged(b *testing.B) {
	m := New(Config{ID: 1}, rng(1), t0)
	m.Connected(t0, 1<<20)
	m.heard(0, 2, 1)
	m.heard(0, 3, 1)
	b.ReportAllocs()
	now := t0
	var frames []Frame
	for i := 0; b.Loop(); i++ {
		m.Changed(now, num(i%100_000), Counts{RTCLeechers: 1 + i/100_000%2})
		if i%100 == 0 {
			now = now.Add(time.Microsecond)
			frames = m.Step(now, frames)
			m.Recycle(frames)
			frames = frames[:0]
		}
	}
}
