//go:build !js

package native

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/maketorrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// A file of the user's under the name of a torrent's is not overwritten, however often
// the download is tried, and whatever was interrupted meanwhile.
func TestAFileOfTheUsersIsInTheWay(t *testing.T) {
	own := []byte("my own notes")
	for name, content := range map[string][]byte{
		"smaller": own, "of that size": append(slices.Clone(own), make([]byte, 500_000-len(own))...),
	} {
		for _, v2 := range []bool{false, true} {
			s := makeSample(t, "film.mkv", 500_000, v2, false)
			dir := t.TempDir()
			file := filepath.Join(dir, "film.mkv")
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
			// Killed while it looked at what is there.
			r, err := storage.OpenResume(dir, s.Info.Key())
			if err == nil {
				err = r.SetInfo(s.Info)
			}
			f, err2 := storage.OpenFiles(dir, s.Info, storage.FileOptions{})
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.Attach(f); err != nil {
				t.Fatal(err)
			}
			r.Close()
			f.Close()
			for range 2 {
				d := Download(dir, nil).(*download)
				d.prepare(s.Info.Key(), s.Torrent)
				_, err := d.open(t.Context(), s.Info)
				if e := new(storage.Error); !errors.As(err, &e) || e.Kind != storage.ErrExists || e.Path != file || !strings.Contains(err.Error(), "move it away") {
					t.Errorf("%s: %v", name, err)
				}
				d.close(false)
				if b, _ := os.ReadFile(file); !bytes.Equal(b, content) {
					t.Errorf("%s: it was overwritten", name)
				}
				if list, _ := os.ReadDir(dir); len(list) != 1 {
					t.Errorf("%s: left behind: %v", name, list)
				}
			}
			os.Remove(file)
			d, c := begin(t, s, dir)
			s.write(t, c, 0)
			d.close(false)
		}
	}
}

// What another program has fetched, or only made room for, is gone on with.
func TestADownloadOfAnotherProgramGoesOn(t *testing.T) {
	for name, change := range map[string]func(b []byte) []byte{
		"a part":           func(b []byte) []byte { return b[:200_000] },
		"holes":            func(b []byte) []byte { clear(b[70_000:400_000]); return b },
		"an odd beginning": func(b []byte) []byte { copy(b, "damaged"); return b },
		"only room":        func(b []byte) []byte { clear(b); return b },
		"nothing yet":      func(b []byte) []byte { return nil },
	} {
		for _, v2 := range []bool{false, true} {
			s := makeSample(t, "film.mkv", 500_000, v2, false)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "film.mkv"), change(slices.Clone(s.data)), 0o644); err != nil {
				t.Fatal(err)
			}
			d, c := begin(t, s, dir)
			for i := range s.Info.NumPieces() {
				if !c.Have.Has(i) {
					s.write(t, c, i)
				}
			}
			d.close(true)
			if b, _ := os.ReadFile(filepath.Join(dir, "film.mkv")); !bytes.Equal(b, s.data) {
				t.Errorf("%s, v2 %v: it is not the torrent's", name, v2)
			}
		}
	}
}

// folder is a folder with a torrent of it.
func folder(t *testing.T, opt maketorrent.Options, files map[string]string) (dir string, meta *metainfo.Torrent) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "files")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := maketorrent.Make(t.Context(), []string{dir}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return dir, meta
}

// In a folder that has the torrent's other files, the user's file makes way, and it is
// said where it is now.
func TestAFileOfTheUsersAmongTheTorrents(t *testing.T) {
	dir, meta := folder(t, maketorrent.Options{}, map[string]string{
		"film": strings.Repeat("x", 100_000), "readme": strings.Repeat("readme ", 1000),
	})
	own := filepath.Join(dir, "readme")
	os.WriteFile(own, []byte("my own words"), 0o644)
	os.WriteFile(own+".old", []byte("older words"), 0o644)
	said := ""
	d := Download(filepath.Dir(dir), nil).(*download)
	d.warn = func(err error) { said += err.Error() }
	d.prepare(meta.Info.Key(), meta)
	c, err := d.open(t.Context(), meta.Info)
	if err != nil || c.Have.Count() == 0 || c.Have.All() {
		t.Fatalf("%+v, %v", c, err)
	}
	d.close(false)
	if b, err := os.ReadFile(own + ".old2"); string(b) != "my own words" || !strings.Contains(said, own+".old2") {
		t.Errorf("%q, %v; said %q", b, err, said)
	}
}

// A v2 torrent that is known by a link alone has no hashes of its pieces yet. What is
// complete is recognised all the same, and nothing else is taken for the user's.
func TestACompleteV2DownloadIsRecognisedWithoutItsLayers(t *testing.T) {
	dir, meta := folder(t, maketorrent.Options{V2: true, PieceLength: 16 << 10}, map[string]string{
		"film": strings.Repeat("a frame ", 20_000), "small": "one piece",
	})
	info, err := metainfo.ParseInfo(meta.Info.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	d := Download(filepath.Dir(dir), nil).(*download)
	d.prepare(info.Key(), nil)
	c, err := d.open(t.Context(), info)
	if err != nil || !c.Have.All() || !c.Layers.Complete() {
		t.Errorf("%+v, %v", c, err)
	}
	d.close(true)
}

// What belongs to a torrent besides bytes is there when the download is whole, or it is
// said that it is not.
func TestLinksOfAWholeDownload(t *testing.T) {
	dir, meta := folder(t, maketorrent.Options{}, map[string]string{"bin/tool": "run me", "z": "z"})
	info := *meta.Info
	info.Symlinks = []metainfo.Symlink{
		{Path: []string{"tool"}, Target: []string{"bin", "tool"}}, {Path: []string{"z", "below"}, Target: []string{"bin"}},
	}
	said := ""
	d := Download(filepath.Dir(dir), nil).(*download)
	d.warn = func(err error) { said += err.Error() }
	d.prepare(info.Key(), &metainfo.Torrent{Info: &info, PieceLayers: meta.PieceLayers})
	if _, err := d.open(t.Context(), &info); err != nil {
		t.Fatal(err)
	}
	d.close(true)
	if b, err := os.ReadFile(filepath.Join(dir, "tool")); string(b) != "run me" {
		t.Errorf("%q, %v", b, err)
	}
	if want := filepath.Join(dir, "z", "below"); !strings.Contains(said, want) {
		t.Errorf("said %q, nothing of %s", said, want)
	}
}
