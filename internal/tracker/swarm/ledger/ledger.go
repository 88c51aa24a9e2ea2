// Package ledger counts what the swarm cores of one tracker hold together, so that a bound
// is one for all of them.
package ledger

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Config bounds what all cores hold. The zero value is usable.
type Config struct {
	// Swarms bounds the swarms. 0 means 1 million.
	Swarms int
	// Peers bounds the peers of all swarms. 0 means 4 million.
	Peers int
	// PeersPerAddr bounds the memberships (peer and swarm) of one IPv4 address or one
	// IPv6 /64. 0 means a 64th of Peers, at least 1,024: an office of thousands behind one
	// address gets in, and no address fills the tracker. Negative means no bound.
	PeersPerAddr int
	// Exempt says which addresses have no bounds of their own, because many clients
	// stand behind them: those of proxies. nil exempts none.
	Exempt func(a netip.Addr) bool
}

// A Ledger is a swarm.Ledger for many Cores, safe for concurrent use.
type Ledger struct {
	cfg           Config
	key           [2]uint64
	swarms, peers atomic.Int64
	stripes       [64]stripe
}

// A stripe counts a part of the sources. Peers of one source mostly join one at a time, so
// that hardly anybody waits for its lock.
type stripe struct {
	mu    sync.Mutex
	peers map[swarm.Source]int32
	most  int // sources since peers was made
	_     [40]byte
}

// New returns an empty Ledger. rng makes the key of its sources.
func New(cfg Config, rng *rand.Rand) *Ledger {
	if cfg.Swarms <= 0 {
		cfg.Swarms = 1 << 20
	}
	if cfg.Peers <= 0 {
		cfg.Peers = 4 << 20
	}
	switch {
	case cfg.PeersPerAddr == 0:
		cfg.PeersPerAddr = max(cfg.Peers/64, 1024)
	case cfg.PeersPerAddr < 0:
		cfg.PeersPerAddr = cfg.Peers
	}
	l := &Ledger{cfg: cfg, key: [2]uint64{rng.Uint64(), rng.Uint64()}}
	for i := range l.stripes {
		l.stripes[i].peers = make(map[swarm.Source]int32)
	}
	return l
}

// Source names an address: 0 if it is exempt.
func (l *Ledger) Source(a netip.Addr) swarm.Source {
	if l.cfg.Exempt != nil && l.cfg.Exempt(a) {
		return 0
	}
	return swarm.SourceOf(l.key, a)
}

// Join counts a peer in. swarm.ErrFull, swarm.ErrQuota.
func (l *Ledger) Join(src swarm.Source) error {
	if l.peers.Add(1) > int64(l.cfg.Peers) {
		l.peers.Add(-1)
		return swarm.ErrFull
	}
	if src == 0 {
		return nil
	}
	s := l.stripe(src)
	s.mu.Lock()
	n := s.peers[src]
	if int(n) >= l.cfg.PeersPerAddr {
		s.mu.Unlock()
		l.peers.Add(-1)
		return swarm.ErrQuota
	}
	s.peers[src] = n + 1
	s.most = max(s.most, len(s.peers))
	s.mu.Unlock()
	return nil
}

// Part counts a peer out.
func (l *Ledger) Part(src swarm.Source) {
	l.peers.Add(-1)
	if src == 0 {
		return
	}
	s := l.stripe(src)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.peers[src]; n > 1 {
		s.peers[src] = n - 1
		return
	}
	delete(s.peers, src)
	// A map never gives memory back.
	if s.most > 1024 && len(s.peers) < s.most/8 {
		kept := make(map[swarm.Source]int32, len(s.peers))
		for k, n := range s.peers {
			kept[k] = n
		}
		s.peers, s.most = kept, len(kept)
	}
}

// Open counts a swarm in, or reports false if there are too many.
func (l *Ledger) Open() bool {
	if l.swarms.Add(1) > int64(l.cfg.Swarms) {
		l.swarms.Add(-1)
		return false
	}
	return true
}

// Close counts a swarm out.
func (l *Ledger) Close() { l.swarms.Add(-1) }

// Peers is how many peers a source has.
func (l *Ledger) Peers(src swarm.Source) int {
	if src == 0 {
		return 0
	}
	s := l.stripe(src)
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.peers[src])
}

// Total is how many peers there are.
func (l *Ledger) Total() int { return int(l.peers.Load()) }

// Tight reports whether less than an eighth is free, of swarms or of peers.
func (l *Ledger) Tight() bool {
	tight := func(n int64, of int) bool { return n > int64(of)-int64(of)/8 }
	return tight(l.swarms.Load(), l.cfg.Swarms) || tight(l.peers.Load(), l.cfg.Peers)
}

func (l *Ledger) stripe(src swarm.Source) *stripe { return &l.stripes[src%64] }
