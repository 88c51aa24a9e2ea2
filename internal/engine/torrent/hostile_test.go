package torrent_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func block(id wire.ID, index, begin, length uint32) wire.Message {
	return wire.Message{ID: id, Index: index, Begin: begin, Length: length}
}

func times(n int, m wire.Message) []wire.Message {
	list := make([]wire.Message, n)
	for i := range list {
		list[i] = m
	}
	return list
}

// What needs knowledge of the torrent to be seen as wrong. Each ends exactly one
// connection, with an error that says the peer is to blame; the machine goes on
// with the others.
func TestBreachesCloseOneConnectionAndNothingElse(t *testing.T) {
	hybrid := testTorrent(t, true, true)
	v1 := testTorrent(t, true, false)
	info := hybrid.Info
	root := info.Files[0].PiecesRoot
	tests := []struct {
		name   string
		magnet bool
		v1     bool
		join   joined
		msgs   func(r *rig) []wire.Message
	}{
		{name: "have: piece out of range", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Have, Index: numPieces}}
		}},
		{name: "have: piece 2^32-1", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Have, Index: 1<<32 - 1}}
		}},
		{name: "request: piece out of range", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, numPieces, 0, torrent.BlockSize)}
		}},
		{name: "request: begin out of range", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, pieceLength, torrent.BlockSize)}
		}},
		{name: "request: ends beyond its piece", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, pieceLength-1, 2)}
		}},
		{name: "request: ends beyond the short last piece", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, numPieces-1, torrent.BlockSize, torrent.BlockSize)}
		}},
		{name: "request: begin plus length wraps around", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, 1<<32-torrent.BlockSize, torrent.BlockSize)}
		}},
		{name: "request: over 128 KiB", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, 0, 128<<10+1)}
		}},
		{name: "request: of nothing", msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, 0, 0)}
		}},
		{name: "request: before the info dictionary", magnet: true, msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Request, 0, 0, torrent.BlockSize)}
		}},
		{name: "request: flood without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return append([]wire.Message{{ID: wire.Interested}}, times(4000, block(wire.Request, 0, 0, torrent.BlockSize))...)
		}},
		{name: "request: flood while choked", msgs: func(*rig) []wire.Message {
			return times(10000, block(wire.Request, 0, 0, torrent.BlockSize))
		}},
		{name: "piece: blocks that were not requested", msgs: func(*rig) []wire.Message {
			return times(200, block(wire.Piece, 0, 0, torrent.BlockSize))
		}},
		{name: "piece: index out of range", msgs: func(*rig) []wire.Message {
			return times(200, block(wire.Piece, numPieces+5, 0, torrent.BlockSize))
		}},
		{name: "piece: begin out of range", msgs: func(*rig) []wire.Message {
			return times(200, block(wire.Piece, 0, 1<<31, torrent.BlockSize))
		}},
		{name: "bitfield: too short", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Bitfield, Payload: []byte{0xff}}}
		}},
		{name: "bitfield: too long", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0, 0}}}
		}},
		{name: "bitfield: empty", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Bitfield}}
		}},
		{name: "bitfield: spare bits", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Bitfield, Payload: []byte{0xff, 0xe0}}}
		}},
		{name: "have all: without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.HaveAll}}
		}},
		{name: "have all: after a bitfield", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Bitfield, Payload: []byte{0xf0, 0}}, {ID: wire.HaveAll}}
		}},
		{name: "reject: without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return []wire.Message{block(wire.Reject, 0, 0, torrent.BlockSize)}
		}},
		{name: "suggest: without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Suggest}}
		}},
		{name: "allowed fast: without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.AllowedFast}}
		}},
		{name: "allowed fast: piece out of range", msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.AllowedFast, Index: numPieces}}
		}},
		{name: "have: flood of what is known", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Have, Index: 3})
		}},
		{name: "have: flood before the info dictionary", magnet: true, msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Have, Index: 3})
		}},
		{name: "have and lt_donthave: flood of taking turns", msgs: func(r *rig) []wire.Message {
			id := r.ourID(wire.ExtDontHave)
			var list []wire.Message
			for range 10000 {
				list = append(list, wire.Message{ID: wire.Have, Index: 3}, enginetest.Extended(id, wire.AppendDontHave(nil, 3)))
			}
			return list
		}},
		{name: "lt_donthave: piece out of range", msgs: func(r *rig) []wire.Message {
			return []wire.Message{enginetest.Extended(r.ourID(wire.ExtDontHave), wire.AppendDontHave(nil, numPieces))}
		}},
		{name: "lt_donthave: wrong length", msgs: func(r *rig) []wire.Message {
			return []wire.Message{enginetest.Extended(r.ourID(wire.ExtDontHave), []byte{1})}
		}},
		{name: "extended: without the extension bit", join: joined{noExt: true}, msgs: func(*rig) []wire.Message {
			return []wire.Message{enginetest.Extended(wire.ExtHandshakeID, []byte("de"))}
		}},
		{name: "extended: handshake is rubbish", msgs: func(*rig) []wire.Message {
			return []wire.Message{enginetest.Extended(wire.ExtHandshakeID, []byte("d1:m"))}
		}},
		{name: "ut_metadata: rubbish", msgs: func(r *rig) []wire.Message {
			return []wire.Message{enginetest.Extended(r.ourID(wire.ExtMetadata), []byte("i1e"))}
		}},
		{name: "ut_metadata: flood of requests", msgs: func(r *rig) []wire.Message {
			req := wire.MetadataMessage{Type: wire.MetadataRequest}
			return times(10000, enginetest.Extended(r.ourID(wire.ExtMetadata), req.Append(nil)))
		}},
		{name: "hash request: before the info dictionary", magnet: true, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.HashRequest, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 2}}}
		}},
		{name: "hashes: before the info dictionary", magnet: true, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.Hashes, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 2}, Payload: make([]byte, 64)}}
		}},
		{name: "hash request: for a v1 torrent", v1: true, msgs: func(*rig) []wire.Message {
			return []wire.Message{{ID: wire.HashRequest, Hash: wire.HashRange{BaseLayer: 1, Length: 2}}}
		}},
		{name: "choke and unchoke: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Unchoke})
		}},
		{name: "interested: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.NotInterested})
		}},
		{name: "request: flood while choked, without the fast extension", join: joined{noFast: true}, msgs: func(*rig) []wire.Message {
			return times(10000, block(wire.Request, 0, 0, torrent.BlockSize))
		}},
		{name: "cancel: flood", msgs: func(*rig) []wire.Message {
			return times(10000, block(wire.Cancel, 0, 0, torrent.BlockSize))
		}},
		{name: "reject: flood", msgs: func(*rig) []wire.Message {
			return times(10000, block(wire.Reject, 0, 0, torrent.BlockSize))
		}},
		{name: "suggest: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Suggest})
		}},
		{name: "allowed fast: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.AllowedFast, Index: 1})
		}},
		{name: "bitfield: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Bitfield, Payload: []byte{0xf0, 0}})
		}},
		{name: "upload_only: flood", msgs: func(r *rig) []wire.Message {
			return times(10000, enginetest.Extended(r.ourID(wire.ExtUploadOnly), []byte{0}))
		}},
		{name: "lt_donthave: flood before the info dictionary", magnet: true, msgs: func(r *rig) []wire.Message {
			return times(10000, enginetest.Extended(r.ourID(wire.ExtDontHave), wire.AppendDontHave(nil, 1)))
		}},
		{name: "ut_metadata: flood of what nobody asked for", msgs: func(r *rig) []wire.Message {
			data := wire.MetadataMessage{Type: wire.MetadataData, TotalSize: 100, Data: make([]byte, 100)}
			return times(10000, enginetest.Extended(r.ourID(wire.ExtMetadata), data.Append(nil)))
		}},
		{name: "hashes: flood of what nobody asked for", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.Hashes, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 2}, Payload: make([]byte, 64)})
		}},
		{name: "hash reject: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.HashReject, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 2}})
		}},
		{name: "hash request: flood", msgs: func(*rig) []wire.Message {
			return times(10000, wire.Message{ID: wire.HashRequest, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 16, ProofLayers: 3}})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tor := hybrid
			if tt.v1 {
				tor = v1
			}
			change := seeded
			if tt.magnet {
				change = magnet
			}
			r := start(t, tor, change)
			msgs := tt.msgs(r)
			friend := r.reader(joined{})
			enemy := r.join(tt.join)
			r.recv(enemy, msgs[0])
			if len(msgs) > 1 {
				r.recv(enemy, msgs[1:]...)
			}
			if c, ok := r.Closed[enemy]; !ok || !enginetest.IsBreach(c.Err) {
				t.Errorf("the connection was not closed as a breach: %v %v", ok, c.Err)
			}
			if len(r.Closed) > 1 {
				t.Errorf("%d connections closed", len(r.Closed))
			}
			r.Wait(5 * time.Second)
			if tt.magnet {
				return
			}
			did[*torrent.Upload](r)
			r.recv(friend, block(wire.Request, 1, 0, torrent.BlockSize))
			if up := did[*torrent.Upload](r); len(up) != 1 || up[0].Peer != friend {
				t.Errorf("the other peer is no longer served: %v", up)
			}
		})
	}
}

// A peer may not make us queue answers without end: messages, not blocks, which
// the upload window bounds.
func TestFloodsDoNotMakeLongAnswers(t *testing.T) {
	hybrid := testTorrent(t, true, true)
	root := hybrid.Info.Files[0].PiecesRoot
	r := start(t, hybrid, seeded)
	id := r.ourID(wire.ExtMetadata)
	metadata := wire.MetadataMessage{Type: wire.MetadataRequest}
	for name, m := range map[string]wire.Message{
		"metadata": enginetest.Extended(id, metadata.Append(nil)),
		"hashes":   {ID: wire.HashRequest, Hash: wire.HashRange{Root: root, BaseLayer: 1, Length: 16, ProofLayers: 3}},
		"requests": block(wire.Request, 0, 0, torrent.BlockSize),
	} {
		enemy := r.join(joined{})
		size := 0
		for range 100_000 {
			if _, gone := r.Closed[enemy]; gone {
				break
			}
			r.recv(enemy, m)
			for _, m := range r.Sent[enemy] {
				size += len(m.Append(nil))
			}
			r.Sent[enemy] = nil
		}
		if size > 8<<20 {
			t.Errorf("%s: %d bytes of answers at one time", name, size)
		}
		if _, gone := r.Closed[enemy]; !gone {
			t.Errorf("%s: the flood has no end", name)
		}
	}
}

func TestOneStrayBlockIsForgiven(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	r.recv(key, block(wire.Piece, numPieces+7, 1<<31, torrent.BlockSize))
	if len(r.Closed) > 0 {
		t.Fatal("closed for one block that may have crossed a cancel")
	}
	if got := r.m.Stats(r.Now); got.Have != 0 || got.Downloaded != 0 || got.Wasted != torrent.BlockSize {
		t.Fatalf("counted as %+v", got)
	}
}

// A block of another length or place than requested is not the block.
func TestBlockMustBeExactlyWhatWasRequested(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	reqs := r.take(key, wire.Request)
	q := reqs[0]
	r.recv(key, block(wire.Piece, q.Index, q.Begin, q.Length-1), block(wire.Piece, q.Index, q.Begin+1, q.Length-1))
	if r.m.Stats(r.Now).Downloaded != 0 {
		t.Fatal("took a block that was not asked for")
	}
}

func TestGarbageFrom200SeedsNeverPanics(t *testing.T) {
	tor := testTorrent(t, true, true)
	for seed := range uint64(200) {
		change := []func(*torrent.Config){nil, seeded, magnet}[seed%3]
		r := start(t, tor, change)
		rng := newRand(seed)
		keys := []torrent.PeerKey{r.seed(), r.reader(joined{noFast: true}), r.join(joined{v2: true, metadataSize: len(tor.Info.Bytes)})}
		for range 400 {
			key := keys[rng.IntN(len(keys))]
			if _, gone := r.Closed[key]; gone {
				keys = append(keys[:0:0], r.seed(), r.join(joined{}), r.reader(joined{}))
				continue
			}
			small := func(n int) uint32 {
				if rng.IntN(20) == 0 {
					return rng.Uint32()
				}
				return uint32(rng.IntN(n))
			}
			m := wire.Message{
				ID: wire.ID(rng.IntN(24)), Index: small(numPieces + 1),
				Begin: small(3) * torrent.BlockSize, Length: torrent.BlockSize, ExtID: uint8(rng.IntN(6)),
			}
			m.Hash = wire.HashRange{Root: tor.Info.Files[0].PiecesRoot, BaseLayer: small(3), Index: small(4), Length: small(17), ProofLayers: small(5)}
			switch m.ID {
			case wire.Bitfield, wire.Extended, wire.Hashes:
				m.Payload = binary.BigEndian.AppendUint64(nil, rng.Uint64())[:rng.IntN(9)]
				if rng.IntN(2) == 0 {
					m.Payload = (&wire.MetadataMessage{Type: wire.MetadataType(rng.IntN(3)), Piece: rng.IntN(3), TotalSize: len(tor.Info.Bytes), Data: make([]byte, len(tor.Info.Bytes))}).Append(nil)
				}
			}
			r.recv(key, m)
			switch rng.IntN(30) {
			case 0:
				r.Wait(time.Duration(rng.IntN(20)) * time.Second)
			case 1:
				r.Step(torrent.Paused{On: rng.IntN(2) == 0})
			case 2:
				r.Step(torrent.ReaderMoved{Reader: 1, First: rng.IntN(numPieces), Last: rng.IntN(numPieces + 4), Jump: true})
			case 3:
				r.Step(torrent.ReadFailed{Peer: key, Index: uint32(rng.IntN(numPieces)), Length: torrent.BlockSize, Gone: rng.IntN(2) == 0})
				r.Step(torrent.Restored{Pieces: []int{rng.IntN(numPieces+2) - 1}})
			case 4:
				for _, v := range did[torrent.Verify](r) {
					switch rng.IntN(3) {
					case 0:
						r.Step(torrent.PieceStored{Index: v.Index, Sums: make([][20]byte, 2)})
					case 1:
						r.Step(torrent.PieceForged{Index: v.Index, Sums: make([][20]byte, 2)})
					case 2:
						r.Step(torrent.StoreFailed{Index: v.Index})
					}
				}
			}
		}
	}
}
