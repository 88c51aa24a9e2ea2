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

// leaf is the hash of a block of a torrent made by leafyTorrent.
func leaf(piece, block int) metainfo.Hash256 { return metainfo.Hash256{1, byte(piece), byte(block)} }

// leafyTorrent is a v2 torrent of ten pieces of four blocks whose block hashes are
// known.
func leafyTorrent(t testing.TB) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "leafy", PieceLength: 4 * torrent.BlockSize, V2: true,
		Files: []metainfo.BuildFile{{Path: []string{"leafy"}, Length: 10 * 4 * torrent.BlockSize}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		b.SetPiece(i, metainfo.PieceHashes{V2: b.TreeRootOf(i, leavesOf(i, i+1))})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

func leavesOf(first, end int) (list []metainfo.Hash256) {
	for i := first; i < end; i++ {
		for b := range 4 {
			list = append(list, leaf(i, b))
		}
	}
	return list
}

// blockHashes is the true answer to a request for the hashes of blocks.
func (r *rig) blockHashes(m wire.Message) wire.Message {
	r.T.Helper()
	h, l := m.Hash, layersOf(r.T, r.torrent)
	req := metainfo.HashRequest{Root: h.Root, Base: h.BaseLayer, Index: h.Index, Length: h.Length, ProofLayers: h.ProofLayers}
	first, end, err := l.Blocks(req)
	if err != nil || first == end {
		r.T.Fatalf("a request for blocks of pieces %d to %d: %v", first, end, err)
	}
	b, err := l.Answer(req, leavesOf(first, end))
	if err != nil {
		r.T.Fatal(err)
	}
	return wire.Message{ID: wire.Hashes, Hash: h, Payload: b}
}

// halves makes two peers deliver two blocks each of piece 4, which then fails.
func halves(r *rig) (first, second torrent.PeerKey) {
	r.T.Helper()
	has := wire.Message{ID: wire.Have, Index: 4}
	first, second = r.join(joined{noFast: true, v2: true}), r.join(joined{noFast: true, v2: true})
	r.recv(first, has, wire.Message{ID: wire.Unchoke})
	r.answer(first, r.take(first, wire.Request)[:2]...)
	r.recv(first, wire.Message{ID: wire.Choke})
	r.recv(second, has, wire.Message{ID: wire.Unchoke})
	r.answer(second, r.take(second, wire.Request)...)
	if v := did[torrent.Verify](r); len(v) != 1 {
		r.T.Fatalf("%d pieces to verify", len(v))
	}
	r.Step(torrent.PieceForged{Index: 4, Sums: sums(1, 2, 3, 4)})
	return first, second
}

// asked returns the hash request that somebody got.
func (r *rig) asked(keys ...torrent.PeerKey) (torrent.PeerKey, wire.Message) {
	r.T.Helper()
	for _, key := range keys {
		if list := r.take(key, wire.HashRequest); len(list) == 1 {
			return key, list[0]
		}
	}
	r.T.Fatal("nobody is asked for the hashes of the blocks")
	return 0, wire.Message{}
}

// A forged piece of several peers is looked at block by block: the forger is banned
// for the first bad block, the good blocks stay.
func TestForgedBlockOfAV2PieceBansItsSenderAtOnce(t *testing.T) {
	r := start(t, leafyTorrent(t), nil)
	first, second := halves(r)
	if len(r.Closed) != 0 {
		t.Fatal("punished without proof")
	}
	who, q := r.asked(first, second)
	r.recv(who, r.blockHashes(q))
	v := did[torrent.VerifyBlock](r)
	if len(v) != 4 {
		t.Fatalf("%d blocks to check", len(v))
	}
	for _, v := range v {
		if v.Leaf != leaf(4, v.Block) {
			t.Fatalf("block %d against another hash", v.Block)
		}
		if v.Block == 1 {
			r.Step(torrent.BlockForged{Index: 4, Block: 1, Buffer: v.Buffer})
		} else {
			r.Step(torrent.BlockGenuine{Index: 4, Block: v.Block, Buffer: v.Buffer})
		}
	}
	if c := r.Closed[first]; !enginetest.IsBreach(c.Err) || !c.Ban || len(r.Closed) != 1 {
		t.Fatalf("closed %v, want the first alone", r.Closed)
	}
	if c := did[torrent.ClearBlock](r); len(c) != 1 || c[0] != (torrent.ClearBlock{Index: 4, Block: 1}) {
		t.Fatalf("cleared %v", c)
	}
	reqs := r.take(second, wire.Request)
	if len(reqs) != 1 || reqs[0].Index != 4 || reqs[0].Begin != torrent.BlockSize {
		t.Fatalf("asks for %v, one block is missing", reqs)
	}
	r.answer(second, reqs...)
	v = did[torrent.VerifyBlock](r)
	if len(v) != 1 {
		t.Fatal("the new copy is not checked")
	}
	r.Step(torrent.BlockGenuine{Index: 4, Block: 1, Buffer: v[0].Buffer})
	if v := did[torrent.Verify](r); len(v) != 1 || v[0].Index != 4 {
		t.Fatalf("verify %v", v)
	}
}

// Without an answer, or anybody to ask, it is fetched again from one peer.
func TestForgedPieceIsBegunAgainWithoutBlockHashes(t *testing.T) {
	for name, end := range map[string]func(r *rig, who torrent.PeerKey, q wire.Message){
		"silence": func(r *rig, _ torrent.PeerKey, _ wire.Message) { r.Wait(12 * time.Second) },
		"rejects": func(r *rig, who torrent.PeerKey, q wire.Message) {
			r.recv(who, wire.Message{ID: wire.HashReject, Hash: q.Hash})
			r.Wait(12 * time.Second)
		},
		"leaves": func(r *rig, who torrent.PeerKey, _ wire.Message) {
			r.Step(swarm.PeerLeft{Peer: who})
			r.Wait(12 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, leafyTorrent(t), nil)
			first, second := halves(r)
			who, q := r.asked(first, second)
			end(r, who, q)
			if n := len(did[torrent.DropPiece](r)); n != 1 {
				t.Fatalf("the piece is dropped %d times", n)
			}
		})
	}
}

func TestForgedBlockHashesCloseThePeer(t *testing.T) {
	r := start(t, leafyTorrent(t), nil)
	first, second := halves(r)
	who, q := r.asked(first, second)
	bad := r.blockHashes(q)
	bad.Payload[7] ^= 1
	r.recv(who, bad)
	if c := r.Closed[who]; !enginetest.IsBreach(c.Err) || len(r.Closed) != 1 {
		t.Fatalf("closed %v", r.Closed)
	}
	if n := len(did[torrent.VerifyBlock](r)); n != 0 {
		t.Fatalf("%d blocks are held against forged hashes", n)
	}
}

// What a reader waits for can be handed to it block by block; a download without
// a reader, or a forgery, costs no hash requests.
func TestBlocksOfAReadersPieceAreCheckedOneByOne(t *testing.T) {
	r := start(t, leafyTorrent(t), nil)
	key := r.join(joined{v2: true})
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	reqs := r.take(key, wire.Request, wire.HashRequest)
	r.Wait(3 * time.Second)
	for _, q := range append(reqs, r.take(key, wire.HashRequest)...) {
		if q.ID == wire.HashRequest {
			t.Fatal("asks for hashes without need")
		}
	}
	index := int(reqs[0].Index)
	r.Step(torrent.ReaderMoved{Reader: 1, First: index, Last: index})
	_, q := r.asked(key)
	r.answer(key, reqs[0])
	r.recv(key, r.blockHashes(q))
	r.answer(key, reqs[1])
	v := did[torrent.VerifyBlock](r)
	if len(v) != 2 || v[0].Index != index || v[0].Block != 0 || v[1].Block != 1 {
		t.Fatalf("checks %v, one block came before the hashes, one after", v)
	}
}

// The hashes of blocks are served from the store, within a budget.
func TestBlockHashesAreServed(t *testing.T) {
	tor := leafyTorrent(t)
	r := start(t, tor, seeded)
	key := r.join(joined{v2: true})
	layers := layersOf(t, tor)
	q, ok := layers.BlockRequest(3)
	if !ok {
		t.Fatal("no request")
	}
	ask := wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{Root: q.Root, Index: q.Index, Length: q.Length}}
	r.recv(key, ask)
	e := did[torrent.ReadLeaves](r)
	if len(e) != 1 || e[0].First != 3 || e[0].End != 4 {
		t.Fatalf("reads %v", e)
	}
	r.recv(key, ask) // another while the first is read
	if n := len(r.take(key, wire.HashReject)); n != 1 || len(did[torrent.ReadLeaves](r)) != 0 {
		t.Fatalf("%d rejects", n)
	}
	r.Step(torrent.Leaves{Peer: key, Request: e[0].Request, Leaves: leavesOf(3, 4)})
	a := r.take(key, wire.Hashes)
	if len(a) != 1 || a[0].Hash != ask.Hash {
		t.Fatalf("answers %v", a)
	}
	if got, err := layers.CheckBlocks(q, a[0].Payload); err != nil || got[2] != leaf(3, 2) {
		t.Fatalf("the answer proves %v, %v", got, err)
	}
	r.recv(key, ask)
	e = did[torrent.ReadLeaves](r)
	r.Step(torrent.Leaves{Peer: key, Request: e[0].Request})
	if len(r.take(key, wire.HashReject)) != 1 {
		t.Fatal("a failed read is no reject")
	}
}
