//go:build !js

package storage

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// counted is a store that counts what is read of it.
type counted struct {
	Store
	bytes atomic.Int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	return c.Store.ReadAt(p, off)
}

// folder is a sample of pieces of 64 KiB with files that share them, saved in a folder.
func folder(t *testing.T, v1, v2 bool) (s *sample, dir string) {
	t.Helper()
	s = makeSampleOf(t, 64<<10, v1, v2, "a.bin:150000", "deep/er/b.bin:16384", "deep/c:1", "empty:0", "z.bin:300001")
	dir = t.TempDir()
	s.save(t, dir)
	return s, dir
}

func prove(t *testing.T, s *sample, dir string, m *Marks) (*Proven, *counted) {
	t.Helper()
	c := &counted{Store: openFiles(t, dir, s, FileOptions{ReadOnly: true})}
	return Prove(c, s.Info, s.Layers(), m), c
}

// What is read is what the torrent says, in whatever portions, whether or not there is
// room to remember it.
func TestProvenBytesAreTheTorrents(t *testing.T) {
	for _, v := range versions {
		for _, room := range []int64{1, 200_000, 0} {
			s, dir := folder(t, v.v1, v.v2)
			p, _ := prove(t, s, dir, NewMarks(room))
			for range 2 {
				s.wantSpace(t, p)
			}
			rng := rand.New(rand.NewPCG(1, uint64(room)))
			for range 300 {
				off := rng.Int64N(int64(len(s.space)))
				got := make([]byte, rng.Int64N(min(200_000, int64(len(s.space))-off)+1))
				if n, err := p.ReadAt(got, off); err != nil || n != len(got) || !bytes.Equal(got, s.space[off:][:n]) {
					t.Fatalf("%s: %d bytes at %d: %d, %v", v.name, len(got), off, n, err)
				}
			}
			if p.marks.n > max(p.marks.max, 4) {
				t.Errorf("%d blocks are remembered, room for %d", p.marks.n, p.marks.max)
			}
			if len(p.marks.at) != p.marks.oldest.Len() {
				t.Errorf("%d pieces are listed, %d are found", p.marks.oldest.Len(), len(p.marks.at))
			}
		}
	}
	s, dir := folder(t, true, false)
	p, _ := prove(t, s, dir, nil)
	for _, off := range []int64{-1, s.Info.Length - 3} {
		if _, err := p.ReadAt(make([]byte, 4), off); !errors.Is(err, ErrRange) {
			t.Errorf("4 bytes at %d: %v", off, err)
		}
	}
}

// A changed byte is never handed out, be the change noticed by looking at the file or
// not, and what came before it is told. Once it is put right, all is as before.
func TestAChangedByteIsNotHandedOut(t *testing.T) {
	for _, v := range versions {
		for _, seen := range []bool{false, true} {
			s, dir := folder(t, v.v1, v.v2)
			p, _ := prove(t, s, dir, NewMarks(0))
			if seen {
				s.wantSpace(t, p)
			}
			path := filepath.Join(dir, "sample", "z.bin")
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			at := int64(200_000)
			for _, f := range s.Info.Files {
				if f.Path[0] == "z.bin" {
					at += f.Offset
				}
			}
			change(t, path, 200_000, ^s.space[at])
			os.Chtimes(path, fi.ModTime(), fi.ModTime())
			got := make([]byte, 30)
			if _, err := p.ReadAt(got, at-10); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "sample") {
				t.Errorf("%s, read before: %v: got %v", v.name, seen, err)
			}
			all := make([]byte, len(s.space))
			n, err := p.ReadAt(all, 0)
			if want := at - at%(64<<10); !errors.Is(err, ErrChanged) || int64(n) != want || !bytes.Equal(all[:n], s.space[:n]) {
				t.Errorf("all: %d bytes, %v; want %d", n, err, want)
			}
			change(t, path, 200_000, s.space[at])
			s.wantSpace(t, p)
		}
	}
}

func change(t *testing.T, path string, at int64, b byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b}, at); err != nil {
		t.Fatal(err)
	}
}

// What was hashed once is not hashed again for each block: a read costs what it is of.
func TestAProvenPieceIsHashedOnce(t *testing.T) {
	s, dir := folder(t, true, true)
	p, c := prove(t, s, dir, NewMarks(0))
	block := make([]byte, 16<<10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { p.ReadAt(make([]byte, 16<<10), 16<<10) })
	}
	wg.Wait()
	if n := c.bytes.Load(); n > 64<<10+8*16<<10 {
		t.Errorf("eight readers of one block read %d bytes", n)
	}
	c.bytes.Store(0)
	p.ReadAt(block, 0)
	p.ReadAt(block[:100], 40_000)
	if n := c.bytes.Load(); n != 32<<10 {
		t.Errorf("two blocks of a piece that was hashed: %d bytes were read", n)
	}
	found, err := p.Verify(context.Background(), nil, nil)
	if err != nil || !found.All() {
		t.Fatal(err)
	}
	c.bytes.Store(0)
	for off := int64(0); off+16<<10 <= s.Info.Length; off += 16 << 10 {
		if _, err := p.ReadAt(block, off); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.bytes.Load(); n > s.Info.Length {
		t.Errorf("%d bytes were read of %d that had just been verified", n, s.Info.Length)
	}
}

// What is written is verified already, so it can be read even where its hash is not
// known; not when the disk has something else.
func TestWhatIsWrittenIsProven(t *testing.T) {
	s := makeSampleOf(t, 64<<10, false, true, "f:300000")
	c := &counted{Store: NewMemory(s.Info, MemoryOptions{})}
	p := Prove(c, s.Info, nil, NewMarks(0))
	if _, err := p.ReadAt(make([]byte, 10), 0); err == nil {
		t.Errorf("nothing was written: %v", err)
	}
	s.fill(t, p)
	c.bytes.Store(0)
	s.wantSpace(t, p)
	if n := c.bytes.Load(); n > 4*s.Info.Length {
		t.Errorf("%d bytes were read", n)
	}
	p.inner.WriteAt([]byte{^s.space[70_000]}, 70_000)
	if _, err := p.ReadAt(make([]byte, 10), 69_995); !errors.Is(err, ErrChanged) {
		t.Errorf("changed below: %v", err)
	}
	if _, err := p.ReadAt(make([]byte, 10), 69_995); !errors.Is(err, ErrChanged) {
		t.Errorf("changed below, once more: %v", err)
	}
	p = Prove(c, s.Info, s.Layers(), NewMarks(0))
	p.WriteAt(s.space[65<<10:66<<10], 65<<10)
	if _, err := p.ReadAt(make([]byte, 10), 64<<10); !errors.Is(err, ErrChanged) {
		t.Errorf("written in part: %v", err)
	}
}

// A v2 torrent by a link has no piece layers at first: what is learned of them holds for
// reads, be it of a piece or of a file, and is told to others.
func TestProvenLearnsHashes(t *testing.T) {
	s := makeSampleOf(t, 64<<10, false, true, "f:300000")
	dir := t.TempDir()
	s.save(t, dir)
	hash, _ := s.Layers().PieceHash(1)
	for name, learn := range map[string]func(*Proven){
		"a piece": func(p *Proven) { p.Learn(1, hash) },
		"a file":  func(p *Proven) { p.Share(s.Layers()) },
	} {
		st := openFiles(t, dir, s, FileOptions{ReadOnly: true})
		p := Prove(st, s.Info, metainfo.NewLayers(s.Info), NewMarks(0))
		learn(p)
		change(t, filepath.Join(dir, "f"), 70_000, ^s.space[70_000])
		if _, err := p.ReadAt(make([]byte, 10), 65<<10); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: changed before the first read: %v", name, err)
		}
		gone := NewBits(s.Info.NumPieces())
		gone.Set(1)
		if p.Mend(t.Context(), gone).Count() != 0 {
			t.Errorf("%s: taken back as it is", name)
		}
		change(t, filepath.Join(dir, "f"), 70_000, s.space[70_000])
		if !p.Mend(t.Context(), gone).Has(1) {
			t.Errorf("%s: not taken back as it was", name)
		}
		s.wantSpace(t, p)
	}
	bare := metainfo.NewLayers(s.Info)
	p := Prove(NewMemory(s.Info, MemoryOptions{}), s.Info, s.Layers(), nil)
	if p.Share(bare); !bare.Complete() {
		t.Error("others do not learn what is known")
	}
}

func BenchmarkProvenRead(b *testing.B) {
	s := makeSampleOf(b, 1<<20, true, true, "f:16777216")
	mem := NewMemory(s.Info, MemoryOptions{})
	s.fill(b, mem)
	buf := make([]byte, 256<<10)
	for _, c := range []struct {
		name string
		st   Store
	}{{"plain", mem}, {"proven", Prove(mem, s.Info, s.Layers(), NewMarks(0))}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for k := 0; b.Loop(); k++ {
				if _, err := c.st.ReadAt(buf, int64(k%64)<<18); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
