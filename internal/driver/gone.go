package driver

import (
	"context"
	"errors"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/storage"
)

// unreadable withdraws a piece that could not be read: from readers at once, from
// peers with the machine's next step. Our own copy of what others may have too is
// fetched again. What is somebody's original, or was complete and then changed by
// somebody, is gone until Mend finds it as it was: it is not for us to overwrite.
func (t *Torrent) unreadable(ev torrent.ReadFailed, err error) {
	if errors.Is(err, storage.ErrClosed) {
		return // it ends
	}
	i := int(ev.Index)
	changed := errors.Is(err, storage.ErrChanged) || errors.Is(err, storage.ErrMissing)
	t.gate.mu.Lock()
	t.mu.Lock()
	ev.Gone = t.content.Original || t.content.Mend != nil && t.isDone && changed
	fresh := t.have.Clear(i)
	if ev.Gone && fresh {
		if t.away.Len() == 0 {
			t.away = bits.New(t.have.Len())
		}
		t.away.Set(i)
		t.awayWhy = err
		t.stored.Add(-1)
		if wants(t.gate.wishes.levels, i) {
			t.left.Add(t.info.Load().PieceSize(i))
		}
	}
	if fresh {
		t.broadcast()
	}
	t.mu.Unlock()
	t.gate.mu.Unlock()
	if fresh {
		if !ev.Gone {
			t.settle()
		}
		if ev.Gone {
			t.emit(Event{Kind: Warned, Err: err})
		} else {
			t.Warn(err)
		}
		t.emit(Event{Kind: PieceLost, Piece: i})
	}
	t.post(ev)
}

// Dropped withdraws a piece that the store has let go of, to have room for others. It is
// fetched again when it is wanted or read.
func (t *Torrent) Dropped(index int) {
	t.gate.mu.Lock()
	t.mu.Lock()
	fresh, wanted := t.have.Clear(index), wants(t.gate.wishes.levels, index)
	if fresh {
		t.stored.Add(-1)
		t.broadcast()
	}
	t.mu.Unlock()
	t.gate.mu.Unlock()
	if fresh && wanted {
		t.settle() // whoever drops many wants none of them
	}
	if fresh {
		t.emit(Event{Kind: PieceLost, Piece: index})
	}
	t.post(torrent.ReadFailed{Index: uint32(index)})
}

// NumGone is the number of pieces that were there, cannot be read, and are not fetched
// again: Mend takes them back.
func (t *Torrent) NumGone() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.away.Count()
}

// Mend looks whether pieces that are gone are in the store again, and takes them back.
// It hashes them, so one call at a time and not too often.
func (t *Torrent) Mend(ctx context.Context) {
	t.mu.Lock()
	gone, mend := t.away.Clone(), t.content.Mend
	t.mu.Unlock()
	if gone.Count() == 0 || mend == nil {
		return
	}
	found := mend(ctx, &gone)
	var back []int
	for i := found.Next(0); i >= 0; i = found.Next(i + 1) {
		back = append(back, i)
	}
	if len(back) > 0 {
		t.post(torrent.Restored{Pieces: back})
	}
}

// back takes note that a piece is stored that may have been gone. With the last one
// the warning ends. Callers hold mu.
func (t *Torrent) back(index int) {
	if t.away.Clear(index) && t.away.Count() == 0 {
		t.awayWhy = nil
	}
}
