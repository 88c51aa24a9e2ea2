package storage

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/metainfo"
)

// large is the info dictionary of one file of n bytes in pieces of 256 KiB.
func large(t testing.TB, n int64) *metainfo.Info {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "large.bin", PieceLength: 256 << 10, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"large.bin"}, Length: n}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		b.SetPiece(i, metainfo.PieceHashes{})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor.Info
}

// fillIn writes all pieces in random order.
func fillIn(t testing.TB, f *File, data []byte) {
	t.Helper()
	pl := int(f.info.PieceLength)
	for _, i := range rand.Perm(f.info.NumPieces()) {
		part := data[i*pl : min((i+1)*pl, len(data))]
		if n, err := f.WriteAt(part, int64(i*pl)); err != nil || n != len(part) {
			t.Fatalf("piece %d: %d, %v", i, n, err)
		}
	}
}

// Whatever the kernel and the file system can do, the bytes are right, and what
// they cannot is not asked for again.
func TestLargeWritesWithWhatTheSystemHas(t *testing.T) {
	short := func(fd int, p []byte, off int64) (int, error) {
		return unix.Pwrite(fd, p[:min(len(p), 100<<10)], off)
	}
	refuse := func(err error) func(int, []byte, int64) (int, error) {
		return func(int, []byte, int64) (int, error) { return 0, err }
	}
	for _, c := range []struct {
		name string
		put  func(int, []byte, int64) (int, error)
		take error
		most int // calls until it is given up for good; 0: it is not
	}{
		{name: "as it is here"},
		{name: "writes end early", put: short},
		{name: "interrupted", put: func() func(int, []byte, int64) (int, error) {
			n := 0
			return func(fd int, p []byte, off int64) (int, error) {
				if n++; n%2 == 1 {
					return -1, unix.EINTR
				}
				return unix.Pwrite(fd, p, off)
			}
		}()},
		{name: "the file system knows no flag", put: refuse(unix.EOPNOTSUPP), most: 1},
		{name: "the kernel knows no flag", put: refuse(unix.EINVAL), most: 1},
		{name: "the kernel knows no call", put: refuse(unix.ENOSYS), most: 1},
		{name: "the file system knows the flag no longer, halfway through a write", put: func() func(int, []byte, int64) (int, error) {
			n := 0
			return func(fd int, p []byte, off int64) (int, error) {
				if n++; n > 3 {
					return -1, unix.EOPNOTSUPP
				}
				return short(fd, p, off)
			}
		}(), most: 4},
		{name: "writes that write nothing", put: refuse(nil), most: 1},
		{name: "no space can be taken", take: unix.EOPNOTSUPP},
		{name: "less space than a step", take: unix.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := noise(40<<20+12345, 7)
			dir := t.TempDir()
			f, err := OpenFiles(dir, large(t, int64(len(data))), FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			puts, takes := 0, 0
			if c.put != nil {
				f.out.put = func(fd int, p []byte, off int64) (int, error) { puts++; return c.put(fd, p, off) }
			}
			if c.take != nil {
				f.out.take = func(int, int64, int64) error { takes++; return c.take }
			}
			fillIn(t, f, data)
			if c.most > 0 && puts != c.most || takes > 1 {
				t.Fatalf("a call that fails was made %d and %d times", puts, takes)
			}
			got, err := os.ReadFile(filepath.Join(dir, "large.bin"))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("the file differs: %d bytes, %v", len(got), err)
			}
		})
	}
}

// An error of the disk is nobody's to swallow.
func TestLargeWriteFails(t *testing.T) {
	f, err := OpenFiles(t.TempDir(), large(t, 1<<20), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.out.put = func(int, []byte, int64) (int, error) { return 0, unix.ENOSPC }
	if _, err := f.WriteAt(make([]byte, 256<<10), 0); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("a full disk gave %v", err)
	}
	f.out.put = func(int, []byte, int64) (int, error) { return 0, unix.EIO }
	if _, err := f.WriteAt(make([]byte, 256<<10), 0); !errors.Is(err, ErrIO) {
		t.Fatalf("a broken disk gave %v", err)
	}
}

// Space is taken in steps, and only where something is written.
func TestSpaceIsTakenInSteps(t *testing.T) {
	f, err := OpenFiles(t.TempDir(), large(t, 100<<20), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var took []string
	f.out.take = func(_ int, off, n int64) error {
		took = append(took, strconv.FormatInt(off>>20, 10)+"+"+strconv.FormatInt(n>>20, 10))
		return nil
	}
	for _, at := range []int64{97, 1, 2, 40, 99} {
		if _, err := f.WriteAt(make([]byte, 256<<10), at<<20); err != nil {
			t.Fatal(err)
		}
	}
	if s := len(took); s != 3 || took[0] != "96+4" || took[1] != "0+16" || took[2] != "32+16" {
		t.Fatalf("took %v", took)
	}
}

func BenchmarkWriteFresh(b *testing.B) {
	data := noise(1<<20, 3)
	info := large(b, 256<<20)
	b.SetBytes(256 << 20)
	for b.Loop() {
		f, err := OpenFiles(b.TempDir(), info, FileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for _, i := range rand.Perm(256) {
			if _, err := f.WriteAt(data, int64(i)<<20); err != nil {
				b.Fatal(err)
			}
		}
		f.Delete()
	}
}

// A disk that does not keep up is not waited for: the page cache takes what comes, for longer each time,
// and the disk is tried again.
func TestADiskThatDoesNotKeepUpIsNotWaitedFor(t *testing.T) {
	const piece = 1 << 20
	var p pace
	pass := func(d time.Duration) (atOnce, cached int) {
		for !p.atOnce(piece) {
			cached++
		}
		for {
			atOnce++
			p.took(piece, d)
			p.mu.Lock()
			judged := p.bytes == 0
			p.mu.Unlock()
			if judged {
				return atOnce, cached
			}
			if !p.atOnce(piece) {
				t.Fatal("the disk is given up before it is judged")
			}
		}
	}
	for i, c := range []struct {
		took time.Duration
		want int // pieces that the page cache took before
	}{
		{time.Millisecond, 0},
		{40 * time.Millisecond, 0},
		{40 * time.Millisecond, 256},
		{40 * time.Millisecond, 512},
		{time.Millisecond, 1024}, // it keeps up again
		{40 * time.Millisecond, 0},
		{time.Millisecond, 256},
	} {
		if n, cached := pass(c.took); n != paceSample/piece || cached != c.want {
			t.Fatalf("pass %d: %d at once, %d cached before; want %d", i, n, cached, c.want)
		}
	}
}
