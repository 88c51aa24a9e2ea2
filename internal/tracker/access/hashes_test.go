package access

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func hash(s string) (h [20]byte) {
	if n, err := hex.Decode(h[:], []byte(s)); n != 20 || err != nil {
		panic(s)
	}
	return h
}

var (
	hashA = strings.Repeat("0a", 20)
	hashB = strings.Repeat("B", 40)
	hashC = strings.Repeat("c1", 20)
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hashes.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHashList(t *testing.T) {
	l, err := LoadHashes(write(t, "\ufeff# ours\r\n\r\n"+hashA+"\r\n\t"+hashB+" # the second\n"+hashA+"\n"+hashC+strings.Repeat("00", 12)))
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 3 {
		t.Errorf("%d hashes, want 3", l.Len())
	}
	for _, h := range []string{hashA, hashB, hashC} {
		if !l.Has(hash(h)) {
			t.Errorf("%s is missing", h)
		}
	}
	if l.Has([20]byte{}) || l.Has(hash(strings.Repeat("0a", 19)+"0b")) {
		t.Error("it has what is not in the file")
	}
}

func TestHashListOfManyHashes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	var all [][20]byte
	for i := range 20_000 {
		var h [20]byte
		for j := range h {
			h[j] = byte(r.Uint32())
		}
		if i%3 == 0 {
			copy(h[:], "same start") // so that the later bytes decide
		}
		all = append(all, h)
		text.WriteString(hex.EncodeToString(h[:]) + "\n")
	}
	l, err := LoadHashes(write(t, text.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if !l.Has(h) {
			t.Fatalf("%x is missing", h)
		}
		h[19]++
		if l.Has(h) {
			t.Fatalf("%x is not in the file", h)
		}
	}
}

func TestHashFileErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{hashA + "\nabc\n", `:2: "abc" is no info hash: write 40`},
		{"# x\n\n" + hashA[:39] + "g\n", `:3: "` + hashA[:39] + `g" is no info hash: a character`},
		{hashA + hashA[:20] + "\n", ":1: "},
		{hashA + "\n" + strings.Repeat("x", 5000), ":2: the line has more than 4096 bytes"},
	} {
		path := write(t, c.text)
		_, err := LoadHashes(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+c.want) {
			t.Errorf("%q gives %v, want %s", c.text[:min(60, len(c.text))], err, c.want)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing.txt")
	if _, err := LoadHashes(missing); err == nil || !strings.Contains(err.Error(), missing) || strings.Count(err.Error(), missing) > 1 {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err := LoadHashes(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestReloadKeepsTheOldListOnError(t *testing.T) {
	path := write(t, hashA)
	l, err := LoadHashes(path)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, []byte(hashB), 0o600)
	if err := l.Reload(); err != nil || l.Has(hash(hashA)) || !l.Has(hash(hashB)) {
		t.Errorf("after a reload: %v, has the old %v, the new %v", err, l.Has(hash(hashA)), l.Has(hash(hashB)))
	}
	for _, spoil := range []func(){
		func() { os.WriteFile(path, []byte(hashC+"\nrubbish"), 0o600) },
		func() { os.Remove(path) },
	} {
		spoil()
		if err := l.Reload(); err == nil || !l.Has(hash(hashB)) || l.Has(hash(hashC)) {
			t.Errorf("after a bad reload: %v, and the old list is not what it was", err)
		}
	}
}

func TestReloadWhileAsked(t *testing.T) {
	l, err := LoadHashes(write(t, hashA))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				if err := l.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 10_000 {
				if !l.Has(hash(hashA)) {
					t.Error("it was away for a moment")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestHashes(t *testing.T) {
	list := func(hashes ...string) *HashList {
		l, err := LoadHashes(write(t, strings.Join(hashes, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		what   string
		h      Hashes
		served [3]bool
	}{
		{"no list", Hashes{}, [3]bool{true, true, true}},
		{"allow A", Hashes{Allow: list(hashA)}, [3]bool{true, false, false}},
		{"deny A", Hashes{Deny: list(hashA)}, [3]bool{false, true, true}},
		{"allow A, B, deny B", Hashes{Allow: list(hashA, hashB), Deny: list(hashB)}, [3]bool{true, false, false}},
		{"allow nothing", Hashes{Allow: list()}, [3]bool{}},
	} {
		for i, h := range []string{hashA, hashB, hashC} {
			err := c.h.Check(hash(h))
			if (err == nil) != c.served[i] || err != nil && !errors.Is(err, ErrHash) {
				t.Errorf("%s: %s gives %v", c.what, h, err)
			}
		}
	}
}

func FuzzHashFile(f *testing.F) {
	for _, s := range []string{"", hashA, hashB + "\n", "# c\n" + hashA + " # d\r\n", "\ufeff" + hashC + hashA[:24], "zz", "\x00", strings.Repeat("#", 5000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sorted, err := parseHashes(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(sorted) > len(text)/40 {
			t.Fatalf("%d hashes from %d bytes", len(sorted), len(text))
		}
		for i, h := range sorted {
			if i > 0 && compare(sorted[i-1], h) >= 0 {
				t.Fatal("not sorted, or one twice")
			}
			if !strings.Contains(strings.ToLower(text), hex.EncodeToString(h[:])) {
				t.Fatalf("%x is not in the text", h)
			}
		}
	})
}
