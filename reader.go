//go:build !js

package shoal

import (
	"context"
	"io"

	"github.com/shoal-p2p/shoal/internal/driver"
)

// Reader streams a file: it waits for bytes that are not verified yet and has
// them fetched first, those behind them too. Read and Seek share a position and
// may not run concurrently; ReadAt and Close may be called at any time.
type Reader struct {
	ctx context.Context
	r   *driver.Reader
}

var (
	_ io.ReadSeekCloser = (*Reader)(nil)
	_ io.ReaderAt       = (*Reader)(nil)
)

// NewReader returns a reader at the start of the file. When ctx ends, what waits
// returns its error. The reader must be closed.
func (f *File) NewReader(ctx context.Context) *Reader {
	return &Reader{ctx, f.t.n.NewReader(f.Offset(), f.Length(), true)}
}

// Size is the file's size in bytes.
func (r *Reader) Size() int64 { return r.r.Size() }

// Read waits for at least one byte at the position. Errors: io.EOF at the end of
// the file, the context's, what made the torrent fail, [ErrNotRunning].
func (r *Reader) Read(p []byte) (int, error) { return r.r.ReadContext(r.ctx, p) }

// Seek implements io.Seeker. It costs nothing until the next Read.
func (r *Reader) Seek(offset int64, whence int) (int64, error) { return r.r.Seek(offset, whence) }

// ReadAt waits for all of p, or what the file has of it. It does not move the
// position. Errors are those of Read.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) { return r.r.ReadAtContext(r.ctx, p, off) }

// Close ends the reader; what it waited for is no longer urgent.
func (r *Reader) Close() error { return r.r.Close() }
