//go:build unix

package storage

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Where data begins is told for each place of the piece space: behind holes, padding and
// files that are not there, and for places that are none.
func TestNextData(t *testing.T) {
	s := makeSample(t, true, true, "a:40000", "b:20000", "c:50000", "empty:0")
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{})
	at := map[string]int64{}
	for _, file := range s.Info.Files {
		if !file.Pad {
			at[file.Path[0]] = file.Offset
		}
	}
	end := s.Info.Length
	want := func(what string, off, want int64) {
		t.Helper()
		if got := f.NextData(off); got != want {
			t.Errorf("%s: at %d instead of %d, from %d on", what, got, want, off)
		}
	}
	for _, off := range []int64{-1, 0, at["c"], end - 1, end, end + 1} {
		want("nothing is there", off, end)
	}
	s.fill(t, f, 0, int(at["c"]/pieceLen)+1)
	if runtime.GOOS == "linux" {
		second := at["c"] + pieceLen
		for _, c := range [][2]int64{{-1, end}, {0, 0}, {5, 5}, {pieceLen, second}, {40000, second}, {at["b"], second}, {at["c"], second}, {second, second}, {second + 7, second + 7}, {second + pieceLen, end}, {end, end}} {
			want("two pieces are there", c[0], c[1])
		}
	}
	// What cannot be looked at may hold data: the read says what is wrong.
	f.Close()
	f, d := onFaults(t, dir, s, FileOptions{})
	if err := os.Truncate(filepath.Join(dir, "sample", "a"), 0); err != nil {
		t.Fatal(err)
	}
	d.fail = func(op, name string) error {
		if op == "open" && name == "sample/c" {
			return syscall.EACCES
		}
		return nil
	}
	want("a file that cannot be opened", at["b"], at["c"])
	want("a file that cannot be opened", at["c"]+5, at["c"]+5)
}

// What is deleted is gone and closed; what cannot be deleted is named, and keeps nobody
// from deleting the rest.
func TestDeleteSaysWhatIsLeft(t *testing.T) {
	s := mixed(t, true, false)
	dir := t.TempDir()
	h := NewHandles(10)
	f := openFiles(t, dir, s, FileOptions{Handles: h})
	s.fill(t, f)
	if err := f.Finish(); err != nil {
		t.Fatal(err)
	}
	source := openFiles(t, dir, s, FileOptions{ReadOnly: true})
	if err := source.Delete(); !errors.Is(err, ErrReadOnly) || len(tree(t, dir)) < 4 {
		t.Errorf("the originals: %v, %v", err, tree(t, dir))
	}
	source.Close()
	// A folder of somebody's in the place of one file, another file gone.
	inTheWay := filepath.Join(dir, "sample", "a.bin")
	for _, err := range []error{os.Remove(inTheWay), os.Mkdir(inTheWay, 0o755), os.Remove(filepath.Join(dir, "sample", "z.bin"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(inTheWay, "mine"), []byte("x"))
	err := f.Delete()
	if e := new(Error); !errors.As(err, &e) || e.Op != "delete" || e.Path != inTheWay {
		t.Errorf("got %v", err)
	}
	if got := tree(t, dir); len(got) != 1 || got[0] != "sample/a.bin/mine" {
		t.Errorf("left: %v", got)
	}
	if n := h.Open(); n != 0 {
		t.Errorf("%d handles are open", n)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("reading what is deleted: %v", err)
	}
}

// Without a budget there is no bound, and nothing to give back.
func TestMemoryWithoutABudget(t *testing.T) {
	s := mixed(t, true, false)
	m := NewMemory(s.Info, MemoryOptions{})
	s.fill(t, m)
	m.Drop(0)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	r := NewRing("live", pieceLen, 2, RingOptions{})
	s.fill(t, r, 0, 1, 2)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
