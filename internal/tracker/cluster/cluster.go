// Package cluster makes one tracker of several processes that share a NATS.
//
// A [Cluster] is what tracker.Config.Peering takes. What the nodes tell each other is decided
// by package mesh; this one carries it: a node subscribes to two subjects,
// NAME.beat, where all announce themselves each second, and NAME.n.ID, its own.
// There is no subject for a swarm or a peer. Package embedded starts a NATS server in
// the process, for those who have none.
//
// NATS may be away: each node goes on serving its own peers, tries to connect for as long as
// it lives, and reports its swarms anew when it is back.
//
// Everybody who can publish on the subjects can take part, so the operator restricts that
// by NATS's own means: credentials in the URL, a .creds file, TLS.
package cluster

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster/mesh"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/tracker"
)

// Config says which cluster to join.
type Config struct {
	// URLs are the NATS servers, such as nats://host:4222, nats://user:password@host:4222,
	// nats://token@host:4222 or tls://host:4222; one that answers is enough, and names the
	// others of its own cluster. Required unless InProcess is set.
	URLs []string
	// InProcess is a server in this process, see package embedded; it takes the place
	// of URLs.
	InProcess nats.InProcessConnProvider
	// User and Password are for servers whose URL has none.
	User, Password string
	// Creds is a file with a user's JWT and seed, as `nsc` writes it. It is read at each
	// connect. "" means none.
	Creds string
	// TLS, if set, is used with every URL; without it, tls:// and wss:// URLs trust the system's
	// certificate authorities. A connection within the process has none.
	TLS *tls.Config
	// RootCAs, if set, is asked at each connection for the authorities, in place of TLS.RootCAs.
	RootCAs func() (*x509.CertPool, error)

	// Name separates clusters that share a NATS: letters, digits, "_", "-" and
	// ".". "" means "shoal-tracker".
	Name string
	// Swarms bounds the swarms of this node that others are told of. 0 means 2 million.
	Swarms int
	// OnLimit, when set, is told of everything that is thrown away; it has no client's address. It
	// is called by many goroutines and must not block.
	OnLimit func(r limit.Reason, none netip.Addr)
	// Logger gets what an operator should know: connected, disconnected, nodes of
	// another version. nil means nothing is logged.
	Logger *slog.Logger
}

// Stats counts what a Cluster holds and has done.
type Stats struct {
	Connected bool // to NATS
	Nodes     int  // live nodes, this one too
	Swarms    int  // swarms with a peer on this node
	Directory int  // swarms that this node keeps account of
	Parked    int  // bytes of offers that wait for a peer on another node

	MessagesIn, MessagesOut uint64 // NATS messages
	BytesIn, BytesOut       uint64 // in them
	OffersIn, OffersOut     uint64 // offers got from and sent to other nodes
	AnswersIn, AnswersOut   uint64 // answers likewise
	Undelivered             uint64 // offers and answers of other nodes whose peer had gone
	Dropped                 uint64 // messages dropped because NATS or this node was too slow
	Malformed               uint64 // messages that could not be read
}

// A Cluster is one node's membership. Its methods may be called by any goroutine; none
// waits for NATS but Close.
type Cluster struct {
	cfg     Config
	log     *slog.Logger
	local   tracker.Local
	options []nats.Option
	servers string
	inbox   string // the subject prefix of the nodes
	beats   string // the subject of all

	mu    sync.Mutex
	mesh  *mesh.Mesh
	armed time.Time // when run looks at the mesh again
	views views     // what the mesh knows, without mu

	connMu sync.Mutex // conn is set once; the handlers of NATS may come before
	conn   *nats.Conn
	ready  bool // subscribed

	wake      chan struct{}
	reconcile chan struct{}
	messages  chan *nats.Msg
	ctx       context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup
	start     sync.Once
	close     sync.Once

	messagesIn, messagesOut, bytesIn, bytesOut atomic.Uint64
	undelivered, dropped, malformed            atomic.Uint64
	connected                                  atomic.Bool
	complained                                 atomic.Int64 // unix seconds of the last warning about a message
}

// Join returns a Cluster that begins to connect when a tracker starts it. An error says which
// setting makes no sense; a server that does not answer is none.
func Join(cfg Config) (*Cluster, error) {
	if cfg.Name == "" {
		cfg.Name = "shoal-tracker"
	}
	if err := checkName(cfg.Name); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var seed [24]byte
	if _, err := io.ReadFull(rand.Reader, seed[:]); err != nil {
		return nil, fmt.Errorf("cluster: no randomness for a node id: %w", err)
	}
	id := mesh.NodeID(binary.LittleEndian.Uint64(seed[:]) | 1)
	rng := mrand.New(mrand.NewPCG(binary.LittleEndian.Uint64(seed[8:]), binary.LittleEndian.Uint64(seed[16:])))
	c := &Cluster{
		cfg: cfg, log: cfg.Logger,
		beats: cfg.Name + ".beat", inbox: cfg.Name + ".n.",
		wake: make(chan struct{}, 1), reconcile: make(chan struct{}, 1),
		messages: make(chan *nats.Msg, 1024),
	}
	c.mesh = mesh.New(mesh.Config{ID: id, Swarms: cfg.Swarms, Watch: c.views.set}, rng, time.Now())
	c.ctx, c.stop = context.WithCancel(context.Background())
	if err := c.prepare(id); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func checkName(name string) error {
	for _, part := range strings.Split(name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return fmt.Errorf(`cluster: name %q is no NATS subject; use letters, digits, "_", "-" and single "."`, name)
		}
	}
	return nil
}

// prepare makes the options for NATS and says what is wrong with them.
func (c *Cluster) prepare(id mesh.NodeID) error {
	cfg := &c.cfg
	if cfg.InProcess == nil && len(cfg.URLs) == 0 {
		return fmt.Errorf("cluster: no NATS server is named; give a URL such as nats://host:4222")
	}
	secure := cfg.TLS != nil && cfg.InProcess == nil
	for _, s := range cfg.URLs {
		u, err := url.Parse(s)
		if err != nil {
			return fmt.Errorf("cluster: a NATS URL cannot be read; write nats://user:password@host:port") // err would quote the password
		}
		switch u.Scheme {
		case "nats", "ws":
		case "tls", "wss":
			secure = cfg.InProcess == nil
		default:
			return fmt.Errorf("cluster: NATS URL %s has the scheme %q; use nats, tls, ws or wss", u.Redacted(), u.Scheme)
		}
		if u.Hostname() == "" {
			return fmt.Errorf("cluster: NATS URL %s names no host", u.Redacted())
		}
	}
	c.servers = strings.Join(cfg.URLs, ",")
	c.options = []nats.Option{
		nats.Name(fmt.Sprintf("%s %016x", cfg.Name, uint64(id))),
		nats.NoEcho(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(500 * time.Millisecond), nats.ReconnectJitter(500*time.Millisecond, time.Second),
		// What was said while NATS was away is out of date when it is back.
		nats.ReconnectBufSize(-1),
		nats.Timeout(2 * time.Second), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.SetCustomDialer(dialer{c}),
		nats.ConnectHandler(c.online), nats.ReconnectHandler(c.online),
		nats.DisconnectErrHandler(c.offline), nats.ErrorHandler(c.failed),
	}
	if cfg.InProcess != nil {
		c.options = append(c.options, nats.InProcessServer(cfg.InProcess))
	}
	if cfg.User != "" || cfg.Password != "" {
		c.options = append(c.options, nats.UserInfo(cfg.User, cfg.Password))
	}
	if cfg.Creds != "" {
		if _, err := os.Stat(cfg.Creds); err != nil {
			return fmt.Errorf("cluster: the NATS credentials cannot be read: %w", err)
		}
		c.options = append(c.options, nats.UserCredentials(cfg.Creds))
	}
	if secure {
		tc := cfg.TLS
		if tc == nil {
			tc = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		c.options = append(c.options, nats.Secure(tc))
		if cfg.RootCAs != nil {
			c.options = append(c.options, nats.ClientTLSConfig(nil, cfg.RootCAs))
		}
	}
	return nil
}

// Start is called by the tracker. It returns at once.
func (c *Cluster) Start(local tracker.Local) {
	c.start.Do(func() {
		c.local = local
		c.running.Add(4)
		go c.connect()
		go c.run()
		go c.receive()
		go c.reconcileNow()
	})
}

// Changed tells the counts of a swarm on this node.
func (c *Cluster) Changed(h swarm.Hash, n tracker.Counts) {
	if c.views.of(h).here == countsOf(n) {
		return // most announces
	}
	now := time.Now()
	c.mu.Lock()
	c.mesh.Changed(now, h, n)
	c.unlock()
}

// Elsewhere returns what is known of a swarm on the other nodes.
func (c *Cluster) Elsewhere(h swarm.Hash) tracker.Counts {
	return c.views.of(h).elsewhere.mesh()
}

// Offers hands over offers of a local peer. They go to nodes with peers for them, or wait
// half a minute for one.
func (c *Cluster) Offers(h swarm.Hash, from swarm.PeerID, role swarm.Role, offers []tracker.RemoteSDP) {
	now := time.Now()
	sdps := make([]mesh.SDP, len(offers))
	for i := range offers {
		sdps[i] = mesh.SDP(offers[i])
	}
	c.mu.Lock()
	c.mesh.Offers(now, h, from, role, sdps)
	c.unlock()
}

// Answer passes on a local peer's answer to an offer that came by Local.DeliverOffers within
// the last two minutes. It reports false if there was none, or if it was answered.
func (c *Cluster) Answer(h swarm.Hash, from, to swarm.PeerID, answer tracker.RemoteSDP) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.unlock()
	return c.mesh.Answer(now, h, from, to, mesh.SDP(answer))
}

// TCPPeers appends to dst up to want peers of other nodes, as far as they are known here. When a swarm has just begun
// on this node, that takes a moment.
func (c *Cluster) TCPPeers(h swarm.Hash, family swarm.Family, scopes netaddr.Scope, role swarm.Role, want int, dst []swarm.TCPPeer) []swarm.TCPPeer {
	if n := c.views.of(h).elsewhere; n.tcpSeeders|n.tcpLeechers == 0 {
		return dst
	}
	now := time.Now()
	c.mu.Lock()
	defer c.unlock()
	return c.mesh.TCPPeers(now, h, family, scopes, role, want, dst)
}

// Stats returns the counts of now.
func (c *Cluster) Stats() Stats {
	c.mu.Lock()
	s := c.mesh.Stats()
	c.mu.Unlock()
	return Stats{
		Connected: c.connected.Load(), Nodes: s.Nodes, Swarms: s.Swarms, Directory: s.Directory, Parked: s.Parked,
		MessagesIn: c.messagesIn.Load(), MessagesOut: c.messagesOut.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		OffersIn: s.OffersIn, OffersOut: s.OffersOut, AnswersIn: s.AnswersIn, AnswersOut: s.AnswersOut,
		Undelivered: c.undelivered.Load(), Dropped: s.Dropped + c.dropped.Load(), Malformed: c.malformed.Load(),
	}
}

// Close says good-bye to the other nodes and ends the connection. It may be called any number of times.
func (c *Cluster) Close() error {
	c.close.Do(func() {
		c.mu.Lock()
		c.mesh.Leave(time.Now())
		c.unlock()
		c.stop() // run publishes the good-bye first
		c.running.Wait()
		c.connMu.Lock()
		conn := c.conn
		c.connMu.Unlock()
		if conn == nil {
			return
		}
		if conn.IsConnected() {
			// The good-bye is a courtesy: without it the others notice in four seconds.
			_ = conn.FlushTimeout(500 * time.Millisecond)
		}
		conn.Close()
	})
	return nil
}

// unlock wakes run if the mesh wants to be looked at earlier than planned.
func (c *Cluster) unlock() {
	d := c.mesh.Deadline()
	sooner := d.Before(c.armed)
	if sooner {
		c.armed = d
	}
	c.mu.Unlock()
	if sooner {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// run publishes what the mesh has to say, when it has.
func (c *Cluster) run() {
	defer c.running.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var frames []mesh.Frame
	var told uint64 // of what the mesh has dropped
	for last := false; ; {
		c.mu.Lock()
		c.mesh.Recycle(frames)
		now := time.Now()
		frames = c.mesh.Step(now, frames[:0])
		c.armed = c.mesh.Deadline()
		wait := c.armed.Sub(now)
		lost := c.mesh.Stats().Dropped
		c.mu.Unlock()
		c.tell(limit.ClusterOverload, int(lost-told))
		told = lost
		c.publish(frames)
		if last {
			return
		}
		timer.Reset(wait)
		select {
		case <-c.ctx.Done():
			last = true
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// receive gives what came to the mesh, and what that leads to to the tracker.
func (c *Cluster) receive() {
	defer c.running.Done()
	var todo []mesh.Delivery
	var offers []tracker.RemoteSDP
	for {
		var msg *nats.Msg
		select {
		case <-c.ctx.Done():
			return
		case msg = <-c.messages:
		}
		c.messagesIn.Add(1)
		c.bytesIn.Add(uint64(len(msg.Data)))
		var err error
		now := time.Now()
		c.mu.Lock()
		todo, err = c.mesh.Receive(now, msg.Data, todo[:0])
		c.unlock()
		if err != nil {
			c.malformed.Add(1)
			c.tell(limit.ClusterMalformed, 1)
			c.complain("a message on the cluster's subjects was ignored", err)
		}
		for i := range todo {
			offers = c.deliver(&todo[i], offers[:0])
		}
		clear(todo)
	}
}

func (c *Cluster) tell(r limit.Reason, n int) {
	for range n {
		if c.cfg.OnLimit != nil {
			c.cfg.OnLimit(r, netip.Addr{})
		}
	}
}

func (c *Cluster) deliver(d *mesh.Delivery, sdps []tracker.RemoteSDP) []tracker.RemoteSDP {
	for i := range d.Offers {
		sdps = append(sdps, tracker.RemoteSDP(d.Offers[i]))
	}
	switch d.Kind {
	case mesh.DeliverOffers:
		n := c.local.DeliverOffers(d.Hash, d.From, d.Role, sdps)
		gone := len(sdps) - min(n, len(sdps))
		c.undelivered.Add(uint64(gone))
		c.tell(limit.ClusterGone, gone)
		c.mu.Lock()
		c.mesh.Delivered(d.Hash, n)
		c.unlock()
	case mesh.DeliverAnswer:
		if !c.local.DeliverAnswer(d.Hash, d.From, d.To, sdps[0]) {
			c.undelivered.Add(1)
			c.tell(limit.ClusterGone, 1)
		}
	case mesh.CollectPeers:
		var peers []mesh.TCPPeer
		c.local.EachTCP(d.Hash, d.Max, func(p swarm.TCPPeer, role swarm.Role) {
			peers = append(peers, mesh.TCPPeer{TCPPeer: p, Role: role})
		})
		now := time.Now()
		c.mu.Lock()
		c.mesh.TCPPeersHere(now, d.Node, d.Hash, peers)
		c.unlock()
	}
	clear(sdps)
	return sdps
}

// reconcileEvery is how often the counts of all swarms are compared with the tracker's: two
// calls of Changed may overtake each other.
const reconcileEvery = 5 * time.Minute

func (c *Cluster) reconcileNow() {
	defer c.running.Done()
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	type swarmCounts struct {
		h swarm.Hash
		n tracker.Counts
	}
	batch := make([]swarmCounts, 0, 256)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.reconcile:
		case <-tick.C:
		}
		c.mu.Lock()
		r := c.mesh.Reconcile()
		c.unlock()
		// Some at a time, so that nobody waits long for the lock.
		apply := func() {
			now := time.Now()
			c.mu.Lock()
			for _, s := range batch {
				r.Swarm(now, s.h, s.n)
			}
			c.unlock()
			batch = batch[:0]
		}
		c.local.EachSwarm(func(h swarm.Hash, n tracker.Counts) bool {
			if batch = append(batch, swarmCounts{h, n}); len(batch) == cap(batch) {
				apply()
			}
			return c.ctx.Err() == nil
		})
		if c.ctx.Err() != nil {
			return
		}
		apply()
		for done := false; !done && c.ctx.Err() == nil; {
			c.mu.Lock()
			done = r.Done(time.Now())
			c.unlock()
		}
	}
}
