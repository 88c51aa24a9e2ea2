package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/leak"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// impatient parks at once what has nothing to do.
var impatient = driver.Config{Dial: dial, Quiet: time.Millisecond}

func add(t testing.TB, s *driver.Session, opt driver.Options) *driver.Torrent {
	t.Helper()
	tor, err := s.Add(opt)
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 20 s not yet: %s", what)
		}
	}
}

func ready(t testing.TB, tor *driver.Torrent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := tor.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// download fetches everything from addr into a session of its own, and leaves.
func download(t testing.TB, tor *metainfo.Torrent, data []byte, addr netip.AddrPort) {
	t.Helper()
	s := driver.NewSession(driver.Config{Dial: dial})
	defer s.Close()
	got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, nil)})
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	r := got.NewReader(0, int64(len(data)), false)
	defer r.Close()
	if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, data) {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
}

func TestAnIdleSeedParksAndWakes(t *testing.T) {
	leak.Check(t)
	tor, data := makeTorrent(t, 1<<20, true, true)
	s, addr := newSessionOf(t, impatient)
	var rests atomic.Int32
	open := memory(tor, data)
	before := runtime.NumGoroutine()
	seed := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := open(ctx, info)
		c.Rest = func() { rests.Add(1) }
		return c, err
	}})
	wait(t, "completion", seed.Done())
	eventually(t, "parked without having been asked for", seed.Parked)
	eventually(t, "no goroutine for a parked torrent", func() bool { return runtime.NumGoroutine() <= before })
	for round := range int64(2) {
		was := rests.Load()
		download(t, tor, data, addr)
		eventually(t, "parked again after its peers left", seed.Parked)
		eventually(t, "the content told to rest", func() bool { return rests.Load() > was })
		_, up, left := seed.Totals()
		if up < (round+1)*int64(len(data)) || left != 0 {
			t.Errorf("round %d: %d bytes sent, %d left: the totals of earlier loops are gone", round, up, left)
		}
	}
	// A reader of what is there needs no loop.
	r := seed.NewReader(0, int64(len(data)), true)
	all, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(all, data) || !seed.Parked() {
		t.Errorf("read %d bytes, %v, parked: %v", len(all), err, seed.Parked())
	}
	was := rests.Load()
	r.Close()
	if rests.Load() == was {
		t.Error("what was opened for a reader stays open")
	}
	if st := seed.Stats(); st.Have != tor.Info.NumPieces() || st.Missing != 0 || st.Uploaded < 2*int64(len(data)) {
		t.Errorf("a parked torrent says %+v", st.Stats)
	}
}

func TestCloseDoesNotWaitForHashing(t *testing.T) {
	leak.Check(t)
	tor, _ := makeTorrent(t, 1<<20, true, false)
	s := driver.NewSession(driver.Config{MaxOpening: 1})
	started := make(chan struct{})
	hash := func(ctx context.Context, _ *metainfo.Info) (driver.Content, error) {
		close(started)
		<-ctx.Done()
		return driver.Content{}, ctx.Err()
	}
	first := add(t, s, driver.Options{Info: tor.Info, Open: hash})
	other, _ := makeTorrent(t, 1<<20, true, true)
	queued := add(t, s, driver.Options{Info: other.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		t.Error("a torrent that was closed before its turn is opened")
		return driver.Content{}, errors.New("no")
	}})
	<-started
	queued.Close() // it has not begun, so it waits for nobody
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := first.Ready(ctx); err != context.Canceled {
		t.Errorf("Ready with an ended context: %v", err)
	}
	s.Close()
	if err := first.Err(); err == nil {
		t.Error("a closed torrent has no error")
	}
}

func TestContentThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	s, _ := newSession(t)
	broken := errors.New("no such folder")
	var fixed atomic.Bool
	open := memory(tor, data)
	got := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		if !fixed.Load() {
			return driver.Content{}, broken
		}
		return open(ctx, info)
	}})
	if err := got.Wait(context.Background()); err != broken {
		t.Fatalf("Wait says %v", err)
	}
	fixed.Store(true)
	got.Retry()
	if err := got.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestPauseEndsConnectionsAndResumeGoesOn(t *testing.T) {
	leak.Check(t)
	tor, data := makeTorrent(t, 4<<20, true, false)
	seeds, addr := newSessionOf(t, impatient)
	seed := add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, mine := newSessionOf(t, driver.Config{Dial: dial})
	got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, nil)})
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	eventually(t, "some pieces", func() bool { have := got.Have(); return have.Count() > 0 })
	got.Pause(true)
	eventually(t, "parked while paused", got.Parked)
	eventually(t, "the other side sees the end", func() bool { return seed.NumPeers() == 0 })
	have := got.Have()
	if c, err := dial(context.Background(), mine); err == nil {
		defer c.Close()
		if joins(t, c, tor.Info.Key()) {
			t.Error("a paused torrent takes a connection")
		}
	}
	got.Pause(false)
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	wait(t, "completion", got.Done())
	if now := got.Have(); now.Count() < have.Count() {
		t.Error("pieces were lost")
	}
}

func TestRecheckForgetsWhatIsNotGenuine(t *testing.T) {
	leak.Check(t)
	tor, data := makeTorrent(t, 2<<20, true, true)
	seeds, addr := newSessionOf(t, impatient)
	add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, _ := newSessionOf(t, impatient)
	store := storage.NewMemory(tor.Info, storage.MemoryOptions{})
	got := add(t, s, driver.Options{Info: tor.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		store.WriteAt(data, 0)
		have := bits.New(tor.Info.NumPieces())
		have.Fill()
		return driver.Content{Store: store, Have: &have, Layers: tor.Layers(), Check: func(ctx context.Context, p storage.Progress) (*bits.Set, error) {
			return storage.Verify(ctx, store, tor.Info, tor.Layers(), p)
		}}, nil
	}})
	ready(t, got)
	download(t, tor, data, addrOf(t, s)) // so that it has a loop when it is checked
	store.WriteAt([]byte("something else"), 5*tor.Info.PieceLength)
	var told int64
	if err := got.Recheck(context.Background(), func(done, _ int64) { told = done }); err != nil {
		t.Fatal(err)
	}
	if told != tor.Info.Length {
		t.Errorf("progress ended at %d of %d", told, tor.Info.Length)
	}
	have := got.Have()
	if have.Has(5) || have.Count() != tor.Info.NumPieces()-1 {
		t.Fatalf("piece 5: %v, %d pieces", have.Has(5), have.Count())
	}
	select {
	case <-got.Done():
		t.Error("it is still done")
	default:
	}
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	wait(t, "completion", got.Done())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := got.Recheck(ctx, nil); err != context.Canceled {
		t.Errorf("a check whose context has ended: %v", err)
	}
	if have := got.Have(); !have.All() {
		t.Error("a check that was broken off changed something")
	}
	got.Close()
	if err := got.Recheck(context.Background(), nil); err != driver.ErrNotRunning {
		t.Errorf("after Close: %v", err)
	}
}

// The content of a magnet link is opened once more too, after its folder was mended.
func TestRetryOpensWhatAMagnetBrought(t *testing.T) {
	tor, data := makeTorrent(t, 300_000, true, false)
	seeds, addr := newSession(t)
	add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, _ := newSession(t)
	broken := errors.New("the folder is not there")
	var fine atomic.Bool
	got := add(t, s, driver.Options{Key: tor.Info.Key(), Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		if !fine.Load() {
			return driver.Content{}, broken
		}
		return memory(tor, nil)(ctx, info)
	}})
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	eventually(t, "word of the broken folder", func() bool { return errors.Is(got.Err(), broken) })
	fine.Store(true)
	got.Retry()
	wait(t, "the download", got.Done())
	if err := got.Err(); err != nil {
		t.Error(err)
	}
}
