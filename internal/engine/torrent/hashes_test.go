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

// bare is a v2-only torrent of which the piece layers are not known, as after
// a magnet link.
func bare(c *torrent.Config) { c.Layers = nil }

// fetchPiece lets a peer deliver the blocks it is asked for until a piece is
// complete, and returns the hash requests made to it.
func (r *rig) fetchPiece(key torrent.PeerKey) (index uint32, hashes []wire.Message) {
	r.T.Helper()
	count := map[uint32]int{}
	for {
		msgs := r.take(key, wire.Request, wire.HashRequest)
		progress := false
		for _, m := range msgs {
			switch m.ID {
			case wire.HashRequest:
				hashes = append(hashes, m)
			case wire.Request:
				progress = true
				if len(hashes) == 0 {
					r.answer(key, m)
					if count[m.Index]++; count[m.Index] == 2 {
						index = m.Index
					}
				}
			}
		}
		if !progress || len(hashes) > 0 {
			return index, hashes
		}
	}
}

// hashesFor is the true answer to a hash request.
func (r *rig) hashesFor(m wire.Message) wire.Message {
	r.T.Helper()
	h := m.Hash
	b, err := layersOf(r.T, r.torrent).Answer(metainfo.HashRequest{
		Root: h.Root, Base: h.BaseLayer, Index: h.Index, Length: h.Length, ProofLayers: h.ProofLayers,
	}, nil)
	if err != nil {
		r.T.Fatal(err)
	}
	return wire.Message{ID: wire.Hashes, Hash: h, Payload: b}
}

func TestV2PieceIsVerifiedOnceItsHashIsProved(t *testing.T) {
	r := start(t, testTorrent(t, false, true), bare)
	key := r.join(joined{v2: true})
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	_, asked := r.fetchPiece(key)
	if len(asked) != 1 {
		t.Fatalf("%d hash requests", len(asked))
	}
	if v := did[torrent.Verify](r); len(v) != 0 {
		t.Fatal("verified against nothing")
	}
	r.recv(key, r.hashesFor(asked[0]))
	v := did[torrent.Verify](r)
	if len(v) == 0 || v[0].V2 == nil || v[0].V1 != nil {
		t.Fatalf("verify %+v", v)
	}
	if want, _ := layersOf(t, r.torrent).PieceHash(v[0].Index); *v[0].V2 != want {
		t.Fatal("against another hash")
	}
}

func TestForgedHashesCloseThePeerAndAnotherIsAsked(t *testing.T) {
	r := start(t, testTorrent(t, false, true), bare)
	enemy := r.join(joined{v2: true})
	r.recv(enemy, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	_, asked := r.fetchPiece(enemy)
	friend := r.join(joined{v2: true})
	r.recv(friend, wire.Message{ID: wire.HaveAll})
	bad := r.hashesFor(asked[0])
	bad.Payload[5] ^= 1
	r.recv(enemy, bad)
	if c := r.Closed[enemy]; !enginetest.IsBreach(c.Err) || len(r.Closed) != 1 {
		t.Fatalf("closed %v", r.Closed)
	}
	if len(r.take(friend, wire.HashRequest)) != 1 {
		t.Fatal("nobody else was asked")
	}
}

func TestRefusedHashRequestIsNotRepeatedAtOnce(t *testing.T) {
	r := start(t, testTorrent(t, false, true), bare)
	key := r.join(joined{v2: true})
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	_, asked := r.fetchPiece(key)
	n := 0
	for range 100 {
		for _, m := range asked {
			n++
			r.recv(key, wire.Message{ID: wire.HashReject, Hash: m.Hash})
		}
		r.Wait(100 * time.Millisecond)
		asked = r.take(key, wire.HashRequest)
	}
	if n > 3 {
		t.Fatalf("asked %d times in ten seconds", n)
	}
	r.Wait(30 * time.Second)
	if len(r.take(key, wire.HashRequest)) == 0 {
		t.Fatal("never asked again")
	}
}

func TestPieceWithoutHashIsVerifiedWhenASourceTurnsUp(t *testing.T) {
	r := start(t, testTorrent(t, false, true), bare)
	first := r.join(joined{v2: true})
	r.recv(first, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	r.fetchPiece(first)
	r.Step(swarm.PeerLeft{Peer: first})
	second := r.join(joined{v2: true})
	r.recv(second, wire.Message{ID: wire.HaveAll})
	r.Wait(3 * time.Second)
	asked := r.take(second, wire.HashRequest)
	if len(asked) != 1 {
		t.Fatalf("%d hash requests to the new peer", len(asked))
	}
	r.recv(second, r.hashesFor(asked[0]))
	if len(did[torrent.Verify](r)) == 0 {
		t.Fatal("not verified")
	}
}

func TestHashRequestsOfPeersAreServed(t *testing.T) {
	tor := testTorrent(t, true, true)
	r := start(t, tor, seeded)
	key := r.join(joined{v2: true})
	root := tor.Info.Files[0].PiecesRoot
	good := wire.HashRange{Root: root, BaseLayer: 1, Length: 16, ProofLayers: 3}
	r.recv(key,
		wire.Message{ID: wire.HashRequest, Hash: good},
		wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{Root: root, BaseLayer: 9, Length: 16}},
		wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{BaseLayer: 1, Length: 16}},
		wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{Root: root, BaseLayer: 1, Index: 1 << 31, Length: 1 << 31}},
	)
	if n := len(r.take(key, wire.Hashes)); n != 1 {
		t.Fatalf("%d answers", n)
	}
	if len(r.Closed) != 0 {
		t.Fatal("a request that makes no sense is refused, not punished: real clients send some")
	}
}
