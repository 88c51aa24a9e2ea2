package driver

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Content is where a torrent's bytes are kept, and what of it is there already.
// The functions may be nil.
type Content struct {
	Store  storage.Store
	Layers *metainfo.Layers // nil: from the info dictionary alone
	Have   *bits.Set        // verified pieces; nil: none
	// Stored is told of every piece that was verified and written, before
	// anybody else is. It is called by one goroutine at a time.
	Stored func(index int)
	// Priorities say how eagerly each piece is to be fetched; nil: all alike.
	Priorities []torrent.Priority
	// OnDemand is how many bytes a reader has fetched in advance where readers alone say
	// what is fetched, see SetOnDemand; 0: they do not.
	OnDemand int64
	// Rest gives back what an idle torrent does not need, such as open files;
	// the store opens them again when it is used.
	Rest func()
	// Original says that the store holds somebody's own files, which nothing is
	// written to: what cannot be read there is not fetched either.
	Original bool
	// Mend hashes those of the pieces that cannot be read at the moment, and returns
	// those that are genuine again, never nil. Without it what cannot be read is
	// fetched again.
	Mend func(ctx context.Context, gone *bits.Set) *bits.Set
	// Check hashes what the store holds, and returns the pieces that are
	// genuine, also together with an error that concerns others. It ends early
	// with the context.
	Check func(ctx context.Context, progress storage.Progress) (*bits.Set, error)
}

// use takes the content of the torrent. It is called before the loop starts, or
// by the loop.
func (t *Torrent) use(info *metainfo.Info, c Content) {
	if c.Layers == nil && info.HasV2 {
		c.Layers = metainfo.NewLayers(info)
	}
	t.content = c
	t.gate.mu.Lock()
	if c.Priorities != nil {
		t.gate.wishes.levels = c.Priorities
	}
	if c.OnDemand > 0 {
		t.ahead.Store(c.OnDemand)
		t.gate.wishes.onDemand = true
	}
	t.gate.mu.Unlock()
	t.info.Store(info)
	t.store.Store(&c.Store)
}

// holds takes note of what the content holds. It does nothing else: machines are
// made by it.
func (t *Torrent) holds(have *bits.Set) {
	info := t.info.Load()
	t.mu.Lock()
	t.have = bits.New(info.NumPieces())
	if have != nil && have.Len() == t.have.Len() {
		t.have = have.Clone()
	}
	if t.away = (bits.Set{}); t.content.Original && !t.have.All() {
		t.away = bits.New(t.have.Len())
		for i := range t.have.Len() {
			if !t.have.Has(i) {
				t.away.Set(i)
			}
		}
		t.awayWhy = storage.ErrChanged
	}
	t.counted = true
	t.broadcast()
	t.mu.Unlock()
	t.settle()
	t.shot.Store(&Stats{Stats: t.idleStats()})
}

// settle opens or closes done by what is wanted last and there. It is called when
// either has changed: the machine's own word may be about what was wanted before.
func (t *Torrent) settle() {
	t.gate.mu.Lock()
	t.mu.Lock()
	was := t.isDone
	if t.counted {
		t.stored.Store(int32(t.have.Count()))
		left, gone := missing(t.info.Load(), &t.have, &t.away, t.gate.wishes.levels)
		t.left.Store(left)
		if t.setDone(left == gone); t.isDone != was {
			t.broadcast()
		}
	}
	finished := t.isDone && !was
	t.mu.Unlock()
	t.gate.mu.Unlock()
	if finished {
		t.emit(Event{Kind: Finished})
	}
}

// missing is the size in bytes of the wanted pieces that are not there, and of those
// among them that are gone.
func missing(info *metainfo.Info, have, gone *bits.Set, levels []torrent.Priority) (all, lost int64) {
	for i := range have.Len() {
		if wants(levels, i) && !have.Has(i) {
			all += info.PieceSize(i)
			if gone.Has(i) {
				lost += info.PieceSize(i)
			}
		}
	}
	return all, lost
}

// wants reports whether a piece is to be fetched.
func wants(levels []torrent.Priority, i int) bool {
	return i >= len(levels) || levels[i] != torrent.Skip
}

// setDone opens or closes done. Callers hold mu.
func (t *Torrent) setDone(done bool) {
	if done == t.isDone {
		return
	}
	if t.isDone = done; done {
		close(t.done)
	} else {
		t.done = make(chan struct{})
	}
}
