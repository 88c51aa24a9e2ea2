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

// The peer that the user named is the only one that there is. It is not forgotten
// when the torrent rests because what was wanted is there.
func TestNamedPeerIsThereAfterARest(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	seeds, addr := newSession(t)
	if _, err := seeds.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
		t.Fatal(err)
	}
	leech := driver.NewSession(driver.Config{Dial: dial, Quiet: time.Millisecond})
	t.Cleanup(leech.Close)
	to, err := leech.Add(driver.Options{Info: tor.Info, Open: memory(tor, nil), Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	levels := make([]torrent.Priority, tor.Info.NumPieces())
	levels[0] = torrent.Normal
	to.Prioritize(levels)
	to.AddPeers([]netip.AddrPort{addr}, swarm.User)
	to.Pause(false)
	wait(t, "the first piece", to.Done())
	for end := time.Now().Add(20 * time.Second); !to.Parked(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not rest")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	to.Prioritize(nil)
	if err := to.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}
