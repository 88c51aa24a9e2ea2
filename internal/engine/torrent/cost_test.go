package torrent_test

import (
	"cmp"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// crowd is a swarm whose peers answer block by block: what one block costs the
// machine, whoever sends it, is what is looked at here.
type crowd struct {
	peers  int
	pieces int
	length int64   // bytes of a piece
	share  float64 // of the pieces each peer has; 1: seeds
	left   int     // pieces still missing at the start; 0: all
	reader bool    // somebody plays all of it
	warm   int     // blocks a peer before anything is measured; 0: 40
	deaf   int     // peers that never answer
	haves  int     // have messages that come with each block

	m       *torrent.Machine
	now     time.Time
	rng     *rand.Rand
	buffers map[uint32]uint32
	queues  [][]wire.Message // requests outstanding, by peer
	turn    int
	events  []torrent.Event
	items   [][]torrent.Item // one block of each peer
	boxed   []torrent.Event  // of which a step is told
	told    [][]torrent.Item // have messages of each peer
	tells   []torrent.Event
	stored  []torrent.Event
	blocks  int
	every   time.Duration // between two blocks
}

func plain(t testing.TB, pieces int, length int64) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "plain", PieceLength: length, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"plain"}, Length: int64(pieces) * length}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range pieces {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i), byte(i >> 8), byte(i >> 16), 1}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// start connects everybody and lets the queues reach their length.
func (c *crowd) start(t testing.TB, tor *metainfo.Torrent) {
	t.Helper()
	c.rng = rand.New(rand.NewPCG(1, 2))
	c.now = time.Unix(1_000_000, 0)
	c.buffers = map[uint32]uint32{}
	c.queues = make([][]wire.Message, c.peers+1)
	c.turn, c.blocks = 0, 0
	c.items, c.boxed, c.told, c.tells = nil, nil, nil, nil
	for k := range c.peers + 1 {
		c.items = append(c.items, make([]torrent.Item, 1))
		c.boxed = append(c.boxed, swarm.Received{Peer: torrent.PeerKey(k), Items: c.items[k]})
		c.told = append(c.told, make([]torrent.Item, c.haves))
		c.tells = append(c.tells, swarm.Received{Peer: torrent.PeerKey(k), Items: c.told[k]})
	}
	if c.every == 0 {
		c.every = 100 * time.Microsecond
	}
	cfg := torrent.Config{Key: tor.Info.Key(), Info: tor.Info, Rand: rand.New(rand.NewPCG(1, 1)), MaxPeers: c.peers + 1}
	copy(cfg.PeerID[:], "-SH0001-ourselves000")
	if c.left > 0 {
		have := bits.New(c.pieces)
		have.Fill()
		for range c.left {
			have.Clear(c.rng.IntN(c.pieces))
		}
		cfg.Have = &have
	}
	m, err := torrent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.m = m
	for k := range c.peers {
		key := torrent.PeerKey(k + 1)
		ev := swarm.PeerJoined{Peer: key, Fast: true}
		ev.ID[0], ev.ID[1] = byte(k), byte(k>>8)
		c.step(ev)
		msg := wire.Message{ID: wire.HaveAll}
		if c.share < 1 {
			set := bits.New(c.pieces)
			for range int(c.share * float64(c.pieces)) {
				set.Set(c.rng.IntN(c.pieces))
			}
			msg = wire.Message{ID: wire.Bitfield, Payload: set.Bytes()}
		}
		c.step(swarm.Received{Peer: key, Items: []torrent.Item{{Message: msg}, {Message: wire.Message{ID: wire.Unchoke}}}})
	}
	if c.reader {
		c.step(torrent.ReaderMoved{Reader: 1, Last: c.pieces - 1, Spacing: time.Second})
	}
	for range cmp.Or(c.warm, 40) * c.peers {
		if !c.block() {
			break
		}
	}
}

func (c *crowd) step(evs ...torrent.Event) {
	c.stored = c.stored[:0]
	for _, e := range c.m.Step(c.now, evs...) {
		switch e := e.(type) {
		case *swarm.Send:
			c.send(e.Peer, e.Messages)
		case torrent.OpenPiece:
			c.buffers[uint32(e.Index)] = e.Buffer
		case torrent.DropPiece:
			delete(c.buffers, uint32(e.Index))
		case torrent.Verify:
			c.stored = append(c.stored, torrent.PieceStored{Index: e.Index})
		}
	}
}

func (c *crowd) send(key torrent.PeerKey, msgs []wire.Message) {
	for _, m := range msgs {
		switch m.ID {
		case wire.Request:
			c.queues[key] = append(c.queues[key], m)
		case wire.Cancel:
			q := c.queues[key]
			for k := range q {
				if q[k].Index == m.Index && q[k].Begin == m.Begin {
					c.queues[key] = append(q[:k], q[k+1:]...)
					break
				}
			}
		}
	}
}

// block lets the next peer in turn deliver one block. It reports false when no
// peer has a request to answer.
func (c *crowd) block() bool {
	for range c.peers {
		c.turn = c.turn%c.peers + 1
		q := c.queues[c.turn]
		if len(q) == 0 || c.turn <= c.deaf {
			continue
		}
		r := q[0]
		copy(q, q[1:])
		c.queues[c.turn] = q[:len(q)-1]
		c.now = c.now.Add(c.every)
		c.blocks++
		it := &c.items[c.turn][0]
		*it = torrent.Item{Message: r, Buffer: c.buffers[r.Index]}
		it.ID = wire.Piece
		c.events = append(c.events[:0], c.boxed[c.turn])
		if c.haves > 0 {
			k := 1 + c.rng.IntN(c.peers)
			for j := range c.told[k] {
				c.told[k][j].Message = wire.Message{ID: wire.Have, Index: uint32(c.rng.IntN(c.pieces))}
			}
			c.events = append(c.events, c.tells[k])
		}
		c.step(c.events...)
		if len(c.stored) > 0 {
			c.events = append(c.events[:0], c.stored...)
			c.step(c.events...)
		}
		return true
	}
	return false
}

// run delivers n blocks and returns how much was looked at for each.
func (c *crowd) run(t testing.TB, n int) float64 {
	t.Helper()
	before := c.m.Work()
	for range n {
		if !c.block() {
			t.Fatalf("nobody has anything to answer: %+v", c.m.Stats(c.now))
		}
	}
	return float64(c.m.Work()-before) / float64(n)
}

// What is looked at for one block depends neither on how many peers there are
// nor on how many pieces.
func TestWorkForABlockIsBounded(t *testing.T) {
	small, large := crowds(40, 4_000), crowds(160, 32_000)
	for name := range small {
		t.Run(name, func(t *testing.T) {
			var work [2]float64
			for k, c := range []*crowd{small[name], large[name]} {
				c.start(t, plain(t, c.pieces, c.length))
				work[k] = c.run(t, 2000)
			}
			t.Logf("%.1f looks a block among 40 peers and 4,000 pieces, %.1f among 160 and 32,000", work[0], work[1])
			if work[1] > 128 || work[1] > 2*work[0]+32 {
				t.Errorf("%.1f looks a block, %.1f in a swarm of a quarter and pieces of an eighth", work[1], work[0])
			}
		})
	}
}

// Nor does it in the end-game, when half of the peers have fallen silent and what
// they were asked for is asked of the others.
func TestWorkInTheEndGameIsBounded(t *testing.T) {
	for _, peers := range []int{40, 160} {
		c := &crowd{peers: peers, pieces: 4000, length: 256 << 10, share: 1, left: 2 * peers, deaf: peers / 2, warm: 4, every: time.Millisecond}
		c.start(t, plain(t, c.pieces, c.length))
		before, blocks := c.m.Work(), c.blocks
		began := c.now
		for !c.m.Complete() {
			if !c.block() {
				c.now = c.now.Add(100 * time.Millisecond)
				c.step()
			}
			if c.now.Sub(began) > time.Minute {
				t.Fatalf("stalls: %+v", c.m.Stats(c.now))
			}
		}
		n := float64(c.blocks - blocks)
		work := float64(c.m.Work()-before) / n
		t.Logf("%d peers: %.0f blocks in %v, %.1f looks each, %d bytes in vain", peers, n, c.now.Sub(began), work, c.m.Stats(c.now).Wasted)
		if work > 256 {
			t.Errorf("%.1f looks a block among %d peers", work, peers)
		}
	}
}

// A block that is asked for and comes costs no memory. Opening, checking and
// storing a piece may, once a piece.
func TestABlockCostsNoAllocation(t *testing.T) {
	c := crowds(50, 16_000)["large pieces"]
	c.start(t, plain(t, c.pieces, c.length))
	c.run(t, 2000)
	const n, perPiece = 5000, 16
	pieces := c.m.Stats(c.now).Have
	if a := testing.AllocsPerRun(1, func() { c.run(t, n/2) }); a > float64(perPiece*(c.m.Stats(c.now).Have-pieces+1)) {
		t.Errorf("%v allocations for %d blocks", a, n/2)
	}
}

// crowds are the swarms in which a block must cost the same.
func crowds(peers, pieces int) map[string]*crowd {
	return map[string]*crowd{
		"seeds":        {peers: peers, pieces: pieces, length: 256 << 10, share: 1},
		"small pieces": {peers: peers, pieces: pieces, length: 16 << 10, share: 1},
		"young swarm":  {peers: peers, pieces: pieces, length: 256 << 10, share: 0.01, haves: 1},
		"grown swarm":  {peers: peers, pieces: pieces, length: 256 << 10, share: 0.5, haves: 1},
		"nearly done":  {peers: peers, pieces: pieces, length: 256 << 10, share: 0.5, left: pieces / 10, haves: 1},
		"played":       {peers: peers, pieces: pieces, length: 256 << 10, share: 0.5, haves: 1, reader: true},
		"large pieces": {peers: peers, pieces: pieces / 16, length: 4 << 20, share: 1},
	}
}

// BenchmarkBlock is what one received block costs with 200 peers and 100,000
// pieces.
func BenchmarkBlock(b *testing.B) {
	for name, c := range crowds(200, 100_000) {
		b.Run(name, func(b *testing.B) {
			tor := plain(b, c.pieces, c.length)
			c.start(b, tor)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if !c.block() {
					b.StopTimer()
					c.start(b, tor)
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkEndGame is what a block costs when all that is missing is requested.
func BenchmarkEndGame(b *testing.B) {
	c := &crowd{peers: 200, pieces: 100_000, length: 256 << 10, share: 1, left: 50, warm: 1, every: time.Millisecond}
	tor := plain(b, c.pieces, c.length)
	c.start(b, tor)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if !c.block() {
			b.StopTimer()
			c.start(b, tor)
			b.StartTimer()
		}
	}
}
