package driver_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Whoever selects a file that is there, and then one that is not, must not be told
// that everything is there because the machine thought about the first only.
func TestDoneIsAboutTheLastWish(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	s, _ := newSession(t)
	to, err := s.Add(driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := memory(tor, data)(ctx, info)
		have := bits.New(info.NumPieces())
		have.Set(0)
		c.Have = &have
		return c, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := tor.Info.NumPieces()
	first, two := make([]torrent.Priority, n), make([]torrent.Priority, n)
	first[0], two[0], two[1] = torrent.Normal, torrent.Normal, torrent.High
	for range 50 {
		to.Prioritize(first)
		if !isClosed(to.Done()) {
			t.Fatal("all that is wanted is there, and it is not done")
		}
		to.Prioritize(two) // often before the machine has thought about the other
	}
	for end := time.Now().Add(10 * time.Second); to.Stats().Missing != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d pieces are missing", to.Stats().Missing)
		}
	}
	if isClosed(to.Done()) {
		t.Fatal("done, though a piece is missing")
	}
}
