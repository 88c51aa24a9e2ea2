package dht

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// Config configures a [Machine]. Only Rand is required.
type Config struct {
	// Rand is the source of every random choice. Tokens and transaction IDs come
	// from it too, so outside of tests it must be unpredictable (ChaCha8).
	Rand *rand.Rand
	// NoIPv4 and NoIPv6 leave one of the two DHTs out.
	NoIPv4, NoIPv6 bool
	// ID is the node ID to begin with; zero draws one. Once other nodes agree on
	// our external address, an ID that BEP 42 does not allow there is replaced.
	ID ID
	// ReadOnly asks others not to contact us, and leaves queries unanswered
	// (BEP 43).
	ReadOnly bool
	// QueryRate bounds the queries answered a second; 0 = 200, with bursts of
	// twice as many. Queries beyond it are dropped.
	QueryRate int
	// HostQueryRate bounds the same for one host; 0 = 10.
	HostQueryRate int
	// SendRate bounds our own queries a second; 0 = 250. Lookups beyond it wait.
	SendRate int
	// MaxLookups bounds the lookups at work; 0 = 16. Others wait their turn.
	MaxLookups int
}

// Event is something that happened; see the types below.
type Event interface{ event() }

type (
	// PacketIn is a received datagram. Data is not kept.
	PacketIn struct {
		From netip.AddrPort
		Data []byte
	}
	// Bootstrap names well-known nodes: they are asked for others while few
	// nodes are known, but not kept in the routing table. It answers
	// Output.NeedBootstrap and may be empty.
	Bootstrap struct{ Addrs []netip.AddrPort }
	// AddNode names a node, such as the sender of a PORT message or one saved
	// from the last run. It enters the table once it replies.
	AddNode struct{ Addr netip.AddrPort }
	// GetPeers starts a search. Key is not zero and comes back in Found and
	// Done.
	GetPeers struct {
		Key      uint64
		InfoHash ID
	}
	// Cancel ends a search early; no Done follows.
	Cancel struct{ Key uint64 }
	// Announce announces a peer on Port now and every 15 minutes until
	// Withdraw. Repeated, it replaces port and flag, and announces again unless
	// that has just been done.
	Announce struct {
		InfoHash ID
		Port     uint16 // not zero
		Implied  bool   // others shall use the source port of our packets instead
	}
	// Withdraw ends an Announce; other nodes forget us in time.
	Withdraw struct{ InfoHash ID }
	// Tick only lets time pass.
	Tick struct{}
)

func (PacketIn) event()  {}
func (Bootstrap) event() {}
func (AddNode) event()   {}
func (GetPeers) event()  {}
func (Cancel) event()    {}
func (Announce) event()  {}
func (Withdraw) event()  {}
func (Tick) event()      {}

// Output is what to do after a step.
type Output struct {
	Packets []Packet // to be sent, in this order
	Found   []Found
	Done    []Done
	// NeedBootstrap asks for a Bootstrap event: no node is known, or none of
	// those known replies. It comes at intervals that grow to five minutes.
	NeedBootstrap bool
}

// Packet is a datagram to send.
type Packet struct {
	To   netip.AddrPort
	Data []byte
}

// Found tells of peers, each named once in a search. Key is zero when an
// announcement came across them.
type Found struct {
	Key      uint64
	InfoHash ID
	Peers    []netip.AddrPort
}

// Done tells that a search or one round of an announcement has ended.
type Done struct {
	Key      uint64
	InfoHash ID
	Nodes    int // that replied
	Stored   int // that confirmed the announcement
}

// Machine is a DHT node. Create it with [New].
type Machine struct {
	cfg  Config
	rand *rand.Rand
	fams [families]*side // nil = not taking part

	rpc     rpc
	sending meter // our queries
	pinging meter // of them, those that are no part of a lookup
	serving meter // queries answered
	hosts   *hostMeters
	tokens  *tokens
	store   *store

	active  []*lookup
	waiting []*job
	hungry  bool // some lookup waits for the meter

	announced map[ID]*announcement
	schedule  []*announcement // the same in order of creation
	announce  time.Time       // when the next one is due

	settled   bool // bootstrap nodes were named, or some node replied
	started   time.Time
	lostRow   int // queries lost since the last reply of anybody
	nextCare  time.Time
	recent    [64]netip.AddrPort // verified lately; a ring
	recentPos int

	count Counters
	buf   []byte // packets of this step
	out   Output
}

// side is one of the two DHTs of BEP 32.
type side struct {
	fam   family
	id    ID
	table *table
	hints []hint // where to begin when the table is empty
	seen  votes  // of what our address is

	selfRunning bool
	selfDone    bool // our neighbourhood was looked for
	selfNext    time.Time
	selfFails   int
	refreshing  bool
}

type hint struct {
	addr   netip.AddrPort
	router bool // never enters the table
}

const (
	maxHints   = 64
	maxWaiting = 1 << 16
)

// New returns a machine that knows nobody. Its first deadline is now.
func New(now time.Time, cfg Config) (*Machine, error) {
	if cfg.Rand == nil {
		return nil, errors.New("dht: Config.Rand is missing")
	}
	if cfg.NoIPv4 && cfg.NoIPv6 {
		return nil, errors.New("dht: both address families are switched off")
	}
	cfg.QueryRate = orDefault(cfg.QueryRate, 200)
	cfg.HostQueryRate = orDefault(cfg.HostQueryRate, 10)
	cfg.SendRate = orDefault(cfg.SendRate, 250)
	cfg.MaxLookups = orDefault(cfg.MaxLookups, 16)
	if cfg.ID.IsZero() {
		cfg.ID = randomID(cfg.Rand)
	}
	m := &Machine{
		cfg: cfg, rand: cfg.Rand,
		rpc:       rpc{pending: make(map[uint32]*query)},
		sending:   newMeter(cfg.SendRate, cfg.SendRate),
		pinging:   newMeter(8, 48),
		serving:   newMeter(cfg.QueryRate, 2*cfg.QueryRate),
		hosts:     newHostMeters(cfg.Rand, 2048, cfg.HostQueryRate, 4*cfg.HostQueryRate),
		tokens:    newTokens(now, cfg.Rand),
		store:     newStore(cfg.Rand),
		announced: make(map[ID]*announcement),
		started:   now, nextCare: now,
	}
	for f := range families {
		if f == ipv4 && cfg.NoIPv4 || f == ipv6 && cfg.NoIPv6 {
			continue
		}
		m.fams[f] = &side{fam: f, id: cfg.ID, table: newTable(cfg.ID, now), selfNext: now}
	}
	return m, nil
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// Step tells the machine what happened at now, which must not run backwards.
// The output is valid until the next call.
func (m *Machine) Step(now time.Time, ev Event) *Output {
	m.out.Packets, m.out.Found, m.out.Done = m.out.Packets[:0], m.out.Found[:0], m.out.Done[:0]
	m.out.NeedBootstrap = false
	m.buf = m.buf[:0]
	switch ev := ev.(type) {
	case PacketIn:
		m.receive(now, netaddr.Unmap(ev.From), ev.Data)
	case Bootstrap:
		m.bootstrap(now, ev.Addrs)
	case AddNode:
		m.addNode(now, netaddr.Unmap(ev.Addr))
	case GetPeers:
		m.enqueue(&job{key: ev.Key, hash: ev.InfoHash, at: now})
	case Cancel:
		m.cancel(ev.Key)
	case Announce:
		m.startAnnouncing(now, ev)
	case Withdraw:
		m.withdraw(ev.InfoHash)
	}
	m.expire(now)
	m.care(now)
	m.dueAnnouncements(now)
	m.admit(now)
	m.pump(now)
	return &m.out
}

// Deadline is when the machine wants its next Step at the latest.
func (m *Machine) Deadline() time.Time {
	d := m.nextCare
	if len(m.rpc.byTime) > 0 {
		d = earlier(d, m.rpc.byTime[0].due())
	}
	if !m.announce.IsZero() {
		d = earlier(d, m.announce)
	}
	if m.hungry {
		d = earlier(d, m.sending.next(m.sending.at))
	}
	return d
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
