package driver

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Stats is a snapshot of a torrent.
type Stats struct {
	torrent.Stats
	Peers []Peer
}

// Peer is a snapshot of one connection.
type Peer struct {
	torrent.PeerStats
	Kind transport.Kind
	Addr string
}

// Key is the swarm's info hash on the wire: v1 where there is one.
func (t *Torrent) Key() metainfo.Hash { return t.key }

// Info is the info dictionary, nil until it is known.
func (t *Torrent) Info() *metainfo.Info { return t.info.Load() }

// Learned is closed when the info dictionary is known and the content open.
func (t *Torrent) Learned() <-chan struct{} { return t.learned }

// Done is closed while every wanted piece is stored.
func (t *Torrent) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

// Changed is closed when a piece was stored or lost or the torrent failed; ask
// again for the next change.
func (t *Torrent) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Err is why fetching cannot go on, nil while it can.
func (t *Torrent) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Warning is the last error met while reading what was stored.
func (t *Torrent) Warning() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.warn
}

// Have returns a copy of the set of stored pieces.
func (t *Torrent) Have() bits.Set {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Clone()
}

// Stats returns a snapshot; it is zero when the torrent has ended.
func (t *Torrent) Stats() (s Stats) {
	t.call(func() {
		now := time.Now()
		s.Stats = t.m.Stats(now)
		for _, p := range t.m.PeerStats(now) {
			peer := Peer{PeerStats: p}
			if c := t.conns[p.Peer]; c != nil {
				peer.Kind, peer.Addr = c.remote()
			}
			s.Peers = append(s.Peers, peer)
		}
	})
	return s
}

// Totals returns payload bytes received and sent, and those still missing (-1
// while unknown). It never blocks.
func (t *Torrent) Totals() (down, up, left int64) {
	return t.received.Load(), t.sent.Load(), t.left.Load()
}

// NumPeers is the number of connections. It never blocks.
func (t *Torrent) NumPeers() int { return int(t.peers.Load()) }

// AddPeers offers addresses to connect to, and says where they come from.
func (t *Torrent) AddPeers(addrs []netip.AddrPort, from swarm.Source) {
	t.post(swarm.PeersFound{Addrs: addrs, Source: from})
}

// Want replaces the set of pieces to fetch; nil wants all.
func (t *Torrent) Want(pieces *bits.Set) {
	if pieces == nil {
		t.Prioritize(nil)
		return
	}
	levels := make([]torrent.Priority, pieces.Len())
	for i := range levels {
		if pieces.Has(i) {
			levels[i] = torrent.Normal
		}
	}
	t.Prioritize(levels)
}

// Prioritize says how eagerly each piece is to be fetched; nil fetches all alike.
func (t *Torrent) Prioritize(levels []torrent.Priority) {
	t.mu.Lock()
	if t.isDone {
		t.isDone = false
		t.done = make(chan struct{})
	}
	t.mu.Unlock()
	t.post(torrent.Priorities{Levels: levels})
}

// Pause stops fetching and serving, or starts it again.
func (t *Torrent) Pause(on bool) {
	if !on {
		t.mu.Lock()
		if t.err != ErrNotRunning {
			t.err = nil
		}
		t.mu.Unlock()
	}
	t.post(torrent.Paused{On: on})
}
