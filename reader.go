//go:build !js

package shoal

import (
	"context"
	"errors"
	"io"

	"github.com/shoal-p2p/shoal/internal/driver"
)

// Reader streams a file: it waits for bytes that are not verified yet and has
// them fetched first, those behind them too. Read and Seek share a position and
// may not run concurrently; ReadAt and Close may be called at any time.
type Reader struct {
	f    *File
	ctx  context.Context
	r    *driver.Reader
	stop func() bool
}

var (
	_ io.ReadSeekCloser = (*Reader)(nil)
	_ io.ReaderAt       = (*Reader)(nil)
)

// NewReader returns a reader at the start of the file. When ctx ends, what waits
// returns its error. The reader must be closed.
func (f *File) NewReader(ctx context.Context) *Reader {
	r := &Reader{f: f, ctx: ctx, r: f.t.n.NewReader(f.Offset(), f.Length(), true)}
	r.stop = context.AfterFunc(ctx, func() { r.r.Close() })
	return r
}

// Size is the file's size in bytes.
func (r *Reader) Size() int64 { return r.f.Length() }

// Read waits for at least one byte at the position. Errors: io.EOF at the end of
// the file, the context's, what made the torrent fail, [ErrNotRunning].
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	return n, r.explain(err)
}

// Seek implements io.Seeker. It costs nothing until the next Read.
func (r *Reader) Seek(offset int64, whence int) (int64, error) { return r.r.Seek(offset, whence) }

// ReadAt waits for all of p, or what the file has of it. It does not move the
// position. Errors are those of Read.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read before the start of the file")
	}
	if off >= r.Size() {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.Size()-off)
	at := r.f.t.n.NewReader(r.f.Offset()+off, n, false)
	defer at.Close()
	defer context.AfterFunc(r.ctx, func() { at.Close() })()
	got, err := io.ReadFull(at, p[:n])
	if err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return got, r.explain(err)
}

// explain turns the error of a reader closed by its context into the context's.
func (r *Reader) explain(err error) error {
	if err != nil && err != io.EOF && r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	return err
}

// Close ends the reader; what it waited for is no longer urgent.
func (r *Reader) Close() error {
	r.stop()
	return r.r.Close()
}
