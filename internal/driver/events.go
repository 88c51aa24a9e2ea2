package driver

import (
	"context"
	"sync"
)

// EventKind says what happened to a torrent.
type EventKind uint8

// The kinds of events.
const (
	Opened        EventKind = iota + 1 // the info dictionary is known and the content open
	StateChanged                       // paused, resumed, being checked, checked
	PieceStored                        // Piece was verified and written
	PieceLost                          // Piece can no longer be read
	Finished                           // every wanted piece is stored
	Failed                             // it cannot go on: Err
	Warned                             // something failed, and the torrent goes on: Err
	PeerJoined                         // a connection to Peer
	PeerLeft                           // its end; Err says why where it was our decision
	TrackerSpoke                       // Tracker answered, or did not: Err
	BecamePrivate                      // only trackers may name peers from now on (BEP 27)
	GoalReached                        // it was seeded enough, and is not seeded any more
)

// Event is something that happened to a torrent.
type Event struct {
	Kind    EventKind
	Piece   int
	Peer    string // host:port, "" where unknown
	Tracker string // its URL
	Err     error
	Missed  int // events that were dropped before this one, because nobody took them
}

// maxUntaken bounds the events that wait for one subscriber.
const maxUntaken = 256

// hub gives events to whoever wants them, and waits for nobody.
type hub struct {
	mu   sync.Mutex
	subs map[*subscriber]struct{}
	over bool
}

type subscriber struct {
	ch     chan Event
	missed int
}

func (h *hub) emit(ev Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		ev.Missed = s.missed
		select {
		case s.ch <- ev:
			s.missed = 0
		default:
			s.missed++
		}
	}
}

func (h *hub) add() *subscriber {
	s := &subscriber{ch: make(chan Event, maxUntaken)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		close(s.ch)
		return s
	}
	if h.subs == nil {
		h.subs = map[*subscriber]struct{}{}
	}
	h.subs[s] = struct{}{}
	return s
}

func (h *hub) remove(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.subs[s]; there {
		delete(h.subs, s)
		close(s.ch)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	for s := range h.subs {
		close(s.ch)
	}
	h.subs = nil
}

// Subscribe returns the events from now on, until ctx ends or the torrent is
// closed; then the channel is closed. A subscriber that is 256 events behind
// misses what follows, and is told how many by Event.Missed of the next.
func (t *Torrent) Subscribe(ctx context.Context) <-chan Event {
	s := t.events.add()
	context.AfterFunc(ctx, func() { t.events.remove(s) })
	return s.ch
}

// Emit adds an event that another part of the client met.
func (t *Torrent) Emit(ev Event) { t.events.emit(ev) }

// emit tells the subscribers and the owner.
func (t *Torrent) emit(ev Event) {
	t.events.emit(ev)
	if t.opt.Notify != nil {
		t.opt.Notify(ev)
	}
}
