package storage

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs fn without the privileges of root, for whom no file is
// forbidden.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	// The identity for file access is one of the thread, which is thrown away
	// with it.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		fn()
	}()
	<-done
}

func TestFoldersAndFilesThatAreForbidden(t *testing.T) {
	s := makeSample(t, true, true, "movie.mp4:40000")
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(dir, "locked")
	s.save(t, locked)
	path := filepath.Join(locked, "movie.mp4")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		_, err := OpenResume(locked, s.Info.Key())
		wantPlain(t, "resume data", err, "cannot write "+resumePath(locked, s)+": permission denied; change its permissions or choose another folder")

		_, err = OpenResume(filepath.Join(locked, "new"), s.Info.Key())
		wantPlain(t, "new folder", err, "cannot create "+filepath.Join(locked, "new")+": permission denied; change its permissions or choose another folder")

		f, err := OpenFiles(locked, s.Info, FileOptions{ReadOnly: true})
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		_, err = f.ReadAt(make([]byte, 5), 0)
		wantPlain(t, "source", err, "cannot read "+path+": permission denied; change its permissions or choose another folder")

		g, err := OpenFiles(locked, s.Info, FileOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		defer g.Close()
		_, err = g.WriteAt(s.piece(0), 0)
		wantPlain(t, "download", err, "cannot write "+path+": permission denied; change its permissions or choose another folder")
	})
}

func wantPlain(t *testing.T, what string, err error, msg string) {
	t.Helper()
	if !errors.Is(err, ErrPermission) || strings.TrimSpace(err.Error()) != msg {
		t.Errorf("%s:\n got %v\nwant %s", what, err, msg)
	}
}
