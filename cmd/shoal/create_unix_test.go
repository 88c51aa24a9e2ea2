//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Only a file is replaced: a device or a pipe stays one, a link leads where it led, and
// a folder is said to be one.
func TestCreateWritesToWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	content := put(t, dir, "x", "content")
	pipe, link, target := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), put(t, dir, "sub/old", "old")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that nobody waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, out := range []string{pipe, link} {
		if _, stderr := printed(t, func() { run([]string{"create", content, "-o", out}) }); strings.Contains(stderr, "cannot") {
			t.Errorf("%s: %s", out, stderr)
		}
	}
	fi, err := os.Lstat(pipe)
	if err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
		t.Fatalf("the pipe became %v, %v", fi.Mode(), err)
	}
	b := make([]byte, 1<<16)
	n, _ := reader.Read(b)
	if _, err := metainfo.Parse(b[:n]); err != nil {
		t.Errorf("through the pipe came %q: %v", b[:n], err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", fi.Mode(), err)
	}
	if b, _ := os.ReadFile(target); !strings.HasPrefix(string(b), "d") {
		t.Errorf("where the link leads is %q", b)
	}
	var code int
	_, stderr := printed(t, func() { code = run([]string{"create", content, "-o", filepath.Join(dir, "sub")}) })
	if want := "cannot write " + filepath.Join(dir, "sub") + ": it is a folder; name a file in it"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %q, want %q", code, stderr, want)
	}
}
