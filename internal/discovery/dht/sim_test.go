package dht

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// simNet carries packets between machines on a virtual clock.
type simNet struct {
	t     *testing.T
	rand  *rand.Rand
	now   time.Time
	seq   int
	queue simQueue
	nodes map[netip.AddrPort]*simNode
	loss  float64                                         // of each packet
	delay func(from, to netip.AddrPort) time.Duration     // nil = 20 to 120 ms
	spy   func(from, to netip.AddrPort, data []byte)      // sees what is sent
	drop  func(from, to netip.AddrPort, data []byte) bool // nil = nothing
}

// simNode is a machine, or anything else that answers packets.
type simNode struct {
	net     *simNet
	addr    netip.AddrPort
	addr6   netip.AddrPort // of a dual-stack node
	m       *Machine
	answer  func(from netip.AddrPort, data []byte) []byte // instead of m
	dead    bool
	timer   time.Time
	routers []netip.AddrPort

	found map[netip.AddrPort]int
	done  []Done
	sent  int
}

type simEvent struct {
	at   time.Time
	seq  int
	node *simNode
	ev   Event // nil: the node's timer
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

var simEpoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newSim(t *testing.T, seed uint64) *simNet {
	t.Helper()
	t.Logf("seed %d", seed)
	return &simNet{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: simEpoch,
		nodes: make(map[netip.AddrPort]*simNode),
	}
}

// publicAddr draws an address that is neither local nor taken.
func (n *simNet) publicAddr() netip.AddrPort {
	for {
		v := n.rand.Uint32()
		ap := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(v>>24)%100 + 11, byte(v >> 16), byte(v >> 8), byte(v)}),
			uint16(1024+n.rand.IntN(60000)))
		if usable(ap) && !isLocal(ap.Addr()) && n.nodes[ap] == nil {
			return ap
		}
	}
}

func (n *simNet) add(addr netip.AddrPort, cfg Config, routers ...netip.AddrPort) *simNode {
	n.t.Helper()
	cfg.Rand = rand.New(rand.NewPCG(n.rand.Uint64(), 2))
	if cfg.ID.IsZero() {
		cfg.ID = SecureID(addr.Addr(), cfg.Rand)
	}
	m, err := New(n.now, cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	node := &simNode{net: n, addr: addr, m: m, routers: routers, found: make(map[netip.AddrPort]int)}
	n.nodes[addr] = node
	n.arm(node)
	return node
}

// grow adds count machines that know the first of them, one every 50 ms, and
// lets the network settle.
func (n *simNet) grow(count int, cfg Config) []*simNode {
	var all []*simNode
	for i := range count {
		var routers []netip.AddrPort
		if i > 0 {
			routers = []netip.AddrPort{all[0].addr}
		}
		all = append(all, n.add(n.publicAddr(), cfg, routers...))
		n.run(50 * time.Millisecond)
	}
	n.run(time.Minute)
	return all
}

func (n *simNet) post(at time.Time, node *simNode, ev Event) {
	n.seq++
	heap.Push(&n.queue, simEvent{at: at, seq: n.seq, node: node, ev: ev})
}

func (n *simNet) arm(node *simNode) {
	d := node.m.Deadline()
	if d.Before(n.now) {
		d = n.now
	}
	if node.timer.IsZero() || d.Before(node.timer) {
		node.timer = d
		n.post(d, node, nil)
	}
}

func (node *simNode) do(ev Event) {
	if node.dead {
		return
	}
	n := node.net
	out := node.m.Step(n.now, ev)
	for _, p := range out.Packets {
		n.transmit(node, p.To, append([]byte(nil), p.Data...))
	}
	for _, f := range out.Found {
		for _, p := range f.Peers {
			node.found[p]++
		}
	}
	node.done = append(node.done, out.Done...)
	if out.NeedBootstrap {
		n.post(n.now.Add(time.Millisecond), node, Bootstrap{node.routers})
	}
	n.arm(node)
}

func (n *simNet) transmit(from *simNode, to netip.AddrPort, data []byte) {
	from.sent++
	src := from.addr
	if to.Addr().Is6() {
		src = from.addr6
	}
	if n.spy != nil {
		n.spy(src, to, data)
	}
	if from.m != nil && len(data) > maxReply {
		n.t.Errorf("%v sends %d bytes", from.addr, len(data))
	}
	dst := n.nodes[to]
	if dst == nil || n.rand.Float64() < n.loss || n.drop != nil && n.drop(src, to, data) {
		return
	}
	d := 20*time.Millisecond + time.Duration(n.rand.IntN(100))*time.Millisecond
	if n.delay != nil {
		d = n.delay(src, to)
	}
	n.post(n.now.Add(d), dst, PacketIn{From: src, Data: data})
}

// run lets time pass.
func (n *simNet) run(d time.Duration) {
	end := n.now.Add(d)
	for steps := 0; len(n.queue) > 0 && !n.queue[0].at.After(end); steps++ {
		if steps > 50_000_000 {
			n.t.Fatal("the network does not come to rest")
		}
		e := heap.Pop(&n.queue).(simEvent)
		n.now = e.at
		switch {
		case e.node.dead:
		case e.ev == nil:
			if e.at.Equal(e.node.timer) {
				e.node.timer = time.Time{}
				e.node.do(Tick{})
			}
		case e.node.answer != nil:
			p := e.ev.(PacketIn)
			if reply := e.node.answer(p.From, p.Data); reply != nil {
				n.transmit(e.node, p.From, reply)
			}
		default:
			e.node.do(e.ev)
		}
	}
	n.now = end
}

func hashOf(i int) ID {
	r := rand.New(rand.NewPCG(uint64(i), 77))
	return randomID(r)
}
