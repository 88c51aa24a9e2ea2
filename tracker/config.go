package tracker

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/front"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// Config says how a Tracker behaves. The zero value is usable.
type Config struct {
	// Interval is how often HTTP and UDP peers are asked to announce, a tenth more or less by
	// chance, so that peers that came together drift apart, and up to half as long again under
	// load; they are forgotten after 2.2 intervals of silence plus a minute. 0 means 15 minutes.
	Interval time.Duration
	// MinInterval is the least time between two announces of an HTTP peer. 0
	// means one minute. It counts as Interval where it is longer.
	MinInterval time.Duration
	// WSInterval is how often WebSocket peers are asked to announce, likewise; they are
	// forgotten when their connection ends. 0 means 2 minutes.
	WSInterval time.Duration

	// Limits bounds what one client, and all together, may use.
	Limits Limits

	// FullScrape answers a scrape without info hash with every swarm, as
	// long as there are at most 10,000. Off, such a scrape is refused.
	FullScrape bool
	// AllowClient, when set, decides whose WebSocket connections are taken; the text
	// of its error is the answer to the others. It may set c.Trust, and c.Until, when the
	// connection is to end. It is called by many goroutines.
	AllowClient func(c *Client) error
	// AllowAnnounce, when set, decides which announces are taken, by info hash and by
	// client; the text of its error becomes the failure reason. A scrape shows zeros for
	// what it refuses. It may set c.Trust. It is called by many goroutines, and must not keep c.
	AllowAnnounce func(c *Client, infoHash [20]byte) error
	// TrustedOnly introduces two peers only if AllowClient or AllowAnnounce has set the Trust of one of
	// them to Trusted. The others meet none of their own kind. All nodes of a cluster should agree.
	TrustedOnly bool
	// Hook, when set, asks a web service about each announce that AllowAnnounce takes, except those that stop.
	// A peer that it denies gets the reason, and leaves the swarm if it was in it. Close closes it.
	Hook *Hook
	// TrustedProxies are the addresses whose ProxyHeader is believed: the client is the rightmost
	// address of the header that is not one of them. Who comes by a Unix socket is trusted, too.
	TrustedProxies []netip.Prefix
	// ProxyHeader says which header that is. Only one that the proxies set themselves must be
	// believed: what they pass on is the client's own word.
	ProxyHeader ProxyHeader
	// ProxyProtocol says that connections which Serve and ServeTLS take from TrustedProxies begin with a
	// header of the PROXY protocol, version 1 or 2; those that do not are closed.
	ProxyProtocol bool

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
	// Memory keeps download counters over restarts. nil means that they are forgotten an hour
	// after the last peer of a swarm. It is called by many goroutines, and must not block.
	Memory Memory
	// ICEServers, when set, returns the STUN and TURN servers for a client of Shoal, as a
	// JSON array of RTCIceServer objects; it goes into the reply to an announce that
	// asks for it. nil or an empty answer leaves them out.
	ICEServers func(c *Client) []byte

	// Logger, when set, gets a line about what is limited or refused, once a minute for each address
	// and Reason: "limited", with the attributes client, reason and count. A client that may be
	// forged is left out, and with LogAddresses unset every client.
	Logger       *slog.Logger
	LogAddresses bool
	// OnLimit, when set, is told of everything that is limited, dropped or refused, by Reason
	// and by the address that it is from: for logs. It is called by many goroutines, in
	// the middle of their work, and must not block.
	OnLimit func(r Reason, addr netip.Addr)

	// Fallback serves what comes to Serve and is neither an announce nor a scrape.
	// nil means not found.
	Fallback http.Handler

	// Seed makes the choice of peers repeatable, for tests. 0 takes a random seed.
	Seed uint64
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// A ProxyHeader is a header by which proxies name their client.
type ProxyHeader = front.ProxyHeader

// The headers of proxies.
const (
	AnyHeader     = front.AnyHeader     // the first of these that a request has
	XForwardedFor = front.XForwardedFor // X-Forwarded-For
	XRealIP       = front.XRealIP       // X-Real-IP
	Forwarded     = front.Forwarded     // Forwarded (RFC 7239)
)

// Compression is which way messages may be deflated (RFC 7692, no context takeover).
type Compression uint8

// The compressions.
const (
	CompressIn   Compression = iota // clients may send deflated messages
	CompressOff                     // none
	CompressBoth                    // and get messages of 1 KiB or more deflated
)

// A Memory keeps download counters.
type Memory = swarm.Memory

// A Reason says why something was limited, dropped or refused. Its String is a name for metrics and
// logs, its Error the text that the client gets.
type Reason = limit.Reason

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
	// Message bounds a WebSocket message, inflated, in bytes, in one frame or in parts. 0 means 64 KiB;
	// 1 MiB is the most.
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
	// PeersPerAddr bounds the (info hash, peer) pairs of one address. 0 means a 64th of Peers,
	// at least 1,024; negative means no bound.
	PeersPerAddr int
	// Unanswered bounds the offers of the last minute that wait for the answer of one peer, half
	// of it as long as that has never answered, and OffersPerPeer the offers that one is given in half a
	// minute, answered or not. What is above finds no peer. 0 means 16 and 40, which fits a
	// browser with several torrents; both count to 63 at most; a negative OffersPerPeer means no bound.
	Unanswered, OffersPerPeer int
	// AnnouncesPerConn bounds the announces of one WebSocket connection, and
	// OffersPerConn the offers. A client above it gets a failure reason, then is closed.
	AnnouncesPerConn, OffersPerConn Rate
	// AnnouncesPerAddr and AnnouncesPerPrefix bound the announces of all doors.
	AnnouncesPerAddr, AnnouncesPerPrefix Rate
	// AnnouncesPerSecond is how many announces of WebSocket peers are wanted in a second: with more
	// peers than that allows, WSInterval grows, to its fourfold at most. Where more comes and goes
	// for minutes, by all doors, than so many announces with five answered offers, which are 17
	// messages each, all intervals grow. 0 means 4,000 for each processor, half of its time.
	AnnouncesPerSecond int
	// ConnectsPerAddr bounds how fast one address opens connections.
	ConnectsPerAddr Rate
	// Exempt are the addresses that the limits per address and per prefix leave alone.
	Exempt []netip.Prefix
}

func (c Config) withDefaults() (Config, error) {
	if c.Interval < 0 || c.MinInterval < 0 || c.WSInterval < 0 || c.PingInterval < 0 {
		return c, errors.New("tracker: an interval is negative")
	}
	def(&c.Interval, 15*time.Minute)
	def(&c.MinInterval, time.Minute)
	c.MinInterval = min(c.MinInterval, c.Interval)
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
	def(&l.AnnouncesPerSecond, 4000*runtime.GOMAXPROCS(0))
	if l.Message > wsconn.MaxMessage {
		return c, errors.New("tracker: a message may have 1 MiB at most")
	}
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
