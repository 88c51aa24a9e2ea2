//go:build !js

package shoal

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// Transport carries the streams between peers. TCP is built in; implement
// Transport to reach peers through a proxy, a tunnel or in memory. Its methods are
// called by many goroutines.
type Transport interface {
	// Dial opens a stream to a peer, until ctx ends.
	Dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
	// Accept waits for the next stream that a peer opens. An error, for example
	// net.ErrClosed, means that none will come; a transport that only dials returns
	// one at once.
	Accept() (net.Conn, error)
	// Close makes Accept return an error. Streams that are open are closed by the
	// client.
	Close() error
}

// customKind is none of the kinds that have a name.
const customKind transport.Kind = 0

// customTransport runs a Transport.
type customTransport struct {
	t  Transport
	wg sync.WaitGroup
}

func (c *customTransport) dial(ctx context.Context, addr netip.AddrPort) (transport.Conn, error) {
	nc, err := c.t.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &customConn{Conn: nc, remote: addr.String()}, nil
}

func (c *customTransport) start(s *driver.Session) {
	c.wg.Go(func() {
		for {
			nc, err := c.t.Accept()
			if err != nil {
				return
			}
			remote := ""
			if a := nc.RemoteAddr(); a != nil {
				if ap, err := netip.ParseAddrPort(a.String()); err == nil {
					remote = ap.String()
				}
			}
			s.Accept(&customConn{Conn: nc, remote: remote})
		}
	})
}

// customConn makes a net.Conn what the driver wants.
type customConn struct {
	net.Conn
	remote string
	once   sync.Once
	err    error
}

var _ transport.Conn = (*customConn)(nil)

// WriteBuffers implements transport.Conn.
func (c *customConn) WriteBuffers(bufs [][]byte) (int64, error) {
	nb := net.Buffers(bufs)
	return nb.WriteTo(c.Conn)
}

// Close implements transport.Conn: any number of times.
func (c *customConn) Close() error {
	c.once.Do(func() { c.err = c.Conn.Close() })
	return c.err
}

// Kind implements transport.Conn.
func (c *customConn) Kind() transport.Kind { return customKind }

// RemoteAddr implements transport.Conn. It hides that of net.Conn.
func (c *customConn) RemoteAddr() string { return c.remote }
