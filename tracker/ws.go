package tracker

import (
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/shoal-p2p/shoal/tracker/swarm"
)

const (
	wsWriteTimeout = 10 * time.Second
	// wsMaxQueued is how many bytes may wait for a slow receiver.
	wsMaxQueued = 512 << 10
	// wsMaxErrors is how many bad messages a connection may send in its life.
	wsMaxErrors = 50
	// wsProbe is how long a connection has to show life when another one
	// claims its peer id.
	wsProbe = 10 * time.Second
)

// wsDoor holds the open WebSocket connections.
type wsDoor struct {
	t  *Tracker
	up *gws.Upgrader

	mu       sync.Mutex
	conns    map[*wsConn]struct{}
	admitted int // conns and those that are being upgraded
	perIP    map[netip.Addr]int
	closed   bool
}

// A wsConn is one connection. It serves as gws's session storage so that gws's
// handlers find it.
type wsConn struct {
	t      *Tracker
	sock   *gws.Conn
	client *Client
	ip     netip.Addr   // what Limits.ConnsPerAddr counts
	heard  atomic.Int64 // when the last message or pong came, Unix nanoseconds
	probed atomic.Int64 // when it has to have shown life; 0 = no probe
	queued atomic.Int64 // bytes given to the writer and not yet written
	gone   atomic.Bool

	// Touched by the reading goroutine alone:

	peers  []membership
	errors int

	// key is what the client proves its identity with (BEP 3), set once.
	key atomic.Pointer[string]
}

type membership struct {
	hash swarm.Hash
	peer swarm.PeerID
}

func (d *wsDoor) init(t *Tracker) {
	d.t = t
	d.conns = make(map[*wsConn]struct{})
	d.perIP = make(map[netip.Addr]int)
	d.up = gws.NewUpgrader(wsEvents{}, &gws.ServerOption{
		ReadMaxPayloadSize:  t.cfg.Limits.Message,
		WriteMaxPayloadSize: 1 << 20,
		ReadBufferSize:      1 << 10,
		HandshakeTimeout:    wsWriteTimeout,
		Logger:              quiet{},
		NewSession:          func() gws.SessionStorage { return &wsConn{t: t} },
	})
}

func (d *wsDoor) serve(w http.ResponseWriter, r *http.Request) {
	client := &Client{Door: WebSocket, Addr: d.t.clientIP(r), Origin: r.Header.Get("Origin"), Query: r.URL.RawQuery}
	if f := d.t.cfg.AllowClient; f != nil {
		if err := f(client); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	ip := limitKey(d.t.clientIP(r))
	if status := d.admit(ip); status != 0 {
		http.Error(w, "too many connections", status)
		return
	}
	sock, err := d.up.Upgrade(w, r)
	if err != nil {
		d.release(ip) // gws has answered
		return
	}
	c := sock.Session().(*wsConn)
	c.sock, c.ip, c.client = sock, ip, client
	c.heard.Store(d.t.cfg.Now().UnixNano())
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.conns[c] = struct{}{}
		d.t.wg.Add(1)
	}
	d.mu.Unlock()
	if closed {
		d.release(ip)
		sock.NetConn().Close()
		return
	}
	// Not in this goroutine: it would keep the request and its buffers alive.
	go func() {
		defer d.t.wg.Done()
		sock.ReadLoop()
	}()
}

// limitKey is what counts as one place: an IPv4 address or an IPv6 /64.
func limitKey(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// admit counts a connection in, or returns the status that refuses it.
func (d *wsDoor) admit(ip netip.Addr) (status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg := &d.t.cfg
	switch {
	case d.closed, cfg.Limits.Conns > 0 && d.admitted >= cfg.Limits.Conns:
		return http.StatusServiceUnavailable
	case cfg.Limits.ConnsPerAddr > 0 && !ip.IsLoopback() && d.perIP[ip] >= cfg.Limits.ConnsPerAddr:
		return http.StatusTooManyRequests
	}
	d.admitted++
	d.perIP[ip]++
	return 0
}

func (d *wsDoor) release(ip netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.admitted--
	if d.perIP[ip]--; d.perIP[ip] <= 0 {
		delete(d.perIP, ip)
	}
}

func (d *wsDoor) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

func (d *wsDoor) all() []*wsConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	conns := make([]*wsConn, 0, len(d.conns))
	for c := range d.conns {
		conns = append(conns, c)
	}
	return conns
}

// sweep pings silent connections and closes dead ones.
func (d *wsDoor) sweep(now time.Time) {
	ping := d.t.cfg.PingInterval
	for _, c := range d.all() {
		silent := now.Sub(time.Unix(0, c.heard.Load()))
		probe := c.probed.Load()
		switch {
		case silent >= 2*ping+ping/2, probe != 0 && now.UnixNano() >= probe:
			c.kill()
		case silent >= ping:
			c.write(gws.OpcodePing, nil)
		}
	}
}

func (d *wsDoor) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	for _, c := range d.all() {
		c.sock.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
		c.sock.WriteClose(1001, []byte("tracker is shutting down"))
		c.kill()
	}
}

// kill ends the connection without waiting for anything.
func (c *wsConn) kill() { c.sock.NetConn().Close() }

// probe makes the connection show life or lose its place.
func (c *wsConn) probe(now time.Time) {
	if c.probed.CompareAndSwap(0, now.Add(wsProbe).UnixNano()) {
		c.write(gws.OpcodePing, nil)
	}
}

func (c *wsConn) alive() {
	c.heard.Store(c.t.cfg.Now().UnixNano())
	c.probed.Store(0)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// write hands a message to the writer and copies it. It reports false when
// the receiver is too slow to get more.
func (c *wsConn) write(op gws.Opcode, b []byte) bool {
	size := int64(len(b)) + 64
	if c.queued.Add(size) > wsMaxQueued || c.gone.Load() {
		c.queued.Add(-size)
		return false
	}
	buf := buffers.Get().(*[]byte)
	*buf = append((*buf)[:0], b...)
	c.sock.Async(func() {
		c.sock.NetConn().SetWriteDeadline(time.Now().Add(wsWriteTimeout))
		c.sock.WriteMessage(op, *buf)
		c.queued.Add(-size)
		buffers.Put(buf)
	})
	return true
}

// wsEvents is what gws calls, from the reading goroutine of each connection.
type wsEvents struct{}

func (wsEvents) OnOpen(*gws.Conn) {}

func (wsEvents) OnPing(sock *gws.Conn, payload []byte) {
	c := sock.Session().(*wsConn)
	c.alive()
	c.write(gws.OpcodePong, payload)
}

func (wsEvents) OnPong(sock *gws.Conn, _ []byte) { sock.Session().(*wsConn).alive() }

func (wsEvents) OnMessage(sock *gws.Conn, m *gws.Message) {
	c := sock.Session().(*wsConn)
	c.alive()
	if !c.handle(m.Bytes()) {
		sock.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
		sock.WriteClose(1008, nil)
	}
	m.Close()
}

func (wsEvents) OnClose(sock *gws.Conn, _ error) {
	c := sock.Session().(*wsConn)
	c.gone.Store(true)
	now := c.t.cfg.Now()
	for _, m := range c.peers {
		c.t.with(m.hash, func(core *swarm.Core[*wsConn]) { core.Part(now, m.hash, c, m.peer) })
	}
	c.peers = nil
	d := &c.t.ws
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.release(c.ip)
}

// wsConn as gws.SessionStorage: there is nothing to store.

func (c *wsConn) Len() int                     { return 0 }
func (c *wsConn) Load(string) (any, bool)      { return nil, false }
func (c *wsConn) Delete(string)                {}
func (c *wsConn) Store(string, any)            {}
func (c *wsConn) Range(func(string, any) bool) {}

// quiet drops what gws would log: the end of a connection is no news.
type quiet struct{}

func (quiet) Error(...any) {}

var errTooManyPeers = errors.New("too many peers on one connection")
