package node

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/dht"
)

// Announce announces a peer of infoHash on port, at once and every 15 minutes
// until Withdraw. With impliedPort others take the source port of our packets
// instead, which is right when one UDP port serves uTP and the DHT behind a
// NAT. A port of 0 stands for the port of the node. Calling it again is cheap.
func (n *Node) Announce(infoHash [20]byte, port int, impliedPort bool) {
	if port <= 0 || port > 65535 {
		port = int(n.port)
	}
	n.post(func(now time.Time) {
		n.step(now, dht.Announce{InfoHash: infoHash, Port: uint16(port), Implied: impliedPort})
	})
}

// Withdraw ends Announce. Others forget us within the hour.
func (n *Node) Withdraw(infoHash [20]byte) {
	n.post(func(now time.Time) { n.step(now, dht.Withdraw{InfoHash: infoHash}) })
}

// AddNode names a node, such as a peer's address with the port of its PORT
// message, or a node of a torrent's "nodes". It is taken up if it replies.
func (n *Node) AddNode(addr netip.AddrPort) {
	n.mu.Lock()
	busy := len(n.calls) >= maxCalls
	n.mu.Unlock()
	if !busy {
		n.post(func(now time.Time) { n.step(now, dht.AddNode{Addr: addr}) })
	}
}

// Stats describes the node; it is zero after Close.
func (n *Node) Stats() dht.Stats {
	var st dht.Stats
	if n.ask(func(now time.Time) { st = n.machine.Stats(now) }) != nil {
		return dht.Stats{}
	}
	return st
}

// Nodes returns the addresses of good nodes, to be kept for the next run's
// Config.Nodes.
func (n *Node) Nodes() []netip.AddrPort {
	var list []dht.NodeInfo
	if n.ask(func(now time.Time) { list = n.machine.Nodes(now) }) != nil {
		return nil
	}
	out := make([]netip.AddrPort, len(list))
	for i := range list {
		out[i] = list[i].Addr
	}
	return out
}

// GetPeers searches for peers of infoHash. The channel delivers each once, as
// they are found, and is closed when the search is over, ctx ends or the node
// is closed.
func (n *Node) GetPeers(ctx context.Context, infoHash [20]byte) <-chan netip.AddrPort {
	s := &search{out: make(chan netip.AddrPort), more: make(chan struct{}, 1)}
	var key uint64
	started := n.ask(func(now time.Time) {
		n.lastKey++
		key = n.lastKey
		n.searches[key] = s
		n.step(now, dht.GetPeers{Key: key, InfoHash: infoHash})
	})
	if started != nil {
		close(s.out)
		return s.out
	}
	go func() {
		defer close(s.out)
		if !s.forward(ctx, n.ctx) {
			n.post(func(now time.Time) {
				delete(n.searches, key)
				n.step(now, dht.Cancel{Key: key})
			})
		}
	}()
	return s.out
}

// search carries the peers of one GetPeers from the loop to a slow reader.
type search struct {
	out  chan netip.AddrPort
	more chan struct{}

	mu    sync.Mutex
	peers []netip.AddrPort
	over  bool
}

func (s *search) add(peers []netip.AddrPort) {
	s.mu.Lock()
	s.peers = append(s.peers, peers...)
	s.mu.Unlock()
	s.signal()
}

func (s *search) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.signal()
}

func (s *search) signal() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// forward delivers until the search is over. It reports false when a context
// ended first.
func (s *search) forward(ctx, closed context.Context) bool {
	for {
		s.mu.Lock()
		peers, over := s.peers, s.over
		s.peers = nil
		s.mu.Unlock()
		for _, p := range peers {
			select {
			case s.out <- p:
			case <-ctx.Done():
				return false
			case <-closed.Done():
				return false
			}
		}
		if over {
			return true
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return false
		case <-closed.Done():
			return false
		}
	}
}

func (n *Node) endSearches() {
	for _, s := range n.searches {
		s.end()
	}
}
