package storage

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// rwfDontCache (RWF_DONTCACHE, Linux 6.14) starts to write to the disk at once
	// and gives the pages back when that is done. A download is written once and
	// seldom read soon: without this it pushes everything else out of the page
	// cache, and where memory is handed out by a hypervisor each page that was
	// never touched before costs twenty times what the copy into it does.
	rwfDontCache = 0x80
	// step is how much space is taken on the disk at a time, in bytes: each
	// allocation costs the file system a transaction, and pieces come in random
	// order.
	step = 16 << 20
	// smallWrite is the size in bytes below which a write is left to the page
	// cache, which joins neighbours: written at once they would be many small ones
	// to the disk.
	smallWrite = 128 << 10
)

// writer writes pieces the way that costs this system least. What the kernel or
// the file system does not know is not tried again.
type writer struct {
	noDontCache, noAllocate atomic.Bool
	pace                    pace

	mu    sync.Mutex
	taken map[int]map[int64]bool // by file: the steps whose space is taken

	// The calls to the system; nil: the real ones. Tests make them fail.
	put  func(fd int, p []byte, off int64) (int, error)
	take func(fd int, off, length int64) error
}

// writeAt writes all of p to file i of the given length.
func (w *writer) writeAt(f diskFile, i int, p []byte, off, length int64) error {
	file, ok := f.(*os.File)
	if !ok || len(p) < smallWrite {
		return plainWrite(f, p, off)
	}
	fd := int(file.Fd())
	if !w.noAllocate.Load() {
		w.allocate(fd, i, off, int64(len(p)), length)
	}
	put := w.put
	if put == nil {
		put = putDontCache
	}
	for len(p) > 0 && !w.noDontCache.Load() && w.pace.atOnce(len(p)) {
		began := time.Now()
		n, err := put(fd, p, off)
		switch {
		case err == nil && n > 0:
			w.pace.took(n, time.Since(began))
			p, off = p[n:], off+int64(n)
		case errors.Is(err, unix.EINTR):
		case err == nil || unsupported(err):
			w.noDontCache.Store(true)
		default:
			return err
		}
	}
	if len(p) == 0 {
		return nil
	}
	return plainWrite(f, p, off)
}

func putDontCache(fd int, p []byte, off int64) (int, error) {
	return unix.Pwritev2(fd, [][]byte{p}, off, rwfDontCache)
}

// allocate takes the space of the steps that a write touches, without changing
// the length of the file. It may fail: then the write takes what it needs, and
// says so if there is none.
func (w *writer) allocate(fd, i int, off, n, length int64) {
	take := w.take
	if take == nil {
		take = takeSpace
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken == nil {
		w.taken = map[int]map[int64]bool{}
	}
	if w.taken[i] == nil {
		w.taken[i] = map[int64]bool{}
	}
	for s := off / step; s <= (off+n-1)/step; s++ {
		if w.taken[i][s] {
			continue
		}
		w.taken[i][s] = true
		if err := take(fd, s*step, min(step, length-s*step)); err != nil && !errors.Is(err, unix.EINTR) {
			w.noAllocate.Store(true) // not known here, or the disk is nearly full
			return
		}
	}
}

func takeSpace(fd int, off, length int64) error {
	return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, length)
}

// unsupported reports that the kernel or the file system does not know the call.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}
