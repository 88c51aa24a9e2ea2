package driver_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// network joins sessions in memory, so that their tests run on a clock of their own
// and nothing but the driver is in the way.
type network struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]func(transport.Conn)
}

// host puts somebody at an address.
func (n *network) host(at netip.AddrPort, accept func(transport.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[at] = accept
}

func newNetwork() *network {
	return &network{hosts: map[netip.AddrPort]func(transport.Conn){}}
}

// pipe is one end of a stream in memory.
type pipe struct {
	net.Conn
	remote string
}

func (p *pipe) WriteBuffers(bufs [][]byte) (int64, error) {
	b := net.Buffers(bufs)
	return b.WriteTo(p.Conn)
}

func (p *pipe) Kind() transport.Kind { return transport.TCP }
func (p *pipe) RemoteAddr() string   { return p.remote }

// dialler dials as the host with that address.
func (n *network) dialler(from netip.AddrPort) func(context.Context, netip.AddrPort) (transport.Conn, error) {
	return func(_ context.Context, to netip.AddrPort) (transport.Conn, error) {
		n.mu.Lock()
		accept := n.hosts[to]
		n.mu.Unlock()
		if accept == nil {
			return nil, errors.New("nobody is there")
		}
		a, b := net.Pipe()
		accept(&pipe{b, from.String()})
		return &pipe{a, to.String()}, nil
	}
}

// session adds a session with that address to the network.
func (n *network) session(t *testing.T, addr string, change func(*driver.Config)) (*driver.Session, netip.AddrPort) {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	cfg := driver.Config{Dial: n.dialler(a)}
	if change != nil {
		change(&cfg)
	}
	s := driver.NewSession(cfg)
	n.host(a, s.Accept)
	t.Cleanup(s.Close)
	return s, a
}

// inBubble runs a test on a clock of its own. It fails when a goroutine survives.
func inBubble(t *testing.T, f func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newNetwork()) })
}
