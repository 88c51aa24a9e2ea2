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
	"net"
	"net/http"
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
	Swarms      int // swarms with at least one peer
	WebRTCPeers int // peers that announced by WebSocket, once for each swarm
	TCPPeers    int // peers that announced by HTTP or UDP, once for each swarm
	Seeders     int // of both kinds
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
	ids    connIDs
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

// New returns a Tracker that serves until Close.
func New(cfg Config) (*Tracker, error) { return nil, ErrClosed }

// ServeHTTP answers announces and scrapes, by HTTP or by an upgrade to WebSocket.
// The last part of the path decides: "scrape" is a scrape, "announce" or "" is an
// announce, anything else is not found.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// ServeUDP answers UDP announces and scrapes on pc until Close or a
// read error. It returns nil after Close.
func (t *Tracker) ServeUDP(pc net.PacketConn) error { return ErrClosed }

// Close ends all connections. It may be called any number of times.
func (t *Tracker) Close() error { return nil }

// Stats returns the counts of now.
func (t *Tracker) Stats() Stats { return Stats{} }

type connIDs struct{}
type wsDoor struct{}
type wsConn struct{}
