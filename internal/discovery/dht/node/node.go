// Package node runs a DHT machine on UDP sockets.
package node

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/dht"
	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// ErrClosed is returned by what is called after Close.
var ErrClosed = errors.New("dht node: closed")

// maxCalls bounds the requests that wait for the loop; AddNode is dropped
// beyond it.
const maxCalls = 4096

// Node is a running DHT node. Its methods may be called from any goroutine.
type Node struct {
	cfg   Config
	conns [2]*net.UDPConn // IPv4, IPv6; nil where not used or shared
	port  uint16

	packets chan packet
	wake    chan struct{}
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu    sync.Mutex
	calls []func(now time.Time)

	// All that follows is owned by the loop goroutine.
	machine   *dht.Machine
	searches  map[uint64]*search
	lastKey   uint64
	resolving bool
}

type packet struct {
	from netip.AddrPort
	buf  *[]byte
	n    int
}

// buffers are one byte longer than what is accepted, to tell what is not.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, dht.MaxPacket+1)
	return &b
}}

// Listen starts a node. It fails when the address cannot be listened on.
func Listen(cfg Config) (*Node, error) {
	n := &Node{
		cfg:      cfg,
		packets:  make(chan packet, 256),
		wake:     make(chan struct{}, 1),
		searches: make(map[uint64]*search),
		port:     cfg.Port,
	}
	if cfg.Bootstrap == nil {
		n.cfg.Bootstrap = DefaultBootstrap
	}
	mc := dht.Config{ID: cfg.ID, ReadOnly: cfg.ReadOnly, NoIPv4: cfg.NoIPv4, NoIPv6: cfg.NoIPv6}
	if cfg.Send == nil {
		var err error
		if n.conns, err = open(cfg); err != nil {
			return nil, err
		}
		mc.NoIPv4, mc.NoIPv6 = n.conns[0] == nil, n.conns[1] == nil
		n.port = n.Addr().Port()
	}
	var seed [32]byte
	crand.Read(seed[:])
	mc.Rand = rand.New(rand.NewChaCha8(seed))
	var err error
	if n.machine, err = dht.New(time.Now(), mc); err != nil {
		n.closeConns()
		return nil, err
	}
	for _, ap := range cfg.Nodes {
		n.AddNode(ap)
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	for _, c := range n.conns {
		if c != nil {
			n.wg.Go(func() { n.read(c) })
		}
	}
	n.wg.Go(n.loop)
	return n, nil
}

// Addr is the address of the IPv4 socket, or of the IPv6 socket where that is
// the only one. It is invalid for a shared socket.
func (n *Node) Addr() netip.AddrPort {
	for _, c := range n.conns {
		if c != nil {
			ap := c.LocalAddr().(*net.UDPAddr).AddrPort()
			return netaddr.Unmap(ap)
		}
	}
	return netip.AddrPort{}
}

// Close ends the node and what waits for it. It does not close a shared
// socket.
func (n *Node) Close() error {
	n.stop()
	n.closeConns()
	n.wg.Wait()
	return nil
}

func (n *Node) closeConns() {
	for _, c := range n.conns {
		if c != nil {
			c.Close()
		}
	}
}

// Deliver hands in a datagram that came in on a shared socket; b is copied. It
// never blocks: what comes too fast is lost, as on a socket.
func (n *Node) Deliver(b []byte, from netip.AddrPort) {
	if len(b) > dht.MaxPacket {
		return
	}
	p := packet{from: from, buf: buffers.Get().(*[]byte), n: len(b)}
	copy(*p.buf, b)
	select {
	case n.packets <- p:
	default:
		buffers.Put(p.buf)
	}
}

// IsPacket tells a datagram of the DHT from those of uTP and of trackers on a
// shared socket.
func IsPacket(b []byte) bool { return len(b) > 2 && b[0] == 'd' && b[len(b)-1] == 'e' }

// post lets the loop call f. It never blocks, so it may be used in callbacks.
func (n *Node) post(f func(now time.Time)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, f)
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return len(n.calls) < maxCalls
}

// ask is post for what has an answer. It returns ErrClosed after Close.
func (n *Node) ask(f func(now time.Time)) error {
	done := make(chan struct{})
	n.post(func(now time.Time) {
		f(now)
		close(done)
	})
	select {
	case <-done:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	}
}

// loop owns the machine. One timer serves the machine's one deadline.
func (n *Node) loop() {
	defer n.endSearches()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case p := <-n.packets:
			n.step(time.Now(), dht.PacketIn{From: p.from, Data: (*p.buf)[:p.n]})
			buffers.Put(p.buf)
		case <-n.wake:
			n.mu.Lock()
			calls := n.calls
			n.calls = nil
			n.mu.Unlock()
			for _, f := range calls {
				f(time.Now())
			}
		case <-timer.C:
			n.step(time.Now(), dht.Tick{})
		}
		timer.Reset(max(0, time.Until(n.machine.Deadline())))
	}
}

// step runs the machine and carries out what it says.
func (n *Node) step(now time.Time, ev dht.Event) {
	out := n.machine.Step(now, ev)
	for _, p := range out.Packets {
		n.write(p) // a packet that cannot be sent is a lost packet
	}
	for _, f := range out.Found {
		if s := n.searches[f.Key]; s != nil {
			s.add(f.Peers)
		} else if f.Key == 0 && n.cfg.Found != nil {
			n.cfg.Found(f.InfoHash, f.Peers)
		}
	}
	for _, d := range out.Done {
		if s := n.searches[d.Key]; s != nil {
			delete(n.searches, d.Key)
			s.end()
		}
	}
	if out.NeedBootstrap && !n.resolving {
		n.resolving = true
		n.wg.Go(n.resolve)
	}
}
