package torrent_test

// The sentences of BEP 52 that a peer can hold us to, beside those it shares with BEP 3 and 6. The
// upgrade of a connection is tested in package driver.

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// v2Torrent has files of some lengths, in pieces of two blocks. As in testTorrent its hashes stand for
// nothing.
func v2Torrent(t *testing.T, v1 bool, lengths ...int64) *metainfo.Torrent {
	t.Helper()
	opt := metainfo.BuildOptions{Name: "album", PieceLength: pieceLength, V1: v1, V2: true}
	for i, n := range lengths {
		opt.Files = append(opt.Files, metainfo.BuildFile{Path: []string{string(rune('a' + i))}, Length: n})
	}
	b, err := metainfo.NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i), byte(i >> 8), 1}, V2: metainfo.Hash256{byte(i), byte(i >> 8), 1}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// hashRequest asks for hashes of the only file.
func hashRequest(tor *metainfo.Torrent, base, index, length, proof uint32) wire.Message {
	return wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{
		Root: tor.Info.Files[0].PiecesRoot, BaseLayer: base, Index: index, Length: length, ProofLayers: proof,
	}}
}

// "The last piece of each file may be shorter than the specified piece length, resulting in an alignment
// gap." "Length is generally a power of two unless it gets truncated by the end of a file."
func TestBEP52RequestsEndWithTheFile(t *testing.T) {
	r := start(t, v2Torrent(t, false, pieceLength+100, torrent.BlockSize+7, 2*pieceLength), nil)
	key := r.seed()
	want := map[[2]uint32]uint32{
		{0, 0}: 16384, {0, 16384}: 16384, {1, 0}: 100, // the first file
		{2, 0}: 16384, {2, 16384}: 7,
		{3, 0}: 16384, {3, 16384}: 16384, {4, 0}: 16384, {4, 16384}: 16384,
	}
	for !r.m.Complete() {
		for _, q := range r.take(key, wire.Request) {
			at := [2]uint32{q.Index, q.Begin}
			if want[at] != q.Length {
				t.Fatalf("asks for %d bytes at %v", q.Length, at)
			}
			delete(want, at)
			r.answer(key, q)
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
	}
	if len(want) != 0 {
		t.Fatalf("never asked for %v", want)
	}
}

// "During the download they must also verify that pieces match both piece hash formats."
func TestBEP52HybridIsVerifiedTwice(t *testing.T) {
	r := start(t, testTorrent(t, true, true), nil)
	key := r.seed()
	r.answer(key, r.take(key, wire.Request)...)
	for _, v := range did[torrent.Verify](r) {
		v1, _ := r.torrent.Info.PieceHashV1(v.Index)
		v2, _ := layersOf(t, r.torrent).PieceHash(v.Index)
		if v.V1 == nil || v.V2 == nil || *v.V1 != v1 || *v.V2 != v2 {
			t.Fatalf("verifies against %v and %v", v.V1, v.V2)
		}
		return
	}
	t.Fatal("verifies nothing")
}

// "Index MUST be a multiple of length, this includes zero." "Length MUST be equal-to-or-greater-than two
// and a power of two. Length SHOULD NOT be greater than 512." "Clients are only required to support setting
// the base layer to the leaf and piece layers."
func TestBEP52OurHashRequests(t *testing.T) {
	for _, n := range []int64{2, 3, 5, 512, 513, 1025, 2000} {
		tor := v2Torrent(t, false, n*pieceLength)
		r := start(t, tor, bare)
		key := r.join(joined{v2: true})
		r.recv(key, wire.Message{ID: wire.Have, Index: uint32(n - 1)}, wire.Message{ID: wire.Unchoke})
		_, asked := r.fetchPiece(key)
		if len(asked) != 1 {
			t.Fatalf("%d pieces: %d requests", n, len(asked))
		}
		q := asked[0].Hash
		last := uint32(n - 1)
		if q.Length < 2 || q.Length > 512 || q.Length&(q.Length-1) != 0 || q.Index%q.Length != 0 || q.BaseLayer != 1 {
			t.Errorf("%d pieces: asks for %+v", n, q)
		}
		if q.Root != tor.Info.Files[0].PiecesRoot || last < q.Index || last >= q.Index+q.Length {
			t.Errorf("%d pieces: asks for other hashes: %+v", n, q)
		}
	}
}

// "Hash requests MUST be answered with either a 'hashes' or 'hash reject' message." "'hash reject' messages
// have the same payload as 'hash request' messages." "'hashes' messages contain a pieces root, base layer,
// index, length, proof layers, and hashes. This message MUST correlate with a 'hash request' message."
func TestBEP52EveryHashRequestIsAnswered(t *testing.T) {
	tor := testTorrent(t, true, true)
	unknown := hashRequest(tor, 1, 0, 2, 3)
	unknown.Hash.Root[0] ^= 1
	for name, tt := range map[string]struct {
		asks wire.Message
		want wire.ID
	}{
		"pieces":                {hashRequest(tor, 1, 0, 16, 3), wire.Hashes},
		"without proof":         {hashRequest(tor, 1, 2, 2, 0), wire.Hashes},
		"a layer above":         {hashRequest(tor, 2, 0, 2, 2), wire.Hashes},
		"behind the last piece": {hashRequest(tor, 1, 14, 2, 3), wire.Hashes},
		"no such file":          {unknown, wire.HashReject},
		"no such layer":         {hashRequest(tor, 9, 0, 2, 0), wire.HashReject},
		"no such index":         {hashRequest(tor, 1, 16, 2, 0), wire.HashReject},
		"index not a multiple":  {hashRequest(tor, 1, 1, 2, 0), wire.HashReject},
		"length 0":              {hashRequest(tor, 1, 0, 0, 0), wire.HashReject},
		"too long":              {hashRequest(tor, 1, 0, 1<<20, 0), wire.HashReject},
		"too many proofs":       {hashRequest(tor, 1, 0, 2, 99), wire.HashReject},
	} {
		r := start(t, tor, seeded)
		key := r.join(joined{v2: true})
		r.recv(key, tt.asks)
		got := r.take(key, wire.Hashes, wire.HashReject)
		if len(got) != 1 || got[0].ID != tt.want || got[0].Hash != tt.asks.Hash || len(r.Closed) != 0 {
			t.Errorf("%s: answers %+v", name, got)
		}
	}
}

// "Hashes starts with the base layer and ends with the uncle hash closest to the root. A proof layer is
// omitted if the requested hashes include the entire child layer. In other words, the first log2(length)-1
// proof layers are ommitted. The ommitted layers are still counted towards the requested proof layers."
func TestBEP52HashesAndTheirUncles(t *testing.T) {
	tor := testTorrent(t, true, true)
	above := func(a, b []byte) []byte { s := sha256.Sum256(append(bytes.Clone(a), b...)); return s[:] }
	zero := make([]byte, 32)
	var layers [][][]byte // from the piece hashes up
	var nodes [][]byte
	for i := range 16 {
		if i < numPieces {
			h := make([]byte, 32)
			h[0] = byte(i + 1)
			nodes = append(nodes, h)
		} else {
			nodes = append(nodes, above(zero, zero)) // two blocks behind the end
		}
	}
	for ; len(nodes) > 1; layers = append(layers, nodes) {
		if len(layers) > 0 {
			var up [][]byte
			for k := 0; k < len(nodes); k += 2 {
				up = append(up, above(nodes[k], nodes[k+1]))
			}
			nodes = up
		}
	}
	root := tor.Info.Files[0].PiecesRoot
	if !bytes.Equal(layers[4][0], root[:]) {
		t.Fatal("the test does not know the tree")
	}
	at := func(list ...[2]int) (b []byte) {
		for _, n := range list {
			b = append(b, layers[n[0]][n[1]]...)
		}
		return b
	}
	for name, tt := range map[string]struct {
		asks wire.Message
		want []byte
	}{
		"two of the middle": {hashRequest(tor, 1, 4, 2, 3), at([2]int{0, 4}, [2]int{0, 5}, [2]int{1, 3}, [2]int{2, 0}, [2]int{3, 1})},
		"four":              {hashRequest(tor, 1, 4, 4, 3), at([2]int{0, 4}, [2]int{0, 5}, [2]int{0, 6}, [2]int{0, 7}, [2]int{2, 0}, [2]int{3, 1})},
		"fewer proofs":      {hashRequest(tor, 1, 4, 2, 1), at([2]int{0, 4}, [2]int{0, 5}, [2]int{1, 3})},
		"a layer above":     {hashRequest(tor, 2, 2, 2, 2), at([2]int{1, 2}, [2]int{1, 3}, [2]int{2, 0}, [2]int{3, 1})},
	} {
		r := start(t, tor, seeded)
		key := r.join(joined{v2: true})
		r.recv(key, tt.asks)
		if got := r.take(key, wire.Hashes); len(got) != 1 || !bytes.Equal(got[0].Payload, tt.want) {
			t.Errorf("%s: another answer: %v", name, got)
		}
	}
}

// "Clients must be able to service requests for hash blocks covering pieces which they have announced
// through bitfield or have messages." "Clients MUST NOT reject a hash request with a base layer of zero if it
// immediately follows a request for one of the chunks in the requested range and the client services the chunk
// request with a piece message."
//
// They are read from the disk anew, so there is a budget for it; beyond that, and while one request of the
// same peer is being read for, they are rejected, and a peer asks again or elsewhere.
func TestBEP52BlockHashesFollowTheirBlock(t *testing.T) {
	tor := leafyTorrent(t)
	r := start(t, tor, has(3))
	key := r.reader(joined{v2: true})
	q, _ := layersOf(t, tor).BlockRequest(3)
	ask := wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{Root: q.Root, Index: q.Index, Length: q.Length}}
	r.recv(key, block(wire.Request, 3, 0, torrent.BlockSize), ask)
	read := did[torrent.ReadLeaves](r)
	if len(read) != 1 || read[0].First != 3 || read[0].End != 4 {
		t.Fatalf("reads %v", read)
	}
	r.Step(torrent.Leaves{Peer: key, Request: read[0].Request, Leaves: leavesOf(3, 4)})
	if len(r.take(key, wire.Hashes)) != 1 {
		t.Fatal("no answer")
	}
	ask.Hash.Index += q.Length
	if r.recv(key, ask); len(r.take(key, wire.HashReject)) != 1 {
		t.Fatal("a piece that was not announced: no reject")
	}
}

// "Hash requests may be sent to a peer regardless of its choke state."
func TestBEP52HashRequestsAndChoking(t *testing.T) {
	tor := testTorrent(t, true, true)
	r := start(t, tor, seeded)
	key := r.join(joined{v2: true})
	if r.recv(key, hashRequest(tor, 1, 0, 16, 3)); len(r.take(key, wire.Hashes)) != 1 {
		t.Fatal("a choked peer gets no hashes")
	}
	r = start(t, testTorrent(t, false, true), bare)
	gone := r.join(joined{v2: true})
	r.recv(gone, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	r.fetchPiece(gone)
	r.Step(swarm.PeerLeft{Peer: gone})
	choking := r.join(joined{v2: true})
	r.recv(choking, wire.Message{ID: wire.HaveAll})
	r.Wait(3 * time.Second)
	if len(r.take(choking, wire.HashRequest)) != 1 {
		t.Fatal("a peer that chokes us is not asked for hashes")
	}
}

// "requesting implementations should try to prioritize requests where they can be certain that the other
// party can must have the necessary data."
func TestBEP52HashesAreAskedOfWhoHasThePiece(t *testing.T) {
	r := start(t, testTorrent(t, false, true), bare)
	empty := r.join(joined{v2: true})
	r.recv(empty, wire.Message{ID: wire.HaveNone})
	full := r.join(joined{v2: true})
	r.recv(full, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	if _, asked := r.fetchPiece(full); len(asked) != 1 || len(r.take(empty, wire.HashRequest)) != 0 {
		t.Fatal("asks who need not have them")
	}
}

// "to indicate that it also supports the new format": in a hybrid swarm those who do not are asked for no
// hashes. Whoever is in the swarm of a torrent without a v1 half knows v2: libtorrent sets no bit there.
func TestBEP52HashesAreAskedOfPeersThatKnowV2(t *testing.T) {
	r := start(t, testTorrent(t, true, true), nil)
	old := r.seed()
	r.Step(torrent.ReaderMoved{Reader: 1}) // what a reader waits for is checked block by block
	r.Wait(3 * time.Second)
	if n := len(r.take(old, wire.HashRequest)); n != 0 {
		t.Fatalf("%d hash requests to who may not know them", n)
	}
	young := r.join(joined{v2: true})
	r.recv(young, wire.Message{ID: wire.HaveAll})
	r.Wait(3 * time.Second)
	if len(r.take(young, wire.HashRequest)) == 0 {
		t.Fatal("asks nobody")
	}
	r = start(t, testTorrent(t, false, true), bare)
	key := r.seed()
	if _, asked := r.fetchPiece(key); len(asked) != 1 {
		t.Fatalf("%d hash requests in a swarm of v2 alone", len(asked))
	}
}
