package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Config describes a network. The zero value of every optional field is a
// stated default.
type Config struct {
	Seed    uint64
	Torrent *Torrent // required
	// Wire sends every message through the encoder and decoder of package wire.
	Wire bool
	// Loss is the share of frames that arrive late because something was sent
	// twice.
	Loss float64
	// Announce is the time between two visits of a node to the tracker; 0: one
	// minute.
	Announce time.Duration
	// Give is the number of addresses that the tracker gives; 0: 30.
	Give int
}

// Network is a set of nodes and what joins them.
type Network struct {
	cfg   Config
	rng   *rand.Rand
	queue queue
	now   time.Duration
	nodes []*Node
	byIP  map[netip.Addr]*Node
	trace uint64
	err   error
	moved bool // somebody stored, came or went since all was last told
	all   bool

	Steps int // machine steps so far
}

var epoch = time.Unix(1_000_000_000, 0)

// New returns a network without nodes.
func New(cfg Config) *Network {
	if cfg.Announce == 0 {
		cfg.Announce = time.Minute
	}
	if cfg.Give == 0 {
		cfg.Give = 30
	}
	return &Network{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x73696d)), byIP: map[netip.Addr]*Node{}}
}

// Rand is the network's source of randomness, to draw a scenario from.
func (n *Network) Rand() *rand.Rand { return n.rng }

// Now is the virtual time since the start.
func (n *Network) Now() time.Duration { return n.now }

// Nodes are all that were ever added, in that order.
func (n *Network) Nodes() []*Node { return n.nodes }

// Trace is a hash over everything that has happened.
func (n *Network) Trace() uint64 { return n.trace }

// At calls do at a time, or now if that has passed.
func (n *Network) At(at time.Duration, do func()) { n.queue.push(max(at, n.now), do) }

// After calls do after a time.
func (n *Network) After(d time.Duration, do func()) { n.queue.push(n.now+d, do) }

// note folds what happened into the trace.
func (n *Network) note(values ...uint64) {
	h := mix(n.trace, uint64(n.now))
	for _, v := range values {
		h = mix(h, v)
	}
	n.trace = h
}

// fail ends the run.
func (n *Network) fail(node *Node, format string, args ...any) {
	if n.err == nil {
		n.err = fmt.Errorf("seed %d, %v, node %d: %s", n.cfg.Seed, n.now, node.index, fmt.Sprintf(format, args...))
	}
}

// Run lets the network live until done reports true, which is asked after every
// event, or until the limit. It returns an error if something happened that must
// not happen, or the limit was reached first. A nil done runs to the limit.
func (n *Network) Run(limit time.Duration, done func() bool) error {
	for n.err == nil {
		if done != nil && done() {
			return nil
		}
		if len(n.queue.heap) == 0 || n.queue.heap[0].at > limit {
			n.now = limit
			if done == nil {
				return nil
			}
			return fmt.Errorf("seed %d: not done after %v: %s", n.cfg.Seed, limit, n.summary())
		}
		ev := n.queue.pop()
		n.now = ev.at
		ev.do()
	}
	return n.err
}

// summary names the honest nodes that lack pieces.
func (n *Network) summary() string {
	s := ""
	for _, x := range n.nodes {
		if x.cfg.Malice != nil || x.Complete() {
			continue
		}
		s += fmt.Sprintf("\n\tnode %d has %d of %d", x.index, x.stored.Count(), n.cfg.Torrent.Info.NumPieces())
		if x.m == nil {
			s += ", away"
			continue
		}
		st := x.m.Stats(x.clock())
		s += fmt.Sprintf(", %d peers, %d requests, %d open, %d known", st.Peers, st.Requested, st.OpenPieces, st.Known)
	}
	return s
}

// AllComplete reports whether every honest node that is present has everything.
func (n *Network) AllComplete() bool {
	if n.moved {
		n.moved = false
		n.all = !slices.ContainsFunc(n.nodes, func(x *Node) bool {
			return x.cfg.Malice == nil && (x.m != nil || x.returns) && !x.Complete()
		})
	}
	return n.all
}
