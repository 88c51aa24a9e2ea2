package driver_test

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// hole is a store that keeps nothing: it reads as the pattern that its torrent was
// made of, so that nothing but the way of the bytes is measured.
type hole struct{}

func (hole) ReadAt(p []byte, off int64) (int, error)  { return len(p), nil }
func (hole) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (hole) Close() error                             { return nil }

const wayPiece = 1 << 20

// wayTorrent has n pieces of zeros.
func wayTorrent(t testing.TB, n int) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "zeros.bin", PieceLength: wayPiece, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"zeros.bin"}, Length: int64(n) * wayPiece}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := b.HashPiece(0, make([]byte, wayPiece))
	for i := range n {
		b.SetPiece(i, sum)
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// way runs a download of n pieces over TCP from one session into another.
func way(t testing.TB, tor *metainfo.Torrent, store func() storage.Store) {
	t.Helper()
	open := func(full bool) func(context.Context, *metainfo.Info) (driver.Content, error) {
		return func(_ context.Context, info *metainfo.Info) (driver.Content, error) {
			c := driver.Content{Store: hole{}}
			if full {
				have := bits.New(info.NumPieces())
				have.Fill()
				c.Have = &have
			} else if store != nil {
				c.Store = store()
			}
			return c, nil
		}
	}
	seed, addr := newSession(t)
	if _, err := seed.Add(driver.Options{Info: tor.Info, Open: open(true)}); err != nil {
		t.Fatal(err)
	}
	leech, _ := newSession(t)
	got, err := leech.Add(driver.Options{Info: tor.Info, Open: open(false)})
	if err != nil {
		t.Fatal(err)
	}
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	select {
	case <-got.Done():
	case <-time.After(time.Minute):
		t.Fatal("not complete after a minute")
	}
}

// In the steady state a block costs no memory, neither the side that sends it nor
// the one that receives it. What pieces and batches cost is spread over their
// blocks, so the test compares a long download with a short one.
func TestBlocksCostNoMemory(t *testing.T) {
	count := func(pieces int) (mallocs, bytes float64) {
		tor := wayTorrent(t, pieces)
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		way(t, tor, nil)
		runtime.ReadMemStats(&b)
		return float64(b.Mallocs - a.Mallocs), float64(b.TotalAlloc - a.TotalAlloc)
	}
	count(64) // whatever is made once
	m1, b1 := count(64)
	m2, b2 := count(320)
	blocks := float64(256 * wayPiece / torrent.BlockSize)
	t.Logf("figure: allocations %.3f allocations <= 0.5", (m2-m1)/blocks)
	t.Logf("figure: memory %.0f bytes <= 2048", (b2-b1)/blocks)
	t.Logf("%.3f allocations and %.0f bytes a block", (m2-m1)/blocks, (b2-b1)/blocks)
	if n := (m2 - m1) / blocks; n >= 0.5 {
		t.Errorf("%.2f allocations a block", n)
	}
	if n := (b2 - b1) / blocks; n >= torrent.BlockSize/8 { // piece buffers that a longer run comes to need
		t.Errorf("%.0f bytes of memory a block", n)
	}
}

func BenchmarkWayOverTCP(b *testing.B) {
	tor := wayTorrent(b, 256)
	b.SetBytes(256 * wayPiece)
	b.ReportAllocs()
	for b.Loop() {
		way(b, tor, nil)
	}
}
