//go:build unix

package test

import (
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

var readyLine = regexp.MustCompile(`tracker ready on ([^\s,]+)`)

// startTracker runs `shoal tracker`, on a free port of loopback unless the arguments
// say where, and returns the first address it is ready on.
func startTracker(t *testing.T, args ...string) (*rig.Proc, string) {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	p := rig.Shoal(t, append([]string{"tracker"}, args...)...)
	rig.Poll(t, "the tracker", 30*time.Second, func() bool {
		if !p.Running() {
			t.Fatalf("the tracker ended")
		}
		return readyLine.MatchString(p.Stdout())
	})
	return p, readyLine.FindStringSubmatch(p.Stdout())[1]
}

func infoHash(t *testing.T, s string) (h [20]byte) {
	t.Helper()
	if n, err := hex.Decode(h[:], []byte(s)); err != nil || n != len(h) {
		t.Fatalf("%q is no info hash", s)
	}
	return h
}

// oneFile makes a payload of a few megabytes and its v1 torrent that names the tracker.
func oneFile(t *testing.T, seed uint64, tracker string) (file, torrent string, hash [20]byte) {
	t.Helper()
	dir := t.TempDir()
	file, torrent = filepath.Join(dir, "one.bin"), filepath.Join(dir, "x.torrent")
	rig.Payload(t, file, 3_000_000, seed)
	info := rig.LibtorrentCreate(t, file, torrent, "v1", "--tracker", tracker)
	return file, torrent, infoHash(t, info.HashV1)
}
