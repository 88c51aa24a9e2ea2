// Package core is what all doors of a tracker lead to: the swarms, and the peers that came by
// WebSocket.
//
// The swarms (package swarm) stand in shards, each under its lock. Announces of HTTP and UDP
// come by AnnounceTCP. A WebSocket connection is a Session: it announces, and carries offers
// and answers between peers. What other nodes of a cluster know comes by a Peering.
package core

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm/ledger"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// Config says how a Core behaves. Numbers and times must be set; functions may be nil.
// The fields are those of tracker.Config and tracker.Limits, where they are explained.
type Config struct {
	Interval, MinInterval, WSInterval, PingInterval time.Duration

	Offers, NumWant, Scrape, Message, SDP, Swarms, Peers, PeersPerConn int
	PeersPerAddr, Unanswered, OffersPerPeer, AnnouncesPerSecond        int
	AnnouncesPerConn, OffersPerConn                                    limit.Rate

	FullScrape    bool
	TrustedOnly   bool
	DeflateOut    bool
	AllowAnnounce func(c *Client, infoHash [20]byte) error
	Locality      swarm.Locality
	Locate        func(netip.Addr) swarm.Place
	Hook          *hook.Hook
	Peering       Peering
	Memory        swarm.Memory
	ICEServers    func(c *Client) []byte
	Seed          uint64
	Now           func() time.Time

	Buffers  *wsconn.Buffers
	Clients  *limit.Clients
	Counters *stats.Set
}

// A Client is what is known of somebody who connects or announces.
type Client struct {
	Door   stats.Door
	Addr   netip.Addr // the client's, behind trusted proxies
	Origin string     // the web origin of a page, WebSocket only; "" if none was sent
	// Query is what the client's announce URL says after "?"; on UDP it comes by
	// BEP 41. In HTTP announces the announce's own parameters are among it.
	Query string
	// PeerID is that of the announce; zeros for a connection and a scrape.
	PeerID swarm.PeerID

	// What the operator says of the client, when asked whether it is taken:

	// Trust says whom its peers may meet. Over a WebSocket it holds until it is set anew.
	Trust swarm.Trust
	// Until is when a WebSocket is ended; zero means never.
	Until time.Time
}

// A Core holds the swarms of a tracker. It may be used by many goroutines.
type Core struct {
	cfg    Config
	shards []shard
	key    uint64         // of shardOf
	ledger *ledger.Ledger // of all shards
	conns  *wsconn.Server
	shared *stats.Counters

	announces, offers limit.Pace // of one connection

	pacing

	placesMu  sync.Mutex
	countries map[[2]byte]int

	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// New returns a Core, which works until Close.
func New(cfg Config) (*Core, error) {
	t := &Core{
		cfg: cfg, shared: cfg.Counters.Shared(), announces: cfg.AnnouncesPerConn.Pace(), offers: cfg.OffersPerConn.Pace(),
		countries: make(map[[2]byte]int), done: make(chan struct{}),
		shards: make([]shard, numShards(runtime.GOMAXPROCS(0))),
	}
	t.pace(cfg.WSInterval, cfg.Interval, cfg.AnnouncesPerSecond)
	rng := rand.New(rand.NewPCG(cfg.Seed, 1<<63))
	t.key = rng.Uint64()
	t.ledger = ledger.New(ledger.Config{Swarms: cfg.Swarms, Peers: cfg.Peers, PeersPerAddr: cfg.PeersPerAddr, Exempt: cfg.Clients.Exempt}, rng)
	for i := range t.shards {
		t.shards[i].number = i
		t.shards[i].core = swarm.New[*Session](swarm.Config{
			Ledger:        t.ledger,
			TCPTimeout:    tcpTimeout(cfg.Interval),
			Locality:      cfg.Locality,
			MaxUnanswered: cfg.Unanswered, MaxOffers: cfg.OffersPerPeer,
			Memory: cfg.Memory,
		}, rand.New(rand.NewPCG(cfg.Seed, uint64(i))), cfg.Now())
	}
	var err error
	t.conns, err = wsconn.New(wsconn.Config{
		MaxMessage: cfg.Message, DeflateOut: cfg.DeflateOut, PingInterval: cfg.PingInterval, Buffers: cfg.Buffers,
		Counters: cfg.Counters, Work: func() any { return new(work) }, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	t.wg.Go(t.expire)
	if cfg.Peering != nil {
		cfg.Peering.Start(local{t})
	}
	return t, nil
}

// Conns returns the server of the WebSocket connections.
func (t *Core) Conns() *wsconn.Server { return t.conns }

// Close ends all connections and, when there is one, the Peering. It may be called any number
// of times.
func (t *Core) Close() (err error) {
	t.once.Do(func() {
		close(t.done)
		t.conns.Close()
		t.wg.Wait()
		if t.cfg.Peering != nil {
			err = t.cfg.Peering.Close()
		}
	})
	return err
}

// admit asks the operator whether an announce is taken.
func (t *Core) admit(c *Client, h swarm.Hash) error {
	if f := t.cfg.AllowAnnounce; f != nil {
		return f(c, h)
	}
	return nil
}

// Admit asks the operator whether an announce of a client is taken. The text of the error is for
// the client; a refusal is counted in n.
func (t *Core) Admit(n *stats.Counters, c *Client, h swarm.Hash) error {
	err := t.admit(c, h)
	if err != nil {
		n.Refuse(c.Door, limit.AnnounceDenied, c.Addr)
	}
	return err
}

// place tells where a client is.
func (t *Core) place(ip netip.Addr) swarm.Place {
	if t.cfg.Locate == nil {
		return swarm.Place{}
	}
	return t.cfg.Locate(ip)
}

// Scrape returns the counts of a swarm, zeros if the operator refuses it to the client.
func (t *Core) Scrape(c *Client, h swarm.Hash) (s swarm.Scrape) {
	c.PeerID = swarm.PeerID{}
	if t.admit(c, h) == nil {
		sh := t.shard(h)
		sh.mu.Lock()
		s = sh.core.Scrape(h)
		sh.mu.Unlock()
	}
	return s
}

// maxFullScrape bounds the answer to a scrape without info hash.
const maxFullScrape = 10_000

// Hashes returns the hashes for a scrape of everything, and false if that is not allowed.
func (t *Core) Hashes() ([]swarm.Hash, bool) {
	if !t.cfg.FullScrape {
		return nil, false
	}
	var all []swarm.Hash
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		all = s.core.Hashes(all, maxFullScrape-len(all))
		s.mu.Unlock()
	}
	return all, true
}

// reasonOf names an error of a swarm.
func reasonOf(err error) limit.Reason {
	switch {
	case errors.Is(err, swarm.ErrTaken):
		return limit.PeerIDTaken
	case errors.Is(err, swarm.ErrFull):
		return limit.Full
	case errors.Is(err, swarm.ErrQuota):
		return limit.PeersPerAddr
	case errors.Is(err, swarm.ErrTooMany):
		return limit.PeersPerConn
	case errors.Is(err, swarm.ErrTooManyIDs):
		return limit.PeerIDs
	}
	return limit.Malformed
}

// expire forgets peers that fell silent.
func (t *Core) expire() {
	tick := time.NewTicker(max(t.cfg.PingInterval/5, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
			t.Expire(1024)
			t.measure()
		}
	}
}

// Expire forgets peers that fell silent, in an eighth and least more of the swarms of each shard:
// a part at a time, so that nobody waits long for the lock. The Core calls it by itself.
func (t *Core) Expire(least int) {
	var changed []swarm.Hash
	var note func(swarm.Hash)
	if t.cfg.Peering != nil {
		note = func(h swarm.Hash) { changed = append(changed, h) }
	}
	now := t.cfg.Now()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		changed = changed[:0]
		s.core.Expire(now, least+s.core.Totals().Swarms/8, note)
		s.mu.Unlock()
		// The peering hears of swarms that peers have left by their silence.
		for _, h := range changed {
			s.mu.Lock()
			n := t.countsLocked(s, h)
			s.mu.Unlock()
			t.cfg.Peering.Changed(h, n)
		}
	}
}

// Totals returns what all swarms hold.
func (t *Core) Totals() (sum swarm.Totals) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n := s.core.Totals()
		s.mu.Unlock()
		sum.Swarms += n.Swarms
		sum.RTCPeers += n.RTCPeers
		sum.TCPPeers += n.TCPPeers
		sum.Seeders += n.Seeders
	}
	return sum
}

// Countries returns the open WebSocket connections by ISO 3166-1 code, where known.
func (t *Core) Countries() map[string]int {
	t.placesMu.Lock()
	defer t.placesMu.Unlock()
	out := make(map[string]int, len(t.countries))
	for code, n := range t.countries {
		out[string(code[:])] = n
	}
	return out
}

func (t *Core) countCountry(code [2]byte, n int) {
	if code == ([2]byte{}) {
		return
	}
	t.placesMu.Lock()
	defer t.placesMu.Unlock()
	if t.countries[code] += n; t.countries[code] <= 0 {
		delete(t.countries, code)
	}
}
