package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// padded is a hybrid of small files: each has a piece to itself, which padding fills.
func padded(t *testing.T, lengths ...int64) *metainfo.Torrent {
	t.Helper()
	opt := metainfo.BuildOptions{Name: "folder", PieceLength: pieceLength, V1: true, V2: true}
	for k, n := range lengths {
		opt.Files = append(opt.Files, metainfo.BuildFile{Path: []string{string(rune('a' + k))}, Length: n})
	}
	b, err := metainfo.NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		b.SetPiece(i, b.HashPiece(i, make([]byte, b.PieceSize(i))))
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// Padding is zeros, as everybody knows (BEP 47): it is neither asked for nor counted.
func TestPaddingIsNotFetched(t *testing.T) {
	lengths := []int64{100, pieceLength - 1, torrent.BlockSize, pieceLength + 5, 3}
	var total int64
	for _, n := range lengths {
		total += n
	}
	r := start(t, padded(t, lengths...), nil)
	key := r.seed()
	for range 50 {
		for _, m := range r.take(key, wire.Request) {
			if int64(m.Begin)+int64(m.Length) > r.torrent.Info.PieceData(int(m.Index)) {
				t.Errorf("asks for %d bytes at %d of piece %d, which is padding from %d on", m.Length, m.Begin, m.Index, r.torrent.Info.PieceData(int(m.Index)))
			}
			r.answer(key, m)
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
		r.Wait(time.Second)
	}
	if s := r.m.Stats(r.Now); !r.m.Complete() || s.Downloaded != total || s.Wasted != 0 {
		t.Errorf("%d bytes came for files of %d: %+v", s.Downloaded, total, s)
	}
}

// A piece of one byte takes the memory of its whole buffer: that is what is counted.
func TestPaddingCountsInTheBudget(t *testing.T) {
	lengths := make([]int64, 20)
	for k := range lengths {
		lengths[k] = 1
	}
	r := start(t, padded(t, lengths...), func(c *torrent.Config) { c.BufferBytes = 3 * pieceLength })
	r.seed()
	open := did[torrent.OpenPiece](r)
	for _, e := range open {
		if e.Size != pieceLength && e.Index != len(lengths)-1 || e.Data != 1 {
			t.Errorf("%+v", e)
		}
	}
	if len(open) != 3 {
		t.Errorf("%d pieces are open at once", len(open))
	}
}

// What web seeds brought is told apart from what peers brought.
func TestWebSeedsAreCountedApart(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	both := []torrent.PeerKey{r.webSeed(), r.seed()}
	r.recv(both[0], wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	var fromWeb, all int64
	for range 100 {
		for k, key := range both {
			for _, m := range r.take(key, wire.Request) {
				if all += int64(m.Length); k == 0 {
					fromWeb += int64(m.Length)
				}
				r.answer(key, m)
			}
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
		r.Wait(100 * time.Millisecond)
	}
	s := r.m.Stats(r.Now)
	if !r.m.Complete() || fromWeb == 0 || fromWeb == all || s.Downloaded+s.Wasted != all || s.FromWebSeeds < fromWeb-s.Wasted || s.FromWebSeeds > fromWeb {
		t.Errorf("web seeds sent %d of %d bytes: %+v", fromWeb, all, s)
	}
}

// A .torrent that comes after its magnet link tells at once what is in it.
func TestTheInfoDictionaryMayBeGiven(t *testing.T) {
	tor := testTorrent(t, true, false)
	r := start(t, tor, magnet)
	r.Step(torrent.InfoGiven{Bytes: []byte("d4:name5:othere")})
	if got := did[torrent.Learned](r); len(got) != 0 {
		t.Fatalf("took one of another torrent: %v", got)
	}
	r.Step(torrent.InfoGiven{Bytes: tor.Info.Bytes})
	got := did[torrent.Learned](r)
	if len(got) != 1 || got[0].Info.HashV1 != tor.Info.HashV1 {
		t.Fatalf("%v", got)
	}
	r.Step(torrent.InfoGiven{Bytes: tor.Info.Bytes}, torrent.ContentReady{Info: got[0].Info})
	if got = did[torrent.Learned](r); len(got) != 0 {
		t.Error("told twice")
	}
	r.Step(torrent.InfoGiven{Bytes: tor.Info.Bytes}, swarm.PeerJoined{Peer: 99})
	if !r.m.Stats(r.Now).MetadataDone {
		t.Error("not known")
	}
}
