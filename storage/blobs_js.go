package storage

import (
	"strconv"
	"strings"
	"sync/atomic"
	"syscall/js"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Blob is a JavaScript File that a user chose or dropped. Its bytes stay where
// they are, on the user's disk, until they are read.
type Blob struct {
	Path []string // below the torrent's name; of a single file [name]
	File js.Value
}

// Size returns the length in bytes.
func (b Blob) Size() int64 { return int64(b.File.Get("size").Float()) }

func (b Blob) name() string { return strings.Join(b.Path, "/") }

// ReadAt fills p. The error is of kind ErrChanged when the file was changed or
// moved since it was chosen. It blocks the goroutine, in a worker for a moment
// the event loop too; never call it from a js.FuncOf callback.
func (b Blob) ReadAt(p []byte, off int64) (int, error) {
	slice, err := try(b.File, "slice", float64(off), float64(off+int64(len(p))))
	if err != nil {
		return 0, explainJS("read", b.name(), err)
	}
	var buf js.Value
	if reader := js.Global().Get("FileReaderSync"); reader.Type() == js.TypeFunction {
		buf, err = try(reader.New(), "readAsArrayBuffer", slice)
	} else {
		buf, err = tryAwait(slice, "arrayBuffer")
	}
	if err != nil {
		return 0, explainJS("read", b.name(), err)
	}
	n := js.CopyBytesToGo(p, newBytes(buf))
	spent(buf)
	if n < len(p) {
		return n, &Error{Kind: ErrChanged, Op: "read", Path: b.name(), Detail: "it ends after " + strconv.FormatInt(off+int64(n), 10) + " bytes"}
	}
	return len(p), nil
}

// Blobs is a read-only store over Files, for seeding what a user dropped.
type Blobs struct {
	info   *metainfo.Info
	files  []Blob // by index in info.Files
	marks  *BlobMarks
	closed atomic.Bool
}

// NewBlobs returns a store over the files, in any order, from which the torrent
// was made, and what they looked like then. A file that is not there is
// ErrMissing, one of another size ErrChanged.
func NewBlobs(info *metainfo.Info, files []Blob, marks *BlobMarks) (*Blobs, error) {
	byName := make(map[string]Blob, len(files))
	for _, f := range files {
		byName[f.name()] = f
	}
	b := &Blobs{info: info, marks: marks, files: make([]Blob, len(info.Files))}
	for i := range info.Files {
		want := &info.Files[i]
		if want.Pad {
			continue
		}
		name := strings.Join(want.Path, "/")
		f, ok := byName[name]
		if !ok {
			return nil, &Error{Kind: ErrMissing, Op: "read", Path: name}
		}
		if size := f.Size(); size != want.Length {
			return nil, &Error{Kind: ErrChanged, Op: "read", Path: name, Detail: sizes(size, want.Length)}
		}
		b.files[i] = f
	}
	return b, nil
}

// ReadAt fills p; padding is zeros. See Blob.ReadAt. What does not look as it did when
// the torrent was made is ErrChanged: not every browser notices.
func (b *Blobs) ReadAt(p []byte, off int64) (int, error) {
	if b.closed.Load() {
		return 0, &Error{Kind: ErrClosed, Op: "read", Path: b.info.Name}
	}
	if off < 0 || off > b.info.Length || int64(len(p)) > b.info.Length-off {
		return 0, rangeError("read", off, len(p))
	}
	return b.readMarked(p, off)
}

// read is ReadAt of whatever lies there now.
func (b *Blobs) read(p []byte, off int64) (int, error) {
	var room [8]metainfo.Span
	for _, s := range b.info.AppendSpans(room[:0], off, int64(len(p))) {
		done := s.Offset - off
		part := p[done : done+s.Length]
		if s.Pad {
			clear(part)
			continue
		}
		if n, err := b.files[s.File].ReadAt(part, s.FileOffset); err != nil {
			return int(done) + n, err
		}
	}
	return len(p), nil
}

// WriteAt fails with ErrReadOnly.
func (b *Blobs) WriteAt([]byte, int64) (int, error) {
	return 0, &Error{Kind: ErrReadOnly, Op: "write", Path: b.info.Name, Detail: "the files are the user's own"}
}

// Close lets go of the files.
func (b *Blobs) Close() error {
	b.closed.Store(true)
	return nil
}

func (b *Blobs) source() bool      { return true }
func (b *Blobs) show(i int) string { return strings.Join(b.info.Files[i].Path, "/") }
