//go:build unix

package test

import (
	"bytes"
	"crypto/sha1"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// slowSwarm is a torrent whose only seed sits behind a slow line.
type slowSwarm struct {
	file, torrent string
	line          *rig.Proxy
}

func newSlowSwarm(t *testing.T, size, rate int64, seed uint64) slowSwarm {
	t.Helper()
	dir := t.TempDir()
	s := slowSwarm{file: filepath.Join(dir, "big.bin"), torrent: filepath.Join(dir, "big.torrent")}
	rig.Payload(t, s.file, size, seed)
	rig.LibtorrentCreate(t, s.file, s.torrent, "hybrid", "--piece-length", "262144")
	s.line = rig.StartProxy(t, rig.LibtorrentSeed(t, s.torrent, dir).Addr, rate)
	return s
}

// get downloads over the slow line.
func (s slowSwarm) get(t *testing.T, to string) *rig.Proc {
	t.Helper()
	return rig.Get(t, s.torrent, to, "--peer", s.line.Addr, "--transport", "tcp")
}

// waitBytes waits until n bytes came over the line.
func (s slowSwarm) waitBytes(t *testing.T, n int64) {
	t.Helper()
	rig.Poll(t, "the download to get going", 60*time.Second, func() bool { return s.line.Bytes() > n })
}

func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	s := newSlowSwarm(t, size, 6<<20, 30)
	to := t.TempDir()
	get := s.get(t, to)
	s.waitBytes(t, size*2/3)
	get.Kill()
	before := s.line.Bytes()
	s.line.Speed(0)
	rig.Got(t, s.get(t, to), 60*time.Second)
	rig.Same(t, s.file, filepath.Join(to, "big.bin"))
	if again := s.line.Bytes() - before; again > size*2/3 {
		t.Errorf("after kill -9 at two thirds, %d of %d bytes came again", again, size)
	}
}

// The resume data may be gone or wrong; what counts is what the hashes say.
func TestResumeDoesNotTrustTheDisk(t *testing.T) {
	t.Parallel()
	s := newSlowSwarm(t, 8<<20, 0, 31)
	to := t.TempDir()
	rig.Got(t, s.get(t, to), 60*time.Second)
	target := filepath.Join(to, "big.bin")
	damage(t, target, 3<<20)
	rig.Got(t, s.get(t, to), 60*time.Second)
	rig.Same(t, s.file, target)
}

// damage overwrites some bytes at an offset, size unchanged.
func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("damage "), 1000), at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSecondGetIntoTheSameFolder(t *testing.T) {
	t.Parallel()
	s := newSlowSwarm(t, 8<<20, 1<<20, 32)
	to := t.TempDir()
	first := s.get(t, to)
	s.waitBytes(t, 1<<20)
	second := s.get(t, to)
	if code := second.Exit(20 * time.Second); code != 1 {
		t.Errorf("the second get exited with %d, want 1", code)
	}
	if line := strings.TrimRight(second.Stderr(), "\n"); line == "" || strings.Contains(line, "\n") || !strings.Contains(line, to) {
		t.Errorf("the second get said %q, want one line that names %s", line, to)
	}
	s.line.Speed(0)
	rig.Got(t, first, 60*time.Second)
	rig.Same(t, s.file, filepath.Join(to, "big.bin"))
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newSlowSwarm(t, 16<<20, 0, 33)
	mount := t.TempDir()
	var get *rig.Proc
	mounted := os.Geteuid() == 0 && exec.Command("mount", "-t", "tmpfs", "-o", "size=9m", "shoal-test", mount).Run() == nil
	if mounted {
		t.Cleanup(func() { exec.Command("umount", "-l", mount).Run() })
		get = s.get(t, mount)
	} else {
		// Without a small disk, a limit on the size of a file gives the same kind of refusal.
		get = rig.Start(t, rig.Command{Path: "/bin/sh", Args: []string{"-c", `ulimit -f 9000; exec "$@"`, "sh",
			rig.Binary(t), "get", s.torrent, "-o", mount, "--peer", s.line.Addr, "--transport", "tcp", "--no-dht", "--no-lsd", "--json"},
			Env: []string{"HOME=" + t.TempDir()}})
	}
	if code := get.Exit(60 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if line := strings.TrimRight(get.Stderr(), "\n"); line == "" || strings.Contains(line, "\n") || !strings.Contains(line, mount) {
		t.Errorf("stderr is %q, want one line that names %s", line, mount)
	}
	if !mounted {
		return
	}
	// What was verified stays, so more room lets it go on rather than start again.
	if out, err := exec.Command("mount", "-o", "remount,size=64m", mount).CombinedOutput(); err != nil {
		t.Fatalf("cannot enlarge the small disk: %v %s", err, out)
	}
	before := s.line.Bytes()
	rig.Got(t, s.get(t, mount), 60*time.Second)
	rig.Same(t, s.file, filepath.Join(mount, "big.bin"))
	if again := s.line.Bytes() - before; again > 14<<20 {
		t.Errorf("%d bytes came again after the disk had been full", again)
	}
}

// A seed whose file changed must not spoil a download, and must say so.
func TestChangedSourceFile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"changed": func(t *testing.T, path string) { damage(t, path, 2<<20) },
		"truncated": func(t *testing.T, path string) {
			if err := os.Truncate(path, 1<<20); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "source.bin")
			rig.Payload(t, file, 8<<20, 34)
			original := rig.Sum(t, file)
			n := rig.Share(t, file)
			torrent := n.Torrent()
			change(t, file)
			to := t.TempDir()
			get := rig.Get(t, torrent, to, "--peer", n.Peer, "--transport", "tcp")
			rig.Poll(t, "the sharing process to name the file that is not what it was", 30*time.Second, func() bool {
				return strings.Contains(n.Stderr(), "source.bin")
			})
			if strings.Contains(n.Stderr(), "goroutine ") || !n.Running() {
				t.Errorf("the sharing process fell over: %s", n.Stderr())
			}
			if len(get.Events("done")) > 0 && rig.Sum(t, filepath.Join(to, "source.bin")) != original {
				t.Error("get took bytes that are not the torrent's")
			}
			// A sound seed still gets it done.
			whole := t.TempDir()
			rig.Payload(t, filepath.Join(whole, "source.bin"), 8<<20, 34)
			seed := rig.LibtorrentSeed(t, torrent, whole)
			get.Kill()
			rig.Got(t, rig.Get(t, torrent, to, "--peer", n.Peer, "--peer", seed.Addr, "--transport", "tcp"), 60*time.Second)
			if rig.Sum(t, filepath.Join(to, "source.bin")) != original {
				t.Error("the repaired download is wrong")
			}
		})
	}
}

// A peer that sends rubbish costs its connection, never the download.
func TestGetSurvivesABadSeed(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			dir, bad := t.TempDir(), t.TempDir()
			file := filepath.Join(dir, "source.bin")
			rig.Payload(t, file, 6<<20, 35)
			rig.Payload(t, filepath.Join(bad, "source.bin"), 6<<20, 36)
			torrent := filepath.Join(dir, "x.torrent")
			rig.LibtorrentCreate(t, file, torrent, format)
			good, liar := rig.LibtorrentSeed(t, torrent, dir), rig.LibtorrentSeed(t, torrent, bad)
			to := t.TempDir()
			rig.Got(t, rig.Get(t, torrent, to, "--peer", liar.Addr, "--peer", good.Addr, "--transport", "tcp"), 60*time.Second)
			rig.Same(t, file, filepath.Join(to, "source.bin"))
		})
	}
}

// Names in a torrent are hostile: they become others, and nothing is written outside the
// folder.
func TestNothingIsWrittenOutsideTheFolder(t *testing.T) {
	t.Parallel()
	pieces := func(content string) string {
		sum := sha1.Sum([]byte(content))
		return "12:piece lengthi16384e6:pieces20:" + string(sum[:]) + "e"
	}
	for name, c := range map[string]struct {
		info string
		want []string // in the folder
	}{
		"dots in the name":    {"d6:lengthi5e4:name7:../evil" + pieces("evil!"), []string{"..evil"}},
		"dots in a path":      {"d5:filesld6:lengthi5e4:pathl2:..4:evileee4:name1:n" + pieces("evil!"), []string{"n/evil"}},
		"an absolute path":    {"d5:filesld6:lengthi5e4:pathl9:/tmp/evileee4:name1:n" + pieces("evil!"), []string{"n/tmpevil"}},
		"two files, one path": {"d5:filesld6:lengthi5e4:pathl1:aeed6:lengthi5e4:pathl1:aeee4:name1:n" + pieces("evil!evil!"), []string{"n/a", "n/a.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			torrent, from, to := filepath.Join(dir, "x.torrent"), filepath.Join(dir, "from"), filepath.Join(dir, "below", "to")
			err := os.WriteFile(torrent, []byte("d4:info"+c.info+"e"), 0o644)
			for _, name := range c.want {
				path := filepath.Join(from, name)
				if err == nil {
					err = os.MkdirAll(filepath.Dir(path), 0o755)
				}
				if err == nil {
					err = os.WriteFile(path, []byte("evil!"), 0o644)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			n := rig.Seed(t, torrent, from)
			rig.Got(t, rig.Get(t, torrent, to, "--peer", n.Peer), 30*time.Second)
			rig.Same(t, from, to)
			for _, evil := range []string{filepath.Join(dir, "evil"), filepath.Join(dir, "below", "evil"), "/tmp/evil"} {
				if _, err := os.Stat(evil); err == nil {
					t.Errorf("%s was written outside the folder", evil)
				}
			}
		})
	}
}

// A name that is a symbolic link on this disk must not lead the download elsewhere.
func TestSymlinkInTheFolder(t *testing.T) {
	t.Parallel()
	s := newSlowSwarm(t, 1<<20, 0, 37)
	to, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(elsewhere, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(to, "big.bin")); err != nil {
		t.Fatal(err)
	}
	get := s.get(t, to)
	get.Exit(60 * time.Second)
	if b, _ := os.ReadFile(elsewhere); string(b) != "precious" {
		t.Error("the download wrote through a symbolic link")
	}
}
