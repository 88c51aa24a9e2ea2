package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func newTorrent(t testing.TB, opt TorrentOptions) *Torrent {
	t.Helper()
	tor, err := NewTorrent(1, opt)
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// forSeeds runs a scenario with many seeds side by side; fewer with -short. The
// name of the subtest is the seed, so that one can be run again by itself.
func forSeeds(t *testing.T, n int, run func(t *testing.T, seed uint64)) {
	t.Helper()
	if testing.Short() {
		n = max(1, n/10)
	}
	for seed := range uint64(n) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			run(t, seed)
		})
	}
}

// figures sums up what honest nodes received, and how much of it in vain.
func (n *Network) figures() (received, wasted int64) {
	for _, x := range n.nodes {
		if x.honest() {
			received += x.Received
			wasted += x.Wasted()
		}
	}
	return received, wasted
}

func between(rng *rand.Rand, lo, hi time.Duration) time.Duration {
	return lo + time.Duration(rng.Int64N(int64(hi-lo)))
}

// crowd is the swarm of the issue: one seed, 50 peers on different lines, of which
// 10 % are polluters, some behind NATs, some without the fast extension, some
// that leave or crash and come back.
func crowd(cfg Config) *Network {
	cfg.Loss = 0.01
	net := New(cfg)
	rng := net.Rand()
	latency := func() time.Duration { return between(rng, 5*time.Millisecond, 120*time.Millisecond) }
	net.Add(NodeConfig{Seed: true, Latency: latency()}).Join()
	for k := range 50 {
		c := NodeConfig{
			Up:          64<<10 + rng.IntN(960<<10),
			Latency:     latency(),
			Unreachable: rng.IntN(5) == 0,
			NoFast:      rng.IntN(10) == 0,
		}
		c.Down = c.Up * (2 + rng.IntN(6))
		if k%10 == 9 {
			c.Malice = &Malice{Claims: rng.IntN(2) == 0, Garbage: 0.1 + 0.9*rng.Float64()}
		}
		x := net.Add(c)
		net.At(between(rng, 0, 5*time.Second), x.Join)
		if rng.IntN(3) == 0 {
			net.At(between(rng, 5*time.Second, 15*time.Second), func() {
				x.Leave(rng.IntN(2) == 0)
				x.Return(between(rng, time.Second, 15*time.Second))
			})
		}
	}
	return net
}

// crowdDone waits until everybody has come and everybody has everything.
func (n *Network) crowdDone() bool { return n.now > 5*time.Second && n.AllComplete() }

func TestCrowdWithPollutersCompletes(t *testing.T) {
	plain := newTorrent(t, TorrentOptions{Pieces: 16, V1: true})
	real := newTorrent(t, TorrentOptions{Pieces: 16, Short: 40_000, Real: true})
	forSeeds(t, 200, func(t *testing.T, seed uint64) {
		cfg := Config{Seed: seed, Torrent: plain}
		if seed%20 == 0 {
			cfg.Torrent, cfg.Wire = real, true // real bytes, real hashes, every message coded
		}
		net := crowd(cfg)
		if err := net.Run(10*time.Minute, net.crowdDone); err != nil {
			t.Fatal(err)
		}
		received, wasted := net.figures()
		if wasted > received/3 {
			t.Errorf("seed %d: %d of %d bytes in vain", seed, wasted, received)
		}
		t.Logf("complete after %v, %.1f %% in vain, %d steps", net.Now(), 100*float64(wasted)/float64(received), net.Steps)
	})
}

func TestSameSeedGivesTheSameTrace(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	traces := map[uint64]uint64{}
	for _, seed := range []uint64{7, 8, 7, 8} {
		net := crowd(Config{Seed: seed, Torrent: tor, Wire: true})
		if err := net.Run(10*time.Minute, net.crowdDone); err != nil {
			t.Fatal(err)
		}
		if was, ok := traces[seed]; ok && was != net.Trace() {
			t.Errorf("seed %d gives %x, then %x", seed, was, net.Trace())
		}
		traces[seed] = net.Trace()
	}
	if traces[7] == traces[8] {
		t.Error("two seeds give one trace")
	}
}

// Without polluters hardly a block is fetched twice, whatever the lines.
func TestHonestSwarmWastesLittle(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 256})
	forSeeds(t, 5, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01})
		rng := net.Rand()
		net.Add(NodeConfig{Seed: true, Up: 2 << 20}).Join()
		for range 30 {
			up := 100<<10 + rng.IntN(900<<10)
			x := net.Add(NodeConfig{Up: up, Down: up * (1 + rng.IntN(6)), Latency: between(rng, 5*time.Millisecond, 100*time.Millisecond)})
			net.At(between(rng, 0, 3*time.Second), x.Join)
		}
		if err := net.Run(10*time.Minute, net.crowdDone); err != nil {
			t.Fatal(err)
		}
		received, wasted := net.figures()
		if wasted > received/50 {
			t.Errorf("seed %d: %.1f %% in vain", seed, 100*float64(wasted)/float64(received))
		}
		t.Logf("complete after %v, %.2f %% in vain", net.Now(), 100*float64(wasted)/float64(received))
	})
}

// One thin line and many generous peers: their queues together must not drown
// it.
func TestThinLineIsUsedWell(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 128})
	size := float64(tor.Info.Length)
	for _, down := range []int{32 << 10, 128 << 10, 1 << 20} {
		for _, seeds := range []int{1, 5, 40} {
			t.Run(fmt.Sprintf("%d KB/s from %d", down>>10, seeds), func(t *testing.T) {
				net := New(Config{Seed: 1, Torrent: tor, Loss: 0.01})
				for range seeds {
					net.Add(NodeConfig{Seed: true, Latency: between(net.Rand(), 5*time.Millisecond, 100*time.Millisecond)}).Join()
				}
				x := net.Add(NodeConfig{Down: down})
				x.Join()
				if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
					t.Fatal(err)
				}
				if ideal := size / float64(down); x.Done.Seconds() > 1.2*ideal+1 {
					t.Errorf("took %v, the line alone needs %.1f s", x.Done, ideal)
				}
				if x.Wasted() > x.Received/25 {
					t.Errorf("%d of %d bytes in vain", x.Wasted(), x.Received)
				}
			})
		}
	}
}

func TestSeedMayLeaveOnceACopyIsOut(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01})
		first := net.Add(NodeConfig{Seed: true, Up: 256 << 10})
		first.Join()
		for range 20 {
			net.Add(NodeConfig{}).Join()
		}
		if err := net.Run(5*time.Minute, func() bool {
			for i := range tor.Info.NumPieces() {
				out := false
				for _, x := range net.Nodes()[1:] {
					out = out || x.Stored(i)
				}
				if !out {
					return false
				}
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		copies := float64(first.Given) / float64(tor.Info.Length)
		if copies > 3 {
			t.Errorf("seed %d: gave %.1f copies before one was out: rarest first should need little more than one", seed, copies)
		}
		first.Leave(seed%2 == 0)
		if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.2f copies given, complete after %v", copies, net.Now())
	})
}

func TestFreeRidersFinishAfterThoseWhoGive(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 256})
	forSeeds(t, 4, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor})
		net.Add(NodeConfig{Seed: true, Up: 1 << 20}).Join()
		var giving, riding []*Node
		for k := range 30 {
			// Few slots, as on home lines, so that there is something to decide.
			c := NodeConfig{Up: 256 << 10, Down: 4 << 20, Selfish: k%5 == 4}
			c.Machine.UploadSlots, c.Machine.MaxSlots = 4, 4
			x := net.Add(c)
			x.Join()
			if c.Selfish {
				riding = append(riding, x)
			} else {
				giving = append(giving, x)
			}
		}
		if err := net.Run(time.Hour, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		mean := func(list []*Node) (sum time.Duration) {
			for _, x := range list {
				sum += x.Done / time.Duration(len(list))
			}
			return sum
		}
		g, r := mean(giving), mean(riding)
		if r < g*21/20 {
			t.Errorf("seed %d: givers need %v, free riders %v", seed, g, r)
		}
		t.Logf("givers %v, free riders %v", g, r)
	})
}

// hostile runs a small swarm with one kind of hostile node and wants everybody
// else to complete.
func hostile(t *testing.T, seed uint64, tor *Torrent, magnet bool, bad ...*Malice) *Network {
	t.Helper()
	net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01, Wire: true})
	for _, h := range bad {
		net.Add(NodeConfig{Malice: h, Up: 4 << 20, Latency: time.Millisecond}).Join() // first and near
	}
	net.Add(NodeConfig{Seed: true}).Join()
	for range 15 {
		x := net.Add(NodeConfig{Magnet: magnet})
		net.At(between(net.Rand(), 0, 3*time.Second), x.Join)
	}
	if err := net.Run(10*time.Minute, net.crowdDone); err != nil {
		t.Fatal(err)
	}
	return net
}

func TestHostilePeersDoNotStallTheSwarm(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	junk := func(rng *rand.Rand) (list []wire.Message) {
		for range 50 {
			list = append(list, wire.Message{ID: wire.Have, Index: 3}, wire.Message{ID: wire.Request, Index: uint32(rng.IntN(32)), Length: 16 << 10},
				wire.Message{ID: wire.Cancel, Index: uint32(rng.IntN(32)), Length: 16 << 10})
		}
		return list
	}
	blocks := func(rng *rand.Rand) (list []wire.Message) {
		for range 20 {
			list = append(list, wire.Message{ID: wire.Piece, Index: uint32(rng.IntN(32)), Begin: uint32(rng.IntN(4)) << 14, Length: 16 << 10})
		}
		return list
	}
	short := func(rng *rand.Rand) []wire.Message {
		return []wire.Message{{ID: wire.Piece, Index: uint32(rng.IntN(32)), Begin: uint32(rng.IntN(4)) << 14, Length: 1}}
	}
	for name, h := range map[string]*Malice{
		"garbage":        {Claims: true, Garbage: 1},
		"some garbage":   {Claims: true, Garbage: 0.1},
		"silent":         {Claims: true, Silent: true},
		"refuses":        {Claims: true, Refuses: true},
		"messages":       {Claims: true, Flood: junk, FloodEvery: 50 * time.Millisecond},
		"short blocks":   {Claims: true, Silent: true, Flood: short, FloodEvery: 20 * time.Millisecond},
		"unasked blocks": {Claims: true, Flood: blocks, FloodEvery: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			forSeeds(t, 10, func(t *testing.T, seed uint64) {
				net := hostile(t, seed, tor, false, h, h, h)
				if net.Now() > 90*time.Second {
					t.Errorf("seed %d: took %v", seed, net.Now())
				}
			})
		})
	}
}

func TestMagnetsLearnTheInfoDictionaryDespiteForgers(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 64})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		net := hostile(t, seed, tor, true,
			&Malice{Claims: true, Forges: true}, &Malice{Forges: true},
			&Malice{Claims: true, Forges: true, ForgedSize: 100_000}, &Malice{Claims: true, Forges: true, ForgedSize: 1})
		if net.Now() > 2*time.Minute {
			t.Errorf("seed %d: took %v", seed, net.Now())
		}
	})
}

// Two leechers know the magnet link alone and only one of them can reach the
// seed.
func TestMagnetLeechersTellEachOther(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true})
	net := New(Config{Seed: 1, Torrent: tor, Give: 1})
	a := net.Add(NodeConfig{Magnet: true})
	b := net.Add(NodeConfig{Magnet: true, Unreachable: true})
	a.Join()
	b.Join()
	late := net.Add(NodeConfig{Seed: true})
	net.At(20*time.Second, late.Join)
	b.banned[late.ip] = true
	if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
		t.Fatal(err)
	}
}

func TestV2OnlyMagnetsFetchTheHashesToo(t *testing.T) {
	for _, opt := range []TorrentOptions{
		{V2: true, Pieces: 40, Short: 5000, Files: 5, PieceLength: 32 << 10, Real: true},
		{V2: true, Pieces: 600, PieceLength: 16 << 10},
		{V1: true, V2: true, Pieces: 40, Files: 7, Short: 1, PieceLength: 32 << 10, Real: true},
	} {
		tor := newTorrent(t, opt)
		t.Run(fmt.Sprintf("v1=%v,v2=%v,%d files", opt.V1, opt.V2, max(1, opt.Files)), func(t *testing.T) {
			forSeeds(t, 5, func(t *testing.T, seed uint64) {
				net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01, Wire: true})
				net.Add(NodeConfig{Malice: &Malice{Claims: true, Garbage: 0.3}}).Join()
				net.Add(NodeConfig{Seed: true}).Join()
				for range 10 {
					x := net.Add(NodeConfig{Magnet: true})
					net.At(between(net.Rand(), 0, 3*time.Second), x.Join)
				}
				if err := net.Run(10*time.Minute, net.crowdDone); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A share behind a NAT and a leecher that can be reached meet, because a seed dials
// too.
func TestSeedBehindANATFeedsALeecher(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{Pieces: 16, V1: true})
	forSeeds(t, 5, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor})
		x := net.Add(NodeConfig{})
		x.Join()
		net.At(time.Second, net.Add(NodeConfig{Seed: true, Unreachable: true}).Join)
		if err := net.Run(10*time.Second, net.AllComplete); err != nil {
			t.Fatal(err)
		}
	})
}

// Two seeds have nothing to say to each other: they meet once and let it be.
func TestSeedsLeaveEachOtherAlone(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{Pieces: 16, V1: true})
	net := New(Config{Seed: 1, Torrent: tor})
	dials := 0
	for range 6 {
		x := net.Add(NodeConfig{Seed: true})
		x.OnEffect = func(e torrent.Effect) {
			if _, ok := e.(swarm.Dial); ok {
				dials++
			}
		}
		x.Join()
	}
	if err := net.Run(2*time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if dials > 6*5 {
		t.Fatalf("%d dials among six seeds in two hours", dials)
	}
}
