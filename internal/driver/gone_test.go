package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// original is somebody's own file, a part of which cannot be read now and then.
type original struct {
	storage.Store
	mu   sync.Mutex
	from int64 // what lies behind cannot be read
	why  error
}

func (o *original) spoil(from int64, why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from, o.why = from, why
}

func (o *original) ReadAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why != nil && off+int64(len(p)) > o.from {
		const piece = 64 << 10
		n, _ := o.Store.ReadAt(p[:max(0, o.from/piece*piece-off)], off)
		return n, o.why
	}
	return o.Store.ReadAt(p, off)
}

func (o *original) WriteAt([]byte, int64) (int, error) { return 0, storage.ErrReadOnly }

// mend returns those pieces that can be read.
func (o *original) mend(info *metainfo.Info) func(context.Context, *bits.Set) *bits.Set {
	return func(_ context.Context, gone *bits.Set) *bits.Set {
		found := bits.New(gone.Len())
		for i := gone.Next(0); i >= 0; i = gone.Next(i + 1) {
			if _, err := o.ReadAt(make([]byte, info.PieceSize(i)), int64(i)*info.PieceLength); err == nil {
				found.Set(i)
			}
		}
		return &found
	}
}

// lend shares data as somebody's own file.
func lend(t *testing.T, s *driver.Session, tor *metainfo.Torrent, data []byte) (*driver.Torrent, *original) {
	t.Helper()
	o := &original{}
	got := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := memory(tor, data)(ctx, info)
		o.Store = c.Store
		c.Store, c.Original, c.Mend = o, true, o.mend(info)
		return c, err
	}})
	return got, o
}

// What cannot be read any more is an error to readers at once, the first as well as
// those who come later, and is not taken from peers: the file is not ours. All others
// go on, and when it can be read again, so do these.
func TestAFileThatIsGoneIsAnErrorAtOnceAndComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, true)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		shared, file := lend(t, seed, tor, data)
		ready(t, shared)
		other, otherAddr := n.session(t, "192.0.2.3:1", nil)
		share(t, other, tor, data)
		file.spoil(300_000, storage.ErrChanged)

		r := shared.NewReader(0, 700_000, false)
		defer r.Close()
		begin := time.Now()
		all, err := io.ReadAll(r)
		if want := 300_000 / (64 << 10) * (64 << 10); !errors.Is(err, storage.ErrChanged) || !bytes.Equal(all, data[:want]) {
			t.Errorf("%d bytes of %d before the change, %v", len(all), want, err)
		}
		late := shared.NewReader(290_000, 100_000, false)
		defer late.Close()
		if _, err := late.Read(make([]byte, 1)); !errors.Is(err, storage.ErrChanged) || time.Since(begin) > 0 {
			t.Errorf("a later reader: %v after %v", err, time.Since(begin))
		}
		if shared.NumGone() != 1 || shared.NumHave() != tor.Info.NumPieces()-1 || !isDone(shared) || !errors.Is(shared.Warning(), storage.ErrChanged) {
			t.Errorf("%d gone, %d there, warning %v", shared.NumGone(), shared.NumHave(), shared.Warning())
		}
		if _, _, left := shared.Totals(); left != 64<<10 {
			t.Errorf("%d bytes are missing", left)
		}

		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		shared.AddPeers([]netip.AddrPort{otherAddr}, swarm.User)
		time.Sleep(time.Minute)
		if have := got.Have(); isDone(got) || have.Count() != 4 {
			t.Errorf("a peer got %d pieces", have.Count())
		}
		if got.Stats().Useful != 0 {
			t.Error("a peer that has lost what we lack counts as useful")
		}
		if shared.Err() != nil {
			t.Errorf("the share failed: %v", shared.Err())
		}
		shared.Mend(t.Context())
		synctest.Wait()
		if shared.NumGone() == 0 {
			t.Error("what is still changed was taken back")
		}

		file.spoil(0, nil)
		shared.Mend(t.Context())
		time.Sleep(time.Minute)
		if _, _, left := shared.Totals(); shared.NumGone() != 0 || shared.NumHave() != tor.Info.NumPieces() || left != 0 || shared.Warning() != nil {
			t.Errorf("%d are gone, %d bytes missing, warning %v", shared.NumGone(), left, shared.Warning())
		}
		if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(append(all, rest...), data) {
			t.Errorf("the reader went on with %d bytes, %v", len(rest), err)
		}
		if !isDone(got) {
			t.Errorf("the peer has %d bytes", func() int64 { _, _, left := got.Totals(); return left }())
		}
	})
}

// The same for one that nobody asked for in a while: it has no machine.
func TestAParkedFileThatIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", nil)
		shared, file := lend(t, s, tor, data)
		ready(t, shared)
		time.Sleep(10 * time.Minute)
		if !shared.Parked() {
			t.Fatal("it is not at rest")
		}
		file.spoil(0, storage.ErrMissing)
		r := shared.NewReader(100_000, 10, false)
		defer r.Close()
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, storage.ErrMissing) {
			t.Errorf("%v", err)
		}
		time.Sleep(10 * time.Minute)
		if !shared.Parked() || shared.NumGone() != 1 {
			t.Errorf("at rest: %v, %d gone", shared.Parked(), shared.NumGone())
		}
		file.spoil(0, nil)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if have := got.Have(); have.Count() != 4 {
			t.Errorf("%d pieces are served without a look", have.Count())
		}
		shared.Mend(t.Context())
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Error("the piece is not served again")
		}
	})
}

// A complete download that somebody changed is left as it is; one that is not complete
// is made whole.
func TestAChangedDownloadIsNotOverwritten(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		share(t, seed, tor, data)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		st := &store{Memory: storage.NewMemory(tor.Info, storage.MemoryOptions{})}
		bad := &original{Store: st}
		got := add(t, leech, driver.Options{Info: tor.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
			return driver.Content{Store: readsThrough{st, bad}, Mend: bad.mend(tor.Info)}, nil
		}})
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Fatal("not complete")
		}
		time.Sleep(10 * time.Minute) // until nothing of it is in memory
		st.failWith(errors.New("it was written to"))
		bad.spoil(0, storage.ErrChanged)
		r := got.NewReader(0, 10, false)
		defer r.Close()
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, storage.ErrChanged) {
			t.Errorf("read %v", err)
		}
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if got.Err() != nil || got.NumGone() != 1 || !isDone(got) {
			t.Errorf("%v, %d are gone", got.Err(), got.NumGone())
		}
		bad.spoil(0, errors.New("a bad sector")) // our own copy may be fetched again
		st.failWith(nil)
		other := got.NewReader(200_000, 10, false)
		defer other.Close()
		if _, err := other.Read(make([]byte, 10)); err == nil {
			t.Error("nothing went wrong")
		}
		bad.spoil(0, nil)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if got.NumHave() != tor.Info.NumPieces()-1 || got.NumGone() != 1 {
			t.Errorf("%d pieces, %d gone", got.NumHave(), got.NumGone())
		}
	})
}

// readsThrough writes to one store and reads from another.
type readsThrough struct {
	storage.Store
	from storage.Store
}

func (s readsThrough) ReadAt(p []byte, off int64) (int, error) { return s.from.ReadAt(p, off) }

// A store that lets go of a piece to have room gets it again when it is read, though
// nothing is wanted, and at once where it is.
func TestWhatAStoreDropsIsFetchedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, false)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		share(t, seed, tor, data)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Fatal("it is not complete")
		}
		none := bits.New(tor.Info.NumPieces())
		got.Want(&none)
		got.SetOnDemand(1 << 20)
		got.Dropped(3)
		if have := got.Have(); have.Has(3) || got.NumHave() != tor.Info.NumPieces()-1 || !isDone(got) {
			t.Errorf("%d pieces are there", got.NumHave())
		}
		got.Dropped(7) // who has all is of no use to a seed
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		r := got.NewReader(3*64<<10, 1000, false)
		defer r.Close()
		buf := make([]byte, 1000)
		if _, err := io.ReadFull(r, buf); err != nil || !bytes.Equal(buf, data[3*64<<10:][:1000]) {
			t.Fatalf("read again: %v", err)
		}
		// Longer than a peer that wants nothing is kept.
		if time.Sleep(time.Minute); got.NumPeers() != 1 {
			t.Errorf("%d peers: the seed has left, though more will be read", got.NumPeers())
		}
		got.Want(nil)
		got.SetOnDemand(0)
		got.Dropped(5)
		if isDone(got) {
			t.Error("it is complete without a piece that is wanted")
		}
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Error("what is wanted is not fetched again")
		}
	})
}
