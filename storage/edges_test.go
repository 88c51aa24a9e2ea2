//go:build unix

package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// A folder that cannot be made is named, by whoever needs it.
func TestAFolderThatCannotBeMade(t *testing.T) {
	s := mixed(t, true, true)
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, []byte("in the way"))
	dir := filepath.Join(file, "below")
	_, err := OpenFiles(dir, s.Info, FileOptions{})
	if e := new(Error); !errors.As(err, &e) || e.Path != dir || e.Op != "create" {
		t.Errorf("files: %v", err)
	}
	_, err = OpenResume(dir, s.Info.Key())
	if e := new(Error); !errors.As(err, &e) || e.Path != dir || e.Op != "create" {
		t.Errorf("resume data: %v", err)
	}
	if _, err = OpenFiles(filepath.Join(t.TempDir(), "none"), s.Info, FileOptions{ReadOnly: true}); !errors.Is(err, ErrMissing) {
		t.Errorf("seeding from a folder that is not there: %v", err)
	}
}

// What lies under the name of a file and is no file is left alone.
func TestWhatIsNoFile(t *testing.T) {
	s := makeSample(t, true, false, "a:40000", "b:5")
	for what, put := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "sample"), 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "sample", "a")
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{false, true} {
			_, err := OpenFiles(dir, s.Info, FileOptions{ReadOnly: readOnly})
			if e := new(Error); !errors.As(err, &e) || e.Kind != ErrChanged || e.Path != path {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// Resume data is used in its order; out of it, an error says so.
func TestResumeDataOutOfOrder(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	if err := r.MarkHave(0); !errors.Is(err, ErrRange) {
		t.Errorf("a piece of no files: %v", err)
	}
	if err := r.SetInfo(s.Info); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	x := begin(t, dir, s)
	x.download(t, s, 3)
	x.stop(t)
	if err := x.MarkHave(4); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := x.Resume.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if err := x.Remove(); err != nil {
		t.Errorf("removed after Close: %v", err)
	}
	if _, err := os.Stat(resumePath(dir, s)); err != nil {
		t.Errorf("what was kept is gone: %v", err)
	}
	x = begin(t, dir, s)
	wantBits(t, "have", x.have, setOf(s.Info.NumPieces(), 3))
	if err := x.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(resumePath(dir, s)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was removed is there: %v", err)
	}
}

// Two torrents of one name are not downloaded into one folder at a time, also where
// the second one goes on.
func TestAnotherOfTheSameName(t *testing.T) {
	one, two := makeSample(t, true, false, "a:40000", "b:5"), makeSample(t, true, false, "a:50000", "b:5")
	dir := t.TempDir()
	x := begin(t, dir, two)
	x.stop(t)
	x = begin(t, dir, one)
	if _, err := OpenResume(dir, two.Info.Key()); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	x.stop(t)
	r, err := OpenResume(dir, two.Info.Key())
	if err != nil || r.Info() == nil {
		t.Fatalf("when the first is over: %v", err)
	}
	r.Close()
}

// A record that is whole and makes no sense ends what is believed of a log.
func TestRecordsThatMakeNoSense(t *testing.T) {
	s := mixed(t, true, true)
	n := s.Info.NumPieces()
	if n%8 == 0 {
		t.Fatal("a number of pieces with spare bits is needed")
	}
	begin := appendRecord(appendResumeHeader(nil, s.Info.Key()), recInfo, s.Info.Bytes)
	begin = appendSession(begin, "boot", setOf(n, 1), setOf(n, 2))
	parse := func(b []byte) resumeLog {
		l, err := parseResumeLog(bytes.NewReader(b), int64(len(b)), s.Info.Key())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	good := parse(appendHave(bytes.Clone(begin), time.UnixMilli(5000), []int{0, 2, n - 1}))
	wantBits(t, "have", good.have, setOf(n, 0, 1, 2, n-1))
	wantBits(t, "doubtful", good.doubtful, NewBits(n))
	if good.damage != "" || good.boot != "boot" || good.last != time.UnixMilli(5000) || good.clean {
		t.Errorf("%q, boot %q, last %v, clean %v", good.damage, good.boot, good.last, good.clean)
	}
	spare := NewBits((n + 7) / 8 * 8) // as many bytes
	spare.Set(spare.Len() - 1)
	none := NewBits(n)
	for name, record := range map[string][]byte{
		"unknown":                    appendRecord(nil, 'x', make([]byte, 20)),
		"have without a time":        appendRecord(nil, recHave, make([]byte, 4)),
		"have of half a piece":       appendRecord(nil, recHave, make([]byte, 10)),
		"have of a piece too many":   appendHave(nil, time.Now(), []int{n}),
		"stamps without a time":      appendRecord(nil, recStamps, make([]byte, 16)),
		"stamps of half a file":      appendRecord(nil, recStamps, make([]byte, 17+19)),
		"session of nothing":         appendRecord(nil, recSession, nil),
		"session of another torrent": appendSession(nil, "boot", NewBits(n+8), NewBits(n+8)),
		"session with spare pieces":  appendSession(nil, "boot", spare, none),
		"session with spare doubts":  appendSession(nil, "boot", none, spare),
		"other info":                 appendRecord(nil, recInfo, makeSample(t, true, false, "x:5").Info.Bytes),
		"no info":                    appendRecord(nil, recInfo, []byte("de")),
	} {
		b := append(bytes.Clone(begin), record...)
		l := parse(appendHave(b, time.Now(), []int{5}))
		if l.damage == "" || l.end != int64(len(begin)) {
			t.Errorf("%s: %q, %d of %d bytes are believed", name, l.damage, l.end, len(begin))
		}
		wantBits(t, name, l.have, setOf(n, 1))
		wantBits(t, name, l.doubtful, setOf(n, 2))
	}
	// A checkpoint vouches for what was recorded before it, and only as far as it says.
	b := appendHave(bytes.Clone(begin), time.Now(), []int{4})
	upto := int64(len(b))
	b = appendHave(b, time.Now(), []int{5})
	for _, c := range []struct {
		upto    int64
		closing bool
		unsafe  int
	}{{upto, false, 1}, {upto + 1, true, 0}, {0, false, 2}} {
		stamps := stampRecord{time: time.UnixMilli(7000), upto: c.upto, closing: c.closing, files: []fileStamp{{2, stamp{30, 40}}}}
		l := parse(stamps.append(bytes.Clone(b)))
		if len(l.unsafe) != c.unsafe || l.clean != c.closing || l.last != time.UnixMilli(7000) || l.stamps[2] != (stamp{30, 40}) || l.damage != "" {
			t.Errorf("%+v: %d pieces are not safe, clean %v, %v, %v, %q", c, len(l.unsafe), l.clean, l.last, l.stamps, l.damage)
		}
		if again := parse(appendHave(stamps.append(bytes.Clone(b)), time.Now(), []int{6})); again.clean {
			t.Error("a log that goes on after its end is clean")
		}
	}
	// What is longer than it says, or than a record may be, is cut off.
	long := binary.LittleEndian.AppendUint32(nil, maxRecord+1)
	if l := parse(append(append(bytes.Clone(begin), long...), make([]byte, 1000)...)); !strings.Contains(l.damage, "cut off") {
		t.Errorf("%q", l.damage)
	}
	if _, err := parseResumeLog(bytes.NewReader(begin), maxResume+1, s.Info.Key()); err == nil {
		t.Error("a log of any length is read")
	}
	if _, err := parseResumeLog(bytes.NewReader(begin), int64(len(begin)), metainfo.Hash{1}); err == nil {
		t.Error("a log of another torrent is read")
	}
}

// A store that is closed says so, and its memory is free.
func TestAMemoryThatIsClosed(t *testing.T) {
	s := mixed(t, true, false)
	budget := NewBudget(10 << 20)
	m := NewMemory(s.Info, MemoryOptions{Budget: budget})
	s.fill(t, m, 0, 1, 2)
	used := budget.Used()
	m.Drop(1)
	m.Drop(1)
	if got := budget.Used(); got != used-s.Info.PieceLength {
		t.Errorf("%d bytes after one piece was dropped, %d before", got, used)
	}
	if _, err := m.ReadAt(make([]byte, 1), s.Info.PieceLength); !errors.Is(err, ErrMissing) {
		t.Errorf("a piece that was dropped: %v", err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if budget.Used() != 0 {
		t.Errorf("%d bytes are still taken", budget.Used())
	}
	if _, err := m.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("reading: %v", err)
	}
	if _, err := m.WriteAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("writing: %v", err)
	}
	if budget.Used() != 0 {
		t.Errorf("%d bytes are taken by a closed store", budget.Used())
	}
}

// On this system a name is kept as the torrent has it, whatever others would make of it.
func TestNamesOfThisSystem(t *testing.T) {
	s := makeSample(t, true, false, `deep/a?*. :5`, "dot.:5")
	names, err := localNames(s.Info)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range s.Info.Files {
		if want := filepath.Join(append([]string{s.Info.Name}, f.Path...)...); !f.Pad && names[i] != want {
			t.Errorf("%q instead of %q", names[i], want)
		}
	}
}
