package trackerclient

import (
	"context"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/transport"
	"github.com/shoal-p2p/shoal/transport/webrtc"
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
	// Port is the TCP port of this peer; 0 means that it takes no TCP connections,
	// and HTTP and UDP trackers are told port 1, which BEP 3 has no better word for.
	Port int
	// Trackers are announce URLs by tiers. Schemes other than ws, wss, http, https
	// and udp are reported to the Sink as not supported.
	Trackers [][]string
	// Stats is asked before each announce. It must not block. nil means unknown.
	Stats func() Stats
	// WantPeers says how many more WebRTC peers are wanted now; 0 makes no
	// offers. It must not block. nil means 0. Offers of others are answered regardless.
	WantPeers func() int
}

// Config says how a Client behaves. Sink is required; the zero value of
// everything else is usable.
type Config struct {
	Sink Sink
	// WebRTC makes connections. nil means that WebSocket trackers are not used.
	WebRTC *webrtc.Host
	// UserAgent is sent to HTTP and WebSocket trackers. "" means "Shoal".
	UserAgent string
	// MaxOffers bounds the offers in one announce. 0 means 5.
	MaxOffers int
	// MaxAnswers bounds the offers of others that one torrent is answering at a
	// time. 0 means 16 natively, 5 in a browser.
	MaxAnswers int
	// MaxInterval bounds the interval that a tracker may ask for. 0 means 1 hour.
	MaxInterval time.Duration
	// Timeout bounds an HTTP announce, and the opening of a WebSocket. 0 means 20 s.
	Timeout time.Duration
	// Seed makes the order of trackers, the jitter and the offer ids repeatable, for
	// tests. 0 takes a random seed.
	Seed uint64

	// rtc replaces WebRTC in tests.
	rtc rtcHost
}

// A Client announces torrents. Its methods may be called by any goroutine.
type Client struct{ cfg Config }

// New returns a Client that announces nothing yet.
func New(cfg Config) *Client { return &Client{cfg: cfg} }

// Start announces a swarm until the Handle is stopped.
func (c *Client) Start(a Announcement) *Handle { return &Handle{} }

// Close stops every announcement at once, without telling the trackers.
func (c *Client) Close() error { return nil }

// A Handle is a running announcement.
type Handle struct{}

// Completed tells the trackers, once, that the download has finished here. Do not
// call it for a torrent that was complete when it was started.
func (h *Handle) Completed() {}

// Update asks for an announce as soon as the trackers allow one: call it when
// more peers are wanted.
func (h *Handle) Update() {}

// Stop ends the announcement: it tells the trackers that were told of the start,
// waits for them until ctx is done and closes the connections that are not open yet.
func (h *Handle) Stop(ctx context.Context) {}

// rtcHost and rtcPending are what is needed of a *webrtc.Host.
type rtcHost interface {
	Offer(ctx context.Context) (rtcPending, error)
	Answer(ctx context.Context, offerSDP string) (rtcPending, error)
}

type rtcPending interface {
	SDP() string
	Accept(answerSDP string) error
	Conn(ctx context.Context) (transport.Conn, error)
	Close()
}
