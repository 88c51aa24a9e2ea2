package front

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
)

// An httpConn is a connection that has not become a WebSocket connection.
type httpConn struct {
	f    *Front
	tcp  net.Conn   // as accepted
	conn net.Conn   // the same, or TLS on it
	ip   netip.Addr // of tcp, or as a PROXY header says
	slot limit.Slot
	buf  []byte // what was read, lent by Buffers
	kept bool   // somebody else closes it

	remote net.Addr // as a PROXY header says; nil: that of tcp
}

func (c *httpConn) run() {
	f := c.f
	if tc, ok := c.conn.(*tls.Conn); ok {
		if err := tc.Handshake(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) { // who says nothing has tried nothing
				f.shared.TLSFailures.Add(1)
			}
			c.plainOnTLS(err)
			return
		}
		if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
			return // acme-tls/1 wanted the handshake alone
		}
	}
	if c.buf = f.cfg.Buffers.In.Get(2048); c.buf == nil {
		f.shared.Limit(limit.Buffers, f.blame(c.ip))
		return
	}
	defer func() { f.cfg.Buffers.In.Put(c.buf) }()
	var out []byte
	for {
		h, n, why, err := c.head()
		if err != nil || why != limit.None {
			c.refuseHead(why, err, f.blame(c.ip))
			return
		}
		f.known(c.tcp)
		if h.IsGet && h.HasBody {
			c.refuseHead(limit.RequestBody, nil, f.behindProxies(c.ip, &h))
			return
		}
		at := doorOf(ofHead(&h))
		if !simple(&h) || at == elsewhere || at == welcome {
			c.handOver()
			return
		}
		client := core.Client{Door: stats.HTTP, Addr: f.behindProxies(c.ip, &h), Query: string(h.Query)}
		if at == upgrading {
			client.Door, client.Origin = stats.WebSocket, string(h.Origin)
			c.upgrade(&h, &client, n)
			return
		}
		keep := !h.HTTP10 && !httphead.HasWord(h.Connection, "close") && !f.stopped.Load()
		out = f.respond(out[:0], at, &client, netaddr.Of(c.tcp.LocalAddr()).Addr(), keep)
		if err := c.write(out); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				f.shared.Limit(limit.SlowReader, client.Addr)
			}
			return
		}
		if !keep {
			return
		}
		c.buf = c.buf[:copy(c.buf, c.buf[n:])]
		c.conn.SetReadDeadline(time.Now().Add(idleTimeout))
	}
}

// refuseHead ends a connection whose request's head was limited, or did not come.
func (c *httpConn) refuseHead(why limit.Reason, err error, client netip.Addr) {
	f := c.f
	switch {
	case errors.Is(err, httphead.ErrMalformed):
		f.shared.Malformed.Add(1)
	case why != limit.None:
		f.shared.Limit(why, client)
	default:
		return // it hung up, or said nothing for too long
	}
	switch why {
	case limit.None, limit.RequestSize:
		c.write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	case limit.RequestBody:
		c.write([]byte("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	}
}

// write writes b to a client that reads on, however slowly. To one that does not, nothing more
// is sent.
func (c *httpConn) write(b []byte) error {
	for len(b) > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		n, err := c.conn.Write(b[:min(len(b), pieceSize)])
		if err != nil {
			if t, ok := c.tcp.(*net.TCPConn); ok {
				t.SetLinger(0)
				t.Close() // TLS would wait to say goodbye
			}
			return err
		}
		b = b[n:]
	}
	return nil
}

// head reads until a request's head is in buf.
func (c *httpConn) head() (h httphead.Head, n int, why limit.Reason, err error) {
	for {
		if len(c.buf) > 0 {
			h, n, err = httphead.Parse(c.buf)
			if n > 0 || err != nil {
				return h, n, limit.None, err
			}
		}
		if len(c.buf) >= maxHead {
			return h, 0, limit.RequestSize, nil
		}
		var ok bool
		if c.buf, ok = c.f.cfg.Buffers.In.Grow(c.buf, 512); !ok {
			return h, 0, limit.Buffers, nil
		}
		first := len(c.buf) == 0
		m, err := c.conn.Read(c.buf[len(c.buf):cap(c.buf)])
		if m == 0 && err != nil {
			if !first && errors.Is(err, os.ErrDeadlineExceeded) {
				why = limit.RequestTime
			}
			return h, 0, why, err
		}
		if first {
			c.conn.SetReadDeadline(time.Now().Add(headTimeout))
		}
		c.buf = c.buf[:len(c.buf)+m]
	}
}

// respond appends a whole HTTP response to an announce or a scrape.
func (f *Front) respond(dst []byte, at door, c *core.Client, local netip.Addr, keep bool) []byte {
	var body []byte
	if at == scraping {
		body = f.scrape(c)
	} else {
		body = f.announce(c, local)
	}
	dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-8859-1\r\nCache-Control: no-store\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	if !keep {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}
