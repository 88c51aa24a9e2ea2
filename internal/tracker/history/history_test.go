package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

var start = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

func open(t *testing.T, path string, conf Config) *Store {
	t.Helper()
	s, err := Open(path, conf)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *Store, now time.Time) {
	t.Helper()
	if err := s.Close(now); err != nil {
		t.Fatal(err)
	}
}

func hash(n int) (h Hash) {
	binary.BigEndian.PutUint32(h[:], uint32(n))
	return h
}

func TestDownloadsOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{})
	for n := range 10 {
		for range n + 1 {
			s.Completed(hash(n), start)
		}
	}
	s.Seen(hash(3), 50, start)
	s.Seen(hash(3), 40, start.Add(time.Hour))
	closed(t, s, start)

	s = open(t, path, Config{})
	if n := s.Downloads(hash(7)); n != 8 || s.Downloads(hash(99)) != 0 {
		t.Errorf("%d downloads, want 8", n)
	}
	s.Completed(hash(7), start.Add(2*time.Hour))
	top := s.Top(3)
	if len(top) != 3 || top[0].InfoHash != hash(9) || top[0].Downloads != 10 || top[1].Downloads != 9 || top[2].Downloads != 9 {
		t.Errorf("top: %+v", top)
	}
	all := s.Top(100)
	if len(all) != 10 || all[9].InfoHash != hash(0) {
		t.Errorf("all: %+v", all)
	}
	for _, w := range all {
		if w.InfoHash == hash(3) && (w.Peak != 50 || w.Seen != start.Add(time.Hour)) {
			t.Errorf("%+v", w)
		}
	}
	if s.Top(0) != nil {
		t.Error("the first none")
	}
	closed(t, s, start)
}

func TestWhatIsNotFlushedIsLostAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.db")
	s := open(t, path, Config{})
	s.Completed(hash(1), start)
	if err := s.Flush(start); err != nil {
		t.Fatal(err)
	}
	s.Completed(hash(1), start)
	// A crash: the file as it is, without a Close.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(dir, "crashed.db")
	os.WriteFile(crashed, text, 0o600)
	closed(t, s, start)
	after := open(t, crashed, Config{})
	if n := after.Downloads(hash(1)); n != 1 {
		t.Errorf("%d downloads after a crash", n)
	}
	closed(t, after, start)
	if s := open(t, path, Config{}); s.Downloads(hash(1)) != 2 {
		t.Error("Close lost something")
	} else {
		closed(t, s, start)
	}
}

func TestFlushWritesOnlyWhatHasChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{})
	defer s.Close(start)
	commits := func() int64 { st := s.db.Stats(); return st.TxStats.GetWrite() }
	s.Completed(hash(1), start)
	s.Add(Sample{Announces: 5}, start)
	s.Flush(start)
	before := commits()
	if err := s.Flush(start.Add(time.Minute)); err != nil || commits() != before {
		t.Errorf("idle: %v, %d writes", err, commits()-before)
	}
}

func TestAFullStoreForgetsWhatIsWorthLeast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{Swarms: 100})
	for n := range 20 {
		for range 5 {
			s.Completed(hash(n), start)
		}
	}
	for n := range 5000 { // made up
		s.Completed(hash(1000+n), start.Add(time.Minute))
		if n%500 == 0 {
			s.Flush(start)
		}
	}
	if s.Len() != 100 {
		t.Errorf("%d swarms in memory", s.Len())
	}
	for n := range 20 {
		if s.Downloads(hash(n)) != 5 {
			t.Errorf("swarm %d was driven out", n)
		}
	}
	closed(t, s, start)
	s = open(t, path, Config{Swarms: 100})
	if n := inFile(s); s.Len() != 100 || n != 100 {
		t.Errorf("%d swarms in memory, %d in the file", s.Len(), n)
	}
	closed(t, s, start)
	s = open(t, path, Config{Swarms: 30})
	if err := s.Flush(start); err != nil || s.Len() != 30 || inFile(s) != 30 {
		t.Errorf("with a smaller bound: %v, %d in memory, %d in the file", err, s.Len(), inFile(s))
	}
	closed(t, s, start)
}

func inFile(s *Store) (n int) {
	s.db.View(func(tx *bbolt.Tx) error { n = tx.Bucket(swarmsBucket).Stats().KeyN; return nil })
	return n
}

func TestSwarmsOfLongAgoAreForgotten(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "history.db"), Config{})
	defer s.Close(start)
	s.Completed(hash(1), start)
	s.Completed(hash(2), start.Add(200*24*time.Hour))
	s.Flush(start.Add(keepSwarm))
	if s.Len() != 2 {
		t.Error("forgotten too early")
	}
	s.Flush(start.Add(keepSwarm + 24*time.Hour))
	if s.Len() != 1 || s.Downloads(hash(2)) != 1 || inFile(s) != 1 {
		t.Errorf("%d swarms after a year", s.Len())
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{})
	s.Add(Sample{Swarms: 3, Connections: 10, Announces: 100, BytesIn: 1000}, start)
	s.Add(Sample{Swarms: 5, Connections: 8, Announces: 150, BytesIn: 1000}, start.Add(10*time.Minute))
	s.Flush(start)
	s.Add(Sample{Swarms: 1, Connections: 1, Announces: 160, BytesIn: 1500}, start.Add(40*time.Minute))
	closed(t, s, start.Add(40*time.Minute))

	s = open(t, path, Config{}) // counts begin at zero again
	s.Add(Sample{Swarms: 2, Announces: 7}, start.Add(50*time.Minute))
	s.Completed(hash(1), start.Add(55*time.Minute))
	s.Add(Sample{Swarms: 1, Announces: 9}, start.Add(12*time.Hour))
	// The clock was set back: nothing is lost, and no hour comes twice.
	s.Add(Sample{Swarms: 1, Announces: 10}, start.Add(11*time.Hour))
	check := func(when string) {
		t.Helper()
		noon := start.Truncate(time.Hour)
		wantHours := []Point{
			{Start: noon, Swarms: 5, Connections: 10, Announces: 150, BytesIn: 1000},
			{Start: noon.Add(time.Hour), Swarms: 2, Connections: 1, Announces: 17, Downloads: 1, BytesIn: 500},
			{Start: noon.Add(12 * time.Hour), Swarms: 1, Announces: 3},
		}
		wantDays := []Point{
			{Start: noon.Truncate(day), Swarms: 5, Connections: 10, Announces: 167, Downloads: 1, BytesIn: 1500},
			{Start: noon.Truncate(day).Add(day), Swarms: 1, Announces: 3},
		}
		if got := s.Hours(); fmt.Sprint(got) != fmt.Sprint(wantHours) {
			t.Errorf("%s, hours: %+v\nwant %+v", when, got, wantHours)
		}
		if got := s.Days(); fmt.Sprint(got) != fmt.Sprint(wantDays) {
			t.Errorf("%s, days: %+v\nwant %+v", when, got, wantDays)
		}
	}
	check("before a restart")
	closed(t, s, start.Add(12*time.Hour))
	s = open(t, path, Config{})
	check("after it")
	closed(t, s, start.Add(12*time.Hour))
}

func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{})
	now := start
	for range 4 * 366 {
		s.Add(Sample{Announces: 1}, now)
		s.Add(Sample{Announces: 1}, now.Add(time.Hour))
		now = now.Add(24 * time.Hour)
	}
	for range 2 { // in memory, then as read from the file
		if err := s.Flush(now); err != nil {
			t.Fatal(err)
		}
		hours, days := s.Hours(), s.Days()
		if len(hours) > 64 || len(days) > 3*366+1 || now.Sub(hours[0].Start) > keepHours || now.Sub(days[0].Start) > keepDays {
			t.Errorf("%d hours, %d days", len(hours), len(days))
		}
		closed(t, s, now)
		s = open(t, path, Config{})
	}
	closed(t, s, now)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600)

	cut := filepath.Join(dir, "cut")
	s := open(t, cut, Config{})
	for n := range 5000 {
		s.Completed(hash(n), start)
	}
	closed(t, s, start)
	whole, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(cut, whole[:2*os.Getpagesize()], 0o600)

	zeroed := filepath.Join(dir, "zeroed")
	os.WriteFile(zeroed, append(bytes.Clone(whole[:2*os.Getpagesize()]), make([]byte, len(whole)-2*os.Getpagesize())...), 0o600)

	newer := filepath.Join(dir, "newer")
	s = open(t, newer, Config{})
	s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte{9}) })
	closed(t, s, start)

	used := filepath.Join(dir, "used")
	s = open(t, used, Config{})
	defer s.Close(start)

	for path, want := range map[string]string{
		dir: "directory", filepath.Join(dir, "missing", "x"): "no such file", text: "move it away", cut: "move it away", zeroed: "move it away",
		newer: "newer version", used: "another process uses it",
	} {
		s, err := Open(path, Config{})
		if err == nil {
			s.Close(start)
			t.Errorf("%s was opened", path)
			continue
		}
		if msg := err.Error(); !strings.HasPrefix(msg, "cannot keep the history in "+path+": ") || !strings.Contains(msg, want) || strings.Count(msg, path) != 1 {
			t.Errorf("%v, want: %s", err, want)
		}
	}
}

func TestAFailedFlushIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path, Config{})
	s.Completed(hash(1), start)
	s.Add(Sample{Announces: 5}, start)
	db := s.db
	broken, err := bbolt.Open(path+"2", 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken.Close()
	s.db = broken
	if err := s.Flush(start); err == nil {
		t.Error("written nowhere")
	}
	s.db = db
	s.Completed(hash(2), start)
	closed(t, s, start)
	s = open(t, path, Config{})
	if s.Downloads(hash(1)) != 1 || s.Downloads(hash(2)) != 1 || len(s.Hours()) != 1 || len(s.Days()) != 1 {
		t.Error("what could not be written once is lost")
	}
	closed(t, s, start)
}

func TestManyAtOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "history.db"), Config{Swarms: 50})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 500 {
				s.Completed(hash(g*30+n%60), start)
				s.Seen(hash(n), n, start)
				s.Add(Sample{Announces: uint64(n)}, start)
				s.Top(5)
				s.Downloads(hash(n))
				if n%100 == 0 {
					if err := s.Flush(start); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	closed(t, s, start)
	if s.Len() > 50 {
		t.Errorf("%d swarms", s.Len())
	}
}

func FuzzValues(f *testing.F) {
	p := Point{Swarms: 1, BytesOut: 1 << 63}
	f.Add([]byte("12345678"), p.appendTo(nil))
	f.Add([]byte("\x00\x00\x00\x00\x60\x00\x00\x00"), []byte{1, 2, 0x80})
	f.Add([]byte{}, bytes.Repeat([]byte{0xff}, 30))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if p, ok := parsePoint(key, value); ok {
			if again, ok := parsePoint(key, p.appendTo(nil)); !ok || again != p {
				t.Fatalf("%+v became %+v", p, again)
			}
			if p.Start.Unix() < 0 {
				t.Fatal(p.Start)
			}
		}
		r := parseRecord(value)
		if again := parseRecord(r.appendTo(nil)); again != r {
			t.Fatalf("%+v became %+v", r, again)
		}
	})
}

func BenchmarkFlush(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "history.db"), Config{})
	if err != nil {
		b.Fatal(err)
	}
	for n := range 100_000 {
		s.Completed(hash(n*2654435761), start)
	}
	s.Flush(start)
	n := 0
	b.ResetTimer()
	for b.Loop() {
		for range 1000 {
			n += 7919
			s.Completed(hash((n%100_000)*2654435761), start)
		}
		if err := s.Flush(start); err != nil {
			b.Fatal(err)
		}
	}
}
