package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
)

func TestGetTellsWhatTrackersSay(t *testing.T) {
	for name, c := range map[string]struct{ reply, want string }{
		"refusal":              {"d14:failure reason27:passkey \x1b[31mnot allowed\n!!e", "refused: passkey ?[31mnot allowed?!!"},
		"warning":              {"d8:intervali60e5:peers0:15:warning message13:use https nowe", "says: use https now"},
		"no reply of its kind": {"<html>", "the reply is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, c.reply) }))
			defer srv.Close()
			url := srv.URL + "/announce"
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, stderr := printed(t, func() {
				n := quietly
				n.Tracker = []string{url}
				go func() { // until it is told, as a user would
					for ctx.Err() == nil {
						if b, _ := os.ReadFile(os.Stderr.Name()); strings.Contains(string(b), c.want) {
							cancel()
						}
						time.Sleep(20 * time.Millisecond)
					}
				}()
				(&getCmd{Source: strings.Repeat("1", 40), Dir: t.TempDir(), Transport: []string{"tcp"}, network: n}).Run(ctx)
			})
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if len(lines) != 1 || !strings.Contains(lines[0], url) || !strings.Contains(lines[0], c.want) {
				t.Errorf("%q, want one line that names %s and says %q", stderr, url, c.want)
			}
		})
	}
}

// A malformed address in a link or torrent is nothing that the network could mend: it is
// named at once, whatever else there is.
func TestGetNamesMalformedAddresses(t *testing.T) {
	dir := t.TempDir()
	meta, err := shoal.Create(t.Context(), []string{put(t, dir, "x", "content")}, shoal.CreateOptions{
		Announce: [][]string{{"foo://x/"}, {"http://127.0.0.1:99999/announce"}}, WebSeeds: []string{"ftp://127.0.0.1/x", "http://127.0.0.1:1/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for source, wants := range map[string][]string{
		put(t, dir, "x.torrent", string(meta.Marshal())): {
			"tracker foo://x/: the scheme foo is not one that is known here",
			"tracker http://127.0.0.1:99999/announce: the port is not from 1 to 65535",
			"web seed ftp://127.0.0.1/x: the scheme ftp is not one that is known here",
			"web seed http://127.0.0.1:1/x: an address of this machine that comes from a torrent is asked only if you name it yourself", // after a while, as nothing else comes
		},
		"magnet:?xt=urn:btih:" + strings.Repeat("1", 40) + "&tr=udp://127.0.0.1&tr=nonsense&x.pe=127.0.0.1&so=x": {
			"tracker udp://127.0.0.1: it names no port",
			"left out of the link: tr=nonsense: it is malformed",
			"left out of the link: x.pe=127.0.0.1: it is malformed",
			"left out of the link: so=x: it is malformed",
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, stderr := printed(t, func() {
			go func() { // until all is told, as a user would
				for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
					if b, _ := os.ReadFile(os.Stderr.Name()); !slices.ContainsFunc(wants, func(w string) bool { return !strings.Contains(string(b), w) }) {
						cancel()
					}
				}
			}()
			(&getCmd{Source: source, Dir: t.TempDir(), Transport: []string{"tcp"}, network: quietly}).Run(ctx)
		})
		for _, want := range wants {
			if strings.Count(stderr, want+"\n") != 1 {
				t.Errorf("%s: %q, want one line with %q", source, stderr, want)
			}
		}
	}
}

func TestCreateNamesWhatItLeavesOut(t *testing.T) {
	dir := t.TempDir()
	f := filepath.Join(dir, "f")
	put(t, f, "a", "content")
	put(t, f, "f.torrent", "an older one")
	os.Symlink("/etc/hostname", filepath.Join(f, "host"))
	os.Symlink(t.TempDir(), filepath.Join(f, "season2"))
	var code int
	out := filepath.Join(f, "f.torrent")
	for range 2 { // the second time there is one that could become part of itself
		_, stderr := printed(t, func() { code = run([]string{"create", f, "-o", out}) })
		for _, name := range []string{"host", "season2", "f.torrent"} {
			if !strings.Contains(stderr, "left out: "+filepath.Join(f, name)+": ") {
				t.Errorf("exit %d, nothing is said of %s: %q", code, name, stderr)
			}
		}
		b, _ := os.ReadFile(out)
		if meta, err := metainfo.Parse(b); err != nil || len(meta.Info.Files) != 1 {
			t.Errorf("%v: %+v", err, meta)
		}
	}
	_, stderr := printed(t, func() { code = run([]string{"create", filepath.Join(f, "a"), "-o", filepath.Join(f, "a")}) })
	if b, _ := os.ReadFile(filepath.Join(f, "a")); code == 0 || string(b) != "content" {
		t.Errorf("a file became its own torrent: exit %d, %q", code, stderr)
	}
	t.Chdir(f)
	for range 2 {
		if _, stderr = printed(t, func() { code = run([]string{"create", "."}) }); code != 0 || !strings.Contains(stderr, "f.torrent: ") {
			t.Errorf("the torrent of the current folder holds itself: exit %d, %q", code, stderr)
		}
	}
}

func TestCreateOfALongName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	name := strings.Repeat("é", 127) + "x" // 255 bytes
	put(t, dir, name, "content")
	var code int
	stdout, stderr := printed(t, func() { code = run([]string{"create", name}) })
	files, _ := filepath.Glob("*.torrent")
	if code != 0 || len(files) != 1 {
		t.Fatalf("exit %d, %q, %q: %q", code, stdout, stderr, files)
	}
	b, _ := os.ReadFile(files[0])
	if meta, err := metainfo.Parse(b); err != nil || meta.Info.Name != name {
		t.Errorf("%v: %+v", err, meta)
	}
}

func TestCreateToStandardOutput(t *testing.T) {
	path := put(t, t.TempDir(), "x", "content")
	var code int
	stdout, stderr := printed(t, func() { code = run([]string{"create", path, "-o", "-"}) })
	if meta, err := metainfo.Parse([]byte(stdout)); code != 0 || err != nil || meta.Info.Name != "x" {
		t.Errorf("exit %d, %q: %v", code, stderr, err)
	}
}

// Names of files are bytes on most systems.
func TestArgumentsThatAreNoText(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // others hold no such names
	}
	dir := t.TempDir()
	meta, err := shoal.Create(t.Context(), []string{put(t, dir, "x", "content")}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := put(t, dir, "caf\xe9.torrent", string(meta.Marshal()))
	var code int
	stdout, stderr := printed(t, func() { code = run([]string{"info", file}) })
	if code != 0 || !strings.Contains(stdout, meta.Info.HashV1.String()) {
		t.Errorf("exit %d, %q", code, stderr)
	}
	odd := put(t, dir, "stra\xdfe", "content")
	_, stderr = printed(t, func() { code = run([]string{"create", odd}) })
	if want := `stra\xdfe: its name is not UTF-8; rename it`; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %q, want %q", code, stderr, want)
	}
	out := filepath.Join(dir, "\xff.torrent")
	if printed(t, func() { code = run([]string{"create", filepath.Join(dir, "x"), "-o", out}) }); code != 0 {
		t.Errorf("-o: exit %d", code)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error(err)
	}
}

func TestSeedHandsOutATorrentWithItsTracker(t *testing.T) {
	dir := t.TempDir()
	meta, err := shoal.Create(t.Context(), []string{put(t, dir, "x", "content")}, shoal.CreateOptions{Announce: [][]string{{"http://other.example/announce"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := put(t, t.TempDir(), "x.torrent", string(meta.Marshal()))
	s := serving{Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", NoNAT: true, network: quietly}
	next, _ := follow(t, (&seedCmd{Torrent: file, Dir: dir, serving: s}).Run)
	var ready readyEvent
	next("ready", &ready)
	resp, err := http.Get(ready.TorrentURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	got, err := metainfo.Parse(b)
	if err != nil || got.Info.HashV1 != meta.Info.HashV1 {
		t.Fatalf("%v: %q", err, b)
	}
	want := [][]string{{"ws://" + ready.HTTP + "/announce"}, {"http://" + ready.HTTP + "/announce"}, {"http://other.example/announce"}}
	if len(got.Announce) != 3 || got.Announce[0][0] != want[0][0] || got.Announce[1][0] != want[1][0] || got.Announce[2][0] != want[2][0] {
		t.Errorf("trackers %v, want %v", got.Announce, want)
	}
}
