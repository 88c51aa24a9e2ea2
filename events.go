//go:build !js

package shoal

import (
	"context"
	"iter"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// Event is something that happened to a torrent.
type Event struct {
	Kind    EventKind
	Piece   int    // of PieceStored and PieceLost
	Peer    string // of PeerJoined and PeerLeft: host:port, "" where unknown
	Tracker string // of TrackerAnswered: its URL
	Err     error  // of Failed, Warned, TrackerAnswered and PeerLeft
}

// EventKind says what happened.
type EventKind uint8

// What happens to a torrent.
const (
	InfoKnown       EventKind = iota + 1 // the info dictionary is known, the content open
	PieceStored                          // a piece is verified and stored
	PieceLost                            // a stored piece can no longer be read, or is not genuine
	Completed                            // every wanted file is there
	Warned                               // something failed with which the torrent goes on; see Err
	Failed                               // fetching cannot go on; see Err
	GoalReached                          // it is not seeded any more, because of its goals
	StateChanged                         // it was started or stopped, by whomever, or is verified anew
	PeerJoined                           // a connection
	PeerLeft                             // its end; Err says why where we ended it
	TrackerAnswered                      // a tracker answered, or did not; see Err
	Ended                                // the torrent was closed; no event follows
)

// String returns the name of the kind.
func (k EventKind) String() string {
	names := [...]string{
		"unknown", "info known", "piece stored", "piece lost", "completed", "warned", "failed", "goal reached",
		"state changed", "peer joined", "peer left", "tracker answered", "ended",
	}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// Events iterates over what happens, beginning with what has happened already:
// InfoKnown, a PieceStored for each piece that is there, Completed. It ends with
// Ended or with ctx. A slow loop keeps nobody waiting, and misses nothing that still
// holds: where it is 256 events behind, it is not told of some peers and trackers, nor
// of a piece that was lost and stored again meanwhile.
func (t *Torrent) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		heard := t.n.Subscribe(ctx)
		w := watcher{t: t}
		w.look()
		for missed := false; ; {
			for _, ev := range w.events {
				if ctx.Err() != nil || !yield(ev) || ev.Kind == Ended {
					return
				}
			}
			w.events = w.events[:0]
			missed = missed || len(heard) == cap(heard)
			if missed && len(heard) == 0 {
				missed = false
				w.look()
				continue
			}
			if ev, ok := <-heard; ok {
				w.take(ev)
			} else {
				w.look()
				w.tell(Event{Kind: Ended}) // or ctx has ended
			}
		}
	}
}

// watcher remembers what an iterator has told.
type watcher struct {
	t                *Torrent
	info, done, goal bool
	have             bits.Set
	err, warn        error
	events           []Event // to be told
}

// take tells what an event says, as far as it is new.
func (w *watcher) take(ev driver.Event) {
	switch ev.Kind {
	case driver.PieceStored, driver.PieceLost:
		if ev.Piece < w.have.Len() {
			w.piece(ev.Piece, ev.Kind == driver.PieceStored)
		}
	case driver.PeerJoined:
		w.tell(Event{Kind: PeerJoined, Peer: ev.Peer})
	case driver.PeerLeft:
		w.tell(Event{Kind: PeerLeft, Peer: ev.Peer, Err: ev.Err})
	case driver.TrackerSpoke:
		w.tell(Event{Kind: TrackerAnswered, Tracker: ev.Tracker, Err: ev.Err})
	case driver.StateChanged:
		w.tell(Event{Kind: StateChanged})
		w.look() // a check may have found less than there was
		return
	}
	w.glance()
}

// look tells what has changed since the last look.
func (w *watcher) look() {
	if closed(w.t.n.Learned()) {
		w.known()
		have := w.t.n.Have()
		for i := range have.Len() {
			w.piece(i, have.Has(i))
		}
	}
	w.glance()
}

// known tells that the info dictionary is known.
func (w *watcher) known() {
	if !w.info {
		w.info, w.have = true, bits.New(w.t.Info().NumPieces())
		w.tell(Event{Kind: InfoKnown})
	}
}

// glance is a look at all but the pieces.
func (w *watcher) glance() {
	if !w.info && closed(w.t.n.Learned()) {
		w.look()
		return
	}
	if done := w.info && w.t.Complete(); done != w.done {
		w.done = done
		if done {
			w.tell(Event{Kind: Completed})
		}
	}
	if warn := w.t.n.Warning(); warn != nil && warn != w.warn {
		w.warn = warn
		w.tell(Event{Kind: Warned, Err: warn})
	}
	if goal := w.t.GoalReached(); goal != w.goal {
		w.goal = goal
		if goal {
			w.tell(Event{Kind: GoalReached})
		}
	}
	if err := w.t.n.Err(); err != w.err {
		w.err = err
		if err != nil && err != ErrNotRunning {
			w.tell(Event{Kind: Failed, Err: err})
		}
	}
}

func (w *watcher) piece(i int, there bool) {
	switch {
	case there && w.have.Set(i):
		w.tell(Event{Kind: PieceStored, Piece: i})
	case !there && w.have.Clear(i):
		w.tell(Event{Kind: PieceLost, Piece: i})
	}
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
