//go:build !js

package storage

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// FileOptions configure a File. The zero value is a store for a download.
type FileOptions struct {
	// ReadOnly is for seeding: every file must be there in its full length at the
	// beginning, and nothing is created or written. What others write meanwhile is
	// read as it is: Prove the store where that matters.
	ReadOnly bool
	// Handles bounds the files kept open between calls, together with those of
	// other stores; nil means one of 128 that all such stores of the process share.
	Handles *Handles
}

func (o FileOptions) handles() *Handles {
	if o.Handles == nil {
		return processHandles
	}
	return o.Handles
}

// File keeps a torrent in ordinary files below one folder. Files and folders
// appear with the first byte written to them, in full length but without using
// space for what is not there yet. Nothing outside the folder is ever touched.
type File struct {
	info     *metainfo.Info
	fs       fsys
	names    []string // by file, "" for padding
	readOnly bool
	handles  *Handles
	out      writer

	mu     sync.Mutex
	absent []bool // by file: not there at the beginning, and not made by this store yet
	open   map[int]*openFile
	sized  map[int]bool // files brought to full length by this store
	dirty  map[int]bool // files written since the last Sync
	failed error        // first error of closing a written file
	closed bool
}

// openFile is an open file. refs counts the calls that use it now; all fields
// but the first two belong to File.mu.
type openFile struct {
	handle   // its index is that of the file
	file     diskFile
	path     string // for messages
	writable bool
	stale    bool // no longer in the map; the last user closes it
	refs     int
	found    fs.FileInfo // as it was when it was opened
	checked  time.Time   // last time its name still led to it
}

// stamp tells one state of a file from another.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds since 1970
}

func stampOf(fi fs.FileInfo) stamp { return stamp{size: fi.Size(), mtime: fi.ModTime().UnixNano()} }

// OpenFiles returns a store for the torrent's files below dir: dir/NAME for a
// single file, dir/NAME/... for a folder. Unless the store is read-only, dir is
// created when it is missing, and files that are there already are used: Verify
// tells what they are worth. Errors are of type *Error; ErrMissing and
// ErrChanged name a file that is not what the torrent says.
func OpenFiles(dir string, info *metainfo.Info, opt FileOptions) (*File, error) {
	names, err := localNames(info)
	if err != nil {
		return nil, err
	}
	if !opt.ReadOnly {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, Explain("create", dir, err)
		}
	}
	root, err := openRootFS(dir, opt.handles())
	if err != nil {
		return nil, err
	}
	return newFile(root, info, names, opt)
}

// newFile takes over fsys, also when it fails.
func newFile(fsys fsys, info *metainfo.Info, names []string, opt FileOptions) (*File, error) {
	f := &File{
		info:     info,
		fs:       fsys,
		names:    names,
		readOnly: opt.ReadOnly,
		handles:  opt.handles(),
		absent:   make([]bool, len(names)),
		open:     make(map[int]*openFile),
		sized:    make(map[int]bool),
		dirty:    make(map[int]bool),
	}
	if err := f.survey(); err != nil {
		_ = fsys.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// survey looks at every file once, so that a wrong folder is named before
// anything else is done.
func (f *File) survey() error {
	for i, name := range f.names {
		if name == "" {
			continue
		}
		fi, err := f.fs.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && !f.readOnly {
			_, err := f.fs.Lstat(name) // a link may wait for what it leads to
			f.absent[i] = errors.Is(err, fs.ErrNotExist)
			continue
		}
		if err != nil {
			return Explain("open", f.fs.Show(name), err)
		}
		if err := f.fits(i, fi); err != nil {
			return err
		}
		if want := f.info.Files[i].Length; f.readOnly && fi.Size() != want {
			return f.changed(i, sizes(fi.Size(), want))
		}
	}
	return nil
}

// fits checks that what is on disk under the name of file i can be that file.
// A file to download into may be shorter. A longer one is something else and
// is left alone. A source may have grown meanwhile: what it held is still there.
func (f *File) fits(i int, fi fs.FileInfo) error {
	detail := ""
	want := f.info.Files[i].Length
	switch {
	case fi.IsDir():
		detail = "it is a folder"
	case !fi.Mode().IsRegular():
		detail = "it is not a regular file"
	case fi.Size() > want && !f.readOnly, fi.Size() < want && f.readOnly:
		detail = sizes(fi.Size(), want)
	default:
		return nil
	}
	return f.changed(i, detail)
}

func (f *File) changed(i int, detail string) error {
	return &Error{Kind: ErrChanged, Op: "open", Path: f.show(i), Detail: detail}
}

// ReadAt fills p. Padding is zeros; so is what has not been written of a file
// that exists. A file that does not exist is ErrMissing, one that ends too soon
// ErrChanged.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.each("read", p, off, f.readFile)
}

// WriteAt writes p, without the padding in it. When it fails with ErrNoSpace
// everything written before stays.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.readOnly {
		return 0, &Error{Kind: ErrReadOnly, Op: "write", Path: f.info.Name, Detail: "opened for seeding"}
	}
	return f.each("write", p, off, f.writeFile)
}

// each gives every file behind p its part.
func (f *File) each(op string, p []byte, off int64, fn func(s metainfo.Span, part []byte) error) (int, error) {
	if off < 0 || off > f.info.Length || int64(len(p)) > f.info.Length-off {
		return 0, rangeError(op, off, len(p))
	}
	var room [8]metainfo.Span
	for _, s := range f.info.AppendSpans(room[:0], off, int64(len(p))) {
		done := s.Offset - off
		if err := fn(s, p[done:done+s.Length]); err != nil {
			return int(done), err
		}
	}
	return len(p), nil
}

func (f *File) readFile(s metainfo.Span, part []byte) error {
	if s.Pad {
		clear(part)
		return nil
	}
	of, err := f.acquire(s.File, false)
	if err != nil {
		return err
	}
	defer f.release(of)
	n, err := of.file.ReadAt(part, s.FileOffset)
	if n == len(part) {
		return nil
	}
	if err == io.EOF {
		return &Error{Kind: ErrChanged, Op: "read", Path: f.show(s.File),
			Detail: sizes(s.FileOffset+int64(n), f.info.Files[s.File].Length)}
	}
	return Explain("read", f.show(s.File), err)
}

func (f *File) writeFile(s metainfo.Span, part []byte) error {
	if s.Pad {
		return nil
	}
	of, err := f.acquire(s.File, true)
	if err != nil {
		return err
	}
	err = f.out.writeAt(of.file, s.File, part, s.FileOffset, f.info.Files[s.File].Length)
	f.release(of)
	f.mu.Lock()
	f.dirty[s.File] = true // after the write, so that no Sync misses it
	f.mu.Unlock()
	return Explain("write", f.show(s.File), err)
}

// plainWrite writes through the page cache, as any program does.
func plainWrite(f diskFile, p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

// Finish makes the download whole once every piece is in place: it creates the
// empty files.
func (f *File) Finish() error {
	for i, name := range f.names {
		if name == "" || f.info.Files[i].Length > 0 {
			continue
		}
		of, err := f.acquire(i, true)
		if err != nil {
			return err
		}
		f.release(of)
	}
	return nil
}

// Sync waits until everything written is on the disk itself, safe from a loss
// of power.
func (f *File) Sync() error {
	_, err := f.sync()
	return err
}

// sync also returns which files there were to sync, in order.
func (f *File) sync() ([]int, error) {
	f.mu.Lock()
	files := slices.Sorted(maps.Keys(f.dirty))
	clear(f.dirty)
	err := f.failed
	f.mu.Unlock()
	for k := 0; k < len(files) && err == nil; k++ {
		if _, exists := f.stamp(files[k]); !exists {
			continue // opening it would create it
		}
		// Syncing one handle covers what others have written to the file.
		var of *openFile
		if of, err = f.acquire(files[k], true); err == nil {
			err = Explain("write", of.path, of.file.Sync())
			f.release(of)
		}
	}
	if err != nil {
		f.mu.Lock()
		for _, i := range files {
			f.dirty[i] = true
		}
		f.mu.Unlock()
	}
	return files, err
}

// touched makes the next sync cover the files of a piece, which others may have
// written.
func (f *File) touched(piece int) {
	var room [8]metainfo.Span
	spans := f.info.AppendSpans(room[:0], int64(piece)*f.info.PieceLength, f.info.PieceSpan(piece))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range spans {
		if !s.Pad {
			f.dirty[s.File] = true
		}
	}
}

// stamp returns what file i looks like now, false when it is not there.
func (f *File) stamp(i int) (stamp, bool) {
	if f.names[i] == "" {
		return stamp{}, false
	}
	fi, err := f.fs.Stat(f.names[i])
	if err != nil || !fi.Mode().IsRegular() {
		return stamp{}, false
	}
	return stampOf(fi), true
}

// Close closes all files. Calls still running finish first on their own
// handles; later ones fail with ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	for _, of := range f.open {
		f.retire(of)
	}
	if err := f.fs.Close(); f.failed == nil && err != nil {
		f.failed = Explain("close", f.info.Name, err)
	}
	return f.failed
}

// Delete closes the store and removes its files, with the folders that become
// empty by that. Files of others in them stay.
func (f *File) Delete() error {
	if f.readOnly {
		return &Error{Kind: ErrReadOnly, Op: "delete", Path: f.info.Name, Detail: "opened for seeding"}
	}
	f.mu.Lock()
	for _, of := range f.open {
		f.retire(of)
	}
	f.mu.Unlock()
	var first error
	folders := make(map[string]bool)
	for _, l := range f.links() {
		if f.isLink(l) {
			_ = f.fs.Remove(l.name) // it holds nothing
		}
	}
	for _, name := range f.names {
		if name == "" {
			continue
		}
		if err := f.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && first == nil {
			first = Explain("delete", f.fs.Show(name), err)
		}
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			folders[dir] = true
		}
	}
	deepest := slices.Sorted(maps.Keys(folders))
	for _, dir := range slices.Backward(deepest) {
		_ = f.fs.Remove(dir) // fails when it is not empty, as wanted
	}
	if err := f.Close(); first == nil {
		first = err
	}
	return first
}

// show returns the path of file i for messages.
func (f *File) show(i int) string { return f.fs.Show(f.names[i]) }
