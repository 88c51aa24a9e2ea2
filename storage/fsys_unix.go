//go:build unix

package storage

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errnoKind names the errors of the system that a user can do something about;
// 0 for all others.
func errnoKind(err error) Kind {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return ErrNoSpace
	case errors.Is(err, unix.EROFS):
		return ErrReadOnly
	case errors.Is(err, unix.EFBIG):
		return ErrTooLarge
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EILSEQ):
		return ErrName
	case errors.Is(err, unix.ELOOP):
		return ErrOutside
	}
	return 0
}

// tooManyOpen reports that the process has no file descriptor left.
func tooManyOpen(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// setSparse has nothing to do: files have holes wherever the file system can.
func setSparse(diskFile) {}

// nextData returns the first offset at or after off that may hold data; size
// when only a hole follows. Where the file system does not say, it is off.
func nextData(f diskFile, off, size int64) int64 {
	file, ok := f.(*os.File)
	if !ok {
		return off
	}
	// The file's position moves, which nobody uses: all reads are positioned.
	at, err := seekData(file, off)
	switch {
	case err == nil && at >= off:
		return min(at, size)
	case errors.Is(err, unix.ENXIO):
		return size
	}
	return off
}
