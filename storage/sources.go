//go:build !js

package storage

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// OpenSources returns a store over the paths from which the torrent was made: one
// file, one folder, or several of both, which lie side by side in the torrent
// under their base names. It is read-only, whatever opt says. A file that is not
// there, or not as long as the torrent says, is an *Error that names it.
func OpenSources(info *metainfo.Info, paths []string, opt FileOptions) (*File, error) {
	names, err := sourceNames(info)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 || len(paths) > 1 && info.Single {
		return nil, &Error{Kind: ErrMissing, Op: "open", Path: info.Name, Detail: "the paths given are not its own"}
	}
	src := &sourceFS{handles: opt.handles(), files: map[string]string{}, roots: map[string]*rootFS{}}
	if len(paths) == 1 {
		path := paths[0]
		if fi, err := os.Stat(path); err == nil && fi.IsDir() && info.Single {
			// A folder with nothing but a file of its own name makes a
			// single-file torrent.
			path = filepath.Join(path, topOf(names))
		}
		err = src.add(topOf(names), path)
	} else {
		// The torrent's name stands for no folder on this disk.
		for i, name := range names {
			_, names[i], _ = strings.Cut(name, string(filepath.Separator))
		}
		for _, path := range paths {
			var top string
			if top, err = SourceName(path); err == nil {
				err = src.add(top, path)
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		_ = src.Close() // nothing was written
		return nil, err
	}
	return newFile(src, info, names, FileOptions{ReadOnly: true, Handles: opt.Handles})
}

// topOf returns the first component that all names have.
func topOf(names []string) string {
	for _, name := range names {
		if name != "" {
			top, _, _ := strings.Cut(name, string(filepath.Separator))
			return top
		}
	}
	return ""
}

// SourceName returns the name that a path to be shared gets in a torrent: its
// last component, also for "." and the like.
func SourceName(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", Explain("open", path, err)
	}
	base := filepath.Base(abs)
	if base == "." || base == string(filepath.Separator) || filepath.VolumeName(abs) == base {
		return "", &Error{Kind: ErrName, Op: "share", Path: path, Detail: "a whole disk has no name"}
	}
	return base, nil
}

func (s *sourceFS) add(top, path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return Explain("open", path, err)
	}
	if s.files[top] != "" || s.roots[top] != nil {
		return &Error{Kind: ErrName, Op: "share", Path: path, Detail: "two of the paths end in " + top}
	}
	if !fi.IsDir() {
		s.files[top] = path
		return nil
	}
	root, err := openRootFS(path, s.handles)
	if err != nil {
		return err
	}
	s.roots[top] = root
	return nil
}
