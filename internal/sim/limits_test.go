package sim

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

func TestSwarmOfFewConnectionsEachCompletes(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	forSeeds(t, 10, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01, Give: 5})
		for k := range 40 {
			c := NodeConfig{Seed: k == 0, Unreachable: k%3 == 1, Latency: between(net.Rand(), 5*time.Millisecond, 100*time.Millisecond)}
			c.Machine.MaxPeers, c.Machine.MaxHalfOpen = 5, 2
			x := net.Add(c)
			net.At(between(net.Rand(), 0, 4*time.Second), x.Join)
		}
		if err := net.Run(15*time.Minute, net.crowdDone); err != nil {
			t.Fatal(err)
		}
		for _, x := range net.Nodes() {
			if n := len(x.list); n > 5 {
				t.Errorf("seed %d: node %d has %d connections", seed, x.Index(), n)
			}
		}
	})
}

func TestMemoryForPiecesIsBounded(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 40, PieceLength: 256 << 10})
	forSeeds(t, 5, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor})
		for range 10 {
			net.Add(NodeConfig{Seed: true, Up: 40 << 10}).Join()
		}
		net.Add(NodeConfig{Malice: &Malice{Claims: true, Silent: true}}).Join()
		c := NodeConfig{}
		c.Machine.BufferBytes = 1 << 20 // four pieces; the network checks it
		net.Add(c).Join()
		if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFullDiskStopsOneNodeUntilItResumes(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	net := New(Config{Seed: 1, Torrent: tor})
	net.Add(NodeConfig{Seed: true}).Join()
	full := false
	x := net.Add(NodeConfig{FailStore: func(int) bool { return full }})
	x.Join()
	net.Add(NodeConfig{}).Join()
	net.At(1500*time.Millisecond, func() { full = true })
	had := 0
	net.At(20*time.Second, func() {
		had = x.stored.Count()
		if had == 0 || x.Complete() {
			t.Errorf("%d pieces when the disk was full: the test is no test", had)
		}
	})
	net.At(40*time.Second, func() {
		if x.stored.Count() != had {
			t.Error("stored something on a full disk")
		}
		full = false
		x.Post(torrent.Paused{On: false})
	})
	if err := net.Run(5*time.Minute, net.AllComplete); err != nil {
		t.Fatal(err)
	}
	if net.Now() < 40*time.Second {
		t.Error("did not stop")
	}
}

func TestWantedPiecesAreFetchedAndNothingElse(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	net := New(Config{Seed: 1, Torrent: tor})
	net.Add(NodeConfig{Seed: true}).Join()
	x := net.Add(NodeConfig{})
	x.Selective = true
	set := bits.New(tor.Info.NumPieces())
	levels := make([]torrent.Priority, set.Len())
	for i := range 8 {
		set.Set(3 * i)
		levels[3*i] = torrent.Normal
	}
	done := false
	x.OnEffect = func(e torrent.Effect) {
		if _, ok := e.(torrent.Finished); ok {
			done = true
		}
	}
	x.Join()
	x.Post(torrent.Priorities{Levels: levels})
	if err := net.Run(5*time.Minute, func() bool { return done }); err != nil {
		t.Fatal(err)
	}
	if err := net.Run(net.Now()+time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	for i := range tor.Info.NumPieces() {
		if x.Stored(i) != set.Has(i) {
			t.Errorf("piece %d: stored %v, wanted %v", i, x.Stored(i), set.Has(i))
		}
	}
	done = false
	x.Post(torrent.Priorities{})
	if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
		t.Fatal(err)
	}
}
