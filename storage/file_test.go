//go:build !js

package storage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

func openFiles(t testing.TB, dir string, s *sample, opt FileOptions) *File {
	t.Helper()
	f, err := OpenFiles(dir, s.Info, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// save puts the sample's files below dir as their owner has them.
func (s *sample) save(t testing.TB, dir string) {
	t.Helper()
	for path, b := range s.files {
		if !s.Info.Single {
			path = s.Info.Name + "/" + path
		}
		writeFile(t, filepath.Join(dir, path), b)
	}
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// tree returns the relative paths of all files below dir.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFilesEndUpAsTheyWere(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			s := mixed(t, v.v1, v.v2)
			dir := filepath.Join(t.TempDir(), "not", "there", "yet")
			f := openFiles(t, dir, s, FileOptions{Handles: NewHandles(2)})
			if got := tree(t, dir); len(got) != 0 {
				t.Errorf("files before the first byte: %v", got)
			}
			s.fill(t, f)
			s.wantSpace(t, f)
			if err := f.Finish(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			want := []string{"sample/a.bin", "sample/deep/c", "sample/deep/er/b.bin", "sample/empty", "sample/z.bin"}
			if got := tree(t, dir); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("files %v, want %v", got, want)
			}
			for path, b := range s.files {
				got, err := os.ReadFile(filepath.Join(dir, "sample", path))
				if err != nil || !bytes.Equal(got, b) {
					t.Errorf("%s: %d bytes, %v", path, len(got), err)
				}
			}
			seed := openFiles(t, dir, s, FileOptions{ReadOnly: true})
			have, err := Verify(context.Background(), seed, s.Info, s.Layers(), nil)
			if err != nil {
				t.Fatal(err)
			}
			wantBits(t, "have", have, full(s.Info.NumPieces()))
		})
	}
}

func TestSingleFileLiesInTheFolderItself(t *testing.T) {
	s := makeSample(t, true, true, "movie.mp4:40000")
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{})
	s.fill(t, f, 1)
	if got := tree(t, dir); len(got) != 1 || got[0] != "movie.mp4" {
		t.Errorf("files %v", got)
	}
	if fi, err := os.Stat(filepath.Join(dir, "movie.mp4")); err != nil || fi.Size() != 40000 {
		t.Errorf("not in full length: %v, %v", fi, err)
	}
	p := make([]byte, pieceLen)
	if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, make([]byte, pieceLen)) {
		t.Errorf("what was not written does not read as zeros: %v", err)
	}
}

func TestManyFilesManyCallers(t *testing.T) {
	specs := make([]string, 300)
	for i := range specs {
		specs[i] = "d" + strconv.Itoa(i%7) + "/f" + strconv.Itoa(i) + ":" + strconv.Itoa(900+i)
	}
	s := makeSample(t, true, false, specs...)
	f := openFiles(t, t.TempDir(), s, FileOptions{Handles: NewHandles(8)})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < s.Info.NumPieces(); i += 4 {
				if _, err := f.WriteAt(s.piece(i), int64(i)*pieceLen); err != nil {
					t.Errorf("piece %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	for range 4 {
		wg.Go(func() { s.wantSpace(t, f) })
	}
	wg.Wait()
	f.mu.Lock()
	if n := len(f.open); n > 8 {
		t.Errorf("%d files open, at most 8 wanted", n)
	}
	f.mu.Unlock()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestFileRefusesRangesOutside(t *testing.T) {
	s := mixed(t, true, false)
	f := openFiles(t, t.TempDir(), s, FileOptions{})
	for _, off := range []int64{-1, s.Info.Length - 1, s.Info.Length + 1, 1 << 62} {
		if _, err := f.WriteAt([]byte("xy"), off); !errors.Is(err, ErrRange) {
			t.Errorf("write at %d: %v", off, err)
		}
		if _, err := f.ReadAt([]byte("xy"), off); !errors.Is(err, ErrRange) {
			t.Errorf("read at %d: %v", off, err)
		}
	}
}

// hostile returns an Info as no parser would, to see that the store does not
// rely on one.
func hostile(name string, paths ...[]string) *metainfo.Info {
	info := &metainfo.Info{Name: name, PieceLength: pieceLen, HasV1: true, Single: paths == nil}
	if paths == nil {
		paths = [][]string{{name}}
	}
	for _, p := range paths {
		info.Files = append(info.Files, metainfo.File{Path: p, Offset: info.Length, Length: 10})
		info.Length += 10
	}
	return info
}

func TestHostilePathsAreRefused(t *testing.T) {
	outside := t.TempDir()
	for _, info := range []*metainfo.Info{
		hostile(".."), hostile("."), hostile(""), hostile("/etc"), hostile("a/b"), hostile("nul\x00byte"),
		hostile(filepath.Join(outside, "x")),
		hostile("ok", []string{"..", "..", "x"}), hostile("ok", []string{"a", "..", "..", "x"}),
		hostile("ok", []string{""}), hostile("ok", []string{"a", "", "b"}), hostile("ok", []string{"/abs"}),
		hostile("..", []string{"x"}), hostile("ok", []string{"."}), hostile("", []string{"x"}),
	} {
		_, err := OpenFiles(t.TempDir(), info, FileOptions{})
		if !errors.Is(err, ErrOutside) {
			t.Errorf("%q %q: %v", info.Name, info.Files[0].Path, err)
		}
	}
	_, err := OpenFiles(t.TempDir(), hostile("ok", []string{"a"}, []string{"a"}), FileOptions{})
	if !errors.Is(err, ErrName) {
		t.Errorf("two files with one path: %v", err)
	}
}

func TestSymlinksDoNotLeadOut(t *testing.T) {
	s := makeSample(t, true, false, "in/a:20000", "b:20000")
	outside := t.TempDir()
	victim := filepath.Join(outside, "a")
	writeFile(t, victim, []byte("precious"))
	for name, plant := range map[string]func(dir string) error{
		"folder": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "sample", "in")) },
		"file": func(dir string) error {
			os.Mkdir(filepath.Join(dir, "sample", "in"), 0o777)
			return os.Symlink(victim, filepath.Join(dir, "sample", "in", "a"))
		},
		"dangling": func(dir string) error {
			os.Mkdir(filepath.Join(dir, "sample", "in"), 0o777)
			return os.Symlink(filepath.Join(outside, "new"), filepath.Join(dir, "sample", "in", "a"))
		},
		"relative": func(dir string) error {
			rel, _ := filepath.Rel(filepath.Join(dir, "sample"), outside)
			return os.Symlink(rel, filepath.Join(dir, "sample", "in"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			os.Mkdir(filepath.Join(dir, "sample"), 0o777)
			// Planted before the store opens, and behind its back.
			late := openFiles(t, dir, s, FileOptions{})
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			_, err := late.WriteAt(s.piece(0), 0)
			if !errors.Is(err, ErrOutside) {
				t.Errorf("write: %v", err)
			}
			if _, err := late.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrOutside) {
				t.Errorf("read: %v", err)
			}
			if err := late.Delete(); err != nil && !errors.Is(err, ErrOutside) {
				t.Errorf("delete: %v", err)
			}
			if got := tree(t, outside); len(got) != 1 {
				t.Errorf("files outside: %v", got)
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
				t.Errorf("file outside now has %q, %v", b, err)
			}
		})
	}
}

func TestOthersFilesAreNotTouched(t *testing.T) {
	s := makeSample(t, true, false, "movie.mp4:40000")
	dir := t.TempDir()
	path := filepath.Join(dir, "movie.mp4")
	writeFile(t, path, make([]byte, 40001))
	_, err := OpenFiles(dir, s.Info, FileOptions{})
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "40001 bytes") {
		t.Errorf("a longer file of that name: %v", err)
	}
	os.Remove(path)
	os.Mkdir(path, 0o777)
	if _, err := OpenFiles(dir, s.Info, FileOptions{}); !errors.Is(err, ErrChanged) {
		t.Errorf("a folder of that name: %v", err)
	}
	os.Remove(path)
	f := openFiles(t, dir, s, FileOptions{})
	writeFile(t, path, make([]byte, 50000))
	if _, err := f.WriteAt(s.piece(0), 0); !errors.Is(err, ErrChanged) {
		t.Errorf("a longer file that appeared meanwhile: %v", err)
	}
}

func TestFilesThatVanishMeanwhileAreNotMadeAnew(t *testing.T) {
	s := makeSample(t, true, false, "a/x:20000", "b/x:20000", "c/x:20000")
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{Handles: NewHandles(1)})
	s.fill(t, f)
	path := filepath.Join(dir, "sample", "a", "x")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := f.WriteAt(s.piece(0), 0)
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("write: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrMissing) {
		t.Errorf("read: %v", err)
	}
}

func TestSeedingNamesAMissingOrChangedFile(t *testing.T) {
	s := mixed(t, true, true)
	for _, c := range []struct {
		name   string
		spoil  func(path string) error
		kind   Kind
		atOpen bool
	}{
		{"missing", os.Remove, ErrMissing, true},
		{"shorter", func(p string) error { return os.Truncate(p, 100) }, ErrChanged, true},
		{"longer", func(p string) error { return os.Truncate(p, 100002) }, ErrChanged, true},
		{"other bytes", func(p string) error { return os.WriteFile(p, noise(100001, 99), 0o666) }, ErrChanged, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s.save(t, dir)
			path := filepath.Join(dir, "sample", "z.bin")
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			f, err := OpenFiles(dir, s.Info, FileOptions{ReadOnly: true})
			if c.atOpen != (err != nil) {
				t.Fatalf("open: %v", err)
			}
			if err == nil {
				defer f.Close()
				var have *Bits
				have, err = Verify(context.Background(), f, s.Info, s.Layers(), nil)
				if have.Count() < 4 {
					t.Errorf("the other files' pieces are lost: %d left", have.Count())
				}
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A source may be moved away, put back, replaced, or written to while it is open. Its
// name decides what is read.
func TestASourceIsReadUnderItsName(t *testing.T) {
	s := makeSample(t, true, false, "f:40000")
	dir := t.TempDir()
	s.save(t, dir)
	path := filepath.Join(dir, "f")
	f := openFiles(t, dir, s, FileOptions{ReadOnly: true})
	p := make([]byte, 100)
	read := func(want []byte, kind error) {
		t.Helper()
		f.mu.Lock()
		for _, of := range f.open {
			of.checked = of.checked.Add(-recheck) // as if a second had passed
		}
		f.mu.Unlock()
		switch _, err := f.ReadAt(p, 0); {
		case kind != nil:
			if !errors.Is(err, kind) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		case err != nil || !bytes.Equal(p, want[:100]):
			t.Errorf("other bytes than the file's, %v", err)
		}
	}
	read(s.space, nil)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	read(nil, ErrMissing)
	read(nil, ErrMissing)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	read(s.space, nil)
	other := noise(40000, 77)
	writeFile(t, path+".new", other)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	read(other, nil)
	writeFile(t, path, append(other, 1, 2, 3)) // what it held is still there
	read(other, nil)
	f.Rest()
	read(other, nil)
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	read(nil, ErrChanged)
	f.Rest()
	read(nil, ErrChanged)
	if _, err := f.WriteAt(p, 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	if err := f.Delete(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("delete: %v", err)
	}
}

// What is downloaded into a file that somebody removed meanwhile would be lost without a
// word.
func TestADownloadNoticesThatItsFileIsGone(t *testing.T) {
	s := makeSample(t, true, false, "f:40000")
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{})
	s.fill(t, f, 0)
	path := filepath.Join(dir, "f")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	for _, of := range f.open {
		of.checked = of.checked.Add(-recheck) // as if a second had passed
	}
	f.mu.Unlock()
	if _, err := f.WriteAt(s.piece(1), 16<<10); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestOpenSources(t *testing.T) {
	dir := t.TempDir()
	single := makeSample(t, true, true, "one.txt:5000")
	single.save(t, dir)
	folder := makeSample(t, true, true, "x/y:30000", "z:10")
	folder.save(t, dir)
	several := makeSample(t, true, true, "one.txt:5000", "sample/x/y:30000", "sample/z:10")
	several.files["sample/x/y"] = several.files["sample/x/y"]
	inside := makeSample(t, true, true, "one.txt/in:5000", "sample/z:10")
	outside := makeSample(t, true, true, "one.txt:5000", "sample:10")
	other := t.TempDir()
	for path, b := range several.files {
		writeFile(t, filepath.Join(other, path), b)
	}
	if err := os.Symlink(filepath.Join(dir, "one.txt"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		s     *sample
		paths []string
	}{
		{"file", single, []string{filepath.Join(dir, "one.txt")}},
		{"link to a file", single, []string{filepath.Join(dir, "link")}},
		{"folder", folder, []string{filepath.Join(dir, "sample") + "/"}},
		{"several", several, []string{filepath.Join(other, "sample"), filepath.Join(other, "one.txt")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenSources(c.s.Info, c.paths, FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c.s.wantSpace(t, f)
		})
	}
	for _, c := range []struct {
		name  string
		s     *sample
		paths []string
		kind  Kind
	}{
		{"none", single, nil, ErrMissing},
		{"no such path", single, []string{filepath.Join(dir, "gone")}, ErrMissing},
		{"one missing", several, []string{filepath.Join(dir, "one.txt"), t.TempDir()}, ErrMissing},
		{"a file in place of a folder", inside, []string{filepath.Join(dir, "one.txt"), filepath.Join(other, "sample")}, ErrMissing},
		{"a folder in place of a file", outside, []string{filepath.Join(dir, "one.txt"), filepath.Join(other, "sample")}, ErrMissing},
		{"same name twice", several, []string{filepath.Join(dir, "one.txt"), filepath.Join(other, "one.txt")}, ErrName},
		{"a disk", several, []string{"/", dir}, ErrName},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenSources(c.s.Info, c.paths, FileOptions{})
			if err == nil {
				f.Close()
			}
			if !errors.Is(err, c.kind) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDeleteLeavesOthersFiles(t *testing.T) {
	s := mixed(t, true, false)
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{})
	s.fill(t, f)
	writeFile(t, filepath.Join(dir, "sample", "deep", "mine"), []byte("x"))
	if err := f.Delete(); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); len(got) != 1 || got[0] != "sample/deep/mine" {
		t.Errorf("left: %v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "sample", "deep", "er")); err == nil {
		t.Error("empty folder left")
	}
}

func TestHolesCostNothing(t *testing.T) {
	// 64 GiB of which one piece is there: reading it all would take minutes.
	const length = 64 << 30
	info := hostile("big")
	info.Files[0].Length, info.Length, info.PieceLength = length, length, 4<<20
	info.Pieces = make([]byte, 20*(length/(4<<20)))
	piece := noise(4<<20, 1)
	sum := info.HashPiece(5000, piece).V1
	copy(info.Pieces[20*5000:], sum[:])
	zero := info.HashPiece(0, make([]byte, 4<<20)).V1
	copy(info.Pieces[20*9:], zero[:])
	f, err := OpenFiles(t.TempDir(), info, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.NextData(0); got != length {
		t.Errorf("data at %d before anything was written", got)
	}
	if _, err := f.WriteAt(piece, 5000*(4<<20)); err != nil {
		t.Fatal(err)
	}
	c := &countingHoles{counting{Store: f}, f}
	have, err := Verify(context.Background(), c, info, nil, nil)
	if err != nil || have.Count() != 2 || !have.Has(5000) || !have.Has(9) {
		t.Errorf("%d pieces, %v", have.Count(), err)
	}
	if runtime.GOOS == "linux" && c.reads.Load() > 8 {
		t.Errorf("%d pieces were read", c.reads.Load())
	}
}

type countingHoles struct {
	counting
	holes
}

func TestAShorterFileIsTakenOver(t *testing.T) {
	s := makeSample(t, true, false, "f:100000")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "f"), s.space[:3*pieceLen+5])
	f := openFiles(t, dir, s, FileOptions{})
	have, err := Verify(context.Background(), f, s.Info, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBits(t, "have", have, setOf(7, 0, 1, 2))
	s.fill(t, f, 3, 4, 5, 6)
	s.wantSpace(t, f)
}

// A file that the user makes while the download runs is as much his own as one that
// was there before.
func TestAFileThatCameMeanwhileIsNotOverwritten(t *testing.T) {
	s := makeSample(t, true, false, "a:40000", "sub/b:40000")
	dir := t.TempDir()
	f := openFiles(t, dir, s, FileOptions{})
	s.fill(t, f, 0)
	own := filepath.Join(dir, s.Info.Name, "sub", "b")
	writeFile(t, own, []byte("my own notes"))
	last := s.Info.NumPieces() - 1
	_, err := f.WriteAt(s.piece(last), int64(last)*s.Info.PieceLength)
	if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), own) {
		t.Errorf("%v", err)
	}
	if b, _ := os.ReadFile(own); string(b) != "my own notes" {
		t.Errorf("it was overwritten: %.40q", b)
	}
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	for p := range s.Info.NumPieces() {
		s.fill(t, f, p)
	}
	s.wantSpace(t, f)
}

func TestALinkMayWaitForItsFile(t *testing.T) {
	s := makeSample(t, true, false, "f:40000")
	dir := t.TempDir()
	if err := os.Symlink("later", filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, dir, s, FileOptions{})
	for p := range s.Info.NumPieces() {
		s.fill(t, f, p)
	}
	s.wantSpace(t, f)
}

func TestNamesOfOtherSystems(t *testing.T) {
	for in, want := range map[string]string{
		`a:b`: "a_b", `x?<>|"*`: "x______", "dot.": "dot_", "space ": "space_", "ctl\x01": "ctl_", "plain": "plain", `b\c`: "b_c", "NUL.txt": "_NUL.txt",
	} {
		if got, ok := localName(in, true); !ok || got != want {
			t.Errorf("%q on Windows: %q, %v", in, got, ok)
		}
	}
	if got, ok := localName(`a:b\c. `, false); !ok || got != `a:b\c. ` {
		t.Errorf("elsewhere: %q, %v", got, ok)
	}
}
