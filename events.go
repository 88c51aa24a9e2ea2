//go:build !js

package shoal

import (
	"context"
	"iter"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// Event is something that happened to a torrent.
type Event struct {
	Kind  EventKind
	Piece int   // of PieceStored and PieceLost
	Err   error // of Failed and Warned
}

// EventKind says what happened.
type EventKind uint8

// What happens to a torrent.
const (
	InfoKnown   EventKind = iota + 1 // the info dictionary is known, the content open
	PieceStored                      // a piece is verified and stored
	PieceLost                        // a stored piece can no longer be read
	Completed                        // every wanted file is there
	Warned                           // a stored file could not be read; see Err
	Failed                           // fetching cannot go on; see Err
	Ended                            // the torrent was closed; no event follows
)

// String returns the name of the kind.
func (k EventKind) String() string {
	names := [...]string{"unknown", "info known", "piece stored", "piece lost", "completed", "warned", "failed", "ended"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// Events iterates over what happens, beginning with what has happened already:
// InfoKnown, a PieceStored for each piece that is there, Completed. It ends with
// Ended or with ctx. A slow loop misses nothing that still holds, and keeps nobody
// waiting: events are made when the loop asks for them, from how the torrent has
// changed. A piece that was lost and stored again meanwhile is not told.
func (t *Torrent) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		var w watcher
		for ctx.Err() == nil {
			changed := t.n.Changed()
			for _, ev := range w.look(t) {
				if !yield(ev) || ev.Kind == Ended {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// watcher remembers what an iterator has told.
type watcher struct {
	info, done bool
	have       bits.Set
	err, warn  error
	events     []Event
}

// look returns what has changed since the last look.
func (w *watcher) look(t *Torrent) []Event {
	w.events = w.events[:0]
	err := t.n.Err()
	if !w.info && closed(t.n.Learned()) {
		w.info = true
		w.tell(Event{Kind: InfoKnown})
	}
	if w.info {
		w.pieces(t.n.Have())
		if done := t.Complete(); done != w.done {
			w.done = done
			if done {
				w.tell(Event{Kind: Completed})
			}
		}
	}
	if warn := t.n.Warning(); warn != nil && warn != w.warn {
		w.warn = warn
		w.tell(Event{Kind: Warned, Err: warn})
	}
	if err != w.err {
		w.err = err
		switch err {
		case nil:
		case ErrNotRunning:
			w.tell(Event{Kind: Ended})
		default:
			w.tell(Event{Kind: Failed, Err: err})
		}
	}
	return w.events
}

func (w *watcher) pieces(have bits.Set) {
	for i := range have.Len() {
		if now := have.Has(i); now != w.have.Has(i) {
			kind := PieceStored
			if !now {
				kind = PieceLost
			}
			w.tell(Event{Kind: kind, Piece: i})
		}
	}
	w.have = have
}

func (w *watcher) tell(ev Event) { w.events = append(w.events, ev) }

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
