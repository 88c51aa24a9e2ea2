package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
)

func TestItIsSaidWhyNothingComes(t *testing.T) {
	var out strings.Builder
	x := waiting{tell: func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }}
	now := time.Unix(1, 0)
	for _, c := range []struct {
		after time.Duration
		stats shoal.Stats
		want  string
	}{
		{0, shoal.Stats{Left: 9}, ""},
		{9 * time.Second, shoal.Stats{Left: 9}, ""},
		{time.Second, shoal.Stats{Left: 9}, "no peer has been found yet"},
		{time.Second, shoal.Stats{Left: 9}, "no peer has been found yet"},
		{time.Second, shoal.Stats{Left: 9, Peers: 1}, "the only peer does not have what is missing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3}, "none of the 3 peers has what is missing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3, Sources: 1}, "1 peer has what is missing, but sends nothing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3, Sources: 2}, "2 peers have what is missing, but send nothing"},
		{time.Second, shoal.Stats{Left: 5, Peers: 3, Sources: 2, Downloaded: 4}, ""},
		{10 * time.Second, shoal.Stats{Left: 5, Peers: 3, Downloaded: 4}, "none of the 3 peers has what is missing"},
		{time.Minute, shoal.Stats{Peers: 3, Downloaded: 9}, ""},
	} {
		now = now.Add(c.after)
		if got := x.look(now, c.stats); got != c.want {
			t.Errorf("%+v: %q, want %q", c.stats, got, c.want)
		}
	}
	if n := strings.Count(out.String(), "nothing comes: "); n != 6 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
}

// Who shares is told once when the files are not what they were, however many pieces
// and files it concerns and however often they are asked for, and once when all is well
// again.
func TestWhoSharesIsToldOnceOfAChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "album")
	good := strings.Repeat("0123456789abcdef", 20_000)
	a, b := put(t, dir, "a.flac", good), put(t, dir, "b.flac", good[1:])
	meta, err := shoal.Create(t.Context(), []string{dir}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := shoal.New(shoal.Config{Local: true, PeerListen: "127.0.0.1:0", NoWebRTC: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	shared, err := c.Share(t.Context(), meta, dir)
	if err != nil {
		t.Fatal(err)
	}
	read := func() {
		for _, f := range shared.Files() {
			r := f.NewReader(t.Context())
			for range f.Length() / 16384 {
				io.ReadFull(r, make([]byte, 16384))
				r.Seek(16384, io.SeekCurrent)
			}
			r.Close()
		}
	}
	_, stderr := printed(t, func() {
		r := newReports(shared, nil)
		for range 2 {
			put(t, dir, "a.flac", good[2:])
			put(t, dir, "b.flac", strings.ToUpper(good[1:]))
			for range 5 {
				read()
				r.look()
			}
			put(t, dir, "a.flac", good)
			put(t, dir, "b.flac", good[1:])
			for end := time.Now().Add(20 * time.Second); shared.Stats().Lost > 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				r.look()
			}
			for range 3 {
				r.look()
			}
		}
	})
	lines := strings.Split(strings.TrimSpace(stderr), "\n\n")
	ok := len(lines) == 4
	for i, line := range lines {
		warned := strings.HasPrefix(line, "shoal: warning: ") && strings.Contains(line, " is not what the torrent was made from") &&
			(strings.Contains(line, a) || strings.Contains(line, b))
		whole := line == "shoal: album is all there again, and shared"
		ok = ok && (i%2 == 0 && warned || i%2 == 1 && whole)
	}
	if !ok {
		t.Errorf("told:\n%s", stderr)
	}
}
