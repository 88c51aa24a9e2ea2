package driver

import (
	"context"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
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
	ID   [20]byte
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

// Warning is why pieces are gone (see NumGone), while some are; otherwise what was warned
// of last, nil where there was nothing.
func (t *Torrent) Warning() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.awayWhy != nil {
		return t.awayWhy
	}
	return t.warn
}

// Have returns a copy of the set of stored pieces.
func (t *Torrent) Have() bits.Set {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Clone()
}

// showEvery is how old a snapshot of a busy torrent may be.
const showEvery = 250 * time.Millisecond

// Stats returns a snapshot. It never blocks: what it says of rates and peers is up
// to 250 ms old.
func (t *Torrent) Stats() Stats {
	s := *t.shot.Load()
	s.Downloaded, s.Uploaded = t.received.Load(), t.sent.Load()
	return s
}

// publish makes visible, without a visit to the loop, what the machine knows. The
// loop calls it.
func (t *Torrent) publish(now time.Time) {
	down, up, _ := t.m.Totals()
	t.received.Store(t.before.down + down)
	t.sent.Store(t.before.up + up)
	t.stale = true
	if int(t.peers.Swap(int32(len(t.conns)))) != len(t.conns) && now.Sub(t.shown) > showEvery/10 || now.Sub(t.shown) >= showEvery {
		t.snapshot(now)
	}
}

func (t *Torrent) snapshot(now time.Time) {
	s := &Stats{Stats: t.m.Stats(now)}
	s.FromWebSeeds += t.before.web
	for _, p := range t.m.PeerStats(now) {
		peer := Peer{PeerStats: p}
		if c := t.conns[p.Peer]; c != nil {
			peer.Kind, peer.Addr = c.remote()
			if cn, ok := c.(*conn); ok {
				peer.ID = cn.id
			}
		}
		s.Peers = append(s.Peers, peer)
	}
	t.shot.Store(s)
	t.shown, t.stale = now, false
}

// idleStats is what there is to say of a torrent without a machine.
func (t *Torrent) idleStats() (s torrent.Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Pieces, s.Have = t.have.Len(), t.have.Count()
	s.Missing = int((t.left.Load() + t.info.Load().PieceLength - 1) / t.info.Load().PieceLength)
	s.MetadataDone = true
	return s
}

// Totals returns payload bytes received and sent, and those of the wanted pieces
// that are missing (-1 while unknown). It never blocks.
func (t *Torrent) Totals() (down, up, left int64) {
	return t.received.Load(), t.sent.Load(), t.left.Load()
}

// NumPeers is the number of connections. It never blocks.
func (t *Torrent) NumPeers() int { return int(t.peers.Load()) }

// Private reports whether only the torrent's trackers may name peers, as far as
// that is known yet.
func (t *Torrent) Private() bool { return t.private.Load() }

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

// Give brings the info dictionary of a torrent that does not know it yet. One that is
// not the torrent's own is ignored.
func (t *Torrent) Give(info *metainfo.Info) {
	if t.Info() == nil {
		t.post(torrent.InfoGiven{Bytes: info.Bytes})
	}
}

// Prioritize says how eagerly each piece is to be fetched; nil fetches all alike.
// Done says at once what it means.
func (t *Torrent) Prioritize(levels []torrent.Priority) {
	t.wish(torrent.Priorities{Levels: levels}, func(w *wishes) { w.levels = levels })
}

// Pause ends all connections and dials nobody, or starts again, also what had
// failed.
func (t *Torrent) Pause(on bool) {
	t.gate.mu.Lock()
	changed := t.gate.paused != on
	t.gate.paused = on
	t.gate.mu.Unlock()
	if on {
		t.obeyed()
	} else {
		t.Retry()
	}
	if changed {
		if !on {
			t.s.started()
		}
		t.emit(Event{Kind: StateChanged})
	}
}

// Retry starts again what had failed, such as writing to a disk that was full.
func (t *Torrent) Retry() {
	t.mu.Lock()
	if t.err != ErrNotRunning {
		t.err = nil
	}
	t.mu.Unlock()
	t.gate.mu.Lock()
	again := t.gate.failed
	t.gate.failed = nil
	t.gate.mu.Unlock()
	if again != nil {
		t.openSoon(again)
	}
	t.obeyed()
}

// obeyed has the loop see what the gate says, or starts one that is needed now.
func (t *Torrent) obeyed() {
	t.mu.Lock()
	start := !t.isDone
	t.mu.Unlock()
	t.gate.mu.Lock()
	running, stopped := t.gate.phase == running, t.gate.stopped()
	start = start || len(t.gate.pending) > 0 || t.awaited()
	t.gate.mu.Unlock()
	switch {
	case running:
		t.call(func() {
			t.obey(time.Now())
			if !t.stopping {
				t.carryOut(t.m.Step(time.Now(), torrent.Paused{})) // the store may take writes again
			}
		})
	case start && !stopped:
		t.wake()
	}
}

// Paused reports whether the torrent was paused.
func (t *Torrent) Paused() bool {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	return t.gate.paused
}

// Parked reports whether the torrent costs nothing but the memory of what it is:
// it has no machine, no goroutine and no open file.
func (t *Torrent) Parked() bool {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	return t.gate.phase == parked
}

// Ready waits until the content is open, with what was there verified. It returns
// why that failed, or the context's error.
func (t *Torrent) Ready(ctx context.Context) error {
	return t.until(ctx, func() <-chan struct{} { return t.learned })
}

// Wait waits until every wanted piece is stored. It returns why that cannot be, or
// the context's error.
func (t *Torrent) Wait(ctx context.Context) error { return t.until(ctx, t.Done) }

func (t *Torrent) until(ctx context.Context, what func() <-chan struct{}) error {
	for {
		changed, ch := t.Changed(), what()
		select {
		case <-ch:
			return nil
		default:
		}
		if err := t.Err(); err != nil {
			return err
		}
		select {
		case <-ch:
			return nil
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
