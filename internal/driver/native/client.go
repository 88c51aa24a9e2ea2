//go:build !js

// Package native connects a session to the machine it runs on.
package native

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/dht/node"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/tcp"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
)

// DefaultICEServers tell a peer its public address. They see no content.
var DefaultICEServers = []string{"stun:stun.l.google.com:19302", "stun:global.stun.twilio.com:3478"}

// Config says which networks a client uses. The zero value uses none: it can
// only be given streams.
type Config struct {
	// PeerListen is the "host:port" on which TCP peers are accepted; "" accepts
	// none. Port 0 takes a free one.
	PeerListen string
	// Local keeps everything on this machine: loopback addresses only, no DHT,
	// local discovery, port mapping or STUN.
	Local bool
	// TCP dials addresses; WebRTC uses WebSocket trackers.
	TCP, WebRTC bool
	// ICEServers are STUN and TURN URLs, used besides those that WebSocket trackers hand
	// out. nil means DefaultICEServers; empty means none, those of trackers neither.
	ICEServers []string
	// DHT, LSD and NATMap switch the Mainline DHT, local service discovery and
	// port mapping on.
	DHT, LSD, NATMap bool
	// Limits bound how many torrents are at work.
	Limits Limits
	// Goals end the seeding of torrents that have none of their own.
	Goals Goals
	// StateDir is the folder that keeps what the next run is better off with: the
	// DHT's table, and for the goals how much of each torrent was given. "" keeps
	// nothing.
	StateDir string
	// Bootstrap are the nodes that the DHT asks first, as "host:port"; nil means
	// public ones.
	Bootstrap []string
	// Session limits; the zero value is the driver's defaults.
	Session driver.Config
}

// Client is a session with its listener and its discovery.
type Client struct {
	cfg      Config
	Session  *driver.Session
	listener *tcp.Listener
	rtc      *webrtc.Host
	trackers *trackerclient.Client
	dht      *node.Node
	near     *neighbourhood
	seeds    *webSeeds
	totals   *totals
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	kicked   chan struct{}
	searches chan struct{} // one for each search of the DHT under way
	keeping  sync.Mutex    // held by the one review at a time

	// Owned by the keeper.
	trimmed   int // torrents when memory was given back
	counted   int // torrents at the last look
	countedAt time.Time

	mu       sync.Mutex
	torrents map[metainfo.Hash]*Torrent
	order    []*Torrent // as they were added
}

// ListenError says that an address could not be listened on.
type ListenError struct {
	Addr string
	Err  error
}

func (e *ListenError) Error() string {
	msg := "cannot listen on " + e.Addr + ": " + e.Err.Error()
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		msg = e.Addr + " is in use by another program"
	}
	return msg
}

func (e *ListenError) Unwrap() error { return e.Err }

// New starts a client.
func New(cfg Config) (*Client, error) {
	if cfg.Local {
		cfg.DHT, cfg.LSD, cfg.NATMap, cfg.ICEServers = false, false, false, []string{}
	}
	if cfg.ICEServers == nil {
		cfg.ICEServers = DefaultICEServers
	}
	if cfg.TCP {
		cfg.Session.Dial = func(ctx context.Context, a netip.AddrPort) (transport.Conn, error) {
			return tcp.Dial(ctx, a)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Limits.fill()
	c := &Client{
		cfg: cfg, ctx: ctx, cancel: cancel, torrents: map[metainfo.Hash]*Torrent{},
		kicked: make(chan struct{}, 1), searches: make(chan struct{}, maxSearches),
	}
	c.seeds = newWebSeeds(cfg.Local)
	c.totals = loadTotals(cfg.StateDir)
	m := &cfg.Session.Machine
	if m.MaxPeers == 0 {
		// A share is often opened by a whole audience at once.
		m.MaxPeers, m.UploadSlots, m.MaxSlots = 250, 16, 100
	}
	cfg.Session.DHTNode = c.dhtNode
	cfg.Session.Links = cfg.WebRTC
	c.Session = driver.NewSession(cfg.Session)
	if err := c.start(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) start() (err error) {
	if c.cfg.PeerListen != "" {
		addr, err := ParseListen(c.cfg.PeerListen)
		if err != nil {
			return &ListenError{Addr: c.cfg.PeerListen, Err: err}
		}
		if c.listener, err = tcp.Listen(addr, tcp.ListenConfig{}); err != nil {
			return &ListenError{Addr: c.cfg.PeerListen, Err: err}
		}
		c.wg.Go(c.accept)
	}
	if c.cfg.WebRTC {
		c.rtc, err = webrtc.NewHost(webrtc.Config{ICEServers: c.cfg.ICEServers, Loopback: c.cfg.Local, Accept: c.Session.AcceptStream})
		if err != nil {
			return err
		}
	}
	level := c.cfg.Session.Encryption
	c.trackers = trackerclient.New(trackerclient.Config{
		SupportCrypto: level != transport.EncryptionOff, RequireCrypto: level == transport.EncryptionRequired,
		Sink: c, WebRTC: c.rtc, UserAgent: "Shoal/" + driver.Version,
		// On loopback the Host takes those that are on this machine.
		NoHandedServers: len(c.cfg.ICEServers) == 0 && !c.cfg.Local,
	})
	if c.cfg.DHT {
		if err := c.startDHT(); err != nil {
			return err
		}
	}
	c.near = c.startNeighbourhood()
	c.wg.Go(c.keep)
	return nil
}

// startDHT takes part in the DHT, on the port of TCP where that is free.
func (c *Client) startDHT() (err error) {
	listen := ":0"
	switch addr := c.PeerAddr(); {
	case addr.IsValid() && !addr.Addr().IsUnspecified():
		listen = addr.String()
	case addr.IsValid():
		listen = ":" + strconv.Itoa(c.port())
	}
	state := c.loadDHT()
	cfg := node.Config{Listen: listen, Found: c.dhtFound, Bootstrap: c.cfg.Bootstrap, Nodes: state.nodes, ID: state.id}
	if c.dht, err = node.Listen(cfg); err == nil {
		return nil
	}
	// The port may be taken for UDP only; any other will do.
	host, _, _ := net.SplitHostPort(listen)
	cfg.Listen = net.JoinHostPort(host, "0")
	if c.dht, err = node.Listen(cfg); err != nil {
		return &ListenError{Addr: listen, Err: err}
	}
	return nil
}

func (c *Client) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.Session.Accept(conn)
	}
}

// ParseListen reads "host:port" as it is given on the command line. Without a
// host it means every interface, IPv4 and IPv6.
func ParseListen(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, errors.New("it is not of the form host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, errors.New("the port is not a number below 65536")
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), nil
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, errors.New("the host is not an IP address of this machine")
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// PeerAddr is where TCP peers are accepted; it is invalid where none are.
func (c *Client) PeerAddr() netip.AddrPort {
	if c.listener == nil {
		return netip.AddrPort{}
	}
	return c.listener.Addr()
}

// port is the TCP port to be told to others, 0 for none.
func (c *Client) port() int { return int(c.PeerAddr().Port()) }

// ICEServers are the servers that peers of this client should use too.
func (c *Client) ICEServers() []string { return c.cfg.ICEServers }

// Local reports whether nothing leaves this machine.
func (c *Client) Local() bool { return c.cfg.Local }

// WebRTCStats counts the WebRTC connections.
func (c *Client) WebRTCStats() webrtc.Stats {
	if c.rtc == nil {
		return webrtc.Stats{}
	}
	return c.rtc.Stats()
}

// closers is how many torrents are closed at a time.
const closers = 64

// Close leaves all swarms, telling the trackers within two seconds. What is being
// hashed ends at once.
func (c *Client) Close() {
	c.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	work := make(chan *Torrent)
	var wg sync.WaitGroup
	for range min(closers, len(list)) {
		wg.Go(func() {
			for t := range work {
				t.close(ctx)
			}
		})
	}
	for _, t := range list {
		work <- t
	}
	close(work)
	wg.Wait()
	c.totals.save()
	if c.listener != nil {
		c.listener.Close()
	}
	if c.near != nil {
		c.near.close()
	}
	if c.dht != nil {
		c.saveDHT() // a folder that cannot be written to costs the next run a moment
		c.dht.Close()
	}
	if c.trackers != nil {
		c.trackers.Close()
	}
	c.Session.Close()
	c.seeds.close()
	if c.rtc != nil {
		c.rtc.Close()
	}
	c.wg.Wait()
}

// stopTimeout bounds the farewell to trackers.
const stopTimeout = 2 * time.Second

// PeersFound implements trackerclient.Sink.
func (c *Client) PeersFound(key metainfo.Hash, addrs []netip.AddrPort, _ string) {
	c.offer(key, addrs, swarm.Tracker)
}

// ConnReady implements trackerclient.Sink.
func (c *Client) ConnReady(key metainfo.Hash, conn transport.Conn, outgoing bool) {
	c.Session.Join(key, conn, outgoing)
}

// Met implements trackerclient.Meeter.
func (c *Client) Met(ctx context.Context, key metainfo.Hash, peer [20]byte) bool {
	l := c.rtc.Link(peer)
	return l != nil && c.Session.Meet(ctx, l, peer, key)
}

// TrackerStatus implements trackerclient.Sink.
func (c *Client) TrackerStatus(key metainfo.Hash, url string, st trackerclient.Status) {
	c.mu.Lock()
	t := c.byKey(key)
	if t != nil {
		t.hear(url, st)
	}
	c.mu.Unlock()
	if t != nil {
		t.Emit(driver.Event{Kind: driver.TrackerSpoke, Tracker: url, Err: st.Err})
	}
}

func (c *Client) dhtFound(key [20]byte, addrs []netip.AddrPort) { c.offer(key, addrs, swarm.DHT) }

// dhtNode takes up a node that a peer named.
func (c *Client) dhtNode(a netip.AddrPort) {
	if c.dht != nil {
		c.dht.AddNode(a)
	}
}

// dhtPort is the UDP port of our DHT node, 0 without one.
func (c *Client) dhtPort() int {
	if c.dht == nil {
		return 0
	}
	return int(c.dht.Addr().Port())
}

func (c *Client) offer(key metainfo.Hash, addrs []netip.AddrPort, from swarm.Source) {
	if c.cfg.Session.Dial == nil {
		return
	}
	if t := c.Session.Torrent(key); t != nil {
		go t.AddPeers(addrs, from)
	}
}

func peer(a netip.AddrPort) []netip.AddrPort { return []netip.AddrPort{a} }

// forget takes a torrent out of the queue. Callers hold mu.
func (c *Client) forget(t *Torrent) {
	if i := slices.Index(c.order, t); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
}

// byKey finds a torrent by any of its swarms' keys. Callers hold mu.
func (c *Client) byKey(key metainfo.Hash) *Torrent {
	if t := c.torrents[key]; t != nil {
		return t
	}
	if d := c.Session.Torrent(key); d != nil {
		return c.torrents[d.Key()]
	}
	return nil
}
