//go:build !js

package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openBelow counts this process's descriptors of files in dir.
func openBelow(t *testing.T, dir string) (n int) {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // a system that does not show them
	}
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

func TestAStoreAtRestHasNoDescriptors(t *testing.T) {
	dir := t.TempDir()
	s := mixed(t, true, false)
	f := openFiles(t, dir, s, FileOptions{})
	s.fill(t, f)
	f.Rest()
	if n := openBelow(t, dir); n != 0 {
		t.Errorf("%d descriptors are left", n)
	}
	s.wantSpace(t, f) // they come back
	f.Rest()
	s.fill(t, f)
	f.Close()
	f.Rest()
	if n := openBelow(t, dir); n != 0 {
		t.Errorf("%d descriptors are left of a closed store", n)
	}
}

// The same holds for a folder that is shared as it lies.
func TestSourcesAtRestHaveNoDescriptors(t *testing.T) {
	dir := t.TempDir()
	s := mixed(t, true, false)
	down := openFiles(t, dir, s, FileOptions{})
	s.fill(t, down)
	if err := down.Finish(); err != nil {
		t.Fatal(err)
	}
	down.Close()
	f, err := OpenSources(s.Info, []string{filepath.Join(dir, "sample")}, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.wantSpace(t, f)
		f.Rest()
		if n := openBelow(t, dir); n != 0 {
			t.Errorf("%d descriptors are left", n)
		}
	}
	f.Close()
	if n := openBelow(t, dir); n != 0 {
		t.Errorf("%d descriptors are left of a closed store", n)
	}
}

func TestACheckReplacesWhatTheResumeDataSays(t *testing.T) {
	dir := t.TempDir()
	s := mixed(t, true, false)
	x := begin(t, dir, s)
	x.download(t, s, 0, 1, 2)
	if err := x.Replace(setOf(s.Info.NumPieces(), 0, 2)); err != nil {
		t.Fatal(err)
	}
	x.stop(t)
	if err := x.Replace(x.have); err == nil {
		t.Error("closed resume data takes a record")
	}
	y := begin(t, dir, s)
	wantBits(t, "kept", y.have, setOf(s.Info.NumPieces(), 0, 2))
	found, err := VerifyPieces(context.Background(), y.f, s.Info, nil, y.doubtful, nil)
	if err != nil || found.Has(1) {
		t.Errorf("the piece that a check refused is offered for another: %v, %v", found.Has(1), err)
	}
}
