package mesh

import (
	"math/rand/v2"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Hash is an info hash.
type Hash = swarm.Hash

// PeerID is what a peer calls itself.
type PeerID = swarm.PeerID

// A NodeID names a node; 0 names none.
type NodeID uint64

// Counts is the WebRTC and TCP peers of a swarm on one or more nodes.
type Counts = swarm.Kinds

// An SDP is an offer or an answer with its offer id.
type SDP struct {
	ID  [20]byte
	SDP []byte
}

// Config bounds a Mesh. Only ID is required.
type Config struct {
	// ID names this node: random, the same for as long as the process lives.
	ID NodeID
	// Swarms bounds the swarms with a peer on this node, Directory those that this
	// node keeps account of for all. 0 means 2 million each.
	Swarms, Directory int
	// ParkFor is how long offers wait until peers for them are known, less than clients
	// keep an offer open. 0 means 30 s.
	ParkFor time.Duration
	// Parked bounds the offers that wait, in bytes. 0 means 32 MiB.
	Parked int
	// Queue bounds what waits for one node to be sent, in bytes; the oldest frames
	// are dropped. 0 means 8 MiB.
	Queue int
	// Routes bounds the offers of other nodes whose answers find their way back.
	// 0 means 256 Ki.
	Routes int
	// TCPPeers bounds the addresses known of other nodes. 0 means 256 Ki.
	TCPPeers int
	// Watch, if set, is told what Changed was last told of a swarm, and what Elsewhere returns for
	// it, when either has changed.
	Watch func(h Hash, here, elsewhere Counts)
}

const (
	beatEvery = time.Second
	goneAfter = 4 * time.Second
	// flushEvery is how long records for one node are gathered if it was
	// sent a frame just before.
	flushEvery = 20 * time.Millisecond
	// changeAfter is how long changes of counts are gathered that decide nothing.
	changeAfter = time.Second
	// lapTime is how long a walk through all swarms takes after a change of nodes,
	// slowLap otherwise. What was reported that long ago is reported again.
	lapTime      = 1500 * time.Millisecond
	slowLap      = time.Minute
	walkEvery    = 50 * time.Millisecond
	forgetAfter  = 5 * time.Minute
	routeFor     = 2 * time.Minute
	maxNodes     = 1024
	parkedOffers = 5 // of one announce
	parkedSets   = 8 // of one swarm
	tcpAskEvery  = 5 * time.Second
	tcpFresh     = time.Minute
	tcpAskNodes  = 4
	tcpAskPeers  = 50
)

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&c.Swarms, 2<<20)
	def(&c.Directory, 2<<20)
	def(&c.Parked, 32<<20)
	def(&c.Queue, 8<<20)
	def(&c.Routes, 256<<10)
	def(&c.TCPPeers, 256<<10)
	if c.ParkFor <= 0 {
		c.ParkFor = 30 * time.Second
	}
	return c
}

// Stats counts what a Mesh holds and has done.
type Stats struct {
	Nodes     int // live nodes, this one too
	Swarms    int // swarms with a peer on this node
	Directory int // swarms that this node keeps account of
	Parked    int // bytes of offers that wait for a peer on another node

	OffersOut, OffersIn   uint64 // offers sent to and got from other nodes
	AnswersOut, AnswersIn uint64 // answers likewise
	Dropped               uint64 // frames dropped because a queue was full, or records too long for the bus
}

// instant is time since the Mesh was made.
type instant = time.Duration

// A Mesh is one node. It is not safe for concurrent use.
type Mesh struct {
	cfg   Config
	rng   *rand.Rand
	epoch time.Time
	stats Stats

	// The nodes: nodes.go.
	generation uint32
	connected  bool
	maxFrame   int // bytes of the longest frame that the bus takes
	others     map[NodeID]*node
	live       []NodeID // sorted, self too
	everybody  queue    // beats
	nextBeat   instant
	flushAt    instant // when the first of the queues wants to be sent; never if none

	// Swarms with a peer here: interest.go.
	local   map[Hash]*local
	locals  []*local // the same, in an order that does not depend on a map
	walking int      // what is left of locals in this lap, walked downwards
	hurry   bool     // this lap is to be fast
	walkAt  instant
	later   fifo[*local] // counts to report when their time has come
	round   uint32       // of Reconcile

	// Swarms that this node keeps account of: directory.go.
	directory map[Hash]*entry
	entries   []*entry
	walkingE  int
	dirty     fifo[*entry] // entries whose holders are to be told

	// Offers: offers.go.
	parked      fifo[*park]
	parkedBytes int
	routes      map[uint64]*route
	routeOrder  fifo[*route]

	// Addresses: tcp.go.
	tcpKnown int

	rec, in record    // scratch: what is sent, what is read
	named   []holding // scratch of tell
	buf     []byte    // scratch of a record's body
	free    [][]byte
}

const never = instant(1<<63 - 1)

// New returns a Mesh that is alone and not connected. rng decides which offers go where.
func New(cfg Config, rng *rand.Rand, now time.Time) *Mesh {
	m := &Mesh{
		cfg: cfg.withDefaults(), rng: rng, epoch: now,
		generation: rng.Uint32(),
		others:     make(map[NodeID]*node),
		live:       []NodeID{cfg.ID},
		flushAt:    never, nextBeat: never, walkAt: walkEvery,
		local: make(map[Hash]*local), directory: make(map[Hash]*entry),
		routes: make(map[uint64]*route),
	}
	return m
}

// ID returns the name of this node.
func (m *Mesh) ID() NodeID { return m.cfg.ID }

func (m *Mesh) at(now time.Time) instant { return now.Sub(m.epoch) }

// A Frame is to be published to one node, or to all if To is 0. Give Bytes back by
// Recycle when that is done.
type Frame struct {
	To    NodeID
	Bytes []byte
}

// Recycle lets the Mesh use the memory of frames again.
func (m *Mesh) Recycle(frames []Frame) {
	for i := range frames {
		m.recycle(frames[i].Bytes)
		frames[i] = Frame{}
	}
}

func (m *Mesh) recycle(b []byte) {
	if len(m.free) < 64 && cap(b) <= 2*fullFrame {
		m.free = append(m.free, b[:0])
	}
}

// Deadline returns when Step wants to be called again at the latest. Every call may
// bring it nearer.
func (m *Mesh) Deadline() time.Time {
	d := min(m.flushAt, m.nextBeat, m.walkAt, m.later.due(), m.dirty.due())
	return m.epoch.Add(d)
}

// Step does what is due and appends to out what is to be published.
func (m *Mesh) Step(now time.Time, out []Frame) []Frame {
	t := m.at(now)
	if t >= m.nextBeat {
		m.bury(t)
		m.nextBeat = t + beatEvery
		m.beat(t, 0)
	}
	for m.later.due() <= t {
		if l := m.later.pop(); l.queued && !l.mine.zero() {
			l.queued = false
			m.report(t, l, len(l.parks) > 0)
		}
	}
	for m.dirty.due() <= t {
		if e := m.dirty.pop(); e.dirty {
			e.dirty = false
			m.tellHolders(t, e)
		}
	}
	if t >= m.walkAt {
		m.walk(t)
	}
	if t >= m.flushAt {
		out = m.flush(t, out)
	}
	return out
}

// Stats returns the counts of now.
func (m *Mesh) Stats() Stats {
	s := m.stats
	s.Nodes, s.Swarms, s.Directory, s.Parked = len(m.live), len(m.local), len(m.directory), m.parkedBytes
	return s
}

// A DeliveryKind says what a Delivery is.
type DeliveryKind uint8

// The kinds of deliveries.
const (
	DeliverOffers DeliveryKind = iota // give Offers of From to peers here; then call Delivered
	DeliverAnswer                     // give Offers[0], an answer of From, to the peer To
	CollectPeers                      // call TCPPeersHere with up to Max TCP peers of the swarm
)

// A Delivery is what a frame asks this node's tracker to do.
type Delivery struct {
	Kind     DeliveryKind
	Hash     Hash
	From, To PeerID
	Role     swarm.Role // of From
	Offers   []SDP      // pointing into the frame
	Node     NodeID
	Max      int
}

// Receive reads a frame of another node and appends to dst what is to be done. An error says that
// the frame was ignored from some point on.
func (m *Mesh) Receive(now time.Time, frame []byte, dst []Delivery) ([]Delivery, error) {
	t := m.at(now)
	sender, generation, b, err := parseHeader(frame)
	if err != nil || sender == m.cfg.ID || !m.connected {
		return dst, err
	}
	if !m.heard(t, sender, generation) {
		return dst, nil
	}
	r := &m.in
	for len(b) > 0 {
		kind, body, rest, err := next(b)
		if err != nil {
			return dst, err
		}
		if err := r.parse(kind, body); err != nil {
			return dst, err
		}
		b = rest
		switch kind {
		case kindBeat:
			if r.flags&beatLeaving != 0 {
				m.remove(t, sender)
				return dst, nil
			}
			if r.flags&beatHello != 0 {
				m.beat(t, sender)
			}
		case kindReport:
			m.onReport(t, sender, generation, r.hash, r.n, r.flags)
		case kindOthers:
			m.onOthers(t, sender, r.hash, r.n, r.holdings)
		case kindOffers:
			if offers := m.accept(t, sender, r); len(offers) > 0 {
				dst = append(dst, Delivery{Kind: DeliverOffers, Hash: r.hash, From: r.from, Role: roleOf(r.flags), Offers: offers})
			}
		case kindAnswer:
			m.stats.AnswersIn++
			dst = append(dst, Delivery{Kind: DeliverAnswer, Hash: r.hash, From: r.from, To: r.to, Offers: []SDP{r.sdps[0]}})
		case kindAsk:
			dst = append(dst, Delivery{Kind: CollectPeers, Hash: r.hash, Node: sender, Max: r.max})
		case kindPeers:
			m.onPeers(t, sender, r.hash, r.peers)
		}
	}
	return dst, nil
}

// A fifo holds things that are due in the order they came in.
type fifo[T any] struct {
	items []timed[T]
	head  int
}

type timed[T any] struct {
	at   instant
	item T
}

func (f *fifo[T]) push(at instant, item T) { f.items = append(f.items, timed[T]{at, item}) }

func (f *fifo[T]) len() int { return len(f.items) - f.head }

// due returns when the first is due.
func (f *fifo[T]) due() instant {
	if f.head == len(f.items) {
		return never
	}
	return f.items[f.head].at
}

func (f *fifo[T]) pop() T {
	item := f.items[f.head].item
	f.items[f.head] = timed[T]{}
	f.head++
	switch {
	case f.head == len(f.items):
		f.items, f.head = f.items[:0], 0
		if cap(f.items) > 4096 {
			f.items = nil // a burst should not keep its memory
		}
	case f.head > 1024 && f.head > len(f.items)/2:
		f.items = append([]timed[T](nil), f.items[f.head:]...)
		f.head = 0
	}
	return item
}
