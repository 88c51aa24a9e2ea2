package storage

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// errnoKind names the errors of the system that a user can do something about;
// 0 for all others.
func errnoKind(err error) Kind {
	switch {
	case errors.Is(err, windows.ERROR_DISK_FULL), errors.Is(err, windows.ERROR_HANDLE_DISK_FULL),
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED):
		return ErrNoSpace
	case errors.Is(err, windows.ERROR_WRITE_PROTECT):
		return ErrReadOnly
	case errors.Is(err, windows.ERROR_FILE_TOO_LARGE):
		return ErrTooLarge
	case errors.Is(err, windows.ERROR_INVALID_NAME), errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE):
		return ErrName
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION), errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return ErrInUse
	}
	return 0
}

// tooManyOpen reports that the process has no file descriptor left.
func tooManyOpen(err error) bool { return errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) }

// setSparse asks for holes, which NTFS makes only in files marked so. On
// other file systems it fails and the file is filled with zeros.
func setSparse(f diskFile) {
	if file, ok := f.(*os.File); ok {
		var n uint32
		_ = windows.DeviceIoControl(windows.Handle(file.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &n, nil)
	}
}

// nextData returns the first offset at or after off that may hold data; size
// when only a hole follows. Where the file system does not say, it is off.
func nextData(f diskFile, off, size int64) int64 {
	file, ok := f.(*os.File)
	if !ok || off >= size {
		return off
	}
	// FILE_ALLOCATED_RANGE_BUFFER: offset and length, 8 bytes each.
	var in, out [16]byte
	binary.LittleEndian.PutUint64(in[:], uint64(off))
	binary.LittleEndian.PutUint64(in[8:], uint64(size-off))
	var n uint32
	err := windows.DeviceIoControl(windows.Handle(file.Fd()), windows.FSCTL_QUERY_ALLOCATED_RANGES,
		(*byte)(unsafe.Pointer(&in)), uint32(len(in)), (*byte)(unsafe.Pointer(&out)), uint32(len(out)), &n, nil)
	if err != nil && !errors.Is(err, windows.ERROR_MORE_DATA) {
		return off
	}
	if n < uint32(len(out)) {
		return size
	}
	return min(max(int64(binary.LittleEndian.Uint64(out[:])), off), size)
}
