//go:build !js

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// rootFS keeps to one folder. os.Root resolves every component itself, so no
// ".." and no symbolic link, old or planted meanwhile, leads out of it. The folder
// is open only as long as its Handles have room for it.
type rootFS struct {
	handle
	dir     string
	handles *Handles

	mu     sync.Mutex
	root   *os.Root    // nil while it is not open
	first  fs.FileInfo // the folder as it was when it was first opened
	users  int
	closed bool
}

func openRootFS(dir string, h *Handles) (*rootFS, error) {
	r := &rootFS{dir: dir, handles: h}
	r.owner = r
	_, err := r.use()
	if tooManyOpen(err) {
		h.trim(0)
		_, err = r.use()
	}
	if err != nil {
		return nil, Explain("open", dir, err)
	}
	r.done()
	h.trim(h.max)
	return r, nil
}

// errOtherFolder means that another folder was put in the place of ours.
var errOtherFolder = errors.New("the folder was replaced by another")

// use returns the folder open; done follows.
func (r *rootFS) use() (*os.Root, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fs.ErrClosed
	}
	if r.root == nil {
		root, err := os.OpenRoot(r.dir)
		if err != nil {
			return nil, err
		}
		now, err := root.Stat(".")
		if err == nil && r.first != nil && !os.SameFile(r.first, now) {
			err = errOtherFolder
		}
		if err != nil {
			_ = root.Close() // nothing was written
			return nil, err
		}
		r.root, r.first = root, now
	}
	r.users++
	r.handles.touch(&r.handle)
	return r.root, nil
}

func (r *rootFS) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.users == 0 && r.closed {
		_ = r.root.Close() // nothing was written through it
	}
}

// idle implements closer.
func (r *rootFS) idle(x *handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || r.root == nil:
	case r.users > 0:
		r.handles.touch(x)
	default:
		_ = r.root.Close() // nothing was written through it
		r.root = nil
	}
}

// Rest closes the folder until it is used again.
func (r *rootFS) Rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root != nil && r.users == 0 && !r.closed {
		_ = r.root.Close() // nothing was written through it
		r.root = nil
		r.handles.remove(&r.handle)
	}
}

// Close lets go of the folder once nobody uses it.
func (r *rootFS) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.handles.remove(&r.handle)
	if r.root != nil && r.users == 0 {
		return r.root.Close()
	}
	return nil
}

func (r *rootFS) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	root, err := r.use()
	if err != nil {
		return nil, err
	}
	defer r.done()
	f, err := root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a non-nil diskFile
	}
	return f, nil
}

// in calls f with the folder open.
func (r *rootFS) in(f func(*os.Root) error) error {
	root, err := r.use()
	if err != nil {
		return err
	}
	defer r.done()
	return f(root)
}

func (r *rootFS) MkdirAll(name string, perm fs.FileMode) error {
	return r.in(func(root *os.Root) error { return root.MkdirAll(name, perm) })
}

func (r *rootFS) Stat(name string) (fi fs.FileInfo, err error) {
	err = r.in(func(root *os.Root) (err error) { fi, err = root.Stat(name); return err })
	return fi, err
}

func (r *rootFS) Lstat(name string) (fi fs.FileInfo, err error) {
	err = r.in(func(root *os.Root) (err error) { fi, err = root.Lstat(name); return err })
	return fi, err
}

func (r *rootFS) Readlink(name string) (target string, err error) {
	err = r.in(func(root *os.Root) (err error) { target, err = root.Readlink(name); return err })
	return target, err
}

func (r *rootFS) Symlink(target, name string) error {
	return r.in(func(root *os.Root) error { return root.Symlink(target, name) })
}

func (r *rootFS) Chmod(name string, mode fs.FileMode) error {
	return r.in(func(root *os.Root) error { return root.Chmod(name, mode) })
}

func (r *rootFS) Rename(from, to string) error {
	return r.in(func(root *os.Root) error { return root.Rename(from, to) })
}

func (r *rootFS) Remove(name string) error {
	return r.in(func(root *os.Root) error { return root.Remove(name) })
}

func (r *rootFS) Show(name string) string { return filepath.Join(r.dir, name) }
