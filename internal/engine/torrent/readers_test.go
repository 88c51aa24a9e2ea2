package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func TestReaderWindowIsRequestedInOrderBeforeTheRest(t *testing.T) {
	r := start(t, longTorrent(t, 100), nil)
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveAll})
	r.Step(torrent.ReaderMoved{Reader: 1, First: 40, Last: 45, Spacing: time.Second})
	r.recv(key, wire.Message{ID: wire.Unchoke})
	at := 0
	for _, q := range r.take(key, wire.Request) {
		piece, b := 40+at/4, uint32(at%4)
		if int(q.Index) != piece || q.Begin != b*torrent.BlockSize {
			t.Fatalf("request %d is for piece %d at %d", at, q.Index, q.Begin)
		}
		at++
	}
	if at == 0 {
		t.Fatal("nothing requested")
	}
}

func TestSeekIsServedBeforeWhatWasQueued(t *testing.T) {
	r := start(t, longTorrent(t, 500), nil)
	key := r.seed()
	var queue []wire.Message
	r.stream(key, &queue, 20*time.Millisecond, 5*time.Second)
	r.take(key)
	if len(queue) < 20 {
		t.Fatalf("only %d requests queued", len(queue))
	}
	target := 0
	for have := r.m.HavePieces(); have.Has(target); {
		target++
	}
	r.Step(torrent.ReaderMoved{Reader: 1, First: target, Last: target, Jump: true})
	cancelled, first := 0, -1
	for i, m := range r.take(key, wire.Cancel, wire.Request) {
		if m.ID == wire.Cancel {
			cancelled++
		} else if first < 0 {
			first = i
			if int(m.Index) != target {
				t.Fatalf("asks for piece %d first, the reader waits for %d", m.Index, target)
			}
		}
	}
	if cancelled < len(queue)/4 {
		t.Fatalf("%d of %d requests withdrawn for a seek", cancelled, len(queue))
	}
}

func TestClosedReaderLeavesNothingUrgent(t *testing.T) {
	r := start(t, longTorrent(t, 100), nil)
	r.Step(torrent.ReaderMoved{Reader: 1, First: 40, Last: 99})
	r.Step(torrent.ReaderClosed{Reader: 1})
	key := r.seed()
	inOrder := true
	for i, q := range r.take(key, wire.Request) {
		inOrder = inOrder && int(q.Index) == 40+i/4
	}
	if inOrder {
		t.Fatal("still follows the reader")
	}
}

func TestReaderOutsideTheTorrentIsHarmless(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	for _, ev := range []torrent.ReaderMoved{
		{Reader: 1, First: -5, Last: -1}, {Reader: 2, First: numPieces, Last: numPieces + 1},
		{Reader: 3, First: 5, Last: 1}, {Reader: 4, First: 0, Last: 1 << 40, Jump: true},
	} {
		r.Step(ev)
	}
	key := r.seed()
	var queue []wire.Message
	r.stream(key, &queue, time.Millisecond, 3*time.Second)
	if !r.m.Complete() {
		t.Fatalf("stalls: %+v", r.m.Stats(r.Now))
	}
}

// The block that a player waits for is asked from a second peer once the first
// is slower than could be expected, not when a timer of half a minute runs out.
func TestLateBlockOfTheFirstUrgentPieceIsAskedElsewhere(t *testing.T) {
	r := start(t, longTorrent(t, 200), nil)
	quick := r.seed()
	var queue []wire.Message
	r.stream(quick, &queue, 20*time.Millisecond, 3*time.Second)
	stalled := r.join(joined{})
	target := 0
	for have := r.m.HavePieces(); have.Has(target); {
		target++
	}
	r.recv(stalled, wire.Message{ID: wire.Have, Index: uint32(target)})
	r.Step(torrent.ReaderMoved{Reader: 1, First: target, Last: target})
	r.recv(stalled, wire.Message{ID: wire.Unchoke})
	began := r.Now
	for range 500 {
		r.stream(quick, &queue, 20*time.Millisecond, 20*time.Millisecond)
		if have := r.m.HavePieces(); have.Has(target) {
			if d := r.Now.Sub(began); d > 5*time.Second {
				t.Fatalf("took %v", d)
			}
			return
		}
	}
	t.Fatal("never came")
}

// A reader gets what it waits for though its file is not selected.
func TestReaderIsServedFromAFileThatIsNotSelected(t *testing.T) {
	r := start(t, longTorrent(t, 20), nil)
	r.Step(torrent.Priorities{Levels: make([]torrent.Priority, 20)})
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	r.Step(torrent.ReaderMoved{Reader: 1, First: 7, Last: 8, Spacing: time.Second})
	queue := r.take(key, wire.Interested, wire.Request)
	if len(queue) == 0 || queue[0].ID != wire.Interested {
		t.Fatal("not interested in the only peer that could help")
	}
	queue = queue[1:]
	r.stream(key, &queue, time.Millisecond, 3*time.Second)
	have := r.m.HavePieces()
	if !have.Has(7) || !have.Has(8) || have.Count() != 2 {
		t.Fatalf("has %d pieces", have.Count())
	}
	r.Step(torrent.ReaderMoved{Reader: 1, First: 9, Last: 12, Spacing: time.Second})
	r.Step(torrent.ReaderClosed{Reader: 1})
	r.stream(key, &queue, time.Millisecond, 3*time.Second)
	if n := r.m.Stats(r.Now).Requested; n != 0 {
		t.Fatalf("%d requests for what nobody wants any more", n)
	}
}

// A long window does not keep another reader's pieces off the list.
func TestSecondReaderDoesNotStarveBehindALongWindow(t *testing.T) {
	r := start(t, longTorrent(t, 2000), nil)
	r.Step(
		torrent.ReaderMoved{Reader: 1, First: 0, Last: 999, Spacing: 100 * time.Millisecond},
		torrent.ReaderMoved{Reader: 2, First: 1500, Last: 1510, Spacing: 100 * time.Millisecond},
	)
	key := r.seed()
	asked := r.take(key, wire.Request)
	if !slices.ContainsFunc(asked, func(q wire.Message) bool { return q.Index == 1500 }) {
		t.Fatalf("the first %d requests are all for the first reader", len(asked))
	}
}
