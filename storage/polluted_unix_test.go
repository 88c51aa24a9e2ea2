//go:build unix && !js

package storage

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A polluter changes a file in all the ways there are, at random places and times, and
// puts it right again now and then. Whoever reads meanwhile gets the torrent's bytes or
// an error.
func TestNoWrongByteIsReadUnderAPollutingWriter(t *testing.T) {
	for _, v := range versions {
		for _, room := range []int64{0, 128 << 10} { // remembered, and hashed ever again
			s := makeSampleOf(t, 64<<10, v.v1, v.v2, "f:1000001")
			dir := t.TempDir()
			s.save(t, dir)
			files := openFiles(t, dir, s, FileOptions{ReadOnly: true})
			p := Prove(files, s.Info, s.Layers(), NewMarks(room))
			var right, refused atomic.Int64
			over := make(chan struct{})
			var wg sync.WaitGroup
			for k := range 4 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(7, uint64(k)))
					for {
						select {
						case <-over:
							return
						default:
						}
						off := rng.Int64N(s.Info.Length)
						got := make([]byte, min(s.Info.Length-off, 1+rng.Int64N(100_000)))
						n, err := p.ReadAt(got, off)
						switch {
						case !bytes.Equal(got[:n], s.space[off:][:n]):
							t.Errorf("%s: wrong bytes among %d at %d, %v", v.name, n, off, err)
							return
						case err == nil:
							right.Add(1)
						case errors.Is(err, ErrChanged), errors.Is(err, ErrMissing):
							refused.Add(1)
						default:
							t.Errorf("%s: %v", v.name, err)
							return
						}
					}
				})
			}
			pollute(t, filepath.Join(dir, "f"), s.space[:s.Info.Files[0].Length], func(round int) bool {
				return round < 60 || round < 5000 && (right.Load() < 50 || refused.Load() < 50)
			})
			close(over)
			wg.Wait()
			if right.Load() == 0 || refused.Load() == 0 {
				t.Errorf("%s: %d reads were right, %d refused", v.name, right.Load(), refused.Load())
			}
			files.Rest() // what had the name for a moment may be open for another
			s.wantSpace(t, p)
		}
	}
}

// pollute changes a file, keeping its time where it can, for as long as more says.
func pollute(t *testing.T, path string, good []byte, more func(round int) bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, len(good), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	rng := rand.New(rand.NewPCG(3, 3))
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	now := time.Now()
	for round := 0; more(round); round++ {
		for range 1 + rng.IntN(4) {
			at := rng.Int64N(int64(len(good)))
			n := 1 + rng.Int64N(min(20_000, int64(len(good))-at))
			bad := bytes.Repeat([]byte{byte(rng.IntN(256))}, int(n))
			switch rng.IntN(4) {
			case 0:
				_, err := f.WriteAt(bad, at)
				must(err)
				must(os.Chtimes(path, now, now))
			case 1:
				copy(mapped[at:], bad)
			case 2: // and back in two steps
				_, err := f.WriteAt(bad, at)
				must(err)
				_, err = f.WriteAt(good[at:at+n/2], at)
				must(err)
				_, err = f.WriteAt(good[at+n/2:at+n], at+n/2)
				must(err)
			case 3:
				must(f.Truncate(at))
				must(f.Truncate(int64(len(good))))
			}
		}
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
		if rng.IntN(3) > 0 {
			if _, err := f.WriteAt(good, 0); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
		}
		if rng.IntN(6) == 0 { // away, something else in its place, and back
			must(os.Rename(path, path+".away"))
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
			must(os.WriteFile(path, bytes.Repeat([]byte("other"), len(good)/5+1)[:len(good)], 0o666))
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
			must(os.Rename(path+".away", path))
		}
	}
	if _, err := f.WriteAt(good, 0); err != nil {
		t.Error(err)
	}
}
