package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// bigTorrent has an info dictionary of several metadata pieces.
func bigTorrent(t *testing.T) *metainfo.Torrent {
	t.Helper()
	const n = 2500
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "film", PieceLength: torrent.BlockSize, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"film"}, Length: n * torrent.BlockSize}},
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
	if len(tor.Info.Bytes) < 3*wire.MetadataPieceSize {
		t.Fatalf("only %d bytes", len(tor.Info.Bytes))
	}
	return tor
}

// wantsMetadata returns the metadata pieces that a peer was asked for.
func (r *rig) wantsMetadata(key torrent.PeerKey) (pieces []int) {
	r.T.Helper()
	for _, b := range r.ext(key, 11) {
		m, err := wire.ParseMetadata(b)
		if err != nil {
			r.T.Fatal(err)
		}
		if m.Type == wire.MetadataRequest {
			pieces = append(pieces, m.Piece)
		}
	}
	return pieces
}

// metadataPiece is what a peer sends that believes in an info dictionary.
func (r *rig) metadataPiece(info []byte, piece int) wire.Message {
	from := piece * wire.MetadataPieceSize
	m := wire.MetadataMessage{
		Type: wire.MetadataData, Piece: piece, TotalSize: len(info),
		Data: info[from:min(len(info), from+wire.MetadataPieceSize)],
	}
	return enginetest.Extended(metadataID, m.Append(nil))
}

// serveMetadata answers what is asked of a peer until nothing more is, or it is
// closed.
func (r *rig) serveMetadata(key torrent.PeerKey, info []byte) {
	r.T.Helper()
	for range 100 {
		pieces := r.wantsMetadata(key)
		if len(pieces) == 0 {
			return
		}
		for _, k := range pieces {
			if _, gone := r.Closed[key]; !gone {
				r.recv(key, r.metadataPiece(info, k))
			}
		}
	}
}

func (r *rig) learned() bool {
	for _, e := range did[torrent.Learned](r) {
		if string(e.Info.Bytes) != string(r.torrent.Info.Bytes) {
			r.T.Fatal("learned something else")
		}
		r.Step(torrent.ContentReady{Info: e.Info})
		return true
	}
	return false
}

func TestMagnetLearnsTheInfoDictionaryFromSeveralPeers(t *testing.T) {
	tor := bigTorrent(t)
	r := start(t, tor, magnet)
	size := len(tor.Info.Bytes)
	a, b := r.join(joined{metadataSize: size}), r.join(joined{metadataSize: size})
	pa, pb := r.wantsMetadata(a), r.wantsMetadata(b)
	if len(pa) == 0 || len(pa)+len(pb) != (size+wire.MetadataPieceSize-1)/wire.MetadataPieceSize {
		t.Fatalf("asked for %v and %v", pa, pb)
	}
	for _, k := range pa {
		r.recv(a, r.metadataPiece(tor.Info.Bytes, k))
	}
	for _, k := range pb {
		r.recv(b, r.metadataPiece(tor.Info.Bytes, k))
	}
	if !r.learned() {
		t.Fatal("not learned")
	}
}

func TestPeersMayFetchTheInfoDictionaryAsSoonAsWeHaveIt(t *testing.T) {
	tor := testTorrent(t, true, false)
	r := start(t, tor, magnet)
	early := r.join(joined{})
	r.ext(early, wire.ExtHandshakeID)
	seed := r.join(joined{metadataSize: len(tor.Info.Bytes)})
	r.serveMetadata(seed, tor.Info.Bytes)
	if !r.learned() {
		t.Fatal("not learned")
	}
	told := false
	for _, b := range r.ext(early, wire.ExtHandshakeID) {
		h, err := wire.ParseExtHandshake(b)
		told = told || err == nil && h.MetadataSize == len(tor.Info.Bytes)
	}
	if !told {
		t.Fatal("a peer that was there before does not know that it can ask us now")
	}
	req := wire.MetadataMessage{Type: wire.MetadataRequest}
	r.recv(early, enginetest.Extended(metadataID, req.Append(nil)))
	got := r.ext(early, 11)
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if m, err := wire.ParseMetadata(got[0]); err != nil || string(m.Data) != string(tor.Info.Bytes) {
		t.Fatalf("answered %+v, %v", m.Type, err)
	}
}

func TestForgedMetadataFromOnePeerClosesIt(t *testing.T) {
	tor := testTorrent(t, true, false)
	r := start(t, tor, magnet)
	forged := slices.Clone(tor.Info.Bytes)
	forged[len(forged)-3] ^= 1
	enemy := r.join(joined{metadataSize: len(forged)})
	r.serveMetadata(enemy, forged)
	if c := r.Closed[enemy]; !enginetest.IsBreach(c.Err) || !c.Ban {
		t.Fatalf("closed with %v, ban %v", c.Err, c.Ban)
	}
	if r.learned() {
		t.Fatal("believed it")
	}
	friend := r.join(joined{metadataSize: len(tor.Info.Bytes)})
	r.serveMetadata(friend, tor.Info.Bytes)
	if !r.learned() || len(r.Closed) != 1 {
		t.Fatalf("not learned from the next peer, %d closed", len(r.Closed))
	}
}

func TestForgerAmongOthersIsFoundAndTheOthersStay(t *testing.T) {
	tor := bigTorrent(t)
	r := start(t, tor, magnet)
	size := len(tor.Info.Bytes)
	forged := slices.Clone(tor.Info.Bytes)
	for i := range forged {
		forged[i] ^= 1
	}
	peers := []torrent.PeerKey{r.join(joined{metadataSize: size}), r.join(joined{metadataSize: size}), r.join(joined{metadataSize: size})}
	enemy := peers[0]
	for range 20 {
		for _, key := range peers {
			info := tor.Info.Bytes
			if key == enemy {
				info = forged
			}
			if _, gone := r.Closed[key]; !gone {
				r.serveMetadata(key, info)
			}
		}
	}
	if !r.learned() {
		t.Fatal("not learned")
	}
	if _, gone := r.Closed[enemy]; !gone || len(r.Closed) != 1 {
		t.Fatalf("closed: %v", r.Closed)
	}
}

// Whoever names another size and then says nothing must not hold up the rest.
func TestLyingMetadataSizeDoesNotHoldUpAMagnet(t *testing.T) {
	tor := testTorrent(t, true, false)
	for name, then := range map[string]func(r *rig, enemy torrent.PeerKey){
		"silent": func(r *rig, enemy torrent.PeerKey) { r.Wait(10 * time.Second) },
		"leaves": func(r *rig, enemy torrent.PeerKey) { r.Step(swarm.PeerLeft{Peer: enemy}) },
		"rejects": func(r *rig, enemy torrent.PeerKey) {
			no := wire.MetadataMessage{Type: wire.MetadataReject}
			r.recv(enemy, enginetest.Extended(metadataID, no.Append(nil)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tor, magnet)
			enemy := r.join(joined{metadataSize: 20 << 20})
			friend := r.join(joined{metadataSize: len(tor.Info.Bytes)})
			then(r, enemy)
			r.serveMetadata(friend, tor.Info.Bytes)
			if !r.learned() {
				t.Fatal("not learned")
			}
		})
	}
}

func TestTruncatedMetadataClosesThePeer(t *testing.T) {
	tor := bigTorrent(t)
	info := tor.Info.Bytes
	size := len(info)
	piece := func(k, total int, data []byte) wire.Message {
		m := wire.MetadataMessage{Type: wire.MetadataData, Piece: k, TotalSize: total, Data: data}
		return enginetest.Extended(metadataID, m.Append(nil))
	}
	for name, m := range map[string]wire.Message{
		"short piece":               piece(0, size, info[:wire.MetadataPieceSize-1]),
		"empty piece":               piece(0, size, nil),
		"another total":             piece(0, size-wire.MetadataPieceSize, info[:wire.MetadataPieceSize]),
		"total of one short piece":  piece(0, 100, info[:100]),
		"piece beyond the total":    piece(400, size, info[:10]),
		"piece index out of bounds": piece(1<<30, size, info[:10]),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tor, magnet)
			enemy := r.join(joined{metadataSize: size})
			friend := r.join(joined{})
			r.recv(enemy, m)
			if c := r.Closed[enemy]; !enginetest.IsBreach(c.Err) || len(r.Closed) != 1 {
				t.Fatalf("closed %v", r.Closed)
			}
			r.recv(friend, wire.Message{ID: wire.Interested})
			if r.learned() {
				t.Fatal("believed it")
			}
		})
	}
}

// Memory follows what has arrived, not what was announced.
func TestHugeMetadataSizeTakesNoMemory(t *testing.T) {
	tor := testTorrent(t, true, false)
	r := start(t, tor, magnet)
	allocs := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			key := r.join(joined{metadataSize: wire.MaxMetadataSize})
			r.Step(swarm.PeerLeft{Peer: key})
		}
	})
	if n := allocs.AllocedBytesPerOp(); n > 2<<20 {
		t.Fatalf("%d bytes for a claim of %d", n, wire.MaxMetadataSize)
	}
}

// What peers said about their pieces before the number of pieces was known is
// held against it afterwards.
func TestPieceMessagesBeforeTheInfoDictionaryAreCheckedLater(t *testing.T) {
	tor := testTorrent(t, true, false)
	wrong := map[string]wire.Message{
		"bitfield too long":   {ID: wire.Bitfield, Payload: make([]byte, 100)},
		"bitfield spare bits": {ID: wire.Bitfield, Payload: []byte{0xff, 0xff}},
		"have out of range":   {ID: wire.Have, Index: numPieces},
		"allowed fast":        {ID: wire.AllowedFast, Index: numPieces},
	}
	for name, m := range wrong {
		t.Run(name, func(t *testing.T) {
			r := start(t, tor, magnet)
			enemy := r.join(joined{})
			r.recv(enemy, m)
			friend := r.join(joined{metadataSize: len(tor.Info.Bytes)})
			r.recv(friend, wire.Message{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0}}, wire.Message{ID: wire.Unchoke})
			r.serveMetadata(friend, tor.Info.Bytes)
			if !r.learned() {
				t.Fatal("not learned")
			}
			if c := r.Closed[enemy]; !enginetest.IsBreach(c.Err) || len(r.Closed) != 1 {
				t.Fatalf("closed %v", r.Closed)
			}
			if len(r.take(friend, wire.Request)) == 0 {
				t.Fatal("does not download from the other peer")
			}
		})
	}
}
