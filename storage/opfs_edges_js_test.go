package storage

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// throws makes a method throw a DOMException of a name until it is mended.
func throws(v js.Value, method, name string) (mend func()) {
	was := v.Get(method)
	v.Set(method, js.Global().Call("eval", `() => { throw new DOMException("it fails", "`+name+`") }`))
	return func() { v.Set(method, was) }
}

// A list names the torrents there are, and nothing else that lies in the folder.
func TestOPFSListsTorrentsAlone(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	o.Close()
	key := s.Info.Key().String()
	for _, name := range []string{"x.index", key, key + "0.index", key[1:] + ".index", strings.Repeat("g", 40) + ".index", key + ".inde_"} {
		fake.Get("files").Call("set", name, newBytes(0))
	}
	other := metainfo.Hash{7}
	fake.Get("files").Call("set", other.String()+".index", newBytes(0))
	keys, err := ListOPFS()
	if want := []metainfo.Hash{s.Info.Key(), other}; err != nil || !slices.Equal(keys, want) {
		t.Errorf("%v, %v; want %v", keys, err, want)
	}
	// What was found before the list broke off is told with the error.
	o.dir.Set("keys", js.Global().Call("eval", `(async function*() { yield "`+key+`.index"; throw new DOMException("", "NotReadableError") })`))
	if keys, err := ListOPFS(); !errors.Is(err, ErrChanged) || len(keys) != 1 || keys[0] != s.Info.Key() {
		t.Errorf("a list that breaks off: %v, %v", keys, err)
	}
	throws(o.dir, "keys", "NotAllowedError")
	if keys, err := ListOPFS(); !errors.Is(err, ErrPermission) || len(keys) != 0 {
		t.Errorf("a list that cannot be had: %v, %v", keys, err)
	}
}

// A browser that forbids it says so, whatever is asked of it.
func TestOPFSThatIsForbidden(t *testing.T) {
	useFake(t)
	store := js.Global().Get("navigator").Get("storage")
	throws(store, "getDirectory", "SecurityError")
	throws(store, "estimate", "SecurityError")
	_, open := OpenOPFS(metainfo.Hash{1})
	_, list := ListOPFS()
	_, _, space := OPFSSpace()
	for what, err := range map[string]error{"open": open, "list": list, "remove": RemoveOPFS(metainfo.Hash{1}), "space": space} {
		if !errors.Is(err, ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Old browsers have one half of it or the other.
func TestOPFSOfOldBrowsers(t *testing.T) {
	for _, code := range []string{
		"delete FileSystemFileHandle.prototype.createSyncAccessHandle", "globalThis.FileSystemFileHandle = 5",
		"delete navigator.storage.getDirectory", "delete navigator.storage", `Object.defineProperty(globalThis, "navigator", { configurable: true, value: undefined })`,
	} {
		useFake(t)
		if !OPFSAvailable() {
			t.Fatal("the fake is none")
		}
		js.Global().Call("eval", code)
		if OPFSAvailable() {
			t.Errorf("there is one in spite of %s", code)
		}
		if _, _, err := OPFSSpace(); err == nil || !strings.Contains(err.Error(), "there is none here") {
			t.Errorf("space after %s: %v", code, err)
		}
	}
	useFake(t)
	js.Global().Call("eval", `navigator.storage.estimate = async () => ({ usage: "much" })`)
	if usage, quota, err := OPFSSpace(); usage != 0 || quota != 0 || err != nil {
		t.Errorf("a browser that does not say: %d of %d, %v", usage, quota, err)
	}
}

// What cannot be opened, read or emptied leaves no lock behind.
func TestOPFSThatCannotBeOpened(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	proto := o.index.v.Get("constructor").Get("prototype")
	s.fill(t, o, 1)
	if err := o.MarkHave(1); err != nil {
		t.Fatal(err)
	}
	o.Close()
	key := s.Info.Key().String()
	locks := func() int { return fake.Get("open").Get("size").Int() }
	file := js.Global().Get("FileSystemFileHandle").Get("prototype")
	for what, put := range map[string]func() func(){
		"no size":            func() func() { return throws(proto, "getSize", "NotReadableError") },
		"nothing to be read": func() func() { return throws(proto, "read", "NotReadableError") },
		"no file's size":     func() func() { return throws(file, "getFile", "NotReadableError") },
	} {
		mend := put()
		if _, err := OpenOPFS(s.Info.Key()); !errors.Is(err, ErrChanged) || locks() != 0 {
			t.Errorf("%s: %v, %d locks", what, err, locks())
		}
		mend()
	}
	o = openOPFS(t, s)
	wantBits(t, "have", o.Have(), setOf(s.Info.NumPieces(), 1))
	o.Close()
	fake.Get("files").Call("set", key+".index", newBytes(100))
	mend := throws(proto, "truncate", "NoModificationAllowedError")
	if _, err := OpenOPFS(s.Info.Key()); err == nil || locks() != 0 {
		t.Errorf("what cannot be emptied: %v, %d locks", err, locks())
	}
	mend()
	if o, err := OpenOPFS(s.Info.Key()); err != nil || o.Info() != nil || o.Close() != nil {
		t.Errorf("begun anew: %v", err)
	}
}

// The info dictionary is known once it is on the disk, and is the first one told.
func TestOPFSInfoIsKnownOnceItIsWritten(t *testing.T) {
	useFake(t)
	s := mixed(t, true, true)
	o, err := OpenOPFS(s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"write", "flush"} {
		mend := throws(o.index.v, method, "QuotaExceededError")
		if err := o.SetInfo(s.Info); !errors.Is(err, ErrNoSpace) || o.Info() != nil {
			t.Errorf("%s fails: %v, %v", method, err, o.Info())
		}
		mend()
	}
	for _, info := range []*metainfo.Info{s.Info, makeSample(t, true, false, "other:5").Info} {
		if err := o.SetInfo(info); err != nil || o.Info() != s.Info {
			t.Errorf("%v, %v", err, o.Info())
		}
	}
	// A piece that is there and cannot be marked as no longer there stays as it is.
	s.fill(t, o, 0)
	if err := errors.Join(o.MarkHave(0), o.Close()); err != nil {
		t.Fatal(err)
	}
	o = openOPFS(t, s)
	mend := throws(o.index.v, "write", "QuotaExceededError")
	if _, err := o.WriteAt(make([]byte, 5), 0); !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v", err)
	}
	mend()
	got := make([]byte, pieceLen)
	if _, err := o.ReadAt(got, 0); err != nil || !bytes.Equal(got, s.piece(0)) || !o.Have().Has(0) {
		t.Errorf("the piece was touched: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.SetInfo(s.Info); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// What went wrong while nobody waited is told with the next call, once, and tried again.
func TestOPFSTellsLaterWhatFailed(t *testing.T) {
	useFake(t)
	s := mixed(t, true, true)
	n := s.Info.NumPieces()
	o := openOPFS(t, s)
	s.fill(t, o, 0, 1, 2)
	if err := o.MarkHave(); err != nil || o.timer != nil {
		t.Errorf("nothing to note: %v, %v", err, o.timer)
	}
	if err := o.MarkHave(0); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"write", "flush"} {
		mend := throws(o.index.v, method, "QuotaExceededError")
		o.timer.Stop()
		o.flushLater()
		if err := o.MarkHave(1); !errors.Is(err, ErrNoSpace) {
			t.Errorf("%s failed: %v", method, err)
		}
		if err := o.MarkHave(); err != nil || o.timer == nil {
			t.Errorf("once more: %v, %v", err, o.timer)
		}
		mend()
	}
	s.fill(t, o, 2) // there is something to be flushed again
	mend := throws(o.files[0].h.v, "flush", "QuotaExceededError")
	if err := o.MarkHave(make([]int, flushPieces)...); !errors.Is(err, ErrNoSpace) {
		t.Errorf("many at once: %v", err)
	}
	mend()
	if err := o.MarkHave(2, n-1); err != nil { // n-1 was never written
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	o = openOPFS(t, s)
	wantBits(t, "have", o.Have(), setOf(n, 0, 1, 2))
	// Close says what it could not do, and is over all the same.
	s.fill(t, o, 3)
	if err := o.MarkHave(3); err != nil {
		t.Fatal(err)
	}
	mend = throws(o.files[0].h.v, "flush", "QuotaExceededError")
	if err := o.Close(); !errors.Is(err, ErrNoSpace) || o.timer != nil {
		t.Errorf("got %v", err)
	}
	mend()
	o.flushLater() // a timer that could not be stopped any more
	o = openOPFS(t, s)
	if o.Have().Has(3) {
		t.Error("a piece was noted that may not be on the disk")
	}
	o.Close()
}

// So many pieces are lost with the tab at most, and not one more.
func TestOPFSNotesPiecesByTheDozen(t *testing.T) {
	fake := useFake(t)
	s := makeSample(t, true, false, "f:500000")
	o := openOPFS(t, s)
	for i := range flushPieces {
		s.fill(t, o, i)
		if err := o.MarkHave(i); err != nil {
			t.Fatal(err)
		}
		if i == flushPieces-2 && o.Have().Count() != 0 {
			t.Error("each piece is noted by itself")
		}
	}
	closeTab(fake, o)
	o = openOPFS(t, s)
	if got := o.Have().Count(); got != flushPieces {
		t.Errorf("%d pieces are left of %d", got, flushPieces)
	}
	o.Close()
}

// What is open is not removed, and what cannot be removed is told by its name.
func TestOPFSThatCannotBeRemoved(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	err := RemoveOPFS(s.Info.Key())
	if !errors.Is(err, ErrInUse) {
		t.Errorf("while it is open: %v", err)
	}
	mend := throws(o.dir, "removeEntry", "NotAllowedError")
	if err := o.Delete(); !errors.Is(err, ErrPermission) {
		t.Errorf("a browser that forbids it: %v", err)
	}
	mend()
	if err := o.Delete(); err != nil || fake.Get("files").Get("size").Int() != 0 {
		t.Errorf("%v, %d files are left", err, fake.Get("files").Get("size").Int())
	}
}

// A piece may be larger than what one call takes.
func TestOPFSOfLargePieces(t *testing.T) {
	useFake(t)
	s := makeSampleOf(t, 4<<20, true, false, "f:6000000")
	o := openOPFS(t, s)
	defer o.Delete()
	s.fill(t, o)
	got := make([]byte, len(s.space))
	if n, err := o.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, s.space) {
		t.Errorf("%d bytes, %v, or they differ", n, err)
	}
}
