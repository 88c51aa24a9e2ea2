//go:build unix

package test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

func TestReadyEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "my film.bin")
	rig.Payload(t, file, 300_000, 1)
	n := rig.Share(t, file)
	if all := n.All(); all[0].Str("event") != "ready" {
		t.Errorf("the first object is %v", all[0])
	}
	for _, c := range []struct{ what, value, pattern string }{
		{"info_hash", n.InfoHash, `^[0-9a-f]{40}$`},
		{"link", n.Link, `^http://.+#` + n.InfoHash + `$`},
		{"magnet", n.Magnet, `^magnet:\?.*xt=urn:btih:` + n.InfoHash},
		{"magnet", n.Magnet, `xt=urn:btmh:1220[0-9a-f]{64}`},
		{"torrent_url", n.TorrentURL, `^http://.+/.+\.torrent$`},
		{"http", n.HTTP, `^127\.0\.0\.1:[1-9][0-9]*$`},
		{"peer", n.Peer, `^127\.0\.0\.1:[1-9][0-9]*$`},
	} {
		if !regexp.MustCompile(c.pattern).MatchString(c.value) {
			t.Errorf("%s is %q, which is not like %s", c.what, c.value, c.pattern)
		}
	}
	info := rig.LibtorrentInfo(t, n.Torrent())
	if info.HashV1 != n.InfoHash || info.HashV2 == "" || info.Name != "my film.bin" || len(info.Files) != 1 || info.Files[0].Length != 300_000 {
		t.Errorf("libtorrent reads the shared torrent as %+v", info)
	}
	if len(rig.Fetch(t, "http://"+n.HTTP+"/torrents/"+n.InfoHash+".torrent")) == 0 {
		t.Error("no torrent by its hash")
	}
}

func TestShareFormats(t *testing.T) {
	t.Parallel()
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 2)
	for _, c := range []struct {
		flag   string
		v1, v2 bool
	}{{"--v1", true, false}, {"--v2", false, true}} {
		n := rig.Share(t, tree, c.flag)
		info := rig.LibtorrentInfo(t, n.Torrent())
		if (info.HashV1 != "") != c.v1 || (info.HashV2 != "") != c.v2 {
			t.Errorf("share %s made v1 %q, v2 %q", c.flag, info.HashV1, info.HashV2)
		}
		if len(info.Files) != 6 {
			t.Errorf("share %s: %d files, want 6", c.flag, len(info.Files))
		}
		if want := info.HashV1 + info.HashV2; !strings.HasPrefix(want, n.InfoHash) {
			t.Errorf("share %s says %s, libtorrent %s", c.flag, n.InfoHash, want)
		}
	}
}

func TestSharePrintsLinkAndQRCode(t *testing.T) {
	t.Parallel()
	p := rig.Shoal(t, "share", rig.Path("testdata", "sample.mp4"), "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-dht", "--no-lsd", "--no-nat")
	link := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/#[0-9a-f]{40}`)
	rig.Poll(t, "a link and a QR code", 30*time.Second, func() bool {
		return link.MatchString(p.Stdout()) && strings.Count(p.Stdout(), "█") > 20
	})
	res, err := http.Get(link.FindString(p.Stdout()))
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the link answers %v, %v", res, err)
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	if r := rig.Run(t, "version"); r.Code != 0 || strings.Count(r.Stdout, "\n") != 1 || !strings.Contains(r.Stdout, "shoal") {
		t.Errorf("version: %+v", r)
	}
	r := rig.Run(t, "--help")
	for _, command := range []string{"share", "get", "create", "info", "seed", "tracker", "version"} {
		if r.Code != 0 || !strings.Contains(r.Stdout, command) {
			t.Errorf("--help (exit %d) has no %s", r.Code, command)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good.torrent")
	rig.LibtorrentCreate(t, rig.Path("testdata", "sample.mp4"), good, "hybrid")
	for _, args := range [][]string{
		{"frobnicate"},
		{"get"},
		{"share"},
		{"create"},
		{"info"},
		{"seed", "x.torrent"},
		{"get", "x.torrent", "--no-such-flag"},
		{"get", "x.torrent", "--transport", "pigeon"},
		{"get", good, "--peer", "nowhere"},
		{"create", rig.Path("testdata", "sample.mp4"), "-o", filepath.Join(t.TempDir(), "x.torrent"), "--piece-length", "1000"},
		{"create", rig.Path("testdata", "sample.mp4"), "-o", filepath.Join(t.TempDir(), "x.torrent"), "--v1", "--v2"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := rig.Run(t, args...)
			if r.Code != 2 || r.Stderr == "" || strings.Contains(r.Stderr, "goroutine ") {
				t.Errorf("exit %d, stderr %q; wrong usage exits with 2 and says why", r.Code, r.Stderr)
			}
		})
	}
}

// Each error is one line on stderr that names the input, and exit code 1.
func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.torrent")
	os.WriteFile(garbage, []byte("d4:infod6:lengthi-1eee"), 0o644)
	sample := rig.Path("testdata", "sample.mp4")
	good := filepath.Join(dir, "good.torrent")
	rig.LibtorrentCreate(t, sample, good, "hybrid")
	empty := filepath.Join(dir, "empty")
	os.Mkdir(empty, 0o755)
	file := filepath.Join(dir, "file")
	os.WriteFile(file, []byte("in the way"), 0o644)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	missing := filepath.Join(dir, "missing")
	site := httptest.NewServer(http.NotFoundHandler())
	defer site.Close()
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "4000000000")
		w.Write([]byte("d"))
	}))
	defer huge.Close()
	quiet := []string{"--no-dht", "--no-lsd"}

	for _, c := range []struct {
		name, says string
		args       []string
	}{
		{"share a missing file", missing, append([]string{"share", missing, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-nat"}, quiet...)},
		{"share an empty folder", empty, append([]string{"share", empty, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-nat"}, quiet...)},
		{"share with the web port in use", busy, append([]string{"share", sample, "--listen", busy, "--peer-listen", "127.0.0.1:0", "--no-nat"}, quiet...)},
		{"share with the peer port in use", busy, append([]string{"share", sample, "--listen", "127.0.0.1:0", "--peer-listen", busy, "--no-nat"}, quiet...)},
		{"tracker with its port in use", busy, []string{"tracker", "--listen", busy}},
		{"create of a missing file", missing, []string{"create", missing, "-o", filepath.Join(dir, "x.torrent")}},
		{"create into a missing folder", filepath.Join(missing, "x.torrent"), []string{"create", sample, "-o", filepath.Join(missing, "x.torrent")}},
		{"info of a missing file", missing, []string{"info", missing}},
		{"info of a broken torrent", garbage, []string{"info", garbage}},
		{"info of a broken magnet", "magnet:?xt=urn:btih:123", []string{"info", "magnet:?xt=urn:btih:123"}},
		{"get a missing file", missing + ".torrent", append([]string{"get", missing + ".torrent", "-o", dir}, quiet...)},
		{"get a broken torrent", garbage, append([]string{"get", garbage, "-o", dir}, quiet...)},
		{"get a broken magnet", "magnet:?xt=urn:btih:123", append([]string{"get", "magnet:?xt=urn:btih:123", "-o", dir}, quiet...)},
		{"get an address that has nothing", site.URL, append([]string{"get", site.URL + "/x.torrent", "-o", dir}, quiet...)},
		{"get an address that is far too large", huge.URL, append([]string{"get", huge.URL + "/x.torrent", "-o", dir}, quiet...)},
		{"get from a server that is not there", "127.0.0.1:1", append([]string{"get", "http://127.0.0.1:1/x.torrent", "-o", dir}, quiet...)},
		{"get into what is a file", file, append([]string{"get", good, "-o", file}, quiet...)},
		{"get into a folder nobody can write", "/proc/self/fd", append([]string{"get", good, "-o", "/proc/self/fd/shoal"}, quiet...)},
		{"seed without the files", missing, append([]string{"seed", good, "-d", filepath.Join(missing, "here"), "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"}, quiet...)},
		{"seed of a broken torrent", garbage, append([]string{"seed", garbage, "-d", dir, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"}, quiet...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rig.Run(t, c.args...)
			if r.Code != 1 {
				t.Errorf("exit code %d, want 1", r.Code)
			}
			if strings.Count(strings.TrimRight(r.Stderr, "\n"), "\n") != 0 || !strings.Contains(r.Stderr, c.says) {
				t.Errorf("stderr is %q, want one line that names %s", r.Stderr, c.says)
			}
		})
	}
}

func TestInterruptStopsCleanly(t *testing.T) {
	t.Parallel()
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	n.Interrupt()
	if code := n.Exit(10 * time.Second); code != 0 {
		t.Errorf("share: exit code %d after Ctrl-C, want 0", code)
	}
	if strings.Contains(n.Stderr(), "goroutine ") {
		t.Errorf("share panicked: %s", n.Stderr())
	}
	torrent := filepath.Join(t.TempDir(), "x.torrent")
	rig.LibtorrentCreate(t, rig.Path("testdata", "sample.mp4"), torrent, "hybrid")
	get := rig.Get(t, torrent, t.TempDir())
	get.Event("metadata", 20*time.Second)
	get.Interrupt()
	if code := get.Exit(10 * time.Second); code <= 0 {
		t.Errorf("get: exit code %d after Ctrl-C of an unfinished download", code)
	}
}

func TestCreateAndInfo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := rig.PayloadTree(t, dir, "tree", 3)
	for _, format := range []string{"--v1", "--v2", "--hybrid", ""} {
		t.Run("create "+format, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "x.torrent")
			args := []string{"create", tree, "-o", out, "--tracker", "http://127.0.0.1:1/announce", "--tracker", "ws://127.0.0.1:1",
				"--web-seed", "http://127.0.0.1:1/files/", "--piece-length", "65536", "--private", "--comment", "for a friend"}
			if format != "" {
				args = append(args, format)
			}
			if r := rig.Run(t, args...); r.Code != 0 {
				t.Fatalf("create: %+v", r)
			}
			info := rig.LibtorrentInfo(t, out)
			if v1, v2 := format != "--v2", format != "--v1"; (info.HashV1 != "") != v1 || (info.HashV2 != "") != v2 {
				t.Errorf("v1 %q, v2 %q", info.HashV1, info.HashV2)
			}
			if info.Name != "tree" || info.PieceLength != 65536 || !info.Private || info.Comment != "for a friend" || len(info.Trackers) != 2 || len(info.WebSeeds) != 1 {
				t.Errorf("libtorrent reads %+v", info)
			}
			want := rig.Tree(t, tree)
			for _, f := range info.Files {
				name := strings.TrimPrefix(f.Path, "tree/")
				if _, ok := want[name]; !ok {
					t.Errorf("libtorrent reads a file %q", f.Path)
				}
				delete(want, name)
			}
			if len(want) > 0 {
				t.Errorf("libtorrent misses %v", want)
			}
			for _, extra := range [][]string{nil, {"--json"}} {
				r := rig.Run(t, append([]string{"info", out}, extra...)...)
				for _, part := range []string{info.HashV1, info.HashV2, "tree", "part one.bin", "for a friend", "http://127.0.0.1:1/announce"} {
					if r.Code != 0 || !strings.Contains(r.Stdout, part) {
						t.Errorf("info %v (exit %d) lacks %q: %s", extra, r.Code, part, r.Stdout)
					}
				}
			}
		})
	}
}

// A single file leaves no freedom: two good programs make the same torrent.
func TestCreateAgreesWithLibtorrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, size := range []int64{1, 16384, 16385, 65536, 65537, 3_000_000} {
		file := filepath.Join(dir, "payload.bin")
		rig.Payload(t, file, size, uint64(size))
		for _, format := range []string{"v1", "v2"} {
			ours := filepath.Join(dir, "ours.torrent")
			if r := rig.Run(t, "create", file, "-o", ours, "--"+format, "--piece-length", "65536"); r.Code != 0 {
				t.Fatalf("create: %+v", r)
			}
			theirs := filepath.Join(dir, "theirs.torrent")
			want := rig.LibtorrentCreate(t, file, theirs, format, "--piece-length", "65536")
			got := rig.LibtorrentInfo(t, ours)
			if got.HashV1 != want.HashV1 || got.HashV2 != want.HashV2 {
				t.Errorf("%s of %d bytes: %s%s, libtorrent makes %s%s", format, size, got.HashV1, got.HashV2, want.HashV1, want.HashV2)
			}
		}
	}
}

func TestInfoOfMagnet(t *testing.T) {
	t.Parallel()
	const hash = "0123456789abcdef0123456789abcdef01234567"
	for _, extra := range [][]string{nil, {"--json"}} {
		r := rig.Run(t, append([]string{"info", "magnet:?xt=urn:btih:" + hash + "&dn=A+film&tr=ws%3A%2F%2F127.0.0.1%3A1"}, extra...)...)
		if r.Code != 0 || !strings.Contains(r.Stdout, hash) || !strings.Contains(r.Stdout, "A film") || !strings.Contains(r.Stdout, "ws://127.0.0.1:1") {
			t.Errorf("info of a magnet %v: %+v", extra, r)
		}
	}
}

func TestTrackerCommand(t *testing.T) {
	t.Parallel()
	tracker, addr := startTracker(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 2_000_000, 5)
	n := rig.Share(t, file, "--tracker", "http://"+addr+"/announce")
	// The share's own tracker stays out of this: the new link names the other one alone.
	magnet := "magnet:?xt=urn:btih:" + n.InfoHash + "&tr=http%3A%2F%2F" + addr + "%2Fannounce"
	to := t.TempDir()
	rig.Got(t, rig.Get(t, magnet, to, "--transport", "tcp"), 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
	tracker.Interrupt()
	if code := tracker.Exit(10 * time.Second); code != 0 {
		t.Errorf("tracker: exit code %d after Ctrl-C", code)
	}
}
