//go:build !js

package maketorrent

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// source is one file on disk.
type source struct {
	path        string   // as the user knows it
	root        *os.Root // nil for a file that was named itself
	name        string   // below root
	torrentPath []string
	size        int64
	mtime       time.Time
	executable  bool
}

func (s *source) open() (*os.File, error) {
	if s.root == nil {
		return os.Open(s.path)
	}
	return s.root.Open(s.name)
}

func (s *source) stat() (fs.FileInfo, error) {
	if s.root == nil {
		return os.Stat(s.path)
	}
	return s.root.Stat(s.name)
}

// changed is an error when the file is no longer what it was when it was listed.
func (s *source) changed(fi fs.FileInfo, err error) error {
	if err != nil {
		return storage.Explain("read", s.path, err)
	}
	if fi.Size() != s.size || !fi.ModTime().Equal(s.mtime) {
		return &Error{s.path, "it was written to meanwhile"}
	}
	return nil
}

// sources are the files of a torrent in the making.
type sources struct {
	all     []source
	roots   []*os.Root
	skipped func(path, why string)
	output  fs.FileInfo // what is where the torrent will be written; nil: nothing

	mu   sync.Mutex
	open map[int]*shared
}

// shared is a file that several workers read.
type shared struct {
	*os.File
	refs int
}

// list finds all files. Their order depends on their names alone.
func list(paths []string, opt Options) (string, *sources, error) {
	if len(paths) == 0 {
		return "", nil, &Error{"nothing", "no path given"}
	}
	name, err := nameFor(paths, opt)
	if err != nil {
		return "", nil, err
	}
	s := &sources{skipped: opt.Skipped, open: make(map[int]*shared)}
	if s.skipped == nil {
		s.skipped = func(string, string) {}
	}
	if opt.Output != "" {
		s.output, _ = os.Stat(opt.Output) // where there is none, it is no source
	}
	tops := make(map[string]bool)
	for _, p := range paths {
		top := []string{name}
		if len(paths) > 1 {
			var base string
			if base, err = storage.SourceName(p); err == nil && tops[base] {
				err = &Error{p, "another path ends in " + base + ", too"}
			}
			tops[base] = true
			top = []string{base}
		}
		if err == nil {
			err = s.add(p, top, len(paths) > 1)
		}
		if err != nil {
			s.close()
			return "", nil, err
		}
	}
	return name, s, nil
}

// add takes a path that the user named. What is in a folder lies below top only
// when there are several paths.
func (s *sources) add(p string, top []string, several bool) error {
	fi, err := os.Stat(p)
	if err != nil {
		return storage.Explain("read", p, err)
	}
	if !fi.IsDir() {
		if !fi.Mode().IsRegular() {
			return &Error{p, "it is not a regular file"}
		}
		if os.SameFile(fi, s.output) {
			return &Error{p, "it is where the torrent is to be written"}
		}
		return s.take(source{path: p, torrentPath: top}, fi)
	}
	root, err := os.OpenRoot(p)
	if err != nil {
		return storage.Explain("read", p, err)
	}
	s.roots = append(s.roots, root)
	if !several {
		top = nil
	}
	before := len(s.all)
	if err := s.walk(p, root, top); err != nil {
		return err
	}
	if len(s.all) == before && !several {
		return &Error{p, "the folder is empty"}
	}
	return nil
}

func (s *sources) walk(folder string, root *os.Root, top []string) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		shown := filepath.Join(folder, filepath.FromSlash(name))
		if err != nil {
			return storage.Explain("read", shown, err)
		}
		switch {
		case name == ".":
			return nil
		case junk(path.Base(name)) && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			if list, err := fs.ReadDir(root.FS(), name); err == nil && len(list) == 0 {
				s.skipped(shown, "empty folder: a torrent holds files alone")
			}
			return nil
		case junk(path.Base(name)):
			return nil
		}
		fi, err := d.Info()
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			// A link to a file inside is that file once more, as for other
			// makers of torrents: most clients make an empty file of a link
			// in a torrent. One to a folder might never end, one to outside
			// is nobody's business.
			if fi, err = root.Stat(name); err != nil {
				why := "link that leads out of the folder or nowhere"
				if to, err := root.Readlink(name); err == nil && filepath.IsAbs(to) {
					why = "link by an absolute path, which leads elsewhere on other machines"
				}
				s.skipped(shown, why)
				return nil
			}
			if fi.IsDir() {
				s.skipped(shown, "link to a folder")
				return nil
			}
		}
		if err != nil {
			return storage.Explain("read", shown, err)
		}
		if !fi.Mode().IsRegular() {
			s.skipped(shown, "not a regular file")
			return nil
		}
		if os.SameFile(fi, s.output) {
			s.skipped(shown, "the torrent itself is written there")
			return nil
		}
		torrentPath := append(top[:len(top):len(top)], strings.Split(name, "/")...)
		return s.take(source{path: shown, root: root, name: name, torrentPath: torrentPath}, fi)
	})
}

// take adds a file, if it can be read: better now than after an hour of hashing.
func (s *sources) take(f source, fi fs.FileInfo) error {
	for _, part := range f.torrentPath {
		if !utf8.ValidString(part) {
			return &Error{f.path, "its name is not UTF-8; rename it"}
		}
	}
	file, err := f.open()
	if err != nil {
		return storage.Explain("read", f.path, err)
	}
	_ = file.Close() // nothing was written
	f.size, f.mtime = fi.Size(), fi.ModTime()
	f.executable = fi.Mode()&0o111 != 0
	s.all = append(s.all, f)
	return nil
}

// junk reports names that systems scatter about and nobody wants to share.
func junk(name string) bool {
	switch name {
	case ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", "__MACOSX",
		"Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "$RECYCLE.BIN", "System Volume Information",
		"lost+found", ".directory":
		return true
	}
	return strings.HasPrefix(name, "._") || strings.HasPrefix(name, ".nfs") ||
		strings.HasPrefix(name, ".") && strings.HasSuffix(strings.TrimSuffix(name, ".new"), ".shoal")
}

// read fills piece from the files; what they do not cover is zeros.
func (s *sources) read(piece []byte, ranges []metainfo.FileRange) error {
	var at int64
	for _, r := range ranges {
		clear(piece[at:r.Offset])
		at = r.Offset + r.Length
		if err := s.readFile(r.File, piece[r.Offset:at], r.FileOffset); err != nil {
			return err
		}
	}
	clear(piece[at:])
	return nil
}

func (s *sources) readFile(i int, p []byte, off int64) error {
	f := &s.all[i]
	file, err := s.acquire(i)
	if err != nil {
		return storage.Explain("read", f.path, err)
	}
	defer s.release(i, file)
	if n, err := file.ReadAt(p, off); n < len(p) {
		if err == io.EOF {
			return &Error{f.path, "it became shorter meanwhile"}
		}
		return storage.Explain("read", f.path, err)
	}
	return nil
}

// acquire returns file i, open for everybody who reads it at this moment: a
// shared position is what the system's own read-ahead goes by.
func (s *sources) acquire(i int) (*shared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if file := s.open[i]; file != nil {
		file.refs++
		return file, nil
	}
	file, err := s.all[i].open()
	if err != nil {
		return nil, err
	}
	s.open[i] = &shared{File: file, refs: 1}
	return s.open[i], nil
}

func (s *sources) release(i int, file *shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if file.refs--; file.refs == 0 {
		delete(s.open, i)
		_ = file.Close() // nothing was written
	}
}

// unchanged looks at every file once more.
func (s *sources) unchanged() error {
	for k := range s.all {
		if err := s.all[k].changed(s.all[k].stat()); err != nil {
			return err
		}
	}
	return nil
}

func (s *sources) close() {
	for _, r := range s.roots {
		_ = r.Close()
	}
}
