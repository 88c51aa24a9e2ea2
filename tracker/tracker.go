// Package tracker introduces the peers of a swarm to each other.
//
// One swarm core (package swarm) stands behind three doors: WebSocket for
// browsers, which exchange WebRTC offers and answers through it, and HTTP (BEP 3,
// 7, 23, 24, 48) and UDP (BEP 15, 41) for clients that listen on TCP. The counts
// of seeders and leechers are common to all doors; peers are only given to
// peers that can reach them.
package tracker

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/tracker/swarm"
)

// Config says how a Tracker behaves. The zero value is usable.
type Config struct {
	// Interval is how often HTTP and UDP peers are asked to announce; they are
	// forgotten after two intervals of silence plus a minute. 0 means 15 minutes.
	Interval time.Duration
	// MinInterval is the least time between two announces of an HTTP peer. 0
	// means one minute.
	MinInterval time.Duration
	// WSInterval is how often WebSocket peers are asked to announce; they are
	// forgotten when their connection ends. 0 means 2 minutes.
	WSInterval time.Duration

	// MaxOffers bounds the offers that one announce relays. 0 means 10.
	MaxOffers int
	// MaxNumWant bounds the addresses in one reply. 0 means 200.
	MaxNumWant int
	// MaxScrape bounds the info hashes of one scrape request; more are left out
	// of the reply. 0 means 70.
	MaxScrape int
	// MaxMessage bounds a WebSocket message, in bytes. 0 means 128 KiB.
	MaxMessage int
	// MaxConns bounds the open WebSocket connections. 0 means no bound.
	MaxConns int
	// MaxConnsPerIP bounds the open WebSocket connections from one IPv4 address or
	// one IPv6 /64, loopback excepted. 0 means no bound.
	MaxConnsPerIP int
	// MaxPeersPerConn bounds the (info hash, peer id) pairs that one connection
	// announces. 0 means 20,000.
	MaxPeersPerConn int
	// MaxSwarms and MaxPeers bound what the tracker remembers. 0 means 1 million
	// swarms, 4 million peers.
	MaxSwarms, MaxPeers int

	// FullScrape answers a scrape without info hash with every swarm, as
	// long as there are at most 10,000. Off, such a scrape is refused.
	FullScrape bool
	// Allow, when set, decides which swarms exist here: a false answer refuses the
	// announce. It is called by many goroutines.
	Allow func(infoHash [20]byte) bool
	// AllowOrigin, when set, decides from which web origins WebSocket connections
	// are taken. It is given "" when the client sent none.
	AllowOrigin func(origin string) bool
	// TrustedProxies are the addresses whose X-Forwarded-For header is believed:
	// the client is the rightmost address of the header that is not one of them.
	TrustedProxies []netip.Prefix

	// PingInterval is how often a silent WebSocket connection is pinged; it is
	// closed after two and a half intervals of silence. 0 means 50 s.
	PingInterval time.Duration

	// Seed makes the choice of peers repeatable, for tests. 0 takes a random seed.
	Seed uint64
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Stats counts what a Tracker holds and has done.
type Stats struct {
	Swarms      int // swarms with a peer, or with a download counter that is still kept
	WebRTCPeers int // peers that announced by WebSocket, once for each swarm
	TCPPeers    int // peers that announced by HTTP or UDP, once for each swarm
	Seeders     int // of either kind
	Conns       int // open WebSocket connections

	Announces uint64 // announces taken, all doors
	Scrapes   uint64 // scrape requests answered, all doors
	Offers    uint64 // offers relayed
	Answers   uint64 // answers relayed
	Refused   uint64 // requests answered with a failure
	Dropped   uint64 // answers and relays thrown away: unknown peer, slow receiver
}

// A Tracker is an http.Handler for WebSocket and HTTP requests; ServeUDP adds the
// third door. Its methods may be called by any goroutine.
type Tracker struct {
	cfg    Config
	shards [numShards]shard
	ids    *connIDs
	ws     wsDoor

	announces, scrapes, offers, answers, refused, dropped atomic.Uint64

	mu      sync.Mutex
	closed  bool
	packets map[net.PacketConn]struct{}

	done chan struct{}
	wg   sync.WaitGroup
}

// numShards divides the swarms by the first byte of their info hash, so that
// requests for different swarms seldom wait for each other.
const numShards = 16

type shard struct {
	mu   sync.Mutex
	core *swarm.Core[*wsConn]
}

// ErrClosed reports a call on a Tracker after Close.
var ErrClosed = errors.New("tracker: closed")

// New returns a Tracker that serves until Close. It fails if the Config makes no
// sense or the system has no randomness.
func New(cfg Config) (*Tracker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ids, err := newConnIDs()
	if err != nil {
		return nil, err
	}
	t := &Tracker{cfg: cfg, ids: ids, packets: make(map[net.PacketConn]struct{}), done: make(chan struct{})}
	for i := range t.shards {
		t.shards[i].core = swarm.New[*wsConn](swarm.Config{
			MaxSwarms:  1 + cfg.MaxSwarms/numShards,
			MaxPeers:   1 + cfg.MaxPeers/numShards,
			TCPTimeout: 2*cfg.Interval + time.Minute,
		}, rand.New(rand.NewPCG(cfg.Seed, uint64(i))), cfg.Now())
	}
	t.ws.init(t)
	t.wg.Add(1)
	go t.janitor()
	return t, nil
}

func (c Config) withDefaults() (Config, error) {
	if c.Interval < 0 || c.MinInterval < 0 || c.WSInterval < 0 || c.PingInterval < 0 {
		return c, errors.New("tracker: an interval is negative")
	}
	def(&c.Interval, 15*time.Minute)
	def(&c.MinInterval, min(time.Minute, c.Interval))
	def(&c.WSInterval, 2*time.Minute)
	def(&c.PingInterval, 50*time.Second)
	def(&c.MaxOffers, 10)
	def(&c.MaxNumWant, 200)
	def(&c.MaxScrape, 70)
	def(&c.MaxMessage, 128<<10)
	def(&c.MaxPeersPerConn, 20_000)
	def(&c.MaxSwarms, 1<<20)
	def(&c.MaxPeers, 4<<20)
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func def[T int | time.Duration](p *T, v T) {
	if *p <= 0 {
		*p = v
	}
}

// with locks the part of the swarms that holds h and gives it to f.
func (t *Tracker) with(h swarm.Hash, f func(core *swarm.Core[*wsConn])) {
	s := &t.shards[h[0]%numShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.core)
}

// allowed asks the operator whether a swarm may exist here.
func (t *Tracker) allowed(h swarm.Hash) bool { return t.cfg.Allow == nil || t.cfg.Allow(h) }

func (t *Tracker) scrape(h swarm.Hash) (s swarm.Scrape) {
	if t.allowed(h) {
		t.with(h, func(core *swarm.Core[*wsConn]) { s = core.Scrape(h) })
	}
	return s
}

// maxFullScrape bounds the answer to a scrape without info hash.
const maxFullScrape = 10_000

var errFullScrape = errors.New("name the info hashes to scrape")

// allHashes returns the hashes for a full scrape, if that is allowed.
func (t *Tracker) allHashes() ([]swarm.Hash, error) {
	if !t.cfg.FullScrape {
		return nil, errFullScrape
	}
	var all []swarm.Hash
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		all = s.core.Hashes(all, maxFullScrape-len(all))
		s.mu.Unlock()
	}
	return all, nil
}

// janitor forgets what is over: peers that fell silent, connections that died.
func (t *Tracker) janitor() {
	defer t.wg.Done()
	tick := time.NewTicker(max(t.cfg.PingInterval/5, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
		}
		now := t.cfg.Now()
		for i := range t.shards {
			s := &t.shards[i]
			s.mu.Lock()
			// A part at each tick, so that nobody waits long for the lock.
			s.core.Expire(now, 1024+s.core.Totals().Swarms/8)
			s.mu.Unlock()
		}
		t.ws.sweep(now)
	}
}

// Close ends all connections, those given to ServeUDP too. It may be
// called any number of times.
func (t *Tracker) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	close(t.done)
	for pc := range t.packets {
		pc.Close()
	}
	t.mu.Unlock()
	t.ws.close()
	t.wg.Wait()
	return nil
}

// Stats returns the counts of now.
func (t *Tracker) Stats() Stats {
	st := Stats{
		Conns:     t.ws.len(),
		Announces: t.announces.Load(), Scrapes: t.scrapes.Load(),
		Offers: t.offers.Load(), Answers: t.answers.Load(),
		Refused: t.refused.Load(), Dropped: t.dropped.Load(),
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n := s.core.Totals()
		s.mu.Unlock()
		st.Swarms += n.Swarms
		st.WebRTCPeers += n.RTCPeers
		st.TCPPeers += n.TCPPeers
		st.Seeders += n.Seeders
	}
	return st
}
