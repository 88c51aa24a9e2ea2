//go:build !js

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// recheck is how long an open file is used before its name is looked up again.
const recheck = time.Second

// acquire returns file i open, for one call; release gives it back.
func (f *File) acquire(i int, write bool) (*openFile, error) {
	of, err := f.tryAcquire(i, write)
	if tooManyOpen(err) {
		f.handles.trim(0)
		of, err = f.tryAcquire(i, write)
	}
	f.handles.trim(f.handles.max)
	return of, err
}

// tryAcquire opens files under the lock: opening is rare and quick next to what
// follows.
func (f *File) tryAcquire(i int, write bool) (*openFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, &Error{Kind: ErrClosed, Op: "open", Path: f.show(i)}
	}
	of := f.open[i]
	if of != nil && f.moved(i, of) {
		f.retire(of)
		of = nil
	}
	if of == nil || write && !of.writable {
		fresh, err := f.openFile(i, write)
		if err != nil {
			return nil, err
		}
		if of != nil {
			f.retire(of)
		}
		of = fresh
		f.open[i] = of
	}
	of.refs++
	f.handles.touch(&of.handle)
	return of, nil
}

// release ends the use that acquire began.
func (f *File) release(of *openFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of.refs--
	if of.stale && of.refs == 0 {
		f.closeFile(of)
	}
}

// idle implements closer.
func (f *File) idle(x *handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.open[x.index]
	switch {
	case of == nil || &of.handle != x: // closed meanwhile
	case of.refs > 0:
		f.handles.touch(x)
	default:
		f.retire(of)
	}
}

// retire takes a file out of use. Callers hold mu.
func (f *File) retire(of *openFile) {
	delete(f.open, of.index)
	f.handles.remove(&of.handle)
	of.stale = true
	if of.refs == 0 {
		f.closeFile(of)
	}
}

func (f *File) closeFile(of *openFile) {
	// Network file systems report a full disk as late as here.
	if err := of.file.Close(); err != nil && of.writable && f.failed == nil {
		f.failed = Explain("write", of.path, err)
	}
}

func (f *File) openFile(i int, write bool) (*openFile, error) {
	path := f.show(i)
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
		if !f.sized[i] {
			flag |= os.O_CREATE
			if f.absent[i] {
				flag |= os.O_EXCL // what came meanwhile is somebody else's
			}
			if err := f.prepare(i); err != nil {
				return nil, err
			}
		}
	}
	perm := fs.FileMode(0o666)
	if f.info.Files[i].Executable {
		perm = 0o777 // the user's mask has its say
	}
	file, err := f.fs.OpenFile(f.names[i], flag, perm)
	if flag&os.O_EXCL != 0 && errors.Is(err, fs.ErrExist) {
		return nil, &Error{Kind: ErrExists, Op: "write", Path: path,
			Detail: "it was not there when the download began; move it away, or start again to have it looked at"}
	}
	if err != nil {
		op := "read"
		if write {
			op = "write"
		}
		return nil, Explain(op, path, err)
	}
	if flag&os.O_EXCL != 0 {
		f.absent[i] = false
	}
	of := &openFile{handle: handle{owner: f, index: i}, file: file, path: path, writable: write}
	if err := f.admit(i, of); err != nil {
		_ = file.Close() // nothing was written through it
		return nil, err
	}
	return of, nil
}

// prepare makes sure that file i can be opened for its first write: opening
// something that is no regular file could block or worse.
func (f *File) prepare(i int) error {
	name := f.names[i]
	fi, err := f.fs.Stat(name)
	if err == nil {
		return f.fits(i, fi)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Explain("create", f.show(i), err)
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := f.fs.MkdirAll(dir, 0o777); err != nil {
			return Explain("create", f.fs.Show(dir), err)
		}
	}
	return nil
}

// admit looks at a file that was just opened. The first time it is written to
// it gets its full length: others see how large it will be, a file system that
// cannot hold it says so now, and reads meet zeros instead of an end.
func (f *File) admit(i int, of *openFile) error {
	fi, err := of.file.Stat()
	if err != nil {
		return Explain("open", of.path, err)
	}
	if err := f.fits(i, fi); err != nil {
		return err
	}
	of.found, of.checked = fi, time.Now()
	length := f.info.Files[i].Length
	if !of.writable || fi.Size() == length {
		f.sized[i] = f.sized[i] || of.writable
		return nil
	}
	if f.sized[i] {
		return &Error{Kind: ErrChanged, Op: "write", Path: of.path, Detail: sizes(fi.Size(), length)}
	}
	setSparse(of.file)
	if err := of.file.Truncate(length); err != nil {
		return Explain("create", of.path, err)
	}
	f.sized[i] = true
	return nil
}

// moved looks from time to time whether a file still has its name. One that was
// removed would take up its space for as long as it is open, and what is written to it
// would be lost; one that was replaced may have been put right.
func (f *File) moved(i int, of *openFile) bool {
	now := time.Now()
	if now.Sub(of.checked) < recheck {
		return false
	}
	of.checked = now
	fi, err := f.fs.Stat(f.names[i])
	return err != nil || !os.SameFile(fi, of.found)
}

// NextData returns the first offset in the piece space at or after off that may
// hold data; the length of the piece space when there is none. It skips holes,
// padding and files that do not exist.
func (f *File) NextData(off int64) int64 {
	for i := f.fileFrom(off); i < len(f.info.Files); i++ {
		file := &f.info.Files[i]
		if file.Pad || file.Length == 0 {
			continue
		}
		of, err := f.acquire(i, false)
		if err != nil {
			if errors.Is(err, ErrMissing) {
				continue
			}
			return max(off, file.Offset) // let the read report it
		}
		from := max(off-file.Offset, 0)
		at := nextData(of.file, from, file.Length)
		f.release(of)
		if at < file.Length {
			return file.Offset + at
		}
	}
	return f.info.Length
}

func (f *File) fileFrom(off int64) int {
	if off < 0 || off >= f.info.Length {
		return len(f.info.Files)
	}
	return f.info.FileAt(off)
}

// source reports that the files are somebody's originals.
func (f *File) source() bool { return f.readOnly }
