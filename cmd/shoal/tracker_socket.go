package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// unixPrefix begins an address to listen on that is a Unix socket's.
const unixPrefix = "unix:"

// maxUnixPath is how long the path of a socket may be, in bytes.
const maxUnixPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// unixPath checks the path of a Unix socket.
func (s *settings) unixPath(name, path string) {
	switch {
	case !filepath.IsAbs(path):
		s.fail(name, "%q is no absolute path: write it like unix:/run/shoal/tracker.sock", path)
	case len(path) > maxUnixPath:
		s.fail(name, "the path %q has %d bytes, and that of a socket at most %d", path, len(path), maxUnixPath)
	}
}

// fileMode reads permissions, in octal.
func (s *settings) fileMode(name string) fs.FileMode {
	n, err := strconv.ParseUint(s.text(name), 8, 32)
	if mode := fs.FileMode(n); err == nil && mode == mode.Perm() {
		return mode
	}
	s.fail(name, "%q are no permissions: write them like 660 or 666", s.text(name))
	return 0
}

// listenUnix listens on a Unix socket, which is removed when the listener is closed. A socket that a
// process left there which is no more goes; anything else stays, and is an error.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, reason(err))
	}
	if err := os.Chmod(path, mode); err != nil {
		ln.Close()
		return nil, fmt.Errorf("cannot set the permissions of %s: %w", path, reason(err))
	}
	return ln, nil
}

func removeStale(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot listen on %s: %w", path, reason(err))
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("cannot listen on %s: it exists and is no socket", path)
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		nc.Close()
		return fmt.Errorf("cannot listen on %s: another process does", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil // it has just gone
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot listen on %s: it exists, and whether anybody listens cannot be told: %w", path, reason(err))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s, where nobody listens any more: %w", path, reason(err))
	}
	return nil
}

// reason is the innermost error, without the call and the path, which stand before it.
func reason(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
