package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// Who has enough to trade fetches what few have, before these leave.
func TestTheRarestPieceComesFirst(t *testing.T) {
	for seed := range uint64(5) {
		r := start(t, longTorrent(t, 40), func(c *torrent.Config) {
			have := bits.New(40)
			for i := range 5 {
				have.Set(i)
			}
			c.Have, c.Rand = &have, newRand(seed)
		})
		// Piece 30 is had by one more peer than 20, and 20 by one more than 10; all
		// others are had by all.
		for k := range 4 {
			set := bits.New(40)
			set.Fill()
			for j, i := range []int{10, 20, 30} {
				if k > j {
					set.Clear(i)
				}
			}
			r.recv(r.join(joined{}), wire.Message{ID: wire.Bitfield, Payload: set.Bytes()})
		}
		key := r.join(joined{})
		r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
		var order []uint32
		var queue []wire.Message
		for len(order) < 3 {
			queue = append(queue, r.take(key, wire.Request)...)
			if len(queue) == 0 {
				t.Fatal("nothing is asked for")
			}
			if i := queue[0].Index; !slices.Contains(order, i) {
				order = append(order, i)
			}
			r.answer(key, queue[0])
			queue = queue[1:]
		}
		if !slices.Equal(order, []uint32{10, 20, 30}) {
			t.Errorf("pieces %v come first", order)
		}
	}
}

// What does not come is asked for again, of a few peers and not of all: each copy
// but one is in vain.
func TestABlockIsNotAskedOfEverybody(t *testing.T) {
	for _, v := range []struct {
		name   string
		reader bool
		most   int
	}{{"in the end-game", false, 2}, {"for a reader", true, 3}} {
		r := start(t, testTorrent(t, true, false), nil)
		if v.reader {
			r.Step(torrent.ReaderMoved{Reader: 1, First: 0, Last: numPieces - 1})
		}
		slow := r.seed()
		type block struct{ index, begin uint32 }
		asked := map[block]int{}
		for _, q := range r.take(slow, wire.Request) {
			asked[block{q.Index, q.Begin}] = 1
		}
		stuck := len(asked)
		if stuck == 0 {
			t.Fatal("nothing is asked for")
		}
		var quick []torrent.PeerKey
		for range 8 {
			quick = append(quick, r.seed())
		}
		queues := map[torrent.PeerKey][]wire.Message{}
		most := 0
		for range 300 {
			r.Wait(10 * time.Millisecond)
			for _, key := range quick {
				for _, q := range r.take(key, wire.Request) {
					b := block{q.Index, q.Begin}
					if asked[b] > 0 { // which nobody answers
						asked[b]++
						most = max(most, asked[b])
						continue
					}
					queues[key] = append(queues[key], q)
				}
				if queue := queues[key]; len(queue) > 0 {
					r.answer(key, queue[0])
					queues[key] = queue[1:]
				}
			}
			for _, verify := range did[torrent.Verify](r) {
				r.Step(torrent.PieceStored{Index: verify.Index})
			}
		}
		if most < 2 {
			t.Errorf("%s: late blocks are asked of nobody else", v.name)
		}
		if most > v.most {
			t.Errorf("%s: a block is asked of %d peers", v.name, most)
		}
	}
}
