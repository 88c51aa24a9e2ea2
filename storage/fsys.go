//go:build !js

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fsys is the seam between a File and the disk: everything that can fail goes
// through it, so that tests make it fail. Names use the system's separator and
// are relative to a folder that the fsys never leaves.
type fsys interface {
	OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error)
	MkdirAll(name string, perm fs.FileMode) error
	Stat(name string) (fs.FileInfo, error)
	Remove(name string) error
	// Lstat and Readlink look at a symbolic link itself.
	Lstat(name string) (fs.FileInfo, error)
	Readlink(name string) (string, error)
	Symlink(target, name string) error
	Chmod(name string, mode fs.FileMode) error
	Rename(from, to string) error
	// Show returns the name as the user knows it.
	Show(name string) string
	Close() error
}

// diskFile is the part of *os.File that a store needs.
type diskFile interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	Sync() error
	Close() error
}

// sourceFS reads from paths that the user named, each under its base name. A
// folder is confined like any root; a file is opened as named, because naming
// it, even through a symbolic link, was the user's decision.
type sourceFS struct {
	handles *Handles
	files   map[string]string  // first component -> path of a single file
	roots   map[string]*rootFS // first component -> folder
}

// split returns the folder that holds name and the rest of the name, or the
// path of a single file.
func (s *sourceFS) split(name string) (r *rootFS, rest, file string) {
	top, rest, deeper := strings.Cut(name, string(filepath.Separator))
	if r := s.roots[top]; r != nil && deeper {
		return r, rest, ""
	}
	if file := s.files[top]; file != "" && !deeper {
		return nil, "", file
	}
	return nil, "", ""
}

func (s *sourceFS) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	if flag != os.O_RDONLY {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrReadOnly}
	}
	r, rest, file := s.split(name)
	if r != nil {
		return r.OpenFile(rest, flag, perm)
	}
	if file == "" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (s *sourceFS) Stat(name string) (fs.FileInfo, error) {
	r, rest, file := s.split(name)
	if r != nil {
		return r.Stat(rest)
	}
	if file == "" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return os.Stat(file)
}

func (s *sourceFS) MkdirAll(string, fs.FileMode) error { return ErrReadOnly }
func (s *sourceFS) Remove(string) error                { return ErrReadOnly }
func (s *sourceFS) Symlink(string, string) error       { return ErrReadOnly }
func (s *sourceFS) Chmod(string, fs.FileMode) error    { return ErrReadOnly }
func (s *sourceFS) Rename(string, string) error        { return ErrReadOnly }

// Lstat and Readlink are of no use here: what is a link in a source is followed.
func (s *sourceFS) Lstat(name string) (fs.FileInfo, error) { return s.Stat(name) }
func (s *sourceFS) Readlink(string) (string, error)        { return "", ErrReadOnly }

func (s *sourceFS) Show(name string) string {
	r, rest, file := s.split(name)
	if r != nil {
		return r.Show(rest)
	}
	if file != "" {
		return file
	}
	return name
}

// Rest closes the folders until they are used again.
func (s *sourceFS) Rest() {
	for _, r := range s.roots {
		r.Rest()
	}
}

func (s *sourceFS) Close() error {
	var errs []error
	for _, r := range s.roots {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// Explain turns an error of the operating system, met on the attempt to op
// ("read", "write", ...) path, into an *Error. An *Error stays as it is, nil is
// nil.
func Explain(op, path string, err error) error {
	var done *Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	kind := ErrIO
	var k Kind
	switch {
	case errors.As(err, &k):
		kind = k
	case errors.Is(err, fs.ErrNotExist):
		kind = ErrMissing
	case errors.Is(err, fs.ErrClosed):
		kind = ErrClosed
	default:
		if k := errnoKind(err); k != 0 {
			kind = k
		} else if errors.Is(err, fs.ErrPermission) {
			kind = ErrPermission
		} else if escapes(err) {
			kind = ErrOutside
		}
	}
	// The path in a PathError would be said twice, or in its relative form.
	cause := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		cause = pe.Err
	}
	return &Error{Kind: kind, Op: op, Path: path, Err: cause}
}

// escapes recognises the refusal of os.Root, which has no exported value.
func escapes(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && pe.Err != nil && pe.Err.Error() == "path escapes from parent"
}
