package torrent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// A piece of a shared file that was changed is no longer offered, and nobody is asked
// for it: it is not ours to write to. Whatever readers and wishes there are, we stay
// complete. Once it is as it was, it is offered again.
func TestAPieceThatIsGoneIsNotFetchedAndComesBack(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	leech := r.reader(joined{})
	r.Wait(time.Minute) // until it is unchoked
	r.recv(leech, block(wire.Request, 3, 0, torrent.BlockSize))
	r.Sent[leech] = nil
	r.Step(torrent.ReadFailed{Peer: leech, Index: 3, Length: torrent.BlockSize, Gone: true})
	told := map[string]int{}
	for _, m := range r.take(leech, wire.Reject, wire.Extended) {
		told[fmt.Sprint(m.ID, m.ExtID)]++
	}
	if told[fmt.Sprint(wire.Reject, 0)] != 1 || told[fmt.Sprint(wire.Extended, 13)] != 1 || len(told) != 2 {
		t.Errorf("the peer is told %v, want a reject and a don't-have", told)
	}
	r.recv(leech, block(wire.Request, 3, 0, torrent.BlockSize))
	if len(r.take(leech, wire.Reject)) != 1 {
		t.Error("the lost piece is served")
	}
	seed := r.seed()
	r.Step(torrent.ReaderMoved{Reader: 1, First: 0, Last: 7, Jump: true})
	r.Step(torrent.Priorities{})
	r.Step(torrent.ReaderClosed{Reader: 1})
	r.Wait(time.Minute)
	if n := len(r.take(seed, wire.Request, wire.Interested)); n != 0 || !r.m.Complete() {
		t.Errorf("%d messages to fetch it, complete: %v", n, r.m.Complete())
	}
	if bad := r.join(joined{}); len(r.take(bad, wire.HaveAll)) != 0 {
		t.Error("a new peer is told that we have everything")
	}
	r.Sent[leech] = nil
	r.Step(torrent.Restored{Pieces: []int{2, 3, -1, 1 << 20}})
	if list := did[torrent.Have](r); len(list) == 0 || list[len(list)-1].Index != 3 {
		t.Errorf("restored: %v", list)
	}
	if list := r.take(leech, wire.Have); len(list) != 1 || list[0].Index != 3 {
		t.Errorf("the peer is told %v", list)
	}
	r.recv(leech, block(wire.Request, 3, 0, torrent.BlockSize))
	if ups := did[*torrent.Upload](r); len(ups) == 0 || ups[len(ups)-1].Index != 3 {
		t.Error("the piece is not served again")
	}
}

// A machine that begins without such a piece knows it for what it is.
func TestWhatIsGoneFromTheStart(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		seeded(c)
		gone := bits.New(c.Info.NumPieces())
		gone.Set(3)
		c.Have.Clear(3)
		c.Gone = &gone
	})
	seed := r.seed()
	if n := len(r.take(seed, wire.Request, wire.Interested)); n != 0 || !r.m.Complete() {
		t.Errorf("%d messages to fetch it, complete: %v", n, r.m.Complete())
	}
	r.Step(torrent.Restored{Pieces: []int{3}})
	if have := r.m.HavePieces(); !have.All() {
		t.Error("it is not taken back")
	}
}
