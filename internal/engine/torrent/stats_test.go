package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// What is shown of a torrent and its peers is how it stands.
func TestStatsAreAsItStands(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		has(0, 1)(c)
		c.Extensions = []swarm.Extension{{Name: "x_chat"}, {Name: "x_none"}}
	})
	seed := r.seed()
	half := r.join(joined{addr: "10.0.0.9:5", incoming: true})
	h := wire.ExtHandshake{V: "Other 1", M: []wire.Extension{{Name: "x_chat", ID: 7}}}
	r.recv(half, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)), wire.Message{ID: wire.Bitfield, Payload: []byte{0xf8, 0}}, wire.Message{ID: wire.Interested})
	idle := r.join(joined{})
	r.recv(idle, wire.Message{ID: wire.HaveNone})
	r.Wait(time.Second)
	r.recv(half, block(wire.Request, 0, 0, torrent.BlockSize))
	r.Step(torrent.Sent{Peer: half, Bytes: torrent.BlockSize, Blocks: 1})
	asked := r.take(seed, wire.Request)
	r.answer(seed, asked[0])
	r.answer(seed, asked[0]) // once more, in vain

	s := r.m.Stats(r.Now)
	if s.Pieces != 10 || s.Have != 2 || s.Missing != 8 || s.Peers != 3 || s.Seeds != 1 || s.WebSeeds != 0 || s.Useful != 2 || !s.MetadataDone ||
		s.Downloaded != torrent.BlockSize || s.Uploaded != torrent.BlockSize || s.Wasted != torrent.BlockSize ||
		s.DownRate <= 0 || s.UpRate <= 0 || s.OpenPieces == 0 || s.Requested == 0 || s.HalfOpen != 0 || s.Known != 0 {
		t.Errorf("%+v", s)
	}
	down, up, left := r.m.Totals()
	if down != torrent.BlockSize || up != torrent.BlockSize || left != 8*pieceLength {
		t.Errorf("totals: %d, %d, %d", down, up, left)
	}
	requested := 0
	for _, p := range r.m.PeerStats(r.Now) {
		requested += p.Requests
		var ok bool
		switch p.Peer {
		case seed:
			ok = p.Progress == 1 && p.Interested && !p.Interesting && !p.Choked && p.Choking && p.TotalDown == 2*torrent.BlockSize && p.TotalUp == 0 &&
				p.Down > 0 && p.Up == 0 && p.Requests > 0 && !p.Snubbed && len(p.Extensions) == 0
		case half:
			ok = p.Progress == 0.5 && p.Interested && p.Interesting && p.Choked && !p.Choking && p.TotalDown == 0 && p.TotalUp == torrent.BlockSize &&
				p.Down == 0 && p.Up > 0 && p.Requests == 0 && p.Client == "Other 1" && p.Addr.String() == "10.0.0.9:5" &&
				len(p.Extensions) == 1 && p.Extensions[0] == "x_chat"
		case idle:
			ok = p.Progress == 0 && !p.Interested && !p.Interesting && p.Choked && p.Choking && p.Client == ""
		}
		if !ok || p.WebSeed {
			t.Errorf("%d of %d, %d, %d: %+v", p.Peer, seed, half, idle, p)
		}
	}
	if requested != s.Requested {
		t.Errorf("%d requests of peers, %d in all", requested, s.Requested)
	}
	// A magnet knows neither pieces nor what is left; who says that it has all, has all.
	r = start(t, testTorrent(t, true, false), magnet)
	r.seed()
	s = r.m.Stats(r.Now)
	if _, _, left := r.m.Totals(); left != -1 || s.MetadataDone || s.Pieces != 0 || s.Seeds != 1 || s.Useful != 0 || r.m.PeerStats(r.Now)[0].Progress != 1 {
		t.Errorf("a magnet: %d left, %+v", left, s)
	}
}
