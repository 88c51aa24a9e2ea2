package driver_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// shut is a store that takes no writes before it is opened.
type shut struct {
	storage.Store
	open chan struct{}
}

func (s *shut) WriteAt(p []byte, off int64) (int, error) {
	<-s.open
	return s.Store.WriteAt(p, off)
}

// Torrents that fetch at the same time have one memory, of which each gets its part.
func TestTorrentsShareTheMemoryForPieces(t *testing.T) {
	const (
		torrents = 6
		piece    = 64 << 10
		total    = 24 * piece
	)
	seeds, addr := newSession(t)
	leech := driver.NewSession(driver.Config{Dial: dial, Workers: 200, Machine: torrent.Config{BufferBytes: total}})
	t.Cleanup(leech.Close)
	open := make(chan struct{})
	var list []*driver.Torrent
	for k := range torrents {
		tor, data := makeTorrentOf(t, 4<<20+k, piece, true, false)
		if _, err := seeds.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
			t.Fatal(err)
		}
		to, err := leech.Add(driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			c, err := memory(tor, nil)(ctx, info)
			c.Store = &shut{c.Store, open}
			return c, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		to.AddPeers([]netip.AddrPort{addr}, swarm.User)
		list = append(list, to)
	}
	// Nothing is stored, so that all hold what they are granted.
	inUse := func() (all, least int) {
		least = total
		for _, to := range list {
			n := to.Stats().OpenPieces * piece
			all, least = all+n, min(least, n)
		}
		return all, least
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, least := inUse(); least >= 2*piece {
			break
		}
		if time.Now().After(end) {
			t.Fatal("one of them has not got two pieces after 20 s")
		}
	}
	time.Sleep(300 * time.Millisecond) // the snapshots are of now
	if all, _ := inUse(); all > total+torrents*2*piece {
		t.Errorf("%d KiB are in use of %d", all>>10, total>>10)
	}
	close(open)
	for _, to := range list {
		wait(t, "completion", to.Done())
	}
}
