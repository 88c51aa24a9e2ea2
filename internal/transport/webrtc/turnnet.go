//go:build !js

package webrtc

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// A turnNet makes the sockets by which one ICE agent reaches TURN servers. pion ends an agent
// only when all servers have answered or the system has given them up, which may take
// minutes; giveUp ends the wait for those that have never said a word. To the others the
// agent says goodbye.
type turnNet struct {
	transport.Net
	ctx context.Context // of the half-open phase

	mu    sync.Mutex
	over  bool
	conns []turnConn
}

type turnConn interface {
	silent() bool
	Close() error
}

func newTurnNet(ctx context.Context) (*turnNet, error) {
	n, err := stdnet.NewNet()
	return &turnNet{Net: n, ctx: ctx}, err
}

// ListenPacket implements transport.Net.
func (n *turnNet) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := n.Net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	u := &turnUDP{PacketConn: c}
	return u, n.keep(u)
}

// DialTCP implements transport.Net.
func (n *turnNet) DialTCP(network string, _, raddr *net.TCPAddr) (transport.TCPConn, error) {
	c, err := new(net.Dialer).DialContext(n.ctx, network, raddr.String())
	if err != nil {
		return nil, err
	}
	t := &turnTCP{TCPConn: c.(*net.TCPConn)}
	return t, n.keep(t)
}

// keep remembers c, or closes it if it comes too late.
func (n *turnNet) keep(c turnConn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		c.Close()
		return net.ErrClosed
	}
	n.conns = append(n.conns, c)
	return nil
}

// giveUp closes what has not heard from its server.
func (n *turnNet) giveUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	for _, c := range n.conns {
		if c.silent() {
			c.Close()
		}
	}
}

type turnUDP struct {
	net.PacketConn
	heard atomic.Bool
}

func (c *turnUDP) silent() bool { return !c.heard.Load() }

// ReadFrom implements net.PacketConn.
func (c *turnUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err == nil && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, from, err
}

type turnTCP struct {
	*net.TCPConn
	heard atomic.Bool
}

func (c *turnTCP) silent() bool { return !c.heard.Load() }

// Read implements net.Conn.
func (c *turnTCP) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}
