//go:build !js

package storage

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Restore gives a download that is whole the executable bits and the symbolic links
// that its torrent asks for (BEP 47). Files that the store has made are executable
// already; this is for those that were there before. Nothing is taken away: what is in
// the place of a link stays. What could not be restored, as on a file system that knows
// neither, is an *Error about the first such name; the content is whole all the same.
func (f *File) Restore() error {
	if f.readOnly {
		return nil
	}
	var first error
	missed := 0
	miss := func(err error) {
		if err != nil {
			if missed++; first == nil {
				first = err
			}
		}
	}
	for i, name := range f.names {
		if name != "" && f.info.Files[i].Executable {
			miss(f.makeExecutable(name))
		}
	}
	for _, l := range f.links() {
		miss(f.makeLink(l))
	}
	if e, ok := first.(*Error); ok && missed > 1 {
		e.Detail = "and " + strconv.Itoa(missed-1) + " more like it"
	}
	return first
}

// makeExecutable lets everybody run a file who may read it.
func (f *File) makeExecutable(name string) error {
	if runtime.GOOS == "windows" { // where the name decides
		return nil
	}
	fi, err := f.fs.Stat(name)
	if err != nil {
		return Explain("make executable", f.fs.Show(name), err)
	}
	mode := fi.Mode().Perm()
	if want := mode | mode&0o444>>2; want != mode {
		err = f.fs.Chmod(name, want)
	}
	return Explain("make executable", f.fs.Show(name), err)
}

// diskLink is a symbolic link as it is on the disk.
type diskLink struct{ name, target string }

// links are the symbolic links that this system can hold.
func (f *File) links() (links []diskLink) {
	if f.readOnly || f.info.Single {
		return nil
	}
	for _, l := range f.info.Symlinks {
		name, ok1 := linkPath(f.info, l.Path)
		target, ok2 := linkPath(f.info, l.Target)
		if !ok1 || !ok2 {
			continue
		}
		if target, err := filepath.Rel(filepath.Dir(name), target); err == nil {
			links = append(links, diskLink{name, target})
		}
	}
	return links
}

// linkPath is a path of the torrent below the target folder; metainfo has seen that it
// is safe, a store that writes to disk looks again.
func linkPath(info *metainfo.Info, path []string) (string, bool) {
	name, ok := localName(info.Name, runtime.GOOS == "windows")
	for _, part := range path {
		local, fine := localName(part, runtime.GOOS == "windows")
		ok = ok && fine
		name = filepath.Join(name, local)
	}
	return name, ok && len(path) > 0 && filepath.IsLocal(name)
}

// makeLink makes one link. It must be in a folder of its own name, not behind another
// link, because it says by ".." where its target is; and it must lead to something
// below the target folder.
func (f *File) makeLink(l diskLink) error {
	if f.isLink(l) {
		return nil
	}
	fail := func(err error) error { return Explain("make the link", f.fs.Show(l.name), err) }
	dir := filepath.Dir(l.name)
	if err := f.fs.MkdirAll(dir, 0o777); err != nil {
		return fail(err)
	}
	for ; dir != "."; dir = filepath.Dir(dir) {
		fi, err := f.fs.Lstat(dir)
		if err != nil {
			return fail(err)
		}
		if fi.Mode()&fs.ModeSymlink != 0 {
			return &Error{Kind: ErrOutside, Op: "make the link", Path: f.fs.Show(l.name)}
		}
	}
	if _, err := f.fs.Lstat(l.name); err == nil {
		return &Error{Kind: ErrExists, Op: "make the link", Path: f.fs.Show(l.name)}
	}
	if err := f.fs.Symlink(l.target, l.name); err != nil {
		return fail(err)
	}
	if _, err := f.fs.Stat(l.name); err != nil {
		_ = f.fs.Remove(l.name) // it was made a moment ago
		return fail(err)
	}
	return nil
}

// isLink reports that a link is there as it should be.
func (f *File) isLink(l diskLink) bool {
	target, err := f.fs.Readlink(l.name)
	return err == nil && target == l.target
}
