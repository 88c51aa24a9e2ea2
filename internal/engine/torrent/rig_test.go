package torrent_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	pieceLength = 2 * torrent.BlockSize
	numPieces   = 10
	lastSize    = torrent.BlockSize + 100
)

// The numbers under which the machine wants its extensions.
const (
	pexID      = 1
	metadataID = 2
	dontHaveID = 3
)

// rig is a machine with hand-made peers, on a clock that a test moves.
type rig struct {
	*enginetest.Rig
	m       *torrent.Machine
	torrent *metainfo.Torrent
	cfg     torrent.Config
	buffers map[int]uint32
}

// testTorrent is a torrent of ten pieces of two blocks; the last piece is
// shorter. Its hashes stand for nothing: a test says whether a piece is genuine.
func testTorrent(t testing.TB, v1, v2 bool) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip", PieceLength: pieceLength, V1: v1, V2: v2,
		Files: []metainfo.BuildFile{{Path: []string{"clip"}, Length: (numPieces-1)*pieceLength + lastSize}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range numPieces {
		var h metainfo.PieceHashes
		h.V1[0], h.V2[0] = byte(i+1), byte(i+1)
		b.SetPiece(i, h)
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

func layersOf(t testing.TB, tor *metainfo.Torrent) *metainfo.Layers {
	t.Helper()
	if !tor.Info.HasV2 {
		return nil
	}
	l := metainfo.NewLayers(tor.Info)
	for root, layer := range tor.PieceLayers {
		if err := l.AddLayer(root, layer); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// start returns a rig; change may alter the machine's configuration.
func start(t *testing.T, tor *metainfo.Torrent, change func(*torrent.Config)) *rig {
	t.Helper()
	r := &rig{Rig: enginetest.New(t), torrent: tor, buffers: map[int]uint32{}}
	r.cfg = torrent.Config{
		Key: tor.Info.Key(), Info: tor.Info, Layers: layersOf(t, tor),
		Rand: rand.New(rand.NewPCG(1, 1)), ListenPort: 6881,
	}
	copy(r.cfg.PeerID[:], "-SH0001-ourselves000")
	if change != nil {
		change(&r.cfg)
	}
	m, err := torrent.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.m = m
	r.Drive(m, func(e torrent.Effect) {
		switch e := e.(type) {
		case torrent.OpenPiece:
			r.buffers[e.Index] = e.Buffer
		case torrent.DropPiece:
			delete(r.buffers, e.Index)
		}
	})
	return r
}

// seeded says that every piece is stored.
func seeded(c *torrent.Config) {
	have := bits.New(c.Info.NumPieces())
	have.Fill()
	c.Have = &have
}

// magnet takes away what a magnet link does not bring.
func magnet(c *torrent.Config) { c.Info, c.Layers = nil, nil }

type joined struct {
	addr               string
	incoming           bool
	noFast, noExt      bool
	v2, dht            bool
	id                 string
	silent             bool // sends no extension handshake
	metadataSize, port int
}

// join connects a peer and lets it send its extension handshake.
func (r *rig) join(j joined) torrent.PeerKey {
	r.T.Helper()
	ev := swarm.PeerJoined{Outgoing: !j.incoming, Fast: !j.noFast, Extended: !j.noExt, V2: j.v2, DHT: j.dht}
	if j.addr != "" {
		ev.Addr = netip.MustParseAddrPort(j.addr)
	}
	key := r.Join(ev, j.id)
	if !j.noExt && !j.silent {
		h := wire.ExtHandshake{
			M: []wire.Extension{
				{Name: wire.ExtMetadata, ID: 11}, {Name: wire.ExtPEX, ID: 12},
				{Name: wire.ExtDontHave, ID: 13}, {Name: wire.ExtUploadOnly, ID: 14},
			},
			MetadataSize: j.metadataSize, Port: j.port,
		}
		r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)))
	}
	return key
}

// seed connects a peer that has everything and lets us download.
func (r *rig) seed() torrent.PeerKey {
	r.T.Helper()
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	return key
}

// reader connects a peer that wants to download from us.
func (r *rig) reader(j joined) torrent.PeerKey {
	r.T.Helper()
	key := r.join(j)
	r.recv(key, wire.Message{ID: wire.Interested})
	return key
}

// recv delivers messages of a peer. A Piece goes to the open buffer.
func (r *rig) recv(key torrent.PeerKey, msgs ...wire.Message) {
	r.T.Helper()
	items := make([]torrent.Item, len(msgs))
	for i, m := range msgs {
		items[i].Message = m
		if m.ID == wire.Piece && !m.KeepAlive {
			items[i].Buffer = r.buffers[int(m.Index)]
		}
	}
	r.Step(swarm.Received{Peer: key, Items: items})
}

// take returns the messages to a peer with one of these ids since the last look,
// and forgets all of them.
func (r *rig) take(key torrent.PeerKey, ids ...wire.ID) []wire.Message {
	all := r.Sent[key]
	r.Sent[key] = nil
	return slices.DeleteFunc(all, func(m wire.Message) bool { return m.KeepAlive || !slices.Contains(ids, m.ID) })
}

// ext returns the payloads sent to a peer under its number for an extension.
func (r *rig) ext(key torrent.PeerKey, id uint8) (list [][]byte) {
	for _, m := range r.take(key, wire.Extended) {
		if m.ExtID == id {
			list = append(list, m.Payload)
		}
	}
	return list
}

// did returns the effects of one type since the last look, and forgets all.
func did[E torrent.Effect](r *rig) []E { return enginetest.Did[E](r.Rig) }

// answer sends the blocks for requests.
func (r *rig) answer(key torrent.PeerKey, reqs ...wire.Message) {
	r.T.Helper()
	for _, q := range reqs {
		r.recv(key, wire.Message{ID: wire.Piece, Index: q.Index, Begin: q.Begin, Length: q.Length})
	}
}

// The numbers under which the machine wants its extensions: it told them in its
// handshake.
func (r *rig) ourID(name string) uint8 {
	r.T.Helper()
	probe := r.join(joined{})
	for _, p := range r.ext(probe, wire.ExtHandshakeID) {
		h, err := wire.ParseExtHandshake(p)
		if err != nil {
			r.T.Fatal(err)
		}
		if id, ok := h.ID(name); ok {
			r.Step(swarm.PeerLeft{Peer: probe})
			return id
		}
	}
	r.T.Fatalf("the machine does not offer %s", name)
	return 0
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 9)) }
