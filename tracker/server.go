package tracker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
)

const (
	// headTimeout is how long a TLS handshake with a request may take.
	headTimeout = 10 * time.Second
	// idleTimeout is how long an HTTP connection is kept without a request.
	idleTimeout = time.Minute
	// maxHead bounds a request's head, in bytes.
	maxHead = 8 << 10
	// maxPending bounds the connections that have not yet said what they want. Beyond it, some
	// that took longer than pendingGrace have to go.
	maxPending   = 8192
	pendingGrace = 500 * time.Millisecond

	reasonShutdown = "tracker is shutting down"
)

// front is what stands before the doors: listeners, and the server for what is no announce.
type front struct {
	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]time.Time // no WebSocket connections (yet), and since when they are pending; zero = are not
	pending   int
	other     *http.Server
	handOver  *handOver
}

// Serve answers WebSocket and HTTP clients on ln until Close or Shutdown, then it
// returns nil. What is neither an announce nor a scrape goes to Config.Fallback.
func (t *Tracker) Serve(ln net.Listener) error { return t.serve(ln, nil) }

// ServeTLS is Serve behind TLS. conf must have a certificate, or a way to get one.
func (t *Tracker) ServeTLS(ln net.Listener, conf *tls.Config) error {
	conf = conf.Clone()
	// Upgrades exist in HTTP/1.1 alone; other protocols are those of ACME.
	conf.NextProtos = slices.DeleteFunc(conf.NextProtos, func(p string) bool { return p == "h2" })
	if !slices.Contains(conf.NextProtos, "http/1.1") {
		conf.NextProtos = append(conf.NextProtos, "http/1.1")
	}
	// What is sent at once goes in one record: one call to the kernel.
	conf.DynamicRecordSizingDisabled = true
	return t.serve(ln, conf)
}

func (t *Tracker) serve(ln net.Listener, conf *tls.Config) error {
	f := &t.front
	f.mu.Lock()
	if t.stopped() {
		f.mu.Unlock()
		ln.Close()
		return ErrClosed
	}
	f.listeners[ln] = struct{}{}
	f.mu.Unlock()
	defer func() {
		ln.Close()
		f.mu.Lock()
		delete(f.listeners, ln)
		f.mu.Unlock()
	}()
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			t.accepted(nc, conf)
		case t.stopped():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// Most likely out of descriptors; those who hang up will help.
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// stopped reports whether nothing new is taken any more.
func (t *Tracker) stopped() bool {
	select {
	case <-t.done:
		return true
	default:
		return t.drainUntil.Load() != 0
	}
}

func (t *Tracker) accepted(nc net.Conn, conf *tls.Config) {
	ip := addrOf(nc.RemoteAddr())
	var slots connSlots
	var err error
	f := &t.front
	if !f.enter(nc) {
		err = errFull
	} else if !t.trusted(ip) {
		// Behind a proxy the client is only known from its request.
		slots, err = t.take(ip)
	}
	if err != nil {
		f.leave(nc)
		t.shared.limited.Add(1)
		nc.Close()
		return
	}
	ok := t.begin(func() {
		v := visit{t: t, tcp: nc, conn: nc, slots: slots}
		nc.SetDeadline(time.Now().Add(headTimeout))
		if conf != nil {
			v.conn = t.serverTLS(nc, conf)
		}
		v.run()
		f.leave(nc)
		if !v.kept {
			v.conn.Close()
			t.release(&v.slots)
		}
	})
	if !ok {
		nc.Close()
	}
}

// begin runs f in a goroutine that Close waits for, and reports false after Close.
func (t *Tracker) begin(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.wg.Go(f)
	return true
}

// enter counts a pending connection in. When there are too many, it looks at a few and
// ends one that is slow; it reports false if it finds none.
func (f *front) enter(nc net.Conn) bool {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending >= maxPending {
		looks := 0
		for other, since := range f.conns { // begins anywhere
			if !since.IsZero() && now.Sub(since) > pendingGrace {
				f.conns[other] = time.Time{}
				f.pending--
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
func (f *front) known(nc net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since, ok := f.conns[nc]; ok && !since.IsZero() {
		f.conns[nc] = time.Time{}
		f.pending--
	}
}

func (f *front) leave(nc net.Conn) {
	f.known(nc)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, nc)
}

// A visit is a connection that has not become a WebSocket connection.
type visit struct {
	t     *Tracker
	tcp   net.Conn // as accepted
	conn  net.Conn // the same, or TLS on it
	slots connSlots
	buf   []byte // what was read, lent by buffers
	kept  bool   // somebody else closes it
}

func (v *visit) run() {
	t := v.t
	if tc, ok := v.conn.(*tls.Conn); ok {
		if err := tc.Handshake(); err != nil {
			return
		}
		if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
			return // acme-tls/1 wanted the handshake alone
		}
	}
	if v.buf = t.buffers.get(2048); v.buf == nil {
		return
	}
	defer func() { t.buffers.put(v.buf) }()
	var out []byte
	for {
		h, n, err := v.head()
		if err != nil {
			if errors.Is(err, httphead.ErrMalformed) {
				t.shared.malformed.Add(1)
				v.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
			}
			return
		}
		t.front.known(v.tcp)
		if h.HasBody || h.Twice || len(h.Method) != 3 || string(h.Method) != "GET" || !isDoor(h.Path) {
			v.handOver()
			return
		}
		c := Client{Door: HTTP, Addr: v.clientIP(h.Forwarded), Query: string(h.Query)}
		if len(h.Upgrade) > 0 {
			c.Door, c.Origin = WebSocket, string(h.Origin)
			v.upgrade(&h, &c, n)
			return
		}
		if len(h.Query) == 0 && h.Path[len(h.Path)-1] == '/' {
			v.handOver() // somebody with a browser
			return
		}
		keep := !h.HTTP10 && !httphead.HasWord(h.Connection, "close") && !t.stopped()
		out = t.respond(out[:0], &h, &c, addrOf(v.tcp.LocalAddr()), keep)
		v.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := v.conn.Write(out); err != nil || !keep {
			return
		}
		v.buf = v.buf[:copy(v.buf, v.buf[n:])]
		v.conn.SetReadDeadline(time.Now().Add(idleTimeout))
	}
}

// head reads until a request's head is in buf.
func (v *visit) head() (h httphead.Head, n int, err error) {
	for {
		if len(v.buf) > 0 {
			h, n, err = httphead.Parse(v.buf)
			if n > 0 || err != nil {
				return h, n, err
			}
		}
		if len(v.buf) >= maxHead {
			return h, 0, httphead.ErrMalformed
		}
		var ok bool
		if v.buf, ok = v.t.buffers.grow(v.buf, 512); !ok {
			return h, 0, errNoBuffer
		}
		first := len(v.buf) == 0
		m, err := v.conn.Read(v.buf[len(v.buf):cap(v.buf)])
		if m == 0 && err != nil {
			return h, 0, err
		}
		if first {
			v.conn.SetReadDeadline(time.Now().Add(headTimeout))
		}
		v.buf = v.buf[:len(v.buf)+m]
	}
}

// isDoor reports whether a path is where the tracker itself answers.
func isDoor(path []byte) bool {
	switch string(path[bytes.LastIndexByte(path, '/')+1:]) {
	case "announce", "scrape", "":
		return true
	}
	return false
}

// respond appends a whole HTTP response to an announce or a scrape.
func (t *Tracker) respond(dst []byte, h *httphead.Head, c *Client, local netip.Addr, keep bool) []byte {
	var body []byte
	if bytes.HasSuffix(h.Path, []byte("scrape")) {
		body = t.scrapeHTTP(c)
	} else {
		body = t.announceHTTP(c, local)
	}
	dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-8859-1\r\nCache-Control: no-store\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	if !keep {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// handOver gives a connection to the server for everything else, with what was read.
func (v *visit) handOver() {
	v.conn.SetDeadline(time.Time{})
	plain := &replay{Conn: v.conn, head: bytes.Clone(v.buf), done: func() { v.t.release(&v.slots) }}
	var nc net.Conn = plain
	if tc, ok := v.conn.(*tls.Conn); ok {
		nc = replayTLS{plain, tc}
	}
	v.kept = v.t.front.handOver.give(nc)
}

// A replayTLS tells net/http that it is encrypted.
type replayTLS struct {
	*replay
	tls *tls.Conn
}

// ConnectionState is what net/http asks for.
func (r replayTLS) ConnectionState() tls.ConnectionState { return r.tls.ConnectionState() }

// A replay is a connection of which the beginning was read before.
type replay struct {
	net.Conn
	head []byte
	once sync.Once
	done func()
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

func (r *replay) Close() error {
	r.once.Do(r.done)
	return r.Conn.Close()
}

// A handOver is a net.Listener of connections that somebody else has accepted.
type handOver struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

func (h *handOver) give(nc net.Conn) bool {
	select {
	case h.ch <- nc:
		return true
	case <-h.done:
		return false
	}
}

func (h *handOver) Accept() (net.Conn, error) {
	select {
	case nc := <-h.ch:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handOver) Close() error   { h.once.Do(func() { close(h.done) }); return nil }
func (h *handOver) Addr() net.Addr { return &net.TCPAddr{} }

func (f *front) init(t *Tracker) {
	f.listeners, f.conns = make(map[net.Listener]struct{}), make(map[net.Conn]time.Time)
	f.handOver = &handOver{ch: make(chan net.Conn), done: make(chan struct{})}
	f.other = &http.Server{Handler: t, ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead,
		// It would tell addresses.
		ErrorLog: log.New(io.Discard, "", 0)}
	t.wg.Add(1)
	go func() {
		defer t.wg.Done()
		f.other.Serve(f.handOver)
	}()
}

// stop ends the listeners.
func (f *front) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ln := range f.listeners {
		ln.Close()
	}
}

func (f *front) close() {
	f.stop()
	f.mu.Lock()
	for nc := range f.conns {
		nc.Close()
	}
	f.mu.Unlock()
	f.other.Close()
}

// Shutdown ends all connections little by little until ctx is done, so that not all
// clients come back elsewhere at once, then it closes the Tracker. Meanwhile nothing
// new is accepted and Stats reports Draining. Without a deadline it takes 10 s.
func (t *Tracker) Shutdown(ctx context.Context) error {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(10 * time.Second)
	}
	t.drainUntil.CompareAndSwap(0, max(end.UnixNano(), 1))
	t.front.stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for t.open.Load() > 0 && time.Now().Before(end) {
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

// timeLeft returns how long a drain still has, and whether there is one.
func (t *Tracker) timeLeft(now time.Time) (time.Duration, bool) {
	until := t.drainUntil.Load()
	if until == 0 {
		return 0, false
	}
	// The last connections get their close frames before the end.
	return max(time.Unix(0, until).Sub(now)-500*time.Millisecond, 0), true
}
