package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// order lets a peer answer everything and returns the pieces in the order in which
// they were stored.
func (r *rig) order(key torrent.PeerKey, d time.Duration) (list []int) {
	r.T.Helper()
	var queue []wire.Message
	for end := r.Now.Add(d); r.Now.Before(end); r.Wait(10 * time.Millisecond) {
		queue = append(queue, r.take(key, wire.Request)...)
		if len(queue) > 0 {
			r.answer(key, queue[0])
			queue = queue[1:]
		}
		for _, v := range did[torrent.Verify](r) {
			list = append(list, v.Index)
			r.Step(torrent.PieceStored{Index: v.Index})
		}
	}
	return list
}

func TestHigherPriorityIsFetchedFirst(t *testing.T) {
	r := start(t, longTorrent(t, 40), nil)
	levels := make([]torrent.Priority, 40)
	for i := range levels {
		levels[i] = torrent.Low + torrent.Priority(i%3)
		if i >= 30 {
			levels[i] = torrent.Skip
		}
	}
	r.Step(torrent.Priorities{Levels: levels})
	got := r.order(r.seed(), 5*time.Second)
	if len(got) != 30 || !r.m.Complete() {
		t.Fatalf("%d pieces stored, 30 wanted", len(got))
	}
	for k, i := range got {
		if want := torrent.High - torrent.Priority(k/10); levels[i] != want {
			t.Fatalf("piece %d of priority %d comes as number %d", i, levels[i], k)
		}
	}
	r.Step(torrent.Priorities{})
	if r.m.Complete() {
		t.Fatal("says complete though all is wanted now")
	}
	if n := len(r.order(r.seed(), 5*time.Second)); n != 10 {
		t.Fatalf("%d pieces follow", n)
	}
}

func TestPrioritiesOfAnotherLengthAreIgnored(t *testing.T) {
	r := start(t, longTorrent(t, 10), nil)
	r.Step(torrent.Priorities{Levels: make([]torrent.Priority, 9)})
	if n := len(r.order(r.seed(), 3*time.Second)); n != 10 {
		t.Fatalf("%d pieces stored", n)
	}
}

func TestSequentialModeFetchesInOrder(t *testing.T) {
	r := start(t, longTorrent(t, 40), nil)
	r.Step(torrent.Sequential{On: true})
	got := r.order(r.seed(), 5*time.Second)
	if len(got) != 40 || !slices.IsSorted(got) {
		t.Fatalf("stored in the order %v", got)
	}
}

func TestDownloadOnlyServesNobody(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	key := r.reader(joined{})
	if len(r.take(key, wire.Unchoke)) != 1 {
		t.Fatal("not served before")
	}
	r.Step(torrent.DownloadOnly{On: true})
	if len(r.take(key, wire.Choke)) != 1 {
		t.Fatal("not choked")
	}
	r.recv(key, block(wire.Request, 0, 0, torrent.BlockSize))
	r.Wait(time.Minute)
	if len(did[*torrent.Upload](r)) != 0 || len(r.take(key, wire.Unchoke)) != 0 {
		t.Fatal("serves")
	}
	r.Step(torrent.DownloadOnly{})
	if len(r.take(key, wire.Unchoke)) != 1 {
		t.Fatal("not served afterwards")
	}
}

// haves are the pieces that a peer was told of since the last look.
func (r *rig) haves(key torrent.PeerKey) (list []uint32) {
	for _, m := range r.take(key, wire.Have, wire.HaveAll, wire.Bitfield) {
		if m.ID != wire.Have {
			r.T.Fatal("tells everything at once")
		}
		list = append(list, m.Index)
	}
	return list
}

func TestSuperSeedTellsEachPeerOfOtherPieces(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	r.Step(torrent.SuperSeed{On: true})
	a, b := r.join(joined{}), r.join(joined{})
	first, second := r.haves(a), r.haves(b)
	if len(first) != 2 || len(second) != 2 {
		t.Fatalf("tells of %v and %v", first, second)
	}
	for _, i := range second {
		if slices.Contains(first, i) {
			t.Fatalf("piece %d goes to both", i)
		}
	}
	r.recv(a, wire.Message{ID: wire.Interested})
	hidden := second[0]
	r.recv(a, block(wire.Request, hidden, 0, torrent.BlockSize), block(wire.Request, first[0], 0, torrent.BlockSize))
	if up := did[*torrent.Upload](r); len(up) != 1 || up[0].Index != first[0] {
		t.Fatalf("uploads %v", up)
	}
	r.recv(a, wire.Message{ID: wire.Have, Index: first[0]})
	if n := r.haves(a); len(n) != 0 {
		t.Fatalf("tells of %v before the first was passed on", n)
	}
	r.recv(b, wire.Message{ID: wire.Have, Index: first[0]})
	if n := r.haves(a); len(n) != 1 || slices.Contains(first, n[0]) || slices.Contains(second, n[0]) {
		t.Fatalf("tells of %v once it was passed on", n)
	}
}

// A lone peer cannot pass anything on, and gets all the same.
func TestSuperSeedServesALonePeer(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	r.Step(torrent.SuperSeed{On: true})
	key := r.join(joined{})
	told := map[uint32]bool{}
	for range 20 {
		for _, i := range r.haves(key) {
			told[i] = true
			r.recv(key, wire.Message{ID: wire.Have, Index: i})
		}
		r.Wait(10 * time.Second)
	}
	if len(told) != numPieces {
		t.Fatalf("told of %d pieces", len(told))
	}
}

func TestEndOfSuperSeedTellsTheRest(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	r.Step(torrent.SuperSeed{On: true})
	key := r.join(joined{})
	n := len(r.haves(key))
	r.Step(torrent.SuperSeed{})
	if n += len(r.haves(key)); n != numPieces {
		t.Fatalf("told of %d pieces", n)
	}
}

func TestBudgetGrowsAndShrinks(t *testing.T) {
	const size = 4 * torrent.BlockSize
	r := start(t, longTorrent(t, 40), func(c *torrent.Config) { c.BufferBytes = 1 })
	key := r.seed()
	opened := len(did[torrent.OpenPiece](r))
	if used, cramped := r.m.Buffers(); opened != 1 || used != size || !cramped {
		t.Fatalf("%d pieces open, %d bytes, cramped: %v", opened, used, cramped)
	}
	r.Step(torrent.Budget{Bytes: 4 * size})
	if n := len(did[torrent.OpenPiece](r)); n == 0 {
		t.Fatal("no more pieces are open, with room for three")
	}
	r.Step(torrent.Budget{Bytes: 2 * size})
	if stored := r.order(key, 500*time.Millisecond); len(stored) < 8 {
		t.Fatalf("%d pieces are stored after half a second", len(stored))
	}
	if used, _ := r.m.Buffers(); used > 2*size {
		t.Fatalf("%d bytes are in use", used)
	}
}
