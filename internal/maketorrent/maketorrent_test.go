//go:build !js

package maketorrent

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// folder makes files; their sizes come from the map.
func folder(t testing.TB, files map[string]int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my folder")
	for name, size := range files {
		b := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(len(name)), byte(size)}).Read(b)
		write(t, filepath.Join(dir, name), b)
	}
	return dir
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// wantSeedable checks that the torrent is true to the paths, as a seeder does.
func wantSeedable(t *testing.T, tor *metainfo.Torrent, paths ...string) {
	t.Helper()
	parsed, err := metainfo.Parse(tor.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	f, err := storage.OpenSources(parsed.Info, paths, storage.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	have, err := storage.Verify(context.Background(), f, parsed.Info, parsed.Layers(), nil)
	if err != nil || have.Count() != parsed.Info.NumPieces() {
		t.Errorf("%d of %d pieces, %v", have.Count(), parsed.Info.NumPieces(), err)
	}
}

// names returns the paths of the files in a torrent, without padding.
func names(tor *metainfo.Torrent) string {
	var out []string
	for _, f := range tor.Info.Files {
		if !f.Pad {
			out = append(out, strings.Join(f.Path, "/"))
		}
	}
	return strings.Join(out, " ")
}

func TestMakeIsTrueToTheFiles(t *testing.T) {
	dir := folder(t, map[string]int{"b.bin": 200_000, "a/x": 1, "a/y.bin": 65536, "empty": 0, "z": 70_001})
	file := filepath.Join(dir, "b.bin")
	for _, v := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}, {"default", false, false}} {
		t.Run(v.name, func(t *testing.T) {
			for _, c := range []struct {
				name, files string
				paths       []string
			}{
				{"my folder", "a/x a/y.bin b.bin empty z", []string{dir}},
				{"my folder", "a/x a/y.bin b.bin empty z", []string{dir + "/."}},
				{"b.bin", "b.bin", []string{file}},
				{"my folder", "_____padding_file_0_x _____padding_file_1_x/y sub/_____padding_file_2_x z", []string{folder(t, map[string]int{
					"_____padding_file_0_x": 100, "sub/_____padding_file_2_x": 16<<10 - 100, "_____padding_file_1_x/y": 7, "z": 20_000,
				})}},
				{"my folder", "a/x a/y.bin b.bin", []string{filepath.Join(dir, "a"), file}},
			} {
				var last, total int64
				tor, err := Make(context.Background(), c.paths, Options{V1: v.v1, V2: v.v2, PieceLength: 16 << 10,
					Progress: func(d, n int64) {
						if d <= last {
							t.Errorf("progress %d after %d", d, last)
						}
						last, total = d, n
					}})
				if err != nil {
					t.Fatal(err)
				}
				if tor.Info.Name != c.name || names(tor) != c.files {
					t.Errorf("%q with %s, want %q with %s", tor.Info.Name, names(tor), c.name, c.files)
				}
				if last != total || total == 0 {
					t.Errorf("progress ended at %d of %d", last, total)
				}
				wantSeedable(t, tor, c.paths...)
			}
		})
	}
}

func TestMakeIsDeterministic(t *testing.T) {
	dir := folder(t, map[string]int{"b": 40_000, "B": 3, "a/x": 1, "a.x": 5, "a-": 7, "é": 9})
	var first metainfo.Hash
	for i := range 5 {
		tor, err := Make(context.Background(), []string{dir}, Options{PieceLength: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = tor.Info.HashV1
		} else if tor.Info.HashV1 != first {
			t.Fatal("another info hash for the same files")
		}
	}
}

func TestMakeNamesAndOptions(t *testing.T) {
	dir := folder(t, map[string]int{"x": 50_000})
	tor, err := Make(context.Background(), []string{filepath.Join(dir, "x")}, Options{Name: "other name", Private: true,
		Comment: "c", CreatedBy: "me", CreationDate: 7, Announce: [][]string{{"ws://t/announce"}}, WebSeeds: []string{"http://w/"}})
	if err != nil {
		t.Fatal(err)
	}
	if tor.Info.Name != "other name" || !tor.Info.Single || !tor.Info.Private || tor.Comment != "c" || tor.CreatedBy != "me" ||
		tor.CreationDate != 7 || tor.Announce[0][0] != "ws://t/announce" || tor.WebSeeds[0] != "http://w/" {
		t.Errorf("options are lost: %+v", tor)
	}
	wantSeedable(t, tor, filepath.Join(dir, "x"))

	// A folder with one file of its own name.
	tor, err = Make(context.Background(), []string{dir}, Options{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	wantSeedable(t, tor, dir)

	t.Chdir(dir)
	tor, err = Make(context.Background(), []string{"."}, Options{})
	if err != nil || tor.Info.Name != "my folder" {
		t.Errorf("current folder: %v", err)
	}
}

func TestMakeLeavesJunkAndLinksOut(t *testing.T) {
	dir := folder(t, map[string]int{"keep": 40_000, ".hidden": 5, ".DS_Store": 5, "sub/Thumbs.db": 5, "._keep": 5,
		".Trashes/x": 5, ".0123456789012345678901234567890123456789.shoal": 9})
	outside := folder(t, map[string]int{"secret": 10})
	for name, target := range map[string]string{
		"inside": "keep", "out": filepath.Join(outside, "secret"), "up": "../../etc/passwd", "dangling": "nothing",
		"loop": ".", "folder": outside, "self": "self", "absolute": filepath.Join(dir, "keep"),
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "one", "hollow"), 0o777); err != nil {
		t.Fatal(err)
	}
	var skipped []string
	reasons := map[string]string{}
	tor, err := Make(context.Background(), []string{dir}, Options{Skipped: func(path, why string) {
		skipped = append(skipped, filepath.Base(path))
		reasons[filepath.Base(path)] = why
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(tor); got != ".hidden inside keep" {
		t.Errorf("files: %s", got)
	}
	if want := []string{"absolute", "dangling", "folder", "loop", "hollow", "out", "self", "up"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %v, want %v", skipped, want)
	}
	if !strings.Contains(reasons["absolute"], "absolute path") || !strings.Contains(reasons["hollow"], "empty folder") {
		t.Errorf("reasons %q", reasons)
	}
	wantSeedable(t, tor, dir)
}

func TestMakeSaysWhatIsWrong(t *testing.T) {
	dir := folder(t, map[string]int{"x": 100, "a/x": 5})
	hollow := t.TempDir()
	if err := os.MkdirAll(filepath.Join(hollow, "only", "folders"), 0o777); err != nil {
		t.Fatal(err)
	}
	blank := folder(t, map[string]int{"nothing": 0})
	odd := folder(t, map[string]int{"ok": 1, "bad\xff": 1})
	slash := folder(t, map[string]int{`back\slash`: 1})
	gone := filepath.Join(dir, "gone")
	for _, c := range []struct {
		name  string
		paths []string
		want  error  // nil: an *Error
		names string // in the message
	}{
		{"no path", nil, nil, ""},
		{"missing", []string{gone}, storage.ErrMissing, gone},
		{"empty folder", []string{hollow}, nil, hollow},
		{"empty files", []string{blank}, metainfo.ErrEmpty, ""},
		{"same name", []string{filepath.Join(dir, "x"), filepath.Join(dir, "a", "x")}, nil, filepath.Join("a", "x")},
		{"not UTF-8", []string{odd}, nil, odd},
		{"separator", []string{slash}, metainfo.ErrPath, "slash"},
		{"device", []string{os.DevNull}, nil, os.DevNull},
		{"disk", []string{"/"}, storage.ErrName, "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Make(context.Background(), c.paths, Options{})
			var mine *Error
			if c.want == nil && !errors.As(err, &mine) || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMakeNoticesFilesThatChangeMeanwhile(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"shorter": func(p string) error { return os.Truncate(p, 20_000) },
		"longer":  func(p string) error { return os.Truncate(p, 900_000) },
		"gone":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]int{"x": 800_000})
			path := filepath.Join(dir, "x")
			done := false
			_, err := Make(context.Background(), []string{dir}, Options{PieceLength: 16 << 10, Progress: func(int64, int64) {
				if !done {
					done = true
					if err := change(path); err != nil {
						t.Error(err)
					}
				}
			}})
			var mine *Error
			if !errors.As(err, &mine) && !errors.Is(err, storage.ErrMissing) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMakeStops(t *testing.T) {
	dir := folder(t, map[string]int{"x": 1_000_000})
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := Make(ctx, []string{dir}, Options{PieceLength: 16 << 10, Progress: func(int64, int64) { calls++; cancel() }})
	if !errors.Is(err, context.Canceled) || calls > 20 {
		t.Errorf("%v after %d pieces", err, calls)
	}
}

func BenchmarkMake(b *testing.B) {
	const size = 64 << 20
	dir := folder(b, map[string]int{"x": size})
	for _, v := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}} {
		b.Run(v.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if _, err := Make(context.Background(), []string{dir}, Options{V1: v.v1, V2: v.v2, PieceLength: 1 << 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
