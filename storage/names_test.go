//go:build !js

package storage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/metainfo"
)

// strange is the info dictionary of files of one byte each, whose names are none.
func strange(t testing.TB, name string, paths ...string) *metainfo.Info {
	t.Helper()
	d := bencode.NewDict(nil)
	d.Value("files", func(b []byte) []byte {
		b = append(b, 'l')
		for _, p := range paths {
			b = append(b, "d6:lengthi1e4:pathl"...)
			for _, s := range strings.Split(p, "/") {
				b = bencode.AppendString(b, s)
			}
			b = append(b, "ee"...)
		}
		return append(b, 'e')
	})
	d.String("name", name)
	d.Int("piece length", pieceLen)
	d.String("pieces", strings.Repeat("x", 20))
	info, err := metainfo.ParseInfo(d.End())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// A torrent of names that are none is stored below its folder, each file for
// itself.
func TestStrangeNamesAreStored(t *testing.T) {
	dir := t.TempDir()
	info := strange(t, "../x", "..", "../../etc/passwd", "a", "A", "a", "a/b", "\xff", "\xfe", "c\n", strings.Repeat("y", 300), "con", "z.")
	f, err := OpenFiles(filepath.Join(dir, "in"), info, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := noise(int(info.Length), 1)
	if _, err := f.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files++
			if !strings.HasPrefix(path, filepath.Join(dir, "in", "..x")+string(filepath.Separator)) {
				t.Errorf("%s is outside", path)
			}
		}
		return err
	})
	if err != nil || files != len(info.Files) {
		t.Errorf("%d files of %d, %v", files, len(info.Files), err)
	}
	again, err := OpenFiles(filepath.Join(dir, "in"), info, FileOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got := make([]byte, len(want))
	if _, err := again.ReadAt(got, 0); err != nil || string(got) != string(want) {
		t.Errorf("read back %v, %v", string(got) == string(want), err)
	}
}

// Who shares a folder keeps its names, whatever they become elsewhere.
func TestSourcesKeepTheirNames(t *testing.T) {
	s := makeSample(t, true, false, "README:5", "readme:7", "caf\xe9.txt:9", "d\x01/f:11")
	dir := t.TempDir()
	for path, b := range s.files {
		name := filepath.Join(dir, "sample", path)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, b)
	}
	f, err := OpenSources(s.Info, []string{filepath.Join(dir, "sample")}, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.wantSpace(t, f)

	one := makeSample(t, true, true, "o\x7fne:5000")
	one.save(t, dir)
	for _, path := range []string{filepath.Join(dir, "o\x7fne"), dir + "/sub"} {
		if strings.HasSuffix(path, "sub") {
			one.save(t, path)
		}
		g, err := OpenSources(one.Info, []string{path}, FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		one.wantSpace(t, g)
	}
	// A path that leads elsewhere is not followed, also not as a source.
	bad := strange(t, "sample", "../one", "a")
	names, err := sourceNames(bad)
	if err != nil || names[0] != filepath.Join("sample", "one") || names[1] != filepath.Join("sample", "a") {
		t.Errorf("%q, %v", names, err)
	}
}

// macOS takes two spellings of a letter with an accent for one.
func TestNamesThatMacOSTakesForOne(t *testing.T) {
	const nfc, nfd = "caf\u00e9", "cafe\u0301"
	names := []string{nfc + ".txt", nfd + ".txt", "CAFE\u0301.txt", nfc + ".1.txt", "", "a", "d/" + nfd, "d/" + nfc}
	tellApart(names)
	want := []string{nfc + ".txt", nfd + ".2.txt", "CAFE\u0301.3.txt", nfc + ".1.txt", "", "a", "d/" + nfd, "d/" + nfc + ".1"}
	for i := range want {
		if names[i] != want[i] {
			t.Errorf("%q instead of %q", names[i], want[i])
		}
	}
	plain := []string{"a", "a"}
	if tellApart(plain); plain[1] != "a" {
		t.Error("names of ASCII were touched")
	}
}

// Whatever metainfo reads, no two files are one on any system.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a A a", "con _con con.", "\u00e9 e\u0301 E\u0301 \u00e9.1", "a: a_ a?", "../x x", "\xff \xfe", "a. a", "\u0130 i I", "\u0131\xd7", "a/b a A/b", "\u212a k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		paths := strings.Split(s, " ")
		if len(paths) > 1000 || strings.Count(s, "/") > 50 {
			return
		}
		info := strange(t, "d", paths...)
		names, err := localNames(info)
		if err != nil {
			t.Fatal(err)
		}
		mac := append([]string(nil), names...)
		tellApart(mac)
		onWindows, onMac := map[string]bool{}, map[string]bool{}
		for i, name := range names {
			if !filepath.IsLocal(name) || !strings.HasPrefix(name, "d"+string(filepath.Separator)) {
				t.Fatalf("%q is outside", name)
			}
			var windows []string
			for _, part := range info.Files[i].Path {
				local, ok := localName(part, true)
				if !ok || strings.ContainsAny(local, `<>:"|?*\`) || strings.HasSuffix(local, ".") || strings.HasSuffix(local, " ") {
					t.Fatalf("%q on Windows is %q", part, local)
				}
				windows = append(windows, strings.ToUpper(strings.ReplaceAll(local, "\u0131", "\x00")))
			}
			key := strings.Join(windows, `\`)
			if onWindows[key] {
				t.Fatalf("%q: two files are %q on Windows", s, key)
			}
			onWindows[key] = true
			if onMac[sameOnMac(mac[i])] {
				t.Fatalf("%q: two files are %q on macOS", s, mac[i])
			}
			onMac[sameOnMac(mac[i])] = true
		}
	})
}
