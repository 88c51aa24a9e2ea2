// Package tracker introduces the peers of a swarm to each other.
//
// One core stands behind three doors: WebSocket for browsers, which exchange WebRTC offers and
// answers through it, and HTTP (BEP 3, 7, 23, 24, 48) and UDP (BEP 15, 41) for clients that
// listen on TCP. The counts of seeders and leechers are common to all doors; peers are only
// given to peers that can reach them.
package tracker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/front"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/limit/limitlog"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/udp"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// A Tracker is an http.Handler for WebSocket and HTTP requests; ServeUDP adds the
// third door. Its methods may be called by any goroutine.
type Tracker struct {
	core     *core.Core
	front    *front.Front
	udp      *udp.Server
	counters *stats.Set
	buffers  *wsconn.Buffers
	hook     *Hook         // nil: nobody is asked
	limits   *limitlog.Log // nil: nothing is logged
	bounds   Limits
	draining atomic.Bool

	once sync.Once
	done chan struct{}
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
	l := &cfg.Limits
	clients := limit.NewClients(limit.ClientsConfig{
		Conns: l.Conns, ConnsPerAddr: l.ConnsPerAddr, ConnsPerPrefix: l.ConnsPerPrefix, ConnectsPerAddr: l.ConnectsPerAddr,
		AnnouncesPerAddr: l.AnnouncesPerAddr, AnnouncesPerPrefix: l.AnnouncesPerPrefix, Exempt: l.Exempt,
		OnMajority: cfg.onMajority(),
	})
	var log *limitlog.Log
	onLimit := cfg.OnLimit
	if cfg.Logger != nil {
		log = limitlog.New(cfg.Logger, cfg.LogAddresses)
		onLimit = log.Limit
		if tell := cfg.OnLimit; tell != nil {
			onLimit = func(r Reason, addr netip.Addr) { log.Limit(r, addr); tell(r, addr) }
		}
	}
	t := &Tracker{counters: stats.NewSet(onLimit), hook: cfg.Hook, limits: log, bounds: cfg.Limits, buffers: wsconn.NewBuffers(l.Buffers, clients.Exempt), done: make(chan struct{})}
	t.core, err = core.New(core.Config{
		Interval: cfg.Interval, MinInterval: cfg.MinInterval, WSInterval: cfg.WSInterval, PingInterval: cfg.PingInterval,
		Offers: l.Offers, NumWant: l.NumWant, Scrape: l.Scrape, Message: l.Message, SDP: l.SDP, Swarms: l.Swarms, Peers: l.Peers,
		PeersPerConn: l.PeersPerConn, PeersPerAddr: l.PeersPerAddr, Unanswered: l.Unanswered, OffersPerPeer: l.OffersPerPeer, AnnouncesPerSecond: l.AnnouncesPerSecond,
		AnnouncesPerConn: l.AnnouncesPerConn, OffersPerConn: l.OffersPerConn,
		FullScrape: cfg.FullScrape, TrustedOnly: cfg.TrustedOnly, DeflateOut: cfg.Compression == CompressBoth, AllowAnnounce: cfg.AllowAnnounce, Hook: cfg.Hook,
		Locality: cfg.Locality, Locate: cfg.Locate, Peering: cfg.Peering, Memory: cfg.Memory, ICEServers: cfg.ICEServers, Seed: cfg.Seed, Now: cfg.Now,
		Buffers: t.buffers, Clients: clients, Counters: t.counters,
	})
	if err != nil {
		t.endLog()
		return nil, err
	}
	t.udp, err = udp.New(udp.Config{Core: t.core, Counters: t.counters, Scrape: l.Scrape, Queries: cfg.AllowAnnounce != nil || cfg.Hook != nil, Now: cfg.Now})
	if err != nil {
		t.core.Close()
		t.endLog()
		return nil, err
	}
	t.front = front.New(front.Config{
		Core: t.core, Clients: clients, Buffers: t.buffers, Counters: t.counters, Now: cfg.Now,
		MinInterval: cfg.MinInterval, Scrape: l.Scrape, Deflate: cfg.Compression != CompressOff,
		AllowClient: cfg.AllowClient, Fallback: cfg.Fallback,
		TrustedProxies: cfg.TrustedProxies, ProxyHeader: cfg.ProxyHeader, ProxyProtocol: cfg.ProxyProtocol,
	})
	return t, nil
}

// ServeHTTP answers announces and scrapes, by HTTP or by an upgrade to WebSocket.
// The last part of the path decides: "scrape" is a scrape, "announce" or nothing
// is an announce, anything else is not found.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.front.ServeHTTP(w, r) }

// Serve answers WebSocket and HTTP clients on ln until Close or Shutdown, then it
// returns nil. What is neither an announce nor a scrape goes to Config.Fallback.
func (t *Tracker) Serve(ln net.Listener) error { return t.serve(ln, nil) }

// ServeTLS is Serve behind TLS. conf must have a certificate, or a way to get one.
func (t *Tracker) ServeTLS(ln net.Listener, conf *tls.Config) error { return t.serve(ln, conf) }

func (t *Tracker) serve(ln net.Listener, conf *tls.Config) error {
	started, err := t.front.Serve(ln, conf)
	if !started {
		return ErrClosed
	}
	return err
}

// ListenUDP opens sockets for ServeUDP on addr ("host:port"; an empty host means all
// addresses, of IPv4 and IPv6). On Linux it opens one for each core. The address
// of a TCP listener, ln.Addr().String(), gives UDP the same port.
func ListenUDP(addr string) ([]net.PacketConn, error) { return udp.Listen(addr) }

// ServeUDP answers UDP announces and scrapes on conns, which it closes in the end. It
// blocks until Close, then it returns nil, or until one cannot be read any more.
func (t *Tracker) ServeUDP(conns ...net.PacketConn) error {
	err := t.udp.Serve(conns...)
	if errors.Is(err, udp.ErrClosed) {
		return ErrClosed
	}
	return err
}

// Drain says that a Shutdown follows: Stats reports Draining, for load balancers that ask. Everything is
// served as before.
func (t *Tracker) Drain() { t.draining.Store(true) }

// Shutdown ends all connections little by little until ctx is done, so that not all
// clients come back elsewhere at once, then it closes the Tracker. Meanwhile nothing
// new is accepted and Stats reports Draining. Without a deadline it takes 10 s.
func (t *Tracker) Shutdown(ctx context.Context) error {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(10 * time.Second)
	}
	t.Drain()
	t.core.Conns().Drain(end)
	t.front.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for t.core.Conns().Open() > 0 && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return t.Close()
		case <-t.done:
			return nil
		case <-tick.C:
		}
	}
	return t.Close()
}

// Close ends all connections, those given to ServeUDP too. It may be
// called any number of times.
func (t *Tracker) Close() (err error) {
	t.once.Do(func() {
		close(t.done)
		t.front.Close()
		if t.hook != nil {
			t.hook.Close() // so that nobody waits any more
		}
		t.udp.Close()
		err = t.core.Close()
		t.front.Wait()
		t.endLog()
	})
	return err
}

func (t *Tracker) endLog() {
	if t.limits != nil {
		t.limits.Close()
	}
}

// Evict takes everybody out of the swarms that check refuses, tells those who came by WebSocket why,
// by a failure reason, and returns how many swarms and peers that were. Connections stay open, for other
// swarms. It is for when AllowAnnounce has begun to refuse torrents that it took before.
func (t *Tracker) Evict(check func(infoHash [20]byte) error) (swarms, peers int) {
	return t.core.Evict(check)
}

// ClientAddr returns where a request comes from, behind TrustedProxies too: for handlers beside the
// Tracker, such as Config.Fallback. It is the zero Addr if nobody knows.
func (t *Tracker) ClientAddr(r *http.Request) netip.Addr { return t.front.ClientAddr(r) }

// Limit counts what somebody else beside this Tracker has refused to a client, such as a TURN relay,
// and logs it: it is counted in Stats.Reasons.
func (t *Tracker) Limit(r Reason, client netip.Addr) { t.counters.Shared().Limit(r, client) }
