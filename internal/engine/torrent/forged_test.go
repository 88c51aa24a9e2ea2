package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// One piece of four blocks, so that two peers can have a part in it.
func TestForgedPieceOfOnePeerBansIt(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	var v []torrent.Verify
	for len(v) == 0 {
		r.answer(key, r.take(key, wire.Request)...)
		v = did[torrent.Verify](r)
	}
	r.Step(torrent.PieceForged{Index: v[0].Index, Sums: sums(1, 2)})
	if c := r.Closed[key]; !enginetest.IsBreach(c.Err) || !c.Ban {
		t.Fatalf("closed %v", r.Closed)
	}
	if r.m.Stats(r.Now).Have != 0 {
		t.Fatal("counts a forged piece")
	}
}

// sums are made-up SHA-1 sums of blocks.
func sums(kinds ...byte) (list [][20]byte) {
	for _, k := range kinds {
		list = append(list, [20]byte{k})
	}
	return list
}

// shared makes two peers deliver one block each of the same piece.
func shared(r *rig) (index int, first, second torrent.PeerKey) {
	r.T.Helper()
	has := wire.Message{ID: wire.Have, Index: 4} // both have this piece alone
	first, second = r.join(joined{noFast: true}), r.join(joined{noFast: true})
	r.recv(first, has, wire.Message{ID: wire.Unchoke})
	reqs := r.take(first, wire.Request)
	if len(reqs) != 2 {
		r.T.Fatalf("%d requests", len(reqs))
	}
	r.answer(first, reqs[0])
	r.recv(first, wire.Message{ID: wire.Choke}) // the other block is free again
	r.recv(second, has, wire.Message{ID: wire.Unchoke})
	reqs = r.take(second, wire.Request)
	if len(reqs) != 1 {
		r.T.Fatalf("%d requests to the second", len(reqs))
	}
	r.answer(second, reqs[0])
	if v := did[torrent.Verify](r); len(v) != 1 {
		r.T.Fatalf("%d pieces to verify", len(v))
	}
	return 4, first, second
}

func TestForgedPieceOfTwoPeersIsSettledByAThird(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	index, first, second := shared(r)
	r.Step(torrent.PieceForged{Index: index, Sums: sums(1, 2)})
	if len(r.Closed) != 0 {
		t.Fatal("punished without proof")
	}
	// Fetched again, but from one peer alone.
	reqs := r.take(second, wire.Request)
	if len(reqs) != 2 {
		t.Fatalf("%d requests to one peer for the whole piece", len(reqs))
	}
	r.recv(first, wire.Message{ID: wire.Unchoke})
	if n := len(r.take(first, wire.Request)); n != 0 {
		t.Fatalf("%d requests to the other peer: its blocks would blur who forged", n)
	}
	r.answer(second, reqs...)
	v := did[torrent.Verify](r)
	if len(v) != 1 || !v[0].Sums {
		t.Fatalf("verify %+v must ask for the sums to compare", v)
	}
	r.Step(torrent.PieceStored{Index: index, Sums: sums(9, 2)})
	if c := r.Closed[first]; !enginetest.IsBreach(c.Err) || !c.Ban || len(r.Closed) != 1 {
		t.Fatalf("closed %v, want the first alone", r.Closed)
	}
}

func TestLonePieceMovesOnWhenItsPeerFallsSilentOrLeaves(t *testing.T) {
	for name, end := range map[string]func(r *rig, key torrent.PeerKey){
		"leaves":  func(r *rig, key torrent.PeerKey) { r.Step(swarm.PeerLeft{Peer: key}) },
		"chokes":  func(r *rig, key torrent.PeerKey) { r.recv(key, wire.Message{ID: wire.Choke}) },
		"silent":  func(r *rig, key torrent.PeerKey) { r.Wait(16 * time.Second) },
		"forgets": func(r *rig, key torrent.PeerKey) { r.recv(key, enginetest.Extended(dontHaveID, []byte{0, 0, 0, 4})) },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, testTorrent(t, true, false), nil)
			index, first, second := shared(r)
			r.recv(first, wire.Message{ID: wire.Unchoke})
			r.Step(torrent.PieceForged{Index: index, Sums: sums(1, 2)})
			owner, other := first, second
			if len(r.Sent[second]) > 0 && len(r.take(second, wire.Request)) > 0 {
				owner, other = second, first
			}
			r.take(owner)
			r.take(other)
			end(r, owner)
			if n := len(r.take(other, wire.Request)); n != 2 {
				t.Fatalf("%d requests to the other peer, want the whole piece", n)
			}
		})
	}
}

// A piece of a single block has a single sender.
func TestForgedPieceOfOneBlockBansItsSender(t *testing.T) {
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "small", PieceLength: torrent.BlockSize, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"small"}, Length: 4 * torrent.BlockSize}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i)}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, tor, nil)
	key := r.seed()
	r.answer(key, r.take(key, wire.Request)[0])
	v := did[torrent.Verify](r)
	if len(v) != 1 {
		t.Fatalf("%d pieces to verify", len(v))
	}
	r.Step(torrent.PieceForged{Index: v[0].Index, Sums: sums(1)})
	if c := r.Closed[key]; !enginetest.IsBreach(c.Err) || !c.Ban {
		t.Fatalf("closed %v", r.Closed)
	}
}
