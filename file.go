//go:build !js

package shoal

import (
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// File is one file of a torrent. Its methods may be called by any goroutine.
type File struct {
	t     *Torrent
	info  *metainfo.Info
	entry int // in info.Files
	index int
}

// filesOf lists the files without padding.
func filesOf(t *Torrent, info *metainfo.Info) []*File {
	var list []*File
	for i := range info.Files {
		if !info.Files[i].Pad {
			list = append(list, &File{t: t, info: info, entry: i, index: len(list)})
		}
	}
	return list
}

// Index is the file's place among [Torrent.Files], from 0.
func (f *File) Index() int { return f.index }

// Path is the file's path below the torrent's name, with slashes. Of a torrent of
// a single file it is the name.
func (f *File) Path() string { return strings.Join(f.info.Files[f.entry].Path, "/") }

// Length is the file's size in bytes.
func (f *File) Length() int64 { return f.info.Files[f.entry].Length }

// Offset is where the file begins in the torrent's piece space, in bytes.
func (f *File) Offset() int64 { return f.info.Files[f.entry].Offset }

// Pieces returns the first piece that holds bytes of the file and the one behind
// the last; both are equal for an empty file.
func (f *File) Pieces() (first, end int) { return f.info.PieceRange(f.entry) }

// Torrent is the torrent that the file belongs to.
func (f *File) Torrent() *Torrent { return f.t }

// Priority is how much the file is wanted.
func (f *File) Priority() Priority { return f.t.wishes.get(f.index) }

// SetPriority changes how much the file is wanted. A piece that several files
// share counts as the most wanted of them.
func (f *File) SetPriority(p Priority) {
	f.t.SetPriorities(func(other *File) Priority {
		if other.index == f.index {
			return p
		}
		return other.Priority()
	})
}
