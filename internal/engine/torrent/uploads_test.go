package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func TestUploadsStayWithinTheWindow(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		c.UploadWindow = 3 * torrent.BlockSize
	})
	key := r.reader(joined{})
	for i := range uint32(numPieces - 1) {
		r.recv(key, block(wire.Request, i, 0, torrent.BlockSize))
	}
	if n := len(did[*torrent.Upload](r)); n != 3 {
		t.Fatalf("%d blocks under way, the window holds 3", n)
	}
	r.Step(torrent.Sent{Peer: key, Bytes: torrent.BlockSize, Blocks: 1})
	if n := len(did[*torrent.Upload](r)); n != 1 {
		t.Fatalf("%d blocks follow one that has left", n)
	}
	if _, up, _ := r.m.Totals(); up != torrent.BlockSize {
		t.Fatalf("%d bytes uploaded", up)
	}
}

func TestCancelledRequestIsNotServed(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		c.UploadWindow = 1
	})
	key := r.reader(joined{})
	r.recv(key,
		block(wire.Request, 0, 0, torrent.BlockSize), block(wire.Request, 1, 0, torrent.BlockSize),
		block(wire.Cancel, 1, 0, torrent.BlockSize), block(wire.Cancel, 7, 0, torrent.BlockSize))
	if got := r.take(key, wire.Reject); len(got) != 1 || got[0].Index != 1 {
		t.Fatalf("rejects %v: BEP 6 wants an answer to every request", got)
	}
	did[*torrent.Upload](r)
	r.Step(torrent.Sent{Peer: key, Bytes: torrent.BlockSize, Blocks: 1})
	if up := did[*torrent.Upload](r); len(up) != 0 {
		t.Fatalf("serves %v", up)
	}
}

func TestRequestsOfAChokedPeerAreRefused(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	fast, old := r.join(joined{}), r.join(joined{noFast: true})
	for _, key := range []torrent.PeerKey{fast, old} {
		r.recv(key, block(wire.Request, 0, 0, torrent.BlockSize))
	}
	if len(did[*torrent.Upload](r)) != 0 {
		t.Fatal("serves a peer that is choked")
	}
	if len(r.take(fast, wire.Reject)) != 1 || len(r.take(old, wire.Reject)) != 0 {
		t.Fatal("a reject goes to those who know the word, and to them alone")
	}
}

func TestChokingRefusesWhatIsQueued(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		c.UploadWindow = 1
	})
	key := r.reader(joined{})
	r.recv(key, block(wire.Request, 0, 0, torrent.BlockSize), block(wire.Request, 1, 0, torrent.BlockSize), wire.Message{ID: wire.NotInterested})
	msgs := r.take(key, wire.Choke, wire.Reject)
	if len(msgs) != 2 || msgs[0].ID != wire.Choke || msgs[1].Index != 1 {
		t.Fatalf("sent %v", msgs)
	}
}

// A piece that the store lost is no longer offered; the other blocks of the
// queue go out all the same.
func TestReadErrorLosesOnePieceAndNotTheQueue(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		c.UploadWindow = 1
	})
	key := r.reader(joined{})
	r.recv(key,
		block(wire.Request, 3, 0, torrent.BlockSize),
		block(wire.Request, 3, torrent.BlockSize, torrent.BlockSize),
		block(wire.Request, 4, 0, torrent.BlockSize))
	did[*torrent.Upload](r)
	r.Step(torrent.ReadFailed{Peer: key, Index: 3, Begin: 0, Length: torrent.BlockSize})
	if n := len(r.take(key, wire.Reject)); n != 2 {
		t.Fatalf("%d rejects for the two blocks of the lost piece", n)
	}
	lost, up := 0, 0
	for _, e := range r.Effects {
		switch e := e.(type) {
		case torrent.Lost:
			lost++
		case *torrent.Upload:
			if e.Index == 4 {
				up++
			}
		}
	}
	if lost != 1 || up != 1 {
		t.Fatalf("%d pieces lost, %d uploads go on", lost, up)
	}
	if r.m.Complete() {
		t.Fatal("still says complete")
	}
	seed := r.seed()
	for _, q := range r.take(seed, wire.Request) {
		if q.Index != 3 {
			t.Fatalf("fetches piece %d", q.Index)
		}
	}
}

func TestSlotsAreLimited(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		c.UploadSlots, c.MaxSlots = 4, 4
	})
	var keys []torrent.PeerKey
	for range 20 {
		keys = append(keys, r.reader(joined{}))
	}
	unchoked := map[torrent.PeerKey]bool{}
	count := func() {
		for _, key := range keys {
			for _, m := range r.take(key, wire.Choke, wire.Unchoke) {
				unchoked[key] = m.ID == wire.Unchoke
			}
		}
		n := 0
		for _, on := range unchoked {
			if on {
				n++
			}
		}
		if n != 4 {
			t.Fatalf("%d peers unchoked, want 4", n)
		}
	}
	count()
	served := map[torrent.PeerKey]bool{}
	for range 120 {
		r.Wait(10 * time.Second)
		for _, key := range keys {
			r.recv(key, wire.Message{KeepAlive: true})
		}
		count()
		for key, on := range unchoked {
			if on {
				served[key] = true
			}
		}
	}
	if len(served) != len(keys) {
		t.Fatalf("%d of %d peers were ever served: the optimistic slot must go round", len(served), len(keys))
	}
}
