//go:build unix

package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// attributed is a sample with a script and links in it.
func attributed(t *testing.T, links ...string) *sample {
	s := makeSample(t, true, true, "bin/run.sh:40000", "data:30000", "zero.sh:0")
	info := *s.Info // as it is parsed, it would be the same
	info.Files = append([]metainfo.File(nil), info.Files...)
	for i := range info.Files {
		info.Files[i].Executable = strings.HasSuffix(strings.Join(info.Files[i].Path, "/"), ".sh")
	}
	for _, l := range links {
		path, target, _ := strings.Cut(l, ">")
		info.Symlinks = append(info.Symlinks, metainfo.Symlink{Path: strings.Split(path, "/"), Target: strings.Split(target, "/")})
	}
	s.Torrent = &metainfo.Torrent{Info: &info}
	return s
}

func TestExecutableBitsArrive(t *testing.T) {
	s := attributed(t)
	for name, before := range map[string]bool{"a new file": false, "a file of another program's": true} {
		dir := t.TempDir()
		if before {
			writeFile(t, filepath.Join(dir, "sample", "bin", "run.sh"), make([]byte, 40_000))
		}
		f, err := OpenFiles(dir, s.Info, FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.fill(t, f)
		if err := errors.Join(f.Finish(), f.Restore(), f.Close()); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]bool{"bin/run.sh": true, "zero.sh": true, "data": false} {
			fi, err := os.Stat(filepath.Join(dir, "sample", file))
			if err != nil || fi.Mode()&0o100 != 0 != want {
				t.Errorf("%s: %s has mode %v, %v", name, file, fi.Mode(), err)
			}
		}
	}
}

func TestLinksArrive(t *testing.T) {
	s := attributed(t, "run>bin/run.sh", "bin/up>data", "tools>bin", "new/deep/er>bin/run.sh", "chain>run")
	dir := t.TempDir()
	f, err := OpenFiles(dir, s.Info, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.fill(t, f)
	for range 2 { // the second time all of them are there
		if err := errors.Join(f.Finish(), f.Restore()); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"run": "bin/run.sh", "bin/up": "../data", "tools": "bin", "new/deep/er": "../../bin/run.sh", "chain": "run",
	} {
		if got, err := os.Readlink(filepath.Join(dir, "sample", name)); err != nil || got != want {
			t.Errorf("%s leads to %q, %v", name, got, err)
		}
	}
	// The folder may be moved with all that is in it, and goes away with the download.
	if b, err := os.ReadFile(filepath.Join(dir, "sample", "tools", "up")); err != nil || string(b) != string(s.files["data"]) {
		t.Errorf("through two links: %v", err)
	}
	if err := f.Delete(); err != nil {
		t.Fatal(err)
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "sample", "*")); len(list) > 1 { // "new" was not empty when it was its turn
		t.Errorf("left behind: %v", list)
	}
}

// A link never leads out, and never takes the place of something.
func TestLinksThatAreNotMade(t *testing.T) {
	for links, kind := range map[string]Kind{
		"data>bin":              ErrExists,
		"no>nothing":            ErrMissing,
		"d/e>bin d/e/l>data":    ErrOutside, // ../../data would be beside the torrent
		"bin/run.sh/under>data": ErrIO,
	} {
		s := attributed(t, strings.Fields(links)...)
		dir := t.TempDir()
		f, err := OpenFiles(dir, s.Info, FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.fill(t, f)
		if err := f.Finish(); err != nil {
			t.Fatal(err)
		}
		err = f.Restore()
		if e := new(Error); !errors.As(err, &e) || e.Kind != kind {
			t.Errorf("%s: %v", links, err)
		}
		s.wantSpace(t, f)
		f.Close()
	}
	s := attributed(t, "a>..", "..>a", "x/../y>data")
	f, err := OpenFiles(t.TempDir(), s.Info, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if l := f.links(); len(l) > 0 {
		t.Errorf("unsafe links: %v", l)
	}
}
