//go:build linux || darwin

package storage

import (
	"os"

	"golang.org/x/sys/unix"
)

func seekData(f *os.File, off int64) (int64, error) { return f.Seek(off, unix.SEEK_DATA) }
