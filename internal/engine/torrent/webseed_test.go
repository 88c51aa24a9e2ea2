package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A web seed is asked for pieces that lie behind each other, so that a request
// brings many: by rarity alone nearly each would need its own.
func TestWebSeedIsAskedForRuns(t *testing.T) {
	const pieces = 200
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip", PieceLength: pieceLength, V1: true, Files: []metainfo.BuildFile{{Path: []string{"clip"}, Length: pieces * pieceLength}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range pieces {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i), 1}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, tor, nil)
	key := r.webSeed()
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	jumps, asked, last := 0, 0, -1
	for k := 0; !r.m.Complete(); k++ {
		if k > 1000 {
			t.Fatalf("not complete: %+v", r.m.Stats(r.Now))
		}
		reqs := r.take(key, wire.Request)
		for _, q := range reqs {
			if i := int(q.Index); i != last {
				if i != last+1 {
					jumps++
				}
				last = i
				asked++
			}
		}
		r.answer(key, reqs...)
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
		r.Wait(100 * time.Millisecond)
	}
	if jumps > pieces/10 {
		t.Errorf("%d jumps in %d pieces", jumps, asked)
	}
}
