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
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
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

	// Limits bounds what one client, and all together, may use.
	Limits Limits

	// FullScrape answers a scrape without info hash with every swarm, as
	// long as there are at most 10,000. Off, such a scrape is refused.
	FullScrape bool
	// AllowClient, when set, decides whose WebSocket connections are taken; the text
	// of its error is the answer to the others. It is called by many goroutines.
	AllowClient func(c *Client) error
	// AllowAnnounce, when set, decides which announces are taken, by info hash and by
	// client; the text of its error becomes the failure reason. A scrape shows zeros for
	// what it refuses. It is called by many goroutines, and must not keep c.
	AllowAnnounce func(c *Client, infoHash [20]byte) error
	// TrustedProxies are the addresses whose X-Forwarded-For header is believed:
	// the client is the rightmost address of the header that is not one of them.
	TrustedProxies []netip.Prefix

	// Compression says which WebSocket messages may travel deflated.
	Compression Compression
	// PingInterval is how often a silent WebSocket connection is pinged; it is
	// closed after two and a half intervals of silence. 0 means 50 s.
	PingInterval time.Duration

	// Locality says which peers are near each other and preferred.
	Locality swarm.Locality
	// Locate tells where an address is: place.OfAddr, or the Locate of a place.DB. nil means
	// that nobody knows, and Locality has no effect.
	Locate func(netip.Addr) swarm.Place
	// Peering joins this tracker to others. nil means it is alone. Close closes it.
	Peering Peering
	// ICEServers, when set, returns the STUN and TURN servers for a client of Shoal, as a
	// JSON array of RTCIceServer objects; it goes into the reply to an announce that
	// asks for it. nil or an empty answer leaves them out.
	ICEServers func(c *Client) []byte

	// Fallback serves what comes to Serve and is neither an announce nor a scrape.
	// nil means not found.
	Fallback http.Handler

	// Seed makes the choice of peers repeatable, for tests. 0 takes a random seed.
	Seed uint64
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Compression is which way messages may be deflated (RFC 7692, no context takeover).
type Compression uint8

// The compressions.
const (
	CompressIn   Compression = iota // clients may send deflated messages
	CompressOff                     // none
	CompressBoth                    // and get messages of 1 KiB or more deflated
)

// A Rate allows Burst things at once and PerSecond of them in the long run. A zero Rate
// is no bound.
type Rate = limit.Rate

// Limits bounds what clients use. A client's address is counted as one IPv4 address or one
// IPv6 /64, its prefix as an IPv4 /24 or an IPv6 /48.
type Limits struct {
	// Offers bounds the offers that one announce relays. 0 means 10.
	Offers int
	// NumWant bounds the addresses in one reply. 0 means 200.
	NumWant int
	// Scrape bounds the info hashes of one scrape request; more are left out of the
	// reply. 0 means 70.
	Scrape int
	// Message bounds a WebSocket message, inflated, in bytes. 0 means 64 KiB.
	Message int
	// SDP bounds an offer or an answer, in bytes. 0 means 16 KiB.
	SDP int
	// Swarms and Peers bound what the tracker remembers. 0 means 1 million
	// swarms, 4 million peers.
	Swarms, Peers int
	// Buffers bounds the memory for messages that have begun and not ended, and for
	// replies that slow clients do not take, in bytes. 0 means 256 MiB.
	Buffers int

	// Conns bounds the open connections, ConnsPerAddr and ConnsPerPrefix those of
	// one address and one prefix. 0 means no bound.
	Conns, ConnsPerAddr, ConnsPerPrefix int
	// PeersPerConn bounds the (info hash, peer id) pairs that one connection
	// announces. 0 means 1,000.
	PeersPerConn int
	// AnnouncesPerConn bounds the announces of one WebSocket connection, and
	// OffersPerConn the offers. A client above it gets a failure reason, then is closed.
	AnnouncesPerConn, OffersPerConn Rate
	// AnnouncesPerAddr and AnnouncesPerPrefix bound the announces of all doors.
	AnnouncesPerAddr, AnnouncesPerPrefix Rate
	// ConnectsPerAddr bounds how fast one address opens connections.
	ConnectsPerAddr Rate
	// Exempt are the addresses that the limits per address and per prefix leave alone.
	Exempt []netip.Prefix
}

// Stats counts what a Tracker holds and has done.
type Stats struct {
	Swarms      int // swarms with a peer, or with a download counter that is still kept
	WebRTCPeers int // peers that announced by WebSocket, once for each swarm
	TCPPeers    int // peers that announced by HTTP or UDP, once for each swarm
	Seeders     int // of either kind
	Conns       int // open WebSocket connections

	Announces [numDoors]uint64 // announces taken, by Door
	Scrapes   [numDoors]uint64 // scrape requests answered, by Door
	Refused   [numDoors]uint64 // requests answered with a failure, by Door
	Offers    uint64           // offers relayed
	Answers   uint64           // answers relayed
	Unplaced  uint64           // offers for which no peer was found
	Dropped   uint64           // answers and relays thrown away: unknown peer, slow receiver
	Limited   uint64           // connections and announces above a limit
	Accepted  uint64           // connections taken
	Malformed uint64           // messages and packets that could not be read

	MessagesIn, MessagesOut uint64 // WebSocket messages
	BytesIn, BytesOut       uint64 // of WebSocket connections, as on the wire without TLS

	Countries map[string]int // open WebSocket connections by ISO 3166-1 code, where known
	Draining  bool           // Shutdown was called
}

// A Tracker is an http.Handler for WebSocket and HTTP requests; ServeUDP adds the
// third door. Its methods may be called by any goroutine.
type Tracker struct {
	cfg     Config
	shards  [numShards]shard
	ids     *connIDs
	limits  limits
	buffers buffers
	batches sync.Pool
	front   front
	loops   []*loop
	turn    atomic.Uint32 // whose turn it is to get a connection

	counters   []*counters // of the WebSocket door, one for each loop, then shared
	shared     *counters   // of those who are no loop
	open       atomic.Int64
	drainUntil atomic.Int64 // Unix nanoseconds, 0 = no Shutdown yet

	announces, scrapes, refused [numDoors]atomic.Uint64 // of HTTP and UDP

	placesMu  sync.Mutex
	countries map[[2]byte]int

	streamsMu sync.Mutex
	streams   map[*conn]struct{} // connections without a loop

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
	core *swarm.Core[*conn]
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
		t.shards[i].core = swarm.New[*conn](swarm.Config{
			MaxSwarms:  1 + cfg.Limits.Swarms/numShards,
			MaxPeers:   1 + cfg.Limits.Peers/numShards,
			TCPTimeout: 2*cfg.Interval + time.Minute,
			Locality:   cfg.Locality,
		}, rand.New(rand.NewPCG(cfg.Seed, uint64(i))), cfg.Now())
	}
	t.countries, t.streams = make(map[[2]byte]int), make(map[*conn]struct{})
	t.buffers.max = int64(cfg.Limits.Buffers)
	t.limits.init(&cfg.Limits)
	t.shared = t.newCounters()
	t.batches.New = func() any { return &batch{n: t.shared} }
	if err := t.startLoops(); err != nil {
		close(t.done)
		return nil, err
	}
	t.front.init(t)
	t.wg.Add(1)
	go t.janitor()
	if cfg.Peering != nil {
		cfg.Peering.Start(local{t})
	}
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
	l := &c.Limits
	def(&l.Offers, 10)
	def(&l.NumWant, 200)
	def(&l.Scrape, 70)
	def(&l.Message, 64<<10)
	def(&l.SDP, 16<<10)
	def(&l.PeersPerConn, 1000)
	def(&l.Swarms, 1<<20)
	def(&l.Peers, 4<<20)
	def(&l.Buffers, 256<<20)
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

func (t *Tracker) shard(h swarm.Hash) *shard { return &t.shards[h[0]%numShards] }

// homeOf is the loop where the connections of a swarm meet, or -1 if there are no loops.
func (t *Tracker) homeOf(h swarm.Hash) int8 {
	if len(t.loops) == 0 {
		return -1
	}
	return int8(int(h[0]%numShards) % len(t.loops))
}

func (t *Tracker) newCounters() *counters {
	n := new(counters)
	t.counters = append(t.counters, n)
	return n
}

func (t *Tracker) scrape(c *Client, h swarm.Hash) (s swarm.Scrape) {
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
	var changed []swarm.Hash
	var note func(swarm.Hash)
	if t.cfg.Peering != nil {
		note = func(h swarm.Hash) { changed = append(changed, h) }
	}
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
			changed = changed[:0]
			s.core.Expire(now, 1024+s.core.Totals().Swarms/8, note)
			s.mu.Unlock()
			t.tellChanged(s, changed)
		}
		t.sweepStreams(now)
	}
}

// tellChanged tells the peering of swarms that peers have left by their silence.
func (t *Tracker) tellChanged(s *shard, changed []swarm.Hash) {
	for _, h := range changed {
		s.mu.Lock()
		n := t.countsLocked(s, h)
		s.mu.Unlock()
		t.cfg.Peering.Changed(h, n)
	}
}

func (t *Tracker) sweepStreams(now time.Time) {
	t.streamsMu.Lock()
	all := slices.Collect(maps.Keys(t.streams))
	t.streamsMu.Unlock()
	if len(all) == 0 {
		return
	}
	b := t.newBatch()
	defer t.endBatch(b)
	_, draining := t.timeLeft(now)
	for _, c := range all {
		if draining {
			c.close(b, wsframe.CloseGone, reasonShutdown)
		}
		c.sweep(b)
	}
}

// arrived and departed count a connection.
func (t *Tracker) arrived(c *conn) {
	t.open.Add(1)
	t.shared.accepted.Add(1)
	t.countCountry(c.place.Country, 1)
}

func (t *Tracker) departed(c *conn) {
	t.open.Add(-1)
	t.countCountry(c.place.Country, -1)
}

func (t *Tracker) countCountry(code [2]byte, n int) {
	if code == ([2]byte{}) {
		return
	}
	t.placesMu.Lock()
	defer t.placesMu.Unlock()
	if t.countries[code] += n; t.countries[code] <= 0 {
		delete(t.countries, code)
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
	t.front.close()
	t.front.handOver.Close()
	t.closeStreams()
	t.pokeLoops()
	t.wg.Wait()
	if t.cfg.Peering != nil {
		return t.cfg.Peering.Close()
	}
	return nil
}

func (t *Tracker) closeStreams() {
	t.streamsMu.Lock()
	all := slices.Collect(maps.Keys(t.streams))
	t.streamsMu.Unlock()
	b := t.newBatch()
	for _, c := range all {
		c.close(b, wsframe.CloseGone, reasonShutdown)
	}
	t.endBatch(b)
	for _, c := range all {
		time.AfterFunc(closeTimeout/4, c.kill)
	}
}

// Stats returns the counts of now.
func (t *Tracker) Stats() Stats {
	st := Stats{Conns: int(t.open.Load()), Draining: t.drainUntil.Load() != 0, Countries: make(map[string]int)}
	for d := range numDoors {
		st.Announces[d], st.Scrapes[d], st.Refused[d] = t.announces[d].Load(), t.scrapes[d].Load(), t.refused[d].Load()
	}
	for _, n := range t.counters {
		st.Announces[WebSocket] += n.announces.Load()
		st.Scrapes[WebSocket] += n.scrapes.Load()
		st.Refused[WebSocket] += n.refused.Load()
		st.Offers += n.offers.Load()
		st.Answers += n.answers.Load()
		st.Unplaced += n.unplaced.Load()
		st.Dropped += n.dropped.Load()
		st.Limited += n.limited.Load()
		st.Malformed += n.malformed.Load()
		st.Accepted += n.accepted.Load()
		st.MessagesIn += n.messagesIn.Load()
		st.MessagesOut += n.messagesOut.Load()
		st.BytesIn += n.bytesIn.Load()
		st.BytesOut += n.bytesOut.Load()
	}
	t.placesMu.Lock()
	for code, n := range t.countries {
		st.Countries[string(code[:])] = n
	}
	t.placesMu.Unlock()
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
