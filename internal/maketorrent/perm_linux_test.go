package maketorrent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/storage"
)

func TestMakeNamesWhatCannotBeRead(t *testing.T) {
	dir := folder(t, map[string]int{"ok": 10, "sub/secret": 10, "closed/x": 10})
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file, sub := filepath.Join(dir, "sub", "secret"), filepath.Join(dir, "closed")
	for _, path := range []string{file, sub} {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		// Nothing is forbidden to root, so a thread of its own gives that up.
		result := make(chan error)
		go func() {
			runtime.LockOSThread()
			if os.Geteuid() == 0 {
				if err := unix.Setfsuid(65534); err != nil {
					t.Error(err)
				}
			}
			_, err := Make(context.Background(), []string{dir}, Options{})
			result <- err
		}()
		err := <-result
		var e *storage.Error
		if !errors.As(err, &e) || e.Kind != storage.ErrPermission || e.Path != path {
			t.Errorf("got %v, want a word about %s", err, path)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMakeLeavesPipesOutAndSaysSo(t *testing.T) {
	dir := folder(t, map[string]int{"ok": 10})
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	said := ""
	tor, err := Make(context.Background(), []string{dir}, Options{Skipped: func(path, why string) { said += path + ": " + why }})
	if err != nil || names(tor) != "ok" || said != pipe+": not a regular file" {
		t.Errorf("%v, said %q", err, said)
	}
}

func TestMakeTakesNamesAsLongAsTheyGet(t *testing.T) {
	long := strings.Repeat("é", 127) + "x" // 255 bytes
	dir := folder(t, map[string]int{long: 10, long[:254] + "/" + long: 20})
	for _, paths := range [][]string{{dir}, {filepath.Join(dir, long)}} {
		tor, err := Make(context.Background(), paths, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantSeedable(t, tor, paths...)
	}
}
