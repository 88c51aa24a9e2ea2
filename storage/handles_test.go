//go:build unix

package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// countOpen counts what faulty disks have open.
func countOpen(op string, n *int) {
	switch op {
	case "open", "create":
		*n++
	case "close":
		*n--
	}
}

func TestManyStoresShareTheirHandles(t *testing.T) {
	const bound = 10
	h := NewHandles(bound)
	s := makeSample(t, true, false, "a:20000", "b:20000", "c:20000")
	var mu sync.Mutex
	open, most := 0, 0
	stores := make([]*File, 40)
	for i := range stores {
		var d *faults
		stores[i], d = onFaults(t, t.TempDir(), s, FileOptions{Handles: h})
		d.fail = func(op, name string) error {
			mu.Lock()
			defer mu.Unlock()
			countOpen(op, &open)
			most = max(most, open)
			return nil
		}
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(stores); i += 4 {
				s.fill(t, stores[i])
			}
			for i := w; i < len(stores); i += 4 {
				got := make([]byte, len(s.space))
				if _, err := stores[i].ReadAt(got, 0); err != nil || !bytes.Equal(got, s.space) {
					t.Errorf("store %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	// Each caller may have one file and one folder in use beyond the bound.
	if n := h.Open(); n > bound {
		t.Errorf("%d are kept open, the bound is %d", n, bound)
	}
	if most > bound+4 {
		t.Errorf("%d files were open at a time, the bound is %d", most, bound)
	}
	for _, f := range stores {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if h.Open() != 0 || open != 0 {
		t.Errorf("after Close %d are kept, %d files are open", h.Open(), open)
	}
}

// A folder that was closed for lack of room must be the same one when it is opened
// again: names in it are trusted to lie where the torrent was put.
func TestAFolderIsNotReplacedMeanwhile(t *testing.T) {
	h := NewHandles(2)
	s := makeSample(t, true, false, "a:20000", "b:20000")
	dir := filepath.Join(t.TempDir(), "here")
	f := openFiles(t, dir, s, FileOptions{Handles: h})
	s.fill(t, f, 0)
	h.trim(0)
	if h.Open() != 0 {
		t.Fatalf("%d are open", h.Open())
	}
	s.fill(t, f, 0) // the folder is opened again
	h.trim(0)
	other := t.TempDir()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(s.piece(1), pieceLen); !errors.Is(err, errOtherFolder) {
		t.Errorf("writing gave %v", err)
	}
	if entries, _ := os.ReadDir(other); len(entries) > 0 {
		t.Errorf("it was written to %v", entries)
	}
}

// Open says how many descriptors are held, for who has to get by with few.
func TestOpenHandlesAreCounted(t *testing.T) {
	s := mixed(t, true, true)
	h := NewHandles(3)
	f, err := OpenFiles(t.TempDir(), s.Info, FileOptions{Handles: h})
	if err != nil {
		t.Fatal(err)
	}
	s.fill(t, f)
	if n := h.Open(); n < 1 || n > 3 {
		t.Errorf("%d are open, 3 may be", n)
	}
	f.Close()
	if n := h.Open(); n != 0 {
		t.Errorf("%d are open after Close", n)
	}
}
