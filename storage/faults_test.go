//go:build unix

package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// faults is a disk on which things go wrong.
type faults struct {
	fsys
	mu    sync.Mutex
	space int64                       // bytes that may still be written, -1 for no bound
	fail  func(op, name string) error // nil: all is well
	count map[string]int              // by op
}

func (d *faults) check(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = make(map[string]int)
	}
	d.count[op]++
	if d.fail == nil {
		return nil
	}
	if err := d.fail(op, filepath.ToSlash(name)); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (d *faults) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := d.check(op, name); err != nil {
		return nil, err
	}
	f, err := d.fsys.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, name}, nil
}

func (d *faults) MkdirAll(name string, perm fs.FileMode) error {
	if err := d.check("mkdir", name); err != nil {
		return err
	}
	return d.fsys.MkdirAll(name, perm)
}

type faultyFile struct {
	diskFile
	d    *faults
	name string
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.d.check("write", f.name); err != nil {
		return 0, err
	}
	f.d.mu.Lock()
	room := int64(len(p))
	if f.d.space >= 0 {
		room = min(room, f.d.space)
		f.d.space -= room
	}
	f.d.mu.Unlock()
	n, err := f.diskFile.WriteAt(p[:room], off)
	if err == nil && n < len(p) {
		err = &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.d.check("read", f.name); err != nil {
		return 0, err
	}
	return f.diskFile.ReadAt(p, off)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.d.check("truncate", f.name); err != nil {
		return err
	}
	return f.diskFile.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if err := f.d.check("sync", f.name); err != nil {
		return err
	}
	return f.diskFile.Sync()
}

func (f *faultyFile) Close() error {
	err := f.diskFile.Close()
	if e := f.d.check("close", f.name); e != nil {
		return e
	}
	return err
}

// onFaults opens a store over a faulty disk.
func onFaults(t *testing.T, dir string, s *sample, opt FileOptions) (*File, *faults) {
	t.Helper()
	root, err := openRootFS(dir, opt.handles())
	if err != nil {
		t.Fatal(err)
	}
	names, err := localNames(s.Info)
	if err != nil {
		t.Fatal(err)
	}
	d := &faults{fsys: root, space: -1}
	f, err := newFile(d, s.Info, names, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, d
}

func TestFullDisk(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	f, d := onFaults(t, dir, s, FileOptions{})
	if _, _, err := r.Attach(f); err != nil {
		t.Fatal(err)
	}
	d.space = 3*pieceLen - 100
	written := 0
	for i := range s.Info.NumPieces() {
		if _, err = f.WriteAt(s.piece(i), int64(i)*pieceLen); err != nil {
			break
		}
		if err := r.MarkHave(i); err != nil {
			t.Fatal(err)
		}
		written++
	}
	want := "cannot write " + filepath.Join(dir, "sample", "a.bin") + ": no space left; free some and start again, verified pieces are kept"
	if !errors.Is(err, ErrNoSpace) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if written != 2 {
		t.Errorf("%d pieces written", written)
	}
	if err := r.Close(); err != nil {
		t.Errorf("what was recorded is in danger: %v", err)
	}
	f.Close()

	x := begin(t, dir, s)
	wantBits(t, "have, next time", x.have, setOf(s.Info.NumPieces(), 0, 1))
	have, err := Verify(context.Background(), x.f, s.Info, s.Layers(), nil)
	if err != nil || !have.Has(0) || !have.Has(1) || have.Has(2) {
		t.Errorf("on disk: %08b, %v", have, err)
	}
	s.fill(t, x.f) // there is room again
	s.wantSpace(t, x.f)
}

func TestFullDiskForResumeData(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 0)
	write := x.write
	room := 5
	x.write = func(p []byte, off int64) error {
		// Half a record reaches the disk.
		if err := write(p[:room], off); err != nil {
			return err
		}
		return syscall.ENOSPC
	}
	s.fill(t, x.f, 1)
	if err := x.MarkHave(1); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("got %v", err)
	}
	if n := x.log.have; n != nil {
		t.Errorf("log kept: %v", n)
	}
	x.write = write
	x.download(t, s, 2)
	x.die()
	x = begin(t, dir, s)
	wantBits(t, "have", x.have, setOf(s.Info.NumPieces(), 0, 1, 2))
	x.write = func([]byte, int64) error { return syscall.ENOSPC }
	s.fill(t, x.f, 5)
	x.MarkHave(5)
	if err := x.Resume.Close(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("close: %v", err)
	}
	x.f.Close()
	x = begin(t, dir, s)
	for i := range 3 {
		if !x.have.Has(i) {
			t.Errorf("piece %d is lost", i)
		}
	}
}

func TestWhatTheDiskSays(t *testing.T) {
	s := makeSample(t, true, false, "in/a:40000")
	for _, c := range []struct {
		op   string
		err  error
		kind Kind
		msg  string
	}{
		{"create", syscall.EROFS, ErrReadOnly, "cannot write PATH: read-only; choose another folder"},
		{"mkdir", syscall.EROFS, ErrReadOnly, "cannot create DIR: read-only; choose another folder"},
		{"mkdir", syscall.EACCES, ErrPermission, "cannot create DIR: permission denied; change its permissions or choose another folder"},
		{"create", syscall.EACCES, ErrPermission, "cannot write PATH: permission denied; change its permissions or choose another folder"},
		{"create", syscall.EPERM, ErrPermission, "cannot write PATH: permission denied; change its permissions or choose another folder"},
		{"create", syscall.ENAMETOOLONG, ErrName, "cannot write PATH: this system cannot hold a file of that name"},
		{"create", syscall.ENOSPC, ErrNoSpace, "cannot write PATH: no space left; free some and start again, verified pieces are kept"},
		{"truncate", syscall.EFBIG, ErrTooLarge, "cannot create PATH: too large for this file system; choose a folder on another disk"},
		{"write", syscall.EIO, ErrIO, "cannot write PATH: input/output error"},
		{"write", syscall.EDQUOT, ErrNoSpace, "cannot write PATH: no space left; free some and start again, verified pieces are kept"},
	} {
		t.Run(c.op+" "+c.err.Error(), func(t *testing.T) {
			dir := t.TempDir()
			f, d := onFaults(t, dir, s, FileOptions{})
			d.fail = func(op, name string) error {
				if op == c.op {
					return c.err
				}
				return nil
			}
			_, err := f.WriteAt(s.piece(0), 0)
			if !errors.Is(err, c.kind) || !errors.Is(err, c.err) {
				t.Fatalf("got %v", err)
			}
			want := strings.NewReplacer("PATH", filepath.Join(dir, "sample", "in", "a"), "DIR", filepath.Join(dir, "sample", "in")).Replace(c.msg)
			if err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			d.fail = nil // the user has put it right
			s.fill(t, f)
			s.wantSpace(t, f)
		})
	}
}

func TestAFullDiskThatShowsOnlyAtTheEnd(t *testing.T) {
	// As on network file systems, which write when a file is closed.
	s := makeSample(t, true, false, "a:20000", "b:20000", "c:20000")
	f, d := onFaults(t, t.TempDir(), s, FileOptions{Handles: NewHandles(1)})
	d.fail = func(op, name string) error {
		if op == "close" && name == "sample/a" {
			return syscall.EDQUOT
		}
		return nil
	}
	s.fill(t, f)
	if err := f.Sync(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("sync: %v", err)
	}
	if err := f.Close(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("close: %v", err)
	}
}

func TestNoFileDescriptorsLeft(t *testing.T) {
	s := makeSample(t, true, false, "a:20000", "b:20000", "c:20000")
	f, d := onFaults(t, t.TempDir(), s, FileOptions{})
	open := 0
	d.fail = func(op, name string) error {
		switch op {
		case "open", "create":
			if open == 2 {
				return syscall.EMFILE
			}
			open++
		case "close":
			open--
		}
		return nil
	}
	s.fill(t, f)
	s.wantSpace(t, f)
}

func TestSyncTriesAgainAfterAnError(t *testing.T) {
	s := makeSample(t, true, false, "a:20000", "b:20000")
	f, d := onFaults(t, t.TempDir(), s, FileOptions{})
	s.fill(t, f)
	d.fail = func(op, name string) error {
		if op == "sync" && name == "sample/b" {
			return syscall.EIO
		}
		return nil
	}
	if err := f.Sync(); err == nil {
		t.Fatal("no error")
	}
	d.fail, d.count["sync"] = nil, 0
	if err := f.Sync(); err != nil || d.count["sync"] != 2 {
		t.Errorf("%d files synced, %v", d.count["sync"], err)
	}
	if err := f.Sync(); err != nil || d.count["sync"] != 2 {
		t.Errorf("%d files synced though nothing was written, %v", d.count["sync"], err)
	}
}
