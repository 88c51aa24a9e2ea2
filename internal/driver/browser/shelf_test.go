//go:build js

package browser

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/shoal-p2p/shoal/storage"
)

// A window drops what no reader comes to, then what is furthest ahead.
func TestAShelfKeepsWhatReadersNeed(t *testing.T) {
	info := album(t, false).Info // five pieces of 16 KiB, some shorter
	s := newShelf(info, nil, 2*info.PieceLength)
	var dropped []int
	s.dropped = func(i int) { dropped = append(dropped, i) }
	put := func(i int) {
		t.Helper()
		p := bytes.Repeat([]byte{byte(i)}, int(info.PieceSize(i)))
		if n, err := s.WriteAt(p, int64(i)*info.PieceLength); n != len(p) || err != nil {
			t.Fatalf("piece %d: %d, %v", i, n, err)
		}
	}
	r, leave := s.enter(2 * info.PieceLength)
	put(0)
	put(2)
	put(3) // the reader is past 0
	if !slices.Equal(dropped, []int{0}) {
		t.Fatalf("dropped %v", dropped)
	}
	s.move(r, int(info.PieceLength))
	b := make([]byte, 10)
	if n, err := s.ReadAt(b, 3*info.PieceLength); n != 10 || err != nil || b[9] != 3 {
		t.Errorf("%d, %v, %v", n, b, err)
	}
	if _, err := s.ReadAt(b, 0); !errors.Is(err, storage.ErrMissing) {
		t.Errorf("what dropped out: %v", err)
	}
	leave()
	put(0) // nobody reads: 2 was not used for longer than 3
	if !slices.Contains(dropped, 2) || slices.Contains(dropped, 3) {
		t.Errorf("dropped %v", dropped)
	}
	if s.held > s.most {
		t.Errorf("%d bytes of %d", s.held, s.most)
	}
}

// A piece larger than the window is held all the same, alone.
func TestAShelfHoldsOnePieceAtLeast(t *testing.T) {
	info := album(t, false).Info
	s := newShelf(info, nil, 1)
	for _, i := range []int{0, 2} {
		if _, err := s.WriteAt(make([]byte, info.PieceSize(i)), int64(i)*info.PieceLength); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.pieces) != 1 || s.held != info.PieceSize(2) {
		t.Errorf("%d pieces, %d bytes", len(s.pieces), s.held)
	}
}

// What a tab keeps in memory is bounded in all, and said.
func TestMemoryIsBounded(t *testing.T) {
	meta := album(t, false)
	need := (&tabTorrent{unwanted: map[int]bool{}}).wantedBytes(meta.Info)
	c := &Client{memory: true, maxMemory: need + 10, memoryLeft: need + 10, torrents: map[string]*tabTorrent{}}
	first, second := &tabTorrent{meta: meta, unwanted: map[int]bool{}}, &tabTorrent{meta: meta, unwanted: map[int]bool{}}
	c.shelve(first, meta.Info, nil, nil)
	if first.kind != "memory" || first.limit != nil {
		t.Errorf("it fits: %s, %v", first.kind, first.limit)
	}
	c.shelve(second, meta.Info, nil, &storage.Error{Kind: storage.ErrInUse})
	if second.kind != "memory" || second.limit == nil || !bytes.Contains([]byte(second.limit.Error()), []byte("another tab keeps this torrent")) {
		t.Errorf("there is no room for it: %s, %v", second.kind, second.limit)
	}
	for i, l := range second.levels(meta.Info) {
		if l != 0 {
			t.Errorf("piece %d is fetched", i)
		}
	}
	c.release(first.claimed)
	third := &tabTorrent{meta: meta, unwanted: map[int]bool{}}
	if c.shelve(third, meta.Info, nil, nil); third.limit != nil {
		t.Errorf("there is room again: %v", third.limit)
	}
}
