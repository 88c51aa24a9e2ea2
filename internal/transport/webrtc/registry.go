package webrtc

import (
	"sync"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// A registry counts the connections of a Host and knows who is at the other ends.
type registry struct {
	maxPending, maxOpen, maxOffers int

	mu     sync.Mutex
	empty  sync.Cond // no peers are left
	closed bool
	peers  map[*peer]struct{}
	names  map[[20]byte]*peer
	stats  Stats
	offers int // of those half-open
}

func (r *registry) init(cfg Config) {
	r.maxPending, r.maxOpen = cfg.MaxPending, cfg.MaxOpen
	r.maxOffers = max(min(cfg.MaxPending, cfg.MaxOpen/4), 1)
	r.empty.L = &r.mu
	r.peers = make(map[*peer]struct{})
	r.names = make(map[[20]byte]*peer)
}

// admit counts a new connection, or says why there is no room for it.
func (r *registry) admit(p *peer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrHostClosed
	case r.stats.Live >= r.maxOpen,
		p.offerer && r.offers >= r.maxOffers,
		!p.offerer && r.stats.HalfOpen-r.offers >= r.maxPending:
		return ErrTooMany
	}
	if p.offerer {
		r.offers++
	}
	r.peers[p] = struct{}{}
	r.stats.Live++
	r.stats.HalfOpen++
	return nil
}

// settled counts the end of a half-open phase.
func (r *registry) settled(offerer, opened bool) {
	r.mu.Lock()
	r.stats.HalfOpen--
	if offerer {
		r.offers--
	}
	if opened {
		r.stats.Opened++
	} else {
		r.stats.Failed++
	}
	r.mu.Unlock()
}

// gone counts the end of p, of which nothing is left.
func (r *registry) gone(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.peers[p]; !ok {
		return
	}
	delete(r.peers, p)
	if r.names[p.name] == p {
		delete(r.names, p.name)
	}
	r.stats.Live--
	if len(r.peers) == 0 {
		r.empty.Broadcast()
	}
}

// shut refuses new connections and returns those that there are; it reports whether
// it is the first to do so.
func (r *registry) shut() (peers []*peer, first bool) {
	r.mu.Lock()
	first, r.closed = !r.closed, true
	for p := range r.peers {
		peers = append(peers, p)
	}
	r.mu.Unlock()
	return peers, first
}

// drain waits until no connection is left.
func (r *registry) drain() {
	r.mu.Lock()
	for len(r.peers) > 0 {
		r.empty.Wait()
	}
	r.mu.Unlock()
}

// Stats returns the counts of now.
func (r *registry) Stats() Stats {
	r.mu.Lock()
	s := r.stats
	r.mu.Unlock()
	return s
}

// Name implements transport.Link. A name that another connection has stays that one's
// while it lives.
func (p *peer) Name(id [20]byte) {
	r := &p.h.registry
	r.mu.Lock()
	if _, live := r.peers[p]; live && p.name == ([20]byte{}) && r.names[id] == nil {
		p.name = id
		r.names[id] = p
	}
	r.mu.Unlock()
}

// Link returns the open connection to a peer that has given itself this id, nil for none.
// It is asked for when the peer offers another: then one on which nothing is heard any more
// is given up. The peer has changed its network, and comes again before we would notice.
func (r *registry) Link(id [20]byte) transport.Link {
	r.mu.Lock()
	p := r.names[id]
	doubted := p != nil && p.doubted.Load()
	if doubted {
		delete(r.names, id)
	}
	r.mu.Unlock()
	if doubted {
		p.giveIn()
	}
	if doubted || p == nil {
		return nil
	}
	return p
}
