//go:build unix

package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
)

// Root is the top of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Path joins a path below the repository.
func Path(elem ...string) string { return filepath.Join(append([]string{Root()}, elem...)...) }

// Payload writes size bytes that the seed determines, so that no two files of
// a test are alike, and returns their SHA-256.
func Payload(t T, path string, size int64, seed uint64) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(rand.NewChaCha8(key), size))
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// PayloadTree writes a folder of files that a torrent has to get right: one of
// several pieces, one below a block, an empty one, names beyond ASCII, a
// folder below the folder. It returns the folder.
func PayloadTree(t T, parent, name string, seed uint64) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	for i, f := range []struct {
		path string
		size int64
	}{
		{"film/part one.bin", 5<<20 + 12345},
		{"film/part two.bin", 3 << 20},
		{"empty.txt", 0},
		{"größe/日本.bin", 70_001},
		{"note.txt", 11},
		{"z.bin", 1<<20 + 1},
	} {
		Payload(t, filepath.Join(dir, f.path), f.size, seed*100+uint64(i))
	}
	return dir
}

// Sum is the SHA-256 of a file.
func Sum(t T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Tree gives path -> SHA-256 of every regular file below dir.
func Tree(t T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil {
			all[rel] = Sum(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

// Same fails unless got, a file or a folder, is want byte for byte. Files in
// got that want lacks fail as well, but for hidden ones, where resume data may
// live. The files named in except may be missing.
func Same(t T, want, got string, except ...string) {
	t.Helper()
	st, err := os.Stat(want)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !st.IsDir() {
		if a, b := Sum(t, want), Sum(t, got); a != b {
			t.Fatalf("%s is not %s: SHA-256 %s, want %s", got, want, b, a)
		}
		return
	}
	a, b := Tree(t, want), Tree(t, got)
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok && filepath.Base(name)[0] != '.' {
			t.Fatalf("%s has a file %s too many", got, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		switch {
		case b[name] == "" && slices.Contains(except, name):
		case b[name] == "":
			t.Fatalf("%s lacks %s", got, name)
		case a[name] != b[name]:
			t.Fatalf("%s: %s differs", got, name)
		}
	}
}
