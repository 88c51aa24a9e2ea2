package driver

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

const (
	minReadahead = 1 << 20
	maxReadahead = 32 << 20
	// The tail of a media file may hold its index; players ask for it right
	// after the head.
	tailReadahead = 512 << 10
)

// Reader streams a range of a torrent while it is being fetched: it blocks until
// the pieces it needs are verified, and tells the machine what it will need
// next. Read, Seek and Close may not run concurrently, except that Close may
// interrupt a Read.
type Reader struct {
	t      *Torrent
	base   int64 // of the range in the piece space
	size   int64
	pos    int64
	id     int
	ahead  int64 // grows while reading goes on in order
	told   int   // piece that was last announced to the machine
	toldAt int64 // position at that time
	rate   float64
	since  time.Time
	closed chan struct{}
	parent chan struct{} // closed of the reader that this one is a part of; may be nil
	once   sync.Once
}

var (
	errReaderClosed = errors.New("the reader is closed")
	errBeforeStart  = errors.New("a position before the start of the file")
)

// NewReader returns a reader of length bytes from offset base of the piece
// space. The info dictionary must be known. With tail, the end of the range is
// fetched early too.
func (t *Torrent) NewReader(base, length int64, tail bool) *Reader {
	t.mu.Lock()
	t.readerID += 2
	id := t.readerID
	t.mu.Unlock()
	t.readers.Add(1)
	r := &Reader{t: t, base: base, size: length, id: id, ahead: minReadahead, told: -1, closed: make(chan struct{})}
	if info := t.info.Load(); tail && info != nil && length > 2*tailReadahead {
		first := int((base + length - tailReadahead) / info.PieceLength)
		last := int((base + length - 1) / info.PieceLength)
		t.readerMoved(torrent.ReaderMoved{Reader: id + 1, First: first, Last: last, Urgent: 3 * time.Second})
	}
	return r
}

// SetOnDemand says that what readers need is all that will be fetched, so many bytes in
// advance at most, for a store with little room: peers are kept though nothing else is
// wanted (see Prioritize). 0 ends that.
func (t *Torrent) SetOnDemand(ahead int64) {
	t.ahead.Store(ahead)
	t.wish(torrent.OnDemand{On: ahead > 0}, func(w *wishes) { w.onDemand = ahead > 0 })
}

func (t *Torrent) readahead() int64 {
	if n := t.ahead.Load(); n > 0 {
		return min(n, maxReadahead)
	}
	return maxReadahead
}

// Size is the length of the range in bytes.
func (r *Reader) Size() int64 { return r.size }

// Seek implements io.Seeker. It costs nothing until the next Read.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errBeforeStart
	}
	r.pos = offset
	return offset, nil
}

// Read waits until the piece at the position is verified, then reads from the
// store, at most to the end of what is verified without a gap. A piece that was there
// and is gone (see NumGone) is an error at once.
func (r *Reader) Read(p []byte) (int, error) { return r.ReadContext(context.Background(), p) }

// ReadContext is Read, but returns the context's error when that ends first.
func (r *Reader) ReadContext(ctx context.Context, p []byte) (int, error) {
	if r.pos >= r.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > r.size-r.pos {
		p = p[:r.size-r.pos]
	}
	off := r.base + r.pos
	pl := r.t.info.Load().PieceLength
	index := int(off / pl)
	r.announce(index)
	end, early, err := r.wait(ctx, index, p, off-int64(index)*pl)
	if err != nil {
		return 0, err
	}
	if early > 0 {
		r.pos += int64(early)
		return early, nil
	}
	if n := end - off; int64(len(p)) > n {
		p = p[:n]
	}
	n, err := r.t.readStore(p, off)
	if err != nil {
		r.t.unreadable(torrent.ReadFailed{Index: uint32((off + int64(n)) / pl)}, err)
		if n > 0 {
			err = nil // those bytes are good
		}
	}
	r.pos += int64(n)
	return n, err
}

// wait blocks until a piece is stored, and returns the end of the run of stored
// pieces that begins with it, within 1 MiB. If blocks of it at an offset are found
// genuine before, it reads early so many bytes of them.
func (r *Reader) wait(ctx context.Context, index int, p []byte, off int64) (end int64, early int, err error) {
	t := r.t
	pl := t.info.Load().PieceLength
	for {
		t.mu.Lock()
		has, failed, changed := t.have.Has(index), t.err, t.changed
		if t.away.Has(index) {
			failed = t.awayWhy // nobody brings it
		}
		last := index
		for has && int64(last+1-index)*pl < 1<<20 && t.have.Has(last+1) {
			last++
		}
		t.mu.Unlock()
		if has {
			return int64(last+1) * pl, 0, nil
		}
		if early = t.readEarly(p, index, off); early > 0 {
			return 0, early, nil
		}
		if failed != nil {
			return 0, 0, failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-r.closed:
			return 0, 0, errReaderClosed
		case <-r.parent:
			return 0, 0, errReaderClosed
		case <-t.quit:
			return 0, 0, ErrNotRunning
		}
	}
}

// ReadAt waits for all of p, or what the range has of it, and does not move the
// position. It may be called by any number of goroutines, also beside Read; Close
// interrupts it.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	return r.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt, but returns the context's error when that ends first.
func (r *Reader) ReadAtContext(ctx context.Context, p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, errBeforeStart
	case off >= r.size:
		return 0, io.EOF
	}
	part := r.t.NewReader(r.base+off, min(int64(len(p)), r.size-off), false)
	defer part.Close()
	part.parent = r.closed
	for n < len(p) && err == nil {
		var k int
		k, err = part.ReadContext(ctx, p[n:])
		n += k
	}
	return n, err
}

// announce tells the machine what is needed next, once per piece.
func (r *Reader) announce(index int) {
	if index == r.told {
		return
	}
	pl := r.t.info.Load().PieceLength
	now := time.Now()
	jump := r.told < 0 || index < r.told || index > r.told+1+int(r.ahead/pl)
	if jump {
		r.ahead = minReadahead
		r.since, r.toldAt = now, r.pos
	} else {
		r.ahead = min(2*r.ahead, r.t.readahead())
		if dt := now.Sub(r.since).Seconds(); dt > 0.5 {
			r.rate = float64(r.pos-r.toldAt) / dt
		}
	}
	var spacing time.Duration // unknown before something was played
	if r.rate > 0 {
		spacing = time.Duration(float64(pl) / max(r.rate, 128<<10) * float64(time.Second))
	}
	last := int(min(r.base+r.size-1, r.base+r.pos+r.ahead) / pl)
	r.told = index
	r.t.readerMoved(torrent.ReaderMoved{Reader: r.id, First: index, Last: last, Jump: jump, Spacing: spacing})
}

// Close ends the reader; what it waited for is no longer urgent.
func (r *Reader) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.t.readers.Add(-1)
		r.t.readerClosed(r.id)
		r.t.readerClosed(r.id + 1)
	})
	return nil
}
