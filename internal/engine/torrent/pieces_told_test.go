package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// BEP 3: "'bitfield' is only ever sent as the first message." aria2 sends one in
// the middle, and all of what it says is true.
func TestLateBitfieldIsAsManyHaves(t *testing.T) {
	for name, isMagnet := range map[string]bool{"with the info dictionary": false, "before it": true} {
		t.Run(name, func(t *testing.T) {
			tor := testTorrent(t, true, false)
			change := func(*torrent.Config) {}
			if isMagnet {
				change = magnet
			}
			r := start(t, tor, change)
			key := r.join(joined{metadataSize: len(tor.Info.Bytes)})
			r.recv(key, wire.Message{ID: wire.Have, Index: 0}, wire.Message{ID: wire.Unchoke})
			r.recv(key, wire.Message{ID: wire.Bitfield, Payload: []byte{0x60, 0}})
			r.recv(key, wire.Message{ID: wire.Bitfield, Payload: []byte{0x70, 0}})
			if isMagnet {
				r.serveMetadata(key, tor.Info.Bytes)
				if !r.learned() {
					t.Fatal("not learned")
				}
			}
			if c, gone := r.Closed[key]; gone {
				t.Fatalf("closed: %v", c.Err)
			}
			if s := r.m.PeerStats(r.Now); s[0].Progress != 0.4 {
				t.Fatalf("has %v of the torrent", s[0].Progress)
			}
		})
	}
}

// aria2 says what it has by a bitfield whenever that is shorter than the haves would be.
// Of a whole download, however fast, that is no flood.
func TestLateBitfieldsOfAWholeDownloadAreNoFlood(t *testing.T) {
	for _, n := range []int{8, 500, 20_000} {
		tor := manyPieces(t, n)
		r := start(t, tor, seeded)
		key := r.join(joined{})
		r.recv(key, wire.Message{ID: wire.Interested})
		const haveLen = 9
		set := make([]byte, (n+7)/8)
		for i, told := 0, 0; i < n-1; i++ {
			set[i/8] |= 0x80 >> (i % 8)
			if (i+1-told)*haveLen > len(set)+5 || i == n-2 {
				r.recv(key, wire.Message{ID: wire.Have, Index: uint32(told)})
				r.recv(key, wire.Message{ID: wire.Bitfield, Payload: slices.Clone(set)})
				told = i + 1
			}
		}
		if c, gone := r.Closed[key]; gone {
			t.Fatalf("%d pieces: closed: %v", n, c.Err)
		}
		if p := r.m.PeerStats(r.Now)[0].Progress; p < 0.7 || p >= 1 {
			t.Fatalf("%d pieces: has %v of the torrent", n, p)
		}
	}
}

// manyPieces is a torrent of n pieces.
func manyPieces(t testing.TB, n int) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "film", PieceLength: torrent.BlockSize, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"film"}, Length: int64(n) * torrent.BlockSize}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i), byte(i >> 8)}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// A peer that gets piece after piece while the info dictionary is not there yet
// breaks nothing.
func TestThousandsOfHavesBeforeTheInfoDictionary(t *testing.T) {
	const n = 20_000
	tor := manyPieces(t, n)
	r := start(t, tor, magnet)
	key := r.join(joined{metadataSize: len(tor.Info.Bytes)})
	for _, i := range newRand(1).Perm(n) {
		r.recv(key, wire.Message{ID: wire.Have, Index: uint32(i)})
	}
	r.serveMetadata(key, tor.Info.Bytes)
	if !r.learned() {
		t.Fatal("not learned")
	}
	if c, gone := r.Closed[key]; gone {
		t.Fatalf("closed: %v", c.Err)
	}
	if s := r.m.Stats(r.Now); s.Seeds != 1 {
		t.Fatalf("%d seeds", s.Seeds)
	}
}

// A peer with a small disk loses pieces all its life (BEP 54).
func TestPeerThatLosesPiecesForEverStays(t *testing.T) {
	const n = 2000
	tor := manyPieces(t, n)
	r := start(t, tor, nil)
	key := r.join(joined{})
	for k := range 40_000 {
		i := uint32(k % n)
		r.recv(key, wire.Message{ID: wire.Have, Index: i}, enginetest.Extended(dontHaveID, wire.AppendDontHave(nil, i)))
		r.Now = r.Now.Add(10 * time.Millisecond)
	}
	if c, gone := r.Closed[key]; gone {
		t.Fatalf("closed: %v", c.Err)
	}
}

// Memory follows what was said, not how far apart the indices lie.
func TestScatteredHavesBeforeTheInfoDictionaryEnd(t *testing.T) {
	r := start(t, testTorrent(t, true, false), magnet)
	key := r.join(joined{})
	for k := range uint32(32768) {
		if _, gone := r.Closed[key]; gone {
			return
		}
		r.recv(key, wire.Message{ID: wire.Have, Index: k * 512})
	}
	t.Fatal("keeps a bit for each of 32,768 far apart")
}
