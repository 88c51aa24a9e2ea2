package driver

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// The last quarter of the places is for torrents that have less than an equal share.
func TestPlacesAreShared(t *testing.T) {
	p := places{most: 8}
	take := func(mine int, want bool) {
		t.Helper()
		used, held := p.used, p.held
		if got := p.take(mine); got != want {
			t.Fatalf("a torrent with %d gets one: %v; %d are used by %d", mine, got, used, held)
		}
		if !want && (p.used != used || p.held != held) {
			t.Fatal("a refusal counts")
		}
	}
	for mine := range 6 {
		take(mine, true)
	}
	take(6, true) // alone it may have all
	take(7, true)
	take(8, false)
	take(0, false)
	p.give(2, 6)
	take(0, true) // a second torrent
	take(6, false)
	take(4, false)
	take(1, true)
	take(2, false)
	p.give(0, 0) // nothing
	if p.used != 8 || p.held != 2 {
		t.Errorf("%d places are used by %d torrents", p.used, p.held)
	}
	p.give(2, 0)
	take(6, true)
	p.give(7, 0)
	if p.used != 0 || p.held != 0 {
		t.Errorf("%d places are used by %d torrents at the end", p.used, p.held)
	}
	p.add(0)
	p.add(1)
	if p.used != 2 || p.held != 1 {
		t.Errorf("%d places are used by %d torrents with web seeds", p.used, p.held)
	}
	few := places{most: 2, used: 1, held: 5}
	if !few.take(0) || few.take(0) {
		t.Error("a torrent without any does not get the last one, or one too many")
	}
}

// So much is done at a time, the rest in the order in which it came.
func TestTurnstileKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &Session{}, turnstile{most: 2}
		var mu sync.Mutex
		var begun []int
		end := make(chan struct{})
		for i := range 6 {
			l.run(s, func() {
				mu.Lock()
				begun = append(begun, i)
				mu.Unlock()
				<-end
			})
			synctest.Wait()
		}
		for n := 2; n <= 6; n++ {
			synctest.Wait()
			if want := []int{0, 1, 2, 3, 4, 5}[:n]; !slices.Equal(begun, want) {
				t.Fatalf("begun: %v instead of %v", begun, want)
			}
			if n < 6 {
				end <- struct{}{}
			}
		}
		close(end)
		s.wg.Wait()
		if l.busy != 0 || len(l.waiting) != 0 {
			t.Errorf("%d are busy, %d wait at the end", l.busy, len(l.waiting))
		}
		l.run(s, func() { begun = append(begun, 6) })
		s.wg.Wait()
		if len(begun) != 7 {
			t.Error("nothing is done any more")
		}
	})
}

// The tighter of two limits says how much is read or sent at a time.
func TestQuantumIsThatOfTheTighterLimit(t *testing.T) {
	for _, c := range []struct{ own, all, by int64 }{{0, 0, 0}, {5000, 0, 5000}, {0, 7000, 7000}, {5000, 9000, 5000}, {9000, 5000, 5000}} {
		s := &Session{}
		tor := &Torrent{s: s, up: lane{all: &s.up}, down: lane{all: &s.down}}
		s.SetLimits(c.all, 0)
		tor.SetLimits(c.own, 0)
		want := 0
		if c.by > 0 {
			one := &Session{}
			one.SetLimits(c.by, 0)
			want = one.up.bucket.Quantum()
		}
		if got := tor.up.quantum(); got != want || tor.up.limited() != (c.by > 0) {
			t.Errorf("%d for the torrent, %d for all: %d instead of %d", c.own, c.all, got, want)
		}
		if tor.down.quantum() != 0 || tor.down.limited() {
			t.Error("the other direction is limited")
		}
		if !tor.down.pay(1<<30, nil) {
			t.Error("who is not limited does not get through")
		}
	}
	// Negative rates are none; who leaves does not wait.
	s := &Session{}
	s.SetLimits(-1, 5)
	if up, down := s.Limits(); up != 0 || down != 5 {
		t.Errorf("%d and %d", up, down)
	}
	l, gone := lane{all: &s.down}, make(chan struct{})
	close(gone)
	if l.pay(1<<20, gone) {
		t.Error("who left has paid")
	}
}

// Blocks that lie side by side are read at once.
func TestRunsOfBlocks(t *testing.T) {
	up := func(index, begin, length uint32) torrent.Upload {
		return torrent.Upload{Index: index, Begin: begin, Length: length}
	}
	for what, c := range map[string]struct {
		list      []torrent.Upload
		n, length int
	}{
		"one":           {[]torrent.Upload{up(1, 0, 10)}, 1, 10},
		"side by side":  {[]torrent.Upload{up(1, 5, 10), up(1, 15, 20), up(1, 35, 1)}, 3, 31},
		"a gap":         {[]torrent.Upload{up(1, 0, 10), up(1, 11, 10)}, 1, 10},
		"an overlap":    {[]torrent.Upload{up(1, 0, 10), up(1, 9, 10)}, 1, 10},
		"another piece": {[]torrent.Upload{up(1, 0, 10), up(1, 10, 10), up(2, 20, 10)}, 2, 20},
	} {
		if n, length := run(c.list); n != c.n || length != c.length {
			t.Errorf("%s: %d blocks of %d bytes", what, n, length)
		}
	}
}

// What is sent at a limited rate is cut into parts that are the whole together.
func TestBuffersAreCut(t *testing.T) {
	whole := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for q := 1; q < 40; q++ {
		w := &outlet{}
		bufs := [][]byte{whole[:10], whole[10:11], whole[11:30], whole[30:]}
		var got []byte
		for len(bufs) > 0 {
			part, rest, n := w.cut(bufs, q)
			b := bytes.Join(part, nil)
			if len(b) != n || n == 0 || n > q || n < q && len(rest) > 0 {
				t.Fatalf("by %d: %d bytes said to be %d, %d buffers are left", q, len(b), n, len(rest))
			}
			got, bufs = append(got, b...), rest
		}
		if !bytes.Equal(got, whole) {
			t.Errorf("by %d: %s", q, got)
		}
	}
}

// As many blocks are sent at a time as fit, and one that does not fit is sent alone.
func TestBlocksAreCollected(t *testing.T) {
	tor := testTorrent(newPool(1 << 20))
	c, _ := testConn(tor)
	w := &outlet{conn: c}
	for _, n := range []uint32{50, 10, 10, 10, 5} {
		c.upload(torrent.Upload{Length: n})
	}
	c.ctrl = append(c.ctrl, "messages"...)
	for k, want := range [][2]int{{50, 1}, {20, 2}, {15, 2}, {0, 0}} {
		size := w.collect(20)
		if size != want[0] || len(w.batch) != want[1] {
			t.Errorf("turn %d: %d bytes in %d blocks, want %v", k, size, len(w.batch), want)
		}
		if (string(w.ctrl) == "messages") != (k == 0) {
			t.Errorf("turn %d: messages %q", k, w.ctrl)
		}
	}
}

// What is wanted and not there, and what of that nobody can bring.
func TestMissingBytes(t *testing.T) {
	info := &metainfo.Info{Length: 50, PieceLength: 20, Single: true, HasV1: true, Files: []metainfo.File{{Path: []string{"f"}, Length: 50}}, Pieces: make([]byte, 60)}
	set := func(in ...int) *bits.Set {
		s := bits.New(3)
		for _, i := range in {
			s.Set(i)
		}
		return &s
	}
	for _, c := range []struct {
		have, gone *bits.Set
		levels     []torrent.Priority
		all, lost  int64
	}{
		{set(), set(), nil, 50, 0},
		{set(0), set(2), nil, 30, 10},
		{set(0, 1, 2), set(), nil, 0, 0},
		{set(0), set(), []torrent.Priority{torrent.Normal, torrent.Skip, torrent.Low}, 10, 0},
		{set(), set(1), []torrent.Priority{torrent.Skip, torrent.Skip}, 10, 0}, // of what is behind the list all is wanted
	} {
		if all, lost := missing(info, c.have, c.gone, c.levels); all != c.all || lost != c.lost {
			t.Errorf("%+v: %d, of which %d are lost", c, all, lost)
		}
	}
}

// A block is put where it was asked for, until the request is void.
func TestExpectationsEnd(t *testing.T) {
	tor, b := newTestBuffer()
	tor.buffers = map[int]*pieceBuffer{0: b}
	c, _ := testConn(tor)
	ask := func(index, begin uint32) wire.Message {
		return wire.Message{ID: wire.Request, Index: index, Begin: begin, Length: blockSize}
	}
	c.send([]wire.Message{ask(0, 0), ask(0, blockSize), ask(9, 0), {KeepAlive: true, ID: wire.Request, Begin: 7}})
	if len(c.expect) != 2 {
		t.Fatalf("%d blocks are expected", len(c.expect))
	}
	if c.expectNot(blockKey{0, 0}) != b || c.expectNot(blockKey{0, 0}) != nil || c.expectNot(blockKey{9, 0}) != nil {
		t.Error("a block is expected twice, or for a piece that is not open")
	}
	c.expectNothing()
	if c.expectNot(blockKey{0, blockSize}) != nil {
		t.Error("a block is expected though all requests are void")
	}
	// What was cancelled is forgotten now and again, once it is there.
	c.send([]wire.Message{ask(0, 0), ask(0, blockSize)})
	b.write(0, block(1))
	for k := range maxCancelled {
		if len(c.expect) != 2 {
			t.Fatalf("after %d cancels %d blocks are expected", k, len(c.expect))
		}
		c.send([]wire.Message{{ID: wire.Cancel, Length: blockSize}})
	}
	if c.expectNot(blockKey{0, 0}) != nil || c.expectNot(blockKey{0, blockSize}) != b {
		t.Error("the wrong block was forgotten")
	}
}

// timeout is the error of a read that was interrupted.
type timeout struct{ error }

func (timeout) Timeout() bool { return true }

// A read that was interrupted to let go of a block goes on; other errors are errors.
func TestLettingGoIsNoError(t *testing.T) {
	tor := testTorrent(newPool(1 << 20))
	c, stream := testConn(tor)
	if c.letsGo(os.ErrDeadlineExceeded) {
		t.Error("a time limit is taken for it")
	}
	c.letGo()
	if !stream.interrupted {
		t.Error("the read goes on")
	}
	if c.letsGo(errors.New("broken")) || !stream.interrupted {
		t.Error("another error is taken for it")
	}
	if !c.letsGo(timeout{errors.New("interrupted")}) || stream.interrupted {
		t.Error("it is taken for an error, or the next read ends as well")
	}
	if c.letsGo(timeout{errors.New("again")}) {
		t.Error("it is taken for it twice")
	}
}

// What a reader will need is told once a piece, further ahead the longer it reads.
func TestWhatAReaderTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pl, base, size = 64 << 10, 128 << 10, 64 << 20
		tor := &Torrent{s: &Session{}, ctx: context.Background()}
		tor.info.Store(&metainfo.Info{PieceLength: pl, Length: 1 << 30})
		told := func(id int) (w torrent.ReaderMoved, ok bool) {
			w, ok = tor.gate.windows[id]
			delete(tor.gate.windows, id)
			return w, ok
		}
		for length, want := range map[int64]bool{2 * tailReadahead: false, 2*tailReadahead + 1: true} {
			r := tor.NewReader(base, length, true)
			if _, ok := told(r.id + 1); ok != want {
				t.Errorf("the end of %d bytes is asked for: %v", length, ok)
			}
		}
		if r := tor.NewReader(base, size, false); len(tor.gate.windows) != 0 || tor.readers.Load() != 3 {
			t.Errorf("%d readers; one without a tail tells of %v", tor.readers.Load(), tor.gate.windows[r.id+1])
		}
		r := tor.NewReader(base, size, true)
		w, _ := told(r.id + 1)
		if w != (torrent.ReaderMoved{Reader: r.id + 1, First: (base + size - tailReadahead) / pl, Last: (base+size)/pl - 1, Urgent: 3 * time.Second}) {
			t.Errorf("the end: %+v", w)
		}
		at := func(pos int64, want torrent.ReaderMoved) {
			t.Helper()
			r.pos = pos
			want.Reader, want.First = r.id, int((base+pos)/pl)
			r.announce(want.First)
			if w, ok := told(r.id); !ok || w != want {
				t.Errorf("at %d: %+v instead of %+v", pos, w, want)
			}
			r.announce(want.First)
			if _, ok := told(r.id); ok {
				t.Errorf("at %d: told twice", pos)
			}
		}
		last := func(pos, ahead int64) int { return int((base + pos + ahead) / pl) }
		at(0, torrent.ReaderMoved{Last: last(0, 1<<20), Jump: true})
		at(pl, torrent.ReaderMoved{Last: last(pl, 2<<20)})
		time.Sleep(500 * time.Millisecond)
		at(2*pl, torrent.ReaderMoved{Last: last(2*pl, 4<<20)}) // nobody knows yet how fast it is
		time.Sleep(time.Second / 2)
		// 1 MiB played in the first second: a piece each 62.5 ms.
		at(1<<20, torrent.ReaderMoved{Last: last(1<<20, 8<<20), Spacing: time.Second / 16})
		for _, ahead := range []int64{16 << 20, 32 << 20, 32 << 20} {
			at(r.pos+pl, torrent.ReaderMoved{Last: last(r.pos+pl, ahead), Spacing: time.Duration(float64(pl) / float64(r.pos+pl) * float64(time.Second))})
		}
		spacing := time.Duration(float64(pl) / r.rate * float64(time.Second))
		// As far as was told of is no jump; one piece further, or back, is one.
		time.Sleep(time.Millisecond)
		far := r.pos + 32<<20 + pl
		at(far, torrent.ReaderMoved{Last: (base + size - 1) / pl, Spacing: time.Duration(float64(pl) / (float64(far) / 1.001) * float64(time.Second))})
		rate := r.rate
		spacing = time.Duration(float64(pl) / rate * float64(time.Second))
		at(far-pl, torrent.ReaderMoved{Last: last(far-pl, 1<<20), Jump: true, Spacing: spacing})
		at(far-pl+(1<<20)+pl, torrent.ReaderMoved{Last: last(far+(1<<20), 2<<20), Spacing: spacing})
		at(0, torrent.ReaderMoved{Last: last(0, 1<<20), Jump: true, Spacing: spacing})
		at((1<<20)+2*pl, torrent.ReaderMoved{Last: last((1<<20)+2*pl, 1<<20), Jump: true, Spacing: spacing})
		// A player that stands still is not asked for in hours.
		time.Sleep(time.Hour)
		at(r.pos+pl, torrent.ReaderMoved{Last: last(r.pos+pl, 2<<20), Spacing: time.Second / 2})
	})
}
