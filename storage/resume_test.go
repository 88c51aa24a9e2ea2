//go:build !js

package storage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// session is one run of a download.
type session struct {
	*Resume
	f              *File
	have, doubtful *Bits
}

func begin(t testing.TB, dir string, s *sample) *session {
	t.Helper()
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, dir, s, FileOptions{})
	x := &session{Resume: r, f: f}
	if x.have, x.doubtful, err = r.Attach(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return x
}

func (x *session) download(t testing.TB, s *sample, pieces ...int) {
	t.Helper()
	s.fill(t, x.f, pieces...)
	if err := x.MarkHave(pieces...); err != nil {
		t.Fatal(err)
	}
}

// stop ends the run in good order.
func (x *session) stop(t testing.TB) {
	t.Helper()
	if err := x.Resume.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.f.Close(); err != nil {
		t.Fatal(err)
	}
}

// die ends it as kill -9 does: nothing more is written, the lock is gone.
func (x *session) die() {
	x.mu.Lock()
	x.closed = true
	x.file.Close()
	x.root.Close()
	x.mu.Unlock()
	x.f.Close()
}

func resumePath(dir string, s *sample) string {
	return filepath.Join(dir, "."+s.Info.Key().String()+".shoal")
}

func TestResumeAfterAStop(t *testing.T) {
	for _, v := range versions {
		for _, kill := range []bool{false, true} {
			t.Run(v.name, func(t *testing.T) {
				s := mixed(t, v.v1, v.v2)
				n := s.Info.NumPieces()
				dir := t.TempDir()
				x := begin(t, dir, s)
				if x.have.Count() != 0 || x.doubtful.Count() != 0 || x.Note() != "" {
					t.Errorf("fresh: %08b %08b %q", x.have, x.doubtful, x.Note())
				}
				x.download(t, s, 0)
				x.download(t, s, 5, 7)
				end := func() { x.stop(t) }
				if kill {
					end = func() { x.die() }
				}
				end()
				for range 3 { // and again, without news
					x = begin(t, dir, s)
					wantBits(t, "have", x.have, setOf(n, 0, 5, 7))
					wantBits(t, "doubtful", x.doubtful, NewBits(n))
					if x.Note() != "" {
						t.Errorf("note: %s", x.Note())
					}
					end()
				}
				x = begin(t, dir, s)
				x.download(t, s, 1)
				x.die()
				x = begin(t, dir, s)
				wantBits(t, "have", x.have, setOf(n, 0, 1, 5, 7))
				if err := x.Remove(); err != nil {
					t.Fatal(err)
				}
				for _, name := range tree(t, dir) {
					if strings.HasSuffix(name, ".shoal") {
						t.Errorf("%s left", name)
					}
				}
			})
		}
	}
}

func TestResumeBringsTheInfoOfAMagnet(t *testing.T) {
	s := mixed(t, true, true)
	dir := filepath.Join(t.TempDir(), "new")
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if r.Info() != nil {
		t.Error("an info dictionary from nowhere")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); len(got) != 0 {
		t.Errorf("a download that never began left %v", got)
	}
	x := begin(t, dir, s)
	x.download(t, s, 2)
	x.stop(t)
	r, err = OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Info() == nil || !bytes.Equal(r.Info().Bytes, s.Info.Bytes) {
		t.Error("the info dictionary is lost")
	}
}

func TestResumeOfAHybridFoundByItsV2Hash(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 3)
	r, err := OpenResume(dir, s.Info.HashV2.Short())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(s.Info); !errors.Is(err, ErrInUse) {
		t.Errorf("two downloads of one torrent: %v", err)
	}
	x.stop(t)
	if err := r.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, dir, s, FileOptions{})
	have, _, err := r.Attach(f)
	if err != nil {
		t.Fatal(err)
	}
	wantBits(t, "have", have, setOf(s.Info.NumPieces(), 3))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := filepath.Glob(filepath.Join(dir, ".*.shoal")); len(got) != 1 {
		t.Errorf("resume files: %v", got)
	}
}

func TestASecondDownloadIntoTheFolderIsRefused(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	_, err := OpenResume(dir, s.Info.Key())
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v", err)
	}
	want := dir + " is already in use (another shoal is downloading this torrent there)" +
		"; stop the other one or choose another folder"
	if err.Error() != want {
		t.Errorf("message:\n got %s\nwant %s", err, want)
	}
	x.download(t, s, 0) // the first is not disturbed
	x.die()
	x = begin(t, dir, s)
	wantBits(t, "have", x.have, setOf(s.Info.NumPieces(), 0))

	// Another torrent that would write into the same files.
	other := makeSample(t, true, false, "a.bin:999", "b:5")
	r, err := OpenResume(dir, other.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(other.Info); !errors.Is(err, ErrInUse) {
		t.Errorf("another torrent of the same name: %v", err)
	}
	x.stop(t)
	if err := r.SetInfo(other.Info); err != nil {
		t.Errorf("after the first has stopped: %v", err)
	}
	r.Close()
}

func TestFilesTouchedSinceAreCheckedAgain(t *testing.T) {
	// v2: every file has pieces of its own. 0-3 a.bin, 4 deep/c, 5 deep/er/b.bin, 6-12 z.bin.
	s := mixed(t, false, true)
	n := s.Info.NumPieces()
	held := []int{0, 1, 5, 6, 9}
	later := time.Now().Add(time.Hour)
	earlier := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name           string
		touch          func(sample string) error
		have, doubtful []int
		afterKill      bool // is it noticed after a kill, too
	}{
		{"untouched", func(string) error { return nil }, held, nil, true},
		{"touched", func(d string) error { return os.Chtimes(d+"/z.bin", later, later) },
			[]int{0, 1, 5}, []int{6, 7, 8, 9, 10, 11, 12}, true},
		{"put back", func(d string) error { return os.Chtimes(d+"/a.bin", earlier, earlier) },
			[]int{5, 6, 9}, []int{0, 1, 2, 3}, true},
		{"cut", func(d string) error { return os.Truncate(d+"/a.bin", 40000) },
			[]int{5, 6, 9}, []int{0, 1, 2, 3}, true},
		{"gone", func(d string) error { return os.Remove(d + "/deep/er/b.bin") }, []int{0, 1, 6, 9}, nil, true},
		{"new", func(d string) error { return os.WriteFile(d+"/deep/c", []byte("x"), 0o666) },
			held, []int{4}, false},
	} {
		for _, kill := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				dir := t.TempDir()
				x := begin(t, dir, s)
				x.download(t, s, 0, 1, 5)
				x.checkpoint()
				x.download(t, s, 6, 9)
				if kill {
					x.die()
				} else {
					x.stop(t)
				}
				if err := c.touch(filepath.Join(dir, "sample")); err != nil {
					t.Fatal(err)
				}
				x = begin(t, dir, s)
				wantBits(t, "have", x.have, setOf(n, c.have...))
				if !kill || c.afterKill {
					wantBits(t, "doubtful", x.doubtful, setOf(n, c.doubtful...))
				}
				if (len(c.have) < len(held)) != (x.Note() != "") {
					t.Errorf("note: %q", x.Note())
				}
				// What is in doubt stays in doubt until it has been hashed.
				x.die()
				x = begin(t, dir, s)
				wantBits(t, "have, second time", x.have, setOf(n, c.have...))
				if !kill || c.afterKill {
					wantBits(t, "doubtful, second time", x.doubtful, setOf(n, c.doubtful...))
				}
				good, err := VerifyPieces(context.Background(), x.f, s.Info, s.Layers(), x.doubtful, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := range n {
					if good.Has(i) {
						if err := x.MarkHave(i); err != nil {
							t.Fatal(err)
						}
						x.have.Set(i)
					}
				}
				want := x.have
				x.stop(t)
				x = begin(t, dir, s)
				wantBits(t, "have, after hashing", x.have, want)
			})
		}
	}
}

func TestALossOfPowerCostsWhatWasNotForcedToTheDisk(t *testing.T) {
	s := mixed(t, false, true)
	n := s.Info.NumPieces()
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 0, 1)
	x.checkpoint()
	x.download(t, s, 6)
	x.die()
	restart := func() {
		r, err := OpenResume(dir, s.Info.Key())
		if err != nil {
			t.Fatal(err)
		}
		r.boot = "another boot"
		x = &session{Resume: r, f: openFiles(t, dir, s, FileOptions{})}
		if x.have, x.doubtful, err = r.Attach(x.f); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	wantBits(t, "have", x.have, setOf(n, 0, 1))
	wantBits(t, "doubtful", x.doubtful, setOf(n, 6))
	if !strings.Contains(x.Note(), "restarted") {
		t.Errorf("note: %q", x.Note())
	}
	x.die()

	// After a stop in good order nothing is lost.
	x = begin(t, dir, s)
	x.download(t, s, 7)
	x.stop(t)
	restart()
	if !x.have.Has(7) {
		t.Error("a stop in good order did not force data to the disk")
	}
	x.die()
}

func TestExistingFilesWithoutResumeDataAreLookedAt(t *testing.T) {
	s := mixed(t, false, true)
	n := s.Info.NumPieces()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "sample", "z.bin"), s.files["z.bin"])
	x := begin(t, dir, s)
	wantBits(t, "have", x.have, NewBits(n))
	wantBits(t, "doubtful", x.doubtful, setOf(n, 6, 7, 8, 9, 10, 11, 12))
}

func TestBadResumeDataIsPutAside(t *testing.T) {
	s := mixed(t, true, true)
	n := s.Info.NumPieces()
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 0)
	x.download(t, s, 5)
	x.stop(t)
	path := resumePath(dir, s)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := appendRecord(appendResumeHeader(nil, s.Info.Key()), recInfo, makeSample(t, true, false, "x:5").Info.Bytes)
	for name, b := range map[string][]byte{
		"empty":            {},
		"text":             []byte("not resume data at all, but something that somebody put there"),
		"only magic":       good[:20],
		"foreign":          appendResumeHeader(nil, metainfo.Hash{1}),
		"foreign info":     other,
		"no info":          appendHave(appendResumeHeader(nil, s.Info.Key()), time.Now(), []int{0}),
		"zeros":            make([]byte, 4096),
		"flipped in info":  flip(good, resumeHeaderLen+100),
		"huge record":      append(appendResumeHeader(nil, s.Info.Key()), 0xff, 0xff, 0xff, 0xff, 'h', 1, 2, 3, 4),
		"piece of nowhere": appendHave(appendRecord(appendResumeHeader(nil, s.Info.Key()), recInfo, s.Info.Bytes), time.Now(), []int{n}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			x := begin(t, dir, s)
			wantBits(t, "have", x.have, NewBits(n))
			if x.doubtful.Count() == 0 {
				t.Error("the files that are there are not looked at")
			}
			if name != "empty" && !strings.Contains(x.Note(), path) {
				t.Errorf("note: %q", x.Note())
			}
			x.download(t, s, 2)
			x.stop(t)
			x = begin(t, dir, s)
			if !x.have.Has(2) {
				t.Error("it is of no use afterwards")
			}
			x.die()
		})
	}
	// Whatever the log is cut to or has flipped, nothing is believed that was
	// not recorded, and it works on.
	for cut := range len(good) {
		for _, b := range [][]byte{good[:cut], flip(good, cut)} {
			log, _ := parseResumeLog(bytes.NewReader(b), int64(len(b)), s.Info.Key())
			for i := range n {
				if log.have != nil && log.have.Has(i) && i != 0 && i != 5 {
					t.Fatalf("changed at %d: piece %d out of nowhere", cut, i)
				}
			}
		}
	}
	if err := os.WriteFile(path, good[:len(good)-3], 0o666); err != nil {
		t.Fatal(err)
	}
	x = begin(t, dir, s)
	wantBits(t, "have, end torn off", x.have, setOf(n, 0, 5))
	if x.Note() == "" {
		t.Error("no word about the damage")
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 0x10
	return c
}

func TestResumeFileThatIsNoFile(t *testing.T) {
	s := mixed(t, true, true)
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(filepath.Join(outside, "x"), resumePath(dir, s)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenResume(dir, s.Info.Key()); err == nil {
		t.Error("a symbolic link was followed")
	}
	if got := tree(t, outside); len(got) != 0 {
		t.Errorf("written outside: %v", got)
	}
}

func TestALongLogIsWrittenAnew(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.download(t, s, 0)
	many := make([]int, 200_000)
	for range 8 {
		x.download(t, s, 1)
		if err := x.MarkHave(many...); err != nil {
			t.Fatal(err)
		}
	}
	x.die()
	before, _ := os.Stat(resumePath(dir, s))
	x = begin(t, dir, s)
	wantBits(t, "have", x.have, setOf(s.Info.NumPieces(), 0, 1))
	after, err := os.Stat(resumePath(dir, s))
	if err != nil || after.Size() > 10_000 || before.Size() < compactAbove {
		t.Errorf("%d bytes, before %d, %v", after.Size(), before.Size(), err)
	}
	if _, err := OpenResume(dir, s.Info.Key()); !errors.Is(err, ErrInUse) {
		t.Errorf("the lock is lost: %v", err)
	}
	x.download(t, s, 2)
	x.die()
	x = begin(t, dir, s)
	wantBits(t, "have", x.have, setOf(s.Info.NumPieces(), 0, 1, 2))
	if got, _ := filepath.Glob(filepath.Join(dir, ".*.new")); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestCheckpointsComeByThemselves(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x := begin(t, dir, s)
	x.syncEach = 0
	x.download(t, s, 0)
	x.wg.Wait()
	x.die()
	b, err := os.ReadFile(resumePath(dir, s))
	if err != nil {
		t.Fatal(err)
	}
	log, err := parseResumeLog(bytes.NewReader(b), int64(len(b)), s.Info.Key())
	if err != nil || !log.have.Has(0) || len(log.unsafe) != 0 {
		t.Errorf("have %08b, unsafe %v, %v", log.have, log.unsafe, err)
	}
}

func FuzzResumeLog(f *testing.F) {
	s := mixed(f, true, true)
	key := s.Info.Key()
	good := appendRecord(appendResumeHeader(nil, key), recInfo, s.Info.Bytes)
	good = appendSession(good, "boot", NewBits(s.Info.NumPieces()), NewBits(s.Info.NumPieces()))
	good = appendHave(good, time.Unix(1, 0), []int{1, 2})
	rec := stampRecord{time: time.Unix(2, 0), upto: 1 << 40, closing: true, files: []fileStamp{{1, stamp{2, 3}}}}
	f.Add(rec.append(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		// With right checksums the fuzzer gets further.
		log, err := parseResumeLog(bytes.NewReader(b), int64(len(b)), key)
		if err == nil && log.end > int64(len(b)) {
			t.Errorf("valid to %d of %d", log.end, len(b))
		}
		if len(b) > 0 {
			fixed := appendRecord(good[:len(good):len(good)], b[0], b[1:])
			log, err = parseResumeLog(bytes.NewReader(fixed), int64(len(fixed)), key)
			if err != nil || log.end < int64(len(good)) {
				t.Errorf("a record that follows destroys what is before: %v", err)
			}
			if n := log.have.Count(); n > s.Info.NumPieces() {
				t.Errorf("%d pieces", n)
			}
		}
	})
}
