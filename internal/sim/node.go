package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// NodeConfig describes one node. The zero value is a leecher that knows the
// torrent and behaves.
type NodeConfig struct {
	Up, Down    int           // bytes a second; 0: 1 MB up, 4 MB down
	Latency     time.Duration // from the node to the middle of the network; 0: 20 ms
	Seed        bool          // has everything
	Magnet      bool          // knows the info hash alone
	Unreachable bool          // behind a NAT: it dials, but nobody can dial it
	Selfish     bool          // never lets anybody download from it
	NoFast      bool          // speaks no BEP 6
	FailStore   func(index int) bool
	Malice      *Malice        // hostile; nil: honest
	Machine     torrent.Config // limits only
}

// Node is one member of the network: a machine with what a driver gives it.
type Node struct {
	net   *Network
	cfg   NodeConfig
	index int
	ip    netip.Addr
	rng   *rand.Rand

	m       *torrent.Machine // nil while away
	id      [20]byte
	life    int // counts its arrivals: what was meant for an earlier life is void
	returns bool
	knows   bool // has the info dictionary
	stored  bits.Set
	at      []time.Duration // when each piece was stored

	ends    map[torrent.PeerKey]*end
	list    []*end // the same, in the order they joined
	nextKey torrent.PeerKey
	dialled map[netip.AddrPort]bool
	banned  map[netip.Addr]bool
	timer   time.Duration // when the timer event is due; 0: none
	rang    time.Duration
	spins   int // timer events at that time

	buffers    map[int]*buffer
	lastBuffer uint32
	openBytes  int64

	ring    []*end // have blocks to send and room in their window
	sending bool
	inbound []*frame // arrived, in the order of arrival
	taking  bool

	// Selective is set where not all pieces are wanted, Ahead to the bytes that
	// readers may open beyond the memory budget.
	Selective bool
	Ahead     int64
	// OnEffect, if set, sees every effect of the machine.
	OnEffect func(torrent.Effect)

	Done      time.Duration // when it was complete; 0: not yet
	Received  int64         // payload bytes that arrived, wanted or not
	Given     int64         // payload bytes sent
	MaxCopies int           // requests for one block outstanding at one time, at most
	wasted    int64         // by the machines of earlier lives
}

// Add makes a node that is not yet present.
func (n *Network) Add(cfg NodeConfig) *Node {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&cfg.Up, 1<<20)
	def(&cfg.Down, 4<<20)
	if cfg.Latency == 0 {
		cfg.Latency = 20 * time.Millisecond
	}
	k := len(n.nodes)
	x := &Node{
		net: n, cfg: cfg, index: k,
		ip:     netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)}),
		rng:    rand.New(rand.NewPCG(n.cfg.Seed, uint64(k)+1)),
		stored: bits.New(n.cfg.Torrent.Info.NumPieces()),
		at:     make([]time.Duration, n.cfg.Torrent.Info.NumPieces()),
		knows:  !cfg.Magnet,
	}
	if cfg.Seed {
		x.stored.Fill()
	}
	n.nodes = append(n.nodes, x)
	n.byIP[x.ip] = x
	return x
}

const port = 6881

// Addr is where the node listens.
func (x *Node) Addr() netip.AddrPort { return netip.AddrPortFrom(x.ip, port) }

// Index is the node's place in Network.Nodes.
func (x *Node) Index() int { return x.index }

// Machine is the node's machine, nil while it is away.
func (x *Node) Machine() *torrent.Machine { return x.m }

// Present reports whether the node is in the network.
func (x *Node) Present() bool { return x.m != nil }

// Complete reports whether the node has everything.
func (x *Node) Complete() bool { return x.stored.All() }

// StoredAt is when a piece was stored; 0: not, or from the start.
func (x *Node) StoredAt(piece int) time.Duration { return x.at[piece] }

// Stored reports whether a piece is stored.
func (x *Node) Stored(piece int) bool { return x.stored.Has(piece) }

// Wasted is how many payload bytes arrived in vain, over all its lives.
func (x *Node) Wasted() int64 {
	if x.m == nil {
		return x.wasted
	}
	return x.wasted + x.m.Stats(x.clock()).Wasted
}

func (x *Node) clock() time.Time { return epoch.Add(x.net.now) }

func (x *Node) honest() bool { return x.cfg.Malice == nil }

// Join brings the node into the network.
func (x *Node) Join() {
	if x.m != nil {
		return
	}
	x.life++
	x.returns = false
	x.net.moved = true
	x.ends = map[torrent.PeerKey]*end{}
	x.dialled = map[netip.AddrPort]bool{}
	if x.banned == nil {
		x.banned = map[netip.Addr]bool{}
	}
	x.buffers = map[int]*buffer{}
	x.lastBuffer, x.openBytes, x.timer = 0, 0, 0
	copy(x.id[:], "-SH0001-")
	fill(x.rng, x.id[8:])

	cfg := x.cfg.Machine
	cfg.Key = x.net.cfg.Torrent.Info.Key()
	cfg.PeerID = x.id
	cfg.Rand = x.rng
	if !x.cfg.Unreachable {
		cfg.ListenPort = port
	}
	if x.knows {
		cfg.Info = x.net.cfg.Torrent.Info
		cfg.Layers = x.net.cfg.Torrent.Layers()
		have := x.claimed()
		cfg.Have = &have
	} else if x.net.cfg.Torrent.Info.HasV2 {
		cfg.HashV2 = &x.net.cfg.Torrent.Info.HashV2
	}
	m, err := torrent.New(cfg)
	if err != nil {
		x.net.fail(x, "%v", err)
		return
	}
	x.m = m
	if x.cfg.Malice != nil {
		x.cfg.Malice.start(x)
	}
	x.announce()
}

// claimed is what the machine believes to be stored.
func (x *Node) claimed() bits.Set {
	set := x.stored.Clone()
	if x.cfg.Malice != nil && x.cfg.Malice.Claims {
		set.Fill()
	}
	return set
}

// Leave takes the node out of the network. Its peers see the end of the stream
// after the latency, or after a minute if it crashed.
func (x *Node) Leave(crash bool) {
	if x.m == nil {
		return
	}
	x.wasted = x.Wasted()
	x.net.moved = true
	for _, e := range slices.Clone(x.list) {
		e.close(crash)
	}
	x.m = nil
	x.life++
	x.ring, x.inbound = nil, nil
	x.sending, x.taking = false, false
}

// Return makes the node come back after a time. AllComplete waits for it.
func (x *Node) Return(after time.Duration) {
	x.returns = true
	x.net.moved = true
	x.net.After(after, x.Join)
}

// announce asks the tracker for addresses, now and again.
func (x *Node) announce() {
	net := x.net
	var addrs []netip.AddrPort
	for _, k := range net.rng.Perm(len(net.nodes)) {
		if y := net.nodes[k]; y != x && y.m != nil && len(addrs) < net.cfg.Give {
			addrs = append(addrs, y.Addr())
		}
	}
	x.after(2*x.cfg.Latency, func() { x.step(swarm.PeersFound{Addrs: addrs}) })
	x.after(net.cfg.Announce, x.announce)
}

// after calls do after a time unless the node has left by then.
func (x *Node) after(d time.Duration, do func()) {
	life := x.life
	x.net.After(d, func() {
		if x.life == life && x.m != nil {
			do()
		}
	})
}

// Post gives the machine an event, as a user would.
func (x *Node) Post(ev torrent.Event) { x.after(0, func() { x.step(ev) }) }

// step runs the machine and carries out what it decides.
func (x *Node) step(evs ...torrent.Event) {
	if x.net.err != nil {
		return
	}
	x.net.Steps++
	effects := x.m.Step(x.clock(), evs...)
	x.net.note(uint64(x.index), uint64(len(evs)), uint64(len(effects)))
	for _, e := range effects {
		x.carryOut(e)
		if x.OnEffect != nil {
			x.OnEffect(e)
		}
	}
	x.checkStep()
	x.arm()
}

// maxSpins is how often a machine may be called again without time passing.
const maxSpins = 4

// arm sets the timer to the machine's deadline.
func (x *Node) arm() {
	deadline := x.m.Deadline()
	if deadline.IsZero() {
		x.timer = 0
		return
	}
	at := max(deadline.Sub(epoch), x.net.now, 1)
	if x.timer != 0 && x.timer <= at {
		return // that event looks again
	}
	x.timer = at
	life := x.life
	x.net.At(at, func() {
		if x.life != life || x.timer != at {
			return
		}
		x.timer = 0
		if deadline := x.m.Deadline(); deadline.IsZero() || deadline.Sub(epoch) > x.net.now {
			x.arm()
			return
		}
		if x.rang != x.net.now {
			x.rang, x.spins = x.net.now, 0
		} else if x.spins++; x.spins > maxSpins {
			x.net.fail(x, "the deadline stays in the past: a busy loop")
		}
		x.step()
	})
}
