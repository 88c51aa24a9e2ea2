package mesh

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

var t0 = time.Unix(1_800_000_000, 0)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// A world is trackers on a bus, and the peers that announce to them.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   time.Time
	queue events
	count int

	nodes []*tracker
	loss  float64
	twice float64                  // messages that come twice
	cut   func(a, b *tracker) bool // pairs that cannot hear each other
	peers []*peer
	given map[[60]byte]int // offers delivered, by hash, peer, offer
	bytes int
}

// A tracker is a node and the peers that are connected to it.
type tracker struct {
	w      *world
	id     NodeID
	m      *Mesh
	dead   bool
	online bool
	swarms map[Hash][]*peer
	armed  time.Time
	views  map[Hash][2]Counts // what Watch was told last
}

type peer struct {
	id     PeerID
	hash   Hash
	seeder bool
	home   *tracker
	joined time.Time // of the last announce after joining
	met    time.Time // when an offer was first answered, either way
	offers int
}

type event struct {
	at time.Time
	n  int
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func newWorld(t testing.TB, seed uint64, nodes int) *world {
	w := &world{t: t, rng: rng(seed), now: t0, given: map[[60]byte]int{}, cut: func(a, b *tracker) bool { return false }}
	for range nodes {
		w.addNode()
	}
	w.run(3 * time.Second)
	return w
}

func (w *world) addNode() *tracker {
	tr := &tracker{w: w, id: NodeID(w.rng.Uint64() | 1), swarms: map[Hash][]*peer{}, views: map[Hash][2]Counts{}}
	watch := func(h Hash, here, elsewhere Counts) {
		if tr.views[h] = [2]Counts{here, elsewhere}; here == (Counts{}) && elsewhere == (Counts{}) {
			delete(tr.views, h)
		}
	}
	tr.m = New(Config{ID: tr.id, Watch: watch}, rng(w.rng.Uint64()), w.now)
	w.nodes = append(w.nodes, tr)
	tr.connect()
	return tr
}

func (w *world) after(d time.Duration, do func()) {
	w.count++
	heap.Push(&w.queue, event{w.now.Add(d), w.count, do})
}

func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *world) latency() time.Duration {
	return 200*time.Microsecond + time.Duration(w.rng.Int64N(int64(2*time.Millisecond)))
}

func (tr *tracker) connect() {
	tr.online = true
	tr.m.Connected(tr.w.now, 1<<20)
	tr.arm()
}

func (tr *tracker) disconnect() {
	tr.online = false
	tr.m.Disconnected(tr.w.now)
	tr.arm()
}

// arm has Step called when the Mesh wants it.
func (tr *tracker) arm() {
	d := tr.m.Deadline()
	if !tr.armed.IsZero() && !d.Before(tr.armed) || d.Sub(tr.w.now) > time.Hour {
		return
	}
	tr.armed = d
	tr.w.after(max(d.Sub(tr.w.now), 0), func() {
		if tr.dead || !tr.armed.Equal(d) {
			return
		}
		tr.armed = time.Time{}
		tr.step()
	})
}

func (tr *tracker) step() {
	w := tr.w
	frames := tr.m.Step(w.now, nil)
	for _, f := range frames {
		for _, to := range w.nodes {
			if to == tr || f.To != 0 && f.To != to.id {
				continue
			}
			w.bytes += len(f.Bytes)
			if !tr.online || !to.online || w.cut(tr, to) || w.rng.Float64() < w.loss {
				continue
			}
			b := slices.Clone(f.Bytes)
			n := 1
			if w.rng.Float64() < w.twice {
				n = 2
			}
			for range n {
				w.after(w.latency(), func() { to.receive(slices.Clone(b)) })
			}
		}
	}
	tr.m.Recycle(frames)
	tr.arm()
}

func (tr *tracker) receive(frame []byte) {
	if tr.dead || !tr.online {
		return
	}
	w := tr.w
	ds, err := tr.m.Receive(w.now, frame, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range ds {
		switch d.Kind {
		case DeliverOffers:
			tr.m.Delivered(d.Hash, tr.deliver(d))
		case DeliverAnswer:
			for _, p := range tr.swarms[d.Hash] {
				if p.id == d.To {
					w.introduce(p, d.From)
				}
			}
		case CollectPeers:
			var peers []TCPPeer
			for _, p := range tr.swarms[d.Hash][:min(len(tr.swarms[d.Hash]), d.Max)] {
				peers = append(peers, TCPPeer{swarm.TCPPeer{Addr: addrOf(p), ID: p.id}, swarm.Role{Seeder: p.seeder}})
			}
			tr.m.TCPPeersHere(w.now, d.Node, d.Hash, peers)
		}
	}
	clear(frame) // nobody may keep it
	tr.arm()
}

func addrOf(p *peer) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.id[:4])), 1)
}

// deliver gives offers of another node's peer to peers here, which answer.
func (tr *tracker) deliver(d Delivery) int {
	w := tr.w
	var fit []*peer
	for _, p := range tr.swarms[d.Hash] {
		if p.id != d.From && !(d.Role.Seeder && p.seeder) {
			fit = append(fit, p)
		}
	}
	w.rng.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
	n := min(len(fit), len(d.Offers))
	for i := range n {
		p, offer := fit[i], SDP{d.Offers[i].ID, []byte("answer")}
		var k [60]byte
		copy(k[:], d.Hash[:])
		copy(k[20:], d.From[:])
		copy(k[40:], offer.ID[:])
		if w.given[k]++; w.given[k] > 1 {
			w.t.Fatal("an offer was delivered twice")
		}
		w.after(10*time.Millisecond, func() {
			if p.home != tr || tr.dead {
				return
			}
			tr.m.Answer(w.now, d.Hash, p.id, d.From, offer)
			tr.arm()
		})
	}
	return n
}

func (w *world) introduce(p *peer, other PeerID) {
	if p.met.IsZero() {
		p.met = w.now
	}
	for _, q := range w.peers {
		if q.id == other && q.hash == p.hash && q.met.IsZero() {
			q.met = w.now
		}
	}
}

// announce is what package tracker does with an announce: local peers first, the
// rest of the offers to the Mesh.
func (p *peer) announce(tr *tracker) {
	w := tr.w
	p.home = tr
	if p.joined.IsZero() {
		p.joined = w.now
	}
	here := tr.swarms[p.hash]
	if !slices.Contains(here, p) {
		tr.swarms[p.hash] = append(here, p)
	}
	tr.changed(p.hash)
	offers := make([]SDP, 5)
	for i := range offers {
		p.offers++
		offers[i] = SDP{SDP: make([]byte, 200)}
		binary.BigEndian.PutUint64(offers[i].ID[:], uint64(p.offers))
	}
	for _, q := range here {
		if len(offers) > 0 && q != p && !(q.seeder && p.seeder) {
			offers = offers[1:]
			w.after(10*time.Millisecond, func() { w.introduce(p, q.id) })
		}
	}
	if len(offers) > 0 {
		tr.m.Offers(w.now, p.hash, p.id, swarm.Role{Seeder: p.seeder}, offers)
	}
	for i := range offers {
		clear(offers[i].SDP) // nobody may keep it
	}
	tr.arm()
}

func (p *peer) leave() {
	tr := p.home
	i := slices.Index(tr.swarms[p.hash], p)
	tr.swarms[p.hash] = slices.Delete(tr.swarms[p.hash], i, i+1)
	tr.changed(p.hash)
	tr.arm()
}

func (tr *tracker) counts(h Hash) (n Counts) {
	for _, p := range tr.swarms[h] {
		if p.seeder {
			n.RTCSeeders++
		} else {
			n.RTCLeechers++
		}
	}
	return n
}

func (tr *tracker) changed(h Hash) {
	tr.m.Changed(tr.w.now, h, tr.counts(h))
	if len(tr.swarms[h]) == 0 {
		delete(tr.swarms, h)
	}
}

func (w *world) alive() (alive []*tracker) {
	for _, tr := range w.nodes {
		if !tr.dead {
			alive = append(alive, tr)
		}
	}
	return alive
}

func (w *world) newPeer(h Hash, seeder bool) *peer {
	p := &peer{hash: h, seeder: seeder}
	binary.BigEndian.PutUint64(p.id[:], w.rng.Uint64())
	w.peers = append(w.peers, p)
	return p
}

// populate has peers announce on any nodes in the course of d, in swarms of 1.8 on average.
func (w *world) populate(n int, d time.Duration) {
	for range n {
		h := num(w.rng.IntN(n * 10 / 18))
		p := w.newPeer(h, w.rng.IntN(4) == 0)
		w.after(time.Duration(w.rng.Int64N(int64(d))), func() {
			alive := w.alive()
			p.announce(alive[w.rng.IntN(len(alive))])
		})
	}
}

func num(i int) (h Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(i)*0x9e3779b97f4a7c15)
	return h
}

// introduced returns the share of the peers with a mate that met one within a time of
// the later's announce, and the times it took.
func (w *world) introduced(within time.Duration, since time.Time) (share float64, all int, slowest time.Duration) {
	by := map[Hash][]*peer{}
	for _, p := range w.peers {
		by[p.hash] = append(by[p.hash], p)
	}
	ok := 0
	for _, p := range w.peers {
		var possible time.Time
		for _, q := range by[p.hash] {
			if q == p || q.seeder && p.seeder || q.home == nil || q.home.dead {
				continue
			}
			if at := maxTime(p.joined, q.joined); possible.IsZero() || at.Before(possible) {
				possible = at
			}
		}
		if possible.IsZero() || possible.Before(since) {
			continue
		}
		all++
		if took := p.met.Sub(possible); !p.met.IsZero() && took <= within {
			ok++
			slowest = max(slowest, took)
		}
	}
	return float64(ok) / float64(max(all, 1)), all, slowest
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (w *world) wantIntroduced(what string, since time.Time) {
	w.t.Helper()
	share, all, slowest := w.introduced(5*time.Second, since)
	w.t.Logf("%s: %.2f %% of %d peers with a mate met one within 5 s, the slowest took %v", what, 100*share, all, slowest)
	if share < 0.99 || all == 0 {
		w.t.Errorf("%s: %.2f %% of %d peers met a mate within 5 s, want 99 %%", what, 100*share, all)
	}
}

// wantCounts verifies that each node knows what the others have.
func (w *world) wantCounts(what string) {
	w.t.Helper()
	wrong, all := 0, 0
	for _, tr := range w.alive() {
		check(w.t, tr.m)
		for _, l := range tr.m.locals {
			if got := tr.views[l.hash]; got != [2]Counts{l.mine.counts(), l.all.counts()} {
				w.t.Fatalf("%s: Watch was told %v, it is %v and %v", what, got, l.mine, l.all)
			}
		}
		for h := range tr.views {
			if tr.m.local[h] == nil {
				w.t.Fatalf("%s: Watch was not told that a swarm is gone", what)
			}
		}
		for h := range tr.swarms {
			var want Counts
			for _, o := range w.alive() {
				if o != tr {
					n := o.counts(h)
					want.RTCSeeders += n.RTCSeeders
					want.RTCLeechers += n.RTCLeechers
				}
			}
			all++
			if got := tr.m.Elsewhere(h); got != want {
				wrong++
			}
		}
	}
	if wrong > 0 || all == 0 {
		w.t.Errorf("%s: %d of %d swarms are seen wrongly", what, wrong, all)
	}
}

// check verifies what must hold of a Mesh at any time.
func check(t testing.TB, m *Mesh) {
	t.Helper()
	if len(m.local) != len(m.locals) || len(m.directory) != len(m.entries) {
		t.Fatal("the lists differ from the maps")
	}
	tcp, parked := 0, 0
	for i, l := range m.locals {
		if l.slot != i || m.local[l.hash] != l {
			t.Fatal("a swarm is not in its place")
		}
		if l.tcp != nil {
			tcp += len(l.tcp.peers)
		}
		for _, p := range l.parks {
			if p.l != l || p.offers == nil {
				t.Fatal("a swarm has offers that were given up")
			}
			parked += p.bytes
		}
	}
	if parked += parkCost * m.parked.len(); tcp != m.tcpKnown || parked != m.parkedBytes {
		t.Fatalf("%d TCP peers counted as %d, %d bytes parked counted as %d", tcp, m.tcpKnown, parked, m.parkedBytes)
	}
	for i, e := range m.entries {
		if e.slot != i || m.directory[e.hash] != e || len(e.holders) == 0 {
			t.Fatal("an entry is not in its place, or empty")
		}
	}
	if len(m.live) != len(m.others)+1 || !slices.IsSorted(m.live) || len(m.routes) > m.routeOrder.len() {
		t.Fatal("the nodes or the routes do not add up")
	}
}
