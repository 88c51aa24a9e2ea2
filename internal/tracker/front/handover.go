package front

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// handOver gives a connection to the server for everything else, with what was read.
func (c *httpConn) handOver() {
	c.conn.SetDeadline(time.Time{})
	plain := &replay{Conn: c.conn, remote: c.remote, head: bytes.Clone(c.buf), done: func() { c.f.open.Add(-1); c.f.cfg.Clients.Release(&c.slot) }}
	var nc net.Conn = plain
	if tc, ok := c.conn.(*tls.Conn); ok {
		nc = replayTLS{plain, tc}
	}
	c.kept = c.f.handOver.give(nc)
}

// A replayTLS tells net/http that it is encrypted.
type replayTLS struct {
	*replay
	tls *tls.Conn
}

// ConnectionState is what net/http asks for.
func (r replayTLS) ConnectionState() tls.ConnectionState { return r.tls.ConnectionState() }

// plainConn is the connection below TLS, or nc itself.
func plainConn(nc net.Conn) net.Conn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return nc
}

// A replay is a connection of which the beginning was read before.
type replay struct {
	net.Conn
	remote net.Addr // nil: that of Conn
	head   []byte
	once   sync.Once
	done   func()
}

func (r *replay) RemoteAddr() net.Addr {
	if r.remote != nil {
		return r.remote
	}
	return r.Conn.RemoteAddr()
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
