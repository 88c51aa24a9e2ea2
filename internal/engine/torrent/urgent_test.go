package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// A block that a reader waits for is asked of a second peer where the first is late, of
// a third where that is late too, and of no fourth, however many come and would be quicker.
func TestALateBlockOfAReaderIsAskedForThreeTimesAtMost(t *testing.T) {
	r := start(t, longTorrent(t, 100), nil)
	slow := r.seed()
	var queue []wire.Message
	r.stream(slow, &queue, time.Second, 20*time.Second)
	r.Step(torrent.ReaderMoved{Reader: 1, First: 90, Last: 90, Spacing: time.Second, Jump: true})
	type block struct{ index, begin uint32 }
	asked := map[block]int{}
	count := func(key torrent.PeerKey) {
		for _, q := range r.take(key, wire.Request) {
			if q.Index == 90 {
				asked[block{q.Index, q.Begin}]++
			}
		}
	}
	count(slow)
	for range 5 {
		r.Wait(8 * time.Second) // none of them answers
		count(r.seed())
	}
	most := 0
	for b, n := range asked {
		most = max(most, n)
		if n > 3 {
			t.Errorf("the block at %d of piece %d is asked of %d peers", b.begin, b.index, n)
		}
	}
	if most < 3 {
		t.Error("nobody else is asked for what is late")
	}
}
