//go:build unix

package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The user is told which of his files was touched, and how many more.
func TestWhatWasTouchedIsNamed(t *testing.T) {
	const again, many = "its pieces are checked again", "their pieces are checked again"
	later := time.Now().Add(time.Hour)
	touch := func(names ...string) func(dir string) error {
		return func(dir string) (err error) {
			for _, name := range names {
				err = errors.Join(err, os.Chtimes(filepath.Join(dir, name), later, later))
			}
			return err
		}
	}
	s := mixed(t, false, true) // 0-3 a.bin, 4 deep/c, 5 deep/er/b.bin, 6-12 z.bin
	for _, c := range []struct {
		what  string
		touch func(dir string) error
		want  string
	}{
		{"nothing", touch(), ""},
		{"one file", touch("sample/z.bin"), "DIR/sample/z.bin was changed since the last time: " + again},
		{"a file gone", func(dir string) error { return os.Remove(dir + "/sample/a.bin") }, "DIR/sample/a.bin is gone: " + again},
		{"two files", touch("sample/a.bin", "sample/z.bin"), "DIR/sample/a.bin was changed since the last time, and so it is with 1 more: " + many},
		{"three files", touch("sample/a.bin", "sample/z.bin", "sample/deep/er/b.bin"), "DIR/sample/a.bin was changed since the last time, and so it is with 2 more: " + many},
		{"a file of which nothing was had", func(dir string) error { return os.WriteFile(dir+"/sample/deep/c", []byte("x"), 0o644) }, ""},
	} {
		dir := t.TempDir()
		x := begin(t, dir, s)
		x.download(t, s, 0, 1, 5, 6)
		x.stop(t)
		if err := c.touch(dir); err != nil {
			t.Fatal(err)
		}
		x = begin(t, dir, s)
		if want := strings.Replace(c.want, "DIR", dir, 1); x.Note() != want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, x.Note(), want)
		}
		x.stop(t)
	}
	one := makeSample(t, true, false, "f:50000")
	dir := t.TempDir()
	x := begin(t, dir, one)
	x.download(t, one, 0)
	x.stop(t)
	if err := touch("f")(dir); err != nil {
		t.Fatal(err)
	}
	x = begin(t, dir, one)
	if want := filepath.Join(dir, "f") + " was changed since the last time: " + again; x.Note() != want {
		t.Errorf("a single file: %s", x.Note())
	}
	x.stop(t)
}

// What a file may look like that nobody else has touched.
func TestFamiliarFiles(t *testing.T) {
	s := makeSample(t, true, false, "a:50000", "b:50000")
	last := time.UnixMilli(1_000_000)
	was := stamp{size: 50000, mtime: last.UnixNano() - 500}
	latest := last.Add(lateWrites).UnixNano()
	for _, c := range []struct {
		what         string
		clean, known bool
		now          stamp
		want         bool
	}{
		{"the same", true, true, was, true},
		{"later", true, true, stamp{50000, was.mtime + 1}, false},
		{"shorter", true, true, stamp{49999, was.mtime}, false},
		{"new", true, false, was, false},
		{"the same after a kill", false, true, was, true},
		{"older after a kill", false, true, stamp{50000, was.mtime - 1}, false},
		{"shorter after a kill", false, true, stamp{49999, was.mtime}, false},
		{"written to until the kill", false, true, stamp{50000, latest}, true},
		{"written to after the kill", false, true, stamp{50000, latest + 1}, false},
		{"made since the checkpoint", false, false, stamp{50000, latest}, true},
		{"made since the checkpoint, long ago", false, false, stamp{50000, 1}, true},
		{"made after the kill", false, false, stamp{50000, latest + 1}, false},
	} {
		r := &Resume{info: s.Info, resumeFile: resumeFile{log: resumeLog{clean: c.clean, last: last, stamps: map[int]stamp{}}}}
		if c.known {
			r.log.stamps[1] = was
		}
		if got := (&judge{r: r}).familiar(1, c.now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

// What was recorded after the last checkpoint is believed in the same run of the system
// alone, and if it reaches the disk now.
func TestUnsafePiecesAreBelievedInTheSameRun(t *testing.T) {
	s := mixed(t, false, true)
	n := s.Info.NumPieces()
	for _, c := range []struct {
		what, was, is string
		full          bool // the disk
		safe          bool
	}{
		{"the same run", "boot", "boot", false, true},
		{"another run", "boot", "other", false, false},
		{"who knows", "", "", false, false},
		{"a disk that fails", "boot", "boot", true, false},
	} {
		dir := t.TempDir()
		r, err := OpenResume(dir, s.Info.Key())
		if err != nil {
			t.Fatal(err)
		}
		r.boot = c.was
		f := openFiles(t, dir, s, FileOptions{})
		if err := r.SetInfo(s.Info); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Attach(f); err != nil {
			t.Fatal(err)
		}
		x := &session{Resume: r, f: f}
		x.download(t, s, 0, 6)
		x.die()
		if r, err = OpenResume(dir, s.Info.Key()); err != nil {
			t.Fatal(err)
		}
		r.boot = c.is
		faulty, d := onFaults(t, dir, s, FileOptions{})
		d.fail = func(op, name string) error {
			if c.full && op == "sync" && name == "sample/z.bin" {
				return syscall.EIO
			}
			return nil
		}
		have, doubtful, err := r.Attach(faulty)
		if err != nil {
			t.Fatal(err)
		}
		believed, not := setOf(n, 0, 6), NewBits(n)
		if !c.safe {
			believed, not = not, believed
		}
		wantBits(t, c.what, have, believed)
		wantBits(t, c.what, doubtful, not)
		if c.safe != (r.Note() == "") {
			t.Errorf("%s: %q", c.what, r.Note())
		}
		if c.safe && d.count["sync"] != 2 {
			t.Errorf("%s: %d files were synced", c.what, d.count["sync"])
		}
		d.fail = nil
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A session that cannot begin is an error, and records nothing.
func TestASessionThatCannotBegin(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 3)
	x.stop(t)
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	file := r.file
	if r.file, err = os.Open(resumePath(dir, s)); err != nil { // cannot be cut off
		t.Fatal(err)
	}
	have, doubtful, err := r.Attach(openFiles(t, dir, s, FileOptions{}))
	if e := new(Error); !errors.As(err, &e) || e.Path != resumePath(dir, s) || have != nil || doubtful != nil {
		t.Errorf("got %v, %v, %v", have, doubtful, err)
	}
	if err := r.MarkHave(4); !errors.Is(err, ErrRange) {
		t.Errorf("a piece was recorded: %v", err)
	}
	r.file.Close()
	r.file = file
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// A log that has become long and cannot be written anew.
	inTheWay := resumePath(dir, s) + ".new"
	if err := os.Mkdir(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(inTheWay, "mine"), []byte("x"))
	if r, err = OpenResume(dir, s.Info.Key()); err != nil {
		t.Fatal(err)
	}
	r.end = compactAbove + 1
	if _, _, err := r.Attach(openFiles(t, dir, s, FileOptions{})); err == nil || !strings.Contains(err.Error(), inTheWay) {
		t.Errorf("got %v", err)
	}
	r.end = 0 // as it stands
	if _, err := os.Stat(filepath.Join(inTheWay, "mine")); err != nil {
		t.Error(err)
	}
	_ = r.file.Close()
}

// A session whose files cannot be forced to the disk at its end leaves a log as after a
// kill: the latest pieces are not vouched for.
func TestASessionThatCannotEnd(t *testing.T) {
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
	x := &session{Resume: r, f: f}
	x.download(t, s, 0)
	d.fail = func(op, _ string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	}
	if err := r.Close(); err == nil {
		t.Error("nobody is told")
	}
	b, err := os.ReadFile(resumePath(dir, s))
	if err != nil {
		t.Fatal(err)
	}
	log, err := parseResumeLog(bytes.NewReader(b), int64(len(b)), s.Info.Key())
	if err != nil || log.clean || len(log.unsafe) != 1 || !log.have.Has(0) {
		t.Errorf("clean: %v, %d pieces are not safe, %v", log.clean, len(log.unsafe), err)
	}
}
