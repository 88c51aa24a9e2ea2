package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// The range of a reader begins and ends within pieces, as that of a file does.
func TestAReaderReadsItsRangeAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, tor, data)
		ready(t, got)
		const from, size = 100_001, 400_003
		want := data[from : from+size]
		r := got.NewReader(from, size, false)
		defer r.Close()
		if r.Size() != size {
			t.Errorf("the range is %d bytes long", r.Size())
		}
		if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, want) {
			t.Fatalf("%d bytes, %v", len(all), err)
		}
		for _, c := range []struct {
			offset int64
			whence int
			at     int64
		}{{1000, io.SeekStart, 1000}, {500, io.SeekCurrent, 1600}, {-50, io.SeekCurrent, 1650}, {-300, io.SeekEnd, size - 300}} {
			at, err := r.Seek(c.offset, c.whence)
			buf := make([]byte, 100)
			if _, bad := io.ReadFull(r, buf); err != nil || bad != nil || at != c.at || !bytes.Equal(buf, want[at:at+100]) {
				t.Errorf("Seek(%d, %d): %d, %v, %v", c.offset, c.whence, at, err, bad)
			}
		}
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Errorf("nothing was asked for: %d, %v", n, err)
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("a position before the start is taken")
		}
		if at, err := r.Seek(0, io.SeekStart); at != 0 || err != nil {
			t.Errorf("the start: %d, %v", at, err)
		}
		if at, err := r.Seek(10, io.SeekEnd); at != size+10 || err != nil {
			t.Errorf("behind the end: %d, %v", at, err)
		}
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("behind the end: %v", err)
		}
	})
}

func TestReadAtReadsAllOfItAndMovesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 3<<20, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, tor, data)
		ready(t, got)
		const from, size = 100_001, 2_800_003
		want := data[from : from+size]
		r := got.NewReader(from, size, false)
		defer r.Close()
		// More than one Read of the store gives.
		buf := make([]byte, 2_500_000)
		if n, err := r.ReadAt(buf, 77); n != len(buf) || err != nil || !bytes.Equal(buf, want[77:77+len(buf)]) {
			t.Errorf("%d bytes, %v", n, err)
		}
		buf = make([]byte, 100)
		if n, err := r.ReadAt(buf, 0); n != len(buf) || err != nil || !bytes.Equal(buf, want[:100]) {
			t.Errorf("at the start: %d bytes, %v", n, err)
		}
		if n, err := r.ReadAt(buf, size-40); n != 40 || err != io.EOF || !bytes.Equal(buf[:40], want[size-40:]) {
			t.Errorf("at the end: %d bytes, %v", n, err)
		}
		if n, err := r.ReadAt(buf, size); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d bytes, %v", n, err)
		}
		if n, err := r.ReadAt(buf, -1); n != 0 || err == nil || err == io.EOF {
			t.Errorf("before the start: %d bytes, %v", n, err)
		}
		if _, err := io.ReadFull(r, buf); err != nil || !bytes.Equal(buf, want[:100]) {
			t.Errorf("ReadAt moved the position: %v", err)
		}
	})
}

// Who waits for a piece that nobody has is freed by whatever ends the waiting.
func TestAReaderThatWaitsIsFreed(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(got *driver.Torrent, r *driver.Reader, cancel func())
		want error // nil: any
	}{
		{"by the context", func(_ *driver.Torrent, _ *driver.Reader, cancel func()) { cancel() }, context.Canceled},
		{"by Close of the reader", func(_ *driver.Torrent, r *driver.Reader, _ func()) { r.Close() }, nil},
		{"by Close of the torrent", func(got *driver.Torrent, _ *driver.Reader, _ func()) { got.Close() }, driver.ErrNotRunning},
	} {
		for _, at := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, n *network) {
					tor, _ := makeTorrent(t, 700_000, true, false)
					s, _ := n.session(t, "192.0.2.1:1", nil)
					got, _ := fetch(t, s, tor)
					ready(t, got)
					r := got.NewReader(0, 700_000, true)
					defer r.Close()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					freed := make(chan error, 1)
					go func() {
						read := r.ReadContext
						if at {
							read = func(ctx context.Context, p []byte) (int, error) { return r.ReadAtContext(ctx, p, 1000) }
						}
						n, err := read(ctx, make([]byte, 10))
						if n != 0 {
							t.Errorf("%d bytes were read of what nobody has", n)
						}
						freed <- err
					}()
					synctest.Wait()
					select {
					case err := <-freed:
						t.Fatalf("it did not wait: %v", err)
					default:
					}
					c.end(got, r, cancel)
					synctest.Wait()
					select {
					case err := <-freed:
						if err == nil || c.want != nil && !errors.Is(err, c.want) {
							t.Errorf("the reader got %v", err)
						}
					default:
						t.Fatal("it waits on")
					}
				})
			})
		}
	}
}

// What a reader jumps to is asked for at once, whatever was asked for before.
func TestWhereAReaderJumpsToComesFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 16 << 10 // a block
		tor, data := makeTorrentOf(t, 600*length, length, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, s, tor)
		ready(t, got)
		r := got.NewReader(0, int64(len(data)), false)
		defer r.Close()
		for _, index := range []int{0, 1, 2, 500, 501, 100} {
			if _, err := r.Seek(int64(index*length), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			r.ReadContext(ctx, make([]byte, 1))
			cancel()
		}
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		if err := x.send(wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke}); err != nil {
			t.Fatal(err)
		}
		if m := x.next(t, wire.Request); m.Index != 100 {
			t.Errorf("piece %d is asked for first", m.Index)
		}
	})
}

var errBad = errors.New("a sector cannot be read")

// frail is a store that cannot read one piece.
type frail struct {
	storage.Store
	from, end int64
}

func (f frail) ReadAt(p []byte, off int64) (int, error) {
	if off < f.end && off+int64(len(p)) > f.from {
		return 0, errBad
	}
	return f.Store.ReadAt(p, off)
}

// shareFrail shares data of which piece 3 cannot be read.
func shareFrail(t *testing.T, s *driver.Session, tor *metainfo.Torrent, data []byte, notify func(driver.Event)) *driver.Torrent {
	t.Helper()
	l := tor.Info.PieceLength
	got := add(t, s, driver.Options{Info: tor.Info, Notify: notify, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := memory(tor, data)(ctx, info)
		c.Store = frail{c.Store, 3 * l, 4 * l}
		return c, err
	}})
	ready(t, got)
	return got
}

func TestAReaderIsToldThatTheStoreFails(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		var warned error
		got := shareFrail(t, s, tor, data, func(e driver.Event) {
			if e.Kind == driver.Warned {
				warned = e.Err
			}
		})
		r := got.NewReader(3*tor.Info.PieceLength, 100, false)
		defer r.Close()
		changed := got.Changed()
		if n, err := r.Read(make([]byte, 100)); n != 0 || !errors.Is(err, errBad) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if !errors.Is(got.Warning(), errBad) || !errors.Is(warned, errBad) {
			t.Errorf("the torrent says %v, its events %v", got.Warning(), warned)
		}
		select {
		case <-changed:
		default:
			t.Error("who waits for a change was not woken")
		}
	})
}

// A piece that cannot be read is taken back: whoever asked for it is refused and
// gets the others, it counts as missing, and it is fetched again.
func TestAPieceThatCannotBeReadIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", nil)
		var lost []int
		got := shareFrail(t, s, tor, data, func(e driver.Event) {
			if e.Kind == driver.PieceLost {
				lost = append(lost, e.Piece)
			}
		})
		if !isDone(got) || got.NumHave() != tor.Info.NumPieces() {
			t.Fatal("not complete to begin with")
		}
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		if err := x.send(wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Interested}); err != nil {
			t.Fatal(err)
		}
		x.next(t, wire.Unchoke)
		if err := x.send(wire.Message{ID: wire.Request, Index: 3, Length: 16 << 10}, wire.Message{ID: wire.Request, Index: 4, Length: 16 << 10}); err != nil {
			t.Fatal(err)
		}
		if m := x.next(t, wire.Piece); m.Index != 4 {
			t.Errorf("piece %d was sent", m.Index)
		}
		synctest.Wait()
		have := got.Have()
		if have.Has(3) || got.NumHave() != tor.Info.NumPieces()-1 || isDone(got) {
			t.Errorf("piece 3 is had: %v; %d pieces, done: %v", have.Has(3), got.NumHave(), isDone(got))
		}
		if len(lost) != 1 || lost[0] != 3 || !errors.Is(got.Warning(), errBad) {
			t.Errorf("lost %v, %v", lost, got.Warning())
		}
		good, goodAddr := n.session(t, "192.0.2.5:1", nil)
		share(t, good, tor, data)
		got.AddPeers([]netip.AddrPort{goodAddr}, swarm.User)
		time.Sleep(2 * time.Minute)
		if !isDone(got) {
			t.Error("the lost piece is not fetched again")
		}
	})
}

// With a v2 torrent each block has a hash of its own: a reader gets the first block
// while the rest of a large piece is still on its way.
func TestABlockIsReadBeforeItsPieceIsWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 1 << 20
		tor, data := makeTorrentOf(t, 2*length, length, false, true)
		s, _ := n.session(t, "192.0.2.2:1", nil)
		seed, seedAddr := n.session(t, "192.0.2.1:1", nil)
		share(t, seed, tor, data)
		seed.SetLimits(100<<10, 0) // ten seconds for a piece
		got, _ := fetch(t, s, tor)
		ready(t, got)
		r := got.NewReader(100, 2*length-100, false)
		defer r.Close()
		got.AddPeers([]netip.AddrPort{seedAddr}, swarm.User)
		buf := make([]byte, 5000)
		if _, err := io.ReadFull(r, buf); err != nil || !bytes.Equal(buf, data[100:5100]) {
			t.Fatalf("other bytes: %v", err)
		}
		if n := got.NumHave(); n != 0 {
			t.Errorf("%d pieces were fetched before the first byte could be read", n)
		}
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(rest, data[5100:]) {
			t.Errorf("%d bytes more, %v", len(rest), err)
		}
	})
}
