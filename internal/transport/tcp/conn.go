// Package tcp carries byte streams over TCP.
package tcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// DefaultDialTimeout bounds Dial where the context does not bound it sooner.
const DefaultDialTimeout = 10 * time.Second

// ErrAddr reports an address that nobody can be reached at.
var ErrAddr = errors.New("tcp: not an address to connect to")

// Conn is one TCP connection.
type Conn struct {
	tcp    *net.TCPConn
	remote netip.AddrPort
	name   string
	wbufs  net.Buffers // of the WriteBuffers call under way; a field, so that it is not allocated

	reader reader // of the ReadBuffers call under way

	slot      func() // gives the listener's half-open place back, nil for dialled ones
	closeOnce sync.Once
	closeErr  error
}

var _ transport.Conn = (*Conn)(nil)

// Dial connects to addr within DefaultDialTimeout, or sooner if ctx ends. The
// system sizes the socket's buffers by what the path needs, up to its own bound
// (some MiB); sizes set by hand would turn that off.
func Dial(ctx context.Context, addr netip.AddrPort) (*Conn, error) {
	if !addr.IsValid() || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
		return nil, ErrAddr
	}
	d := net.Dialer{
		Timeout:   DefaultDialTimeout,
		KeepAlive: -1, // the peer protocol has its own
	}
	addr = netaddr.Unmap(addr)
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	return newConn(c.(*net.TCPConn), addr, nil), nil
}

func newConn(c *net.TCPConn, remote netip.AddrPort, slot func()) *Conn {
	// Go sets TCP_NODELAY on every connection, which is what we want: the driver
	// hands over whole batches, so waiting for more would only add delay.
	return &Conn{tcp: c, remote: remote, name: remote.String(), slot: slot}
}

// Read implements transport.Conn.
func (c *Conn) Read(p []byte) (int, error) { return c.tcp.Read(p) }

// Write implements transport.Conn.
func (c *Conn) Write(p []byte) (int, error) { return c.tcp.Write(p) }

// WriteBuffers implements transport.Conn: one writev where the system has it.
func (c *Conn) WriteBuffers(bufs [][]byte) (int64, error) {
	c.wbufs = bufs
	n, err := c.wbufs.WriteTo(c.tcp)
	c.wbufs = nil
	return n, err
}

// Close implements transport.Conn. Data not sent yet is still sent by the system.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.Established()
		c.closeErr = c.tcp.Close()
	})
	return c.closeErr
}

// Established tells the listener that the handshake of this accepted connection
// is done, so that it no longer counts as half-open. It may be called any number
// of times, also on dialled connections, where it does nothing.
func (c *Conn) Established() {
	if c.slot != nil {
		c.slot()
	}
}

// SetReadDeadline implements transport.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tcp.SetReadDeadline(t) }

// SetWriteDeadline implements transport.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }

// Kind implements transport.Conn.
func (c *Conn) Kind() transport.Kind { return transport.TCP }

// RemoteAddr implements transport.Conn.
func (c *Conn) RemoteAddr() string { return c.name }

// RemoteAddrPort is the other end's address; an IPv4 address is never given in
// its IPv6 form.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return c.remote }
