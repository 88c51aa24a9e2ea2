//go:build !js

package shoal

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// errNotFoundYet says that a torrent is a link so far.
var errNotFoundYet = errors.New("the torrent's file list has not been found yet; try again")

// torrentFS is a torrent as an fs.FS.
type torrentFS struct {
	t   *Torrent
	ctx context.Context
}

// Open implements fs.FS.
func (f *torrentFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if f.t.Info() == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotFoundYet}
	}
	dir := &folder{name: path.Base(name)}
	seen := map[string]bool{}
	for _, file := range f.t.Files() {
		p := file.Path()
		if !fs.ValidPath(p) {
			continue
		}
		if p == name {
			return &openFile{r: file.NewReader(f.ctx), entry: fileEntry(file)}, nil
		}
		below, ok := strings.CutPrefix(p, name+"/")
		if name == "." {
			below, ok = p, true
		}
		if !ok {
			continue
		}
		first, _, nested := strings.Cut(below, "/")
		if seen[first] {
			continue
		}
		seen[first] = true
		if nested {
			dir.list = append(dir.list, entry{name: first, mode: fs.ModeDir | 0o555})
		} else {
			dir.list = append(dir.list, fileEntry(file))
		}
	}
	if len(dir.list) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.SortFunc(dir.list, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return dir, nil
}

// entry is an fs.DirEntry and its own fs.FileInfo.
type entry struct {
	name string
	size int64
	mode fs.FileMode
	file *File
}

func fileEntry(f *File) entry {
	mode := fs.FileMode(0o444)
	if f.info.Files[f.entry].Executable {
		mode = 0o555
	}
	return entry{name: path.Base(f.Path()), size: f.Length(), mode: mode, file: f}
}

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return e.size }
func (e entry) Mode() fs.FileMode          { return e.mode }
func (e entry) Type() fs.FileMode          { return e.mode.Type() }
func (e entry) ModTime() time.Time         { return time.Time{} } // a torrent has none
func (e entry) IsDir() bool                { return e.mode.IsDir() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) String() string             { return fs.FormatDirEntry(e) }

// Sys returns the *File, nil for a folder.
func (e entry) Sys() any {
	if e.file == nil {
		return nil
	}
	return e.file
}

// openFile is an open file of a torrentFS.
type openFile struct {
	r     *Reader
	entry entry
}

var (
	_ io.Seeker   = (*openFile)(nil)
	_ io.ReaderAt = (*openFile)(nil)
)

func (f *openFile) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *openFile) Read(p []byte) (int, error) { return f.r.Read(p) }
func (f *openFile) Close() error               { return f.r.Close() }

func (f *openFile) Seek(offset int64, whence int) (int64, error) { return f.r.Seek(offset, whence) }
func (f *openFile) ReadAt(p []byte, offset int64) (int, error)   { return f.r.ReadAt(p, offset) }

// folder is an open folder of a torrentFS.
type folder struct {
	name string
	list []entry
	at   int
}

func (d *folder) Stat() (fs.FileInfo, error) {
	return entry{name: d.name, mode: fs.ModeDir | 0o555}, nil
}

func (d *folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("it is a folder")}
}

func (d *folder) Close() error { return nil }

// ReadDir implements fs.ReadDirFile.
func (d *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.list[d.at:]
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n > 0 {
		rest = rest[:min(n, len(rest))]
	}
	d.at += len(rest)
	out := make([]fs.DirEntry, 0, len(rest))
	for _, e := range rest {
		out = append(out, e)
	}
	return out, nil
}
