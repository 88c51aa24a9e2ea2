//go:build !js

package native

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A goal is one of the torrent, not of the process: what was given before a restart
// counts after it, and a goal that was reached is reached still.
func TestGoalsCountEarlierRuns(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	state := filepath.Join(t.TempDir(), "new")
	run := func() (*Client, *Torrent) {
		c := newClient(t, func(cfg *Config) { cfg.StateDir, cfg.Goals = state, Goals{Ratio: 2} })
		return c, add(t, c, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	}
	for n := range 2 {
		c, seed := run()
		if r := seed.Ratio(); math.Abs(r-float64(n)) > 0.01 {
			t.Fatalf("run %d begins with ratio %v", n, r)
		}
		got := add(t, newClient(t, nil), Options{Torrent: s.Torrent, Peers: []string{c.PeerAddr().String()}, Content: Download(t.TempDir(), nil)})
		wait(t, got)
		eventually(t, "word of what was sent", func() bool { return seed.Ratio() >= float64(n+1) })
		if _, up, _ := seed.Totals(); up != s.Info.Length {
			t.Errorf("trackers are told of %d bytes in this run", up)
		}
		if n == 0 {
			seed.mu.Lock()
			seed.seeded = time.Hour
			seed.mu.Unlock()
		}
		c.Close()
	}
	_, seed := run()
	if r := seed.Ratio(); math.Abs(r-2) > 0.01 || seed.Seeded() < time.Hour {
		t.Errorf("after two runs: ratio %v, %v", r, seed.Seeded())
	}
	eventually(t, "rest, as the goal is reached", func() bool { seed.c.kick(); return seed.Rested() })
	if list, _ := filepath.Glob(filepath.Join(state, "*")); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
}

// A torrent that is taken out and added again goes on too, and what was noted is there
// though the process ends without a word.
func TestTotalsOutliveTheTorrentAndAKill(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	state := t.TempDir()
	c := newClient(t, func(cfg *Config) { cfg.StateDir = state })
	got := add(t, c, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	got.mu.Lock()
	got.seeded = 90 * time.Second
	got.mu.Unlock()
	c.noteTotals(time.Now())
	if x := loadTotals(state).of(s.Info.Key()); x.seeded < 90*time.Second {
		t.Errorf("a kill now costs %+v", x)
	}
	got.Close()
	if got = add(t, c, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)}); got.Seeded() < 90*time.Second {
		t.Errorf("added again it was seeded for %v", got.Seeded())
	}
}

// Two programs with one folder do not undo each other's totals.
func TestTotalsOfTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	a, b := loadTotals(dir), loadTotals(dir)
	x, y := total{down: 1, up: 2, seeded: 3 * time.Second, at: 4}, total{up: 5, at: 6}
	a.note(metainfo.Hash{1}, x)
	b.note(metainfo.Hash{2}, y)
	if a.save() != nil || b.save() != nil {
		t.Fatal("not saved")
	}
	again := loadTotals(dir)
	if again.of(metainfo.Hash{1}) != x || again.of(metainfo.Hash{2}) != y || again.of(metainfo.Hash{3}) != (total{}) {
		t.Errorf("%+v", again.saved)
	}
	path := filepath.Join(dir, totalsName)
	os.Remove(path)
	y.at++
	again.note(metainfo.Hash{2}, y)
	if again.save(); len(readState(dir, totalsName, 1000)) != 0 {
		t.Error("what nothing happened to is written again")
	}
	y.up++
	again.note(metainfo.Hash{2}, y)
	if again.save(); len(readState(dir, totalsName, 1000)) == 0 || again.of(metainfo.Hash{2}) != y {
		t.Error("not saved")
	}
	// A folder that cannot be made is told, and costs nothing that was noted.
	none := loadTotals(filepath.Join(path, "folder"))
	none.note(metainfo.Hash{1}, x)
	if none.save() == nil || none.of(metainfo.Hash{1}) != x {
		t.Error("saved below a file")
	}
	nowhere := loadTotals("")
	nowhere.note(metainfo.Hash{1}, x)
	if nowhere.save() != nil || nowhere.of(metainfo.Hash{1}) != (total{}) {
		t.Error("kept without a folder")
	}
}

func TestTotalsAreBounded(t *testing.T) {
	all := map[metainfo.Hash]total{}
	for i := range maxTotals + 10 {
		all[metainfo.Hash{byte(i), byte(i >> 8), byte(i >> 16)}] = total{
			down: math.MaxInt64, up: math.MaxInt64, seeded: (1<<32 - 1) * time.Second, at: int64(i),
		}
	}
	b := marshalTotals(all)
	if len(b) > maxTotalsFile {
		t.Errorf("%d bytes, the next run takes %d", len(b), maxTotalsFile)
	}
	got := parseTotals(b)
	if _, oldest := got[metainfo.Hash{9}]; len(got) != maxTotals || oldest {
		t.Errorf("%d torrents, the oldest among them: %v", len(got), oldest)
	}
}

func TestTotalsFromAStranger(t *testing.T) {
	entry := func(key string, n ...int64) []byte {
		b := bencode.AppendString([]byte("d8:torrentsll"), key)
		for _, n := range n {
			b = bencode.AppendInt(b, n)
		}
		return append(b, "eee"...)
	}
	const key = "aaaaaaaaaaaaaaaaaaaa"
	if got := parseTotals(entry(key, 1, 2, 3, 4)); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	for _, b := range [][]byte{
		nil, []byte("le"), []byte("de"), []byte("d8:torrentsi1ee"), bytes.Repeat([]byte("l"), 100),
		entry(key[1:], 1, 2, 3, 4), entry(key, 1, 2, 3), entry(key, 1, 2, 3, 4, 5), entry(key, -1, 2, 3, 4), entry(key, 1, 2, 1<<40, 4),
	} {
		if got := parseTotals(b); len(got) != 0 {
			t.Errorf("%q: %+v", b, got)
		}
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, totalsName), make([]byte, maxTotalsFile+1), 0o666)
	if got := readState(dir, totalsName, maxTotalsFile); got != nil {
		t.Error("a file that is too large is read")
	}
}
