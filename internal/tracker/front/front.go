// Package front stands before a tracker's doors on TCP: it accepts connections, answers
// announces and scrapes by HTTP (BEP 3, 7, 23, 24, 48), makes WebSocket connections of upgrades,
// and hands everything else to net/http.
package front

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

const (
	// headTimeout is how long a TLS handshake with a request may take.
	headTimeout = 10 * time.Second
	// idleTimeout is how long an HTTP connection is kept without a request.
	idleTimeout = time.Minute
	// writeTimeout is how long pieceSize bytes of a response may wait for their socket.
	writeTimeout = 10 * time.Second
	pieceSize    = 16 << 10
	// bodyTimeout is how long a request with its body may take where the Fallback serves it, and
	// maxBody how large the body may be. Announces, scrapes and GET have none.
	bodyTimeout = 10 * time.Second
	maxBody     = 64 << 10
	// answerTimeout is how long the Fallback and its client may take over a response.
	answerTimeout = time.Minute
	// maxHead bounds a request's head, in bytes.
	maxHead = 8 << 10
	// maxPending bounds the connections that have not yet said what they want. Beyond it, some
	// that took longer than pendingGrace have to go.
	maxPending   = 8192
	pendingGrace = 500 * time.Millisecond
)

// Config says how a Front behaves. Core, Clients, Buffers, Counters and Now must be set. The other
// fields are those of tracker.Config, where they are explained.
type Config struct {
	Core     *core.Core
	Clients  *limit.Clients
	Buffers  *wsconn.Buffers
	Counters *stats.Set
	Now      func() time.Time

	MinInterval    time.Duration
	Scrape         int
	Deflate        bool // messages may travel deflated
	AllowClient    func(c *core.Client) error
	TrustedProxies []netip.Prefix
	ProxyHeader    ProxyHeader
	ProxyProtocol  bool
	Fallback       http.Handler
}

// A Front is an http.Handler, and a server of its own. It may be used by many goroutines.
type Front struct {
	cfg      Config
	shared   *stats.Counters
	other    *http.Server // for what is no announce
	handOver *handOver
	stopped  atomic.Bool // nothing new is taken any more
	open     atomic.Int64

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]time.Time // no WebSocket connections (yet), and since when they are pending; zero = are not
	pending   int

	wg sync.WaitGroup
}

// New returns a Front, which serves until Close.
func New(cfg Config) *Front {
	f := &Front{
		cfg: cfg, shared: cfg.Counters.Shared(),
		listeners: make(map[net.Listener]struct{}), conns: make(map[net.Conn]time.Time),
		handOver: &handOver{ch: make(chan net.Conn), done: make(chan struct{})},
	}
	f.other = &http.Server{Handler: f, ReadHeaderTimeout: headTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead,
		// It would tell addresses.
		ErrorLog: log.New(io.Discard, "", 0)}
	f.wg.Go(func() { f.other.Serve(f.handOver) })
	return f
}

// Serve accepts connections on ln until Stop, then it returns nil. conf is nil for
// plain HTTP. It reports false, and closes ln, when the Front is stopped already.
func (f *Front) Serve(ln net.Listener, conf *tls.Config) (started bool, err error) {
	if conf != nil {
		conf = serverConfig(conf)
	}
	f.mu.Lock()
	if f.stopped.Load() {
		f.mu.Unlock()
		ln.Close()
		return false, nil
	}
	f.listeners[ln] = struct{}{}
	f.mu.Unlock()
	defer func() {
		ln.Close()
		f.mu.Lock()
		delete(f.listeners, ln)
		f.mu.Unlock()
	}()
	wsconn.Tune(ln)
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			f.accepted(nc, conf)
		case f.stopped.Load():
			return true, nil
		case errors.Is(err, net.ErrClosed):
			return true, err
		default:
			// Most likely out of descriptors; those who hang up will help.
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func serverConfig(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	// Upgrades exist in HTTP/1.1 alone; other protocols are those of ACME.
	conf.NextProtos = slices.DeleteFunc(conf.NextProtos, func(p string) bool { return p == "h2" })
	if !slices.Contains(conf.NextProtos, "http/1.1") {
		conf.NextProtos = append(conf.NextProtos, "http/1.1")
	}
	// What is sent at once goes in one record: one call to the kernel.
	conf.DynamicRecordSizingDisabled = true
	return conf
}

func (f *Front) accepted(nc net.Conn, conf *tls.Config) {
	ip := netaddr.Of(nc.RemoteAddr()).Addr()
	var slot limit.Slot
	why := limit.None
	if !f.enter(nc) {
		why = limit.Pending
	} else if f.trusted(ip) {
		// Whose it is is only known from its request or its PROXY header.
		slot, why = f.cfg.Clients.TakeProxy()
	} else {
		slot, why = f.cfg.Clients.Take(f.cfg.Now(), ip)
	}
	if why != limit.None {
		f.leave(nc)
		f.shared.Limit(why, f.blame(ip))
		nc.Close()
		return
	}
	ok := f.begin(func() {
		f.open.Add(1)
		c := httpConn{f: f, tcp: nc, conn: nc, ip: ip, slot: slot}
		nc.SetDeadline(time.Now().Add(headTimeout))
		if !f.cfg.ProxyProtocol || !f.trusted(ip) || c.proxied() {
			if conf != nil {
				c.conn = f.cfg.Core.Conns().TLS(nc, conf)
			}
			c.run()
		}
		f.leave(nc)
		if !c.kept {
			c.conn.Close()
			f.open.Add(-1)
			f.cfg.Clients.Release(&c.slot)
		}
	})
	if !ok {
		nc.Close()
	}
}

// begin runs a function in a goroutine that Close waits for, and reports false after Close.
func (f *Front) begin(do func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Go(do)
	return true
}

// enter counts a pending connection in. When there are too many, it looks at a few and
// ends one that is slow; it reports false if it finds none.
func (f *Front) enter(nc net.Conn) bool {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending >= maxPending {
		looks := 0
		for other, since := range f.conns { // begins anywhere
			if !since.IsZero() && now.Sub(since) > pendingGrace {
				f.conns[other] = time.Time{}
				f.pending--
				f.shared.Limit(limit.Pending, f.blame(netaddr.Of(other.RemoteAddr()).Addr()))
				other.Close()
				break
			}
			if looks++; looks == 64 {
				return false
			}
		}
	}
	f.conns[nc] = now
	f.pending++
	return true
}

// known says that a connection is not pending any more.
func (f *Front) known(nc net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since, ok := f.conns[nc]; ok && !since.IsZero() {
		f.conns[nc] = time.Time{}
		f.pending--
	}
}

func (f *Front) leave(nc net.Conn) {
	f.known(nc)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, nc)
}

// Open is how many connections are open that have not become WebSocket connections.
func (f *Front) Open() int { return int(f.open.Load()) }

// Stop ends the listeners; upgrades are refused from now on.
func (f *Front) Stop() {
	f.stopped.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	for ln := range f.listeners {
		ln.Close()
	}
}

// Close ends all connections that have not become WebSocket connections. Wait waits for their
// end. It may be called any number of times.
func (f *Front) Close() {
	f.Stop()
	f.mu.Lock()
	f.closed = true
	for nc := range f.conns {
		nc.Close()
	}
	f.mu.Unlock()
	f.other.Close()
	f.handOver.Close()
}

// Wait waits, after Close, until nothing of the Front runs any more. WebSocket connections that
// no loop has taken run in it, too.
func (f *Front) Wait() { f.wg.Wait() }
