package core

import (
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// evictPart is how many peers leave a swarm at a time, so that nobody waits long for the lock of its
// shard.
const evictPart = 1024

// Evict takes everybody out of the swarms that check refuses, tells those who came by WebSocket why, and
// the other nodes that nobody is here. It returns how many swarms and peers that were. Connections
// stay, for other swarms. check is called without a lock held.
//
// AllowAnnounce has to refuse them before, so that nobody comes back. A peer whose announce was let in just
// before may come in behind Evict; nobody is introduced to it, and its next announce takes it out.
func (t *Core) Evict(check func(h swarm.Hash) error) (swarms, peers int) {
	var all []swarm.Hash
	for i := range t.shards {
		s := &t.shards[i]
		all = all[:0]
		s.mu.Lock()
		s.core.EachSwarm(func(h swarm.Hash) bool { all = append(all, h); return true })
		s.mu.Unlock()
		for _, h := range all {
			if err := check(h); err != nil {
				if n := t.evict(s, h, err.Error()); n > 0 {
					swarms++
					peers += n
				}
			}
		}
	}
	return swarms, peers
}

// evict empties a swarm and returns how many peers it had.
func (t *Core) evict(s *shard, h swarm.Hash, why string) (all int) {
	m := signal.Reply{Action: signal.ActionAnnounce, InfoHash: h, FailureReason: why, Complete: -1, Incomplete: -1}
	text := m.Append(nil)
	for n := evictPart; n == evictPart; all += n {
		b := t.conns.Begin()
		w := workOf(b)
		s.mu.Lock()
		n, w.to = s.core.Evict(b.Now, h, evictPart, w.to[:0])
		s.mu.Unlock()
		for _, r := range w.to {
			r.Conn.conn.Send(b, text) // who does not take it learns it at its next announce
		}
		clear(w.to)
		t.conns.End(b)
	}
	if p := t.cfg.Peering; p != nil && all > 0 {
		p.Changed(h, Counts{})
	}
	return all
}

// leave takes a peer whose announce is refused out of its swarm.
func (s *Session) leave(b *wsconn.Batch, m swarm.Membership) {
	s.peers.Remove(m)
	s.core.part(b, s, m)
}
