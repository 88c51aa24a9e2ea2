package trackerclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/internal/heap"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A Sink takes what a Client finds. Its methods are called by many goroutines and
// must not block.
type Sink interface {
	// PeersFound gives addresses that listen on TCP. source is the tracker's URL.
	PeersFound(key metainfo.Hash, addrs []netip.AddrPort, source string)
	// ConnReady gives a WebRTC stream that has opened; the receiver owns it.
	// outgoing says that we made the offer.
	ConnReady(key metainfo.Hash, c transport.Conn, outgoing bool)
	// TrackerStatus reports the outcome of an announce.
	TrackerStatus(key metainfo.Hash, url string, st Status)
}

// Status is what is known of one torrent at one tracker.
type Status struct {
	Seeders, Leechers int           // as the tracker says, this peer included; -1 = unknown
	Err               error         // why the last announce failed; nil when it succeeded
	Warning           string        // what the tracker wants its user to read
	NextAnnounce      time.Time     // zero when none is planned
	Interval          time.Duration // asked for by the tracker, clamped
}

// Stats is what an announce reports, in bytes.
type Stats struct {
	Uploaded, Downloaded int64
	Left                 int64 // -1 = unknown
}

// An Announcement is one swarm to announce.
type Announcement struct {
	Key    metainfo.Hash
	PeerID [20]byte
	// Port is the TCP port of this peer. 0 means that it takes no TCP connections;
	// HTTP and UDP trackers, which know no word for that, are told port 1.
	Port int
	// Trackers are announce URLs by tiers. Schemes other than ws, wss and, natively,
	// http, https and udp are reported to the Sink as ErrUnsupported.
	Trackers [][]string
	// Named are those of Trackers that the user gave. They may be anywhere; the others, which
	// came with a torrent or a link, may be on this machine or in a private network only if
	// their addresses can be nothing but a tracker's.
	Named []string
	// Stats is asked before each announce. It must not block. nil means unknown.
	Stats func() Stats
	// WantPeers says how many more WebRTC peers are wanted now; 0 makes no
	// offers. It must not block. nil means 0. Offers of others are answered regardless.
	WantPeers func() int
	// Peers says how many peers of the swarm are met already: no offers are made for them. It
	// must not block. nil means none.
	Peers func() int
	// Seed says that it is complete from the start: others look for it.
	Seed bool
}

func (a *Announcement) isNamed(url string) bool { return slices.Contains(a.Named, url) }

// A Meeter is a Sink that knows connections which carry several swarms.
type Meeter interface {
	// Met reports whether a peer, who offers a connection for a swarm, is met in that
	// swarm on a connection that there is; if so, its offer is not answered.
	Met(ctx context.Context, key metainfo.Hash, peer [20]byte) bool
}

// Config says how a Client behaves. Sink is required; the zero value of
// everything else is usable.
type Config struct {
	Sink Sink
	// WebRTC makes connections. nil means that WebSocket trackers are not used.
	WebRTC *webrtc.Host
	// NoHandedServers uses no STUN and TURN servers but those of WebRTC's own
	// configuration. Off, WebSocket trackers are asked for theirs.
	NoHandedServers bool
	// SupportCrypto and RequireCrypto tell HTTP trackers that this peer takes, or takes
	// nothing but, streams that are encrypted.
	SupportCrypto, RequireCrypto bool
	// UserAgent is sent to HTTP and WebSocket trackers. "" means "Shoal".
	UserAgent string
	// MaxOffers bounds the offers in one announce. 0 means 5.
	MaxOffers int
	// MaxAnswers bounds the offers of others that one torrent is answering at a
	// time. 0 means 16 natively, 5 in a browser.
	MaxAnswers int
	// OfferAge is how long an offer waits for an answer. Until shortly before it goes out
	// with each announce. 0 means 50 s natively, 10 minutes in a browser, where offers cost
	// more.
	OfferAge time.Duration
	// MaxInterval bounds the interval that a tracker may ask for. 0 means 1 hour.
	MaxInterval time.Duration
	// MaxRetry bounds the wait after a failure of a WebSocket tracker, give or take a
	// quarter. 0 means 1 hour natively, 24 s in a browser.
	MaxRetry time.Duration
	// Timeout bounds an HTTP announce, and the opening of a WebSocket. 0 means 20 s.
	Timeout time.Duration
	// Seed makes the order of trackers, the jitter and the offer ids repeatable, for
	// tests. 0 takes a random seed.
	Seed uint64

	rtc        rtcHost       // replaces WebRTC in tests
	retryMin   time.Duration // first wait after a failure, 5 s; shorter in tests
	frugal     bool          // as in a browser
	relayHurry time.Duration // see offerAnew, 2 s; shorter in tests
	proof      time.Duration // how long a woken tracker may take to answer, 10 s; shorter in tests
}

// Errors that a Status may carry, besides *Refusal and errors of the network.
var (
	// ErrUnsupported reports a tracker URL that cannot be used here.
	ErrUnsupported = errors.New("tracker: this kind of address is not supported here")
	// ErrNoReply reports a tracker that did not answer in time.
	ErrNoReply = errors.New("tracker: no reply in time")
	// ErrTooLarge reports a reply beyond all reason.
	ErrTooLarge = errors.New("tracker: reply is too large")
	// ErrClosed reports a connection that was closed on purpose.
	ErrClosed = errors.New("tracker: closed")
)

// A Refusal is a failure that the tracker reported.
type Refusal struct {
	Reason string
	// RetryIn is when it wants to be asked again; 0 = not said, negative = never.
	RetryIn time.Duration
}

func (e *Refusal) Error() string { return "tracker: refused: " + e.Reason }

func refusal(reason string, retryIn time.Duration) *Refusal {
	return &Refusal{Reason: printable(reason), RetryIn: retryIn}
}

// printable takes from a tracker's text what could do harm in a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// A Client announces torrents. Its methods may be called by any goroutine.
type Client struct {
	cfg Config
	rtc rtcHost
	key uint32 // tells trackers that it is still us when our address changes
	ctx context.Context
	end context.CancelFunc
	tcp tcpAnnouncer
	wg  sync.WaitGroup // of the loop and of announces by HTTP and UDP

	// Owned by the loop.
	due  heap.Heap[*torrent]
	line line
	rng  *rand.Rand
	// An offer has been made before somebody was there.
	prepared bool
	turned   time.Time // when a torrent last had its turn, see turn

	mailMu sync.Mutex
	mail   []letter
	closed bool // nothing is delivered any more
	wake   chan struct{}

	mu      sync.Mutex
	seeds   *rand.Rand // of the sources of sockets and exchanges
	sockets map[socketKey]*socket
	relay   bool // one of them has handed out a TURN server
}

// New returns a Client that announces nothing yet.
func New(cfg Config) *Client {
	c := newClient(cfg)
	c.wg.Add(1)
	go c.run()
	return c
}

// newClient returns a Client without its loop.
func newClient(cfg Config) *Client {
	def(&cfg.MaxOffers, 5)
	def(&cfg.MaxAnswers, defaultMaxAnswers)
	def(&cfg.OfferAge, defaultOfferAge)
	def(&cfg.MaxInterval, time.Hour)
	def(&cfg.MaxRetry, defaultMaxRetry)
	def(&cfg.Timeout, 20*time.Second)
	def(&cfg.retryMin, 5*time.Second)
	def(&cfg.relayHurry, 2*time.Second)
	def(&cfg.proof, 10*time.Second)
	cfg.frugal = cfg.frugal || frugal
	if cfg.UserAgent == "" {
		cfg.UserAgent = "Shoal"
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	c := &Client{
		cfg: cfg, rtc: cfg.rtc, seeds: rand.New(rand.NewPCG(cfg.Seed, 0)), sockets: make(map[socketKey]*socket),
		wake: make(chan struct{}, 1),
	}
	if c.rtc == nil && cfg.WebRTC != nil {
		c.rtc = hostAdapter{cfg.WebRTC}
	}
	c.key = c.seeds.Uint32()
	c.rng = c.source()
	c.ctx, c.end = context.WithCancel(context.Background())
	c.tcp.init(c)
	return c
}

func def[T int | time.Duration](p *T, v T) {
	if *p <= 0 {
		*p = v
	}
}

// source returns a source of randomness for one goroutine.
func (c *Client) source() *rand.Rand {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rand.New(rand.NewPCG(c.seeds.Uint64(), c.seeds.Uint64()))
}

// Start announces a swarm until the Handle is stopped.
func (c *Client) Start(a Announcement) *Handle {
	t := newTorrent(c, a)
	if !t.post((*torrent).begin) {
		close(t.done)
	}
	return &Handle{t}
}

// Wake says that the network may have come back or changed: WebSocket trackers that
// were given up for a while are tried again at once, and those that are connected are
// asked, to see that they still are.
func (c *Client) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		s.wakeUp()
	}
}

// Renew says that offers made from now on are better than those that wait: the network is
// another, or other servers are known.
func (c *Client) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		s.mu.Lock()
		s.each(func(u socketUser) { u.t.post((*torrent).offerAnew) })
		s.mu.Unlock()
	}
}

// Close stops every announcement at once, without telling the trackers. It may be
// called any number of times.
func (c *Client) Close() error {
	c.end()
	c.wg.Wait()
	c.tcp.close()
	return nil
}

// A Handle is a running announcement. Its methods may be called by any goroutine.
type Handle struct{ t *torrent }

// Completed tells the trackers, once, that the download has finished here. Do not
// call it for a torrent that was complete when it was started.
func (h *Handle) Completed() { h.t.post((*torrent).complete) }

// Update asks for an announce as soon as the trackers allow one: call it when
// more peers are wanted.
func (h *Handle) Update() { h.t.post((*torrent).update) }

// Lost says that a peer was lost, which may be there again by another connection: it asks for
// an announce at once, unless it has done so just now. Then it is Update.
func (h *Handle) Lost() { h.t.post((*torrent).lost) }

// Add announces to further WebSocket trackers too. Those that there are already are
// left out; addresses of other kinds are reported to the Sink as ErrUnsupported.
func (h *Handle) Add(urls []string) {
	h.t.post(func(t *torrent, _ time.Time) {
		var ws []string
		for _, url := range urls {
			switch scheme(url) {
			case "ws", "wss":
				ws = append(ws, url)
			default:
				t.unsupported(url)
			}
		}
		if len(ws) > 0 && !t.stopping {
			t.startWS(ws)
		}
	})
}

// Stop ends the announcement: it tells the trackers that were told of the start,
// waits for them until ctx is done, but not longer than 10 s, and
// gives up the connections that are not open yet.
func (h *Handle) Stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	h.t.post(func(t *torrent, now time.Time) { t.stop(ctx) })
	select {
	case <-h.t.stopped:
	case <-h.t.done: // the Client was closed
	case <-ctx.Done():
	}
	h.t.post(func(t *torrent, now time.Time) { t.abandon() })
	<-h.t.done
}

// rtcHost and rtcPending are what is needed of a *webrtc.Host.
type rtcHost interface {
	SetServers(servers []string)
	Offer(ctx context.Context) (rtcPending, error)
	Answer(ctx context.Context, offerSDP string) (rtcPending, error)
}

type rtcPending interface {
	SDP() string
	Accept(answerSDP string) error
	Conn(ctx context.Context) (transport.Conn, error)
	Close()
}

type hostAdapter struct{ h *webrtc.Host }

func (a hostAdapter) SetServers(servers []string) { a.h.SetServers(servers) }

func (a hostAdapter) Offer(ctx context.Context) (rtcPending, error) {
	p, err := a.h.Offer(ctx)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (a hostAdapter) Answer(ctx context.Context, sdp string) (rtcPending, error) {
	p, err := a.h.Answer(ctx, sdp)
	if err != nil {
		return nil, err
	}
	return p, nil
}
