package driver_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// What is wished for holds for what is fetched from then on.
func TestWishesAreHeeded(t *testing.T) {
	t.Run("pieces that are not wanted are not fetched", func(t *testing.T) {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 700_000, true, false)
			seed, addr := n.session(t, "192.0.2.1:1", nil)
			share(t, seed, tor, data)
			s, _ := n.session(t, "192.0.2.2:1", nil)
			got, _ := fetch(t, s, tor)
			ready(t, got)
			want := bits.New(tor.Info.NumPieces())
			want.Set(2)
			want.Set(5)
			got.Want(&want)
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			have := got.Have()
			if !isDone(got) || have.Count() != 2 || !have.Has(2) || !have.Has(5) {
				t.Errorf("done: %v, %d pieces", isDone(got), have.Count())
			}
			got.Want(nil)
			if isDone(got) {
				t.Error("it is done although more is wanted")
			}
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			if !isDone(got) || got.NumHave() != tor.Info.NumPieces() {
				t.Errorf("then all were wanted; done: %v, %d pieces", isDone(got), got.NumHave())
			}
		})
	})
	t.Run("in their order", func(t *testing.T) {
		for _, before := range []bool{false, true} {
			inBubble(t, func(t *testing.T, n *network) {
				tor, _ := makeTorrentOf(t, 200*16<<10, 16<<10, true, false)
				s, addr := n.session(t, "192.0.2.2:1", nil)
				got := add(t, s, driver.Options{Info: tor.Info, Sequential: before, Open: memory(tor, nil)})
				ready(t, got)
				if !before {
					got.SetSequential(true)
				}
				x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
				x.send(wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
				for i := range 4 {
					if m := x.next(t, wire.Request); int(m.Index) != i {
						t.Errorf("request %d is for piece %d", i, m.Index)
					}
				}
			})
		}
	})
	t.Run("nothing is sent", func(t *testing.T) {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 700_000, true, false)
			s, addr := n.session(t, "192.0.2.2:1", nil)
			got := share(t, s, tor, data)
			ready(t, got)
			got.SetDownloadOnly(true)
			leech, _ := n.session(t, "192.0.2.3:1", nil)
			other, _ := fetch(t, leech, tor)
			other.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			if other.NumHave() != 0 {
				t.Errorf("%d pieces were served", other.NumHave())
			}
			got.SetDownloadOnly(false)
			other.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(10 * time.Minute)
			if !isDone(other) {
				t.Error("nothing is served ever after")
			}
		})
	})
	t.Run("piece by piece", func(t *testing.T) {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 700_000, true, false)
			s, addr := n.session(t, "192.0.2.2:1", nil)
			got := share(t, s, tor, data)
			ready(t, got)
			got.SetSuperSeed(true)
			x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
			x.send(wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Interested})
			x.next(t, wire.Have) // BEP 16: it says that it has one piece, and not that it has all
		})
	})
	t.Run("from the content", func(t *testing.T) {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 700_000, true, false)
			seed, addr := n.session(t, "192.0.2.1:1", nil)
			share(t, seed, tor, data)
			s, _ := n.session(t, "192.0.2.2:1", nil)
			levels := make([]torrent.Priority, tor.Info.NumPieces())
			levels[4] = torrent.Normal
			got := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
				c, err := memory(tor, nil)(ctx, info)
				c.Priorities = levels
				return c, err
			}})
			ready(t, got)
			if _, _, left := got.Totals(); left != tor.Info.PieceLength {
				t.Errorf("%d bytes are missing of one piece", left)
			}
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			have := got.Have()
			if !isDone(got) || have.Count() != 1 || !have.Has(4) {
				t.Errorf("done: %v, %d pieces", isDone(got), have.Count())
			}
		})
	})
}
